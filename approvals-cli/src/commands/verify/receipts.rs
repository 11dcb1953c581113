//! Receipts that somebody kept: each is checked by itself, and against the log when there is one.

use std::fs;
use std::path::{Path, PathBuf};

use approvals_core::ledger::{KeyChain, Receipt, VerifiedReceipt, Verifier};
use approvals_core::text::minute;
use serde_json::{Value, json};

use super::draw::Line;
use crate::failure::Failure;

/// What became of each receipt.
pub(super) struct Receipts(Vec<One>);

struct One {
    file: String,
    found: Found,
}

enum Found {
    Read(Box<Receipt>),
    Proven(Box<VerifiedReceipt>),
    Wrong(String),
}

impl Receipts {
    /// Reads files, and keeps what is wrong with them for the report.
    pub(super) fn read(files: &[PathBuf]) -> Self {
        let one = |path: &PathBuf| One {
            file: path.display().to_string(),
            found: read(path).map_or_else(Found::Wrong, |receipt| Found::Read(Box::new(receipt))),
        };
        Self(files.iter().map(one).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every head in a receipt is one that was kept outside: the log must still begin with it.
    pub(super) fn known_to(&self, verifier: Verifier) -> Verifier {
        self.0
            .iter()
            .fold(verifier, |verifier, one| match &one.found {
                Found::Read(receipt) => verifier.knowing(receipt.head().clone()),
                _ => verifier,
            })
    }

    /// Checks each by itself: the key that was in force at its head's size must have signed it.
    pub(super) fn prove(&mut self, keys: &KeyChain) {
        for one in &mut self.0 {
            if let Found::Read(receipt) = &one.found {
                let proven = receipt.verify_by(keys);
                one.found = match proven {
                    Ok(proven) => Found::Proven(Box::new(proven)),
                    Err(error) => Found::Wrong(error.to_string()),
                };
            }
        }
    }

    /// Compares each record with the one that the log has in its place.
    pub(super) fn compare(
        &mut self,
        mut record: impl FnMut(u64) -> Result<Option<Vec<u8>>, Failure>,
    ) -> Result<(), Failure> {
        for one in &mut self.0 {
            let Found::Proven(proven) = &one.found else {
                continue;
            };
            let seq = proven.record().seq;
            let found = record(seq)?;
            if found.as_deref() != Some(proven.bytes()) {
                let has = if found.is_some() { "another" } else { "no" };
                one.found = Found::Wrong(format!(
                    "it proves record {seq}, and the log has {has} record in its place"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn passed(&self) -> bool {
        let proven = |one: &One| matches!(one.found, Found::Proven(_));
        self.0.iter().all(proven)
    }

    /// The first thing that is wrong.
    pub(super) fn wrong(&self) -> Option<String> {
        let wrong = |one: &One| Some(format!("{}: {}", one.file, one.wrong()?));
        self.0.iter().find_map(wrong)
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let line = |one: &One| ("receipt", format!("{}: {}", one.file, one.says()));
        self.0.iter().map(line).collect()
    }

    pub(super) fn json(&self) -> Value {
        self.0.iter().map(One::json).collect()
    }
}

impl One {
    fn wrong(&self) -> Option<&str> {
        match &self.found {
            Found::Proven(_) => None,
            Found::Read(_) => Some("not checked"),
            Found::Wrong(why) => Some(why),
        }
    }

    fn says(&self) -> String {
        let Found::Proven(proven) = &self.found else {
            return format!("FAIL, {}", self.wrong().unwrap_or_default());
        };
        let (record, size) = (proven.record(), proven.head().size);
        let (seq, kind, at) = (record.seq, record.kind(), minute(record.at));
        format!("pass, record {seq}, {kind}, of {at} UTC, under a head of {size} records")
    }

    fn json(&self) -> Value {
        let Found::Proven(proven) = &self.found else {
            return json!({ "file": self.file, "passed": false, "message": self.wrong() });
        };
        let (record, head) = (proven.record(), proven.head());
        json!({
            "file": self.file, "passed": true,
            "record": { "seq": record.seq, "kind": record.kind(), "at": record.at, "request": record.request() },
            "head": { "size": head.size, "root": head.root.to_base64() },
        })
    }
}

fn read(path: &Path) -> Result<Receipt, String> {
    let text = fs::read(path).map_err(|error| format!("cannot be read ({error})"))?;
    Receipt::parse(text).map_err(|error| error.to_string())
}
