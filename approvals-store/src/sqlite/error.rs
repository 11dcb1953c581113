//! What an error of SQLite means for the ledger: nothing was written, or nobody knows.

use std::path::Path;

use approvals_core::ports::StoreError;
use rusqlite::{Error, ErrorCode, ffi};

/// What an error before the end of a transaction means; nothing of it was written.
pub(super) fn explain(path: &Path, error: &Error) -> StoreError {
    let path = path.display();
    let Error::SqliteFailure(failure, detail) = error else {
        return damaged(&path, error);
    };
    if failure.extended_code == ffi::SQLITE_READONLY_DBMOVED {
        return StoreError::fatal(format!(
            "the database file `{path}` was removed or replaced while open"
        ));
    }
    let detail = detail.as_deref().unwrap_or("no details");
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::unavailable(format!(
            "`{path}` is locked: another process has been writing for too long; end it, or try again"
        )),
        ErrorCode::DiskFull => StoreError::unavailable(format!(
            "the disk that holds `{path}` is full; free some space"
        )),
        ErrorCode::CannotOpen => StoreError::unavailable(format!(
            "`{path}` cannot be opened; its directory must exist and this user must be able to write in it"
        )),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::unavailable(format!(
            "this user cannot write `{path}`; check the owner and the permissions of the file and of its directory"
        )),
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => damaged(&path, error),
        ErrorCode::SystemIoFailure => StoreError::fatal(format!(
            "the disk failed under `{path}` ({detail}); check the disk before anything is started again"
        )),
        _ => StoreError::unavailable(format!("`{path}` refused the write: {detail}")),
    }
}

/// What an error of the commit itself means.
pub(super) fn explain_commit(path: &Path, error: &Error) -> StoreError {
    match error.sqlite_error_code() {
        // SQLite gave up before the frame that makes the others count.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => {
            explain(path, error)
        }
        // After a failed sync the kernel may have dropped the pages, and a second sync would
        // succeed without them: nothing may be tried again.
        _ => StoreError::fatal(format!(
            "it is not known whether the last write to `{}` reached the disk ({error}); check the disk before anything is started again",
            path.display()
        )),
    }
}

/// The file holds something that this library did not write.
pub(super) fn damaged(path: &dyn std::fmt::Display, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::fatal(format!(
        "`{path}` is damaged or is not a ledger ({what}); leave it as it is and restore a backup that verifies"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> Error {
        Error::SqliteFailure(ffi::Error::new(code), Some("words".to_owned()))
    }

    #[test]
    fn only_what_is_known_to_be_unwritten_may_be_tried_again() {
        for (code, before, at_commit, fix) in [
            (ffi::SQLITE_BUSY, false, false, "locked"),
            (ffi::SQLITE_LOCKED, false, false, "locked"),
            (ffi::SQLITE_FULL, false, false, "free some space"),
            (ffi::SQLITE_CANTOPEN, false, true, "directory"),
            (ffi::SQLITE_READONLY, false, true, "permissions"),
            (ffi::SQLITE_PERM, false, true, "permissions"),
            (ffi::SQLITE_CONSTRAINT, false, true, "words"),
            (ffi::SQLITE_NOMEM, false, true, "words"),
            (ffi::SQLITE_READONLY_DBMOVED, true, true, "replaced"),
            (ffi::SQLITE_IOERR, true, true, "check the disk"),
            (ffi::SQLITE_IOERR_FSYNC, true, true, "check the disk"),
            (ffi::SQLITE_IOERR_WRITE, true, true, "check the disk"),
            (ffi::SQLITE_CORRUPT, true, true, "backup"),
            (ffi::SQLITE_NOTADB, true, true, "backup"),
        ] {
            let (path, error) = (Path::new("a.db"), failure(code));
            let explained = explain(path, &error);
            assert_eq!(explained.is_fatal(), before, "{code}");
            assert!(explained.to_string().contains(fix), "{code}: {explained}");
            assert!(explained.to_string().contains("a.db"), "{code}");
            assert_eq!(
                explain_commit(path, &error).is_fatal(),
                at_commit,
                "{code} at commit"
            );
        }
    }
}
