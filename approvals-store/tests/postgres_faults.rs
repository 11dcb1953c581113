//! PostgreSQL that goes away at the worst moment: nothing that was acknowledged is lost, nothing
//! that is there is denied, and nothing is built on a head that is not the newest.
#![cfg(all(unix, feature = "postgres"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use approvals_core::id::BootId;
use approvals_core::ports::{Bell, Reader, Store};
use approvals_core::{RequestId, ledger};
use approvals_scratch::{Cluster, Cut, Proxy, name};
use approvals_store::postgres::{PostgresReader, PostgresStore};
use support::{add, one_more, size};

/// A database, a way to it that can be cut, and a store behind that way.
fn behind_a_proxy() -> (String, Proxy, PostgresStore) {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let proxy = Proxy::to(&cluster.socket());
    let store = PostgresStore::open(&proxy.url("postgres", name(&url))).unwrap();
    (url, proxy, store)
}

/// The bytes of all records, as somebody sees them who is not behind the proxy.
fn records(url: &str) -> Vec<Vec<u8>> {
    let mut reader = PostgresReader::open(url).unwrap();
    let records = reader.records(0, usize::MAX).unwrap();
    assert_eq!(size(&mut reader), records.len() as u64);
    records.into_iter().map(|stored| stored.bytes).collect()
}

#[test]
fn a_commit_that_nobody_answered_is_looked_into() {
    for (cut, written) in [
        (Cut::AtBegin, true),
        (Cut::BeforeCommit, false),
        (Cut::AfterCommit, true),
        (Cut::LateCommit(Duration::from_millis(400)), false),
        (Cut::LateCommit(Duration::from_secs(3)), false),
    ] {
        let (url, proxy, mut store) = behind_a_proxy();
        add(&mut store, b"before");
        proxy.cut_next(cut);
        let head = store.begin().unwrap();
        let committed = store.commit(&one_more(&head, b"in doubt"));
        assert!(proxy.has_cut(), "{cut:?}");
        match &committed {
            Ok(()) => assert!(written, "{cut:?}"),
            Err(error) => assert!(!written && !error.is_fatal(), "{cut:?}: {error}"),
        }
        // What was said stays true, whatever arrives late.
        thread::sleep(Duration::from_secs(1));
        let mut want = vec![b"before".to_vec()];
        want.extend(written.then(|| b"in doubt".to_vec()));
        assert_eq!(records(&url), want, "{cut:?}");
        add(&mut store, b"after");
        want.push(b"after".to_vec());
        assert_eq!(records(&url), want, "{cut:?}");
    }
}

#[test]
fn others_that_went_on_meanwhile_do_not_hide_what_became_of_it() {
    for (cut, written) in [(Cut::BeforeCommit, false), (Cut::AfterCommit, true)] {
        let (url, proxy, mut store) = behind_a_proxy();
        let mut other = PostgresStore::open(&url).unwrap();
        proxy.cut_next(cut);
        let head = store.begin().unwrap();
        let batch = one_more(&head, b"in doubt");
        let committed = thread::scope(|scope| {
            let committing = scope.spawn(|| store.commit(&batch));
            while !proxy.has_cut() {
                thread::sleep(Duration::from_millis(1));
            }
            // It cannot look before it gets through again.
            proxy.close();
            for _ in 0..5 {
                add(&mut other, b"another's");
            }
            proxy.open();
            committing.join().unwrap()
        });
        assert_eq!(committed.is_ok(), written, "{cut:?}: {committed:?}");
        let found = records(&url);
        let ours = found.iter().filter(|bytes| **bytes == b"in doubt");
        assert_eq!(ours.count(), usize::from(written), "{cut:?}");
        assert_eq!(found.len(), 5 + usize::from(written), "{cut:?}");
        add(&mut store, b"after");
    }
}

#[test]
fn a_step_without_records_is_done_when_it_says_so() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let (url, proxy, mut store) = behind_a_proxy();
        add(&mut store, b"before");
        let head = store.begin().unwrap();
        let mut batch = one_more(&head, b"unused");
        batch.records.clear();
        batch.head = head;
        batch.channels = vec!["web".to_owned()];
        proxy.cut_next(cut);
        store.commit(&batch).unwrap();
        assert!(proxy.has_cut());
        let channels = Cluster::shared().sql(name(&url), "SELECT name FROM approvals.channels");
        assert_eq!(channels, "web", "{cut:?}");
        assert_eq!(records(&url), [b"before"], "{cut:?}");
    }
}

#[test]
fn a_connection_that_is_lost_in_the_middle_of_a_step_ends_the_step() {
    let (url, proxy, mut store) = behind_a_proxy();
    add(&mut store, b"before");
    let head = store.begin().unwrap();
    proxy.drop_all();
    // Nothing may be read on another connection in the name of the transaction that is gone.
    let error = store.records(0, 9).unwrap_err();
    assert!(!error.is_fatal(), "{error}");
    let error = store.commit(&one_more(&head, b"lost")).unwrap_err();
    assert!(!error.is_fatal(), "{error}");
    assert_eq!(records(&url), [b"before"]);
    add(&mut store, b"after");
    assert_eq!(records(&url), [b"before".to_vec(), b"after".to_vec()]);
}

#[test]
fn a_database_that_cannot_be_reached_is_unavailable_and_tried_again() {
    let (url, proxy, mut store) = behind_a_proxy();
    let mut reader = store.reader().unwrap().unwrap();
    add(&mut store, b"before");
    proxy.close();
    for _ in 0..2 {
        let error = store.begin().unwrap_err();
        assert!(
            !error.is_fatal() && error.to_string().contains("cannot be reached"),
            "{error}"
        );
        assert!(reader.head().is_err());
        assert!(!store.is_gone(BootId::from_bytes([1; 16])));
    }
    proxy.open();
    assert_eq!(reader.head().unwrap().frontier.size(), 1);
    add(&mut store, b"after");
    assert_eq!(records(&url).len(), 2);
}

#[test]
fn a_server_that_hangs_is_given_up() {
    let (url, proxy, mut store) = behind_a_proxy();
    add(&mut store, b"before");
    let head = store.begin().unwrap();
    proxy.cut_next(Cut::Silence);
    let began = Instant::now();
    // The server never hears of the commit, nor that the connection is gone, until it is told so.
    let error = store.commit(&one_more(&head, b"lost")).unwrap_err();
    assert!(!error.is_fatal(), "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
    add(&mut store, b"after");
    assert_eq!(records(&url).len(), 2);
}

/// What can be done to a session from outside.
fn end_session_of(url: &str) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE application_name = 'approvals' AND state = 'idle in transaction' \
        AND datname = current_database()";
    assert_eq!(Cluster::shared().sql(name(url), end), "1");
}

#[test]
fn a_leader_that_was_thrown_out_cannot_commit_on_an_old_head() {
    let url = Cluster::shared().database();
    let mut stale = PostgresStore::open(&url).unwrap();
    let mut other = PostgresStore::open(&url).unwrap();
    add(&mut other, b"before");
    let head = stale.begin().unwrap();
    end_session_of(&url);
    add(&mut other, b"another's");
    let error = stale.commit(&one_more(&head, b"stale")).unwrap_err();
    assert!(!error.is_fatal(), "{error}");
    assert_eq!(records(&url), [b"before".to_vec(), b"another's".to_vec()]);
    add(&mut stale, b"after");
    assert_eq!(records(&url).len(), 3);
}

#[test]
fn a_head_that_moved_on_is_not_followed_even_under_the_lock() {
    // As if two had the lock: the epoch alone stops the second one.
    let url = Cluster::shared().database();
    let mut store = PostgresStore::open(&url).unwrap();
    add(&mut store, b"before");
    let head = store.begin().unwrap();
    Cluster::shared().sql(name(&url), "UPDATE approvals.head SET epoch = epoch + 1");
    let error = store.commit(&one_more(&head, b"stale")).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    assert!(!error.is_fatal());
    assert_eq!(records(&url), [b"before"]);
    add(&mut store, b"after");
}

#[test]
fn a_leader_that_hangs_is_thrown_out() {
    let url = Cluster::shared().database();
    let mut hanging = PostgresStore::open(&url).unwrap();
    let mut other = PostgresStore::open(&url).unwrap();
    let head = hanging.begin().unwrap();
    let began = Instant::now();
    let error = other.begin().unwrap_err();
    assert!(
        !error.is_fatal() && error.to_string().contains("is locked"),
        "{error}"
    );
    while other.begin().is_err() {
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    other.rollback();
    assert!(hanging.commit(&one_more(&head, b"late")).is_err());
    assert!(records(&url).is_empty());
}

#[test]
fn a_statement_that_takes_too_long_writes_nothing() {
    let url = Cluster::shared().database();
    let mut store = PostgresStore::open(&url).unwrap();
    add(&mut store, b"before");
    let head = store.begin().unwrap();
    thread::scope(|scope| {
        let sql = "BEGIN; LOCK TABLE approvals.records; SELECT pg_sleep(4); COMMIT";
        let locked = scope.spawn(|| Cluster::shared().sql(name(&url), sql));
        thread::sleep(Duration::from_millis(500));
        let error = store.commit(&one_more(&head, b"late")).unwrap_err();
        assert!(!error.is_fatal(), "{error}");
        locked.join().unwrap();
    });
    assert_eq!(records(&url), [b"before"]);
    add(&mut store, b"after");
}

#[test]
fn a_full_disk_writes_nothing_and_is_no_reason_to_stop_for_good() {
    let url = Cluster::shared().database();
    let mut store = PostgresStore::open(&url).unwrap();
    add(&mut store, b"before");
    let full = "CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; \
        END $$; CREATE TRIGGER is_full BEFORE UPDATE ON approvals.head \
        FOR EACH STATEMENT EXECUTE FUNCTION public.full()";
    Cluster::shared().sql(name(&url), full);
    let head = store.begin().unwrap();
    let error = store.commit(&one_more(&head, b"late")).unwrap_err();
    assert!(
        !error.is_fatal() && error.to_string().contains("free some"),
        "{error}"
    );
    assert_eq!(records(&url), [b"before"]);
    Cluster::shared().sql(name(&url), "DROP TRIGGER is_full ON approvals.head");
    add(&mut store, b"after");
}

#[test]
fn a_restart_between_two_steps_is_not_even_noticed() {
    let cluster = Cluster::start("");
    let url = cluster.database();
    let mut store = PostgresStore::open(&url).unwrap();
    let mut reader = store.reader().unwrap().unwrap();
    for mode in ["fast", "immediate"] {
        add(&mut store, b"kept");
        cluster.ctl(&["restart", "--mode", mode]);
        assert!(reader.head().is_ok());
        add(&mut store, b"kept");
    }
    assert_eq!(records(&url).len(), 4);
}

#[test]
fn restarts_under_load_lose_nothing_that_was_acknowledged() {
    let cluster = Cluster::start("");
    let url = cluster.database();
    PostgresStore::migrate(&url).unwrap();
    let over = AtomicBool::new(false);
    let (said, denied) = thread::scope(|scope| {
        let writers: Vec<_> = (0..3_u8)
            .map(|writer| {
                scope.spawn({
                    let (url, over) = (&url, &over);
                    move || write_until(url, writer, over)
                })
            })
            .collect();
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(700));
            cluster.ctl(&["restart", "--mode", "immediate"]);
        }
        thread::sleep(Duration::from_millis(700));
        over.store(true, Ordering::Relaxed);
        let all: Vec<_> = writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect();
        let said: Vec<_> = all.iter().flat_map(|(said, _)| said.clone()).collect();
        let denied: Vec<_> = all.iter().flat_map(|(_, denied)| denied.clone()).collect();
        (said, denied)
    });
    let found = records(&url);
    assert!(said.len() > 20, "{}", said.len());
    let count = |bytes: &Vec<u8>| found.iter().filter(|found| *found == bytes).count();
    assert!(
        said.iter().all(|bytes| count(bytes) == 1),
        "something acknowledged is lost"
    );
    assert!(
        denied.iter().all(|bytes| count(bytes) == 0),
        "something denied is there"
    );
    assert_eq!(found.len(), said.len());
    check_tree(&url);
}

/// Commits records of its own until it is over: what was acknowledged, and what was denied.
fn write_until(url: &str, writer: u8, over: &AtomicBool) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut store = PostgresStore::open(url).unwrap();
    let (mut said, mut denied) = (Vec::new(), Vec::new());
    let mut round = 0_u32;
    while !over.load(Ordering::Relaxed) {
        round += 1;
        let bytes = format!("{writer} {round}").into_bytes();
        let Ok(head) = store.begin() else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        match store.commit(&one_more(&head, &bytes)) {
            Ok(()) => said.push(bytes),
            Err(error) => {
                assert!(!error.is_fatal(), "{error}");
                denied.push(bytes);
            }
        }
    }
    (said, denied)
}

/// The head covers exactly the records.
fn check_tree(url: &str) {
    let mut reader = PostgresReader::open(url).unwrap();
    let mut frontier = ledger::Frontier::new();
    for stored in reader.records(0, usize::MAX).unwrap() {
        assert_eq!(stored.seq, frontier.size());
        frontier.push(ledger::leaf_hash(&stored.bytes));
    }
    assert_eq!(reader.head().unwrap().frontier, frontier);
}

/// One at a time: these change a server's configuration or wait for it for long.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_commit_that_is_not_replicated_is_not_acknowledged() {
    let _alone = alone();
    let cluster = Cluster::start("");
    let url = cluster.database();
    let mut store = PostgresStore::open(&url).unwrap();
    add(&mut store, b"before");
    let head = store.begin().unwrap();
    let waits_for = |standby: &str| {
        cluster.sql(
            "postgres",
            &format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'"),
        );
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        thread::sleep(Duration::from_millis(300));
    };
    waits_for("nobody");
    let said = AtomicBool::new(false);
    thread::scope(|scope| {
        let committing = scope.spawn(|| {
            let committed = store.commit(&one_more(&head, b"in doubt"));
            said.store(true, Ordering::Relaxed);
            committed
        });
        // Somebody makes the server stop waiting for the standby, more than once.
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(700));
            let cancel = "SET synchronous_commit = local; SELECT count(pg_cancel_backend(pid)) \
                FROM pg_stat_activity WHERE application_name = 'approvals' AND wait_event = 'SyncRep'";
            assert_eq!(cluster.sql("postgres", cancel), "1");
            assert!(
                !said.load(Ordering::Relaxed),
                "acknowledged, and no standby has it"
            );
        }
        waits_for("");
        committing.join().unwrap().unwrap();
    });
    assert_eq!(records(&url), [b"before".to_vec(), b"in doubt".to_vec()]);
    add(&mut store, b"after");
}

/// Does what only a server with another history can do.
fn rewrite(url: &str, sql: &str) {
    let quiet = format!("SET session_replication_role = replica; {sql}");
    Cluster::shared().sql(name(url), &quiet);
}

#[test]
fn a_server_that_has_lost_what_it_acknowledged_is_refused_as_rollback() {
    let url = Cluster::shared().database();
    let mut store = PostgresStore::open(&url).unwrap();
    add(&mut store, b"one");
    let before = store.head().unwrap();
    let kept = "CREATE TABLE public.kept AS SELECT * FROM approvals.head";
    Cluster::shared().sql(name(&url), kept);
    add(&mut store, b"two");
    rewrite(
        &url,
        "DELETE FROM approvals.records WHERE seq = 1; DELETE FROM approvals.head; \
         INSERT INTO approvals.head SELECT * FROM public.kept",
    );
    assert_eq!(store.head().unwrap().frontier, before.frontier);
    for _ in 0..2 {
        let error = store.begin().unwrap_err();
        assert!(
            error.is_fatal() && error.to_string().contains("has lost what was committed"),
            "{error}"
        );
        assert!(store.head().is_err());
    }
    // Whoever did not see what is lost cannot know it; a head kept elsewhere can.
    assert!(PostgresStore::open(&url).unwrap().begin().is_ok());
}

#[test]
fn a_server_with_another_history_of_the_same_length_is_refused() {
    let (url, proxy, mut store) = behind_a_proxy();
    add(&mut store, b"one");
    add(&mut store, b"two");
    let other = ledger::leaf_hash(b"2");
    rewrite(
        &url,
        &format!(
            "UPDATE approvals.records SET bytes = '2', leaf = '\\x{}' WHERE seq = 1",
            other.to_hex()
        ),
    );
    // The failover that led there cost the connection.
    proxy.drop_all();
    let error = store.begin().unwrap_err();
    assert!(
        error.is_fatal() && error.to_string().contains("another one now"),
        "{error}"
    );
}

#[test]
fn a_failover_during_a_commit_that_loses_more_than_the_commit_is_a_rollback() {
    let (url, proxy, mut store) = behind_a_proxy();
    Cluster::shared().sql(
        name(&url),
        "CREATE TABLE public.kept AS SELECT * FROM approvals.head",
    );
    add(&mut store, b"one");
    let head = store.begin().unwrap();
    proxy.cut_next(Cut::BeforeCommit);
    let error = thread::scope(|scope| {
        let batch = one_more(&head, b"in doubt");
        let store = &mut store;
        let committing = scope.spawn(move || store.commit(&batch));
        while !proxy.has_cut() {
            thread::sleep(Duration::from_millis(1));
        }
        proxy.close();
        rewrite(
            &url,
            "DELETE FROM approvals.records; DELETE FROM approvals.head; \
             INSERT INTO approvals.head SELECT * FROM public.kept",
        );
        proxy.open();
        committing.join().unwrap().unwrap_err()
    });
    assert!(
        error.is_fatal() && error.to_string().contains("has lost"),
        "{error}"
    );
    assert!(store.begin().is_err());
}

#[test]
fn a_process_whose_connection_drops_is_not_gone() {
    let cluster = Cluster::start("");
    let url = cluster.database();
    let mut one = PostgresStore::open(&url).unwrap();
    let mut other = PostgresStore::open(&url).unwrap();
    let (living, dead) = (BootId::from_bytes([1; 16]), BootId::from_bytes([2; 16]));
    one.announce(living).unwrap();
    let mut doomed = PostgresStore::open(&url).unwrap();
    doomed.announce(dead).unwrap();
    assert!(!other.is_gone(living) && !other.is_gone(dead));
    cluster.ctl(&["restart", "--mode", "immediate"]);
    drop(doomed);
    let began = Instant::now();
    // The first look after the restart may come before anybody is back.
    assert!(!other.is_gone(living) && !other.is_gone(dead));
    while !other.is_gone(dead) {
        assert!(!other.is_gone(living));
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it is never missed"
        );
        thread::sleep(Duration::from_millis(250));
    }
    assert!(
        began.elapsed() > Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    assert!(!other.is_gone(living));
}

#[test]
fn it_rings_again_after_the_connection_was_lost() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let mut store = PostgresStore::open(&url).unwrap();
    let mut other = PostgresStore::open(&url).unwrap();
    store.announce(BootId::from_bytes([1; 16])).unwrap();
    let (rung, heard) = std::sync::mpsc::channel();
    assert!(store.ring(Bell::new(move |request| {
        // When the test is over nobody listens.
        let _ = rung.send(request);
    })));
    let request = RequestId::from_bytes([7; 16]);
    let mut tell = || {
        let head = other.begin().unwrap();
        let mut batch = one_more(&head, b"news");
        batch
            .records
            .iter_mut()
            .for_each(|(_, about)| *about = Some(request));
        other.commit(&batch).unwrap();
    };
    tell();
    assert_eq!(heard.recv_timeout(Duration::from_secs(10)), Ok(request));
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND query LIKE '%pg_advisory_lock%' AND pid <> pg_backend_pid()";
    assert_eq!(cluster.sql(name(&url), end), "1");
    let began = Instant::now();
    while heard.recv_timeout(Duration::from_millis(100)).is_err() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it does not ring any more"
        );
        tell();
    }
    // What it writes itself it does not ring for, and what is no ring of ours rings nothing.
    while heard.recv_timeout(Duration::from_millis(300)).is_ok() {}
    let head = store.begin().unwrap();
    let mut batch = one_more(&head, b"own");
    batch
        .records
        .iter_mut()
        .for_each(|(_, about)| *about = Some(request));
    store.commit(&batch).unwrap();
    cluster.sql(
        name(&url),
        "SELECT pg_notify('approvals', repeat('z', 4000))",
    );
    assert!(heard.recv_timeout(Duration::from_millis(500)).is_err());
}
