//! What strangers make of what we hand out: code we did not write must accept our receipts and our tiles, and no
//! changed one.
//!
//! `signed_note` and `tlog_tiles` are ports of the checksum database that Go uses, and read tiles as its clients do;
//! `ct-merkle` was written from RFC 6962 alone. The lines of a receipt are taken apart here, by the specification.

mod support;

use std::collections::BTreeMap;

use approvals_core::ledger::{
    Hash, Receipt, Tiler, VerifierKey, consistency_proof, inclusion_proof,
};
use approvals_core::ports::Reader as _;
use approvals_core::{StoredNodes, receipt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ct_merkle::{InclusionProof, RootHash};
use sha2::Sha256;
use signed_note::{Note, StandardVerifier, VerifierList};
use support::written::Written;
use tlog_tiles::tile::{Tile, TileHashReader, TileReader};
use tlog_tiles::tlog::{self, HashReader as _};

const SIZES: u64 = 300;

/// A receipt as its lines say it; nothing is checked.
#[derive(Clone)]
struct Lines {
    record: Vec<u8>,
    index: u64,
    proof: Vec<[u8; 32]>,
    note: String,
}

impl Lines {
    fn of(text: &str) -> Option<Self> {
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.lines();
        (lines.next()? == "c2sp.org/tlog-proof@v1").then_some(())?;
        let record = STANDARD
            .decode(lines.next()?.strip_prefix("extra ")?)
            .ok()?;
        let index = lines.next()?.strip_prefix("index ")?.parse().ok()?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        Some(Self {
            record,
            index,
            proof: lines.map(hash).collect::<Option<_>>()?,
            note: note.to_owned(),
        })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "c2sp.org/tlog-proof@v1\nextra {}\nindex {}\n",
            STANDARD.encode(&self.record),
            self.index
        );
        for hash in &self.proof {
            text += &format!("{}\n", STANDARD.encode(hash));
        }
        format!("{text}\n{}", self.note)
    }
}

/// The size and root of a note that `signed_note` verifies and `tlog_tiles` reads.
fn head(note: &str, vkey: &VerifierKey) -> Option<(u64, [u8; 32])> {
    let verifier = StandardVerifier::new(&vkey.to_string()).unwrap();
    let known = VerifierList::new(vec![Box::new(verifier)]);
    let note = Note::from_bytes(note.as_bytes()).ok()?;
    note.verify(&known).ok()?;
    let head = tlog_tiles::Checkpoint::from_bytes(note.text()).ok()?;
    (head.origin() == vkey.name().as_str()).then(|| (head.size(), head.hash().0))
}

/// Whether strangers find the record where the receipt says, under a head that they have verified.
fn proven(lines: &Lines, (size, root): (u64, [u8; 32])) -> [bool; 2] {
    let proof = lines.proof.iter().copied().map(tlog::Hash).collect();
    let leaf = tlog::record_hash(&lines.record);
    let tlog = lines.index < size
        && tlog::check_record(&proof, size, tlog::Hash(root), lines.index, leaf).is_ok();
    let proof = InclusionProof::<Sha256>::try_from_bytes(lines.proof.concat()).unwrap();
    let root = RootHash::<Sha256>::new(root.into(), size);
    let ct = lines.index < size
        && root
            .verify_inclusion(&lines.record, lines.index, &proof)
            .is_ok();
    [tlog, ct]
}

#[test]
fn strangers_accept_the_receipt_of_every_record_under_every_head() {
    let mut log = Written::of(0);
    let vkey = log.vkey.clone();
    for size in 1..=SIZES {
        log.grow(size);
        let note = log.store.head().unwrap().note.unwrap();
        let head = head(&note, &vkey).expect("they accept the note");
        assert_eq!(head.0, size);
        for index in 0..size {
            let text = receipt(&mut log.store, &vkey, index).unwrap().to_string();
            let lines = Lines::of(&text).expect("the lines are those of the specification");
            assert_eq!((lines.index, &lines.note), (index, &note));
            assert_eq!(
                proven(&lines, head),
                [true, true],
                "record {index} of {size}"
            );
        }
    }
}

/// Receipts that differ from this one in one thing, by what it is.
fn mutations(good: &Lines) -> Vec<(&'static str, Lines)> {
    let with = |change: &dyn Fn(&mut Lines)| {
        let mut lines = good.clone();
        change(&mut lines);
        lines
    };
    let middle = good.record.len() / 2;
    let mut all = vec![
        (
            "a bit of the record",
            with(&|lines| lines.record[middle] ^= 1),
        ),
        (
            "a byte less",
            with(&|lines| lines.record.truncate(lines.record.len() - 1)),
        ),
        ("a byte more", with(&|lines| lines.record.push(b' '))),
        ("the next place", with(&|lines| lines.index += 1)),
        ("a place beyond", with(&|lines| lines.index += SIZES)),
        ("a hash more", with(&|lines| lines.proof.push([7; 32]))),
        (
            "another size",
            with(&|lines| lines.note = lines.note.replacen('\n', "\n1", 1)),
        ),
        (
            "another log",
            with(&|lines| lines.note = lines.note.replacen("written", "other", 1)),
        ),
        (
            "another name",
            with(&|lines| lines.note = lines.note.replace("written", "other")),
        ),
        (
            "no signature",
            with(&|lines| lines.note.truncate(lines.note.find('\u{2014}').unwrap())),
        ),
    ];
    for at in 0..good.proof.len() {
        all.push((
            "a bit of a hash",
            with(&|lines| lines.proof[at][at % 32] ^= 4),
        ));
        all.push((
            "a hash less",
            with(&|lines| {
                lines.proof.remove(at);
            }),
        ));
    }
    for at in 1..good.proof.len() {
        all.push((
            "two hashes changed places",
            with(&|lines| lines.proof.swap(at - 1, at)),
        ));
    }
    // Letters of the root and of the signature.
    let starts = good.note.match_indices('\n').nth(1).unwrap().0 + 1;
    let letters = good.note.bytes().enumerate().skip(starts);
    let letters = letters.filter(|(_, byte)| byte.is_ascii_alphanumeric());
    for (at, byte) in letters.step_by(7) {
        let other = if byte == b'A' { "B" } else { "A" };
        all.push((
            "a letter of the head",
            with(&|lines| lines.note.replace_range(at..=at, other)),
        ));
    }
    all
}

#[test]
fn threat_56_strangers_and_we_refuse_every_changed_receipt() {
    for (size, indexes) in [
        (1, vec![0]),
        (2, vec![0, 1]),
        (7, vec![2, 6]),
        (256, vec![255]),
        (SIZES, vec![0, 131, 299]),
    ] {
        let mut log = Written::of(size);
        let vkey = log.vkey.clone();
        for index in indexes {
            let text = receipt(&mut log.store, &vkey, index).unwrap().to_string();
            let good = Lines::of(&text).unwrap();
            assert_eq!(good.text(), text);
            for (what, changed) in mutations(&good) {
                let text = changed.text();
                let ours = Receipt::parse(&text).and_then(|receipt| receipt.verify(&vkey));
                assert!(
                    ours.is_err(),
                    "we accept {what}, record {index} of {size}: {text}"
                );
                let theirs = head(&changed.note, &vkey).map(|head| proven(&changed, head));
                let refused = theirs.is_none_or(|accepted| accepted == [false, false]);
                assert!(
                    refused,
                    "they accept {what}, record {index} of {size}: {text}"
                );
            }
        }
    }
}

/// The files of an export, served as a client of theirs asks for them.
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// The export of the first `size` records.
    fn of(log: &mut Written, size: u64) -> Self {
        let mut tiler = Tiler::new();
        let mut files = BTreeMap::new();
        for stored in log.store.records(0, size as usize).unwrap() {
            let full = tiler.push(&stored.bytes).unwrap();
            files.extend(full.into_iter().map(|(tile, bytes)| (tile.path(), bytes)));
        }
        let partial = tiler.partial().into_iter();
        files.extend(partial.map(|(tile, bytes)| (tile.path(), bytes)));
        Self(files)
    }

    /// The records in a tile of records, by the specification.
    fn entries(&self, name: &str) -> Option<Vec<Vec<u8>>> {
        let (mut entries, mut rest) = (Vec::new(), &self.0[name][..]);
        while !rest.is_empty() {
            let (length, more) = rest.split_first_chunk()?;
            let (entry, more) = more.split_at_checked(u16::from_be_bytes(*length).into())?;
            entries.push(entry.to_vec());
            rest = more;
        }
        Some(entries)
    }

    /// The hashes of the records, if strangers find that they lead to the root.
    ///
    /// Their reader does not compare a full tile with the level above it when the subtrees at the root share a
    /// tile, so a client of theirs compares the records with the leaves, too.
    fn read(&self, size: u64, root: Hash) -> Option<Vec<tlog::Hash>> {
        let root = tlog::Hash(*root.as_bytes());
        let leaves: Vec<u64> = (0..size)
            .map(|index| tlog::stored_hash_index(0, index))
            .collect();
        let read = TileHashReader::new(size, root, self)
            .read_hashes(&leaves)
            .ok()?;
        let mut hashes = Vec::new();
        for name in self
            .0
            .keys()
            .filter(|name| name.starts_with("tile/entries/"))
        {
            let entries = self.entries(name)?;
            hashes.extend(entries.iter().map(|entry| tlog::record_hash(entry)));
        }
        (read == hashes).then_some(read)
    }
}

impl TileReader for Files {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
        let read = |tile: &Tile| {
            // Theirs name the height, which tlog-tiles fixes at 8.
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            self.0.get(&path).cloned().ok_or(tlog::Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn strangers_read_our_tiles_at_every_size() {
    let mut log = Written::of(0);
    for size in 1..=SIZES {
        log.grow(size);
        let root = log.store.head().unwrap().frontier.root();
        let files = Files::of(&mut log, size);
        let leaves = files.read(size, root).expect("they accept the tiles");
        assert_eq!(leaves.len() as u64, size);
    }
}

#[test]
fn strangers_prove_from_our_tiles_what_we_prove() {
    for size in [1, 2, 3, 200, 255, 256, 257, SIZES, 1_000] {
        let mut log = Written::of(size);
        let root = log.store.head().unwrap().frontier.root();
        let files = Files::of(&mut log, size);
        let reader = TileHashReader::new(size, tlog::Hash(*root.as_bytes()), &files);
        let nodes = StoredNodes::new(&mut log.store);
        let theirs = |hashes: Vec<Hash>| {
            hashes
                .iter()
                .map(|hash| tlog::Hash(*hash.as_bytes()))
                .collect::<Vec<_>>()
        };
        for index in [0, 1, 100, 255, 256, size / 2, size - 1]
            .into_iter()
            .filter(|index| *index < size)
        {
            let ours = inclusion_proof(index, size, &nodes).unwrap();
            assert_eq!(
                tlog::prove_record(size, index, &reader).unwrap(),
                theirs(ours),
                "{index} of {size}"
            );
        }
        for old in [1, 2, 3, 100, 255, 256, 257, 512, size]
            .into_iter()
            .filter(|old| *old <= size)
        {
            let ours = consistency_proof(old, size, &nodes).unwrap();
            assert_eq!(
                tlog::prove_tree(size, old, &reader).unwrap(),
                theirs(ours),
                "{old} to {size}"
            );
        }
    }
}

#[test]
fn threat_56_strangers_refuse_every_changed_tile() {
    for size in [1, 2, 255, 256, 257, SIZES] {
        let mut log = Written::of(size);
        let root = log.store.head().unwrap().frontier.root();
        let whole = Files::of(&mut log, size);
        assert!(whole.read(size, root).is_some());
        for (name, bytes) in &whole.0 {
            let refused = |change: &dyn Fn(&mut Vec<u8>), what: &str| {
                let mut files = Files(whole.0.clone());
                change(files.0.get_mut(name).unwrap());
                assert!(
                    files.read(size, root).is_none(),
                    "{what} of {name} at {size}"
                );
            };
            for at in (0..bytes.len()).step_by(1 + bytes.len() / 7) {
                refused(&|bytes| bytes[at] ^= 1, &format!("byte {at}"));
            }
            refused(&|bytes| bytes.truncate(bytes.len() - 1), "the last byte");
            refused(&|bytes| bytes.extend([0; 32]), "a hash more");
        }
    }
}
