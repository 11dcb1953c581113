//! The Merkle tree over the ledger's records: hashes, growth, and the two proofs.
//!
//! Everything follows [RFC 6962 §2.1](https://www.rfc-editor.org/rfc/rfc6962#section-2.1) with SHA-256, so
//! that any Certificate Transparency or C2SP tool accepts it. No I/O, and no panic on hostile input.
//!
//! A *node* is named by `(level, index)` and covers the leaves `index << level .. (index + 1) << level`;
//! level 0 holds the leaves. A node is *complete* once all its leaves exist, and from then on never changes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, Digest, SHA256, digest};

/// A SHA-256 value that names a record or a whole prefix of the ledger: whoever knows the root knows every byte.
///
/// Hashes are public, so comparing them with `==` is fine.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::{Hash, leaf_hash};
///
/// let hash = leaf_hash(b"{\"v\":1}");
/// assert_eq!(Hash::from_hex(&hash.to_hex())?, hash);
/// assert!(Hash::from_hex(&hash.to_hex().to_uppercase()).is_err(), "one spelling only");
/// # Ok::<(), approvals_core::ledger::ProofError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; Hash::LEN]);

impl Hash {
    /// How many bytes a hash has.
    pub const LEN: usize = 32;

    /// Takes 32 bytes that are already a hash; nothing is computed.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The one hexadecimal spelling: 64 lower-case digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.to_string()
    }

    /// Reads exactly what [`Hash::to_hex`] writes, so that one hash never has two spellings.
    ///
    /// # Errors
    ///
    /// [`ProofError::HashText`] unless the text is 64 lower-case hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, ProofError> {
        let bytes = crate::digest::from_hex(text);
        bytes.map(Self).ok_or(ProofError::HashText)
    }

    /// The spelling used inside notes and proofs: standard base64 with padding, 44 characters.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads exactly what [`Hash::to_base64`] writes; stray bits, missing padding and line breaks are refused.
    ///
    /// # Errors
    ///
    /// [`ProofError::HashText`] unless the text is the canonical base64 of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, ProofError> {
        let bytes = STANDARD.decode(text).map_err(|_| ProofError::HashText)?;
        bytes.try_into().map(Self).map_err(|_| ProofError::HashText)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&crate::digest::hex32(&self.0)).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        Self::from_hex(text)
    }
}

/// The hash of one record, over the exact stored bytes: `SHA-256(0x00 || record)`, RFC 6962 §2.1.
#[must_use]
pub fn leaf_hash(record: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[LEAF_PREFIX]);
    context.update(record);
    hash_of(&context.finish())
}

/// The hash of an inner node, `SHA-256(0x01 || left || right)`: the prefix keeps it from ever being a leaf's, RFC 6962 §2.1.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [NODE_PREFIX; 1 + 2 * Hash::LEN];
    let [_, children @ ..] = &mut bytes;
    let (first, second) = children.split_at_mut(Hash::LEN);
    first.copy_from_slice(&left.0);
    second.copy_from_slice(&right.0);
    sha256(&bytes)
}

/// The root of the tree without leaves: SHA-256 of nothing, RFC 6962 §2.1.
#[must_use]
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// The right edge of a tree: all that is needed to append to it and to know its root, in at most 63 hashes.
///
/// The *peaks* are the roots of the complete subtrees that the size's binary digits name, largest first.
///
/// # Examples
///
/// A store keeps the leaves and every node the frontier reports; proofs are then made from those.
///
/// ```
/// use std::collections::BTreeMap;
/// use approvals_core::ledger::{Frontier, inclusion_proof, leaf_hash, verify_inclusion};
///
/// let (mut frontier, mut nodes) = (Frontier::new(), BTreeMap::new());
/// for record in [b"one".as_slice(), b"two", b"three"] {
///     let leaf = leaf_hash(record);
///     nodes.insert((0, frontier.size()), leaf);
///     frontier.push_with(leaf, |level, index, hash| { nodes.insert((level, index), hash); });
/// }
/// let proof = inclusion_proof(1, frontier.size(), &nodes)?;
/// verify_inclusion(leaf_hash(b"two"), 1, 3, &proof, frontier.root())?;
/// assert!(verify_inclusion(leaf_hash(b"2"), 1, 3, &proof, frontier.root()).is_err());
/// # Ok::<(), approvals_core::ledger::ProofError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    // INVARIANT: one peak for each one-bit of `size`, largest subtree first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The most leaves a tree may have: what a signed 64-bit column of a store can count.
    pub const MAX_SIZE: u64 = i64::MAX as u64;

    /// The frontier of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            size: 0,
            peaks: Vec::new(),
        }
    }

    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends one leaf, given as its [`leaf_hash`].
    pub fn push(&mut self, leaf: Hash) {
        self.push_with(leaf, |_, _, _| ());
    }

    /// Appends one leaf and reports each inner node it completes, as `(level, index, hash)` with `level >= 1`.
    ///
    /// A store that keeps those beside the leaves can answer every [`Nodes::node`] a proof asks for.
    pub fn push_with(&mut self, leaf: Hash, mut complete: impl FnMut(u8, u64, Hash)) {
        let (mut level, mut index, mut hash) = (0, self.size, leaf);
        while index & 1 == 1 {
            // INVARIANT: an odd index has its left sibling as the last peak.
            let Some(left) = self.peaks.pop() else { break };
            (level, index, hash) = (level + 1, index >> 1, node_hash(&left, &hash));
            complete(level, index, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree, which commits to every leaf and to their order.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.peaks)
    }

    /// The peaks one after another, for a store to keep beside the size.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.iter().flat_map(|peak| peak.0).collect()
    }

    /// Restores what [`Frontier::to_bytes`] wrote; compare [`Frontier::root`] with a signed checkpoint before trusting it.
    ///
    /// # Errors
    ///
    /// - [`ProofError::TooLarge`] when `size` is beyond [`Frontier::MAX_SIZE`].
    /// - [`ProofError::Length`] unless there is exactly one hash per one-bit of `size`.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, ProofError> {
        check_size(size)?;
        let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN }>();
        check_length(size.count_ones(), hashes.len())?;
        // A fragment behind the last whole hash counts as one too many.
        check_length(
            size.count_ones(),
            hashes.len() + usize::from(!rest.is_empty()),
        )?;
        Ok(Self {
            size,
            peaks: hashes.iter().copied().map(Hash).collect(),
        })
    }

    /// Rebuilds the frontier of the first `size` leaves from stored nodes, such as to learn an earlier root.
    ///
    /// # Errors
    ///
    /// - [`ProofError::TooLarge`] when `size` is beyond [`Frontier::MAX_SIZE`].
    /// - [`ProofError::MissingNode`] when the store lacks one of the peaks.
    pub fn from_nodes(size: u64, nodes: &dyn Nodes) -> Result<Self, ProofError> {
        check_size(size)?;
        Ok(Self {
            size,
            peaks: complete_subtrees(0, size, nodes)?,
        })
    }
}

/// Where proofs read their hashes from.
///
/// Trusted: for liveness only. A wrong hash yields a proof that fails, never a proof of something false.
pub trait Nodes {
    /// The hash of the complete subtree `(level, index)`; level 0 are the leaves. `None` when it is not kept.
    ///
    /// A proof over a tree of `size` leaves asks only for nodes that are complete in it, and O(log `size`) of them.
    fn node(&self, level: u8, index: u64) -> Option<Hash>;
}

impl Nodes for BTreeMap<(u8, u64), Hash> {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.get(&(level, index)).copied()
    }
}

/// Proves that leaf `index` is part of the tree of `size` leaves, in O(log `size`): `PATH(index, D[size])`, RFC 6962 §2.1.1.
///
/// # Errors
///
/// - [`ProofError::TooLarge`] when `size` is beyond [`Frontier::MAX_SIZE`].
/// - [`ProofError::NoSuchLeaf`] unless `index < size`.
/// - [`ProofError::MissingNode`] when the store lacks a node; rebuild its nodes from the records.
pub fn inclusion_proof(index: u64, size: u64, nodes: &dyn Nodes) -> Result<Vec<Hash>, ProofError> {
    let path = Path::of(0, index, size)?;
    path.collect(Vec::new(), size, nodes)
}

/// Checks that `leaf` is leaf `index` of the tree whose root is `root`; believe nothing of the record before this passes.
///
/// # Errors
///
/// - [`ProofError::NoSuchLeaf`] unless `index < size`, [`ProofError::TooLarge`] when `size` is beyond [`Frontier::MAX_SIZE`].
/// - [`ProofError::Length`] unless the proof has exactly the hashes this index and size call for.
/// - [`ProofError::Root`] when the hashes lead elsewhere: the record, its place, the proof or the root was changed.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    let path = Path::of(0, index, size)?;
    check_length(path.len(), proof.len())?;
    let reached = path
        .sides()
        .zip(proof)
        .fold(leaf, |hash, (side, other)| side.join(&hash, other));
    check_root(reached, root)
}

/// Proves that the tree of `new` leaves begins with the tree of `old` leaves: `PROOF(old, D[new])`, RFC 6962 §2.1.2.
///
/// The proof is empty when `old == new`, and when `old == 0`, since every tree extends the empty one.
///
/// # Errors
///
/// - [`ProofError::Shrunk`] when `old > new`, [`ProofError::TooLarge`] when `new` is beyond [`Frontier::MAX_SIZE`].
/// - [`ProofError::MissingNode`] when the store lacks a node; rebuild its nodes from the records.
pub fn consistency_proof(old: u64, new: u64, nodes: &dyn Nodes) -> Result<Vec<Hash>, ProofError> {
    let Some((path, seeded)) = Path::between(old, new)? else {
        return Ok(Vec::new());
    };
    let seed = if seeded {
        vec![fetch(path.level, path.index, nodes)?]
    } else {
        Vec::new()
    };
    path.collect(seed, new, nodes)
}

/// Checks that the log only grew between two roots: nothing below `old` was changed, moved or dropped.
///
/// With `old == new` the roots must be equal and the proof empty. With `old == 0` the proof must be empty and
/// `old_root` the [`empty_root`]; this is true of every log, so it says nothing about `new_root`.
///
/// # Errors
///
/// - [`ProofError::Shrunk`] when `old > new`, [`ProofError::TooLarge`] when `new` is beyond [`Frontier::MAX_SIZE`].
/// - [`ProofError::Length`] unless the proof has exactly the hashes these sizes call for.
/// - [`ProofError::Root`] when the proof does not lead to both roots: the log was forked or rewritten.
pub fn verify_consistency(
    old: u64,
    old_root: Hash,
    new: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let Some((path, seeded)) = Path::between(old, new)? else {
        check_length(0, proof.len())?;
        if new == 0 {
            check_root(new_root, empty_root())?;
        }
        return check_root(old_root, if old == 0 { empty_root() } else { new_root });
    };
    check_length(path.len() + u32::from(seeded), proof.len())?;
    let (seed, rest) = match proof {
        [seed, rest @ ..] if seeded => (*seed, rest),
        // The old tree is one complete subtree, so its root is the starting point.
        _ => (old_root, proof),
    };
    let (mut was, mut is) = (seed, seed);
    for (side, other) in path.sides().zip(rest) {
        is = side.join(&is, other);
        if side == Side::Right {
            was = side.join(&was, other);
        }
    }
    check_root(was, old_root)?;
    check_root(is, new_root)
}

/// Why a proof could not be made or must not be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The text is not a hash.
    #[error(
        "not a hash; write 64 lower-case hexadecimal digits, or 44 characters of base64 inside a note"
    )]
    HashText,
    /// The leaf lies outside the tree.
    #[error("leaf {index} is not in a tree of {size} leaves; ask for an index below the size")]
    NoSuchLeaf {
        /// The index asked for.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The later tree is the smaller one.
    #[error(
        "a tree of {new} leaves cannot extend one of {old}; the log was rolled back, or the sizes are swapped"
    )]
    Shrunk {
        /// The earlier size.
        old: u64,
        /// The later size.
        new: u64,
    },
    /// The size is beyond [`Frontier::MAX_SIZE`].
    #[error(
        "a tree of {size} leaves is too large; sizes end at {}",
        Frontier::MAX_SIZE
    )]
    TooLarge {
        /// The size given.
        size: u64,
    },
    /// The store does not hold a node that the proof needs.
    #[error(
        "the node at level {level}, index {index} is missing; rebuild the nodes from the records"
    )]
    MissingNode {
        /// The level of the node.
        level: u8,
        /// Its index in the level.
        index: u64,
    },
    /// Too few or too many hashes.
    #[error(
        "expected {expected} hashes, found {found}; take the hashes and the size from one place, unchanged"
    )]
    Length {
        /// How many the sizes call for.
        expected: u32,
        /// How many there are.
        found: usize,
    },
    /// The hashes do not lead to the root.
    #[error(
        "the hashes lead to root {computed} and not to {expected}; the log or the proof was changed, keep both as evidence"
    )]
    Root {
        /// What the hashes lead to.
        computed: Hash,
        /// The root they should lead to.
        expected: Hash,
    },
}

/// The way from a complete node up to the root.
///
/// For the first `inner` steps it may run on either side. With the last of them it meets the right edge of the
/// tree, where the sibling may be incomplete; from there on only left siblings exist.
#[derive(Clone, Copy)]
struct Path {
    level: u8,
    index: u64,
    // INVARIANT: at most 63, because sizes end at `Frontier::MAX_SIZE`.
    inner: u8,
}

impl Path {
    /// The path from the node `index` of `level`, which must be complete in the tree of `size` leaves.
    fn of(level: u8, index: u64, size: u64) -> Result<Self, ProofError> {
        check_size(size)?;
        let last = size
            .checked_sub(1)
            .map(|last| last >> level)
            .filter(|last| index <= *last);
        let last = last.ok_or(ProofError::NoSuchLeaf { index, size })?;
        let inner = (u64::BITS - (index ^ last).leading_zeros()) as u8;
        Ok(Self {
            level,
            index,
            inner,
        })
    }

    /// The path of a consistency proof, and whether the proof names its first node; `None` for a trivial one.
    fn between(old: u64, new: u64) -> Result<Option<(Self, bool)>, ProofError> {
        check_size(new)?;
        if old > new {
            return Err(ProofError::Shrunk { old, new });
        }
        if old == 0 || old == new {
            return Ok(None);
        }
        // The smallest peak of the old tree is where the two trees part.
        let level = old.trailing_zeros() as u8;
        let path = Self::of(level, (old >> level) - 1, new)?;
        Ok(Some((path, !old.is_power_of_two())))
    }

    /// How many siblings the path has.
    fn len(self) -> u32 {
        u32::from(self.inner) + self.left_siblings()
    }

    /// On which side of its sibling the path runs, from the bottom up.
    fn sides(self) -> impl Iterator<Item = Side> {
        let inner = (0..self.inner).map(move |step| Side::of(self.index >> step));
        inner.chain((0..self.left_siblings()).map(|_| Side::Right))
    }

    /// How many siblings the path has once it runs along the right edge: one for each one-bit that is left.
    fn left_siblings(self) -> u32 {
        (self.index >> self.inner).count_ones()
    }

    /// Reads the siblings in the order of the path and puts them behind `proof`.
    fn collect(
        self,
        mut proof: Vec<Hash>,
        size: u64,
        nodes: &dyn Nodes,
    ) -> Result<Vec<Hash>, ProofError> {
        for step in 0..self.inner {
            let (level, sibling) = (self.level + step, (self.index >> step) ^ 1);
            proof.push(match step + 1 == self.inner {
                true => subtree(sibling << level, size, nodes)?,
                false => fetch(level, sibling, nodes)?,
            });
        }
        for step in (self.inner..63).filter(|step| (self.index >> step) & 1 == 1) {
            proof.push(fetch(self.level + step, (self.index >> step) - 1, nodes)?);
        }
        Ok(proof)
    }
}

/// Which child of its parent a node is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn of(index: u64) -> Self {
        if index & 1 == 0 {
            Self::Left
        } else {
            Self::Right
        }
    }

    fn join(self, hash: &Hash, sibling: &Hash) -> Hash {
        match self {
            Self::Left => node_hash(hash, sibling),
            Self::Right => node_hash(sibling, hash),
        }
    }
}

/// The hash over the leaves `begin..end`, where `begin` is a multiple of the subtree's full width.
fn subtree(begin: u64, end: u64, nodes: &dyn Nodes) -> Result<Hash, ProofError> {
    complete_subtrees(begin, end, nodes).map(|peaks| fold(&peaks))
}

/// The complete subtrees that make up the leaves `begin..end`, largest first.
fn complete_subtrees(begin: u64, end: u64, nodes: &dyn Nodes) -> Result<Vec<Hash>, ProofError> {
    let mut at = begin;
    let mut peaks = Vec::new();
    for level in (0..63)
        .rev()
        .filter(|level| ((end - begin) >> level) & 1 == 1)
    {
        peaks.push(fetch(level, at >> level, nodes)?);
        at += 1 << level;
    }
    Ok(peaks)
}

/// The root over subtrees given largest first: the smallest two are joined first.
fn fold(peaks: &[Hash]) -> Hash {
    let folded = peaks.iter().rev().copied();
    folded
        .reduce(|right, left| node_hash(&left, &right))
        .unwrap_or_else(empty_root)
}

fn fetch(level: u8, index: u64, nodes: &dyn Nodes) -> Result<Hash, ProofError> {
    nodes
        .node(level, index)
        .ok_or(ProofError::MissingNode { level, index })
}

fn check_size(size: u64) -> Result<(), ProofError> {
    if size > Frontier::MAX_SIZE {
        Err(ProofError::TooLarge { size })
    } else {
        Ok(())
    }
}

fn check_length(expected: u32, found: usize) -> Result<(), ProofError> {
    if u32::try_from(found) == Ok(expected) {
        Ok(())
    } else {
        Err(ProofError::Length { expected, found })
    }
}

fn check_root(computed: Hash, expected: Hash) -> Result<(), ProofError> {
    if computed == expected {
        Ok(())
    } else {
        Err(ProofError::Root { computed, expected })
    }
}

/// The SHA-256 of `bytes`, without a prefix.
pub(super) fn sha256(bytes: &[u8]) -> Hash {
    hash_of(&digest(&SHA256, bytes))
}

fn hash_of(digest: &Digest) -> Hash {
    let mut bytes = [0; Hash::LEN];
    // SHA-256 always yields exactly 32 bytes.
    bytes.copy_from_slice(digest.as_ref());
    Hash(bytes)
}

const LEAF_PREFIX: u8 = 0x00;
const NODE_PREFIX: u8 = 0x01;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const SIZES: u64 = 300;

    /// The definitions of RFC 6962 §2.1, word for word: recursive and slow.
    #[derive(Default)]
    struct Reference {
        leaves: Vec<Hash>,
        known: HashMap<(usize, usize), Hash>,
    }

    impl Reference {
        fn mth(&mut self, from: usize, to: usize) -> Hash {
            match to - from {
                0 => return empty_root(),
                1 => return self.leaves[from],
                _ => {}
            }
            if let Some(hash) = self.known.get(&(from, to)) {
                return *hash;
            }
            let middle = from + split(to - from);
            let hash = node_hash(&self.mth(from, middle), &self.mth(middle, to));
            self.known.insert((from, to), hash);
            hash
        }

        fn path(&mut self, m: usize, from: usize, to: usize) -> Vec<Hash> {
            if to - from == 1 {
                return Vec::new();
            }
            let k = split(to - from);
            let (mut path, sibling) = if m < k {
                (self.path(m, from, from + k), self.mth(from + k, to))
            } else {
                (self.path(m - k, from + k, to), self.mth(from, from + k))
            };
            path.push(sibling);
            path
        }

        fn subproof(&mut self, m: usize, from: usize, to: usize, whole: bool) -> Vec<Hash> {
            if m == to - from {
                return if whole {
                    Vec::new()
                } else {
                    vec![self.mth(from, to)]
                };
            }
            let k = split(to - from);
            let (mut proof, sibling) = if m <= k {
                (
                    self.subproof(m, from, from + k, whole),
                    self.mth(from + k, to),
                )
            } else {
                (
                    self.subproof(m - k, from + k, to, false),
                    self.mth(from, from + k),
                )
            };
            proof.push(sibling);
            proof
        }
    }

    /// The largest power of two below `n`.
    fn split(n: usize) -> usize {
        (1..).map(|bit| 1 << bit).find(|power| *power >= n).unwrap() / 2
    }

    /// A log of numbered records, some of which `alter` replaces, with the nodes a store would keep.
    fn log(
        size: u64,
        alter: impl Fn(u64) -> bool,
    ) -> (Frontier, BTreeMap<(u8, u64), Hash>, Reference) {
        let (mut frontier, mut nodes) = (Frontier::new(), BTreeMap::new());
        let mut reference = Reference::default();
        for index in 0..size {
            let leaf = leaf_hash(format!("record {index} {}", alter(index)).as_bytes());
            reference.leaves.push(leaf);
            nodes.insert((0, index), leaf);
            frontier.push_with(leaf, |level, index, hash| {
                assert!(level >= 1 && nodes.insert((level, index), hash).is_none());
            });
        }
        (frontier, nodes, reference)
    }

    fn flip(hash: Hash, bit: usize) -> Hash {
        let mut bytes = hash.0;
        bytes[bit / 8 % Hash::LEN] ^= 1 << (bit % 8);
        Hash(bytes)
    }

    /// Every proof that differs from `proof` by one flipped bit per hash, one hash dropped, doubled, swapped or added.
    fn mutations(proof: &[Hash]) -> Vec<Vec<Hash>> {
        let mut all = vec![[proof, &[empty_root()]].concat()];
        for at in 0..proof.len() {
            let mut flipped = proof.to_vec();
            flipped[at] = flip(flipped[at], at * 37);
            let mut dropped = proof.to_vec();
            let hash = dropped.remove(at);
            let mut doubled = proof.to_vec();
            doubled.insert(at, hash);
            all.extend([flipped, dropped, doubled]);
            if at > 0 {
                let mut swapped = proof.to_vec();
                swapped.swap(at - 1, at);
                all.push(swapped);
            }
        }
        all
    }

    #[test]
    fn the_published_values_of_certificate_transparency() {
        assert_eq!(
            empty_root().to_hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            leaf_hash(b"").to_hex(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        let mut frontier = Frontier::new();
        for leaf in [
            "",
            "\x00",
            "\x10",
            "\x20\x21",
            "\x30\x31",
            "@ABC",
            "PQRSTUVW",
            "`abcdefghijklmno",
        ] {
            frontier.push(leaf_hash(leaf.as_bytes()));
        }
        assert_eq!(
            frontier.root().to_hex(),
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        );
    }

    #[test]
    fn the_frontier_equals_the_definition_at_every_size() {
        let (_, nodes, mut reference) = log(SIZES, |_| false);
        let mut frontier = Frontier::new();
        for size in 0..=SIZES {
            assert_eq!(frontier.size(), size);
            assert_eq!(
                frontier.root(),
                reference.mth(0, size as usize),
                "root at {size}"
            );
            assert_eq!(
                Frontier::from_bytes(size, &frontier.to_bytes()).unwrap(),
                frontier
            );
            assert_eq!(Frontier::from_nodes(size, &nodes).unwrap(), frontier);
            let bytes = [frontier.to_bytes(), vec![0; 64]].concat();
            for wrong in (0..bytes.len()).filter(|len| *len != frontier.to_bytes().len()) {
                let refused = Frontier::from_bytes(size, &bytes[..wrong]);
                assert!(
                    matches!(refused, Err(ProofError::Length { .. })),
                    "{wrong} bytes at {size}"
                );
            }
            if size < SIZES {
                frontier.push(reference.leaves[size as usize]);
            }
        }
    }

    #[test]
    fn a_store_is_told_every_complete_node_once() {
        let (_, nodes, mut reference) = log(SIZES, |_| false);
        for level in 0..10u8 {
            for index in 0..SIZES >> level {
                let (from, to) = (index << level, (index + 1) << level);
                let hash = reference.mth(from as usize, to as usize);
                assert_eq!(
                    nodes.get(&(level, index)),
                    Some(&hash),
                    "node {level}/{index}"
                );
            }
        }
        assert_eq!(
            nodes.len() as u64,
            (0..10).map(|level| SIZES >> level).sum::<u64>()
        );
    }

    #[test]
    fn inclusion_at_every_size_and_index() {
        let (_, nodes, mut reference) = log(SIZES, |_| false);
        for size in 1..=SIZES {
            let root = reference.mth(0, size as usize);
            for index in 0..size {
                let (leaf, at) = (
                    reference.leaves[index as usize],
                    format!("leaf {index} of {size}"),
                );
                let proof = inclusion_proof(index, size, &nodes).unwrap();
                assert_eq!(
                    proof,
                    reference.path(index as usize, 0, size as usize),
                    "{at}"
                );
                assert_eq!(
                    verify_inclusion(leaf, index, size, &proof, root),
                    Ok(()),
                    "{at}"
                );
                let refused = |leaf, index, size, proof: &[Hash], root| {
                    assert!(
                        verify_inclusion(leaf, index, size, proof, root).is_err(),
                        "{at}"
                    );
                };
                refused(flip(leaf, 255), index, size, &proof, root);
                refused(leaf, index, size, &proof, flip(root, 0));
                refused(leaf, index + 1, size, &proof, root);
                refused(leaf, index.wrapping_sub(1), size, &proof, root);
                refused(leaf, index, index, &proof, root);
                // Every mutation at the small sizes and around the powers of two, one in 23 of the rest.
                if size < 40 || size % 64 < 2 || (size + index) % 23 == 0 {
                    mutations(&proof)
                        .iter()
                        .for_each(|proof| refused(leaf, index, size, proof, root));
                }
            }
        }
    }

    #[test]
    fn consistency_between_every_pair_of_sizes() {
        let (_, nodes, mut reference) = log(SIZES, |_| false);
        for new in 0..=SIZES {
            let new_root = reference.mth(0, new as usize);
            for old in 0..=new {
                let (old_root, at) = (reference.mth(0, old as usize), format!("{old} to {new}"));
                let proof = consistency_proof(old, new, &nodes).unwrap();
                let expected = match old {
                    0 => Vec::new(),
                    _ => reference.subproof(old as usize, 0, new as usize, true),
                };
                assert_eq!(proof, expected, "{at}");
                assert_eq!(
                    verify_consistency(old, old_root, new, new_root, &proof),
                    Ok(()),
                    "{at}"
                );
                let refused = |old, old_root, new_root, proof: &[Hash]| {
                    assert!(
                        verify_consistency(old, old_root, new, new_root, proof).is_err(),
                        "{at}"
                    );
                };
                refused(old, flip(old_root, 9), new_root, &proof);
                refused(new + 1, old_root, new_root, &proof);
                if old > 0 || new == 0 {
                    refused(old, old_root, flip(new_root, 9), &proof);
                }
                if new < 40 || new % 64 < 2 || (old + new) % 23 == 0 {
                    mutations(&proof)
                        .iter()
                        .for_each(|proof| refused(old, old_root, new_root, proof));
                }
            }
        }
    }

    #[test]
    fn a_log_with_another_past_is_refused_whatever_proof_it_makes() {
        let (_, _, mut honest) = log(SIZES, |_| false);
        for forked in [0, 1, 31, 63, 64, 127, 128, 200] {
            let (_, nodes, mut liar) = log(SIZES, |index| index == forked);
            for (old, new) in (1..=SIZES)
                .step_by(13)
                .flat_map(|new| (1..=new).map(move |old| (old, new)))
            {
                let proof = consistency_proof(old, new, &nodes).unwrap();
                let (old_root, new_root) = (honest.mth(0, old as usize), liar.mth(0, new as usize));
                let accepted = verify_consistency(old, old_root, new, new_root, &proof).is_ok();
                assert_eq!(
                    accepted,
                    old <= forked,
                    "record {forked} changed, {old} to {new}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_proved_says_why() {
        let (_, mut nodes, _) = log(5, |_| false);
        let too_large = Frontier::MAX_SIZE + 1;
        let huge = |size: u64| ProofError::TooLarge { size };
        check(
            inclusion_proof(5, 5, &nodes),
            ProofError::NoSuchLeaf { index: 5, size: 5 },
        );
        check(
            inclusion_proof(0, 0, &nodes),
            ProofError::NoSuchLeaf { index: 0, size: 0 },
        );
        check(
            inclusion_proof(0, 9, &nodes),
            ProofError::MissingNode { level: 2, index: 1 },
        );
        check(inclusion_proof(0, u64::MAX, &nodes), huge(u64::MAX));
        check(
            consistency_proof(4, 3, &nodes),
            ProofError::Shrunk { old: 4, new: 3 },
        );
        check(consistency_proof(1, too_large, &nodes), huge(too_large));
        check(
            Frontier::from_nodes(6, &nodes),
            ProofError::MissingNode { level: 1, index: 2 },
        );
        check(Frontier::from_nodes(u64::MAX, &nodes), huge(u64::MAX));
        check(Frontier::from_bytes(too_large, &[]), huge(too_large));
        let root = empty_root();
        check(
            verify_inclusion(root, 0, 0, &[], root),
            ProofError::NoSuchLeaf { index: 0, size: 0 },
        );
        check(
            verify_inclusion(root, 0, u64::MAX, &[], root),
            huge(u64::MAX),
        );
        check(
            verify_inclusion(root, 0, 2, &[], root),
            ProofError::Length {
                expected: 1,
                found: 0,
            },
        );
        check(
            verify_inclusion(root, 0, Frontier::MAX_SIZE, &[], root),
            ProofError::Length {
                expected: 63,
                found: 0,
            },
        );
        check(
            verify_consistency(2, root, 1, root, &[]),
            ProofError::Shrunk { old: 2, new: 1 },
        );
        check(
            verify_consistency(2, root, 2, root, &[root]),
            ProofError::Length {
                expected: 0,
                found: 1,
            },
        );
        check(
            verify_consistency(1, root, u64::MAX, root, &[]),
            huge(u64::MAX),
        );
        nodes.remove(&(1, 0));
        check(
            consistency_proof(3, 5, &nodes),
            ProofError::MissingNode { level: 1, index: 0 },
        );
    }

    fn check<T: fmt::Debug>(result: Result<T, ProofError>, expected: ProofError) {
        let error = result.unwrap_err();
        assert_eq!(error, expected);
        let text = error.to_string();
        assert!(
            text.starts_with(|first: char| first.is_lowercase()) && !text.ends_with('.'),
            "{text}"
        );
    }

    #[test]
    fn the_largest_tree_still_verifies() {
        let (leaf, last) = (leaf_hash(b"last"), Frontier::MAX_SIZE - 1);
        let others: Vec<Hash> = (0u8..62).map(|level| leaf_hash(&[level])).collect();
        let root = others
            .iter()
            .fold(leaf, |hash, left| node_hash(left, &hash));
        assert_eq!(
            verify_inclusion(leaf, last, Frontier::MAX_SIZE, &others, root),
            Ok(())
        );
        let mut frontier = Frontier::from_bytes(Frontier::MAX_SIZE, &[7; 63 * Hash::LEN]).unwrap();
        frontier.push(leaf);
        assert_eq!((frontier.size(), frontier.peaks().len()), (1 << 63, 1));
    }

    #[test]
    fn one_spelling_per_hash() {
        let hash = leaf_hash(b"spelling");
        let (hex, base64) = (hash.to_hex(), hash.to_base64());
        assert_eq!(
            (hex.parse(), Hash::from_base64(&base64)),
            (Ok(hash), Ok(hash))
        );
        assert_eq!(format!("{hash} {hash:?}"), format!("{hex} {hex}"));
        let without_padding = base64.trim_end_matches('=');
        // Base64 of 32 bytes leaves two bits unused, which must be zero: the next letter decodes to the same bytes.
        let stray = format!("{}B=", "A".repeat(42));
        for text in [
            "",
            "00",
            "é",
            &format!("{hex}0"),
            &hex.to_uppercase(),
            &hex.replacen(|_| true, "", 1),
            &hex.replacen(|_| true, "+", 1),
            &hex.replacen(|_| true, "é", 2),
        ] {
            assert_eq!(Hash::from_hex(text), Err(ProofError::HashText), "`{text}`");
        }
        for neighbour in ["/", ":", "@", "G", "`", "g"] {
            let text = hex.replacen(|_| true, neighbour, 1);
            assert_eq!(Hash::from_hex(&text), Err(ProofError::HashText), "`{text}`");
        }
        for text in [
            "",
            without_padding,
            &stray,
            &format!("{base64}\n"),
            &base64.replacen(|_| true, "", 4),
            &base64.replace('=', "-"),
        ] {
            assert_eq!(
                Hash::from_base64(text),
                Err(ProofError::HashText),
                "`{text}`"
            );
        }
    }
}
