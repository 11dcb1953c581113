//! The log as static files: a directory that any web server serves and any C2SP tool reads.
//!
//! The layout is C2SP [tlog-tiles], with `log.vkey`, the key that verifies it, beside it:
//!
//! ```text
//! checkpoint   log.vkey   tile/0/000   tile/0/001.p/44   tile/entries/000   tile/entries/001.p/44  ...
//! ```
//!
//! [`export()`] writes it and adds to it; [`Tiles`] reads it back and verifies it.
//!
//! Trusted: nothing. Who can write the directory can destroy the export, and whoever verifies it with
//! their own copy of the key finds out. It holds the records and no values: those stay in the store.
//!
//! [tlog-tiles]: https://c2sp.org/tlog-tiles
//!
//! # Examples
//! ```
//! use approvals_core::ledger::Verifier;
//! use approvals_store::home::{Home, Starter};
//! use approvals_store::sqlite::SqliteReader;
//! use approvals_store::tiles::{self, Tiles};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let (state, public) = (scratch.path().join("state"), scratch.path().join("public"));
//! let home = Home::create(&state, Starter::new("example.com/approvals".parse()?))?;
//! home.gate()?.open().await?;
//! let mut reader = SqliteReader::open(home.paths().database())?;
//! let exported = tiles::export(&mut reader, home.vkey(), &public)?;
//! assert_eq!(exported.from, 0);
//!
//! let read = Tiles::open(&public)?.verify(Verifier::new(home.vkey().clone()))?;
//! assert_eq!(read.report.records, exported.size);
//! assert!(read.passed());
//! # Ok(())
//! # }
//! ```

mod export;
mod folder;
mod read;

pub use export::{Exported, export};
pub use read::{Damage, Tiles, TilesReport};

/// The signed head.
const CHECKPOINT: &str = "checkpoint";

/// The key that verifies it.
const VKEY: &str = "log.vkey";
