//! The bearer token: all that an agent's process holds.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use approvals_core::digest::{RedactionKey, sha256};
use approvals_core::{ApprovalError, files};

use crate::misuse;

/// The token with which an agent asks in its own name. It approves nothing.
///
/// `Debug` is empty, and there is no `Display`.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A token, as `approvals token agent` printed it.
    ///
    /// # Errors
    /// `Misuse` when it is not one line of visible characters, or is too short to be random.
    pub fn new(text: &str) -> Result<Self, ApprovalError> {
        let text = text.trim();
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        match (16..=1024).contains(&text.len()) && plain {
            true => Ok(Self(text.into())),
            false => Err(misuse(
                "the token is not one line of 16 to 1024 visible characters; make one with `approvals token agent`",
            )),
        }
    }

    /// The token in a variable of the environment.
    ///
    /// # Errors
    /// `Misuse` when the variable is not there, or holds no token.
    pub fn from_env(variable: &str) -> Result<Self, ApprovalError> {
        let text = std::env::var(variable);
        let missing = |_| {
            misuse(format!(
                "the environment has no `{variable}`, which holds the token; set it"
            ))
        };
        Self::new(&text.map_err(missing)?)
    }

    /// The token in a file that only its owner can read.
    ///
    /// # Errors
    /// `Misuse` when the file cannot be read, others can read or replace it, or it holds no token.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ApprovalError> {
        let path = path.as_ref();
        let text = files::read_private(path).map_err(|error| {
            misuse(format!(
                "cannot read `{}`: {error}; check the file, which holds the token",
                path.display()
            ))
        })?;
        Self::new(&text)
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Binds values that never leave this process. The same after a restart, so that the same call is
    /// known again; whoever does not have the token cannot try which value it is.
    pub(crate) fn redaction_key(&self) -> RedactionKey {
        RedactionKey::from_bytes(&sha256(&[
            b"approvals/remote/redacted/v1\0",
            self.0.as_bytes(),
        ]))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_from_a_private_place_and_is_never_printed() {
        for bad in ["", "short", "has a space inside it", "sixteen\r\nletters!"] {
            assert!(Token::new(bad).is_err(), "{bad}");
        }
        let token = Token::new("apr_0123456789abcdef\n").unwrap();
        assert_eq!(token.reveal(), "apr_0123456789abcdef");
        assert!(!format!("{token:?}").contains("0123"));
        assert!(Token::from_env("APPROVALS_NO_SUCH_VARIABLE").is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "apr_0123456789abcdef\n").unwrap();
        #[cfg(unix)]
        for (mode, readable) in [(0o644, false), (0o620, false), (0o600, true), (0o400, true)] {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Token::from_file(&path).is_ok(), readable, "{mode:o}");
        }
        assert!(Token::from_file(folder.path()).is_err());
    }
}
