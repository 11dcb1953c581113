//! What is erased from a database is in no byte of its files.
#![cfg(all(unix, feature = "sqlite"))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

mod support;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use approvals_core::RequestId;
use approvals_core::canonical::Value;
use approvals_core::envelope::{DisclosureKeyId, Envelope, SealedDisclosure, WrappedKey};
use approvals_core::id::random;
use approvals_core::ports::{Reader, Store};
use approvals_core::sealed::Disclosure;
use approvals_store::sqlite::{SqliteReader, SqliteStore};
use support::{one_more, scratch};

/// Long enough that no run of other bytes is taken for it.
const NEEDLE: usize = 16;

/// Numbers that are always the same, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        bytes.extend(random::<16>().unwrap());
    }
    bytes.truncate(length);
    bytes
}

/// A request's ciphertexts; some are longer than a page.
fn envelope(dice: &mut Dice) -> Envelope {
    let key = WrappedKey::new(DisclosureKeyId::from_bytes([3; 8]), noise(60));
    let lengths = [41, 100, 300, 900, 9_000];
    let values = (0..=dice.below(4)).map(|_| {
        let opened = Disclosure::new("args.x", &Value::Text(String::new())).unwrap();
        let long = dice.below(8) == 0;
        let length = lengths[if long { 4 } else { dice.below(4) }];
        SealedDisclosure::new(opened.commitment, noise(length))
    });
    Envelope::new(Some(key), values.collect())
}

fn seal(store: &mut SqliteStore, request: RequestId, envelope: &Envelope) {
    let head = store.begin().unwrap();
    let mut batch = one_more(&head, b"sealed");
    let key = envelope.key.clone().map(|key| (request, key));
    batch.data_keys.extend(key);
    let values = envelope.disclosures.iter().cloned();
    batch
        .disclosures
        .extend(values.map(|value| (request, value)));
    store.commit(&batch).unwrap();
}

fn erase(store: &mut SqliteStore, request: RequestId) {
    let head = store.begin().unwrap();
    let mut batch = one_more(&head, b"erased");
    batch.erased.push(request);
    store.commit(&batch).unwrap();
}

/// Every run of bytes in the files of a directory that is as long as a needle.
fn runs(directory: &Path) -> HashSet<[u8; NEEDLE]> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file());
    files
        .flat_map(|path| {
            let bytes = std::fs::read(path).unwrap();
            let runs = bytes.windows(NEEDLE).map(|run| run.try_into().unwrap());
            runs.collect::<Vec<_>>()
        })
        .collect()
}

/// How many pieces of an envelope are in the files.
fn found(runs: &HashSet<[u8; NEEDLE]>, envelope: &Envelope) -> usize {
    let key = envelope.key.iter().map(|key| &key.ciphertext);
    let values = envelope.disclosures.iter().map(|value| &value.ciphertext);
    key.chain(values)
        .flat_map(|bytes| bytes.chunks_exact(NEEDLE))
        .filter(|piece| runs.contains(*piece))
        .count()
}

#[test]
fn nothing_that_was_erased_is_in_the_files() {
    for seed in 0..2 {
        let mut dice = Dice(seed);
        let (directory, path) = scratch();
        let mut store = SqliteStore::open(&path).unwrap();
        let mut all: Vec<(RequestId, Envelope)> = (0..700)
            .map(|_| (RequestId::random().unwrap(), envelope(&mut dice)))
            .collect();
        // Some get their first disclosure after others, and some get more later.
        for (request, envelope) in &mut all {
            seal(&mut store, *request, envelope);
            if dice.below(3) == 0 {
                let mut more = self::envelope(&mut dice);
                more.key = None;
                seal(&mut store, *request, &more);
                envelope.disclosures.append(&mut more.disclosures);
            }
        }
        let mut gone = Vec::new();
        while all.len() > 200 {
            let (request, envelope) = all.swap_remove(dice.below(all.len()));
            erase(&mut store, request);
            gone.push((request, envelope));
            // Data keys are wrapped anew now and then, and the old wrapping must be gone, too.
            let place = dice.below(all.len());
            let (request, envelope) = &mut all[place];
            let new = WrappedKey::new(DisclosureKeyId::from_bytes([4; 8]), noise(60));
            let rewrapped = Envelope::new(Some(new.clone()), Vec::new());
            seal(&mut store, *request, &rewrapped);
            let old = envelope.key.replace(new);
            gone.push((*request, Envelope::new(old, Vec::new())));
        }
        store.scrub(Duration::from_secs(2)).unwrap();
        let runs = runs(directory.path());
        for (request, envelope) in &gone {
            assert_eq!(found(&runs, envelope), 0, "seed {seed}: {request}");
        }
        for (request, envelope) in &all {
            assert!(found(&runs, envelope) > 0, "the files were not looked at");
            assert_eq!(store.disclosures(*request).unwrap(), *envelope);
        }
    }
}

#[test]
fn a_reader_in_the_way_is_waited_for_and_then_reported() {
    let (directory, path) = scratch();
    let mut store = SqliteStore::open(&path).unwrap();
    let (request, envelope) = (RequestId::random().unwrap(), envelope(&mut Dice(9)));
    seal(&mut store, request, &envelope);
    // Somebody looks at the database and does not end the look.
    let looking = rusqlite::Connection::open(&path).unwrap();
    looking
        .execute_batch("BEGIN; SELECT count(*) FROM records")
        .unwrap();
    let _held: i64 = looking
        .query_row("SELECT count(*) FROM records", [], |row| row.get(0))
        .unwrap();
    erase(&mut store, request);
    let error = store.scrub(Duration::from_millis(20)).unwrap_err();
    assert!(
        !error.is_fatal() && error.to_string().contains("try again"),
        "{error}"
    );
    assert!(
        found(&runs(directory.path()), &envelope) > 0,
        "it is still in the log"
    );
    // Gone all the same for everybody who asks.
    let mut reader = SqliteReader::open(&path).unwrap();
    assert!(reader.disclosures(request).unwrap().is_empty());
    looking.execute_batch("COMMIT").unwrap();
    store.scrub(Duration::from_secs(2)).unwrap();
    assert_eq!(found(&runs(directory.path()), &envelope), 0);
}
