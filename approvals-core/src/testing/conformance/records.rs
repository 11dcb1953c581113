//! Promises about records, the head, and looking.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::envelope::Envelope;
use crate::ledger::{Hash, StoredRecord, leaf_hash};
use crate::ports::{Filter, Reader, Store};
use crate::request::IdempotencyKey;

use super::Promise;
use super::log::{Log, all_of, at, boot, plain, request};

/// Where a reading begins, and how much of it is wanted.
const RANGES: [(u64, usize); 10] = [
    (0, 1_000),
    (0, 1),
    (0, 0),
    (3, 50),
    (103, 2),
    (303, 5),
    (304, 5),
    (9_999, 5),
    (0, usize::MAX),
    (u64::MAX, 1),
];

pub(super) fn promises<S: Store>() -> Vec<Promise<S>> {
    vec![
        ("a new store is empty", a_new_store_is_empty),
        ("what is committed is there", what_is_committed_is_there),
        (
            "what is rolled back is not there",
            what_is_rolled_back_is_not_there,
        ),
        (
            "the bytes of a record come back exactly",
            bytes_come_back_exactly,
        ),
        (
            "records come in order and without gaps",
            records_come_in_order,
        ),
        ("leaf hashes come without the bytes", leaves_come_alone),
        (
            "the roots of subtrees come back exactly",
            subtrees_come_back_exactly,
        ),
        ("records are only added", records_are_only_added),
        (
            "the records of one request are found",
            records_of_one_request,
        ),
        (
            "records about the log itself are found",
            records_about_the_log,
        ),
        ("the head comes back exactly", the_head_comes_back_exactly),
        (
            "a look finds what was touched",
            a_look_finds_what_was_touched,
        ),
        (
            "a second way in sees what is committed",
            a_reader_sees_what_is_committed,
        ),
    ]
}

fn a_new_store_is_empty<S: Store>(mut log: Log<S>) {
    let nothing = all_of(&log.head);
    log.expect(
        "`head`",
        |store| store.head().map(|head| all_of(&head)),
        &nothing,
    );
    log.expect(
        "`records`",
        |store| store.records(0, 10).map(|found| found.len()),
        &0,
    );
    log.expect("`leaves`", |store| store.leaves(0, 10), &Vec::new());
    log.expect("`subtrees`", |store| store.subtrees(8, 0, 10), &Vec::new());
    log.expect(
        "`records_of`",
        |store| store.records_of(request(1)).map(|found| found.len()),
        &0,
    );
    log.expect(
        "`disclosures`",
        |store| store.disclosures(request(1)),
        &Envelope::default(),
    );
    log.expect(
        "`requests`",
        |store| store.requests(&Filter::all()).map(|found| found.len()),
        &0,
    );
    log.expect(
        "`overdue`",
        |store| store.overdue(at(1_000), 10),
        &Vec::new(),
    );
    log.expect("`running`", |store| store.running(), &Vec::new());
    log.expect("`touched`", |store| store.touched(0), &(Vec::new(), 0));
    log.expect("`backlogs`", |store| store.backlogs(), &Vec::new());
    let key = IdempotencyKey::from_bytes([1; 32]);
    log.expect("`by_key`", |store| store.by_key(&key), &None);
    log.expect(
        "`count`",
        |store| store.count("counter", Timestamp::from_micros(0)),
        &0,
    );
    let channels = ["slack".to_owned()];
    let minute = std::time::Duration::from_secs(60);
    log.expect(
        "`take_due`",
        |store| store.take_due(&channels, at(1_000), minute),
        &Vec::new(),
    );
    let announced = log.store.announce(boot(1));
    log.ok("`announce`", announced);
    let gone = log.store.is_gone(boot(1));
    log.holds(
        !gone,
        "a process that has just announced itself is said to be gone",
    );
}

fn what_is_committed_is_there<S: Store>(mut log: Log<S>) {
    for round in 0..3_u8 {
        let begun = log.store.begin();
        let begun = log.ok("`begin`", begun);
        log.same(
            "the head that `begin` gives",
            &all_of(&begun),
            &all_of(&log.head),
        );
        let batch = log.batch(&[(&[round], Some(request(round))), (&[round, round], None)]);
        // Nothing of a transaction is there before it is committed.
        let size = log.size();
        log.expect(
            "`records`",
            |store| store.records(size, 10).map(|found| found.len()),
            &0,
        );
        let committed = log.store.commit(&batch);
        log.ok("`commit`", committed);
        log.head = batch.head.clone();
        let written: Vec<_> = batch
            .records
            .iter()
            .map(|(stored, _)| stored.clone())
            .collect();
        log.expect(
            "`records`",
            |store| store.records(size, 10).map(|found| plain(&found)),
            &plain(&written),
        );
        let head = all_of(&log.head);
        log.expect(
            "`head`",
            |store| store.head().map(|head| all_of(&head)),
            &head,
        );
    }
}

fn what_is_rolled_back_is_not_there<S: Store>(mut log: Log<S>) {
    log.add(b"kept", Some(request(1)));
    let head = all_of(&log.head);
    for _ in 0..2 {
        let begun = log.store.begin();
        log.ok("`begin`", begun);
        log.store.rollback();
        log.expect(
            "`head`",
            |store| store.head().map(|head| all_of(&head)),
            &head,
        );
        log.expect(
            "`records`",
            |store| store.records(0, 10).map(|found| found.len()),
            &1,
        );
    }
    // A rollback of nothing is nothing, and the next transaction is not in its way.
    log.store.rollback();
    log.add(b"kept, too", Some(request(1)));
    log.expect(
        "`records`",
        |store| store.records(0, 10).map(|found| found.len()),
        &2,
    );
}

fn bytes_come_back_exactly<S: Store>(mut log: Log<S>) {
    let long = vec![0xE2; crate::ledger::MAX_RECORD];
    let every: Vec<u8> = (0..=255).collect();
    let texts: [&[u8]; 6] = [
        b"",
        b"\0",
        b"{\"a\":1}\n ",
        &every,
        &long,
        "ü\u{0}\u{202e}".as_bytes(),
    ];
    let batch = log.batch(&texts.map(|bytes| (bytes, Some(request(1)))));
    log.commit(&batch);
    let written: Vec<_> = batch
        .records
        .iter()
        .map(|(stored, _)| stored.clone())
        .collect();
    log.expect(
        "`records`",
        |store| store.records(0, 10).map(|found| plain(&found)),
        &plain(&written),
    );
    log.expect(
        "`records_of`",
        |store| store.records_of(request(1)).map(|found| plain(&found)),
        &plain(&written),
    );
}

fn records_come_in_order<S: Store>(mut log: Log<S>) {
    let mut written = Vec::new();
    for width in [1, 2, 100, 1, 200] {
        let bytes: Vec<[u8; 8]> = (log.size()..).take(width).map(u64::to_be_bytes).collect();
        let records: Vec<_> = bytes.iter().map(|bytes| (bytes.as_slice(), None)).collect();
        let batch = log.batch(&records);
        log.commit(&batch);
        written.extend(batch.records.into_iter().map(|(stored, _)| stored));
    }
    for (from, limit) in RANGES {
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let want: Vec<StoredRecord> = written.iter().skip(skip).take(limit).cloned().collect();
        let what = format!("`records({from}, {limit})`");
        log.expect(
            &what,
            |store| store.records(from, limit).map(|found| plain(&found)),
            &plain(&want),
        );
    }
}

fn leaves_come_alone<S: Store>(mut log: Log<S>) {
    let mut leaves = Vec::new();
    for width in [1, 300, 2] {
        let bytes: Vec<[u8; 8]> = (log.size()..).take(width).map(u64::to_be_bytes).collect();
        let records: Vec<_> = bytes.iter().map(|bytes| (bytes.as_slice(), None)).collect();
        let batch = log.batch(&records);
        log.commit(&batch);
        leaves.extend(batch.records.iter().map(|(stored, _)| stored.leaf));
    }
    for (from, limit) in RANGES {
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let want: Vec<Hash> = leaves.iter().skip(skip).take(limit).copied().collect();
        let what = format!("`leaves({from}, {limit})`");
        log.expect(&what, |store| store.leaves(from, limit), &want);
    }
}

fn subtrees_come_back_exactly<S: Store>(mut log: Log<S>) {
    let mut written: BTreeMap<u8, Vec<Hash>> = BTreeMap::new();
    for round in 0..6_u64 {
        let bytes: Vec<[u8; 8]> = (log.size()..).take(200).map(u64::to_be_bytes).collect();
        let records: Vec<_> = bytes.iter().map(|bytes| (bytes.as_slice(), None)).collect();
        let mut batch = log.batch(&records);
        // A tree of this size has no such subtrees; a store keeps what it is given.
        for level in [16, 24, 56] {
            let hash = leaf_hash(&[level, round.to_be_bytes()[7]]);
            batch.subtrees.push((level, round, hash));
        }
        log.commit(&batch);
        for (level, _, hash) in &batch.subtrees {
            written.entry(*level).or_default().push(*hash);
        }
    }
    for level in [0, 8, 16, 24, 32, 56] {
        let all = written.remove(&level).unwrap_or_default();
        for (from, limit) in RANGES.into_iter().chain([(1, 2), (3, 1)]) {
            let skip = usize::try_from(from).unwrap_or(usize::MAX);
            let want: Vec<Hash> = all.iter().skip(skip).take(limit).copied().collect();
            let what = format!("`subtrees({level}, {from}, {limit})`");
            log.expect(&what, |store| store.subtrees(level, from, limit), &want);
        }
    }
}

fn records_are_only_added<S: Store>(mut log: Log<S>) {
    log.add(b"first", None);
    log.add(b"second", None);
    let before = log.store.records(0, 2);
    let before = plain(&log.ok("`records`", before));
    // A batch that would replace the first record; refusing it is right, and so is ignoring it.
    let mut batch = log.batch(&[]);
    batch.records.push((
        StoredRecord::new(0, leaf_hash(b"other"), b"other".to_vec()),
        None,
    ));
    let begun = log.store.begin();
    log.ok("`begin`", begun);
    if let Err(error) = log.store.commit(&batch) {
        log.holds(
            !error.is_fatal(),
            format_args!("a batch that does not fit is no reason to stop for good: {error}"),
        );
        log.add(b"third", None);
    }
    log.expect(
        "`records`",
        |store| store.records(0, 2).map(|found| plain(&found)),
        &before,
    );
}

fn records_of_one_request<S: Store>(mut log: Log<S>) {
    let (one, two) = (Some(request(1)), Some(request(2)));
    log.commit(&log.batch(&[(b"0", one), (b"1", two), (b"2", None), (b"3", one)]));
    log.commit(&log.batch(&[(b"4", two), (b"5", one)]));
    for (number, want) in [(1, vec![0, 3, 5]), (2, vec![1, 4]), (3, vec![])] {
        let what = format!("`records_of` request {number}");
        let numbers =
            |found: Vec<StoredRecord>| found.iter().map(|stored| stored.seq).collect::<Vec<u64>>();
        log.expect(
            &what,
            |store| store.records_of(request(number)).map(numbers),
            &want,
        );
    }
}

fn records_about_the_log<S: Store>(mut log: Log<S>) {
    let one = Some(request(1));
    log.commit(&log.batch(&[(b"0", None), (b"1", None), (b"2", one), (b"3", None)]));
    log.commit(&log.batch(&[(b"4", one), (b"5", None)]));
    for (before, limit, want) in [
        (6, 9, vec![5, 3, 1, 0]),
        (5, 9, vec![3, 1, 0]),
        (3, 1, vec![1]),
        (0, 9, vec![]),
        (u64::MAX, 2, vec![5, 3]),
        (6, 0, vec![]),
    ] {
        let what = format!("`log_records({before}, {limit})`");
        let numbers =
            |found: Vec<StoredRecord>| found.iter().map(|stored| stored.seq).collect::<Vec<u64>>();
        log.expect(
            &what,
            |store| store.log_records(before, limit).map(numbers),
            &want,
        );
    }
}

fn the_head_comes_back_exactly<S: Store>(mut log: Log<S>) {
    for round in 0..4_u8 {
        let mut batch = log.batch(&[(b"a", None), (b"b", None), (b"c", None)]);
        if round % 2 == 1 {
            batch.head.note = None;
            batch.head.policy = None;
        }
        log.commit(&batch);
        let head = all_of(&log.head);
        log.expect(
            "`head`",
            |store| store.head().map(|head| all_of(&head)),
            &head,
        );
    }
    // A step may change no record at all, and still must be kept.
    let mut batch = log.batch(&[]);
    batch.head.note = Some("\u{2014} log.example AAAA\n\n\u{2014} another\n".to_owned());
    log.commit(&batch);
    let head = all_of(&log.head);
    log.expect(
        "`head`",
        |store| store.head().map(|head| all_of(&head)),
        &head,
    );
}

fn a_look_finds_what_was_touched<S: Store>(mut log: Log<S>) {
    touch(&mut log, 1);
    touch(&mut log, 2);
    touch(&mut log, 1);
    look(&mut log, 0, &[(1, 2), (2, 1)]);
    look(&mut log, 2, &[(1, 2)]);
    for _ in 0..3 {
        look(&mut log, 3, &[]);
    }
    touch(&mut log, 2);
    look(&mut log, 3, &[(2, 3)]);
    look(&mut log, 4, &[]);
    // An earlier place may be asked for again.
    look(&mut log, 1, &[(1, 2), (2, 3)]);
    log.add(b"of no request", None);
    look(&mut log, 4, &[]);
}

/// One more record of a request, with its row.
pub(super) fn touch<S: Store>(log: &mut Log<S>, number: u8) {
    let mut row = super::log::row(number);
    row.last_seq = log.size();
    log.put(&[row]);
}

fn look<S: Store>(log: &mut Log<S>, from: u64, want: &[(u8, u64)]) {
    let want: Vec<_> = want
        .iter()
        .map(|(number, seq)| (request(*number), *seq))
        .collect();
    let size = log.size();
    let look = |reader: &mut dyn Reader| {
        reader.touched(from).map(|(mut touched, size)| {
            touched.sort();
            (touched, size)
        })
    };
    log.expect(
        &format!("`touched({from})`"),
        |store| look(store),
        &(want, size),
    );
}

fn a_reader_sees_what_is_committed<S: Store>(mut log: Log<S>) {
    let reader = log.store.reader();
    let Some(mut reader) = log.ok("`reader`", reader) else {
        return;
    };
    log.add(b"first", Some(request(1)));
    let begun = log.store.begin();
    log.ok("`begin`", begun);
    for _ in 0..2 {
        // While a transaction is open, too, and without waiting for it.
        let head = reader.head();
        log.same(
            "the head of the second way in",
            &all_of(&log.ok("`head`", head)),
            &all_of(&log.head),
        );
        let touched = reader.touched(0);
        log.same(
            "what it finds touched",
            &log.ok("`touched`", touched),
            &(vec![(request(1), 0)], 1),
        );
    }
    let batch = log.batch(&[(b"second", Some(request(2)))]);
    let committed = log.store.commit(&batch);
    log.ok("`commit`", committed);
    let touched = reader.touched(1);
    log.same(
        "what it finds touched",
        &log.ok("`touched`", touched),
        &(vec![(request(2), 1)], 2),
    );
    let found = reader.records_of(request(2));
    log.same(
        "how many records it finds",
        &log.ok("`records_of`", found).len(),
        &1,
    );
    let head = reader.head();
    log.same(
        "the head of the second way in",
        &all_of(&log.ok("`head`", head)),
        &all_of(&batch.head),
    );
}
