//! Files for people to keep: made anew, never written over.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use approvals_core::Code;

use crate::failure::Failure;

/// A file that was made and is still empty; dropped so, it is gone again.
///
/// Made before the work whose result it is to hold, so that a result is not lost for want of a place.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl NewFile {
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        let file = made.map_err(|error| {
            let path = path.display();
            Failure::usage(&format!(
                "cannot make `{path}` ({error}); name a file that is not there yet"
            ))
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            kept: false,
        })
    }

    /// Writes the bytes; on return they are on the disk.
    pub(crate) fn keep(mut self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        let written = self.file.write_all(bytes.as_ref());
        written
            .and_then(|()| self.file.sync_all())
            .map_err(|error| {
                let path = self.path.display();
                let message = format!("cannot write `{path}` ({error}); write to another place");
                Failure::new(Code::StoreUnavailable, message)
            })?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // An empty file that stays is only untidy.
            let _ = fs::remove_file(&self.path);
        }
    }
}
