//! What the server says of one request, read strictly.

use approvals_core::digest::hex;
use approvals_core::sealed::{ActionRecord, Disclosure, FixedRecord, RecordedAction};
use approvals_core::{
    ActionDigest, ApprovalError, Code, PersonId, RequestId, Timestamp, Untrusted,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::web::unreadable;

/// One request as the server answers it. It gives no right by itself.
#[derive(Deserialize)]
pub(crate) struct Answer {
    id: String,
    status: State,
    pub(crate) created_at: Timestamp,
    pub(crate) deadline_at: Timestamp,
    #[serde(default)]
    decision: Option<Decision>,
    #[serde(default)]
    consumption: Option<IgnoredAny>,
    guard: Guard,
}

/// Where a request stands; any other word is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Pending,
    Approved,
    Denied,
    Expired,
    Cancelled,
}

#[derive(Deserialize)]
struct Decision {
    #[serde(default)]
    note: Option<String>,
}

#[derive(Deserialize)]
struct Guard {
    digest: ActionDigest,
    record: ActionRecord,
    disclosures: Vec<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    denied_by: Option<PersonId>,
}

impl Answer {
    /// Reads an answer.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApprovalError> {
        let read: Self = serde_json::from_slice(body).map_err(|_| {
            unreadable("it is not a guarded request as this version reads it").error
        })?;
        let id = read.guard.record.request_id;
        match read.id == uuid(id) {
            true => Ok(read),
            false => Err(other(id)),
        }
    }

    pub(crate) fn request(&self) -> RequestId {
        self.guard.record.request_id
    }

    /// Where the request is under `/v1/requests`.
    pub(crate) fn path(&self) -> String {
        path(self.request())
    }

    /// The action that the answer says is on record, its digest computed here.
    pub(crate) fn sealed(&self) -> Result<RecordedAction, ApprovalError> {
        let texts = self.guard.disclosures.iter().cloned();
        let disclosures = texts.map(Disclosure::from_text).collect();
        let sealed = RecordedAction::new(self.guard.record.clone(), disclosures)?;
        match sealed.digest() == self.guard.digest {
            true => Ok(sealed),
            false => Err(other(self.request())),
        }
    }

    /// Whether this is still about the same request and the same action.
    pub(crate) fn is_about(
        &self,
        request: RequestId,
        digest: ActionDigest,
    ) -> Result<(), ApprovalError> {
        let same = self.request() == request
            && self.guard.digest == digest
            && FixedRecord::from(self.guard.record.clone()).digest()? == digest;
        same.then_some(()).ok_or_else(|| other(request))
    }

    /// What it means for whoever waits: a way on, a no, or nothing yet.
    pub(crate) fn verdict(&self) -> Result<Option<()>, ApprovalError> {
        let no = |code: Code, message: &str| {
            Err(ApprovalError::new(code, message).with_request(self.request()))
        };
        match (self.status, &self.consumption) {
            (_, Some(_)) => no(
                Code::AlreadyConsumed,
                "this call has been approved and used before; one approval, one run",
            ),
            (State::Pending, None) => Ok(None),
            (State::Approved, None) => Ok(Some(())),
            (State::Denied, None) => Err(self.denied()),
            (State::Expired, None) => no(
                Code::Expired,
                "nobody decided in time, or the approval was not used in time; ask again",
            ),
            (State::Cancelled, None) => no(Code::Cancelled, "the request was withdrawn"),
        }
    }

    /// Whether it says that the approval was used just now, for this and nothing else.
    pub(crate) fn is_used(
        &self,
        request: RequestId,
        digest: ActionDigest,
    ) -> Result<(), ApprovalError> {
        self.is_about(request, digest)?;
        match (self.status, &self.consumption) {
            (State::Approved, Some(_)) => Ok(()),
            (_, Some(_)) => Err(unreadable("it says used, and not approved").error),
            // The server let it through and says at once that it did not: that is no yes.
            (_, None) => match self.verdict()? {
                None | Some(()) => {
                    Err(unreadable("it does not say that the approval was used").error)
                }
            },
        }
    }

    fn denied(&self) -> ApprovalError {
        let code = self.guard.code.as_deref().and_then(Code::parse);
        let message = match code.unwrap_or(Code::Denied) {
            Code::Denied => "the request was denied",
            Code::DeniedRecently => {
                "a person had denied this very action shortly before it was asked"
            }
            Code::Frozen => "this was frozen when it was asked; ask again when the freeze is over",
            _ => "a policy rule forbids this; no approval can lift it",
        };
        let error = ApprovalError::new(code.unwrap_or(Code::Denied), message);
        let mut error = error.with_request(self.request());
        if let Some(person) = &self.guard.denied_by {
            error = error.with_person(person.clone());
        }
        let note = self
            .decision
            .as_ref()
            .and_then(|decision| decision.note.as_deref());
        match note {
            Some(note) => error.with_reason(Untrusted::new(note).to_string()),
            None => error,
        }
    }
}

/// Where a request is on the server.
pub(crate) fn path(request: RequestId) -> String {
    format!("/v1/requests/{}", uuid(request))
}

/// The id as the protocol writes it.
fn uuid(request: RequestId) -> String {
    let mut out = String::with_capacity(36);
    for (at, digit) in hex(request.as_bytes()).chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

/// The answer is about something else than what this call is about.
pub(crate) fn other(request: RequestId) -> ApprovalError {
    let message = "the server answers about another action than the one that is asked for here, so nothing runs; check what stands between";
    ApprovalError::new(Code::ActionMismatch, message).with_request(request)
}
