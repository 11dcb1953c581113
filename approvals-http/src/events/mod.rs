//! What happened to requests, as other systems read it: CloudEvents, and OCSF for security
//! monitoring.
//!
//! Views, and nothing else: the truth is the record, which each view names by its place and its leaf
//! hash. Only facts of the record are in them; what people were shown is not, unless a card is given.

mod cloud;
mod ocsf;

use approvals_core::ledger::{AuditRecord, Entry, Hash, Origin};
use approvals_core::lifecycle::{Created, Event};
use approvals_core::{Card, RequestId};
use serde_json::Value;

/// The version of OCSF that [`Happening::ocsf`] speaks.
pub const OCSF: &str = "1.8.0";

/// One record about a request, beside the record that made the request.
#[derive(Debug, Clone, Copy)]
pub struct Happening<'a> {
    log: &'a Origin,
    leaf: Hash,
    record: &'a AuditRecord,
    request: RequestId,
    event: &'a Event,
    created: &'a Created,
}

impl<'a> Happening<'a> {
    /// What a record says; none when it is not about a request. `created` must be of the request that
    /// it is about.
    #[must_use]
    pub fn of(
        log: &'a Origin,
        leaf: Hash,
        record: &'a AuditRecord,
        created: &'a Created,
    ) -> Option<Self> {
        let Entry::Request(request, event) = &record.entry else {
            return None;
        };
        Some(Self {
            log,
            leaf,
            record,
            request: *request,
            event,
            created,
        })
    }

    /// The CloudEvent of it, in structured JSON. With a card, what people were shown goes out, too:
    /// values that were redacted or erased are not on it.
    #[must_use]
    pub fn cloud_event(&self, shown: Option<&Card>) -> Value {
        cloud::event(self, shown)
    }

    /// The OCSF event of it; none for what is no news to security monitoring, such as a copy that
    /// went to a channel.
    #[must_use]
    pub fn ocsf(&self) -> Option<Value> {
        ocsf::event(self)
    }
}
