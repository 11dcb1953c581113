//! What strangers make of our ledger: code we did not write must accept our notes and proofs, and no changed one.
//!
//! `signed_note` and `tlog_tiles` are ports of the checksum database that Go uses; `ct-merkle` was written from RFC 6962
//! alone. None of the three is in the library's own dependencies.

use std::collections::BTreeMap;

use approvals_core::ledger::{
    Checkpoint, Frontier, Hash, LedgerKey, Nodes, SignedCheckpoint, VerifierKey, consistency_proof,
    inclusion_proof, leaf_hash, sign_note, signature_line, verify_consistency, verify_inclusion,
};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use sha2::Sha256;
use signed_note::{Note, Signer as _, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::tlog;

const SIZES: u64 = 300;
const ORIGIN: &str = "example.com/approvals";
const SEED: [u8; 32] = [7; 32];

/// A log with everything a store keeps of it.
struct Log {
    nodes: BTreeMap<(u8, u64), Hash>,
    roots: Vec<Hash>,
}

impl Log {
    fn new() -> Self {
        let mut frontier = Frontier::new();
        let (mut nodes, mut roots) = (BTreeMap::new(), vec![frontier.root()]);
        for index in 0..SIZES {
            let leaf = leaf_hash(&record(index));
            nodes.insert((0, index), leaf);
            frontier.push_with(leaf, |level, index, hash| {
                nodes.insert((level, index), hash);
            });
            roots.push(frontier.root());
        }
        Self { nodes, roots }
    }

    fn root(&self, size: u64) -> Hash {
        self.roots[size as usize]
    }
}

/// The strangers read our stored nodes by their own numbering.
impl tlog::HashReader for Log {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let node = |index: &u64| {
            let (level, index) = tlog::split_stored_hash_index(*index);
            let hash = self
                .nodes
                .node(level, index)
                .expect("a node that is complete");
            tlog::Hash(*hash.as_bytes())
        };
        Ok(indexes.iter().map(node).collect())
    }
}

fn record(index: u64) -> Vec<u8> {
    format!("{{\"seq\":{index},\"v\":1}}").into_bytes()
}

fn key() -> (LedgerKey, VerifierKey) {
    let key = LedgerKey::from_seed(&SEED).unwrap();
    let vkey = key.vkey(&ORIGIN.parse().unwrap());
    (key, vkey)
}

fn checkpoint(size: u64, root: Hash) -> Checkpoint {
    Checkpoint {
        origin: ORIGIN.parse().unwrap(),
        size,
        root,
    }
}

fn signed(head: &Checkpoint) -> String {
    let (key, vkey) = key();
    sign_note(
        &head.body(),
        vkey.name(),
        vkey.id(),
        &key.sign(head.body().as_bytes()),
    )
}

/// What `signed_note` and `tlog_tiles` read out of a note, if they accept it for this key.
fn theirs(note: &[u8], vkey: &VerifierKey) -> Option<(String, u64, Hash)> {
    let verifier = StandardVerifier::new(&vkey.to_string()).expect("they read our verifier key");
    let note = Note::from_bytes(note).ok()?;
    let (verified, _) = note
        .verify(&VerifierList::new(vec![Box::new(verifier)]))
        .ok()?;
    assert_eq!(verified.len(), 1);
    let head = tlog_tiles::Checkpoint::from_bytes(note.text()).ok()?;
    assert_eq!(head.extension(), "");
    Some((
        head.origin().to_owned(),
        head.size(),
        Hash::from_bytes(head.hash().0),
    ))
}

fn flip(hash: &mut Hash, bit: usize) {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8 % 32] ^= 1 << (bit % 8);
    *hash = Hash::from_bytes(bytes);
}

/// Proofs that differ from `proof`: each hash flipped in one bit, each one dropped, and one too many.
fn mutations(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = vec![[proof, &[leaf_hash(b"more")]].concat()];
    for at in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flip(&mut flipped[at], 41 * at + proof.len());
        let mut dropped = proof.to_vec();
        dropped.remove(at);
        all.extend([flipped, dropped]);
    }
    all
}

/// Every size up to 32, the edges of the powers of two, and some between.
fn sampled(size: u64) -> bool {
    size <= 32 || size % 64 < 2 || size % 64 == 63 || size.is_multiple_of(29) || size == SIZES
}

fn tlog_hashes(hashes: &[Hash]) -> Vec<tlog::Hash> {
    hashes
        .iter()
        .map(|hash| tlog::Hash(*hash.as_bytes()))
        .collect()
}

fn tlog_inclusion(proof: &[Hash], size: u64, root: Hash, index: u64, leaf: Hash) -> bool {
    let [root, leaf] = [root, leaf].map(|hash| tlog::Hash(*hash.as_bytes()));
    tlog::check_record(&tlog_hashes(proof), size, root, index, leaf).is_ok()
}

fn tlog_consistency(proof: &[Hash], new: u64, new_root: Hash, old: u64, old_root: Hash) -> bool {
    let [new_root, old_root] = [new_root, old_root].map(|hash| tlog::Hash(*hash.as_bytes()));
    tlog::check_tree(&tlog_hashes(proof), new, new_root, old, old_root).is_ok()
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn ct_root(root: Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new((*root.as_bytes()).into(), size)
}

fn ct_inclusion(proof: &[Hash], size: u64, root: Hash, index: u64, record: &Vec<u8>) -> bool {
    let proof = InclusionProof::try_from_bytes(bytes(proof)).unwrap();
    ct_root(root, size)
        .verify_inclusion(record, index, &proof)
        .is_ok()
}

fn ct_consistency(proof: &[Hash], new: u64, new_root: Hash, old: u64, old_root: Hash) -> bool {
    let proof = ConsistencyProof::try_from_bytes(bytes(proof)).unwrap();
    ct_root(new_root, new)
        .verify_consistency(&ct_root(old_root, old), &proof)
        .is_ok()
}

#[test]
fn strangers_compute_the_same_roots_at_every_size() {
    let log = Log::new();
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 0..=SIZES {
        let root = log.root(size);
        assert_eq!(
            tlog::tree_hash(size, &log).unwrap().0,
            *root.as_bytes(),
            "tlog at {size}"
        );
        assert_eq!(
            tree.root().as_bytes().as_slice(),
            root.as_bytes(),
            "ct-merkle at {size}"
        );
        tree.push(record(size));
    }
}

#[test]
fn strangers_accept_our_notes_at_every_size() {
    let (log, (_, vkey)) = (Log::new(), key());
    for size in 0..=SIZES {
        let root = log.root(size);
        let expected = (ORIGIN.to_owned(), size, root);
        assert_eq!(
            theirs(signed(&checkpoint(size, root)).as_bytes(), &vkey),
            Some(expected),
            "{size}"
        );
    }
}

#[test]
fn strangers_and_we_refuse_every_changed_byte_of_a_note() {
    let (log, (_, vkey)) = (Log::new(), key());
    let ours = |note: &[u8]| {
        SignedCheckpoint::parse(note)
            .and_then(|note| note.verify(&vkey))
            .is_ok()
    };
    let good = signed(&checkpoint(SIZES, log.root(SIZES))).into_bytes();
    assert!(ours(&good) && theirs(&good, &vkey).is_some());
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 7);
        let mut removed = good.clone();
        removed.remove(at);
        let mut doubled = good.clone();
        doubled.insert(at, good[at]);
        for (how, note) in [
            ("flipped", flipped),
            ("removed", removed),
            ("doubled", doubled),
            ("cut", good[..at].to_vec()),
        ] {
            assert!(
                theirs(&note, &vkey).is_none(),
                "they accept byte {at} {how}"
            );
            assert!(!ours(&note), "we accept byte {at} {how}");
        }
    }
}

#[test]
fn strangers_pass_over_the_lines_of_other_keys() {
    let (log, (_, vkey)) = (Log::new(), key());
    let head = checkpoint(5, log.root(5));
    let witness = LedgerKey::from_seed(&[8; 32]).unwrap();
    let other = witness.vkey(&"witness.example/w".parse().unwrap());
    let rotated = witness.vkey(vkey.name());
    let signature = witness.sign(head.body().as_bytes());
    let mut note = signed(&head);
    note.push_str(&signature_line(other.name(), other.id(), &signature));
    note.push_str(&signature_line(rotated.name(), rotated.id(), &signature));
    for known in [&vkey, &rotated] {
        assert!(theirs(note.as_bytes(), known).is_some());
        assert_eq!(
            SignedCheckpoint::parse(&note).unwrap().verify(known),
            Ok(head.clone())
        );
    }
    assert!(
        theirs(
            note.as_bytes(),
            &witness.vkey(&"nobody.example".parse().unwrap())
        )
        .is_none()
    );
}

#[test]
fn we_accept_the_notes_that_strangers_sign() {
    let (log, (key, vkey)) = (Log::new(), key());
    let pair = [&[1], SEED.as_slice()].concat();
    let signer = StandardSigner::new(&format!(
        "PRIVATE+KEY+{ORIGIN}+{}+{}",
        vkey.id(),
        base64(&pair)
    ))
    .unwrap();
    for size in [0, 1, 2, 255, 256, 257, SIZES] {
        let head = checkpoint(size, log.root(size));
        let tree = tlog::Hash(*head.root.as_bytes());
        let body = tlog_tiles::Checkpoint::new(ORIGIN, size, tree, "")
            .unwrap()
            .to_bytes();
        assert_eq!(body, head.body().as_bytes(), "the same body at {size}");
        assert_eq!(
            signer.sign(&body).unwrap(),
            key.sign(&body),
            "the same signature at {size}"
        );
        let mut note = Note::new(&body, &[]).unwrap();
        note.add_sigs(&[&signer]).unwrap();
        assert_eq!(
            note.to_bytes(),
            signed(&head).as_bytes(),
            "the same note at {size}"
        );
        assert_eq!(
            SignedCheckpoint::parse(note.to_bytes())
                .unwrap()
                .verify(&vkey),
            Ok(head)
        );
    }
}

#[test]
fn strangers_make_and_accept_the_same_inclusion_proofs() {
    let log = Log::new();
    for (size, index) in (1..=SIZES).flat_map(|size| (0..size).map(move |index| (size, index))) {
        let (root, leaf, record) = (log.root(size), leaf_hash(&record(index)), record(index));
        let (proof, at) = (
            inclusion_proof(index, size, &log.nodes).unwrap(),
            format!("leaf {index} of {size}"),
        );
        assert_eq!(
            tlog::prove_record(size, index, &log).unwrap(),
            tlog_hashes(&proof),
            "{at}"
        );
        if !sampled(size) || !(sampled(index) || index + 1 == size) {
            continue;
        }
        assert!(
            tlog_inclusion(&proof, size, root, index, leaf),
            "tlog, {at}"
        );
        assert!(
            ct_inclusion(&proof, size, root, index, &record),
            "ct-merkle, {at}"
        );
        for changed in mutations(&proof) {
            assert!(
                !tlog_inclusion(&changed, size, root, index, leaf),
                "tlog accepts a changed proof, {at}"
            );
            assert!(
                !ct_inclusion(&changed, size, root, index, &record),
                "ct-merkle accepts a changed proof, {at}"
            );
            assert!(
                verify_inclusion(leaf, index, size, &changed, root).is_err(),
                "we accept a changed proof, {at}"
            );
        }
        let elsewhere = (index + 1) % size;
        if elsewhere != index {
            assert!(
                !tlog_inclusion(&proof, size, root, elsewhere, leaf),
                "tlog accepts another place, {at}"
            );
            assert!(
                !ct_inclusion(&proof, size, root, elsewhere, &record),
                "ct-merkle accepts another place, {at}"
            );
        }
    }
}

#[test]
fn strangers_make_and_accept_the_same_consistency_proofs() {
    let log = Log::new();
    for (new, old) in (1..=SIZES).flat_map(|new| (1..=new).map(move |old| (new, old))) {
        let (old_root, new_root, at) = (log.root(old), log.root(new), format!("{old} to {new}"));
        let proof = consistency_proof(old, new, &log.nodes).unwrap();
        assert_eq!(
            tlog::prove_tree(new, old, &log).unwrap(),
            tlog_hashes(&proof),
            "{at}"
        );
        if !sampled(new) || !(sampled(old) || old + 1 == new) {
            continue;
        }
        assert!(
            tlog_consistency(&proof, new, new_root, old, old_root),
            "tlog, {at}"
        );
        assert!(
            ct_consistency(&proof, new, new_root, old, old_root),
            "ct-merkle, {at}"
        );
        for changed in mutations(&proof) {
            assert!(
                !tlog_consistency(&changed, new, new_root, old, old_root),
                "tlog accepts a changed proof, {at}"
            );
            assert!(
                !ct_consistency(&changed, new, new_root, old, old_root),
                "ct-merkle accepts a changed proof, {at}"
            );
            let ours = verify_consistency(old, old_root, new, new_root, &changed);
            assert!(ours.is_err(), "we accept a changed proof, {at}");
        }
    }
}

/// Standard base64, so that this test needs no further crate.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(bytes.len() % 3, 0, "no padding is written");
    let letters = bytes.chunks(3).flat_map(|three| {
        let group = three
            .iter()
            .fold(0u32, |group, byte| group << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[(group >> shift & 63) as usize]))
    });
    letters.collect()
}
