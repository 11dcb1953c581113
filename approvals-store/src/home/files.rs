//! Writing files that are never overwritten, and reading files that nobody else can write.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use approvals_core::files::{check_private, check_unwritable, private, sync_parent};
use approvals_core::{ApprovalError, Code};

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
    let new = private(options.write(true).create_new(true)).open(path);
    let written = new.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        sync_parent(path)
    });
    written.map_err(|error| unavailable("make", path, &error))
}

/// Reads a file that decides who may do what, if nobody but its owner, who holds the ledger key,
/// could have changed it.
pub(super) fn read_guarded(path: &Path, what: &str, key: &Path) -> Result<String, ApprovalError> {
    read(open_guarded(path, what, key)?, path)
}

/// The same, of a file that nobody but its owner may read either.
pub(super) fn read_private(path: &Path, what: &str, key: &Path) -> Result<String, ApprovalError> {
    let file = open_guarded(path, what, key)?;
    let meta = file
        .metadata()
        .map_err(|error| unavailable("look at", path, &error))?;
    check_private(path, &meta).map_err(|exposed| {
        let message = format!("{exposed}, because there may be a password in it");
        ApprovalError::new(Code::StoreUnavailable, message)
    })?;
    read(file, path)
}

/// Opens a file, and looks at that file, whatever happens to its name meanwhile, and at every directory
/// on the way to it: who can write one of them can put another file in its place.
fn open_guarded(path: &Path, what: &str, key: &Path) -> Result<File, ApprovalError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refuse(format!(
            "there is no {what} at `{}`, and without one nothing may run; restore it, or make a new home with `approvals init`",
            path.display()
        )),
        _ => refuse(format!("cannot read `{}` ({error}); check its permissions", path.display())),
    })?;
    let keeper = owner(key);
    check_owned(path, file.metadata(), keeper)?;
    // Where a link leads counts, and where it lies.
    let real = fs::canonicalize(path).ok();
    for way in [path].into_iter().chain(real.as_deref()) {
        let mut directories = way.ancestors().skip(1);
        if let Some(nearest) = directories.next() {
            check_owned(nearest, look(nearest), keeper)?;
        }
        for above in directories {
            check_above(above, keeper)?;
        }
    }
    Ok(file)
}

fn read(mut file: File, path: &Path) -> Result<String, ApprovalError> {
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

/// Who holds the ledger key, if it is there: whoever decides what may run must be the same user.
fn owner(key: &Path) -> Option<u32> {
    fs::metadata(key).ok().and_then(|meta| user(&meta))
}

/// Refuses what others than its owner can write: they could let anything run.
fn check_owned(
    path: &Path,
    meta: io::Result<Metadata>,
    keeper: Option<u32>,
) -> Result<(), ApprovalError> {
    let meta = owned(path, meta, keeper)?;
    unwritable(path, &meta)
}

/// The same, of a directory further up. Where the sticky bit is set, as on `/tmp`, others than the owner
/// can make files, and move or remove only their own.
fn check_above(path: &Path, keeper: Option<u32>) -> Result<(), ApprovalError> {
    let meta = owned(path, look(path), keeper)?;
    if is_sticky(&meta) || is_of_one_group(&meta) {
        return Ok(());
    }
    unwritable(path, &meta)
}

fn unwritable(path: &Path, meta: &Metadata) -> Result<(), ApprovalError> {
    check_unwritable(path, meta).map_err(|exposed| {
        refuse(format!(
            "{exposed}, because who writes it decides what may run"
        ))
    })
}

/// Refuses what belongs to somebody else than the keeper of the key and the superuser.
fn owned(
    path: &Path,
    meta: io::Result<Metadata>,
    keeper: Option<u32>,
) -> Result<Metadata, ApprovalError> {
    let shown = path.display();
    let meta = meta.map_err(|error| {
        refuse(format!(
            "cannot look at `{shown}` ({error}); check its permissions"
        ))
    })?;
    match (user(&meta), keeper) {
        (Some(owner), Some(keeper)) if owner != 0 && owner != keeper => Err(refuse(format!(
            "`{shown}` belongs to user {owner} and the ledger key to user {keeper}; who owns it decides what may run, so run `chown {keeper} {shown}`"
        ))),
        _ => Ok(meta),
    }
}

/// What there is to know of a directory; the empty path is where a relative one begins.
fn look(path: &Path) -> io::Result<Metadata> {
    match path.as_os_str().is_empty() {
        true => fs::metadata("."),
        false => fs::metadata(path),
    }
}

#[cfg(unix)]
fn user(meta: &Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::uid(meta))
}

#[cfg(not(unix))]
fn user(_: &Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
fn is_sticky(meta: &Metadata) -> bool {
    const STICKY: u32 = 0o1000;
    std::os::unix::fs::MetadataExt::mode(meta) & STICKY != 0
}

#[cfg(not(unix))]
fn is_sticky(_: &Metadata) -> bool {
    false
}

/// Whether only the owner's own group can write it, too: a group with the number of its user has no other
/// member where each user has one, and there new directories are open to it.
#[cfg(unix)]
fn is_of_one_group(meta: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    meta.uid() != 0 && meta.gid() == meta.uid() && meta.mode() & 0o002 == 0
}

#[cfg(not(unix))]
fn is_of_one_group(_: &Metadata) -> bool {
    false
}

fn refuse(message: String) -> ApprovalError {
    ApprovalError::new(Code::PolicyInvalid, message)
}

pub(super) fn unavailable(what: &str, path: &Path, error: &io::Error) -> ApprovalError {
    let message = format!(
        "cannot {what} `{}` ({error}); check the path and its permissions",
        path.display()
    );
    ApprovalError::new(Code::StoreUnavailable, message)
}
