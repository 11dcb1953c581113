//! The directory an export is written to: files are added whole, and never changed.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use approvals_core::ledger::{Checkpoint, SignedCheckpoint, VerifierKey};
use approvals_core::{ApprovalError, Code};

use super::{CHECKPOINT, VKEY};

/// A directory that this process alone writes, until it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    added: u64,
    /// Folders with names that are not durable yet.
    touched: BTreeSet<PathBuf>,
    _lock: File,
}

impl Folder {
    /// Opens or makes the directory for the log that this key signs.
    pub(super) fn open(root: &Path, key: &VerifierKey) -> Result<Self, ApprovalError> {
        let make = |error| cannot("make", root, &error);
        fs::create_dir_all(root).map_err(make)?;
        check_owner(root, key)?;
        let lock = root.join(LOCK);
        let file = File::create(&lock).map_err(|error| cannot("make", &lock, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!(
                    "another export to `{}` is at work; try again when it is done",
                    root.display()
                );
                return Err(ApprovalError::new(Code::StoreUnavailable, message));
            }
            Err(TryLockError::Error(error)) => return Err(cannot("lock", &lock, &error)),
        }
        let mut folder = Self {
            root: root.to_owned(),
            added: 0,
            touched: BTreeSet::new(),
            _lock: file,
        };
        // From the first file on it is known whose log the directory holds.
        if !root.join(VKEY).exists() {
            folder.replace(VKEY, &format!("{key}\n"))?;
            folder.sync()?;
        }
        Ok(folder)
    }

    /// The head that was published last; what it says is only a claim.
    pub(super) fn published(&self) -> Result<Option<Checkpoint>, ApprovalError> {
        let path = self.root.join(CHECKPOINT);
        let note = match fs::read(&path) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot("read", &path, &error)),
        };
        claim(&note).map(Some).map_err(|why| {
            let message = format!(
                "`{}` is no checkpoint ({why}), so what the directory holds is not known; export to another directory",
                path.display()
            );
            ApprovalError::new(Code::AuditTampered, message)
        })
    }

    /// Adds a file. One that is there already must hold exactly these bytes.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), ApprovalError> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(there) if there == bytes => return Ok(()),
            Ok(_) => {
                let message = format!(
                    "`{}` does not hold what the log says; it is left as it is, as evidence, export to another directory",
                    path.display()
                );
                return Err(ApprovalError::new(Code::AuditTampered, message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot("read", &path, &error)),
        }
        self.write(&path, bytes)?;
        self.added += 1;
        Ok(())
    }

    /// How many files were added.
    pub(super) fn added(&self) -> u64 {
        self.added
    }

    /// Makes everything that was added durable, and only then points to it.
    pub(super) fn publish(&mut self, key: &VerifierKey, note: &str) -> Result<(), ApprovalError> {
        self.sync()?;
        self.replace(VKEY, &format!("{key}\n"))?;
        self.replace(CHECKPOINT, note)?;
        self.sync()
    }

    /// Removes a folder that nobody needs any more, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<(), ApprovalError> {
        let path = self.root.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(cannot("remove", &path, &error))
            }
            _ => Ok(()),
        }
    }

    fn replace(&mut self, name: &str, text: &str) -> Result<(), ApprovalError> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(there) if there == text.as_bytes() => Ok(()),
            _ => self.write(&path, text.as_bytes()),
        }
    }

    /// Writes a file beside its place, and moves it there when it is whole and on the disk.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<(), ApprovalError> {
        self.make_parents(path)?;
        let new = self.root.join(NEW);
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, path)
        });
        written.map_err(|error| cannot("write", path, &error))
    }

    /// Makes the folders above a file, and notes that their entries are new.
    fn make_parents(&mut self, path: &Path) -> Result<(), ApprovalError> {
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).map_err(|error| cannot("make", parent, &error))?;
        let above = parent
            .ancestors()
            .take_while(|folder| folder.starts_with(&self.root));
        self.touched.extend(above.map(Path::to_owned));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), ApprovalError> {
        for folder in std::mem::take(&mut self.touched) {
            // Elsewhere names are made durable with the file.
            if cfg!(unix) {
                let synced = File::open(&folder).and_then(|folder| folder.sync_all());
                synced.map_err(|error| cannot("sync", &folder, &error))?;
            }
        }
        Ok(())
    }
}

/// What a note claims, if it is one.
pub(super) fn claim(note: &[u8]) -> Result<Checkpoint, String> {
    let signed = SignedCheckpoint::parse(note).map_err(|error| error.to_string())?;
    let body = signed
        .as_str()
        .split_once("\n\n")
        .map_or("", |(body, _)| body);
    Checkpoint::parse(format!("{body}\n")).map_err(|error| error.to_string())
}

/// Refuses a directory that holds another log, or files of something else.
fn check_owner(root: &Path, key: &VerifierKey) -> Result<(), ApprovalError> {
    let misuse = |message: String| Err(ApprovalError::new(Code::Misuse, message));
    let (path, root) = (root.join(VKEY), root.display());
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim_end().parse::<VerifierKey>() {
            Ok(theirs) if theirs.name() == key.name() => Ok(()),
            Ok(theirs) => misuse(format!(
                "`{root}` holds the log `{}` and not `{}`; export to another directory",
                theirs.name(),
                key.name()
            )),
            Err(error) => misuse(format!(
                "`{}` is no verifier key ({error}); export to another directory",
                path.display()
            )),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let foreign = [CHECKPOINT, "tile"]
                .into_iter()
                .find(|name| path.with_file_name(name).exists());
            match foreign {
                None => Ok(()),
                Some(name) => misuse(format!(
                    "`{root}` holds a `{name}` and no `{VKEY}`, so it is not known whose it is; export to another directory"
                )),
            }
        }
        Err(error) => Err(cannot("read", &path, &error)),
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> ApprovalError {
    let message = format!(
        "cannot {what} `{}` ({error}); check the path, its permissions and the space on the disk",
        path.display()
    );
    ApprovalError::new(Code::StoreUnavailable, message)
}

/// Held by the one export at work.
const LOCK: &str = ".lock";

/// A file in the making.
const NEW: &str = ".new";
