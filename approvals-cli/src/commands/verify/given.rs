//! What an auditor brings along: the key, and heads that were kept elsewhere.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use approvals_core::Code;
use approvals_core::directory::People;
use approvals_core::envelope::Vault;
use approvals_core::ledger::{Hash, SignedCheckpoint, VerifierKey, WitnessPolicy};
use approvals_store::home::Paths;

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

pub(in crate::commands) fn key_in(path: &Path) -> Result<VerifierKey, Failure> {
    let unusable = |why: &dyn Display| {
        let message = format!(
            "`{}` does not hold the verifier key of the log ({why}); restore it, or name your copy with `--vkey`",
            path.display()
        );
        Failure::new(Code::AuditUnavailable, message)
    };
    let text = fs::read_to_string(path).map_err(|error| unusable(&error))?;
    parse(&text).map_err(|why| unusable(&why))
}

/// A head that was kept elsewhere; which key must have signed it is known when the log has been read.
pub(super) fn head(path: &Path) -> Result<SignedCheckpoint, Failure> {
    let unusable = |why: &dyn Display| {
        let message = format!(
            "`{}` is not a signed head of a log ({why}); pass what `approvals export checkpoint` printed",
            path.display()
        );
        Failure::new(Code::SignatureInvalid, message).of_check()
    };
    let note = fs::read(path).map_err(|error| unusable(&error))?;
    SignedCheckpoint::parse(note).map_err(|error| unusable(&error))
}

/// The leaf hash of the first record, as `approvals verify` prints it.
pub(super) fn genesis(given: &str) -> Result<Hash, Failure> {
    let hex = given.strip_prefix("sha256:").unwrap_or_default();
    Hash::from_hex(hex).map_err(|_| {
        Failure::usage(&format!(
            "`{given}` is not the hash of a first record; it is `sha256:` and 64 hexadecimal digits, as `approvals verify` prints it"
        ))
    })
}

/// What opens the values of the log, for whoever may read its disclosure key.
pub(super) fn vault(paths: &Paths, key: &VerifierKey) -> Option<Vault> {
    paths.vault(key.name()).ok()
}

/// The auditor's own word on who the witnesses are.
pub(super) fn witnesses(path: &Path) -> Result<WitnessPolicy, Failure> {
    let unusable = |why: &dyn Display| {
        let message = format!("`{}` is not a witness policy: {why}", path.display());
        Failure::new(Code::PolicyInvalid, message)
    };
    let text = fs::read(path).map_err(|error| unusable(&error))?;
    let policy = WitnessPolicy::parse(&text).map_err(|error| unusable(&error))?;
    if policy.needs_nobody() {
        return Err(unusable(
            &"it says `quorum none`, and so asks for no cosignature; name a quorum",
        ));
    }
    Ok(policy)
}

/// The auditor's own copy of who is who.
pub(super) fn people(path: &Path) -> Result<People, Failure> {
    let unusable = |why: &dyn Display| {
        let message = format!("`{}` is not a people file: {why}", path.display());
        Failure::new(Code::PolicyInvalid, message)
    };
    let text = fs::read_to_string(path).map_err(|error| unusable(&error))?;
    People::parse(&text).map_err(|why| unusable(&why))
}

fn parse(text: &str) -> Result<VerifierKey, String> {
    VerifierKey::parse(text.trim_end_matches(['\n', '\r'])).map_err(|error| error.to_string())
}
