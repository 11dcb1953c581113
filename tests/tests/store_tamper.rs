//! Hands on the database file: every change to the log is found and named, and a ledger whose end
//! does not verify is refused and kept as it is.

use std::fs;
use std::path::{Path, PathBuf};

use approvals_core::ledger::{Hash, LedgerKey, Report, Verdict, Verifier, leaf_hash};
use approvals_core::{Agent, ApprovalError, Code, requires_approval, verify};
use approvals_store::home::{Home, Starter};
use approvals_store::sqlite::SqliteReader;
use rusqlite::{Connection, params};
use tempfile::TempDir;

#[requires_approval(scope = "db.read", reason = "read {table}")]
async fn read(table: String) -> Result<usize, ApprovalError> {
    Ok(table.len())
}

/// A ledger with so many requests on it, closed.
async fn ledger(requests: usize) -> (TempDir, Home) {
    let directory = TempDir::new().unwrap();
    let people = "version = 1\n[[person]]\nid = \"u_alice\"\ngroups = [\"approvers\"]\n";
    let policy = "version = 1\ndefault = { require = [{ group = \"approvers\" }] }\n\
         [[rule]]\nid = \"reads\"\nscope = \"db.read\"\neffect = \"auto\"\n";
    let starter = Starter::new("test.invalid/tamper".parse().unwrap());
    let starter = starter.people(people).policy(policy);
    let home = Home::create(directory.path().join("home"), starter).unwrap();
    let gate = home.gate().unwrap().open().await.unwrap();
    for number in 0..requests {
        let agent = Agent::new("bot").on_behalf_of("u_alice");
        gate.enter(agent, read(format!("table {number}")))
            .await
            .unwrap();
    }
    drop(gate);
    (directory, home)
}

/// The database as somebody with the file and an SQL prompt has it.
fn hands_on(home: &Home) -> Connection {
    let connection = Connection::open(home.paths().database()).unwrap();
    let sql = "DROP TRIGGER IF EXISTS records_are_added_at_the_end; \
         DROP TRIGGER IF EXISTS records_are_never_changed; DROP TRIGGER IF EXISTS records_are_never_deleted;";
    connection.execute_batch(sql).unwrap();
    connection
}

fn bytes(connection: &Connection, seq: u64) -> Vec<u8> {
    let sql = "SELECT bytes FROM records WHERE seq = ?1";
    connection
        .query_row(sql, [i64::try_from(seq).unwrap()], |row| row.get(0))
        .unwrap()
}

/// Puts other bytes in the place of a record, with or without the hash that fits them.
fn replace(connection: &Connection, seq: u64, bytes: &[u8], fit: bool) {
    let seq = i64::try_from(seq).unwrap();
    let sql = "UPDATE records SET bytes = ?2 WHERE seq = ?1";
    connection.execute(sql, params![seq, bytes]).unwrap();
    if fit {
        let sql = "UPDATE records SET leaf = ?2 WHERE seq = ?1";
        connection
            .execute(sql, params![seq, leaf_hash(bytes).as_bytes()])
            .unwrap();
    }
}

fn flip(connection: &Connection, seq: u64, fit: bool) {
    let mut bytes = bytes(connection, seq);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    replace(connection, seq, &bytes, fit);
}

fn report(home: &Home) -> Report {
    let mut reader = SqliteReader::open(home.paths().database()).unwrap();
    verify(&mut reader, Verifier::new(home.vkey().clone())).unwrap()
}

/// Every file of the home with a hash of its bytes, but what SQLite shares between processes and
/// a log with nothing in it.
fn files(home: &Home) -> Vec<(PathBuf, Hash)> {
    let paths = fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is = |path: &Path, end: &str| path.to_string_lossy().ends_with(end);
    let mut files: Vec<_> = paths
        .filter(|path| path.is_file() && !is(path, "-shm"))
        .map(|path| (fs::read(&path).unwrap(), path))
        .filter(|(bytes, path)| !(bytes.is_empty() && is(path, "-wal")))
        .map(|(bytes, path)| (path, leaf_hash(&bytes)))
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// What the verifier must say: a place, and words about it.
type Finding<'a> = (Option<u64>, &'a str);

/// Does something to a ledger of 43 records, and checks that the verifier names the place and that
/// a gate refuses it without touching it. What only touches the past is found by the verifier
/// alone: a gate looks at the end.
async fn check(what: &str, damage: impl Fn(&Connection), want: &[Finding<'_>], at_the_end: bool) {
    let (_directory, home) = ledger(10).await;
    assert!(report(&home).passed());
    let connection = hands_on(&home);
    damage(&connection);
    drop(connection);
    refuses(what, &home, want, at_the_end).await;
}

async fn refuses(what: &str, home: &Home, want: &[Finding<'_>], at_the_end: bool) {
    let before = files(home);
    let report = report(home);
    assert!(!report.passed(), "{what}");
    let failed = [
        report.integrity,
        report.completeness,
        report.authority,
        report.keys,
    ]
    .contains(&Verdict::Fail);
    assert!(failed, "{what}: {report:?}");
    for (seq, words) in want {
        let found = report
            .findings
            .iter()
            .any(|finding| finding.seq == *seq && finding.message.contains(words));
        assert!(
            found,
            "{what}: nothing about {seq:?} with `{words}` in {:#?}",
            report.findings
        );
    }
    // Nothing in front of the first place that was touched is blamed. A change that fits itself
    // shows only at the record behind it.
    let first = report
        .findings
        .iter()
        .filter_map(|finding| finding.seq)
        .min();
    let touched = want.iter().filter_map(|(seq, _)| *seq).min();
    assert!(
        first.unwrap_or(0) + 1 >= touched.unwrap_or(0),
        "{what}: {:#?}",
        report.findings
    );
    if at_the_end {
        for _ in 0..2 {
            let gate = home.gate().unwrap().open().await;
            let error = gate.unwrap_err();
            assert_eq!(error.code(), Code::AuditTampered, "{what}: {error}");
            assert_eq!(files(home), before, "{what}");
        }
    }
    assert_eq!(files(home), before, "{what}");
}

#[tokio::test]
async fn a_changed_record_is_named() {
    for seq in [0, 1, 17, 42] {
        let hashed = "the bytes are not the ones that were hashed when the record was written";
        check(
            "a flipped bit",
            |db| flip(db, seq, false),
            &[(Some(seq), hashed)],
            true,
        )
        .await;
    }
    // Whoever mends the hash beside it, too, still does not have the signature.
    let mended = |db: &Connection| {
        let text = String::from_utf8(bytes(db, 17)).unwrap();
        assert!(text.contains("\"kind\":\"permit.consumed\""), "{text}");
        replace(
            db,
            17,
            text.replace("permit.consumed", "permit.consumeD")
                .as_bytes(),
            true,
        );
    };
    let want: &[Finding<'_>] = &[
        (Some(18), "does not follow the record of the same request"),
        (None, "do not hash to the root that was signed"),
    ];
    check("a changed kind under a fitting hash", mended, want, true).await;
    let later = |db: &Connection| {
        let text = String::from_utf8(bytes(db, 42)).unwrap();
        let sooner = text.replacen("\"duration_us\":", "\"duration_us\":1", 1);
        assert_ne!(sooner, text);
        replace(db, 42, sooner.as_bytes(), true);
    };
    check(
        "the last record under a fitting hash",
        later,
        &[(None, "root that was signed")],
        true,
    )
    .await;
}

#[tokio::test]
async fn two_swapped_records_are_named() {
    for (a, b) in [(16, 17), (2, 41), (41, 42)] {
        for fit in [false, true] {
            let swap = |db: &Connection| {
                let (first, second) = (bytes(db, a), bytes(db, b));
                replace(db, a, &second, fit);
                replace(db, b, &first, fit);
            };
            let (at, there) = (
                format!("says it is number {a}"),
                format!("says it is number {b}"),
            );
            let want: &[Finding<'_>] = &[(Some(a), &there), (Some(b), &at)];
            check(&format!("{a} and {b} swapped"), swap, want, true).await;
        }
    }
}

#[tokio::test]
async fn a_deleted_record_is_named() {
    let delete = |seq: u64| {
        move |db: &Connection| {
            let seq = i64::try_from(seq).unwrap();
            db.execute("DELETE FROM records WHERE seq = ?1", [seq])
                .unwrap();
        }
    };
    let missing: &[Finding<'_>] = &[(Some(20), "record 20 is missing")];
    check("one in the middle", delete(20), missing, true).await;
    check(
        "the first",
        delete(0),
        &[(Some(0), "record 0 is missing")],
        true,
    )
    .await;
    // Deleted, and all that follow moved up: the numbers in the records still tell.
    let close_up = |db: &Connection| {
        delete(20)(db);
        for seq in 21..=42 {
            db.execute("UPDATE records SET seq = ?1 - 1 WHERE seq = ?1", [seq])
                .unwrap();
        }
    };
    check(
        "one in the middle, closed up",
        close_up,
        &[(Some(20), "says it is number 21")],
        true,
    )
    .await;
    let lost: &[Finding<'_>] = &[(Some(42), "the first missing one is number 42")];
    check("the last", delete(42), lost, true).await;
    let tail = |db: &Connection| {
        db.execute("DELETE FROM records WHERE seq >= 30", [])
            .unwrap();
    };
    check(
        "the last thirteen",
        tail,
        &[(Some(30), "the first missing one is number 30")],
        true,
    )
    .await;
    // The same, with the head set back to what is left: the old signature is about more.
    let back = |db: &Connection| {
        tail(db);
        let leaves: Vec<[u8; 32]> = {
            let mut rows = db.prepare("SELECT leaf FROM records ORDER BY seq").unwrap();
            rows.query_map([], |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect()
        };
        let mut frontier = approvals_core::ledger::Frontier::new();
        leaves
            .into_iter()
            .for_each(|leaf| frontier.push(Hash::from_bytes(leaf)));
        let sql = "UPDATE head SET size = 30, peaks = ?1";
        db.execute(sql, [frontier.to_bytes()]).unwrap();
    };
    check(
        "the last thirteen, and the head set back",
        back,
        &[(Some(30), "covers 43 records")],
        true,
    )
    .await;
    let all = |db: &Connection| {
        db.execute("DELETE FROM records", []).unwrap();
    };
    check(
        "all",
        all,
        &[(Some(0), "the first missing one is number 0")],
        true,
    )
    .await;
}

#[tokio::test]
async fn a_record_that_nobody_signed_is_named() {
    let append = |db: &Connection| {
        let text = String::from_utf8(bytes(db, 42)).unwrap();
        let next = text.replacen("\"seq\":42", "\"seq\":43", 1);
        let sql = "INSERT INTO records (seq, leaf, request, bytes) SELECT 43, ?1, request, ?2 FROM records WHERE seq = 42";
        db.execute(
            sql,
            params![leaf_hash(next.as_bytes()).as_bytes(), next.as_bytes()],
        )
        .unwrap();
    };
    check("one more", append, &[(Some(43), "nothing is signed")], true).await;
    let forget = |db: &Connection| {
        db.execute("DELETE FROM head", []).unwrap();
    };
    check("no head", forget, &[(None, "no signed checkpoint")], true).await;
    let unsigned = |db: &Connection| {
        db.execute("UPDATE head SET note = NULL", []).unwrap();
    };
    check(
        "no signature",
        unsigned,
        &[(None, "no signed checkpoint")],
        true,
    )
    .await;
}

#[tokio::test]
async fn another_signature_or_key_is_refused() {
    let garbage = |db: &Connection| {
        db.execute("UPDATE head SET note = 'signed, honestly'", [])
            .unwrap();
    };
    check("not a note", garbage, &[(None, "")], true).await;
    let forged = |db: &Connection| {
        let note: String = db
            .query_row("SELECT note FROM head", [], |row| row.get(0))
            .unwrap();
        let other = note.replacen("\n43\n", "\n42\n", 1);
        assert_ne!(other, note);
        db.execute("UPDATE head SET note = ?1", [other]).unwrap();
    };
    check(
        "another size under the signature",
        forged,
        &[(None, "")],
        true,
    )
    .await;
    // An older note is genuine, and is not about what is there.
    let (_directory, home) = ledger(2).await;
    let note: String = {
        let db = Connection::open(home.paths().database()).unwrap();
        db.query_row("SELECT note FROM head", [], |row| row.get(0))
            .unwrap()
    };
    let gate = home.gate().unwrap().open().await.unwrap();
    let agent = Agent::new("bot").on_behalf_of("u_alice");
    gate.enter(agent, read("one more".to_owned()))
        .await
        .unwrap();
    drop(gate);
    let db = hands_on(&home);
    db.execute("UPDATE head SET note = ?1", [note]).unwrap();
    drop(db);
    refuses(
        "an older note",
        &home,
        &[(Some(11), "nothing is signed")],
        true,
    )
    .await;

    // Another key pair in the place of the one that signed: the log is not theirs.
    let (_directory, home) = ledger(2).await;
    for path in [home.paths().key(), home.paths().vkey()] {
        fs::remove_file(path).unwrap();
    }
    let key = LedgerKey::create_file(home.paths().key()).unwrap();
    let vkey = format!("{}\n", key.vkey(home.origin()));
    fs::write(home.paths().vkey(), vkey).unwrap();
    let home = Home::open(home.path()).unwrap();
    refuses(
        "another key",
        &home,
        &[(None, ""), (Some(0), "another key")],
        true,
    )
    .await;
}

#[tokio::test]
async fn what_is_old_is_found_by_the_verifier() {
    // A gate looks at a few hundred records at the end when it opens; the rest is for the verifier.
    let (_directory, home) = ledger(192).await;
    let db = hands_on(&home);
    flip(&db, 3, false);
    drop(db);
    refuses(
        "an old record",
        &home,
        &[(Some(3), "the bytes are not the ones")],
        false,
    )
    .await;
    home.gate().unwrap().open().await.unwrap();
    assert!(!report(&home).passed());
}

#[tokio::test]
async fn a_page_of_the_file_that_was_overwritten_is_refused() {
    let (_directory, home) = ledger(20).await;
    let path = home.paths().database();
    let mut file = fs::read(&path).unwrap();
    let text = b"\"kind\":\"outcome.succeeded\"";
    let at = file
        .windows(text.len())
        .rposition(|window| window == text)
        .unwrap();
    file[at + 9] ^= 1;
    fs::write(&path, &file).unwrap();
    let before = files(&home);
    assert!(!report(&home).passed());
    let error = home.gate().unwrap().open().await.unwrap_err();
    assert_eq!(error.code(), Code::AuditTampered, "{error}");
    assert_eq!(files(&home), before);
}
