//! Why a command did not do what was asked: a stable code, a message, an exit code.

use std::fmt;

use approvals_core::ports::StoreError;
use approvals_core::{ApprovalError, Code, RequestId};
use serde_json::{Value, json};

/// The exit code of wrong use.
pub(crate) const USAGE: u8 = 2;

/// A refusal, as it is printed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    request: Option<RequestId>,
    exit: u8,
}

impl Failure {
    /// A failure with the exit code that its code stands for.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            request: None,
            exit: code.exit_code(),
        }
    }

    /// The command was typed in a way that cannot work.
    pub(crate) fn usage(message: &str) -> Self {
        let message = message.trim().trim_start_matches("error: ");
        Self::new(Code::Misuse, message)
    }

    /// The same failure, as the outcome of a check that was asked for.
    pub(crate) fn of_check(mut self) -> Self {
        self.exit = 1;
        self
    }

    pub(crate) fn about(mut self, request: RequestId) -> Self {
        self.request = Some(request);
        self
    }

    pub(crate) fn exit(&self) -> u8 {
        self.exit
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(request), Some(members)) = (self.request, error.as_object_mut()) {
            members.insert("request".to_owned(), json!(request));
        }
        json!({ "error": error })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What follows the first line is indented, so that it cannot pass for a message of its own.
        let message = self.message.replace('\n', "\n  ");
        write!(f, "error: {}: {message}", self.code)?;
        match self.request {
            Some(request) if !message.contains(&request.to_string()) => write!(f, " ({request})"),
            _ => Ok(()),
        }
    }
}

impl From<ApprovalError> for Failure {
    fn from(error: ApprovalError) -> Self {
        let text = error.to_string();
        let prefix = format!("{}: ", error.code());
        let message = text.strip_prefix(&prefix).unwrap_or(&text);
        Self {
            request: error.request(),
            ..Self::new(error.code(), message)
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        // What is fatal for a writer is damage for a reader.
        let code = if error.is_fatal() {
            Code::AuditTampered
        } else {
            Code::StoreUnavailable
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_stands_once_and_the_request_too() {
        let id = RequestId::from_bytes([7; 16]);
        let error = ApprovalError::new(Code::Denied, "already denied").with_request(id);
        let failure = Failure::from(error);
        assert_eq!(
            failure.to_string(),
            format!("error: Denied: already denied ({id})")
        );
        let error = failure.to_json();
        assert_eq!(error["error"]["code"], "Denied");
        assert_eq!(error["error"]["request"], id.to_string());
        assert_eq!(failure.exit(), 1);
    }

    #[test]
    fn exit_codes_are_those_of_the_codes_unless_a_check_was_asked_for() {
        for (code, exit) in [
            (Code::SelfApproval, 1),
            (Code::NotFound, 1),
            (Code::Misuse, 2),
            (Code::PolicyInvalid, 2),
            (Code::StoreUnavailable, 3),
        ] {
            assert_eq!(Failure::new(code, "no").exit(), exit, "{code}");
            assert_eq!(Failure::new(code, "no").of_check().exit(), 1, "{code}");
        }
    }
}
