//! Approving, denying and withdrawing, through the binary.

use std::time::Duration;

use approvals_core::Code;

use crate::support::{Lab, bot, check_refused, export_users, hurry, scale, waiting};

#[tokio::test]
async fn an_approval_from_a_second_terminal_resumes_the_call() {
    let lab = Lab::new();
    let gate = lab.gate().await;
    let work = gate.enter(bot(), export_users());
    let (result, ()) = tokio::join!(work, async {
        let id = waiting(&gate).await.to_string();
        let listed = lab.beside(&["list"]).await.ok();
        assert!(
            listed.contains(&id)
                && listed.contains("db.export")
                && listed.contains("1 of oncall (has 0)"),
            "{listed}"
        );
        let short: String = id.chars().skip("req_".len()).take(8).collect();
        let shown = lab.beside(&["show", &short]).await.ok();
        assert!(
            shown.contains("table = \"users\"") && shown.contains("request.created"),
            "{shown}"
        );
        let approved = lab
            .beside(&[
                "approve",
                &id,
                "--key",
                &lab.key("dana"),
                "--reason",
                "seen",
            ])
            .await
            .ok();
        assert!(
            approved.contains("table = \"users\"") && approved.contains("token = [redacted]"),
            "the card comes first: {approved}"
        );
        assert!(approved.contains("\napproved by u_dana; it "), "{approved}");
        assert!(!approved.contains("hunter2"), "threat_13: {approved}");
    });
    assert_eq!(result.unwrap(), "users:7");
    gate.flush().await.unwrap();
    assert!(lab.run(&["verify"]).ok().contains("PASS"));
    assert_eq!(lab.run(&["list"]).ok(), "nothing waits for you\n");
}

#[tokio::test]
async fn a_denial_reaches_the_caller_with_person_and_reason() {
    let lab = Lab::new();
    let gate = lab.gate().await;
    let work = gate.enter(bot(), export_users());
    let (result, denied) = tokio::join!(work, async {
        let id = waiting(&gate).await.to_string();
        lab.beside(&[
            "deny",
            &id,
            "--key",
            &lab.key("dana"),
            "--reason",
            "window is closed",
        ])
        .await
        .ok()
    });
    assert!(
        denied.contains("denied by u_dana; nothing will run"),
        "{denied}"
    );
    let error = result.unwrap_err();
    assert_eq!(error.code(), Code::Denied);
    assert_eq!(
        error.person().map(ToString::to_string).as_deref(),
        Some("u_dana")
    );
    assert_eq!(error.reason(), Some("window is closed"));
}

#[tokio::test]
async fn refusals_have_codes() {
    let lab = Lab::new();
    let id = lab.asked(export_users()).await.to_string();
    let nobody = format!("req_{}", "0".repeat(26));
    let key = |name| lab.key(name);
    for (args, code, exit) in [
        // threat_14, threat_15: the person behind the agent, by whatever key.
        (
            vec!["approve", &id, "--key", &key("alice")],
            "SelfApproval",
            1,
        ),
        // threat_16: an account that is linked to nobody, whatever it claims (threat_20).
        (
            vec!["approve", &id, "--key", &key("stranger")],
            "IdentityUnresolved",
            1,
        ),
        (
            vec!["approve", &id, "--key", &key("stranger"), "--as", "u_dana"],
            "IdentityUnresolved",
            1,
        ),
        (
            vec!["approve", &id, "--key", &key("dana"), "--as", "u_erin"],
            "SignatureInvalid",
            1,
        ),
        (
            vec![
                "deny",
                &id,
                "--key",
                &key("dana"),
                "--as",
                "u_erin",
                "--reason",
                "no",
            ],
            "SignatureInvalid",
            1,
        ),
        (
            vec!["approve", &id, "--key", &key("omar")],
            "NotEligible",
            1,
        ),
        (
            vec!["approve", &nobody, "--key", &key("dana")],
            "NotFound",
            1,
        ),
        (
            vec!["approve", "req_00000000", "--key", &key("dana")],
            "NotFound",
            1,
        ),
        (vec!["show", &nobody], "NotFound", 1),
        (vec!["cancel", &nobody], "NotFound", 1),
        (vec!["show", "req_0"], "Misuse", 2),
        (vec!["approve", &id, "--key", &key("nothing")], "Misuse", 2),
        (vec!["approve", &id], "Misuse", 2),
        (
            vec!["deny", &id, "--key", &key("dana"), "--reason", " "],
            "Misuse",
            2,
        ),
    ] {
        let said = check_refused(&lab, &args, code, exit);
        assert!(!said.contains("panicked"), "{said}");
    }
    let shown = lab.run(&["show", &id]).ok();
    for code in [
        "SelfApproval",
        "IdentityUnresolved",
        "SignatureInvalid",
        "NotEligible",
    ] {
        assert!(
            shown.contains(&format!(": {code}\n")),
            "refused reviews are recorded: {shown}"
        );
    }
    assert!(shown.starts_with(&format!("{id}  pending\n")), "{shown}");
}

#[tokio::test]
async fn two_people_must_agree_and_nobody_counts_twice() {
    let lab = Lab::new();
    let id = lab.asked(scale(20)).await.to_string();
    let first = lab.run(&["approve", &id, "--key", &lab.key("dana")]).ok();
    assert!(first.contains("counted: 1 of 2 of sre so far"), "{first}");
    check_refused(
        &lab,
        &["approve", &id, "--key", &lab.key("dana")],
        "DuplicateVote",
        1,
    );
    let second = lab.run(&["approve", &id, "--key", &lab.key("erin"), "--json"]);
    let json = second.json();
    assert_eq!(
        (second.code, &json["request"]["status"]),
        (0, &"approved".into())
    );
    assert_eq!(
        json["request"]["progress"][0]["have"],
        serde_json::json!(["u_dana", "u_erin"])
    );
    assert!(
        json["request"]["approved_until"].is_string() && second.err.contains("replicas = 20"),
        "{second:?}"
    );
    check_refused(
        &lab,
        &["approve", &id, "--key", &lab.key("erin")],
        "DuplicateVote",
        1,
    );
    // A denial that comes before the approval is used wins.
    lab.run(&[
        "deny",
        &id,
        "--key",
        &lab.key("erin"),
        "--reason",
        "changed my mind",
    ])
    .ok();
    check_refused(
        &lab,
        &["approve", &id, "--key", &lab.key("dana")],
        "Denied",
        1,
    );
}

#[tokio::test]
async fn whoever_is_behind_a_request_may_stop_it() {
    let lab = Lab::new();
    let id = lab.asked(export_users()).await.to_string();
    let denied = lab
        .run(&[
            "deny",
            &id,
            "--key",
            &lab.key("alice"),
            "--reason",
            "not mine",
        ])
        .ok();
    assert!(denied.contains("denied by u_alice"), "{denied}");
    check_refused(&lab, &["cancel", &id], "Denied", 1);
}

#[tokio::test]
async fn an_operator_withdraws_a_request_once() {
    let lab = Lab::new();
    let gate = lab.gate().await;
    let work = gate.enter(bot(), export_users());
    let (result, id) = tokio::join!(work, async {
        let id = waiting(&gate).await.to_string();
        assert!(
            lab.beside(&["cancel", &id])
                .await
                .ok()
                .starts_with("withdrawn: ")
        );
        id
    });
    assert_eq!(result.unwrap_err().code(), Code::Cancelled);
    assert_eq!(
        lab.run(&["cancel", &id]).code,
        0,
        "withdrawing again changes nothing"
    );
    check_refused(
        &lab,
        &["approve", &id, "--key", &lab.key("dana")],
        "Cancelled",
        1,
    );
}

#[tokio::test]
async fn a_late_decision_is_refused() {
    let lab = Lab::new();
    let id = lab.asked(hurry()).await.to_string();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    check_refused(
        &lab,
        &["approve", &id, "--key", &lab.key("dana")],
        "Expired",
        1,
    );
    assert!(lab.run(&["list", "--status", "expired"]).ok().contains(&id));
    check_refused(&lab, &["cancel", &id], "Expired", 1);
}

#[tokio::test]
async fn what_cannot_be_shown_whole_cannot_be_decided() {
    let lab = Lab::new();
    let id = lab.asked(export_users()).await.to_string();
    let database = rusqlite::Connection::open(lab.database()).unwrap();
    assert!(database.execute("DELETE FROM disclosures", []).unwrap() > 0);
    drop(database);
    for args in [
        vec!["show", &id],
        vec!["approve", &id, "--key", &lab.key("dana")],
        vec!["deny", &id, "--key", &lab.key("dana"), "--reason", "no"],
    ] {
        check_refused(&lab, &args, "Unrenderable", 1);
    }
}
