//! The files of one database: made private, and watched while they are open.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use approvals_core::files;
use approvals_core::ports::StoreError;

use crate::files::{FileId, with_suffix};

/// Where a database lies, and which files lay there when it was opened.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The path it was asked for, made absolute: the one that other processes open, too.
    path: PathBuf,
    /// The same, with every link followed.
    real: PathBuf,
    /// Where SQLite keeps what is not in the database file yet.
    log: PathBuf,
    database: FileId,
    log_id: Option<FileId>,
}

impl Place {
    /// Finds the file, or makes an empty one that only its owner can read.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        make(path)?;
        Self::find(path)
    }

    /// Finds the file.
    pub(super) fn find(path: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|error| cannot("find", path, &error))?;
        let meta = fs::metadata(&path).map_err(|error| cannot("find", &path, &error))?;
        if !meta.is_file() {
            return Err(StoreError::unavailable(format!(
                "`{}` is not a file; name the database file itself",
                path.display()
            )));
        }
        // SQLite follows links before it names the files beside the database.
        let real = fs::canonicalize(&path).map_err(|error| cannot("find", &path, &error))?;
        Ok(Self {
            log: with_suffix(&real, "-wal"),
            database: FileId::of(&meta),
            log_id: None,
            real,
            path,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the database lies, whatever links led here: one place for all who open it.
    pub(super) fn real(&self) -> &Path {
        &self.real
    }

    /// Whether the last process that had the database open left without tidying up.
    pub(super) fn has_log(&self) -> bool {
        fs::metadata(&self.log).is_ok_and(|meta| meta.len() > 0)
    }

    /// Refuses a database that others than its owner can read or write: what people were shown lies
    /// in it, if only as ciphertext, and who can write it can destroy the log.
    pub(super) fn check_private(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.path) {
            Ok(meta) => files::check_private(&self.path, &meta)
                .map_err(|exposed| StoreError::unavailable(exposed.to_string())),
            Err(error) => Err(cannot("look at", &self.path, &error)),
        }
    }

    /// Remembers the log, which SQLite makes when it first reads and keeps until the last
    /// connection ends.
    pub(super) fn opened(&mut self) -> Result<(), StoreError> {
        let meta = fs::metadata(&self.log).map_err(|error| cannot("find", &self.log, &error))?;
        self.log_id = Some(FileId::of(&meta));
        self.check()
    }

    /// Refuses to go on when the paths no longer lead to the open files: what is written to a
    /// file without a name is gone when the process ends.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let log = self.log_id.as_ref().map(|id| (&self.log, id));
        for (path, id) in [(&self.path, &self.database)].into_iter().chain(log) {
            if !fs::metadata(path).is_ok_and(|meta| FileId::of(&meta) == *id) {
                return Err(StoreError::fatal(format!(
                    "the database file was removed or replaced while open: `{}`; stop every process that has it open, and restore it",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

/// Makes an empty file, unless there is one: SQLite gives the files beside it the same mode.
fn make(path: &Path) -> Result<(), StoreError> {
    // An existing file is not even opened: closing it again would drop the locks that other
    // connections of this process hold on it.
    match files::private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Ok(file) => file
            .sync_all()
            .and_then(|()| files::sync_parent(path))
            .map_err(|error| cannot("make", path, &error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(cannot("make", path, &error)),
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::unavailable(format!(
        "cannot {what} the database file `{}` ({error}); check the path and its permissions",
        path.display()
    ))
}
