//! A gate of this program's own, made from public parts only.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use approvals_core::gate::Call;
use approvals_core::lifecycle::Finished;
use approvals_core::permit::{PermitPort, Queued};
use approvals_core::{ActionDigest, Agent, ApprovalError, ApprovalGate, Code, Permit, RequestId};

use crate::Answer;

/// Approves or denies everything, and counts the permits that were used.
#[derive(Debug, Clone)]
pub(crate) struct Clerk {
    approves: bool,
    used: Arc<AtomicU64>,
}

impl Clerk {
    pub(crate) fn approving() -> Self {
        Self {
            approves: true,
            used: Arc::default(),
        }
    }

    pub(crate) fn denying() -> Self {
        Self {
            approves: false,
            used: Arc::default(),
        }
    }

    /// How many permits were used.
    pub(crate) fn used(&self) -> Answer {
        Ok(self.used.load(Ordering::SeqCst))
    }

    fn permit(&self) -> Result<Permit, ApprovalError> {
        if !self.approves {
            return Err(ApprovalError::new(Code::Denied, "the clerk said no"));
        }
        let digest = ActionDigest::from_bytes([7; 32]);
        let port = Port(Arc::clone(&self.used));
        Ok(Permit::assertion(
            RequestId::from_bytes([1; 16]),
            digest,
            Arc::new(port),
            Box::new(move |_| Ok(digest)),
        ))
    }
}

impl ApprovalGate for Clerk {
    // What `#[async_trait]` would write.
    fn authorize<'gate, 'async_trait>(
        &'gate self,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Permit, ApprovalError>> + Send + 'async_trait>>
    where
        'gate: 'async_trait,
        Self: 'async_trait,
    {
        drop(call);
        Box::pin(ready(self.permit()))
    }

    fn shared(&self) -> Arc<dyn ApprovalGate> {
        Arc::new(self.clone())
    }

    fn default_agent(&self) -> Option<Agent> {
        Some(Agent::new("consumer").on_behalf_of("u_alice"))
    }
}

struct Port(Arc<AtomicU64>);

impl PermitPort for Port {
    fn consume(&self, _: RequestId, _: ActionDigest) -> Queued<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(ready(Ok(())))
    }

    fn burn(&self, _: RequestId, _: ActionDigest) -> Queued<()> {
        Box::pin(ready(Ok(())))
    }

    fn finish(&self, _: RequestId, _: Finished) -> Queued<()> {
        Box::pin(ready(Ok(())))
    }

    fn abandon(&self, _: RequestId) {}
}
