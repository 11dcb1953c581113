//! Where the log is read from: a store, or a directory of tiles.

use std::path::{Path, PathBuf};

use approvals_core::envelope::Vault;
use approvals_core::ledger::{Report, Verifier};
use approvals_core::ports::Reader;
use approvals_core::{Code, StoredLog, verify_source};
use approvals_store::StoreUrl;
use approvals_store::tiles::{Damage, Tiles};
use serde_json::{Value, json};

use super::draw::Line;
use crate::failure::Failure;

/// The log that is verified.
pub(super) enum Source {
    Store(Box<dyn Reader>),
    Tiles(Tiles),
}

/// Files of a directory of tiles that are not as they should be.
#[derive(Default)]
pub(super) struct Damaged {
    tiles: bool,
    files: Vec<Damage>,
    more: u64,
}

impl Source {
    pub(super) fn tiles(directory: &PathBuf) -> Result<Self, Failure> {
        let tiles = Tiles::open(directory).map_err(|error| Failure::from(error).of_check())?;
        Ok(Self::Tiles(tiles))
    }

    pub(super) fn store(url: &StoreUrl) -> Result<Self, Failure> {
        if url.file().is_none_or(Path::exists) {
            return Ok(Self::Store(url.reader()?));
        }
        let message = format!(
            "there is no log at `{url}`, so nothing can be verified; name it with `--store` or `--tiles`, or restore it"
        );
        Err(Failure::new(Code::NotFound, message).of_check())
    }

    /// Reads everything through the verifier; with a vault, the values in a store, too.
    pub(super) fn verify(
        &mut self,
        verifier: Verifier,
        vault: Option<Vault>,
    ) -> Result<(Report, Damaged), Failure> {
        match self {
            Self::Store(reader) => {
                let log = StoredLog::new(&mut **reader);
                let mut log = match vault {
                    Some(vault) => log.opened_with(vault),
                    None => log,
                };
                let report = verify_source(&mut log, verifier)?;
                Ok((report, Damaged::default()))
            }
            Self::Tiles(tiles) => {
                let read = tiles.verify(verifier)?;
                let damaged = Damaged {
                    tiles: true,
                    files: read.damaged,
                    more: read.more_damaged,
                };
                Ok((read.report, damaged))
            }
        }
    }

    /// The exact bytes of one record, when the log has it.
    pub(super) fn record(&mut self, seq: u64) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Store(reader) => {
                let found = reader.records(seq, 1)?.into_iter().next();
                let found = found.filter(|stored| stored.seq == seq);
                Ok(found.map(|stored| stored.bytes))
            }
            Self::Tiles(tiles) => Ok(tiles.record(seq)?),
        }
    }
}

impl Damaged {
    pub(super) fn passed(&self) -> bool {
        self.files.is_empty()
    }

    /// The first thing that is wrong.
    pub(super) fn wrong(&self) -> Option<String> {
        self.files.first().map(text)
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let verdict = if self.passed() { "pass" } else { "FAIL" };
        let mut lines = Vec::new();
        if self.tiles {
            lines.push(("tiles", verdict.to_owned()));
        }
        lines.extend(self.files.iter().map(|damage| ("found", text(damage))));
        if self.more > 0 {
            lines.push(("found", format!("{} more files", self.more)));
        }
        lines
    }

    /// Nothing when there are no tiles.
    pub(super) fn json(&self) -> Option<Value> {
        let row = |damage: &Damage| json!({ "file": damage.file, "message": damage.what });
        let files: Vec<Value> = self.files.iter().map(row).collect();
        self.tiles.then(
            || json!({ "passed": self.passed(), "damaged": files, "more_damaged": self.more }),
        )
    }
}

fn text(damage: &Damage) -> String {
    format!("{}: {}", damage.file, damage.what)
}
