//! The disclosure key in a file, so that it can be replaced and destroyed.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::KeyError;
use super::file;
use crate::envelope::DisclosureKey;
use crate::id::{random, wipe};

impl DisclosureKey {
    /// Makes a new key in a new file that only its owner can read; on return it is on the disk.
    ///
    /// The file is the only place of the key: once it is destroyed, nobody opens what was sealed
    /// under it, whichever copy of the store they have.
    ///
    /// # Errors
    /// As [`LedgerKey::create_file`](super::LedgerKey::create_file).
    pub fn create_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let mut bytes: [u8; LEN] = random().map_err(|_| KeyError::Random)?;
        let mut text = String::with_capacity(128);
        text.push_str(PREFIX);
        STANDARD.encode_string(bytes, &mut text);
        text.push('\n');
        let key = Self::from_bytes(&bytes);
        wipe(&mut bytes);
        file::create(path.as_ref(), WHAT, text.into_bytes())?;
        Ok(key)
    }

    /// Reads the file of a key, unless others than its owner could have read or replaced it.
    ///
    /// # Errors
    /// As [`LedgerKey::read_file`](super::LedgerKey::read_file); [`KeyError::File`] when the file
    /// holds anything but one line of a disclosure key.
    pub fn read_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        file::read(path.as_ref(), WHAT, parse, KeyError::Disclosure)
    }
}

fn parse(text: &str) -> Result<DisclosureKey, KeyError> {
    let line = text.trim_end_matches(['\r', '\n']);
    let encoded = line.strip_prefix(PREFIX).ok_or(KeyError::Disclosure)?;
    let mut decoded = STANDARD.decode(encoded).map_err(|_| KeyError::Disclosure)?;
    let key = decoded.as_slice().try_into().map(DisclosureKey::from_bytes);
    wipe(&mut decoded);
    key.map_err(|_| KeyError::Disclosure)
}

const LEN: usize = 32;
const PREFIX: &str = "approvals-disclosure-key-v1 ";
const WHAT: &str = "disclosure key";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_disclosure_key_is_made_once_and_read_whole_or_not_at_all() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("disclosure.key");
        let made = DisclosureKey::create_file(&path).unwrap();
        assert_eq!(DisclosureKey::read_file(&path).unwrap().id(), made.id());
        assert!(matches!(
            DisclosureKey::create_file(&path),
            Err(KeyError::Exists { .. })
        ));
        let good = fs::read_to_string(&path).unwrap();
        let zeros = "\0".repeat(good.len());
        let cut: String = good.chars().take(40).collect();
        for bad in ["", &cut, &good.replace("v1", "v2"), &zeros] {
            fs::write(&path, bad).unwrap();
            let said = DisclosureKey::read_file(&path).unwrap_err().to_string();
            assert!(said.contains("holds no disclosure key"), "{said}");
        }
    }
}
