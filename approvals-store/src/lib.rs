//! Durable stores for [`approvals_core`], and the directory that holds everything a gate needs.
//!
//! - [`sqlite::SqliteStore`] keeps the ledger in one SQLite file that several processes of one
//!   machine share; what it acknowledges survives `kill -9` and a power cut.
//! - `postgres::PostgresStore` (feature `postgres`) keeps it in a PostgreSQL database, for processes
//!   on several machines.
//! - `StoreUrl` is either of them, by one URL.
//! - [`home::Home`] is a state directory: that file or the address of that database, the key that signs it, the policy and the
//!   people.
//! - [`FilePin`] keeps the newest signed head on another volume, so that a store that was put back
//!   to an older state is refused.
//! - [`tiles`] writes the log out as static files that any web server serves, and reads it back.
//!
//! Trusted: who can write the database file can destroy the log, read the values of parameters,
//! and make a gate believe an approval that nobody gave; none of it unseen, because the log then
//! does not verify, and only the ledger key could make it. Keep the file to the gate's own user.
//!
//! # Examples
//! A home, and a gate from it:
//! ```
//! use approvals_store::home::{Home, Starter};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let dir = scratch.path().join("approvals");
//! Home::create(&dir, Starter::new("example.com/approvals".parse()?))?;
//! let gate = Home::open(&dir)?.gate()?.open().await?;
//! assert_eq!(gate.journal().log().as_str(), "example.com/approvals");
//! # Ok(())
//! # }
//! ```

mod failure;
mod files;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod forward;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod home;
mod pin;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod tiles;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod url;

pub use pin::FilePin;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use url::StoreUrl;
