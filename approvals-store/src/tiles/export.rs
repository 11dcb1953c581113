//! Writing the log out.

use std::path::Path;

use approvals_core::ledger::{
    Checkpoint, SignedCheckpoint, StoredRecord, Tile, Tiler, VerifierKey,
};
use approvals_core::ports::Reader;
use approvals_core::{ApprovalError, Code, StoredNodes, key_chain};

use super::folder::Folder;
use crate::failure::store_error;

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// How many records were in the directory before.
    pub from: u64,
    /// How many are in it now.
    pub size: u64,
    /// How many files were added.
    pub files: u64,
}

/// Writes the log into a directory, or adds what is new to the log that is in it.
///
/// `genesis` is the key that the log began with; those after it are followed from its records.
///
/// Everything is checked before anything is written: that the records hash to the signed head, and that
/// the log begins with exactly what the directory holds already. A full tile is never written again, and
/// a partial one stays until the full one is there, so that whoever reads meanwhile finds what the
/// checkpoint they have promises. The checkpoint comes last, and in one piece: a crash leaves the export
/// as it was, and the next run goes on.
///
/// # Errors
/// - `NotFound` when the log is empty;
/// - `AuditTampered` when the log does not verify, or is not the continuation of what the directory
///   holds: it was cut, rolled back or forked, and the directory is the evidence;
/// - `Misuse` when the directory holds another log, or something else;
/// - `StoreUnavailable` when something cannot be read or written, or another export is at work.
pub fn export(
    reader: &mut dyn Reader,
    genesis: &VerifierKey,
    directory: impl AsRef<Path>,
) -> Result<Exported, ApprovalError> {
    let (note, head) = signed_head(reader, genesis)?;
    let mut folder = Folder::open(directory.as_ref(), genesis)?;
    let before = folder.published()?;
    if let Some(before) = before.as_ref().filter(|before| before.size > head.size) {
        return Err(tampered(&format!(
            "the directory has {} records and the log has {}: the log was cut or rolled back",
            before.size, head.size
        )));
    }
    let from = before.as_ref().map_or(0, |before| before.size);
    // Once without writing: what does not verify must leave no file behind.
    walk(reader, &head, before.as_ref(), |_, _| Ok(()))?;
    let mut full = Vec::new();
    let tiler = walk(reader, &head, before.as_ref(), |tile, bytes| {
        full.push(tile);
        folder.add(&tile.path(), bytes)
    })?;
    for (tile, bytes) in tiler.partial() {
        folder.add(&tile.path(), &bytes)?;
    }
    folder.publish(genesis, &note)?;
    for tile in full {
        folder.remove(&tile.partials())?;
    }
    Ok(Exported {
        from,
        size: head.size,
        files: folder.added(),
    })
}

/// The head of the store, if the key in force signed it.
fn signed_head(
    reader: &mut dyn Reader,
    genesis: &VerifierKey,
) -> Result<(String, Checkpoint), ApprovalError> {
    let head = reader.head().map_err(store_error)?;
    let note = head.note.ok_or_else(|| {
        let message = "the log has no signed head yet; nothing has been recorded";
        ApprovalError::new(Code::NotFound, message)
    })?;
    let keys = key_chain(reader, genesis)?;
    let signed = SignedCheckpoint::parse(&note).map_err(|error| tampered(&error.to_string()))?;
    let signed = keys.verify(&signed);
    let signed = signed.map_err(|error| tampered(&error.to_string()))?;
    Ok((note, signed))
}

/// Goes through everything that is new, from the last full tile on, and gives the tiles that are full.
fn walk(
    reader: &mut dyn Reader,
    head: &Checkpoint,
    before: Option<&Checkpoint>,
    mut full: impl FnMut(Tile, &[u8]) -> Result<(), ApprovalError>,
) -> Result<Tiler, ApprovalError> {
    let mut nodes = StoredNodes::new(reader);
    let tiler = Tiler::resume(before.map_or(0, |before| before.size), &nodes);
    nodes.finish().map_err(store_error)?;
    let mut tiler = tiler.map_err(|error| tampered(&error.to_string()))?;
    same(&tiler, before, FORKED)?;
    while tiler.frontier().size() < head.size {
        let next = tiler.frontier().size();
        for (seq, stored) in (next..head.size).zip(page(reader, next)?) {
            if stored.seq != seq {
                return Err(missing(seq));
            }
            let tiles = tiler.push(&stored.bytes);
            // No tile is full before everything that was published is behind us.
            same(&tiler, before, FORKED)?;
            for (tile, bytes) in tiles.map_err(|error| tampered(&error.to_string()))? {
                full(tile, &bytes)?;
            }
        }
    }
    same(
        &tiler,
        Some(head),
        "the records do not hash to the root that was signed",
    )?;
    Ok(tiler)
}

fn page(reader: &mut dyn Reader, next: u64) -> Result<Vec<StoredRecord>, ApprovalError> {
    let page = reader.records(next, PAGE).map_err(store_error)?;
    if page.is_empty() {
        return Err(missing(next));
    }
    Ok(page)
}

/// When exactly the records under this head are in, their root must be its root.
fn same(tiler: &Tiler, head: Option<&Checkpoint>, otherwise: &str) -> Result<(), ApprovalError> {
    let frontier = tiler.frontier();
    match head.filter(|head| head.size == frontier.size()) {
        Some(head) if head.root != frontier.root() => Err(tampered(otherwise)),
        _ => Ok(()),
    }
}

fn missing(seq: u64) -> ApprovalError {
    tampered(&format!("record {seq} is missing"))
}

fn tampered(what: &str) -> ApprovalError {
    let message = format!(
        "nothing was exported: {what}; keep the log and the directory as evidence, and run `approvals verify`"
    );
    ApprovalError::new(Code::AuditTampered, message)
}

const FORKED: &str =
    "the log does not begin with what the directory holds, so it was forked or rewritten";

/// How many records are read at a time.
const PAGE: usize = 256;
