//! Reading an export back, and verifying it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use approvals_core::ledger::{
    Checkpoint, Hash, Kept, Report, SignedCheckpoint, StoredRecord, Tile, Tiler, Verifier,
    leaf_hash,
};
use approvals_core::ports::{LogSource, StoreError};
use approvals_core::{ApprovalError, Code, RequestId, verify_source};

use super::CHECKPOINT;
use super::folder::claim;
use crate::failure::store_error;

/// An export as it lies in a directory; nothing in it is believed before [`Tiles::verify`].
#[derive(Debug)]
pub struct Tiles {
    root: PathBuf,
    note: String,
    claim: Checkpoint,
}

/// What the verifier says of an export.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TilesReport {
    /// What it says of the log.
    pub report: Report,
    /// Files that are missing or hold something else than the records call for, up to a hundred.
    pub damaged: Vec<Damage>,
    /// How many more there are.
    pub more_damaged: u64,
}

impl TilesReport {
    /// Whether every check ran and passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.report.passed() && self.damaged.is_empty()
    }
}

/// One file of an export that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file, under the root of the export.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

impl Tiles {
    /// Opens an export.
    ///
    /// # Errors
    /// - `NotFound` when the directory has no checkpoint;
    /// - `AuditTampered` when what it has is no signed checkpoint;
    /// - `StoreUnavailable` when it cannot be read.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, ApprovalError> {
        let root = directory.as_ref().to_owned();
        let note = read(&root, CHECKPOINT, SignedCheckpoint::MAX_BYTES).map_err(store_error)?;
        let Some(note) = note else {
            let message = format!(
                "there is no `{CHECKPOINT}` in `{}`, so it holds no export; name the directory that `approvals export tiles` wrote",
                root.display()
            );
            return Err(ApprovalError::new(Code::NotFound, message));
        };
        let claim = claim(&note).map_err(|why| {
            let message = format!(
                "the checkpoint in `{}` must not be believed: {why}",
                root.display()
            );
            ApprovalError::new(Code::AuditTampered, message)
        })?;
        Ok(Self {
            root,
            note: String::from_utf8_lossy(&note).into_owned(),
            claim,
        })
    }

    /// The checkpoint, as it was read.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Reads every record through the verifier, and compares every tile with what the records make.
    ///
    /// Holds one tile of records at a time.
    ///
    /// # Errors
    /// [`StoreError`] when a file is there and cannot be read; what is wrong with the log or with a
    /// file is in the report.
    pub fn verify(&self, verifier: Verifier) -> Result<TilesReport, StoreError> {
        let mut reading = Reading {
            tiles: self,
            tiler: Tiler::new(),
            damaged: Vec::new(),
            more: 0,
        };
        let report = verify_source(&mut reading, verifier)?;
        // What comes behind a gap is not known.
        if reading.tiler.frontier().size() == self.claim.size {
            for (tile, bytes) in reading.tiler.partial() {
                reading.compare(tile, &bytes)?;
            }
        }
        Ok(TilesReport {
            report,
            damaged: reading.damaged,
            more_damaged: reading.more,
        })
    }

    /// The exact bytes of one record, as they are in the export; none when it is not there.
    ///
    /// # Errors
    /// [`StoreError`] when the file is there and cannot be read.
    pub fn record(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let tile = Tile::entries(seq / Tile::WIDTH, self.claim.size);
        let Some(tile) = tile else { return Ok(None) };
        let Some(bytes) = self.tile(tile, MOST)? else {
            return Ok(None);
        };
        let records = tile.split(&bytes).unwrap_or_default();
        let place = usize::try_from(seq - tile.start()).unwrap_or(usize::MAX);
        Ok(records.get(place).map(|record| record.to_vec()))
    }

    fn tile(&self, tile: Tile, most: usize) -> Result<Option<Vec<u8>>, StoreError> {
        read(&self.root, &tile.path(), most)
    }

    /// The leaf hashes beside a tile of records: a record that differs is found at its place.
    fn leaves(&self, index: u64) -> Result<Vec<Hash>, StoreError> {
        let bytes = match Tile::hashes(0, index, self.claim.size) {
            Some(tile) => self.tile(tile, HASHES)?,
            None => None,
        };
        let bytes = bytes.unwrap_or_default();
        let (hashes, _) = bytes.as_chunks::<{ Hash::LEN }>();
        Ok(hashes.iter().copied().map(Hash::from_bytes).collect())
    }
}

/// An export while it is read, from the first record to the last.
struct Reading<'t> {
    tiles: &'t Tiles,
    tiler: Tiler,
    damaged: Vec<Damage>,
    more: u64,
}

impl LogSource for Reading<'_> {
    fn records(&mut self, from: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        let index = from / Tile::WIDTH;
        let Some(tile) = Tile::entries(index, self.tiles.claim.size) else {
            return Ok(Vec::new());
        };
        let Some(bytes) = self.tiles.tile(tile, MOST)? else {
            self.damage(tile, "it is missing".to_owned());
            return Ok(Vec::new());
        };
        let records = match tile.split(&bytes) {
            Ok(records) => records,
            Err(error) => {
                self.damage(tile, error.to_string());
                return Ok(Vec::new());
            }
        };
        let leaves = self.tiles.leaves(index)?;
        let skip = usize::try_from(from - tile.start()).unwrap_or(usize::MAX);
        let mut page = Vec::new();
        for (seq, (place, record)) in
            (from..).zip(records.iter().enumerate().skip(skip).take(limit))
        {
            // A hash that is missing is found when its tile is compared.
            let leaf = leaves.get(place).copied();
            let leaf = leaf.unwrap_or_else(|| leaf_hash(record));
            page.push(StoredRecord::new(seq, leaf, record.to_vec()));
            self.follow(seq, record)?;
        }
        Ok(page)
    }

    fn note(&mut self) -> Result<Option<String>, StoreError> {
        Ok(Some(self.tiles.note.clone()))
    }

    fn kept(&mut self, _: RequestId) -> Result<Option<Kept>, StoreError> {
        // Values are in the store alone.
        Ok(None)
    }
}

impl Reading<'_> {
    /// Makes the tiles anew from the records, and compares those that are full.
    fn follow(&mut self, seq: u64, record: &[u8]) -> Result<(), StoreError> {
        if seq != self.tiler.frontier().size() {
            return Ok(());
        }
        // A record that came out of a tile fits into one.
        for (tile, bytes) in self.tiler.push(record).unwrap_or_default() {
            self.compare(tile, &bytes)?;
        }
        Ok(())
    }

    fn compare(&mut self, tile: Tile, bytes: &[u8]) -> Result<(), StoreError> {
        match self.tiles.tile(tile, MOST)? {
            Some(there) if there == bytes => {}
            Some(_) => self.damage(tile, "it is not what the records make".to_owned()),
            None => self.damage(tile, "it is missing".to_owned()),
        }
        Ok(())
    }

    fn damage(&mut self, tile: Tile, what: String) {
        let file = tile.path();
        if self.damaged.iter().any(|damage| damage.file == file) {
            return;
        }
        if self.damaged.len() < 100 {
            self.damaged.push(Damage { file, what });
        } else {
            self.more += 1;
        }
    }
}

/// A file, when it is there; longer than `most` it is cut, and fits nothing.
fn read(root: &Path, name: &str, most: usize) -> Result<Option<Vec<u8>>, StoreError> {
    let path = root.join(name);
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!(
                "cannot read `{}` ({error}); check its permissions",
                path.display()
            );
            Err(StoreError::unavailable(message))
        }
    }
}

/// The longest tile of hashes.
const HASHES: usize = 256 * Hash::LEN;

/// The longest tile of records.
const MOST: usize = 256 * (2 + 65_535);
