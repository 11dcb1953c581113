//! The head that is kept outside of the store, and the day on which it says that records are lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Lab, bot, check_refused, export_users, scale};

/// A lab whose head is pinned on another volume.
fn pinned() -> (Lab, PathBuf) {
    let lab = Lab::new();
    let volume = lab.path("volume");
    fs::create_dir(&volume).unwrap();
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o700)).unwrap();
    let pin = volume.join("head.pin");
    let anchors = format!(
        "pin = {:?}\n[witnesses]\nmode = \"none\"\n",
        pin.display().to_string()
    );
    fs::write(lab.state().join("anchors.toml"), anchors).unwrap();
    (lab, pin)
}

/// The store as it is now, all of it in one file.
fn backup(lab: &Lab, name: &str) -> PathBuf {
    let path = lab.path(name);
    let database = rusqlite::Connection::open(lab.database()).unwrap();
    let into = path.display().to_string();
    database.execute("VACUUM INTO ?1", [into]).unwrap();
    path
}

fn put_back(lab: &Lab, backup: &Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(lab.state().join(format!("approvals.db{end}")));
    }
    fs::copy(backup, lab.database()).unwrap();
    fs::set_permissions(lab.database(), fs::Permissions::from_mode(0o600)).unwrap();
}

fn report(lab: &Lab) -> Value {
    lab.run(&["verify", "--json"]).json()["report"].clone()
}

fn records(lab: &Lab) -> u64 {
    report(lab)["records"].as_u64().unwrap()
}

fn shown(lab: &Lab, fits: bool) -> Value {
    let shown = lab.run(&["pin", "show", "--json"]);
    assert_eq!(shown.code, i32::from(!fits), "{shown:?}");
    assert_eq!(shown.json()["fits"], fits, "{shown:?}");
    shown.json()
}

/// The evidence beside the pin.
fn evidence(pin: &Path) -> Vec<String> {
    let files = fs::read_dir(pin.parent().unwrap()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".evidence")).collect()
}

/// One approved run, through a gate of this process.
async fn run_one(lab: &Lab) -> String {
    let gate = lab.gate().await;
    let work = gate.enter(bot(), export_users());
    let (ran, id) = tokio::join!(work, async {
        let id = crate::support::waiting(&gate).await.to_string();
        let approve = ["approve", &id, "--key", &lab.key("dana")];
        lab.beside(&approve).await.ok();
        id
    });
    ran.unwrap();
    id
}

#[tokio::test]
async fn threat_58_a_loss_is_accepted_by_hand_alone_and_stays_on_record() {
    let (lab, pin) = pinned();
    // There is nothing to adopt while nothing is pinned and nothing is written.
    let said = check_refused(&lab, &["pin", "adopt"], "Misuse", 2);
    assert!(said.contains("nothing to pin"), "{said}");
    lab.asked(scale(3)).await;
    // The pin fits: also a loss that is accepted is none.
    for args in [&["pin", "adopt"][..], &["pin", "adopt", "--accept-loss"]] {
        let said = check_refused(&lab, args, "Misuse", 2);
        assert!(said.contains("nothing to adopt"), "{said}");
    }
    let yesterday = backup(&lab, "yesterday.db");
    let kept = records(&lab);
    let id = run_one(&lab).await;
    let lost = records(&lab);
    assert!(lost > kept);

    put_back(&lab, &yesterday);
    assert_eq!(shown(&lab, false)["relation"], "ahead");
    for args in [&["list"][..], &["show", &id], &["pin", "adopt"]] {
        let said = check_refused(&lab, args, "AuditTampered", 1);
        assert!(said.contains("rolled back or cut"), "{said}");
        assert!(said.contains("approvals pin adopt --accept-loss"), "{said}");
    }
    // Both heads in one file, however often it is refused.
    assert_eq!(evidence(&pin).len(), 1, "{:?}", evidence(&pin));
    assert_eq!(records(&lab), kept, "a refusal writes nothing");

    let adopted = lab.run(&["pin", "adopt", "--accept-loss", "--json"]);
    let size = adopted.json()["size"].as_u64().unwrap();
    assert_eq!(
        adopted.json(),
        json!({ "pin": pin.display().to_string(), "size": size, "before": lost })
    );
    assert_eq!(
        (adopted.code, shown(&lab, true)["stored"].clone()),
        (0, json!(size))
    );
    // What was approved and used in the lost part is not there, and no more open than before.
    let said = check_refused(&lab, &["show", &id], "NotFound", 1);
    assert!(said.contains(&id), "{said}");
    // It goes on, and whoever verifies is told for ever.
    run_one(&lab).await;
    let verified = lab.run(&["verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let line = verified
        .out
        .lines()
        .find(|line| line.starts_with("recovered"))
        .unwrap();
    assert!(line.contains(&lost.to_string()), "{line}");
    let report = report(&lab);
    assert_eq!(report["recovered"][0]["pinned"], lost);
    assert_eq!(report["recovered"].as_array().unwrap().len(), 1);
    // A head of the lost part that somebody kept is still the proof that it was there.
    let gone = fs::read_dir(pin.parent().unwrap()).unwrap();
    let gone = gone.map(|file| file.unwrap().path());
    let gone = gone.filter(|path| {
        fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("\n{lost}\n")))
    });
    let gone: Vec<_> = gone.collect();
    assert!(!gone.is_empty());
}

#[tokio::test]
async fn threat_59_another_history_and_a_pin_of_another_log_are_accepted_by_hand_alone() {
    let (lab, pin) = pinned();
    lab.asked(scale(3)).await;
    let before = backup(&lab, "before.db");
    run_one(&lab).await;
    let (ours, held) = (backup(&lab, "ours.db"), fs::read_to_string(&pin).unwrap());
    // The same log goes on from there in another way, under a pin of its own.
    put_back(&lab, &before);
    lab.run(&["pin", "adopt", "--accept-loss"]).ok();
    run_one(&lab).await;
    run_one(&lab).await;
    fs::write(&pin, &held).unwrap();
    assert_eq!(shown(&lab, false)["relation"], "forked");
    for args in [&["list"][..], &["pin", "adopt"]] {
        let said = check_refused(&lab, args, "AuditTampered", 1);
        assert!(said.contains("forked or rewritten"), "{said}");
    }
    // The right store is put back, and nothing has to be accepted.
    let theirs = backup(&lab, "theirs.db");
    put_back(&lab, &ours);
    shown(&lab, true);
    lab.run(&["list"]).ok();
    // Or it is lost.
    fs::write(&pin, &held).unwrap();
    put_back(&lab, &theirs);
    lab.run(&["pin", "adopt", "--accept-loss"]).ok();
    shown(&lab, true);
    assert_eq!(report(&lab)["recovered"].as_array().unwrap().len(), 2);

    // A pin that holds no head of this log says so, and is kept as evidence before it is replaced.
    fs::write(&pin, "something else\n").unwrap();
    check_refused(&lab, &["pin", "show"], "AuditUnavailable", 3);
    let kept = evidence(&pin).len();
    let said = check_refused(&lab, &["pin", "adopt"], "AuditTampered", 1);
    assert!(said.contains("does not hold a head of this log"), "{said}");
    lab.run(&["pin", "adopt", "--accept-loss"]).ok();
    assert!(evidence(&pin).len() > kept);
    shown(&lab, true);
    lab.run(&["list"]).ok();
}

#[tokio::test]
async fn without_a_pin_there_is_none_to_adopt() {
    let lab = Lab::new();
    lab.asked(scale(3)).await;
    for args in [
        &["pin", "show"][..],
        &["pin", "adopt"],
        &["pin", "adopt", "--accept-loss"],
    ] {
        let said = check_refused(&lab, args, "Misuse", 2);
        assert!(said.contains("name a place for one in"), "{said}");
    }
}
