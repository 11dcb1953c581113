//! SQLite as it meets the world: files, locks, other programs, other processes.
#![cfg(all(unix, feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use approvals_core::id::BootId;
use approvals_core::ports::{Reader, Store};
use approvals_store::sqlite::{SqliteReader, SqliteStore};
use rusqlite::Connection;
use support::{add, files, one_more, scratch, size};

/// Something that is done to a database file.
type Change = fn(&Path);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    std::path::PathBuf::from(format!("{}{suffix}", path.display()))
}

#[test]
fn only_the_owner_can_read_the_files() {
    let (_directory, path) = scratch();
    let mut store = SqliteStore::open(&path).unwrap();
    add(&mut store, b"secret");
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&path, suffix)), 0o600, "{suffix}");
    }
    store.announce(BootId::random().unwrap()).unwrap();
    assert_eq!(mode(&beside(&path, "-writers")), 0o700);
}

#[test]
fn a_file_that_others_can_open_is_refused() {
    let (_directory, path) = scratch();
    drop(SqliteStore::open(&path).unwrap());
    for mode in [0o640, 0o604, 0o620, 0o666] {
        set_mode(&path, mode);
        for opened in [SqliteStore::open(&path), SqliteStore::open_existing(&path)] {
            let error = opened.unwrap_err();
            let words = "run `chmod 600";
            assert!(
                !error.is_fatal() && error.to_string().contains(words),
                "{error}"
            );
        }
    }
    set_mode(&path, 0o600);
    SqliteStore::open(&path).unwrap();
}

#[test]
fn what_was_committed_is_there_when_it_is_opened_again() {
    let (directory, path) = scratch();
    for round in 0..5 {
        let mut store = SqliteStore::open(&path).unwrap();
        assert_eq!(size(&mut store), round);
        add(&mut store, b"kept");
    }
    // The last one to leave tidies up: one file can be copied and kept.
    let left: Vec<_> = files(directory.path())
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(left, [path]);
}

#[test]
fn other_files_are_refused_and_left_as_they_are() {
    let foreign = |path: &Path| {
        let other = Connection::open(path).unwrap();
        other.execute_batch("CREATE TABLE mail (text)").unwrap();
    };
    let newer = |path: &Path| {
        drop(SqliteStore::open(path).unwrap());
        Connection::open(path)
            .unwrap()
            .execute_batch("PRAGMA user_version = 99")
            .unwrap();
    };
    let noise = |path: &Path| fs::write(path, [7; 8_192]).unwrap();
    let cut = |path: &Path| {
        add(&mut SqliteStore::open(path).unwrap(), b"kept");
        let bytes = fs::read(path).unwrap();
        fs::write(path, bytes.get(..bytes.len() / 2).unwrap()).unwrap();
    };
    let checks: [(Change, bool, &str); 4] = [
        (foreign, false, "another program"),
        (newer, false, "upgrade"),
        (noise, true, "damaged"),
        (cut, true, "damaged"),
    ];
    for (make, fatal, words) in checks {
        let (directory, path) = scratch();
        make(&path);
        set_mode(&path, 0o600);
        let before = files(directory.path());
        for error in [
            SqliteStore::open(&path)
                .map(drop)
                .and_then(|()| size_of(&path))
                .unwrap_err(),
            SqliteReader::open(&path)
                .map(drop)
                .and_then(|()| size_of(&path))
                .unwrap_err(),
        ] {
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.is_fatal(), fatal, "{error}");
        }
        assert_eq!(files(directory.path()), before, "{words}");
    }
}

fn size_of(path: &Path) -> Result<(), approvals_core::ports::StoreError> {
    SqliteReader::open(path)?.head().map(drop)
}

#[test]
fn a_lost_file_is_not_mistaken_for_a_new_ledger() {
    let (directory, path) = scratch();
    let error = SqliteStore::open_existing(&path).unwrap_err();
    assert!(error.to_string().contains("cannot find"), "{error}");
    fs::write(&path, []).unwrap();
    set_mode(&path, 0o600);
    let error = SqliteStore::open_existing(&path).unwrap_err();
    assert!(error.to_string().contains("restore it"), "{error}");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    assert_eq!(files(directory.path()).len(), 1);
    assert!(SqliteReader::open(&path).is_err());
    drop(SqliteStore::open(&path).unwrap());
    SqliteStore::open_existing(&path).unwrap();
}

#[test]
fn paths_that_lead_nowhere_say_so() {
    let (directory, path) = scratch();
    for (path, words) in [
        (directory.path().join("no/approvals.db"), "check the path"),
        (directory.path().to_owned(), "is not a file"),
        (path.join("below"), "check the path"),
    ] {
        let error = SqliteStore::open(&path).unwrap_err();
        assert!(
            !error.is_fatal() && error.to_string().contains(words),
            "{error}"
        );
    }
}

#[test]
fn sql_cannot_change_what_is_written() {
    let (_directory, path) = scratch();
    let mut store = SqliteStore::open(&path).unwrap();
    add(&mut store, b"first");
    add(&mut store, b"second");
    let other = Connection::open(&path).unwrap();
    for sql in [
        "UPDATE records SET bytes = x'00' WHERE seq = 0",
        "DELETE FROM records WHERE seq = 1",
        "DELETE FROM records",
        "INSERT OR REPLACE INTO records (seq, leaf, bytes) VALUES (0, x'00', x'00')",
        "INSERT INTO records (seq, leaf, bytes) VALUES (7, x'00', x'00')",
        "INSERT INTO records (seq, leaf, bytes) VALUES (-1, x'00', x'00')",
    ] {
        let error = other.execute_batch(sql).unwrap_err();
        assert!(error.to_string().contains("records are"), "{sql}: {error}");
    }
    assert_eq!(store.records(0, 9).unwrap().len(), 2);
}

#[test]
fn waiting_for_a_lock_ends() {
    let (_directory, path) = scratch();
    let mut store = SqliteStore::open(&path).unwrap();
    let mut other = SqliteStore::open(&path).unwrap();
    store.begin().unwrap();
    let since = Instant::now();
    let error = other.begin().unwrap_err();
    let waited = since.elapsed();
    assert!(
        !error.is_fatal() && error.to_string().contains("is locked"),
        "{error}"
    );
    assert!(
        waited >= Duration::from_millis(1_900) && waited < Duration::from_secs(10),
        "{waited:?}"
    );
    store.rollback();
    add(&mut other, b"now");
}

#[test]
fn a_file_that_is_removed_or_replaced_ends_it() {
    let other = |path: &Path| {
        let elsewhere = path.with_extension("other");
        drop(SqliteStore::open(&elsewhere).unwrap());
        fs::rename(&elsewhere, path).unwrap();
    };
    let checks: [(&str, Change); 5] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("moved", |path| {
            fs::rename(path, path.with_extension("old")).unwrap()
        }),
        ("replaced", other),
        ("log removed", |path| {
            fs::remove_file(beside(path, "-wal")).unwrap()
        }),
        ("copied over", |path| {
            let copy = path.with_extension("copy");
            fs::copy(path, &copy).unwrap();
            fs::rename(&copy, path).unwrap();
        }),
    ];
    for (what, change) in checks {
        for while_open in [false, true] {
            let (directory, path) = scratch();
            let mut store = SqliteStore::open(&path).unwrap();
            add(&mut store, b"kept");
            let head = store.head().unwrap();
            if while_open {
                store.begin().unwrap();
            }
            change(&path);
            let error = if while_open {
                store.commit(&one_more(&head, b"lost")).unwrap_err()
            } else {
                store.begin().unwrap_err()
            };
            let words = "the database file was removed or replaced while open";
            assert!(
                error.is_fatal() && error.to_string().contains(words),
                "{what}: {error}"
            );
            // For good: nothing is asked of a file that may be somebody else's.
            for error in [store.begin().unwrap_err(), store.head().unwrap_err()] {
                assert!(error.is_fatal(), "{what}: {error}");
            }
            let before = files(directory.path());
            drop(store);
            assert_eq!(files(directory.path()), before, "{what}");
        }
    }
}

#[test]
fn looking_without_writing_leaves_a_crashed_ledger_as_it_is() {
    let (directory, path) = scratch();
    let mut store = SqliteStore::open(&path).unwrap();
    add(&mut store, b"in the log only");
    // A copy while it is open is what a crash leaves: everything is in the log yet.
    let crashed = directory.path().join("crashed");
    fs::create_dir(&crashed).unwrap();
    let copy = crashed.join("approvals.db");
    for suffix in ["", "-wal"] {
        fs::copy(beside(&path, suffix), beside(&copy, suffix)).unwrap();
    }
    let before = files(&crashed);
    for _ in 0..2 {
        let mut again = SqliteStore::open(&copy).unwrap();
        assert_eq!(size(&mut again), 1);
        again.begin().unwrap();
        again.rollback();
        assert_eq!(size(&mut SqliteReader::open(&copy).unwrap()), 1);
        drop(again);
        assert_eq!(files(&crashed), before);
    }
    let mut again = SqliteStore::open(&copy).unwrap();
    add(&mut again, b"more");
    drop(again);
    assert_ne!(files(&crashed), before);
    assert_eq!(size(&mut SqliteReader::open(&copy).unwrap()), 2);
}

#[test]
fn a_reader_cannot_write() {
    let (_directory, path) = scratch();
    let mut store = SqliteStore::open(&path).unwrap();
    add(&mut store, b"first");
    let mut reader = store.reader().unwrap().unwrap();
    assert_eq!(reader.head().unwrap().frontier.size(), 1);
    assert_eq!(reader.records(0, 9).unwrap().len(), 1);
    // And does not keep writers out.
    add(&mut store, b"second");
    assert_eq!(reader.head().unwrap().frontier.size(), 2);
}

#[test]
fn a_commit_needs_a_begin() {
    let (_directory, path) = scratch();
    let mut store = SqliteStore::open(&path).unwrap();
    let head = store.head().unwrap();
    let error = store.commit(&one_more(&head, b"never")).unwrap_err();
    assert!(
        !error.is_fatal() && error.to_string().contains("call `begin` first"),
        "{error}"
    );
    store.begin().unwrap();
    // A transaction that was left open is given up, not continued.
    store.begin().unwrap();
    store.commit(&one_more(&head, b"first")).unwrap();
    let error = store.commit(&one_more(&head, b"again")).unwrap_err();
    assert!(!error.is_fatal(), "{error}");
    assert_eq!(size(&mut store), 1);
}

#[test]
fn writers_take_turns_and_lose_nothing() {
    const WRITERS: u64 = 4;
    const EACH: u64 = 50;
    let (_directory, path) = scratch();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let path = &path;
            scope.spawn(move || {
                let mut store = SqliteStore::open(path).unwrap();
                for number in 0..EACH {
                    add(&mut store, format!("{writer}:{number}").as_bytes());
                }
            });
        }
    });
    let mut reader = SqliteReader::open(&path).unwrap();
    let records = reader.records(0, 1_000).unwrap();
    assert_eq!(records.len() as u64, WRITERS * EACH);
    let mut frontier = approvals_core::ledger::Frontier::new();
    let mut texts: Vec<String> = Vec::new();
    for (seq, stored) in (0..).zip(&records) {
        assert_eq!(stored.seq, seq);
        frontier.push(stored.leaf);
        texts.push(String::from_utf8(stored.bytes.clone()).unwrap());
    }
    assert_eq!(reader.head().unwrap().frontier, frontier);
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len() as u64, WRITERS * EACH);
}

#[test]
fn looking_costs_next_to_nothing_while_nothing_happens() {
    let (_directory, path) = scratch();
    let mut store = SqliteStore::open(&path).unwrap();
    for number in 0..200_u64 {
        add(&mut store, &number.to_be_bytes());
    }
    let mut reader = store.reader().unwrap().unwrap();
    let (_, seen) = reader.touched(0).unwrap();
    let looks = 2_000;
    let since = Instant::now();
    for _ in 0..looks {
        assert_eq!(reader.touched(seen).unwrap(), (Vec::new(), seen));
    }
    let each = since.elapsed() / looks;
    println!("one look at an idle store: {each:?}");
    // A waiting process looks a hundred times a second: this keeps it below a hundredth of a core.
    assert!(each < Duration::from_micros(100), "{each:?}");
}

#[test]
fn a_process_is_alive_until_it_lets_go() {
    let (_directory, path) = scratch();
    let [one, two, never] = [1, 2, 3].map(|number| BootId::from_bytes([number; 16]));
    let mut first = SqliteStore::open(&path).unwrap();
    // Without the directory nothing can be told about anybody.
    assert!(!first.is_gone(one));
    first.announce(one).unwrap();
    let mut second = SqliteStore::open(&path).unwrap();
    second.announce(two).unwrap();
    for (boot, gone) in [(one, false), (two, false), (never, true)] {
        assert_eq!(first.is_gone(boot), gone, "{boot}");
        assert_eq!(second.is_gone(boot), gone, "{boot}");
    }
    drop(first);
    assert!(second.is_gone(one));
    assert!(!second.is_gone(two));
}

#[test]
fn what_the_dead_leave_is_removed() {
    let (_directory, path) = scratch();
    let dead = BootId::from_bytes([9; 16]);
    let marks = beside(&path, "-writers");
    fs::create_dir(&marks).unwrap();
    let mark = marks.join(dead.to_string());
    fs::write(&mark, []).unwrap();
    fs::write(marks.join("a stranger's file"), []).unwrap();
    let mut store = SqliteStore::open(&path).unwrap();
    store.announce(BootId::random().unwrap()).unwrap();
    assert!(!mark.exists());
    assert!(store.is_gone(dead));
    let left = fs::read_dir(&marks).unwrap().count();
    assert_eq!(left, 2);
}
