//! Which processes are alive: each holds a lock that the operating system drops when it ends.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use approvals_core::id::BootId;
use approvals_core::ports::StoreError;

use crate::files::with_suffix;

/// The lock files of all processes that write to one database, and those that are held here.
#[derive(Debug)]
pub(super) struct Writers {
    directory: PathBuf,
    held: Vec<(PathBuf, File)>,
}

impl Writers {
    /// Those of the database at this path.
    pub(super) fn of(database: &Path) -> Self {
        Self {
            directory: with_suffix(database, "-writers"),
            held: Vec::new(),
        }
    }

    /// Marks a start of this process as alive, and removes the marks of those that are gone.
    pub(super) fn announce(&mut self, boot: BootId) -> Result<(), StoreError> {
        let path = self.path(boot);
        let file = self.lock_new(&path).map_err(|error| {
            StoreError::unavailable(format!(
                "cannot mark this process as alive in `{}` ({error}); check its owner and permissions",
                self.directory.display()
            ))
        })?;
        self.held.push((path, file));
        for boot in self.announced() {
            self.is_gone(boot);
        }
        Ok(())
    }

    /// Whether a process that announced itself is gone; what it left is removed.
    pub(super) fn is_gone(&self, boot: BootId) -> bool {
        let path = self.path(boot);
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) => {
                let gone = file.try_lock().is_ok();
                if gone {
                    // A file that stays only has to be looked at again.
                    let _ = fs::remove_file(&path);
                }
                gone
            }
            Err(error) => error.kind() == io::ErrorKind::NotFound && self.directory.is_dir(),
        }
    }

    fn lock_new(&self, path: &Path) -> io::Result<File> {
        make_directory(&self.directory)?;
        // Locked before it has its name, so that nobody finds it unlocked.
        let unnamed = with_suffix(path, ".new");
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&unnamed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::other("somebody else locked the new file"),
        })?;
        fs::rename(&unnamed, path)?;
        Ok(file)
    }

    fn announced(&self) -> Vec<BootId> {
        let held = |path: PathBuf| !self.held.iter().any(|(own, _)| *own == path);
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter(|entry| held(entry.path()))
            .filter_map(|entry| boot(&entry.file_name()))
            .collect()
    }

    fn path(&self, boot: BootId) -> PathBuf {
        self.directory.join(boot.to_string())
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        for (path, _) in &self.held {
            // Gone without a file is gone, too.
            let _ = fs::remove_file(path);
        }
    }
}

fn boot(name: &OsStr) -> Option<BootId> {
    name.to_str()?.parse().ok()
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
