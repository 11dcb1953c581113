//! Promises about what opens commitments: ciphertexts and wrapped keys.

use crate::digest::{Salt, commit, disclosure};
use crate::envelope::{DisclosureKeyId, Envelope, SealedDisclosure, WrappedKey};
use crate::ports::Store;

use super::Promise;
use super::log::{Log, request};

pub(super) fn promises<S: Store>() -> Vec<Promise<S>> {
    vec![
        ("ciphertexts come back exactly", ciphertexts),
        ("a data key is replaced by its newer wrapping", rewrapping),
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
