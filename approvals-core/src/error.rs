//! What can be refused, and why: stable codes, and the one error type of the library.

use std::fmt;

use crate::id::{NoRandomness, PersonId, RequestId};

/// A stable code that says why something was refused.
///
/// Codes never change their meaning; programs, dashboards and auditors may match on
/// [`Code::as_str`]. New codes may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Code {
    /// The caller stopped waiting before anybody decided; the request is still open.
    Pending,
    /// An eligible person, or a hard policy rule on review, said no.
    Denied,
    /// Nobody decided in time, or the approval was not used in time.
    Expired,
    /// The requester withdrew the request.
    Cancelled,
    /// A member of the requester set tried to approve.
    SelfApproval,
    /// The person may not decide this request.
    NotEligible,
    /// The person has voted already, or nothing is left to decide.
    DuplicateVote,
    /// The proof of identity is weaker than the policy demands.
    AssuranceTooLow,
    /// The account is not linked to a known person.
    IdentityUnresolved,
    /// What is about to run is not what was approved.
    ActionMismatch,
    /// A value has no single canonical form.
    NonCanonical,
    /// A parameter is not covered although full binding is demanded.
    NotBound,
    /// The request cannot be shown whole where the decision was made.
    Unrenderable,
    /// The permit is for another scope.
    ScopeMismatch,
    /// The grant is for another executor.
    AudienceMismatch,
    /// A signature does not verify.
    SignatureInvalid,
    /// The grant is presented by somebody else than its holder.
    HolderMismatch,
    /// The permit has been used; one approval, one run.
    AlreadyConsumed,
    /// An idempotency key or decision was presented again for something else.
    Replay,
    /// The policy cannot be loaded.
    PolicyInvalid,
    /// A policy rule forbids the action; no approval can lift it.
    PolicyDenied,
    /// The policy became stricter than the approval on record.
    PolicyChanged,
    /// The same action was denied a short while ago.
    DeniedRecently,
    /// Too many requests in the time allowed.
    RateLimited,
    /// The run or the scope is frozen.
    Frozen,
    /// The clock went backwards.
    ClockRegression,
    /// The store cannot be reached or written.
    StoreUnavailable,
    /// The audit record cannot be written, so nothing may happen.
    AuditUnavailable,
    /// The log does not verify.
    AuditTampered,
    /// There is no proof of who is asking or deciding.
    Unauthenticated,
    /// There is no such thing, or it is not yours to see.
    NotFound,
    /// The values of the request cannot be erased: it is still open, or it was erased before.
    NotErasable,
    /// The library is wired or called in a way that cannot work.
    Misuse,
}

impl Code {
    /// The stable text of the code, as it stands in records and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ROWS.iter()
            .find(|row| row.0 == self)
            .map_or("Misuse", |row| row.1)
    }

    /// The code behind a stable text, if it is one of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.1 == text).map(|row| row.0)
    }

    /// The HTTP status that an API answers with.
    #[must_use]
    pub fn http_status(self) -> u16 {
        ROWS.iter()
            .find(|row| row.0 == self)
            .map_or(500, |row| row.2)
    }

    /// The exit code of the command line: 1 refused, 2 usage, 3 unavailable.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::StoreUnavailable | Self::AuditUnavailable => 3,
            Self::Misuse | Self::PolicyInvalid | Self::NonCanonical => 2,
            _ => 1,
        }
    }

    /// Every code, for tables in documentation and tests.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("unknown code `{text}`")))
    }
}

/// Why a guarded call did not run, or why a decision was refused.
///
/// Every refusal carries a [`Code`] that programs can match on and a message that names the fix
/// for a person. Neither ever contains the value of a parameter.
///
/// # Examples
/// ```
/// use approvals_core::{ApprovalError, Code};
///
/// fn report(error: &ApprovalError) -> String {
///     match error.code() {
///         Code::Denied => format!("no: {}", error.reason().unwrap_or("no reason given")),
///         code => format!("{code}: {error}"),
///     }
/// }
/// # let _ = report;
/// ```
#[derive(Clone)]
pub struct ApprovalError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: String,
    request: Option<RequestId>,
    person: Option<PersonId>,
    reason: Option<String>,
}

impl ApprovalError {
    /// A refusal with a code and a message that names the fix.
    ///
    /// The message must not contain parameter values or secrets: it reaches logs and users.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            request: None,
            person: None,
            reason: None,
        }))
    }

    /// The same refusal, naming the request it belongs to.
    #[must_use]
    pub fn with_request(mut self, request: RequestId) -> Self {
        self.0.request = Some(request);
        self
    }

    /// The same refusal, naming the person who decided.
    #[must_use]
    pub fn with_person(mut self, person: PersonId) -> Self {
        self.0.person = Some(person);
        self
    }

    /// The same refusal, with the reason the person gave.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = Some(reason.into());
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What it means and how to mend it, without code, person and request.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The request it belongs to, when there is one.
    #[must_use]
    pub fn request(&self) -> Option<RequestId> {
        self.0.request
    }

    /// The person who decided, when a person did.
    #[must_use]
    pub fn person(&self) -> Option<&PersonId> {
        self.0.person.as_ref()
    }

    /// The reason that person gave, word for word. Untrusted text: escape it before drawing it.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
}

impl fmt::Display for ApprovalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)?;
        if let Some(person) = &self.0.person {
            write!(f, ", by {person}")?;
        }
        if let Some(request) = &self.0.request {
            write!(f, " ({request})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ApprovalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApprovalError({self})")
    }
}

impl std::error::Error for ApprovalError {}

impl From<NoRandomness> for ApprovalError {
    fn from(error: NoRandomness) -> Self {
        Self::new(Code::Misuse, error.to_string())
    }
}

const ROWS: &[(Code, &str, u16)] = &[
    (Code::Pending, "Pending", 202),
    (Code::Denied, "Denied", 403),
    (Code::Expired, "Expired", 410),
    (Code::Cancelled, "Cancelled", 410),
    (Code::SelfApproval, "SelfApproval", 403),
    (Code::NotEligible, "NotEligible", 403),
    (Code::DuplicateVote, "DuplicateVote", 409),
    (Code::AssuranceTooLow, "AssuranceTooLow", 401),
    (Code::IdentityUnresolved, "IdentityUnresolved", 403),
    (Code::ActionMismatch, "ActionMismatch", 409),
    (Code::NonCanonical, "NonCanonical", 400),
    (Code::NotBound, "NotBound", 400),
    (Code::Unrenderable, "Unrenderable", 409),
    (Code::ScopeMismatch, "ScopeMismatch", 403),
    (Code::AudienceMismatch, "AudienceMismatch", 403),
    (Code::SignatureInvalid, "SignatureInvalid", 401),
    (Code::HolderMismatch, "HolderMismatch", 403),
    (Code::AlreadyConsumed, "AlreadyConsumed", 409),
    (Code::Replay, "Replay", 409),
    (Code::PolicyInvalid, "PolicyInvalid", 500),
    (Code::PolicyDenied, "PolicyDenied", 403),
    (Code::PolicyChanged, "PolicyChanged", 409),
    (Code::DeniedRecently, "DeniedRecently", 429),
    (Code::RateLimited, "RateLimited", 429),
    (Code::Frozen, "Frozen", 423),
    (Code::ClockRegression, "ClockRegression", 503),
    (Code::StoreUnavailable, "StoreUnavailable", 503),
    (Code::AuditUnavailable, "AuditUnavailable", 503),
    (Code::AuditTampered, "AuditTampered", 503),
    (Code::Unauthenticated, "Unauthenticated", 401),
    (Code::NotFound, "NotFound", 404),
    (Code::NotErasable, "NotErasable", 409),
    (Code::Misuse, "Misuse", 500),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_stable_row() {
        for code in Code::all() {
            assert_eq!(Code::parse(code.as_str()), Some(code));
            assert!((200..600).contains(&code.http_status()));
        }
        assert_eq!(Code::all().count(), 33);
        assert_eq!(Code::parse("approved"), None);
    }

    #[test]
    fn the_message_names_code_person_and_request() {
        let id = RequestId::from_bytes([7; 16]);
        let error = ApprovalError::new(Code::Denied, "the request was denied")
            .with_request(id)
            .with_person("u_dana".parse().unwrap());
        assert_eq!(
            error.to_string(),
            format!("Denied: the request was denied, by u_dana ({id})")
        );
    }
}
