//! What other users of this machine may do with a file, and files that are for their owner alone.
//!
//! Trusted: the file system, and the superuser. Only Unix has modes that can be looked at; elsewhere
//! nothing is refused, and who may open a file is up to the directory that it lies in.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Why a file is not used: others than its owner can do too much with it.
///
/// # Examples
/// ```
/// # #[cfg(unix)] {
/// use approvals_core::files;
/// use std::os::unix::fs::PermissionsExt as _;
///
/// # let path = std::env::temp_dir().join(format!("files-doc-{}", std::process::id()));
/// std::fs::write(&path, "xoxb-1")?;
/// std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640))?;
/// let refused = files::check_private(&path, &std::fs::metadata(&path)?).unwrap_err();
/// assert!(refused.to_string().ends_with(&format!("(mode 0640); run `chmod 600 {}`", path.display())));
/// # std::fs::remove_file(&path)?;
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("others can {can} `{path}` (mode {mode:04o}); run `chmod {fix} {path}`", path = .path.display())]
pub struct Exposed {
    path: PathBuf,
    mode: u32,
    can: &'static str,
    fix: &'static str,
}

/// Refuses a file that others than its owner can read or write: a secret in it may be known.
///
/// # Errors
/// [`Exposed`], which says what to run.
pub fn check_private(path: &Path, meta: &Metadata) -> Result<(), Exposed> {
    check(path, meta, 0o077, "open", "600")
}

/// Refuses a file or directory that others than its owner can write: what it says may be theirs.
///
/// # Errors
/// [`Exposed`], which says what to run.
pub fn check_unwritable(path: &Path, meta: &Metadata) -> Result<(), Exposed> {
    check(path, meta, 0o022, "write", "go-w")
}

/// Reads a text that nobody but the file's owner can have read or written.
///
/// The file that was opened is the one that is checked, whatever happens to its name meanwhile.
///
/// # Errors
/// What the system says, and [`Exposed`] inside of an error of kind `PermissionDenied`.
pub fn read_private(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    check_private(path, &file.metadata()?)
        .map_err(|exposed| io::Error::new(io::ErrorKind::PermissionDenied, exposed))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Lets a file that is about to be made be its owner's alone; the mode is set as it comes to be, never after.
pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Makes the name of a new file durable; only Unix can sync a directory.
///
/// # Errors
/// What the system says: the file may be gone after a loss of power.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
fn check(
    path: &Path,
    meta: &Metadata,
    bits: u32,
    can: &'static str,
    fix: &'static str,
) -> Result<(), Exposed> {
    let mode = std::os::unix::fs::MetadataExt::mode(meta) & 0o7777;
    if mode & bits == 0 {
        return Ok(());
    }
    Err(Exposed {
        path: path.to_owned(),
        mode,
        can,
        fix,
    })
}

#[cfg(not(unix))]
fn check(_: &Path, _: &Metadata, _: u32, _: &'static str, _: &'static str) -> Result<(), Exposed> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn every_bit_for_others_counts() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("secret");
        private(OpenOptions::new().write(true).create_new(true))
            .open(&path)
            .unwrap();
        let made = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(made & 0o7777, 0o600);
        for mode in (0..=0o777).map(|mode| mode | 0o400) {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let meta = fs::metadata(&path).unwrap();
            let shown = path.display();
            let say = |can, fix| {
                format!("others can {can} `{shown}` (mode {mode:04o}); run `chmod {fix} {shown}`")
            };
            let checked = check_private(&path, &meta).map_err(|exposed| exposed.to_string());
            let wanted = (mode & 0o077 != 0).then(|| say("open", "600"));
            assert_eq!(checked.err(), wanted);
            let read = read_private(&path).map_err(|error| error.to_string());
            assert_eq!(read.err(), wanted);
            let checked = check_unwritable(&path, &meta).map_err(|exposed| exposed.to_string());
            assert_eq!(
                checked.err(),
                (mode & 0o022 != 0).then(|| say("write", "go-w"))
            );
        }
    }
}
