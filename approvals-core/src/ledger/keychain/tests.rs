//! What counts as a change of keys and what does not, in tables.

use super::super::NoteError;
use super::super::{Frontier, LedgerKey, Origin, leaf_hash, sign_note, signature_line};
use super::*;

fn log() -> Origin {
    "example.com/log".parse().unwrap()
}

fn key(name: char) -> LedgerKey {
    LedgerKey::from_seed(&[name as u8; 32]).unwrap()
}

fn vkey(name: char) -> VerifierKey {
    key(name).vkey(&log())
}

/// The recovery key of these logs.
const RECOVERY: char = 'R';

fn genesis(recovery: Option<VerifierKey>) -> LogEvent {
    LogEvent::Genesis {
        vkey: vkey('a'),
        recovery,
    }
}

/// The old key hands over to the new one, in this record.
fn rotation(old: char, new: char, seq: u64) -> LogEvent {
    let statement = KeyRotation::statement(&vkey(old), &vkey(new), seq).unwrap();
    let endorsement = key(old).sign(&statement).to_vec();
    LogEvent::KeyRotated(KeyRotation::new(vkey(old), vkey(new), endorsement))
}

/// The recovery key revokes a key as of this size, for the sake of another one.
fn revocation(old: char, good: u64, new: char) -> LogEvent {
    signed_revocation(RECOVERY, old, good, new)
}

fn signed_revocation(by: char, old: char, good: u64, new: char) -> LogEvent {
    let statement = KeyRevocation::statement(&vkey(old), good, &vkey(new)).unwrap();
    let endorsement = key(by).sign(&statement).to_vec();
    LogEvent::KeyRevoked(KeyRevocation::new(vkey(old), good, vkey(new), endorsement))
}

/// A log whose first key is `a`, and these changes, which count.
fn chain(changes: &[(u64, LogEvent)]) -> KeyChain {
    let mut chain = KeyChain::new(vkey('a'));
    chain.apply(0, &genesis(Some(vkey(RECOVERY)))).unwrap();
    for (seq, event) in changes {
        chain.apply(*seq, event).unwrap();
    }
    chain
}

/// A head of this size, with a line of each of these keys.
fn head(size: u64, by: &[char]) -> SignedCheckpoint {
    let mut frontier = Frontier::new();
    for seq in 0..size {
        frontier.push(leaf_hash(&seq.to_be_bytes()));
    }
    let root = frontier.root();
    let origin = log();
    let body = Checkpoint { origin, size, root }.body();
    let (first, rest) = by.split_first().unwrap();
    let line = |name: &char| key(*name).sign(body.as_bytes());
    let mut note = sign_note(&body, &log(), vkey(*first).id(), &line(first));
    for name in rest {
        note += &signature_line(&log(), vkey(*name).id(), &line(name));
    }
    SignedCheckpoint::parse(note).unwrap()
}

/// Every key, its records, and how it ended.
fn spans(chain: &KeyChain) -> Vec<(char, u64, Option<u64>, Option<KeyEnd>)> {
    let name = |vkey: &VerifierKey| ('a'..='z').find(|name| vkey == &self::vkey(*name)).unwrap();
    let span = |span: &KeySpan| (name(&span.vkey), span.from, span.to, span.end());
    chain.spans().map(span).collect()
}

/// Whose heads count at which sizes: for each size, the keys whose line alone makes it count.
fn check_heads(chain: &KeyChain, sizes: std::ops::RangeInclusive<u64>, expected: &[&str]) {
    for (size, expected) in sizes.zip(expected) {
        let counts = |name: &char| chain.verify(&head(size, &[*name])).is_ok();
        let names: String = ('a'..='e').filter(counts).collect();
        assert_eq!(&names, expected, "size {size}");
    }
}

/// A change that does not count: it is refused with this, and leaves everything as it is.
#[track_caller]
fn check_refused(chain: &KeyChain, seq: u64, event: &LogEvent, fault: &KeyFault) {
    let mut after = chain.clone();
    assert_eq!(after.apply(seq, event).as_ref(), Err(fault));
    assert_eq!(&after, chain, "{fault}");
    let text = fault.to_string();
    assert!(!text.ends_with('.') && !text.is_empty(), "{text}");
}

#[test]
fn one_key_signs_everything_until_it_hands_over() {
    let mut chain = chain(&[]);
    check_heads(&chain, 1..=9, &["a"; 9]);
    chain.apply(4, &rotation('a', 'b', 4)).unwrap();
    chain.apply(7, &rotation('b', 'c', 7)).unwrap();
    assert_eq!(
        spans(&chain),
        [
            ('a', 0, Some(4), Some(KeyEnd::Rotated { at: 4 })),
            ('b', 4, Some(7), Some(KeyEnd::Rotated { at: 7 })),
            ('c', 7, None, None),
        ]
    );
    assert_eq!(chain.records(), [0, 4, 7]);
    assert_eq!((chain.genesis(), chain.current()), (&vkey('a'), &vkey('c')));
    check_heads(
        &chain,
        1..=9,
        &["a", "a", "a", "a", "b", "b", "b", "c", "c"],
    );
    // The head that covers the change carries both lines, and anybody who still holds the old key can check it.
    let covering = head(5, &['a', 'b']);
    assert!(chain.verify(&covering).is_ok() && covering.verify(&vkey('a')).is_ok());
}

#[test]
fn only_the_key_in_force_hands_over_and_only_to_a_new_key() {
    let chain = chain(&[(4, rotation('a', 'b', 4))]);
    let id = |name| vkey(name).id();
    let current = id('b');
    let not_in_force = |old| KeyFault::NotInForce {
        old: id(old),
        current,
    };
    check_refused(&chain, 7, &rotation('x', 'y', 7), &not_in_force('x'));
    check_refused(&chain, 7, &rotation('a', 'c', 7), &not_in_force('a'));
    for new in ['a', 'b', RECOVERY] {
        let reused = KeyFault::Reused { new: id(new) };
        check_refused(&chain, 7, &rotation('b', new, 7), &reused);
    }
    let forged = KeyFault::Endorsement {
        new: id('c'),
        by: current,
    };
    let with = |endorsement: Vec<u8>| {
        LogEvent::KeyRotated(KeyRotation::new(vkey('b'), vkey('c'), endorsement))
    };
    let good = KeyRotation::statement(&vkey('b'), &vkey('c'), 7).unwrap();
    let other = KeyRotation::statement(&vkey('b'), &vkey('d'), 7).unwrap();
    let revoking = KeyRevocation::statement(&vkey('b'), 7, &vkey('c')).unwrap();
    for endorsement in [
        Vec::new(),
        vec![0; 64],
        key('c').sign(&good).to_vec(),
        key('a').sign(&good).to_vec(),
        key(RECOVERY).sign(&good).to_vec(),
        key('b').sign(&other).to_vec(),
        key('b').sign(&revoking).to_vec(),
        key('b')
            .sign(head(7, &['b']).claim().body().as_bytes())
            .to_vec(),
    ] {
        check_refused(&chain, 7, &with(endorsement), &forged);
    }
    // Signed for one place, it fits no other.
    check_refused(&chain, 8, &rotation('b', 'c', 7), &forged);
    // A key of another log is no key of this one.
    let foreign = key('c').vkey(&"example.com/other".parse().unwrap());
    let foreign = KeyRotation::new(vkey('b'), foreign, vec![0; 64]);
    let mut after = chain.clone();
    let refused = after.apply(7, &LogEvent::KeyRotated(foreign));
    assert!(
        matches!(refused, Err(KeyFault::Note(NoteError::OtherLog { .. }))),
        "{refused:?}"
    );
    assert_eq!(after, chain);
}

#[test]
fn a_log_begins_once_and_with_the_pinned_key() {
    let empty = KeyChain::new(vkey('a'));
    let other = LogEvent::Genesis {
        vkey: vkey('x'),
        recovery: None,
    };
    let genesis_fault = |found| KeyFault::Genesis {
        pinned: vkey('a').id(),
        found: vkey(found).id(),
    };
    check_refused(&empty, 0, &other, &genesis_fault('x'));
    let foreign = key(RECOVERY).vkey(&"example.com/other".parse().unwrap());
    for recovery in [vkey('a'), foreign] {
        check_refused(&empty, 0, &genesis(Some(recovery)), &KeyFault::Recovery);
    }
    // A second beginning cannot bring in another recovery key.
    let begun = chain(&[]);
    check_refused(&begun, 3, &genesis(Some(vkey('x'))), &genesis_fault('a'));
}

#[test]
fn a_revoked_key_counts_up_to_what_was_good() {
    let chain = chain(&[(4, rotation('a', 'b', 4)), (9, revocation('b', 6, 'c'))]);
    let revoked = KeyEnd::Revoked {
        at: 9,
        last_good_size: 6,
    };
    assert_eq!(
        spans(&chain),
        [
            ('a', 0, Some(4), Some(KeyEnd::Rotated { at: 4 })),
            ('b', 4, Some(9), Some(revoked)),
            ('c', 9, None, None),
        ]
    );
    check_heads(
        &chain,
        1..=11,
        &["a", "a", "a", "a", "b", "b", "", "", "", "c", "c"],
    );
    assert_eq!(
        chain.verify(&head(7, &['b'])),
        Err(KeyFault::Untrusted {
            vkey: vkey('b').id(),
            size: 7,
            at: 9
        })
    );
}

#[test]
fn what_a_revoked_key_signed_in_never_counted() {
    // Whoever stole `a` hands over to `b`, and that to `c`; the owner comes back with `d`.
    let stolen = [(5, rotation('a', 'b', 5)), (7, rotation('b', 'c', 7))];
    let void = Some(KeyEnd::Void { at: 9 });
    for good in [3, 4, 5] {
        let chain = chain(&[&stolen[..], &[(9, revocation('a', good, 'd'))]].concat());
        let revoked = KeyEnd::Revoked {
            at: 9,
            last_good_size: good,
        };
        assert_eq!(
            spans(&chain),
            [
                ('a', 0, Some(5), Some(revoked)),
                ('b', 5, Some(7), void),
                ('c', 7, Some(9), void),
                ('d', 9, None, None),
            ]
        );
        let sized = |size| if size <= good { "a" } else { "" };
        check_heads(&chain, 1..=9, &(1..=9).map(sized).collect::<Vec<_>>());
        check_heads(&chain, 10..=10, &["d"]);
    }
    // From the first size that covers the hand-over on, it was the owner's.
    let kept = chain(&[&stolen[..], &[(9, revocation('a', 6, 'c'))]].concat());
    assert_eq!(kept.current(), &vkey('c'));
    check_heads(&kept, 4..=8, &["a", "a", "b", "b", "c"]);
}

#[test]
fn a_key_that_leaks_after_its_time_takes_nothing_with_it() {
    let mut chain = chain(&[(4, rotation('a', 'b', 4))]);
    let unaffected = KeyFault::Unaffected {
        current: vkey('b').id(),
    };
    check_refused(&chain, 9, &revocation('a', 5, 'c'), &unaffected);
    chain.apply(9, &revocation('a', 5, 'b')).unwrap();
    assert_eq!(chain.current(), &vkey('b'));
    check_heads(&chain, 1..=6, &["a", "a", "a", "a", "b", "b"]);
    // Later it turns out that it had leaked before: then its successor falls, too.
    let reused = KeyFault::Reused {
        new: vkey('b').id(),
    };
    check_refused(&chain, 11, &revocation('a', 3, 'b'), &reused);
    chain.apply(11, &revocation('a', 3, 'c')).unwrap();
    check_heads(&chain, 1..=6, &["a", "a", "a", "", "", ""]);
    assert_eq!(chain.current(), &vkey('c'));
    // What the recovery key signed in stands, whatever else is revoked.
    chain.apply(13, &revocation('a', 2, 'c')).unwrap();
    check_heads(&chain, 1..=4, &["a", "a", "", ""]);
    check_heads(&chain, 12..=14, &["c", "c", "c"]);
}

#[test]
fn only_the_recovery_key_revokes_and_only_what_there_is() {
    let with = chain(&[(4, rotation('a', 'b', 4))]);
    for by in ['a', 'b', 'c', 'x'] {
        let forged = KeyFault::Endorsement {
            new: vkey('c').id(),
            by: vkey(RECOVERY).id(),
        };
        let event = signed_revocation(by, 'b', 6, 'c');
        check_refused(&with, 9, &event, &forged);
    }
    let mut without = KeyChain::new(vkey('a'));
    without.apply(0, &genesis(None)).unwrap();
    let event = revocation('a', 0, 'c');
    check_refused(&without, 9, &event, &KeyFault::NoRecovery);
    let stranger = KeyFault::Stranger {
        vkey: vkey('x').id(),
    };
    check_refused(&with, 9, &revocation('x', 6, 'c'), &stranger);
    for good in [0, 3, 10, u64::from(u32::MAX)] {
        let out = KeyFault::LastGood {
            vkey: vkey('b').id(),
            from: 4,
            size: 9,
        };
        check_refused(&with, 9, &revocation('b', good, 'c'), &out);
    }
    for new in ['a', 'b', RECOVERY] {
        let reused = KeyFault::Reused {
            new: vkey(new).id(),
        };
        check_refused(&with, 9, &revocation('b', 6, new), &reused);
    }
    // What was good may shrink later and never grows.
    let revoked = chain(&[(4, rotation('a', 'b', 4)), (9, revocation('b', 6, 'c'))]);
    let raised = KeyFault::LastGood {
        vkey: vkey('b').id(),
        from: 4,
        size: 6,
    };
    check_refused(&revoked, 12, &revocation('b', 7, 'c'), &raised);
    let mut revoked = revoked;
    revoked.apply(12, &revocation('b', 5, 'c')).unwrap();
    check_heads(&revoked, 5..=6, &["b", ""]);
}

#[test]
fn the_exact_bytes_of_the_statements() {
    let (a, b) = (vkey('a'), vkey('b'));
    let rotation = KeyRotation::statement(&a, &b, 7).unwrap();
    let expected = format!(
        "approvals/key-rotation/v1\0{{\"log\":\"example.com/log\",\"new_vkey\":\"{b}\",\"old_vkey\":\"{a}\",\"size\":7}}"
    );
    assert_eq!(String::from_utf8(rotation).unwrap(), expected);
    let revocation = KeyRevocation::statement(&a, 7, &b).unwrap();
    let expected = format!(
        "approvals/key-revocation/v1\0{{\"last_good_size\":7,\"log\":\"example.com/log\",\"new_vkey\":\"{b}\",\"vkey\":\"{a}\"}}"
    );
    assert_eq!(String::from_utf8(revocation).unwrap(), expected);
}
