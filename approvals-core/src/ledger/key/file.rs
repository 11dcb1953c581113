//! Files that hold a secret: made once, for their owner alone, and read only while that is so.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::error::KeyError;
use crate::files;
use crate::id::wipe;

/// Writes a secret into a new file that only its owner can read, and overwrites the text; on return it is on
/// the disk.
pub(super) fn create(path: &Path, what: &'static str, mut text: Vec<u8>) -> Result<(), KeyError> {
    let made = open_new(path, what).and_then(|mut file| {
        let written = file
            .write_all(&text)
            .and_then(|()| file.sync_all())
            .and_then(|()| files::sync_parent(path));
        written.map_err(|cause| {
            // The half-written file is ours, and nobody has used it; if it stays, it is refused when read.
            let _ = std::fs::remove_file(path);
            KeyError::Write {
                what,
                path: path.to_owned(),
                cause,
            }
        })
    });
    wipe(&mut text);
    made
}

/// Reads a secret with `parse`, unless others than the file's owner could have read or replaced it.
pub(super) fn read<T>(
    path: &Path,
    what: &'static str,
    parse: impl FnOnce(&str) -> Result<T, KeyError>,
    otherwise: KeyError,
) -> Result<T, KeyError> {
    let unreadable = |cause: io::Error| KeyError::Read {
        what,
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeyError::Missing {
            what,
            path: path.to_owned(),
        },
        _ => unreadable(error),
    })?;
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    files::check_private(path, &meta).map_err(|cause| KeyError::Exposed { what, cause })?;
    // Room for all of it at once, so that no copy is left behind by growing.
    let mut text = Vec::with_capacity(MAX_BYTES + 1);
    let read = file
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut text)
        .map_err(unreadable);
    let plain = str::from_utf8(&text)
        .ok()
        .filter(|text| text.len() <= MAX_BYTES);
    let parsed = read.map(|_| plain.map_or(Err(otherwise), parse));
    wipe(&mut text);
    parsed?.map_err(|error| KeyError::File {
        what,
        path: path.to_owned(),
        cause: Box::new(error),
    })
}

/// Opens a new file for its owner alone; the mode is set as the file comes to be, never after.
pub(super) fn open_new(path: &Path, what: &'static str) -> Result<File, KeyError> {
    let mut options = File::options();
    files::private(options.write(true).create_new(true))
        .open(path)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists {
                what,
                path: path.to_owned(),
            },
            _ => KeyError::Write {
                what,
                path: path.to_owned(),
                cause: error,
            },
        })
}

/// A file with a secret is far shorter, so anything longer is something else.
pub(super) const MAX_BYTES: usize = 4096;
