//! Cutting a growing log into tiles.

use super::super::tree::{Frontier, Hash, Nodes, ProofError, leaf_hash};
use super::{HEIGHT, Tile, TileError, WIDTH};

/// Takes records one after another, and gives each tile as soon as it is full.
///
/// The tiles follow from the records alone. Compare [`Tiler::frontier`] with the signed head before
/// publishing what it gave.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::Tiler;
///
/// let mut tiler = Tiler::new();
/// for seq in 0..300 {
///     for (tile, bytes) in tiler.push(format!("{{\"seq\":{seq}}}").as_bytes())? {
///         // Write the bytes to `tile.path()`.
///         assert_eq!(bytes.len() > 8_000, ["tile/0/000"].contains(&tile.path().as_str()));
///     }
/// }
/// let partial: Vec<_> = tiler.partial().iter().map(|(tile, _)| tile.path()).collect();
/// assert_eq!(partial, ["tile/entries/001.p/44", "tile/0/001.p/44", "tile/1/000.p/1"]);
/// # Ok::<(), approvals_core::ledger::TileError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tiler {
    frontier: Frontier,
    /// The tile of records in the making.
    entries: Vec<u8>,
    /// The tile of hashes in the making, of each level.
    levels: Vec<Vec<Hash>>,
}

impl Tiler {
    /// Begins with the first record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on behind the last full tile of a log of `size` records: the next record to push is number
    /// [`Frontier::size`] of [`Tiler::frontier`].
    ///
    /// What the nodes give is not believed: compare the root when as many records as an earlier head covers
    /// are in.
    ///
    /// # Errors
    ///
    /// [`ProofError`] when a node is missing, or when `size` is beyond [`Frontier::MAX_SIZE`].
    pub fn resume(size: u64, nodes: &dyn Nodes) -> Result<Self, ProofError> {
        let from = size - size % WIDTH;
        let mut levels = vec![Vec::new()];
        let mut peaks = Vec::new();
        for foot in (HEIGHT..=56).step_by(usize::from(HEIGHT)) {
            let count = from >> foot;
            let mut subtree = Frontier::new();
            let mut tile = Vec::new();
            for index in count - count % WIDTH..count {
                let missing = ProofError::MissingNode { level: foot, index };
                let hash = nodes.node(foot, index).ok_or(missing)?;
                // The frontier is made of the very hashes that go into the tile.
                subtree.push(hash);
                tile.push(hash);
            }
            levels.push(tile);
            peaks.push(subtree.to_bytes());
        }
        let peaks: Vec<u8> = peaks.into_iter().rev().flatten().collect();
        Ok(Self {
            frontier: Frontier::from_bytes(from, &peaks)?,
            entries: Vec::new(),
            levels,
        })
    }

    /// Takes the exact bytes of the next record, and gives the tiles that are full now.
    ///
    /// # Errors
    ///
    /// [`TileError::TooLong`] when a tile cannot hold the record; nothing has changed then.
    pub fn push(&mut self, record: &[u8]) -> Result<Vec<(Tile, Vec<u8>)>, TileError> {
        let (seq, bytes) = (self.frontier.size(), record.len());
        let length = u16::try_from(bytes).map_err(|_| TileError::TooLong { seq, bytes })?;
        self.entries.extend(length.to_be_bytes());
        self.entries.extend(record);
        let leaf = leaf_hash(record);
        let levels = &mut self.levels;
        put(levels, 0, leaf);
        self.frontier.push_with(leaf, |level, _, hash| {
            if level.is_multiple_of(HEIGHT) {
                put(levels, usize::from(level / HEIGHT), hash);
            }
        });
        Ok(self.take_full())
    }

    /// The tiles in the making: what is published beside the full ones under a head over exactly the
    /// records so far.
    #[must_use]
    pub fn partial(&self) -> Vec<(Tile, Vec<u8>)> {
        let size = self.frontier.size();
        let entries = Some(&self.entries).filter(|entries| !entries.is_empty());
        let entries = entries.and_then(|entries| Some((Tile::last(None, size)?, entries.clone())));
        let hashes = (0..)
            .zip(&self.levels)
            .filter(|(_, tile)| !tile.is_empty())
            .filter_map(|(level, tile)| Some((Tile::last(Some(level), size)?, bytes(tile))));
        entries.into_iter().chain(hashes).collect()
    }

    /// The tree over the records so far.
    #[must_use]
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    fn take_full(&mut self) -> Vec<(Tile, Vec<u8>)> {
        let size = self.frontier.size();
        if !size.is_multiple_of(WIDTH) {
            return Vec::new();
        }
        let entries = std::mem::take(&mut self.entries);
        let entries = Tile::last(None, size).map(|tile| (tile, entries));
        let hashes = (0..).zip(&mut self.levels).filter_map(|(level, hashes)| {
            let tile = Tile::last(Some(level), size).filter(Tile::is_full)?;
            // A level that has not grown just now was given when it was full.
            (!hashes.is_empty()).then(|| (tile, bytes(&std::mem::take(hashes))))
        });
        entries.into_iter().chain(hashes).collect()
    }
}

fn put(levels: &mut Vec<Vec<Hash>>, level: usize, hash: Hash) {
    if levels.len() <= level {
        levels.resize(level + 1, Vec::new());
    }
    if let Some(tile) = levels.get_mut(level) {
        tile.push(hash);
    }
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(Hash::as_bytes).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Every file of an export of the first `size` records, made in one go from `from`.
    fn files(tiler: &mut Tiler, size: u64) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for seq in tiler.frontier().size()..size {
            files.extend(named(tiler.push(&record(seq)).unwrap()));
        }
        files.extend(named(tiler.partial()));
        files
    }

    fn named(tiles: Vec<(Tile, Vec<u8>)>) -> impl Iterator<Item = (String, Vec<u8>)> {
        tiles.into_iter().map(|(tile, bytes)| {
            assert_eq!(bytes.len() as u64, tile.width() * 32, "{tile}");
            (tile.path(), bytes)
        })
    }

    /// As long as a hash, with its length in front of it.
    fn record(seq: u64) -> Vec<u8> {
        format!("{seq:030}").into_bytes()
    }

    fn nodes(size: u64) -> BTreeMap<(u8, u64), Hash> {
        let (mut frontier, mut nodes) = (Frontier::new(), BTreeMap::new());
        for seq in 0..size {
            let leaf = leaf_hash(&record(seq));
            nodes.insert((0, seq), leaf);
            frontier.push_with(leaf, |level, index, hash| {
                nodes.insert((level, index), hash);
            });
        }
        nodes
    }

    const SIZE: u64 = 66_050;

    #[test]
    fn the_tree_of_70000_has_the_tiles_of_the_specification() {
        let files = files(&mut Tiler::new(), 70_000);
        let nodes = nodes(70_000);
        assert_eq!(files.len(), 273 + 1 + 1 + 1 + 1 + 274);
        for (path, level, from, count) in [
            ("tile/0/000", 0, 0, 256),
            ("tile/0/273.p/112", 0, 69_888, 112),
            ("tile/1/000", 8, 0, 256),
            ("tile/1/001.p/17", 8, 256, 17),
            ("tile/2/000.p/1", 16, 0, 1),
        ] {
            let hashes: Vec<Hash> = (from..from + count)
                .map(|index| nodes[&(level, index)])
                .collect();
            assert_eq!(files[path], bytes(&hashes), "{path}");
        }
        let entries = Tile::entries(273, 70_000).unwrap();
        let records = entries.split(&files[&entries.path()]).unwrap();
        assert_eq!((records.len(), records[0]), (112, &*record(69_888)));
    }

    #[test]
    fn going_on_gives_what_going_through_gives() {
        let (nodes, whole) = (nodes(SIZE), files(&mut Tiler::new(), SIZE));
        for size in [
            0, 1, 255, 256, 257, 511, 512, 1_000, 65_280, 65_535, 65_536, 65_537, SIZE,
        ] {
            let mut tiler = Tiler::resume(size, &nodes).unwrap();
            let from = tiler.frontier().size();
            assert!(from <= size && size - from < 256);
            assert_eq!(
                tiler.frontier(),
                &Frontier::from_nodes(from, &nodes).unwrap()
            );
            for (path, bytes) in files(&mut tiler, SIZE) {
                assert_eq!(Some(&bytes), whole.get(&path), "{path}, from {size}");
            }
            assert_eq!(tiler.frontier().size(), SIZE);
        }
        assert!(Tiler::resume(SIZE + 1_000, &nodes).is_err());
        assert!(Tiler::resume(u64::MAX, &nodes).is_err());
    }

    #[test]
    fn a_wrong_node_leads_to_another_root() {
        let mut nodes = nodes(SIZE);
        let right = Frontier::from_nodes(SIZE, &nodes).unwrap().root();
        nodes.insert((8, 256), leaf_hash(b""));
        let mut tiler = Tiler::resume(SIZE, &nodes).unwrap();
        files(&mut tiler, SIZE);
        assert_ne!(tiler.frontier().root(), right);
    }

    #[test]
    fn what_a_tile_cannot_hold_changes_nothing() {
        let mut tiler = Tiler::new();
        tiler.push(&[b'x'; 65_535]).unwrap();
        let error = tiler.push(&[b'x'; 65_536]).unwrap_err();
        assert_eq!(
            error,
            TileError::TooLong {
                seq: 1,
                bytes: 65_536
            }
        );
        assert_eq!(tiler.frontier().size(), 1);
        assert_eq!(tiler.partial()[0].1.len(), 65_537);
    }
}
