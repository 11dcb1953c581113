//! The log cut into tiles: static files that any web server serves and any C2SP tool reads, [tlog-tiles].
//!
//! ```text
//! checkpoint                the signed head
//! tile/0/000                leaf hashes 0 to 255, 32 bytes each
//! tile/0/001.p/44           leaf hashes 256 to 299: a partial tile, of a log of 300 records
//! tile/1/000.p/1            the hash over the first full tile
//! tile/entries/000          the records 0 to 255, each behind its length in two bytes
//! tile/entries/001.p/44     the records 256 to 299
//! ```
//!
//! What a file of a given name holds never changes while the log only grows, so that an export adds files
//! and writes none again. Nothing here does I/O.
//!
//! [tlog-tiles]: https://c2sp.org/tlog-tiles

mod tiler;

use std::fmt;

use super::tree::{Frontier, Hash};

pub use tiler::Tiler;

/// How many levels of the tree one tile spans.
pub(crate) const HEIGHT: u8 = 8;

/// How many hashes, or records, a full tile holds.
pub(crate) const WIDTH: u64 = 1 << HEIGHT;

/// Names one file with a stretch of the log: its records, or the hashes of one level over them.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::Tile;
///
/// let tile = Tile::entries(1, 300).unwrap();
/// assert_eq!(tile.path(), "tile/entries/001.p/44");
/// assert_eq!((tile.start(), tile.width()), (256, 44));
/// assert!(Tile::entries(2, 300).is_none(), "a log of 300 records has no third tile");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// None for records.
    level: Option<u8>,
    index: u64,
    // INVARIANT: 1 to 256.
    width: u64,
}

impl Tile {
    /// How many hashes or records a full tile holds.
    pub const WIDTH: u64 = WIDTH;

    /// The `index`-th tile of records of a log of `size` records; none when there is no such tile.
    #[must_use]
    pub fn entries(index: u64, size: u64) -> Option<Self> {
        Self::in_level(None, index, size)
    }

    /// The `index`-th tile of hashes of a level, of a log of `size` records; none when there is no such tile.
    #[must_use]
    pub fn hashes(level: u8, index: u64, size: u64) -> Option<Self> {
        let below = u32::from(level) * u32::from(HEIGHT);
        Self::in_level(Some(level), index, size.checked_shr(below)?)
    }

    /// The tile that holds the last hash of a level, or the last record.
    fn last(level: Option<u8>, size: u64) -> Option<Self> {
        let count = size.checked_shr(u32::from(level.unwrap_or(0)) * u32::from(HEIGHT))?;
        Self::in_level(level, count.checked_sub(1)? / WIDTH, count)
    }

    fn in_level(level: Option<u8>, index: u64, count: u64) -> Option<Self> {
        let width = count.checked_sub(index.checked_mul(WIDTH)?)?.min(WIDTH);
        let tile = Self {
            level,
            index,
            width,
        };
        (width > 0).then_some(tile)
    }

    /// How many hashes or records it holds.
    #[must_use]
    pub const fn width(&self) -> u64 {
        self.width
    }

    /// Whether it holds as many as a tile can, and so is the last of its name.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == WIDTH
    }

    /// The number, in its level, of the first hash or record it holds.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.index.saturating_mul(WIDTH)
    }

    /// Where the file is, under the root of the export.
    #[must_use]
    pub fn path(&self) -> String {
        match self.width {
            WIDTH => self.stem(),
            width => format!("{}/{width}", self.partials()),
        }
    }

    /// The folder of the partial tiles that this one takes the place of once it is full.
    #[must_use]
    pub fn partials(&self) -> String {
        format!("{}.p", self.stem())
    }

    fn stem(&self) -> String {
        let mut path = format!("{:03}", self.index % 1_000);
        let mut rest = self.index / 1_000;
        while rest > 0 {
            path = format!("x{:03}/{path}", rest % 1_000);
            rest /= 1_000;
        }
        match self.level {
            None => format!("tile/entries/{path}"),
            Some(level) => format!("tile/{level}/{path}"),
        }
    }

    /// Cuts the bytes of a tile of records into the records, if they are exactly as many as it holds.
    ///
    /// # Errors
    ///
    /// [`TileError::Records`] when a length leads past the end, or when there are fewer records, or more.
    pub fn split<'b>(&self, bytes: &'b [u8]) -> Result<Vec<&'b [u8]>, TileError> {
        let (mut records, mut rest) = (Vec::new(), bytes);
        while let Some((length, more)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes(*length));
            let cut = more.split_at_checked(length);
            let (record, more) = cut.ok_or(TileError::Records { tile: *self })?;
            records.push(record);
            rest = more;
        }
        if rest.is_empty() && u64::try_from(records.len()) == Ok(self.width) {
            Ok(records)
        } else {
            Err(TileError::Records { tile: *self })
        }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// Why something cannot be cut into tiles, or out of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// The record is longer than a tile can hold.
    #[error("record {seq} has {bytes} bytes and a tile holds records of at most 65535")]
    TooLong {
        /// Its number.
        seq: u64,
        /// How long it is.
        bytes: usize,
    },
    /// The bytes are not the records that the tile should hold.
    #[error("`{tile}` does not hold {} records, each behind its length", .tile.width())]
    Records {
        /// The tile.
        tile: Tile,
    },
}

/// Appends one leaf, and keeps the root of each complete subtree that stands at the foot of a tile.
pub(crate) fn grow(frontier: &mut Frontier, leaf: Hash, kept: &mut Vec<(u8, u64, Hash)>) {
    frontier.push_with(leaf, |level, index, hash| {
        if level.is_multiple_of(HEIGHT) {
            kept.push((level, index, hash));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        // The tree of 70,000 leaves is the example of the specification.
        for (tile, path) in [
            (Tile::hashes(0, 0, 70_000), "tile/0/000"),
            (Tile::hashes(0, 272, 70_000), "tile/0/272"),
            (Tile::hashes(0, 273, 70_000), "tile/0/273.p/112"),
            (Tile::hashes(1, 0, 70_000), "tile/1/000"),
            (Tile::hashes(1, 1, 70_000), "tile/1/001.p/17"),
            (Tile::hashes(2, 0, 70_000), "tile/2/000.p/1"),
            (Tile::entries(273, 70_000), "tile/entries/273.p/112"),
            (Tile::entries(0, 256), "tile/entries/000"),
            (Tile::hashes(1, 0, 256), "tile/1/000.p/1"),
            (
                Tile::entries(1_234_067, u64::MAX),
                "tile/entries/x001/x234/067",
            ),
            (Tile::hashes(0, 1_000, 256_001), "tile/0/x001/000.p/1"),
            (Tile::hashes(7, 0, Frontier::MAX_SIZE), "tile/7/000.p/127"),
        ] {
            assert_eq!(tile.unwrap().to_string(), path);
        }
        for none in [
            Tile::entries(0, 0),
            Tile::entries(1, 256),
            Tile::hashes(0, 274, 70_000),
            Tile::hashes(1, 2, 70_000),
            Tile::hashes(3, 0, 70_000),
            Tile::hashes(8, 0, u64::MAX),
            Tile::hashes(255, 0, u64::MAX),
            Tile::entries(u64::MAX, u64::MAX),
        ] {
            assert_eq!(none, None);
        }
    }

    #[test]
    fn records_are_cut_out_strictly() {
        let tile = |width| Tile::entries(0, width).unwrap();
        let good = b"\x00\x01a\x00\x00\x00\x02bc";
        let records: [&[u8]; 3] = [b"a", b"", b"bc"];
        assert_eq!(tile(3).split(good).unwrap(), records);
        for width in [1, 2, 4, 256] {
            assert!(tile(width).split(good).is_err(), "{width}");
        }
        for end in (0..good.len()).filter(|end| ![0, 3, 5].contains(end)) {
            assert!(tile(3).split(&good[..end]).is_err(), "{end}");
        }
        let error = tile(3).split(b"\x00\x02a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`tile/entries/000.p/3` does not hold 3 records, each behind its length"
        );
    }
}
