//! Promises to processes that share one store.

use std::time::{Duration, Instant};

use crate::ports::{Bell, Store};

use super::log::{Log, all_of, at, boot, request};
use super::outbox::{LEASE, tell};
use super::records::touch;

pub(super) fn one_transaction_at_a_time<S: Store>(mut log: Log<S>, mut other: S) {
    let begun = log.store.begin();
    log.ok("`begin`", begun);
    let since = Instant::now();
    match other.begin() {
        Ok(_) => log.holds(
            false,
            "a second `begin` got the lock while the first had it",
        ),
        Err(error) => log.holds(
            !error.is_fatal(),
            format_args!("waiting for the lock is no reason to stop for good: {error}"),
        ),
    }
    log.holds(
        since.elapsed() < Duration::from_secs(30),
        "a second `begin` waited longer than half a minute",
    );
    let batch = log.batch(&[(b"first", Some(request(1)))]);
    let committed = log.store.commit(&batch);
    log.ok("`commit`", committed);
    let begun = other.begin();
    let begun = log.ok(
        "the second `begin`, after the first transaction ended,",
        begun,
    );
    log.same("the head it gives", &all_of(&begun), &all_of(&batch.head));
    other.rollback();
}

pub(super) fn others_see_what_is_committed<S: Store>(mut log: Log<S>, mut other: S) {
    for round in 0..3_u8 {
        log.add(&[round], Some(request(round)));
        let head = other.head();
        log.same(
            "the head that others see",
            &all_of(&log.ok("`head`", head)),
            &all_of(&log.head),
        );
        let found = other.records(round.into(), 1);
        log.same(
            "how many records they find",
            &log.ok("`records`", found).len(),
            &1,
        );
        std::mem::swap(&mut log.store, &mut other);
    }
}

pub(super) fn a_look_finds_what_others_touched<S: Store>(mut log: Log<S>, mut other: S) {
    for round in 0..3_u8 {
        touch(&mut log, round);
        let from = u64::from(round);
        for (from, want) in [(from, vec![(request(round), from)]), (from + 1, Vec::new())] {
            let touched = other.touched(from);
            log.same(
                "what others find touched",
                &log.ok("`touched`", touched),
                &(want, log.size()),
            );
        }
    }
    std::mem::swap(&mut log.store, &mut other);
    touch(&mut log, 9);
    let touched = other.touched(3);
    log.same(
        "what others find touched",
        &log.ok("`touched`", touched),
        &(vec![(request(9), 3)], 4),
    );
}

pub(super) fn it_rings_when_others_write<S: Store>(mut log: Log<S>, mut other: S) {
    // A store that serves several processes listens only while one of them is announced.
    let announced = other.announce(boot(1));
    log.ok("`announce`", announced);
    let (rung, heard) = std::sync::mpsc::channel();
    let rings = other.ring(Bell::new(move |request| {
        // When the test is over nobody listens.
        let _ = rung.send(request);
    }));
    if !rings {
        return;
    }
    for round in 0..3_u8 {
        touch(&mut log, round);
        let first = heard.recv_timeout(Duration::from_secs(30));
        log.same("what it rings for", &first, &Ok(request(round)));
    }
}

pub(super) fn leases<S: Store>(mut log: Log<S>, mut other: S) {
    tell(&mut log, 1, |batch| {
        batch.channels = vec!["slack".to_owned()]
    });
    let channels = ["slack".to_owned()];
    let take = |store: &mut S, second| {
        let due = store.take_due(&channels, at(second), LEASE);
        due.map(|due| due.iter().map(|due| due.attempts).collect::<Vec<u32>>())
    };
    let (first, second, third) = (
        take(&mut log.store, 100),
        take(&mut other, 101),
        take(&mut other, 160),
    );
    log.same(
        "what the first takes",
        &log.ok("`take_due`", first),
        &vec![0],
    );
    log.same(
        "what the second takes meanwhile",
        &log.ok("`take_due`", second),
        &Vec::new(),
    );
    log.same(
        "what the second takes when the lease is over",
        &log.ok("`take_due`", third),
        &vec![1],
    );
}

pub(super) fn whoever_is_alive_is_not_gone<S: Store>(mut log: Log<S>, mut other: S) {
    let announced = log.store.announce(boot(1));
    log.ok("`announce`", announced);
    let announced = other.announce(boot(2));
    log.ok("`announce`", announced);
    let gone = other.is_gone(boot(1)) || log.store.is_gone(boot(2)) || other.is_gone(boot(2));
    log.holds(
        !gone,
        "a process that has announced itself and goes on is said to be gone",
    );
}
