//! What the receiver of an instance is told: that a request is decided, and nothing about how. It
//! wakes whoever waits, who then looks and uses the approval, once.

use std::time::Duration;

use approvals_core::ledger::{AuditRecord, Entry};
use approvals_core::lifecycle::Event;
use approvals_core::{AgentId, ApprovalError, RequestId, Timestamp};
use serde_json::json;

use super::client::Message;
use crate::api::uuid;
use crate::instances::Instance;
use crate::site::Site;

/// One instance, and which requests are its own.
pub(super) struct Resolved {
    instance: String,
    agent: AgentId,
}

impl Resolved {
    pub(super) fn new(instance: &Instance) -> Self {
        Self {
            instance: instance.id.clone(),
            agent: instance.agent.clone(),
        }
    }

    pub(super) fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// The message, if this record is the first that decided a request of the instance.
    pub(super) async fn message(
        &self,
        site: &Site,
        request: RequestId,
        record: &AuditRecord,
    ) -> Result<Option<(Message, Option<Timestamp>)>, ApprovalError> {
        if !decides(record) {
            return Ok(None);
        }
        let journal = site.gate().journal();
        let state = journal.state(request).await?;
        if state.is_none_or(|state| state.action().agent != self.agent) {
            return Ok(None);
        }
        let history = journal.history(request).await?;
        let first = history.iter().find(|record| decides(record));
        if first.is_none_or(|first| first.seq != record.seq) {
            return Ok(None);
        }
        let id = uuid(record.id.as_bytes());
        let body = json!({
            "id": id,
            "type": "request.resolved",
            "instance_id": self.instance,
            "request_id": uuid(request.as_bytes()),
            "created_at": record.at.to_string(),
        });
        let message = Message {
            id,
            kind: "application/json",
            body: body.to_string().into(),
        };
        Ok(Some((message, Some(record.at.after(USEFUL)))))
    }
}

fn decides(record: &AuditRecord) -> bool {
    matches!(
        &record.entry,
        Entry::Request(
            _,
            Event::Approved(_)
                | Event::AutoApproved(_)
                | Event::Denied(_)
                | Event::Expired
                | Event::Cancelled
        )
    )
}

/// For how long a message is tried.
const USEFUL: Duration = Duration::from_secs(7 * 86_400);
