//! What an error of PostgreSQL means for the ledger.

use std::time::Duration;

use approvals_core::ports::StoreError;
use tokio_postgres::error::{Severity, SqlState};

use super::target::Target;

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, Clone)]
pub(super) enum Failed {
    /// The server answered that it did not do it.
    Refused {
        /// What kind of refusal.
        code: SqlState,
        /// In its own words.
        message: String,
        /// Whether it ended the connection with it.
        hung_up: bool,
    },
    /// The connection is gone.
    Lost(String),
    /// There was no answer in this time.
    Slow(Duration),
    /// There was an answer, and it makes no sense.
    Odd(String),
}

impl Failed {
    /// Whether the connection can go on being used.
    pub(super) fn spares_the_link(&self) -> bool {
        matches!(self, Self::Refused { hung_up: false, .. })
    }

    /// What it means before the end of a transaction; nothing of it was written.
    pub(super) fn explain(&self, target: &Target) -> StoreError {
        let (code, message) = match self {
            Self::Refused { code, message, .. } => (code, message),
            Self::Lost(why) => {
                return StoreError::unavailable(format!(
                    "the database `{target}` cannot be reached ({why}); it is tried again with the next call"
                ));
            }
            Self::Slow(time) => {
                return StoreError::unavailable(format!(
                    "the database `{target}` gave no answer within {time:?}; check its load and the network"
                ));
            }
            Self::Odd(what) => return damaged(target, what),
        };
        match advice(code) {
            Advice::Damage => damaged(target, message),
            Advice::TryAgain(what) => StoreError::unavailable(format!("`{target}` {what}")),
            Advice::Tell(what) => StoreError::unavailable(format!("`{target}` {what} ({message})")),
        }
    }
}

/// What to do about a refusal.
enum Advice {
    /// What is in the database is not what was written there.
    Damage,
    /// It is plain what happened.
    TryAgain(&'static str),
    /// The server's own words help.
    Tell(&'static str),
}

fn advice(code: &SqlState) -> Advice {
    match *code {
        SqlState::LOCK_NOT_AVAILABLE => Advice::TryAgain(
            "is locked: another process has been writing for too long; end it, or try again",
        ),
        SqlState::QUERY_CANCELED => {
            Advice::TryAgain("took too long and stopped; check its load, and try again")
        }
        SqlState::DISK_FULL => Advice::TryAgain("has no space left on its disk; free some"),
        SqlState::TOO_MANY_CONNECTIONS => {
            Advice::TryAgain("has no connection left; raise `max_connections`, or end somebody's")
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => Advice::TryAgain(
            "cannot be written: it is a standby, or set to read only; name the primary server",
        ),
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            Advice::Tell("does not let this user in; check the name and the password")
        }
        SqlState::INVALID_CATALOG_NAME => {
            Advice::Tell("does not exist; make it with `createdb`, or name another one")
        }
        SqlState::INSUFFICIENT_PRIVILEGE => Advice::Tell(
            "does not allow this role that; see the roles in the documentation of the store",
        ),
        SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => {
            Advice::Tell("is starting or stopping; it is tried again with the next call")
        }
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED | SqlState::IO_ERROR => Advice::Damage,
        ref code if code.code() == MOVED_ON => {
            Advice::TryAgain("was written by another process meanwhile; try again")
        }
        _ => Advice::Tell("refused"),
    }
}

/// What the triggers of the ledger say when somebody else went on first.
const MOVED_ON: &str = "AP001";

/// The database holds something that this library did not write.
pub(super) fn damaged(target: &Target, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::fatal(format!(
        "`{target}` is damaged or holds what is no ledger ({what}); leave it as it is and restore a backup that verifies"
    ))
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(refused) = error.as_db_error() {
            // The details of an error can hold values of parameters; its message does not.
            return Self::Refused {
                code: refused.code().clone(),
                message: refused.message().to_owned(),
                hung_up: !matches!(refused.parsed_severity(), Some(Severity::Error)),
            };
        }
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let why = source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        Self::Lost(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> Failed {
        Failed::Refused {
            code: SqlState::from_code(code),
            message: "words".to_owned(),
            hung_up: false,
        }
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let target = Target::parse("postgres://a:s3cr3t@localhost/b").unwrap();
        for (failed, fatal, words) in [
            (refused("55P03"), false, "locked"),
            (refused("57014"), false, "took too long"),
            (refused("53100"), false, "free some"),
            (refused("53300"), false, "max_connections"),
            (refused("25006"), false, "primary"),
            (refused("28P01"), false, "password"),
            (refused("3D000"), false, "createdb"),
            (refused("42501"), false, "roles"),
            (refused("57P01"), false, "next call"),
            (refused("57P03"), false, "next call"),
            (refused("AP001"), false, "another process"),
            (refused("40001"), false, "words"),
            (refused("XX001"), true, "backup"),
            (refused("XX002"), true, "backup"),
            (refused("58030"), true, "backup"),
            (Failed::Odd("a note".to_owned()), true, "a note"),
            (Failed::Lost("reset".to_owned()), false, "reset"),
            (Failed::Slow(Duration::from_secs(3)), false, "3s"),
        ] {
            let error = failed.explain(&target);
            assert_eq!(error.is_fatal(), fatal, "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(
                error.to_string().contains("postgres://a@localhost:5432/b"),
                "{error}"
            );
        }
    }
}
