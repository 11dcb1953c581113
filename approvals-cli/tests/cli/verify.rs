//! The verifier and the export, on honest logs and on others.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::support::{Lab, check_refused, export_users, scale, store};

/// A log with a denial, an approval that was not used, and one vote of two.
async fn with_log() -> Lab {
    let lab = Lab::new();
    let ids = [
        lab.asked(export_users()).await,
        lab.asked(export_users()).await,
        lab.asked(scale(3)).await,
    ];
    let [denied, approved, half] = ids.map(|id| id.to_string());
    let (dana, erin) = (lab.key("dana"), lab.key("erin"));
    lab.run(&["deny", &denied, "--key", &dana, "--reason", "no"])
        .ok();
    lab.run(&["approve", &approved, "--key", &erin]).ok();
    lab.run(&["approve", &half, "--key", &dana]).ok();
    lab
}

fn size(lab: &Lab) -> u64 {
    lab.run(&["verify", "--json"]).json()["report"]["records"]
        .as_u64()
        .unwrap()
}

/// Changes the database as somebody who can write the file can.
fn tamper(lab: &Lab, sql: &str) {
    let database = Connection::open(lab.database()).unwrap();
    let mut triggers = database
        .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        .unwrap();
    let names: Vec<String> = triggers
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    drop(triggers);
    for name in names {
        database
            .execute_batch(&format!("DROP TRIGGER \"{name}\""))
            .unwrap();
    }
    database.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn an_honest_log_passes() {
    let lab = with_log().await;
    let text = lab.run(&["verify"]).ok();
    for part in [
        "integrity      pass",
        "completeness   pass",
        "authority      pass",
        "test.example/log",
        "about 3 requests",
        "cannot show",
        "result         PASS",
    ] {
        assert!(text.contains(part), "`{part}`: {text}");
    }
    let json = lab.run(&["verify", "--json"]).json();
    assert_eq!(
        (&json["passed"], &json["report"]["integrity"]),
        (&true.into(), &"pass".into())
    );
    // An auditor has the database and the public key, and nothing else.
    let (vkey, copy) = (lab.path("auditor.vkey"), lab.path("copy.db"));
    fs::copy(lab.state().join("log.vkey"), &vkey).unwrap();
    Connection::open(lab.database())
        .unwrap()
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    let key = fs::read_to_string(&vkey).unwrap();
    fs::remove_dir_all(lab.state()).unwrap();
    for vkey in [vkey.to_str().unwrap(), key.trim()] {
        let said = lab
            .run(&["verify", "--vkey", vkey, "--store", &store(&copy)])
            .ok();
        assert!(
            said.contains("PASS") && !said.contains("--vkey to prove more"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn every_tampering_is_found_and_named() {
    let last = {
        let lab = with_log().await;
        size(&lab) - 1
    };
    let flip = |seq: u64| {
        format!(
            "UPDATE records SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"v\":1', '\"v\":2') AS BLOB) WHERE seq = {seq}"
        )
    };
    // The leaf hash is made to fit, so that only the tree can tell.
    let swap = "UPDATE records SET seq = -1 WHERE seq = 5; UPDATE records SET seq = 5 WHERE seq = 6; UPDATE records SET seq = 6 WHERE seq = -1;";
    for (what, sql, place) in [
        ("a byte of a record", flip(4), 4),
        ("a byte of the first record", flip(0), 0),
        ("a byte of the last record", flip(last), last),
        (
            "a record in the middle",
            "DELETE FROM records WHERE seq = 5".to_owned(),
            5,
        ),
        (
            "the last record",
            format!("DELETE FROM records WHERE seq = {last}"),
            last,
        ),
        ("two records", swap.to_owned(), 5),
        (
            "a record at the end",
            format!(
                "INSERT INTO records SELECT {}, leaf, request, bytes FROM records WHERE seq = 2",
                last + 1
            ),
            last + 1,
        ),
    ] {
        let lab = with_log().await;
        tamper(
            &lab,
            &format!("PRAGMA ignore_check_constraints = ON; {sql}"),
        );
        let said = lab.run(&["verify"]);
        assert_eq!(said.code, 1, "{what}: {said:?}");
        assert!(
            said.out.contains(&format!("record {place}: "))
                || said.out.contains(&format!("number {place}")),
            "{what}: {}",
            said.out
        );
        assert!(
            said.out.contains("FAIL (AuditTampered)"),
            "{what}: {}",
            said.out
        );
        let json = lab.run(&["verify", "--json"]);
        assert_eq!(
            (
                json.code,
                &json.json()["passed"],
                &json.json()["error"]["code"]
            ),
            (1, &false.into(), &"AuditTampered".into()),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_rollback_to_an_older_head_is_seen_by_the_records() {
    let lab = with_log().await;
    let old = Connection::open(lab.database())
        .unwrap()
        .query_row("SELECT note FROM head", [], |row| row.get::<_, String>(0))
        .unwrap();
    lab.asked(export_users()).await;
    tamper(&lab, &format!("UPDATE head SET note = '{old}'"));
    let said = lab.run(&["verify"]);
    assert!(
        said.code == 1 && said.out.contains("nothing is signed"),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_damaged_tail_stops_the_gate_and_not_the_verifier() {
    let lab = with_log().await;
    let last = size(&lab) - 1;
    tamper(&lab, &format!("DELETE FROM records WHERE seq = {last}"));
    let before = fs::read(lab.database()).unwrap();
    check_refused(&lab, &["list"], "AuditTampered", 1);
    assert_eq!(lab.run(&["verify"]).code, 1);
    assert_eq!(
        fs::read(lab.database()).unwrap(),
        before,
        "the evidence is left as it was"
    );
}

#[tokio::test]
async fn without_a_log_or_a_key_nothing_passes() {
    let empty = Lab::new();
    let said = empty.run(&["verify"]);
    assert!(
        said.code == 1 && said.out.contains("an empty log proves nothing"),
        "{said:?}"
    );

    let lab = with_log().await;
    fs::remove_file(lab.state().join("log.vkey")).unwrap();
    check_refused(&lab, &["verify"], "AuditUnavailable", 3);
    check_refused(&lab, &["verify", "--vkey", "nothing"], "Misuse", 2);

    let lab = with_log().await;
    let other = fs::read_to_string(empty.state().join("log.vkey")).unwrap();
    let said = lab.run(&["verify", "--vkey", other.trim()]);
    assert_eq!(said.code, 1, "another key: {said:?}");
    for file in ["approvals.db", "approvals.db-wal", "approvals.db-shm"] {
        let _ = fs::remove_file(lab.state().join(file));
    }
    check_refused(&lab, &["verify"], "NotFound", 1);
    fs::write(lab.database(), "").unwrap();
    assert_ne!(lab.run(&["verify"]).code, 0, "an empty file");
    fs::write(lab.database(), "words ".repeat(1_000)).unwrap();
    check_refused(&lab, &["verify"], "AuditTampered", 1);
}

#[tokio::test]
async fn threat_42_an_export_is_one_stored_record_a_line() {
    let lab = with_log().await;
    let database = Connection::open(lab.database()).unwrap();
    let mut query = database
        .prepare("SELECT bytes FROM records ORDER BY seq")
        .unwrap();
    let stored: Vec<String> = query
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(|bytes| String::from_utf8(Result::unwrap(bytes)).unwrap())
        .collect();
    let all = lab.run(&["export", "jsonl"]).ok();
    assert_eq!(all.lines().collect::<Vec<_>>(), stored);
    let rest = lab.run(&["export", "jsonl", "--from", "3"]).ok();
    assert_eq!(rest.lines().collect::<Vec<_>>(), stored[3..]);
    // A file of lines goes on where it ends, and a log that is shorter than it was cut.
    let count = stored.len().to_string();
    assert_eq!(lab.run(&["export", "jsonl", "--from", &count]).ok(), "");
    let beyond = (stored.len() + 1).to_string();
    check_refused(
        &lab,
        &["export", "jsonl", "--from", &beyond],
        "AuditTampered",
        1,
    );
}

#[tokio::test]
async fn threat_57_58_a_head_kept_outside_shows_rollback_and_fork() {
    let lab = with_log().await;
    let (backup, head) = (lab.path("backup.db"), lab.path("head.note"));
    let (backup, head) = (backup.to_str().unwrap(), head.to_str().unwrap());
    Connection::open(lab.database())
        .unwrap()
        .execute("VACUUM INTO ?1", [backup])
        .unwrap();
    lab.asked(export_users()).await;
    fs::write(head, lab.run(&["export", "checkpoint"]).ok()).unwrap();
    lab.asked(export_users()).await;
    let kept = ["verify", "--checkpoint", head];
    assert!(lab.run(&kept).ok().contains("PASS"), "a longer log passes");

    // Yesterday's backup is restored: it verifies by itself, and not against the head.
    let backup_url = store(Path::new(backup));
    let restored = ["verify", "--store", &backup_url];
    assert!(lab.run(&restored).ok().contains("PASS"));
    let rolled_back = [&restored[..], &kept[1..]].concat();
    let said = lab.run(&rolled_back);
    assert_eq!(
        (said.code, said.out.contains("cut or rolled back")),
        (1, true),
        "{}",
        said.out
    );

    // And it grows again, signed with the same key: another history of the same length.
    for file in ["approvals.db", "approvals.db-wal", "approvals.db-shm"] {
        let _ = fs::remove_file(lab.state().join(file));
    }
    fs::copy(backup, lab.database()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(lab.database(), mode).unwrap();
    for _ in 0..3 {
        lab.asked(export_users()).await;
    }
    assert!(lab.run(&["verify"]).ok().contains("PASS"));
    let said = lab.run(&kept);
    assert_eq!(
        (said.code, said.out.contains("forked or rewritten")),
        (1, true),
        "{}",
        said.out
    );
    assert!(said.out.contains("found          record "), "{}", said.out);
}
