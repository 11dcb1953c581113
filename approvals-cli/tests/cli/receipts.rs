//! Receipts and exports through the binary: given, kept, and checked by somebody who has only them.

use std::fs;

use rusqlite::Connection;

use crate::support::{Lab, Outcome, check_refused, export_users, scale, store};

/// A receipt of each kind: of the requester, and of two approvers.
async fn with_receipts() -> (Lab, String, [String; 3]) {
    let lab = Lab::new();
    let id = lab.asked(scale(3)).await.to_string();
    let kept = ["asked", "dana", "erin"].map(|name| {
        lab.path(&format!("{name}.tlog-proof"))
            .display()
            .to_string()
    });
    lab.run(&["receipt", &id, "--out", &kept[0]]).ok();
    for (person, file) in [("dana", &kept[1]), ("erin", &kept[2])] {
        let key = lab.key(person);
        lab.run(&["approve", &id, "--key", &key, "--receipt", file])
            .ok();
    }
    (lab, id, kept)
}

/// An auditor's run: the public key from outside, and no state directory.
fn audit(lab: &Lab, args: &[&str]) -> Outcome {
    let vkey = lab.state().join("log.vkey");
    lab.run(
        &[
            &[
                "--state",
                "/nonexistent",
                "verify",
                "--vkey",
                vkey.to_str().unwrap(),
            ],
            args,
        ]
        .concat(),
    )
}

fn restore(lab: &Lab, backup: &str) {
    for file in ["approvals.db", "approvals.db-wal", "approvals.db-shm"] {
        let _ = fs::remove_file(lab.state().join(file));
    }
    fs::copy(backup, lab.database()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(lab.database(), mode).unwrap();
}

fn backup(lab: &Lab) -> String {
    let path = lab.path("backup.db").display().to_string();
    let database = Connection::open(lab.database()).unwrap();
    database.execute("VACUUM INTO ?1", [&path]).unwrap();
    path
}

#[tokio::test]
async fn those_who_asked_and_decided_keep_a_proof_of_exactly_that() {
    let (lab, id, [asked, dana, erin]) = with_receipts().await;
    let said = audit(&lab, &["--receipt", &asked, &dana, &erin]).ok();
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("receipt"))
        .collect();
    for (line, kind) in lines
        .iter()
        .zip(["request.created", "review.recorded", "review.recorded"])
    {
        assert!(line.contains("pass") && line.contains(kind), "{line}");
    }
    assert!(
        said.ends_with("PASS\n") && said.contains("name it with --store or --tiles"),
        "{said}"
    );
    let json = audit(&lab, &["--receipt", &dana, "--receipt", &erin, "--json"]).json();
    assert_eq!(json["passed"], true);
    let first = json["receipts"][0]["record"]["seq"].as_u64().unwrap();
    assert!(json["receipts"][1]["record"]["seq"].as_u64().unwrap() > first);
    assert_eq!(json["receipts"][0]["record"]["request"], id);
    // Erin's receipt is of her review, not of the approval that it led to.
    let text = fs::read_to_string(&erin).unwrap();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra "), "{text}");
    let shown = lab.run(&["show", &id]).ok();
    assert!(shown.contains("request.approved"), "{shown}");
}

#[tokio::test]
async fn a_receipt_is_printed_or_saved_and_never_over_something() {
    let (lab, id, [asked, dana, _]) = with_receipts().await;
    let printed = lab.run(&["receipt", &id]).ok();
    assert!(printed.starts_with("c2sp.org/tlog-proof@v1\n"), "{printed}");
    let json = lab.run(&["receipt", &id, "--json"]).json();
    assert_eq!(
        (&json["receipt"], &json["record"]["kind"]),
        (&printed.into(), &"request.approved".into())
    );
    let seq = audit(&lab, &["--receipt", &dana, "--json"]).json()["receipts"][0]["record"]["seq"]
        .to_string();
    let of_dana = lab.run(&["receipt", &id, "--record", &seq]).ok();
    assert_eq!(
        of_dana.lines().nth(1),
        fs::read_to_string(&dana).unwrap().lines().nth(1),
        "the same record"
    );
    let before = fs::read(&asked).unwrap();
    check_refused(&lab, &["receipt", &id, "--out", &asked], "Misuse", 2);
    assert_eq!(fs::read(&asked).unwrap(), before);
    let other = lab.path("other.tlog-proof").display().to_string();
    for record in ["0", "99999"] {
        check_refused(
            &lab,
            &["receipt", &id, "--record", record, "--out", &other],
            "NotFound",
            1,
        );
    }
    check_refused(
        &lab,
        &["receipt", "req_00000000", "--out", &other],
        "NotFound",
        1,
    );
    // A decision that is refused leaves no receipt, and neither does one without a place for it.
    let key = lab.key("dana");
    check_refused(
        &lab,
        &["approve", &id, "--key", &key, "--receipt", &other],
        "DuplicateVote",
        1,
    );
    assert!(!fs::exists(&other).unwrap());
    let fresh = lab.asked(export_users()).await.to_string();
    check_refused(
        &lab,
        &[
            "deny",
            &fresh,
            "--reason",
            "no",
            "--key",
            &key,
            "--receipt",
            &asked,
        ],
        "Misuse",
        2,
    );
    assert!(
        lab.run(&["show", &fresh]).ok().contains("pending"),
        "nothing was decided"
    );
    lab.run(&[
        "deny",
        &fresh,
        "--reason",
        "no",
        "--key",
        &key,
        "--receipt",
        &other,
    ])
    .ok();
    assert!(
        audit(&lab, &["--receipt", &other])
            .ok()
            .contains("review.recorded")
    );
}

#[tokio::test]
async fn threat_56_a_forged_receipt_is_named_and_fails_the_run() {
    let (lab, _, [asked, dana, _]) = with_receipts().await;
    let good = fs::read_to_string(&dana).unwrap();
    let extra = good.lines().nth(1).unwrap();
    let other = fs::read_to_string(&asked).unwrap();
    let forged = lab.path("forged.tlog-proof").display().to_string();
    for (what, text) in [
        ("words", "words".to_owned()),
        ("nothing", String::new()),
        (
            "another record",
            good.replace(extra, other.lines().nth(1).unwrap()),
        ),
        ("another place", good.replacen("index ", "index 1", 1)),
        (
            "another head",
            [
                good.split("\n\n").next().unwrap(),
                other.split_once("\n\n").unwrap().1,
            ]
            .join("\n\n"),
        ),
        (
            "no proof",
            good.lines()
                .filter(|line| line.len() != 44)
                .collect::<Vec<_>>()
                .join("\n")
                + "\n",
        ),
        ("cut", good.trim_end_matches("=\n").to_owned()),
    ] {
        fs::write(&forged, text).unwrap();
        let said = audit(&lab, &["--receipt", &asked, &forged]);
        assert_eq!(said.code, 1, "{what}: {said:?}");
        assert!(
            said.out.contains(&format!("{forged}: FAIL, ")),
            "{what}: {}",
            said.out
        );
        assert!(
            said.out.contains(&format!("{asked}: pass, ")),
            "{what}: {}",
            said.out
        );
        assert!(
            said.out.contains("FAIL (AuditTampered)"),
            "{what}: {}",
            said.out
        );
        let json = audit(&lab, &["--receipt", &forged, "--json"]);
        assert_eq!(
            (json.code, &json.json()["receipts"][0]["passed"]),
            (1, &false.into()),
            "{what}"
        );
        assert_eq!(json.json()["error"]["code"], "AuditTampered", "{what}");
    }
    // A key that never signed, and a file that is not there.
    let other = Lab::new();
    let said = other.run(&["verify", "--receipt", &dana]);
    assert!(said.code == 1 && said.out.contains("FAIL, "), "{said:?}");
    let said = audit(&lab, &["--receipt", "/nonexistent"]);
    assert!(
        said.code == 1 && said.out.contains("cannot be read"),
        "{said:?}"
    );
}

#[tokio::test]
async fn threat_57_58_old_receipts_show_rollback_and_fork_of_log_and_tiles() {
    let lab = Lab::new();
    lab.asked(export_users()).await;
    let backup = backup(&lab);
    let id = lab.asked(scale(3)).await.to_string();
    let kept = lab.path("kept.tlog-proof").display().to_string();
    lab.run(&[
        "approve",
        &id,
        "--key",
        &lab.key("dana"),
        "--receipt",
        &kept,
    ])
    .ok();
    let tiles = lab.path("tiles").display().to_string();
    lab.run(&["export", "tiles", &tiles]).ok();
    let database = store(&lab.database());
    let sources = [["--store", &database], ["--tiles", &tiles]];
    for source in sources {
        let said = audit(&lab, &[&source[..], &["--receipt", &kept]].concat()).ok();
        assert!(
            said.contains(&format!("{kept}: pass, ")) && said.contains("anchored "),
            "{said}"
        );
    }
    // Yesterday's backup comes back: by itself it verifies, and the export of it is refused.
    restore(&lab, &backup);
    check_refused(&lab, &["export", "tiles", &tiles], "AuditTampered", 1);
    let again = lab.path("again").display().to_string();
    lab.run(&["export", "tiles", &again]).ok();
    let sources = [["--store", &database], ["--tiles", &again]];
    let check = |part: &str| {
        for source in sources {
            assert!(audit(&lab, &source).ok().contains("PASS"));
            let said = audit(&lab, &[&source[..], &["--receipt", &kept]].concat());
            assert_eq!(said.code, 1, "{said:?}");
            assert!(said.out.contains(part), "{}", said.out);
            assert!(
                said.out
                    .contains(&format!("{kept}: FAIL, it proves record")),
                "{}",
                said.out
            );
        }
    };
    check("cut or rolled back");
    // And it grows again: another history of the same length.
    for _ in 0..4 {
        lab.asked(export_users()).await;
    }
    lab.run(&["export", "tiles", &again]).ok();
    check("forked or rewritten");
    check_refused(&lab, &["export", "tiles", &tiles], "AuditTampered", 1);
}

#[tokio::test]
async fn an_export_of_tiles_is_verified_without_the_database() {
    let (lab, ..) = with_receipts().await;
    let tiles = lab.path("public/tiles").display().to_string();
    let first = lab.run(&["export", "tiles", &tiles, "--json"]).json();
    assert_eq!(
        (&first["from"], &first["log"]),
        (&0.into(), &"test.example/log".into())
    );
    lab.asked(export_users()).await;
    let second = lab.run(&["export", "tiles", &tiles, "--json"]).json();
    assert_eq!(second["from"], first["size"]);
    let said = audit(&lab, &["--tiles", &tiles]).ok();
    assert!(
        said.contains("tiles          pass") && said.contains("result         PASS"),
        "{said}"
    );
    let json = audit(&lab, &["--tiles", &tiles, "--json"]).json();
    assert_eq!(
        (&json["tiles"]["passed"], &json["report"]["records"]),
        (&true.into(), &second["size"])
    );
    let both = lab.run(&["verify", "--tiles", &tiles, "--store", "sqlite:x"]);
    assert_eq!(both.code, 2, "{both:?}");
    check_refused(
        &lab,
        &["verify", "--tiles", &lab.key("nowhere")],
        "NotFound",
        1,
    );

    // One file of it is changed.
    let size = &second["size"];
    let tile = format!("tile/0/000.p/{size}");
    let path = lab.path(&format!("public/tiles/{tile}"));
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let said = audit(&lab, &["--tiles", &tiles]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out.contains("tiles          FAIL") && said.out.contains("record 1: "),
        "{}",
        said.out
    );
    let json = audit(&lab, &["--tiles", &tiles, "--json"]).json();
    assert_eq!(
        (&json["passed"], &json["tiles"]["damaged"][0]["file"]),
        (&false.into(), &tile.into())
    );
    fs::remove_file(lab.path(&format!("public/tiles/tile/entries/000.p/{size}"))).unwrap();
    let said = audit(&lab, &["--tiles", &tiles]);
    assert!(
        said.code == 1 && said.out.contains("it is missing"),
        "{said:?}"
    );
    // The key that lies beside the tiles proves nothing: the auditor has to bring one.
    let said = lab.run(&["--state", "/nonexistent", "verify", "--tiles", &tiles]);
    assert_ne!(said.code, 0, "{said:?}");
}
