//! One URL says where a ledger is kept.

use std::fmt;
use std::path::Path;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::str::FromStr;

use approvals_core::ports::{Reader, Store, StoreError};

#[cfg(feature = "postgres")]
use crate::postgres::{PostgresReader, PostgresStore, Target};
#[cfg(feature = "sqlite")]
use crate::sqlite::{SqliteReader, SqliteStore};

/// Where a ledger is kept: `sqlite:PATH`, or `postgres://user@host/database`.
///
/// Shown, it never shows a password.
///
/// # Examples
/// ```
/// use approvals_core::ports::{Reader as _, Store as _};
/// use approvals_store::StoreUrl;
///
/// # let scratch = tempfile::tempdir()?;
/// # let text = format!("sqlite:{}", scratch.path().join("approvals.db").display());
/// let url: StoreUrl = text.parse()?; // such as `sqlite:approvals.db`
/// let mut store = url.open()?;
/// assert!(store.is_durable());
/// assert_eq!(url.reader()?.head()?.frontier.size(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct StoreUrl(Place);

#[derive(Clone)]
enum Place {
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres { url: String, target: Box<Target> },
}

impl StoreUrl {
    /// A file.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Place::Sqlite(path.into()))
    }

    /// The same place, as it is called from this directory.
    #[must_use]
    pub fn within(self, directory: &Path) -> Self {
        match self.0 {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path) => Self::sqlite(directory.join(path)),
            #[cfg(feature = "postgres")]
            place @ Place::Postgres { .. } => {
                // It is called the same from everywhere.
                let _ = directory;
                Self(place)
            }
        }
    }

    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path) => Some(path),
            #[cfg(feature = "postgres")]
            Place::Postgres { .. } => None,
        }
    }

    /// Opens the ledger, or makes an empty one.
    ///
    /// # Errors
    /// As `SqliteStore::open` and `PostgresStore::open`.
    pub fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path) => SqliteStore::open(path).map(Into::into),
            #[cfg(feature = "postgres")]
            Place::Postgres { url, .. } => PostgresStore::open(url).map(Into::into),
        }
    }

    /// Opens the ledger, which must be there: a lost one is not mistaken for a new one.
    ///
    /// # Errors
    /// As `SqliteStore::open_existing` and `PostgresStore::open_existing`.
    pub fn open_existing(&self) -> Result<Box<dyn Store>, StoreError> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path) => SqliteStore::open_existing(path).map(Into::into),
            #[cfg(feature = "postgres")]
            Place::Postgres { url, .. } => PostgresStore::open_existing(url).map(Into::into),
        }
    }

    /// Makes the tables or brings them to the newest version, which opening does by itself unless
    /// only the owner of the tables may.
    ///
    /// # Errors
    /// As `SqliteStore::open_existing` and `PostgresStore::migrate`.
    pub fn migrate(&self) -> Result<(), StoreError> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path) => SqliteStore::open_existing(path).map(drop),
            #[cfg(feature = "postgres")]
            Place::Postgres { url, .. } => PostgresStore::migrate(url),
        }
    }

    /// Opens the ledger to read it, without a right to write.
    ///
    /// # Errors
    /// As `SqliteReader::open` and `PostgresReader::open`.
    pub fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path) => Ok(Box::new(SqliteReader::open(path)?)),
            #[cfg(feature = "postgres")]
            Place::Postgres { url, .. } => Ok(Box::new(PostgresReader::open(url)?)),
        }
    }

    /// The text that reads back as this, password and all: only for a file that is kept private.
    pub(crate) fn secret_text(&self) -> String {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path) => format!("sqlite:{}", path.display()),
            #[cfg(feature = "postgres")]
            Place::Postgres { url, .. } => url.clone(),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    /// # Errors
    /// [`StoreError`] when the text is no such URL, or of a store that this program is built without.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => file(path),
            Some(("postgres" | "postgresql", _)) => database(text),
            // INVARIANT: the text is not repeated, because a password may be in it.
            _ => Err(StoreError::unavailable(
                "the store is none that is known; write `sqlite:PATH` or `postgres://user@host/database`",
            )),
        }
    }
}

#[cfg(feature = "sqlite")]
fn file(path: &str) -> Result<StoreUrl, StoreError> {
    // `sqlite:///a/b` is `/a/b`, as in other URLs of files.
    Ok(StoreUrl::sqlite(path.strip_prefix("//").unwrap_or(path)))
}

#[cfg(not(feature = "sqlite"))]
fn file(_: &str) -> Result<StoreUrl, StoreError> {
    Err(not_built("sqlite"))
}

#[cfg(feature = "postgres")]
fn database(url: &str) -> Result<StoreUrl, StoreError> {
    let (url, target) = (url.to_owned(), Box::new(Target::parse(url)?));
    Ok(StoreUrl(Place::Postgres { url, target }))
}

#[cfg(not(feature = "postgres"))]
fn database(_: &str) -> Result<StoreUrl, StoreError> {
    Err(not_built("postgres"))
}

#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
fn not_built(feature: &str) -> StoreError {
    StoreError::unavailable(format!(
        "this program is built without that store; build it with the feature `{feature}`"
    ))
}

/// Without the password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            #[cfg(feature = "postgres")]
            Place::Postgres { target, .. } => target.fmt(f),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_url_says_where() {
        let check = |text: &str, want: Result<&str, &str>| match (text.parse::<StoreUrl>(), want) {
            (Ok(url), Ok(shown)) => assert_eq!(url.to_string(), shown, "{text}"),
            (Err(error), Err(words)) => {
                let error = error.to_string();
                assert!(
                    error.contains(words) && !error.contains("s3cr3t"),
                    "{text}: {error}"
                );
            }
            (got, want) => panic!("{text}: {got:?} instead of {want:?}"),
        };
        for bad in [
            "",
            "approvals.db",
            "sqlite:",
            "mysql://a:s3cr3t@b/c",
            "s3cr3t",
        ] {
            check(bad, Err("write `sqlite:PATH`"));
        }
        if cfg!(feature = "sqlite") {
            check("sqlite:approvals.db", Ok("sqlite:approvals.db"));
            check("sqlite:///var/lib/a.db", Ok("sqlite:/var/lib/a.db"));
            check("sqlite:/var/lib/a.db", Ok("sqlite:/var/lib/a.db"));
        } else {
            check("sqlite:approvals.db", Err("feature `sqlite`"));
        }
        if cfg!(feature = "postgres") {
            let shown = "postgres://a@db.example:5432/b";
            check("postgres://a:s3cr3t@db.example/b", Ok(shown));
            check("postgresql://a:s3cr3t@db.example/b", Ok(shown));
            check("postgres://a:s3cr3t@db.example/b?no=1", Err("no"));
        } else {
            check(
                "postgres://a:s3cr3t@db.example/b",
                Err("feature `postgres`"),
            );
        }
    }
}
