//! Erasing through the binary: two people, one record, and nothing left in any backup.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use approvals_core::envelope::{DisclosureKey, EnvelopeError};
use approvals_core::ports::{Filter, Reader as _, Signer as _, Store as _};
use approvals_core::{ApprovalError, Gate, RequestId, requires_approval};
use approvals_store::home::Home;
use approvals_store::sqlite::{SqliteReader, SqliteStore};
use tokio::task::JoinSet;

use crate::support::{Lab, bot, check_refused};

const CANARY: &str = "c4nary~to-be=erased/4711";
const BASIS: &str = "art. 17 GDPR, case 4711";

const POLICY: &str = r#"
version = 1
default = { require = [{ group = "oncall" }], ttl = "15m", use_within = "15m" }

[[rule]]
id = "see"
scope = "app.see"
effect = "auto"
"#;

#[requires_approval(scope = "app.see")]
async fn see(who: String) -> Result<(), ApprovalError> {
    let _ = who;
    Ok(())
}

fn lab() -> Lab {
    Lab::with(|starter| starter.policy(POLICY))
}

/// A settled request with a canary in it.
async fn seen(gate: &Gate) -> RequestId {
    gate.enter(bot(), see(CANARY.to_owned())).await.unwrap();
    let rows = gate.list(Filter::all()).await.unwrap();
    rows.iter().max_by_key(|row| row.last_seq).unwrap().id
}

fn backup(lab: &Lab, name: &str) -> PathBuf {
    let path = lab.path(name);
    let database = rusqlite::Connection::open(lab.database()).unwrap();
    let sql = format!("VACUUM INTO '{}'", path.display());
    database.execute_batch(&sql).unwrap();
    path
}

/// What a copy of the store opens with the keys that are there now.
fn opens(lab: &Lab, database: &Path, request: RequestId) -> Result<usize, EnvelopeError> {
    let home = Home::open(lab.state()).unwrap();
    let envelope = SqliteReader::open(database).unwrap().disclosures(request);
    let vault = home.paths().vault(home.origin()).unwrap();
    Ok(vault.open(request, &envelope.unwrap())?.len())
}

#[tokio::test]
async fn two_people_let_a_request_be_erased_from_the_store_and_its_backups() {
    let lab = lab();
    let gate = lab.gate().await;
    let (request, other) = (seen(&gate).await, seen(&gate).await);
    assert_ne!(request, other);
    let before = backup(&lab, "before.db");
    assert!(opens(&lab, &before, request).unwrap() > 0);

    let id = request.to_string();
    let key = lab.key("alice");
    let erase = ["erase", &id, "--basis", BASIS, "--key", &key, "--detach"];
    let json = [&["--json"], &erase[..]].concat();
    let asked = lab.run(&json);
    assert_eq!(asked.code, 1, "nothing is erased yet: {asked:?}");
    let authority = asked.json()["waits_for"].as_str().unwrap().to_owned();
    // Asking again asks nobody again, and one person is not enough; who asked is none of them.
    for approver in ["dana", "alice"] {
        let approve = ["approve", &authority, "--key", &lab.key(approver)];
        match approver {
            "dana" => {
                let shown = lab.run(&approve).ok();
                assert!(shown.contains(BASIS) && shown.contains(&id), "{shown}");
            }
            _ => drop(check_refused(&lab, &approve, "SelfApproval", 1)),
        }
        let again = lab.run(&json);
        assert_eq!(again.json()["waits_for"].as_str(), Some(&*authority));
    }
    lab.run(&["approve", &authority, "--key", &lab.key("erin")])
        .ok();
    let done = lab.run(&json);
    assert_eq!(done.code, 0, "{done:?}");
    let done = done.json();
    assert_eq!(done["erased"]["authority"].as_str(), Some(&*authority));
    assert_eq!(done["before"], false);
    assert_eq!(
        done["rewrapped"], 2,
        "the other request and the erasure's own"
    );
    let record = done["erased"]["record"].to_string();

    // Again: nothing is asked, the same record is named, and what was interrupted would be finished.
    let again = lab.run(&erase).ok();
    assert!(
        again.contains(&format!(
            "was erased before: record {record}, under {authority}"
        )),
        "{again}"
    );
    let shown = lab.run(&["show", &id]).ok();
    assert!(
        !shown.contains(CANARY) && shown.contains("erased"),
        "{shown}"
    );
    assert!(lab.run(&["show", &other.to_string()]).ok().contains(CANARY));
    let after = backup(&lab, "after.db");
    assert_eq!(opens(&lab, &after, request), Ok(0));
    assert!(opens(&lab, &after, other).unwrap() > 0);
    for backup in [request, other].map(|request| opens(&lab, &before, request)) {
        assert!(
            matches!(backup, Err(EnvelopeError::UnknownKey(_))),
            "{backup:?}"
        );
    }
    // The gate that was open all the time found the new key by itself, and the log verifies.
    seen(&gate).await;
    let verified = lab.run(&["verify"]).ok();
    assert!(verified.contains("erased"), "{verified}");
}

#[tokio::test]
async fn what_cannot_be_erased_is_refused_before_anybody_is_asked() {
    let lab = lab();
    let gate = lab.gate().await;
    let request = seen(&gate).await.to_string();
    let unknown = RequestId::from_bytes([7; 16]).to_string();
    for (id, basis, code, exit) in [
        (&unknown, BASIS, "NotFound", 1),
        (&request, "  ", "NonCanonical", 2),
    ] {
        let args = ["erase", id, "--basis", basis, "--as", "u_alice"];
        check_refused(&lab, &args, code, exit);
    }
    assert!(gate.list(Filter::pending()).await.unwrap().is_empty());
    // Replacing the key alone is a command of its own, and says how many it wrapped.
    let said = lab.run(&["key", "rewrap"]).ok();
    assert!(
        said.contains("1 data keys are wrapped by the new one"),
        "{said}"
    );
    assert!(lab.run(&["show", &request]).ok().contains(CANARY));
}

/// Kills it without a word when the condition holds; gives whether it did while the program ran.
fn killed_when(mut child: Child, mut holds: impl FnMut() -> bool) -> bool {
    let patience = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < patience, "it neither got there nor ended");
        if holds() {
            child.kill().unwrap();
            let ended = child.wait().unwrap();
            return !ended.success();
        }
    }
    false
}

fn start(lab: &Lab, args: &[&str]) -> Child {
    let mut command = lab.command(args);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Where a replacement of the disclosure key stands, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Untouched,
    Made,
    Wrapping,
    Wrapped,
    Overwritten,
}

fn stage(home: &Home, reader: &mut SqliteStore) -> Option<Stage> {
    let place = home.paths().disclosure();
    let next = DisclosureKey::read_file(place.with_extension("key.next"));
    let Ok(next) = next else {
        return Some(Stage::Untouched);
    };
    if reader.head().ok()?.disclosure_key != Some(next.id()) {
        return Some(Stage::Made);
    }
    let Ok(old) = DisclosureKey::read_file(place) else {
        return Some(Stage::Overwritten);
    };
    let left = reader.wrapped_by(old.id(), 1).ok()?;
    Some(if left.is_empty() {
        Stage::Wrapped
    } else {
        Stage::Wrapping
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_that_is_killed_anywhere_is_finished_by_the_next_one() {
    let lab = lab();
    let gate = lab.gate().await;
    let request = seen(&gate).await;
    let mut calls = JoinSet::new();
    for _ in 0..1_600 {
        let gate = gate.clone();
        calls.spawn(async move { gate.enter(bot(), see(CANARY.to_owned())).await.unwrap() });
    }
    calls.join_all().await;
    let home = Home::open(lab.state()).unwrap();
    let mut reader = SqliteStore::open_existing(lab.database()).unwrap();
    let mut reached = Vec::new();
    let mut backups = Vec::new();
    for aim in [
        Stage::Made,
        Stage::Wrapping,
        Stage::Wrapped,
        Stage::Overwritten,
    ] {
        for round in 0..5 {
            let name = format!("{aim:?}-{round}.db");
            backups.push(backup(&lab, &name));
            let child = start(&lab, &["key", "rewrap"]);
            let killed = killed_when(child, || stage(&home, &mut reader) >= Some(aim));
            let stopped = stage(&home, &mut reader).unwrap();
            backups.push(backup(&lab, &format!("{name}-killed")));
            reached.push(stopped);
            // Whoever is there goes on, and whoever comes finds everything.
            seen(&gate).await;
            let shown = lab.run(&["show", &request.to_string()]).ok();
            assert!(shown.contains(CANARY), "{stopped:?}: {shown}");
            if killed && stopped == aim {
                break;
            }
        }
    }
    // The last two are over in a moment; those in front are not, and have been seen.
    for aim in [Stage::Made, Stage::Wrapping] {
        assert!(reached.contains(&aim), "{reached:?}");
    }
    lab.run(&["key", "rewrap"]).ok();
    assert_eq!(stage(&home, &mut reader), Some(Stage::Untouched));
    for backup in backups {
        let opened = opens(&lab, &backup, request);
        let unknown = matches!(opened, Err(EnvelopeError::UnknownKey(_)));
        assert!(unknown, "{}: {opened:?}", backup.display());
    }
    assert!(
        lab.run(&["show", &request.to_string()])
            .ok()
            .contains(CANARY)
    );
    lab.run(&["verify"]).ok();
}

#[tokio::test]
async fn an_erasure_that_is_killed_before_it_could_scrub_is_scrubbed_by_whoever_opens_next() {
    let lab = lab();
    let gate = lab.gate().await;
    let request = seen(&gate).await;
    let envelope = gate
        .journal()
        .read(move |reader| reader.disclosures(request));
    let envelope = envelope.await.unwrap();
    let needle = &envelope.disclosures[0].ciphertext[..24];
    let id = request.to_string();
    let key = lab.key("alice");
    let erase = ["erase", &id, "--basis", BASIS, "--key", &key, "--detach"];
    let asked = lab.run(&[&["--json"], &erase[..]].concat()).json();
    let authority = asked["waits_for"].as_str().unwrap().to_owned();
    for who in ["dana", "erin"] {
        lab.run(&["approve", &authority, "--key", &lab.key(who)])
            .ok();
    }
    drop(gate);
    // Somebody reads the store, so that its log cannot be emptied; and stays, so that it is not
    // emptied by being left.
    let reading = rusqlite::Connection::open(lab.database()).unwrap();
    reading
        .execute_batch("BEGIN; SELECT count(*) FROM records")
        .unwrap();
    let mut reader = SqliteReader::open(lab.database()).unwrap();
    let killed = killed_when(start(&lab, &erase), || {
        let left = reader.disclosures(request);
        left.is_ok_and(|left| left.is_empty())
    });
    assert!(killed, "it was waiting for the reader");
    drop(reader);
    let lies = || {
        let files = ["", "-wal"].map(|end| format!("{}{end}", lab.database().display()));
        let files = files.iter().filter_map(|file| std::fs::read(file).ok());
        let mut found = files.map(|bytes| bytes.windows(needle.len()).any(|part| part == needle));
        found.any(|found| found)
    };
    assert!(lies(), "or else there is nothing to be scrubbed");
    reading.execute_batch("ROLLBACK").unwrap();
    lab.run(&["list"]).ok();
    assert!(!lies());
    let again = lab.run(&erase).ok();
    assert!(again.contains("was erased before"), "{again}");
    lab.run(&["verify"]).ok();
}

#[tokio::test]
async fn a_rotation_that_is_killed_between_its_record_and_its_file_is_finished_by_the_next_one() {
    let lab = lab();
    seen(&lab.gate().await).await;
    let home = Home::open(lab.state()).unwrap();
    let mut hit = false;
    for round in 0..10 {
        let mut reader = SqliteReader::open(lab.database()).unwrap();
        let keys = reader.head().unwrap().keys.len();
        let child = start(&lab, &["key", "rotate"]);
        let recorded = || reader.head().is_ok_and(|head| head.keys.len() > keys);
        let killed = killed_when(child, recorded);
        drop(reader);
        let in_place = home.signer().unwrap().vkey() == home.keys().unwrap().current();
        if killed && !in_place {
            hit = true;
            let said = check_refused(&lab, &["list"], "AuditUnavailable", 3);
            assert!(
                said.contains("approvals key rotate"),
                "round {round}: {said}"
            );
            let said = lab.run(&["key", "rotate"]).ok();
            assert!(
                said.contains("finished a change that was interrupted"),
                "{said}"
            );
            break;
        }
    }
    assert!(hit, "the moment between record and file was never met");
    let keys = home.keys().unwrap();
    assert_eq!(home.signer().unwrap().vkey(), keys.current());
    lab.run(&["verify"]).ok();
}
