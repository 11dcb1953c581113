//! The log cut into tiles, as static files: C2SP [tlog-tiles].
//!
//! [tlog-tiles]: https://c2sp.org/tlog-tiles

use super::tree::{Frontier, Hash};

/// How many levels of the tree one tile spans.
pub(crate) const HEIGHT: u8 = 8;

/// How many hashes, or records, a full tile holds.
pub(crate) const WIDTH: u64 = 1 << HEIGHT;

/// Appends one leaf, and keeps the root of each complete subtree that stands at the foot of a tile.
pub(crate) fn grow(frontier: &mut Frontier, leaf: Hash, kept: &mut Vec<(u8, u64, Hash)>) {
    frontier.push_with(leaf, |level, index, hash| {
        if level.is_multiple_of(HEIGHT) {
            kept.push((level, index, hash));
        }
    });
}
