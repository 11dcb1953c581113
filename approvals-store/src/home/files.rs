//! Writing files that are never overwritten, and reading files that nobody else can write.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use approvals_core::{ApprovalError, Code};

use crate::files::sync_parent;

/// How often the lock is tried before another process is taken to hold it.
const LOOKS: u32 = 100;

/// The time between two tries.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Makes a directory that only its owner can enter; one that is there already is left as it is.
pub(super) fn make_directory(path: &Path) -> Result<(), ApprovalError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.create(path).and_then(|()| sync_parent(path));
    made.map_err(|error| unavailable("make the directory", path, &error))
}

/// Writes a new file that only its owner can read; on return it is on the disk.
pub(super) fn create(path: &Path, text: &str) -> Result<(), ApprovalError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        sync_parent(path)
    });
    written.map_err(|error| unavailable("make", path, &error))
}

/// Reads a file that decides who may do what, if nobody but its owner, who holds the ledger key,
/// could have changed it.
///
/// The file that was opened is the one that is checked, whatever happens to its name meanwhile.
pub(super) fn read_guarded(path: &Path, what: &str, key: &Path) -> Result<String, ApprovalError> {
    let refuse = |message: String| ApprovalError::new(Code::PolicyInvalid, message);
    let mut file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refuse(format!(
            "there is no {what} at `{}`, and without one nothing may run; restore it, or make a new home with `approvals init`",
            path.display()
        )),
        _ => refuse(format!("cannot read `{}` ({error}); check its permissions", path.display())),
    })?;
    let keeper = owner(key);
    check_mode(path, file.metadata(), keeper)?;
    // Where a link leads counts, not where it lies.
    let real = fs::canonicalize(path);
    let parent = real.ok().and_then(|path| path.parent().map(Path::to_owned));
    for directory in parent.iter().map(|path| &**path).chain(path.parent()) {
        check_mode(directory, fs::metadata(directory), keeper)?;
    }
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(refuse(format!(
            "cannot read `{}` ({error}); restore it",
            path.display()
        ))),
    }
}

/// Keeps other processes that want the same lock out; ends with this process, however that ends.
pub(super) fn alone(path: &Path, taken: &str) -> Result<File, ApprovalError> {
    let file = File::open(path).map_err(|error| unavailable("open", path, &error))?;
    // A program that this process starts holds a copy of a lock for a moment, between its birth and its first
    // instruction: a lock that is let go may look taken for that long.
    for _ in 0..LOOKS {
        if file.try_lock().is_ok() {
            return Ok(file);
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Err(ApprovalError::new(Code::StoreUnavailable, taken))
}

/// The same, of a file that nobody but its owner may read either.
pub(super) fn read_private(path: &Path, what: &str, key: &Path) -> Result<String, ApprovalError> {
    let text = read_guarded(path, what, key)?;
    #[cfg(unix)]
    if let Ok(meta) = fs::metadata(path) {
        let mode = std::os::unix::fs::MetadataExt::mode(&meta) & 0o777;
        if mode & 0o077 != 0 {
            let message = format!(
                "others can open `{0}` (mode {mode:04o}), and there may be a password in it; run `chmod 600 {0}`",
                path.display()
            );
            return Err(ApprovalError::new(Code::StoreUnavailable, message));
        }
    }
    Ok(text)
}

/// Who holds the ledger key, if it is there: whoever decides what may run must be the same user.
fn owner(key: &Path) -> Option<u32> {
    #[cfg(unix)]
    return fs::metadata(key)
        .ok()
        .map(|meta| std::os::unix::fs::MetadataExt::uid(&meta));
    #[cfg(not(unix))]
    None
}

/// Refuses what others than its owner can write: they could let anything run.
#[cfg(unix)]
fn check_mode(
    path: &Path,
    meta: io::Result<fs::Metadata>,
    keeper: Option<u32>,
) -> Result<(), ApprovalError> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let refuse = |message: String| ApprovalError::new(Code::PolicyInvalid, message);
    let path = path.display();
    let meta = meta.map_err(|error| {
        refuse(format!(
            "cannot look at `{path}` ({error}); check its permissions"
        ))
    })?;
    let mode = meta.permissions().mode() & 0o7777;
    let owner = meta.uid();
    if let Some(keeper) = keeper.filter(|keeper| owner != 0 && owner != *keeper) {
        return Err(refuse(format!(
            "`{path}` belongs to user {owner} and the ledger key to user {keeper}; who owns it decides what may run, so run `chown {keeper} {path}`"
        )));
    }
    if mode & 0o022 == 0 {
        return Ok(());
    }
    Err(refuse(format!(
        "others can write `{path}` (mode {mode:04o}), and who writes it decides what may run; run `chmod go-w {path}`"
    )))
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: io::Result<fs::Metadata>, _: Option<u32>) -> Result<(), ApprovalError> {
    Ok(())
}

pub(super) fn unavailable(what: &str, path: &Path, error: &io::Error) -> ApprovalError {
    let message = format!(
        "cannot {what} `{}` ({error}); check the path and its permissions",
        path.display()
    );
    ApprovalError::new(Code::StoreUnavailable, message)
}
