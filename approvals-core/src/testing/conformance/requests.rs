//! Promises about requests: rows, keys, deadlines, counters.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::id::AgentId;
use crate::ports::{Counted, Filter, RequestRow, Store};
use crate::request::{IdempotencyKey, Status};

use super::Promise;
use super::log::{Log, agent, at, boot, fields, request, row};

const EVERY: [Status; 6] = [
    Status::Pending,
    Status::Approved,
    Status::Denied,
    Status::Expired,
    Status::Cancelled,
    Status::Failed,
];

pub(super) fn promises<S: Store>() -> Vec<Promise<S>> {
    vec![
        ("a row is replaced by its newer state", rows_are_replaced),
        (
            "a listing shows what it is asked for, newest first",
            listings,
        ),
        (
            "what waits for its review is found, agent by agent",
            what_waits_for_its_review_is_found,
        ),
        ("a key finds the newest request", a_key_finds_the_newest),
        (
            "what is out of time or running is found",
            overdue_and_running,
        ),
        ("counters sum up in a window", counters),
    ]
}

fn rows_are_replaced<S: Store>(mut log: Log<S>) {
    let mut changing = row(1);
    changing.key = Some(IdempotencyKey::from_bytes([9; 32]));
    for (place, status) in EVERY.into_iter().enumerate() {
        changing.status = status;
        changing.deadline = (place % 2 == 0).then(|| at(500));
        changing.due = (place % 3 == 1).then(|| at(400));
        changing.running = (place % 3 == 0).then(|| boot(7));
        changing.unreviewed = place % 2 == 1;
        changing.last_seq = log.size();
        log.put(std::slice::from_ref(&changing));
        let want = vec![fields(&changing)];
        log.expect(
            "`requests`",
            |store| {
                store
                    .requests(&Filter::all())
                    .map(|rows| rows.iter().map(fields).collect())
            },
            &want,
        );
    }
    // Two states of two requests in one batch.
    let mut batch = log.batch(&[(b"a", Some(request(1))), (b"b", Some(request(2)))]);
    batch.requests = vec![changing.clone(), row(2)];
    log.commit(&batch);
    let want = vec![fields(&row(2)), fields(&changing)];
    log.expect(
        "`requests`",
        |store| {
            store
                .requests(&Filter::all())
                .map(|rows| rows.iter().map(fields).collect())
        },
        &want,
    );
}

fn listings<S: Store>(mut log: Log<S>) {
    for (number, status) in (1..).zip(EVERY.into_iter().chain(EVERY)) {
        log.put(&[RequestRow {
            status,
            ..row(number)
        }]);
    }
    // A change of an old request does not make it a new one.
    log.put(&[RequestRow {
        status: Status::Pending,
        ..row(2)
    }]);
    let ids = |rows: Vec<RequestRow>| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    for (status, limit, want) in [
        (None, 4, vec![12, 11, 10, 9]),
        (None, 0, vec![]),
        (Some(Status::Pending), 200, vec![7, 2, 1]),
        (Some(Status::Pending), 2, vec![7, 2]),
        (Some(Status::Approved), 200, vec![8]),
        (Some(Status::Failed), 200, vec![12, 6]),
    ] {
        let filter = Filter {
            status,
            limit,
            ..Filter::all()
        };
        let want: Vec<_> = want.into_iter().map(request).collect();
        log.expect(
            &format!("`requests` by {filter:?}"),
            |store| store.requests(&filter).map(ids),
            &want,
        );
    }
    // Page by page, also behind a request that no longer stands so.
    for (status, before, want) in [
        (None, 12, vec![11, 10]),
        (None, 3, vec![2, 1]),
        (None, 1, vec![]),
        (None, 99, vec![]),
        (Some(Status::Pending), 7, vec![2, 1]),
        (Some(Status::Pending), 8, vec![7, 2]),
    ] {
        let filter = Filter {
            status,
            before: Some(request(before)),
            limit: 2,
            ..Filter::all()
        };
        let want: Vec<_> = want.into_iter().map(request).collect();
        log.expect(
            &format!("`requests` by {filter:?}"),
            |store| store.requests(&filter).map(ids),
            &want,
        );
    }
}

fn what_waits_for_its_review_is_found<S: Store>(mut log: Log<S>) {
    let ids = |rows: Vec<RequestRow>| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    let open = |number: u8, agent: &AgentId| RequestRow {
        unreviewed: true,
        status: Status::Approved,
        agent: agent.clone(),
        ..row(number)
    };
    let (bot, other) = (row(0).agent, agent("other-bot"));
    log.put(&[row(1), open(2, &bot), open(3, &other), open(4, &bot)]);
    let find = |log: &mut Log<S>, agent: Option<&AgentId>, limit, want: &[u8]| {
        let filter = Filter {
            agent: agent.cloned(),
            limit,
            ..Filter::unreviewed()
        };
        let want: Vec<_> = want.iter().copied().map(request).collect();
        log.expect(
            &format!("`requests` by {filter:?}"),
            |store| store.requests(&filter).map(ids),
            &want,
        );
    };
    find(&mut log, None, 200, &[4, 3, 2]);
    find(&mut log, Some(&bot), 200, &[4, 2]);
    find(&mut log, Some(&bot), 1, &[4]);
    find(&mut log, Some(&other), 200, &[3]);
    find(&mut log, Some(&agent("nobody")), 200, &[]);
    // Reviewed.
    log.put(&[RequestRow {
        unreviewed: false,
        ..open(4, &bot)
    }]);
    find(&mut log, Some(&bot), 200, &[2]);
    let begun = log.store.begin();
    log.ok("`begin`", begun);
    find(&mut log, Some(&bot), 200, &[2]);
    log.store.rollback();
    let by_agent = Filter {
        agent: Some(other),
        ..Filter::all()
    };
    let want = vec![request(3)];
    log.expect(
        "`requests` of one agent",
        |store| store.requests(&by_agent).map(ids),
        &want,
    );
}

fn a_key_finds_the_newest<S: Store>(mut log: Log<S>) {
    let (key, other) = (
        IdempotencyKey::from_bytes([1; 32]),
        IdempotencyKey::from_bytes([2; 32]),
    );
    let keyed = |number, key| RequestRow {
        key: Some(key),
        ..row(number)
    };
    log.put(&[keyed(1, key)]);
    log.expect("`by_key`", |store| store.by_key(&key), &Some(request(1)));
    log.put(&[keyed(2, key), keyed(3, other)]);
    log.expect("`by_key`", |store| store.by_key(&key), &Some(request(2)));
    // A late word on the older request does not bring it back.
    log.put(&[RequestRow {
        status: Status::Expired,
        ..keyed(1, key)
    }]);
    log.expect(
        "`by_key` after a change of the older request",
        |store| store.by_key(&key),
        &Some(request(2)),
    );
    let begun = log.store.begin();
    log.ok("`begin`", begun);
    log.expect(
        "`by_key` in a transaction",
        |store| store.by_key(&other),
        &Some(request(3)),
    );
    log.store.rollback();
}

fn overdue_and_running<S: Store>(mut log: Log<S>) {
    let due = |number, second| RequestRow {
        due: Some(at(second)),
        // Not what is asked for.
        deadline: Some(at(1)),
        ..row(number)
    };
    log.put(&[due(1, 300), due(2, 100), due(3, 200), row(4)]);
    for (second, limit, want) in [
        (99, 10, vec![]),
        (100, 10, vec![2]),
        (250, 10, vec![2, 3]),
        (900, 2, vec![2, 3]),
        (900, 10, vec![2, 3, 1]),
    ] {
        let want: Vec<_> = want.into_iter().map(request).collect();
        log.expect(
            &format!("`overdue` at second {second}"),
            |store| store.overdue(at(second), limit),
            &want,
        );
    }
    log.put(&[
        RequestRow {
            running: Some(boot(5)),
            ..row(2)
        },
        due(3, 950),
    ]);
    log.expect(
        "`overdue`",
        |store| store.overdue(at(900), 10),
        &vec![request(1)],
    );
    log.expect(
        "`running`",
        |store| store.running(),
        &vec![(request(2), boot(5))],
    );
    log.put(&[row(2)]);
    log.expect("`running`", |store| store.running(), &Vec::new());
}

fn counters<S: Store>(mut log: Log<S>) {
    let raise = |log: &mut Log<S>, counted: &[(&str, u64, u64)]| {
        let mut batch = log.batch(&[(b"counted", None)]);
        batch.counted = counted
            .iter()
            .map(|(counter, second, amount)| Counted::new(*counter, at(*second), *amount))
            .collect();
        log.commit(&batch);
    };
    raise(&mut log, &[("a", 10, 1), ("b", 10, 1)]);
    // Twice at one time, and once more in a later batch.
    raise(&mut log, &[("a", 20, 1), ("a", 20, 1)]);
    raise(&mut log, &[("a", 30, 1), ("a/b", 30, 1)]);
    raise(&mut log, &[("sum", 10, 40), ("sum", 10, 2)]);
    raise(&mut log, &[("sum", 20, 0), ("sum", 30, 8), ("sum", 10, 3)]);
    let large = 1 << 53;
    raise(&mut log, &[("large", 10, large), ("large", 20, large)]);
    for (counter, since, want) in [
        ("a", 0, 4),
        ("a", 9, 4),
        ("a", 10, 3),
        ("a", 19, 3),
        ("a", 20, 1),
        ("a", 30, 0),
        ("b", 0, 1),
        ("a/b", 0, 1),
        ("c", 0, 0),
        ("A", 0, 0),
        ("sum", 0, 53),
        ("sum", 10, 8),
        ("sum", 20, 8),
        ("sum", 30, 0),
        ("large", 0, 2 * large),
    ] {
        log.expect(
            &format!("`count` of `{counter}` after second {since}"),
            |store| store.count(counter, at(since)),
            &want,
        );
    }
    raised(&mut log);
    let begun = log.store.begin();
    log.ok("`begin`", begun);
    log.expect(
        "`count` in a transaction",
        |store| store.count("a", at(10)),
        &3,
    );
    log.store.rollback();
}

/// A store may tell of several raises at one time together or apart.
fn raised<S: Store>(log: &mut Log<S>) {
    for (counter, since, want) in [
        ("a", 0, vec![(10, 1), (20, 2), (30, 1)]),
        ("a", 10, vec![(20, 2), (30, 1)]),
        ("a", 30, Vec::new()),
        ("sum", 9, vec![(10, 45), (20, 0), (30, 8)]),
        ("c", 0, Vec::new()),
    ] {
        let name = format!("`raised` of `{counter}` after second {since}, summed up by time");
        let want: BTreeMap<_, _> = want
            .into_iter()
            .map(|(second, by)| (at(second), by))
            .collect();
        log.expect(
            &name,
            |store| {
                let raised = store.raised(counter, at(since))?;
                let in_order = raised.is_sorted_by_key(|(at, _)| *at);
                let mut sums: BTreeMap<Timestamp, u64> = BTreeMap::new();
                for (at, by) in raised {
                    *sums.entry(at).or_default() += by;
                }
                Ok((in_order, sums))
            },
            &(true, want),
        );
    }
}
