//! Using an approval up on the server, and telling it what became of the run.

use std::sync::Arc;

use approvals_core::id::RecordId;
use approvals_core::lifecycle::Finished;
use approvals_core::permit::{PermitPort, Queued};
use approvals_core::{ActionDigest, ApprovalError, Code, Outcome, RequestId};
use reqwest::Method;
use serde_json::json;

use crate::answer::{Answer, path};
use crate::gate::Inner;
use crate::web::Call;

/// The permits of a remote gate end here.
pub(crate) struct Port(pub(crate) Arc<Inner>);

impl PermitPort for Port {
    fn consume(&self, request: RequestId, attempt: RecordId, digest: ActionDigest) -> Queued<()> {
        let way = Arc::clone(&self.0.way);
        self.0.worker.begin(async move {
            let mut call = Call::new(Method::POST, format!("{}/consume", path(request)));
            // The same try, however often it must be made.
            call.key = Some(attempt.to_string());
            call.body = Some(json!({ "digest": digest }).to_string().into_bytes());
            let used = way.through(&call).await;
            let body = used.map_err(|error| error.with_request(request))?;
            Answer::parse(&body)?.is_used(request, digest)
        })
    }

    fn burn(&self, request: RequestId, _attempt: RecordId, got: ActionDigest) -> Queued<()> {
        self.tell(request, json!({ "status": "not_run", "digest": got }))
    }

    fn finish(&self, request: RequestId, _attempt: RecordId, finished: Finished) -> Queued<()> {
        let status = match finished.outcome {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        };
        self.tell(request, json!({ "status": status }))
    }

    fn abandon(&self, request: RequestId) {
        let way = Arc::clone(&self.0.way);
        drop(self.0.worker.begin(async move {
            way.withdraw(&path(request)).await;
            Ok(())
        }));
    }
}

impl Port {
    /// Tells the server how a run ended. Said twice it counts once, so it is said until it is heard.
    fn tell(&self, request: RequestId, ending: serde_json::Value) -> Queued<()> {
        let way = Arc::clone(&self.0.way);
        self.0.worker.begin(async move {
            let mut call = Call::new(Method::POST, format!("{}/outcome", path(request)));
            call.body = Some(ending.to_string().into_bytes());
            match way.through(&call).await {
                Ok(_) => Ok(()),
                Err(error) => Err(in_doubt(request, error)),
            }
        })
    }
}

/// The server knows that the approval was used, and not how the run ended.
fn in_doubt(request: RequestId, error: ApprovalError) -> ApprovalError {
    // What was never used has no end: nothing is in doubt.
    if error.code() != Code::Misuse {
        tracing::error!(approval.request = %request, %error, "how the run ended could not be told; it stays in doubt on the server");
    }
    error.with_request(request)
}
