//! The nodes of the tree, read from a store as a proof asks for them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::ledger::tiles::{HEIGHT, WIDTH};
use crate::ledger::{Frontier, Hash, Nodes};
use crate::ports::{Reader, StoreError};

/// The tree of a stored log: reads only the tiles that a proof needs, O(log n) of them.
///
/// Trusted: nothing. A store that gives wrong hashes gets a proof that fails.
///
/// # Examples
/// ```
/// use approvals_core::ledger::{Frontier, consistency_proof, verify_consistency};
/// use approvals_core::ports::Reader;
/// use approvals_core::{ForgetfulStore, StoredNodes};
///
/// let mut store = ForgetfulStore::new();
/// let head = store.head()?.frontier;
/// let mut nodes = StoredNodes::new(&mut store);
/// let earlier = Frontier::from_nodes(head.size(), &nodes)?;
/// let proof = consistency_proof(earlier.size(), head.size(), &nodes)?;
/// verify_consistency(earlier.size(), earlier.root(), head.size(), head.root(), &proof)?;
/// nodes.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StoredNodes<'r> {
    reader: RefCell<&'r mut dyn Reader>,
    tiles: RefCell<BTreeMap<(u8, u64), Vec<Hash>>>,
    failed: Cell<Option<StoreError>>,
}

impl<'r> StoredNodes<'r> {
    /// The nodes that this reader finds; a tile is read once.
    pub fn new(reader: &'r mut dyn Reader) -> Self {
        Self {
            reader: RefCell::new(reader),
            tiles: RefCell::default(),
            failed: Cell::default(),
        }
    }

    /// Whether everything that was asked for could be read: a node may be missing because it is not
    /// kept, or because the store failed.
    ///
    /// # Errors
    /// [`StoreError`], the first there was.
    pub fn finish(&mut self) -> Result<(), StoreError> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// At most a tile's width of hashes at the foot of a tile.
    fn read(&self, level: u8, tile: u64) -> Option<Vec<Hash>> {
        let from = tile.checked_mul(WIDTH)?;
        let width = usize::try_from(WIDTH).ok()?;
        let mut reader = self.reader.try_borrow_mut().ok()?;
        let read = match level {
            0 => reader.leaves(from, width),
            _ => reader.subtrees(level, from, width),
        };
        match read {
            Ok(hashes) => Some(hashes),
            Err(error) => {
                self.failed.set(self.failed.take().or(Some(error)));
                None
            }
        }
    }
}

impl Nodes for StoredNodes<'_> {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let (foot, above) = (level - level % HEIGHT, level % HEIGHT);
        let width = 1_u64 << above;
        let first = index.checked_mul(width)?;
        let tile = (foot, first / WIDTH);
        let mut tiles = self.tiles.borrow_mut();
        let hashes = match tiles.entry(tile) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => unread.insert(self.read(tile.0, tile.1)?),
        };
        let start = usize::try_from(first % WIDTH).ok()?;
        let end = start.checked_add(usize::try_from(width).ok()?)?;
        let mut subtree = Frontier::new();
        for hash in hashes.get(start..end)? {
            // The foot of a tile is to the levels above it what leaves are to a tree.
            subtree.push(*hash);
        }
        Some(subtree.root())
    }
}

impl std::fmt::Debug for StoredNodes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredNodes").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ForgetfulStore;
    use crate::ledger::{
        StoredRecord, consistency_proof, inclusion_proof, leaf_hash, tiles, verify_consistency,
        verify_inclusion,
    };
    use crate::ports::{Batch, Store};

    /// Past the second level of subtrees, which begins with record 65,536.
    const SIZE: u64 = 66_000;

    fn store() -> (ForgetfulStore, Vec<Hash>) {
        let (mut store, mut batch) = (ForgetfulStore::new(), Batch::default());
        let mut roots = vec![batch.head.frontier.root()];
        for seq in 0..SIZE {
            let bytes = seq.to_be_bytes().to_vec();
            let stored = StoredRecord::new(seq, leaf_hash(&bytes), bytes);
            tiles::grow(&mut batch.head.frontier, stored.leaf, &mut batch.subtrees);
            batch.records.push((stored, None));
            roots.push(batch.head.frontier.root());
        }
        store.commit(&batch).unwrap();
        (store, roots)
    }

    const SIZES: [u64; 15] = [
        1, 2, 3, 255, 256, 257, 511, 512, 10_000, 65_535, 65_536, 65_537, 65_792, 65_793, SIZE,
    ];

    /// A proof meets at most two tiles of each level: that of its path, and the right edge.
    fn check_tiles(nodes: &StoredNodes<'_>, size: u64, what: &str) {
        let levels = (1..=3)
            .filter(|level| size > 1 << (8 * (level - 1)))
            .count();
        let read = nodes.tiles.borrow().len();
        assert!(read <= 2 * levels, "{what}: {read} tiles");
    }

    #[test]
    fn proofs_read_few_tiles_and_verify() {
        let (mut store, roots) = store();
        let root = |size: u64| roots[usize::try_from(size).unwrap()];
        for size in SIZES {
            let edges = [
                0,
                1,
                254,
                255,
                256,
                257,
                9_999,
                65_535,
                65_536,
                size / 2,
                size - 1,
            ];
            for index in edges.into_iter().filter(|index| *index < size) {
                let nodes = StoredNodes::new(&mut store);
                let proof = inclusion_proof(index, size, &nodes).unwrap();
                let leaf = leaf_hash(&index.to_be_bytes());
                verify_inclusion(leaf, index, size, &proof, root(size)).unwrap();
                check_tiles(&nodes, size, &format!("leaf {index} of {size}"));
            }
            for old in SIZES.into_iter().filter(|old| *old <= size) {
                let nodes = StoredNodes::new(&mut store);
                let proof = consistency_proof(old, size, &nodes).unwrap();
                verify_consistency(old, root(old), size, root(size), &proof).unwrap();
                check_tiles(&nodes, size, &format!("{old} to {size}"));
                let frontier = Frontier::from_nodes(old, &nodes).unwrap();
                assert_eq!(frontier.root(), root(old));
            }
        }
    }

    #[test]
    fn what_is_not_there_is_missing() {
        let (mut store, _) = store();
        let nodes = StoredNodes::new(&mut store);
        for (level, index) in [
            (0, SIZE),
            (8, SIZE / 256),
            (16, 1),
            (63, 0),
            (63, 2),
            (0, u64::MAX),
            (255, 1),
        ] {
            assert_eq!(nodes.node(level, index), None, "({level}, {index})");
        }
    }
}
