//! What a log keeps secret beside its signing key, and what must outlive that key.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::LedgerKey;
use super::error::KeyError;
use super::file;
use crate::digest::RedactionKey;
use crate::envelope::DisclosureKey;
use crate::id::wipe;

/// The secrets of one log that sign nothing: what binds redacted values comes from here.
///
/// Kept apart from the ledger key, because that key can be replaced, and can be in a module that gives nothing
/// out; values that were bound yesterday must still be the same values tomorrow. Whoever reads these can test
/// guesses of redacted values; nobody can sign with them. Lost, no request that is open can be used any more.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::Secrets;
///
/// # let dir = std::env::temp_dir().join(format!("secrets-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let path = dir.join("secrets.key");
/// let secrets = Secrets::create_file(&path)?;
/// assert_eq!(Secrets::read_file(&path)?.derive("mine"), secrets.derive("mine"));
/// assert!(Secrets::create_file(&path).is_err(), "existing secrets are never replaced");
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Secrets(Box<[u8; LEN]>);

impl Secrets {
    /// New secrets from the system's random generator.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] when the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = Box::new([0; LEN]);
        SystemRandom::new()
            .fill(bytes.as_mut_slice())
            .map_err(|_| KeyError::Random)?;
        Ok(Self(bytes))
    }

    /// The secrets that go with a ledger key, for a log that keeps none of their own.
    ///
    /// They are lost with the key: before it is replaced, give the log secrets in a file.
    #[must_use]
    pub fn of(key: &LedgerKey) -> Self {
        Self(Box::new(key.derive("approvals/secrets/v1")))
    }

    /// Makes new secrets in a new file that only its owner can read; on return it is on the disk.
    ///
    /// # Errors
    ///
    /// As [`LedgerKey::create_file`].
    pub fn create_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let secrets = Self::generate()?;
        file::create(path.as_ref(), WHAT, secrets.to_text())?;
        Ok(secrets)
    }

    /// Reads a file of secrets, unless others than its owner could have read or replaced it.
    ///
    /// # Errors
    ///
    /// As [`LedgerKey::read_file`]; [`KeyError::File`] when the file holds anything but one line of secrets.
    pub fn read_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        file::read(path.as_ref(), WHAT, Self::parse, KeyError::Secrets)
    }

    /// A secret for one purpose, `HMAC-SHA256(secrets, label)`: knowing it tells nothing of any other.
    #[must_use]
    pub fn derive(&self, label: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        let mut derived = [0; 32];
        // HMAC-SHA256 always yields 32 bytes.
        derived.copy_from_slice(hmac::sign(&key, label.as_bytes()).as_ref());
        derived
    }

    /// What binds redacted values, and names calls.
    #[must_use]
    pub fn redaction_key(&self) -> RedactionKey {
        let mut bytes = self.derive("approvals/redaction/v1");
        let key = RedactionKey::from_bytes(&bytes);
        wipe(&mut bytes);
        key
    }

    /// What wraps the data keys of disclosures, for a log that keeps no disclosure key of its own.
    ///
    /// It lasts as long as the secrets: a log that must be able to destroy it keeps one in a file.
    #[must_use]
    pub fn disclosure_key(&self) -> DisclosureKey {
        let mut bytes = self.derive("approvals/disclosure/v1");
        let key = DisclosureKey::from_bytes(&bytes);
        wipe(&mut bytes);
        key
    }

    fn parse(text: &str) -> Result<Self, KeyError> {
        let line = text.trim_end_matches(['\r', '\n']);
        let encoded = line.strip_prefix(PREFIX).ok_or(KeyError::Secrets)?;
        let mut decoded = STANDARD.decode(encoded).map_err(|_| KeyError::Secrets)?;
        let bytes = decoded.as_slice().try_into().map(Box::new);
        wipe(&mut decoded);
        bytes.map(Self).map_err(|_| KeyError::Secrets)
    }

    fn to_text(&self) -> Vec<u8> {
        // Room for all of it at once, so that no copy is left behind by growing.
        let mut text = String::with_capacity(128);
        text.push_str(PREFIX);
        STANDARD.encode_string(self.0.as_slice(), &mut text);
        text.push('\n');
        text.into_bytes()
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        wipe(self.0.as_mut_slice());
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

const LEN: usize = 32;
const PREFIX: &str = "approvals-secrets-v1 ";
const WHAT: &str = "file of secrets";

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn secrets_are_made_once_for_their_owner_and_never_printed() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("secrets.key");
        let secrets = Secrets::create_file(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(PREFIX) && text.ends_with("=\n"), "{text}");
        let again = Secrets::read_file(&path).unwrap();
        assert_eq!(again.0, secrets.0);
        assert!(matches!(
            Secrets::create_file(&path),
            Err(KeyError::Exists { .. })
        ));
        assert_ne!(Secrets::generate().unwrap().0, secrets.0);
        assert_eq!(format!("{secrets:?}"), "Secrets(..)");
    }

    #[cfg(unix)]
    #[test]
    fn secrets_that_others_could_read_are_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("secrets.key");
        Secrets::create_file(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let said = Secrets::read_file(&path).unwrap_err().to_string();
        assert!(
            said.contains("the file of secrets is open to other users: others can open"),
            "{said}"
        );
    }

    #[test]
    fn each_purpose_has_its_own_secret() {
        let key = LedgerKey::from_seed(&[7; 32]).unwrap();
        let (mine, other) = (Secrets::of(&key), Secrets::generate().unwrap());
        assert_eq!(mine.derive("a"), Secrets::of(&key).derive("a"));
        assert_ne!(mine.derive("a"), mine.derive("b"));
        assert_ne!(mine.derive("a"), other.derive("a"));
        assert_ne!(
            mine.derive("a"),
            key.derive("a"),
            "nothing of the key itself"
        );
    }

    #[test]
    fn what_is_no_line_of_secrets_is_refused() {
        let good = String::from_utf8(Secrets::generate().unwrap().to_text()).unwrap();
        assert!(Secrets::parse(&good).is_ok());
        assert!(Secrets::parse(&good.replace('\n', "\r\n")).is_ok());
        for bad in [
            String::new(),
            good.repeat(2),
            good.replace("v1", "v2"),
            good.replace(' ', "  "),
            good.chars().take(40).collect(),
            format!("{PREFIX}{}", STANDARD.encode([1; 31])),
            format!("{PREFIX}{}", STANDARD.encode([1; 33])),
        ] {
            assert!(
                matches!(Secrets::parse(&bad), Err(KeyError::Secrets)),
                "{bad}"
            );
        }
    }
}
