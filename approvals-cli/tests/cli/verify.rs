//! The verifier and the export, on honest logs and on others.

use std::fs;
use std::path::Path;

use approvals_core::{ApprovalError, requires_approval};
use rusqlite::Connection;

use crate::support::{Lab, bot, check_refused, export_users, scale, store, waiting_for};

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

/// Never ends by itself.
#[requires_approval(scope = "app.stuck")]
async fn stuck() -> Result<(), ApprovalError> {
    std::future::pending().await
}

/// Only what JSON Schema says is checked, by a validator that is not ours.
const VALIDATE: &str = r#"
import json, sys
import jsonschema_rs
schema = json.load(open(sys.argv[1]))
jsonschema_rs.meta.validate(schema)
validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
wrong = 0
for path in sys.argv[2:]:
    document = json.load(open(path))
    expected = not path.endswith(".bad")
    errors = list(validator.iter_errors(document))
    if bool(errors) == expected:
        wrong += 1
        print(path, "fits, and should not" if not expected else [str(e)[:600] for e in errors])
sys.exit(1 if wrong else 0)
"#;

/// Writes documents down, and has all of them judged by the published schema at once.
struct Judge<'a> {
    lab: &'a Lab,
    files: Vec<String>,
}

impl Judge<'_> {
    fn keep(&mut self, name: &str, document: &serde_json::Value) {
        let path = self.lab.path(name);
        fs::write(&path, document.to_string()).unwrap();
        self.files.push(path.display().to_string());
    }

    /// What the binary says, which must be one document, with the outcome that is expected.
    fn verified(&mut self, name: &str, args: &[&str], code: i32) -> serde_json::Value {
        let said = self.lab.run(&[&["--json", "verify"], args].concat());
        assert_eq!(said.code, code, "{name}: {said:?}");
        let document = said.json();
        self.keep(&format!("{name}.json"), &document);
        document
    }

    /// A run that has no outcome yet, as it is when a process was killed.
    async fn while_it_runs(&mut self) {
        let gate = self.lab.gate().await;
        let seen = async {
            let id = waiting_for(&gate, "app.stuck").await;
            let approve = ["approve", &id, "--key", &self.lab.key("dana")];
            self.lab.beside(&approve).await.ok();
            loop {
                let said = self.lab.beside(&["verify", "--json"]).await.json();
                if said["report"]["in_doubt"] == serde_json::json!([id]) {
                    break said;
                }
            }
        };
        let seen = tokio::select! {
            ended = gate.enter(bot(), stuck()) => panic!("{ended:?}"),
            seen = seen => seen,
        };
        self.keep("in-doubt.json", &seen);
    }

    fn judge(self) {
        let schema = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/verify-report.schema.json"
        );
        let mut command = approvals_peers::python();
        command.args(["-c", VALIDATE, schema]).args(&self.files);
        let said = command.output().unwrap();
        let out = String::from_utf8_lossy(&said.stdout).into_owned();
        let err = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{out}{err}");
    }
}

/// Everything that a report can speak of: an erasure, a run in doubt, broken glass, two keys.
async fn eventful() -> Lab {
    let lab = with_log().await;
    let denied = lab.run(&["list", "--status", "denied", "--json"]).json();
    let id = denied["requests"][0]["request"]
        .as_str()
        .unwrap()
        .to_owned();
    let erase = [
        "erase", &id, "--basis", "case 1", "--as", "u_alice", "--detach",
    ];
    let json = [&["--json"], &erase[..]].concat();
    let authority = lab.run(&json).json()["waits_for"]
        .as_str()
        .unwrap()
        .to_owned();
    for who in ["dana", "erin"] {
        lab.run(&["approve", &authority, "--key", &lab.key(who)])
            .ok();
    }
    lab.run(&erase).ok();
    let early = lab.path("early").display().to_string();
    lab.run(&["receipt", &id, "--out", &early]).ok();
    lab.run(&["key", "rotate"]).ok();
    crate::glass::broken(&lab).await;
    lab
}

#[tokio::test]
async fn what_verify_prints_fits_its_published_schema() {
    let lab = eventful().await;
    let mut judge = Judge {
        lab: &lab,
        files: Vec::new(),
    };
    let at = |name: &str| lab.path(name).display().to_string();
    let head = lab.run(&["export", "checkpoint"]).ok();
    fs::write(lab.path("head.note"), head).unwrap();
    lab.run(&["export", "tiles", &at("tiles")]).ok();
    let all = lab.run(&["list", "--all", "--json"]).json();
    let id = all["requests"][0]["request"].as_str().unwrap().to_owned();
    lab.run(&["receipt", &id, "--out", &at("kept")]).ok();
    let vkey = lab.state().join("log.vkey").display().to_string();
    let people = lab.state().join("people.toml").display().to_string();

    judge.while_it_runs().await;
    let good = judge.verified("good", &[], 0);
    let genesis = good["report"]["genesis"].as_str().unwrap();
    for member in ["erased", "unreviewed", "links", "signers"] {
        let all = good["report"][member].as_array().unwrap();
        assert!(!all.is_empty(), "nothing to see of `{member}`");
    }
    let [note, early, kept, tiles] = ["head.note", "early", "kept", "tiles"].map(at);
    for (name, args) in [
        ("vkey", vec!["--vkey", &vkey]),
        ("genesis", vec!["--genesis", genesis]),
        ("checkpoint", vec!["--checkpoint", &note]),
        ("people", vec!["--people", &people]),
        ("as-of", vec!["--as-of", "2999-01-01T00:00:00Z"]),
        ("then", vec!["--as-of", "2001-01-01T00:00:00Z"]),
        ("receipt", vec!["--receipt", &early]),
        (
            "receipt-and-log",
            vec!["--receipt", &kept, "--checkpoint", &note],
        ),
        ("tiles", vec!["--tiles", &tiles]),
        (
            "everything",
            vec![
                "--tiles",
                &tiles,
                "--vkey",
                &vkey,
                "--genesis",
                genesis,
                "--people",
                &people,
                "--checkpoint",
                &note,
                "--receipt",
                &kept,
                "--as-of",
                "2999-01-01T00:00:00Z",
            ],
        ),
    ] {
        judge.verified(name, &args, 0);
    }

    // What is wrong fits it, too.
    fs::write(lab.path("tiles").join("tile/0/000.p/1"), "x").ok();
    fs::write(lab.path("nothing"), "no receipt").unwrap();
    let nothing = at("nothing");
    // Alone it is under a key that only the log makes follow from the one that is pinned.
    judge.verified("receipt-of-a-later-key", &["--receipt", &kept], 1);
    judge.verified("no-receipt", &["--receipt", &nothing], 1);
    judge.verified(
        "no-receipt-log",
        &["--receipt", &nothing, "--checkpoint", &note],
        1,
    );
    judge.verified("no-log", &["--store", "sqlite:/nowhere/at.all"], 1);
    judge.verified("no-key", &["--vkey", "nonsense"], 2);
    for file in walk(&lab.path("tiles").join("tile/entries")) {
        fs::write(file, "damaged").unwrap();
    }
    judge.verified("tiles-damaged", &["--tiles", &tiles], 1);
    tamper(&lab, "DELETE FROM records WHERE seq = 5");
    let tampered = judge.verified("tampered", &[], 1);
    assert!(
        !tampered["report"]["findings"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    tamper(&lab, "DELETE FROM records; DELETE FROM head");
    judge.verified("empty", &[], 1);

    // A schema that lets anything through would prove nothing.
    let mut pretends = tampered.clone();
    pretends["passed"] = true.into();
    pretends.as_object_mut().unwrap().remove("error");
    judge.keep("pretends.bad", &pretends);
    for (name, pointer) in [
        ("verdict.bad", "/report/integrity"),
        ("records.bad", "/report/records"),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).unwrap() = "perhaps".into();
        judge.keep(name, &wrong);
    }
    let mut silent = good.clone();
    silent["report"]
        .as_object_mut()
        .unwrap()
        .remove("completeness");
    judge.keep("silent.bad", &silent);
    judge.keep("nothing.bad", &serde_json::json!({}));
    judge.judge();
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let below = |path: std::path::PathBuf| match path.is_dir() {
        true => walk(&path),
        false => vec![path],
    };
    entries.flat_map(below).collect()
}

#[tokio::test]
async fn the_auditors_own_people_file_is_what_accounts_are_compared_with() {
    let lab = with_log().await;
    let own = lab.state().join("people.toml");
    let text = fs::read_to_string(&own).unwrap();
    let passes = lab.run(&["verify", "--people", &own.display().to_string()]);
    assert_eq!(passes.code, 0, "{passes:?}");
    // In the auditor's copy, dana's key is erin's and the other way round.
    let (dana, erin) = ("id = \"u_dana\"", "id = \"u_erin\"");
    assert!(text.contains(dana) && text.contains(erin), "{text}");
    let swapped = text
        .replace(dana, "id = \"u_x\"")
        .replace(erin, dana)
        .replace("id = \"u_x\"", erin);
    let other = lab.path("auditors-people.toml");
    fs::write(&other, swapped).unwrap();
    let other = other.display().to_string();
    let said = lab.run(&["verify", "--people", &other, "--json"]);
    assert_eq!(said.code, 1, "{said:?}");
    let findings = said.json()["report"]["findings"].clone();
    let rules: Vec<&str> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["rule"].as_str().unwrap())
        .collect();
    assert_eq!(rules, ["authority.people"; 2], "{findings}");
    // A copy that cannot be read is no copy, and never a pass.
    fs::write(&other, "version = ").unwrap();
    let args = ["verify", "--people", &other];
    check_refused(&lab, &args, "PolicyInvalid", 2);
}

#[tokio::test]
async fn as_of_tells_what_was_known_then_and_still_reads_the_whole_log() {
    let lab = with_log().await;
    let records = size(&lab);
    let told = |at: &str| lab.run(&["verify", "--as-of", at, "--json"]).json()["report"].clone();
    let (before, after) = (told("2001-01-01T00:00:00Z"), told("2999-01-01T00:00:00Z"));
    assert_eq!(before["requests"]["asked"], 0);
    assert_eq!(after["requests"]["asked"], 3);
    assert_eq!(after["requests"]["denied"], 1);
    for report in [&before, &after] {
        assert_eq!(report["records"], records, "integrity is of the whole log");
        assert_eq!(report["integrity"], "pass");
    }
    let odd = lab.run(&["verify", "--as-of", "yesterday"]);
    assert!(odd.code == 2 && odd.err.contains("write it as"), "{odd:?}");
    // A time in the past hides no damage.
    tamper(&lab, "DELETE FROM records WHERE seq = 5");
    let said = lab.run(&["verify", "--as-of", "2001-01-01T00:00:00Z"]);
    assert_eq!(said.code, 1, "{said:?}");
}
