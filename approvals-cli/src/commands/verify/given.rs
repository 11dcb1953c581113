//! What an auditor brings along: the key, and heads that were kept elsewhere.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use approvals_core::Code;
use approvals_core::ledger::{Checkpoint, SignedCheckpoint, VerifierKey};

use crate::failure::Failure;

/// A file when there is one, else the key itself.
pub(super) fn key(given: &str) -> Result<VerifierKey, Failure> {
    if Path::new(given).is_file() {
        return key_in(Path::new(given));
    }
    parse(given).map_err(|why| {
        Failure::usage(&format!(
            "`{given}` is neither a file nor a verifier key ({why})"
        ))
    })
}

pub(super) fn key_in(path: &Path) -> Result<VerifierKey, Failure> {
    let unusable = |why: &dyn Display| {
        let message = format!(
            "`{}` does not hold the verifier key of the log ({why}); name your copy with `--vkey`",
            path.display()
        );
        Failure::new(Code::AuditUnavailable, message)
    };
    let text = fs::read_to_string(path).map_err(|error| unusable(&error))?;
    parse(&text).map_err(|why| unusable(&why))
}

/// A head that was kept elsewhere, if the key signed it.
pub(super) fn head(path: &Path, key: &VerifierKey) -> Result<Checkpoint, Failure> {
    let unusable = |why: &dyn Display| {
        let message = format!(
            "`{}` is not a head that this log's key signed ({why})",
            path.display()
        );
        Failure::new(Code::SignatureInvalid, message).of_check()
    };
    let note = fs::read(path).map_err(|error| unusable(&error))?;
    let signed = SignedCheckpoint::parse(note).and_then(|note| note.verify(key));
    signed.map_err(|error| unusable(&error))
}

fn parse(text: &str) -> Result<VerifierKey, String> {
    VerifierKey::parse(text.trim_end_matches(['\n', '\r'])).map_err(|error| error.to_string())
}
