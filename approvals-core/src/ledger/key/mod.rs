//! The key that signs the ledger: an Ed25519 seed in a file that only its owner can read.
//!
//! Trusted: who can read this key can sign a false history, which only a checkpoint kept elsewhere exposes.
//!
//! The file is PKCS#8 version 1 in PEM ([RFC 8410 §7](https://www.rfc-editor.org/rfc/rfc8410#section-7)), the one
//! form that OpenSSL both writes and reads.

mod disclosure;
mod error;
mod file;
mod secrets;

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::note::{Origin, VerifierKey};
use crate::id::wipe;
pub use error::KeyError;
pub use secrets::Secrets;

/// The private key of one ledger; it is never printed, compared or copied.
///
/// The seed is overwritten when the key is dropped, as far as safe Rust can; the copy inside the signing
/// library, and what the system swapped out, are beyond reach.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::LedgerKey;
///
/// # let dir = std::env::temp_dir().join(format!("ledger-key-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let path = dir.join("ledger.pem");
/// let key = LedgerKey::create_file(&path)?;
/// let again = LedgerKey::read_file(&path)?;
/// assert_eq!(again.public_key(), key.public_key());
/// assert!(LedgerKey::create_file(&path).is_err(), "an existing key is never replaced");
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Two keys cannot be compared, so no comparison can leak one:
///
/// ```compile_fail,E0369
/// # use approvals_core::ledger::LedgerKey;
/// let (a, b) = (LedgerKey::generate().unwrap(), LedgerKey::generate().unwrap());
/// assert!(a == b);
/// ```
pub struct LedgerKey {
    seed: Box<[u8; SEED_LEN]>,
    pair: Ed25519KeyPair,
}

impl LedgerKey {
    /// Makes a new key from the system's random generator.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] when the system gives no randomness; nothing may be signed then.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Box::new([0; SEED_LEN]);
        SystemRandom::new()
            .fill(seed.as_mut_slice())
            .map_err(|_| KeyError::Random)?;
        Self::from_box(seed)
    }

    /// Takes 32 secret random bytes as the key (RFC 8032 §5.1.5); the caller wipes its own copy.
    ///
    /// # Errors
    ///
    /// [`KeyError::Refused`] when the signing library does not take the seed, which no 32 bytes are known to cause.
    pub fn from_seed(seed: &[u8; SEED_LEN]) -> Result<Self, KeyError> {
        Self::from_box(Box::new(*seed))
    }

    /// Reads a private key as OpenSSL and [`LedgerKey::to_pem`] write it; text around it is refused.
    ///
    /// # Errors
    ///
    /// - [`KeyError::Pem`] unless it is one `PRIVATE KEY` block; encrypted and OpenSSH keys are not read.
    /// - [`KeyError::Algorithm`] when the block holds anything but a PKCS#8 version 1 Ed25519 key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let inner = text
            .trim()
            .strip_prefix(PEM_BEGIN)
            .and_then(|rest| rest.strip_suffix(PEM_END));
        let mut packed: Vec<u8> = inner
            .ok_or(KeyError::Pem)?
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let decoded = STANDARD.decode(&packed);
        wipe(&mut packed);
        let mut der = decoded.map_err(|_| KeyError::Pem)?;
        let seed = der
            .strip_prefix(PKCS8_PREFIX)
            .and_then(|seed| seed.try_into().ok())
            .map(Box::new);
        wipe(&mut der);
        Self::from_box(seed.ok_or(KeyError::Algorithm)?)
    }

    /// The key as `-----BEGIN PRIVATE KEY-----`; whoever sees this text owns the ledger.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let mut der = [PKCS8_PREFIX, self.seed.as_slice()].concat();
        // Room for all of it at once, so that no copy is left behind by growing.
        let mut pem = String::with_capacity(PEM_BYTES);
        pem.push_str(PEM_BEGIN);
        pem.push('\n');
        STANDARD.encode_string(&der, &mut pem);
        pem.push('\n');
        pem.push_str(PEM_END);
        pem.push('\n');
        wipe(&mut der);
        pem
    }

    /// Makes a new key and keeps it in a new file that only its owner can read; on return it is on the disk.
    ///
    /// A crash on the way leaves no file, or one that [`LedgerKey::read_file`] refuses: delete it and start
    /// again, since nothing was signed with it yet.
    ///
    /// # Errors
    ///
    /// - [`KeyError::Exists`] when there is a file already; it is left as it is.
    /// - [`KeyError::Write`] when the file or its directory cannot be written and synced.
    /// - [`KeyError::Random`] as for [`LedgerKey::generate`].
    pub fn create_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let key = Self::generate()?;
        file::create(path.as_ref(), WHAT, key.to_pem().into_bytes())?;
        Ok(key)
    }

    /// Reads a key file, unless others than its owner could have read or replaced it.
    ///
    /// # Errors
    ///
    /// - [`KeyError::Missing`] when there is no such file.
    /// - [`KeyError::Exposed`] on Unix when its mode lets the group or others in; the check is made on the open file.
    /// - [`KeyError::File`] when the file holds no key, with the reason; [`KeyError::Read`] when it cannot be read.
    pub fn read_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        file::read(path.as_ref(), WHAT, Self::from_pem, KeyError::Pem)
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        let mut public = [0; 32];
        // An Ed25519 public key always has 32 bytes.
        public.copy_from_slice(self.pair.public_key().as_ref());
        public
    }

    /// The public half under the name of the log it signs for: what auditors pin.
    #[must_use]
    pub fn vkey(&self, origin: &Origin) -> VerifierKey {
        VerifierKey::ed25519(origin.clone(), self.public_key())
    }

    /// Signs `message` with Ed25519 (RFC 8032 §5.1.6); the same message always has the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        // An Ed25519 signature always has 64 bytes.
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }

    /// A secret for another purpose, `HMAC-SHA256(seed, label)`: knowing it tells nothing of the key or of other labels.
    fn derive(&self, label: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.seed.as_slice());
        let mut derived = [0; 32];
        // HMAC-SHA256 always yields 32 bytes.
        derived.copy_from_slice(hmac::sign(&key, label.as_bytes()).as_ref());
        derived
    }

    fn from_box(seed: Box<[u8; SEED_LEN]>) -> Result<Self, KeyError> {
        match Ed25519KeyPair::from_seed_unchecked(seed.as_slice()) {
            Ok(pair) => Ok(Self { seed, pair }),
            Err(_) => Err(KeyError::Refused),
        }
    }
}

impl Drop for LedgerKey {
    fn drop(&mut self) {
        wipe(self.seed.as_mut_slice());
    }
}

impl fmt::Debug for LedgerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerKey").finish_non_exhaustive()
    }
}

const SEED_LEN: usize = 32;
/// `SEQUENCE { INTEGER 0, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING` with 32 bytes still to come.
const PKCS8_PREFIX: &[u8] = &[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
/// How long the text form is.
const PEM_BYTES: usize = 119;
const WHAT: &str = "ledger key";

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;
    use crate::digest::hex;

    /// Runs `openssl` in `dir` and returns what it printed; it must be installed, since auditors use it too.
    fn openssl(dir: &TempDir, args: &str) -> Vec<u8> {
        let run = Command::new("openssl")
            .args(args.split(' '))
            .current_dir(dir.path())
            .output();
        let run = run.expect("`openssl` must be installed for this test");
        assert!(
            run.status.success(),
            "openssl {args}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
        run.stdout
    }

    fn key() -> LedgerKey {
        LedgerKey::from_seed(&std::array::from_fn(|at| at as u8)).unwrap()
    }

    /// RFC 8032 §7.1, test 2.
    #[test]
    fn the_signature_of_the_standard() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let key =
            LedgerKey::from_seed(super::super::tree::Hash::from_hex(seed).unwrap().as_bytes())
                .unwrap();
        assert_eq!(
            hex(&key.public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        assert_eq!(
            hex(&key.sign(&[0x72])),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
    }

    #[test]
    fn openssl_reads_our_key_and_makes_the_same_signature() {
        let dir = TempDir::new().unwrap();
        let key = LedgerKey::create_file(dir.path().join("ledger.pem")).unwrap();
        std::fs::write(dir.path().join("body"), "example.com/log\n0\n").unwrap();
        let public = openssl(&dir, "pkey -in ledger.pem -pubout");
        let vkey = key.vkey(&"example.com/log".parse().unwrap());
        assert_eq!(String::from_utf8(public).unwrap(), vkey.to_pem());
        let signature = openssl(&dir, "pkeyutl -sign -inkey ledger.pem -rawin -in body");
        assert_eq!(signature, key.sign(b"example.com/log\n0\n"));
        vkey.verify(b"example.com/log\n0\n", &signature).unwrap();
    }

    #[test]
    fn openssl_verifies_our_signature_with_the_public_key_alone() {
        let (dir, key) = (TempDir::new().unwrap(), key());
        let vkey = key.vkey(&"example.com/log".parse().unwrap());
        std::fs::write(dir.path().join("pub.pem"), vkey.to_pem()).unwrap();
        std::fs::write(dir.path().join("body"), "text").unwrap();
        std::fs::write(dir.path().join("sig"), key.sign(b"text")).unwrap();
        openssl(
            &dir,
            "pkeyutl -verify -pubin -inkey pub.pem -rawin -in body -sigfile sig",
        );
    }

    #[test]
    fn we_read_the_key_that_openssl_makes() {
        let dir = TempDir::new().unwrap();
        openssl(&dir, "genpkey -algorithm ed25519 -out theirs.pem");
        let text = std::fs::read_to_string(dir.path().join("theirs.pem")).unwrap();
        let key = LedgerKey::from_pem(&text).unwrap();
        assert_eq!(key.to_pem(), text, "both write the same bytes");
        let public = openssl(&dir, "pkey -in theirs.pem -pubout -outform DER");
        assert_eq!(public[public.len() - 32..], key.public_key());
        assert!(
            LedgerKey::from_pem(&text.replace('\n', "\r\n")).is_ok(),
            "line ends of another system"
        );
    }

    #[test]
    fn a_derived_secret_is_the_hmac_of_its_label() {
        let (dir, key) = (TempDir::new().unwrap(), key());
        std::fs::write(dir.path().join("label"), "disclosure").unwrap();
        let seed = hex(key.seed.as_slice());
        let theirs = openssl(
            &dir,
            &format!("dgst -sha256 -mac HMAC -macopt hexkey:{seed} -binary label"),
        );
        assert_eq!(theirs, key.derive("disclosure"));
        assert_ne!(key.derive("disclosure"), key.derive("disclosures"));
        assert_ne!(key.derive(""), *key.seed);
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let dir = TempDir::new().unwrap();
        let pem = key().to_pem();
        let wrapped = |label: &str, der: &[u8]| {
            format!(
                "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
                STANDARD.encode(der)
            )
        };
        let der = [PKCS8_PREFIX, &[7; SEED_LEN]].concat();
        openssl(&dir, "genpkey -algorithm x25519 -out x25519.pem");
        openssl(
            &dir,
            "genpkey -algorithm ed25519 -aes256 -pass pass:secret -out encrypted.pem",
        );
        let file = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let version_2 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        for (text, algorithm) in [
            (String::new(), false),
            (pem.repeat(2), false),
            (pem.replace("PRIVATE", "PUBLIC"), false),
            (pem.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY"), false),
            (format!("note\n{pem}"), false),
            (pem.replacen("MC4C", "MC4*", 1), false),
            (pem.replacen("MC4C", "", 1), true),
            (file("encrypted.pem"), false),
            (file("x25519.pem"), true),
            (wrapped("PRIVATE KEY", version_2.as_ref()), true),
            (wrapped("PRIVATE KEY", &der[..der.len() - 1]), true),
            (
                wrapped("PRIVATE KEY", &[der.as_slice(), &[0]].concat()),
                true,
            ),
            (wrapped("PRIVATE KEY", &[]), true),
        ] {
            let error = LedgerKey::from_pem(&text).unwrap_err();
            assert_eq!(
                matches!(error, KeyError::Algorithm),
                algorithm,
                "{error} for {text}"
            );
            assert_eq!(
                matches!(error, KeyError::Pem),
                !algorithm,
                "{error} for {text}"
            );
        }
        assert!(LedgerKey::from_pem(&wrapped("PRIVATE KEY", &der)).is_ok());
    }

    #[test]
    fn a_key_file_is_made_once_for_its_owner() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("ledger.pem");
        let key = LedgerKey::create_file(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            (text.as_str(), text.len()),
            (key.to_pem().as_str(), PEM_BYTES)
        );
        assert_eq!(
            LedgerKey::read_file(&path).unwrap().public_key(),
            key.public_key()
        );
        assert!(matches!(
            LedgerKey::create_file(&path),
            Err(KeyError::Exists { .. })
        ));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            text,
            "the first key is untouched"
        );
        let other = LedgerKey::create_file(dir.path().join("other.pem")).unwrap();
        assert_ne!(other.public_key(), key.public_key());
        check(
            LedgerKey::create_file(dir.path().join("none/ledger.pem")),
            "cannot write the ledger key",
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_could_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("ledger.pem");
        LedgerKey::create_file(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        for mode in 0..=0o777 {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode | 0o400)).unwrap();
            let read = LedgerKey::read_file(&path);
            if mode & 0o077 == 0 {
                assert!(read.is_ok(), "mode {mode:04o}");
            } else {
                check(
                    read,
                    &format!(
                        "(mode {:04o}); run `chmod 600 {}`",
                        mode | 0o400,
                        path.display()
                    ),
                );
            }
        }
    }

    #[test]
    fn a_file_that_is_no_key_says_so() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("ledger.pem");
        check(LedgerKey::read_file(&path), "there is no ledger key at");
        check(LedgerKey::read_file(dir.path()), "it is not a regular file");
        let pem = key().to_pem().into_bytes();
        let long = [pem.clone(), vec![b'\n'; file::MAX_BYTES]].concat();
        for bytes in [&b""[..], &pem[..70], b"\xff\xfe", &long] {
            std::fs::remove_file(&path).ok();
            std::io::Write::write_all(&mut file::open_new(&path, WHAT).unwrap(), bytes).unwrap();
            check(
                LedgerKey::read_file(&path),
                "holds no ledger key: not an unencrypted private key in PEM",
            );
        }
    }

    fn check(result: Result<LedgerKey, KeyError>, part: &str) {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(part), "`{text}` does not say `{part}`");
        assert!(
            !text.ends_with('.') && text.starts_with(|c: char| c.is_lowercase() || c == '`'),
            "{text}"
        );
    }

    #[test]
    fn debug_prints_no_secret() {
        assert_eq!(format!("{:?}", key()), "LedgerKey { .. }");
    }
}
