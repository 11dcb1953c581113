//! Signing through `ssh-keygen`: keys in an agent, hardware keys, keys with a passphrase.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use approvals_core::{Code, sshsig};

use crate::failure::Failure;

/// Signs the bytes with the key at `path`, wherever its secret is.
///
/// The terminal stays with `ssh-keygen`, so that it can ask for a passphrase, a PIN or a touch;
/// that is why the bytes go through a file, in a directory that only this user can enter.
pub(super) fn sign(path: &Path, bytes: &[u8]) -> Result<String, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("approvals-")
        .tempdir()
        .map_err(|error| scratch(&error))?;
    let message = folder.path().join("decision");
    fs::write(&message, bytes).map_err(|error| scratch(&error))?;
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-Y", "sign", "-n", sshsig::NAMESPACE, "-f"])
        .arg(path)
        .arg(&message);
    command.stdout(Stdio::null());
    let status = command.status().map_err(|error| missing(&error))?;
    if !status.success() {
        return Err(refused(path));
    }
    fs::read_to_string(message.with_extension("sig")).map_err(|error| scratch(&error))
}

fn refused(path: &Path) -> Failure {
    let message = format!(
        "`ssh-keygen` could not sign with `{}`; add the key to your agent with `ssh-add`, or run this in a terminal where it can ask for the passphrase",
        path.display()
    );
    Failure::new(Code::SignatureInvalid, message)
}

fn missing(error: &io::Error) -> Failure {
    let message = match error.kind() {
        io::ErrorKind::NotFound => "this key signs through `ssh-keygen`, which is not installed; install OpenSSH, or name a private key without a passphrase with `--key`".to_owned(),
        _ => format!("`ssh-keygen` cannot be started ({error}); install OpenSSH again"),
    };
    Failure::new(Code::SignatureInvalid, message)
}

fn scratch(error: &io::Error) -> Failure {
    let message = format!(
        "the directory for temporary files cannot be used ({error}); set TMPDIR to one that can"
    );
    Failure::new(Code::Misuse, message)
}
