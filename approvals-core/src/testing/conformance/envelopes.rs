//! Promises about what opens commitments: ciphertexts and wrapped keys.

use std::time::Duration;

use crate::digest::{Salt, commit, disclosure};
use crate::envelope::{DisclosureKeyId, Envelope, SealedDisclosure, WrappedKey};
use crate::ports::Store;

use super::Promise;
use super::log::{Log, request};

pub(super) fn promises<S: Store>() -> Vec<Promise<S>> {
    vec![
        ("ciphertexts come back exactly", ciphertexts),
        ("a data key is replaced by its newer wrapping", rewrapping),
        (
            "data keys are found by what wraps them",
            keys_are_found_by_what_wraps_them,
        ),
        ("what is erased is gone", what_is_erased_is_gone),
        (
            "an erasure happens with its commit or not at all",
            an_erasure_happens_with_its_commit,
        ),
        ("erasing again does nothing", erasing_again_does_nothing),
    ]
}

/// Any bytes will do: a store cannot tell them from ciphertext.
fn sealed(number: u8) -> SealedDisclosure {
    let text = disclosure(
        Salt::from_bytes([number; 16]),
        "args.table",
        &crate::canonical::Value::Text(String::new()),
    );
    SealedDisclosure::new(commit(&text), vec![number, 0, 255, b'\'', number])
}

fn wrapped(by: u8, number: u8) -> WrappedKey {
    WrappedKey::new(DisclosureKeyId::from_bytes([by; 8]), vec![number, 0, 255])
}

fn ciphertexts<S: Store>(mut log: Log<S>) {
    let mut batch = log.batch(&[(b"a", Some(request(1)))]);
    batch.data_keys = vec![(request(1), wrapped(1, 1)), (request(2), wrapped(1, 2))];
    batch.disclosures = vec![
        (request(1), sealed(1)),
        (request(2), sealed(2)),
        (request(1), sealed(3)),
    ];
    log.commit(&batch);
    let mut batch = log.batch(&[(b"b", Some(request(1)))]);
    batch.disclosures = vec![(request(1), sealed(4))];
    log.commit(&batch);
    for (of, want) in [
        (
            1,
            Envelope::new(Some(wrapped(1, 1)), vec![sealed(1), sealed(3), sealed(4)]),
        ),
        (2, Envelope::new(Some(wrapped(1, 2)), vec![sealed(2)])),
        (3, Envelope::default()),
    ] {
        log.expect(
            "`disclosures`",
            |store| store.disclosures(request(of)),
            &want,
        );
    }
}

fn rewrapping<S: Store>(mut log: Log<S>) {
    let mut batch = log.batch(&[(b"a", Some(request(1)))]);
    batch.data_keys = vec![(request(1), wrapped(1, 1)), (request(2), wrapped(1, 2))];
    batch.disclosures = vec![(request(1), sealed(1))];
    log.commit(&batch);
    let mut batch = log.batch(&[(b"b", None)]);
    batch.data_keys = vec![(request(1), wrapped(2, 9))];
    log.commit(&batch);
    for (of, want) in [
        (1, Envelope::new(Some(wrapped(2, 9)), vec![sealed(1)])),
        (2, Envelope::new(Some(wrapped(1, 2)), Vec::new())),
    ] {
        log.expect(
            "`disclosures`",
            |store| store.disclosures(request(of)),
            &want,
        );
    }
}

fn keys_are_found_by_what_wraps_them<S: Store>(mut log: Log<S>) {
    let mut batch = log.batch(&[(b"a", Some(request(1)))]);
    batch.data_keys = (1..=3).map(|n| (request(n), wrapped(1, n))).collect();
    log.commit(&batch);
    // Wrapped anew without a record, as when the disclosure key is replaced, and one is erased.
    let mut batch = log.batch(&[]);
    batch.data_keys = vec![(request(2), wrapped(2, 9))];
    batch.erased = vec![request(3)];
    log.commit(&batch);
    for (by, limit, want) in [
        (1, 10, vec![(request(1), wrapped(1, 1))]),
        (2, 10, vec![(request(2), wrapped(2, 9))]),
        (2, 0, Vec::new()),
        (3, 10, Vec::new()),
    ] {
        let by = DisclosureKeyId::from_bytes([by; 8]);
        log.expect("`wrapped_by`", |store| store.wrapped_by(by, limit), &want);
    }
}

/// Two requests with something to erase.
fn two<S: Store>(log: &mut Log<S>) {
    let mut batch = log.batch(&[(b"a", Some(request(1))), (b"b", Some(request(2)))]);
    batch.data_keys = vec![(request(1), wrapped(1, 1)), (request(2), wrapped(1, 2))];
    batch.disclosures = vec![
        (request(1), sealed(1)),
        (request(2), sealed(2)),
        (request(1), sealed(3)),
    ];
    log.commit(&batch);
}

/// What is left of both, whichever way it is read.
fn left<S: Store>(log: &mut Log<S>, one: &Envelope, two: &Envelope) {
    for (of, want) in [(1, one), (2, two)] {
        log.expect(
            "`disclosures`",
            |store| store.disclosures(request(of)),
            want,
        );
        let reader = log.store.reader();
        if let Some(mut reader) = log.ok("`reader`", reader) {
            let found = reader.disclosures(request(of));
            let found = log.ok("`disclosures` of a reader", found);
            log.same("what a reader gives", &found, want);
        }
    }
}

/// A store may have no say over its bytes; saying so stops nothing.
fn scrub<S: Store>(log: &mut Log<S>) {
    let scrubbed = log.store.scrub(Duration::from_secs(1));
    let fatal = scrubbed.is_err_and(|error| error.is_fatal());
    log.holds(!fatal, "a `scrub` that cannot be done stops everything");
}

fn first() -> Envelope {
    Envelope::new(Some(wrapped(1, 1)), vec![sealed(1), sealed(3)])
}

fn second() -> Envelope {
    Envelope::new(Some(wrapped(1, 2)), vec![sealed(2)])
}

fn what_is_erased_is_gone<S: Store>(mut log: Log<S>) {
    two(&mut log);
    let mut batch = log.batch(&[(b"erased", Some(request(1)))]);
    batch.erased = vec![request(1)];
    log.commit(&batch);
    left(&mut log, &Envelope::default(), &second());
    scrub(&mut log);
    left(&mut log, &Envelope::default(), &second());
    // The records stay, and so does everything else of the request.
    let size = log.size();
    log.expect(
        "`records`",
        |store| store.records(0, 10).map(|found| found.len() as u64),
        &size,
    );
    log.expect(
        "`records_of`",
        |store| store.records_of(request(1)).map(|found| found.len()),
        &2,
    );
    // What is sealed afterwards is the only thing there.
    let mut batch = log.batch(&[(b"later", Some(request(1)))]);
    batch.data_keys = vec![(request(1), wrapped(2, 7))];
    batch.disclosures = vec![(request(1), sealed(7))];
    log.commit(&batch);
    let later = Envelope::new(Some(wrapped(2, 7)), vec![sealed(7)]);
    left(&mut log, &later, &second());
}

fn an_erasure_happens_with_its_commit<S: Store>(mut log: Log<S>) {
    two(&mut log);
    let mut batch = log.batch(&[(b"never", Some(request(1)))]);
    batch.erased = vec![request(1)];
    let begun = log.store.begin();
    log.ok("`begin`", begun);
    // Handed over only at the end, and then all of it.
    log.store.rollback();
    left(&mut log, &first(), &second());
    batch.erased = vec![request(1), request(2)];
    log.commit(&batch);
    left(&mut log, &Envelope::default(), &Envelope::default());
}

fn erasing_again_does_nothing<S: Store>(mut log: Log<S>) {
    two(&mut log);
    for round in 0..3 {
        let mut batch = log.batch(&[(b"erased", Some(request(1)))]);
        batch.erased = vec![request(1), request(9)];
        log.commit(&batch);
        left(&mut log, &Envelope::default(), &second());
        if round > 0 {
            scrub(&mut log);
        }
    }
    log.expect(
        "`disclosures`",
        |store| store.disclosures(request(9)),
        &Envelope::default(),
    );
}
