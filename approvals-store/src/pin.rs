//! The head pin in a file: for another volume, or another account's directory.
//!
//! Trusted: who can write both the file and the store can roll both back unseen. Put the file on a
//! volume that is not restored with the store's, and keep copies of it elsewhere, too: it is a
//! signed checkpoint, as `approvals verify --checkpoint` takes it.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use approvals_core::files::{self, private, sync_parent};
use approvals_core::ledger::{SignedCheckpoint, leaf_hash};
use approvals_core::ports::{HeadPin, PinError, Replaced};

use crate::files::{FileId, with_suffix};

/// How long one process waits for another one that is moving the pin.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// How often it looks.
const LOCK_POLL: Duration = Duration::from_millis(2);

/// Keeps the newest signed head in a file that is replaced as a whole, durably, under a lock.
///
/// The directory must be there: one that is missing is a volume that is not mounted, and no new
/// log. Only its owner may write in it, and only its owner may read the file.
///
/// # Examples
/// ```
/// use approvals_core::ports::{HeadPin as _, Replaced};
/// use approvals_store::FilePin;
///
/// # let scratch = tempfile::tempdir()?;
/// let mut pin = FilePin::new(scratch.path().join("head.pin"));
/// assert_eq!(pin.read()?, None);
/// assert_eq!(pin.replace(None, "first")?, Replaced::Done);
/// assert_eq!(pin.replace(None, "second")?, Replaced::Holds(Some("first".to_owned())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FilePin {
    path: PathBuf,
}

impl FilePin {
    /// The pin in this file, which need not be there yet; its directory must.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn look(&self) -> Result<Option<String>, PinError> {
        self.check_directory()?;
        if fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.is_symlink()) {
            let path = self.path.display();
            return Err(PinError(format!(
                "`{path}` is a link; name the file it leads to"
            )));
        }
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.cannot("read", &error)),
        };
        let meta = file
            .metadata()
            .map_err(|error| self.cannot("look at", &error))?;
        self.check_file(&meta)?;
        let mut text = String::new();
        let read = (&mut file)
            .take(SignedCheckpoint::MAX_BYTES as u64 + 1)
            .read_to_string(&mut text);
        read.map_err(|error| self.cannot("read", &error))?;
        Ok(Some(text))
    }

    /// Refuses what others could have written, and what has a second name.
    fn check_file(&self, meta: &Metadata) -> Result<(), PinError> {
        let path = self.path.display();
        if !meta.is_file() {
            return Err(PinError(format!(
                "`{path}` is not a file; name a file of its own"
            )));
        }
        files::check_private(&self.path, meta).map_err(|exposed| PinError(exposed.to_string()))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            if meta.nlink() != 1 {
                return Err(PinError(format!(
                    "`{path}` has {} names, so it could be changed or kept under another one; copy it to a file of its own",
                    meta.nlink()
                )));
            }
        }
        Ok(())
    }

    fn check_directory(&self) -> Result<(), PinError> {
        let directory = self.directory();
        let path = directory.display();
        let meta = fs::metadata(directory).map_err(|error| {
            PinError(format!(
                "the directory of the pin, `{path}`, is not there ({error}); mount its volume, or make it for the user who runs the gate"
            ))
        })?;
        files::check_unwritable(directory, &meta).map_err(|exposed| {
            PinError(format!(
                "{exposed}, because who writes it can replace the pin"
            ))
        })
    }

    fn directory(&self) -> &Path {
        let parent = self.path.parent();
        parent
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }

    /// The lock that everybody who moves this pin takes; the system drops it when its holder ends.
    fn lock(&self) -> Result<File, PinError> {
        self.check_directory()?;
        let path = with_suffix(&self.path, ".lock");
        let began = Instant::now();
        loop {
            let file = private(OpenOptions::new().write(true).create(true).truncate(false))
                .open(&path)
                .map_err(|error| self.cannot("lock", &error))?;
            match file.try_lock() {
                // A lock on a file that was removed meanwhile keeps nobody out.
                Ok(()) if is_at(&file, &path) => return Ok(file),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(self.cannot("lock", &error)),
            }
            if began.elapsed() > LOCK_PATIENCE {
                return Err(PinError(format!(
                    "another process has held the lock of `{}` for {LOCK_PATIENCE:?}; see what it waits for",
                    self.path.display()
                )));
            }
            std::thread::sleep(LOCK_POLL);
        }
    }

    /// The new text under the old name, on the disk, or the old text as it was.
    fn put(&self, text: &str) -> io::Result<()> {
        let new = with_suffix(&self.path, ".new");
        match fs::remove_file(&new) {
            // Left by a process that ended between the two names.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        sync_parent(&self.path)?;
        if is_at(&file, &self.path) {
            Ok(())
        } else {
            Err(io::Error::other("the file was replaced or removed at once"))
        }
    }

    fn cannot(&self, what: &str, error: &io::Error) -> PinError {
        PinError(format!(
            "cannot {what} `{}` ({error}); check the volume, the path and its permissions",
            self.path.display()
        ))
    }
}

impl HeadPin for FilePin {
    fn read(&mut self) -> Result<Option<String>, PinError> {
        self.look()
    }

    fn replace(&mut self, expected: Option<&str>, next: &str) -> Result<Replaced, PinError> {
        let _lock = self.lock()?;
        let held = self.look()?;
        if held.as_deref() != expected {
            return Ok(Replaced::Holds(held));
        }
        self.put(next)
            .map_err(|error| self.cannot("write", &error))?;
        Ok(Replaced::Done)
    }

    fn keep(&mut self, name: &str, evidence: &str) -> Result<String, PinError> {
        let hash = leaf_hash(evidence.as_bytes()).to_hex();
        let short: String = hash.chars().take(12).collect();
        let path = with_suffix(&self.path, &format!(".{name}-{short}.evidence"));
        let kept = private(OpenOptions::new().write(true).create_new(true))
            .open(&path)
            .and_then(|mut file| {
                file.write_all(evidence.as_bytes())?;
                file.sync_all()?;
                sync_parent(&path)
            });
        match kept {
            Ok(()) => Ok(path.display().to_string()),
            // The name is that of the text.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(path.display().to_string())
            }
            Err(error) => Err(self.cannot("keep evidence beside", &error)),
        }
    }
}

/// Whether the path leads to this very file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => FileId::of(&open) == FileId::of(&named),
        _ => false,
    }
}
