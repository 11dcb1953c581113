//! Secrets: never printed, and read only from files that are their owner's alone.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{ApprovalError, Code};
use crate::files;
use crate::id::wipe;

/// A text that reaches no log: its `Debug` is empty, it has no `Display`, and it cannot be compared.
///
/// It is overwritten when the last copy of it is dropped.
///
/// # Examples
/// ```
/// use approvals_core::secret::Secret;
///
/// let token = Secret::new("xoxb-0000");
/// assert_eq!(format!("{token:?}"), "Secret(..)");
/// assert_eq!(token.reveal(), "xoxb-0000");
/// ```
#[derive(Clone)]
pub struct Secret(Arc<Wiped>);

struct Wiped(String);

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.0).into_bytes());
    }
}

impl Secret {
    /// Takes a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Wiped(text.into())))
    }

    /// Reads the secret `what` from a file, without the white space around it, unless others than the file's owner
    /// could have read it.
    ///
    /// # Errors
    /// `Misuse` when the file cannot be read, holds nothing, or is open to others than its owner.
    pub fn read_file(path: &Path, what: &str) -> Result<Self, ApprovalError> {
        let shown = path.display();
        let refuse = |why: &str| {
            let message = format!("`{shown}`, which should hold {what}, cannot be read: {why}");
            ApprovalError::new(Code::Misuse, message)
        };
        let text =
            Self::new(files::read_private(path).map_err(|error| refuse(&error.to_string()))?);
        match text.reveal().trim() {
            "" => Err(refuse("it is empty")),
            plain => Ok(Self::new(plain)),
        }
    }

    /// The secret itself, for the one place that it is for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn threat_13_only_a_file_of_its_owner_alone_is_read_and_nothing_of_it_is_told() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let check = |mode: u32, text: &str, wanted: Result<&str, &str>| {
            let _ = fs::remove_file(&path);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match (Secret::read_file(&path, "the token"), wanted) {
                (Ok(secret), Ok(wanted)) => assert_eq!(secret.reveal(), wanted),
                (Err(error), Err(wanted)) => {
                    assert_eq!(error.code(), Code::Misuse);
                    assert!(error.to_string().contains(wanted), "{error}");
                    assert!(!error.to_string().contains("CANARY"), "{error}");
                }
                (read, wanted) => panic!("{mode:o}: {read:?}, wanted {wanted:?}"),
            }
        };
        check(0o600, " CANARY\n", Ok("CANARY"));
        check(0o400, "CANARY", Ok("CANARY"));
        for mode in [0o640, 0o604, 0o660, 0o610, 0o644, 0o666] {
            check(mode, "CANARY", Err("chmod 600"));
        }
        check(0o600, "", Err("it is empty"));
        let error = Secret::read_file(folder.path(), "the token").unwrap_err();
        assert!(error.to_string().contains("cannot be read"), "{error}");
    }
}
