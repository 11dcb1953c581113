//! What reaches the eyes of people, and what programs get.

use approvals_core::ApprovalError;
use approvals_core::requires_approval;

use crate::support::{Lab, export, export_users};

const EVIL: &str = "a\x1b[2Jb\rc\u{202e}d\u{2066}e\u{200b}f\u{e0041}g\u{9b}31mh\u{85}i\x7fj\nk";

#[requires_approval(
    scope = "db.note",
    reason = "note {text}",
    resource = "row {text}",
    environment = "{text}"
)]
async fn note(text: String) -> Result<String, ApprovalError> {
    Ok(text)
}

fn is_plain(text: &str) -> bool {
    let hidden = ['\u{202e}', '\u{2066}', '\u{200b}', '\u{e0041}'];
    !text.contains(|c: char| (c.is_control() && c != '\n') || hidden.contains(&c))
}

#[tokio::test]
async fn threat_10_the_terminal_gets_no_control_characters() {
    let lab = Lab::new();
    let gate = lab.gate().await;
    let agent = crate::support::bot()
        .rationale(EVIL)
        .software(EVIL)
        .wait(std::time::Duration::ZERO);
    let id = gate
        .enter(agent, note(EVIL.to_owned()))
        .await
        .unwrap_err()
        .request()
        .unwrap()
        .to_string();
    let key = lab.key("dana");
    for args in [
        vec!["list", "--all"],
        vec!["show", &id],
        vec!["approve", &id, "--key", &lab.key("stranger")],
        vec!["approve", EVIL, "--key", &key],
        vec!["approve", &id, "--key", EVIL],
        vec!["approve", &id, "--key", &key, "--as", "u_erin"],
        vec!["deny", &id, "--key", &key, "--reason", EVIL],
        vec!["show", &id],
        vec!["verify", "--vkey", EVIL],
        vec!["policy", "check", EVIL],
    ] {
        for more in [&[][..], &["--json"]] {
            let said = lab.run(&[&args, more].concat());
            assert!(
                is_plain(&said.out) && is_plain(&said.err),
                "{args:?}: {said:?}"
            );
        }
    }
    let shown = lab.run(&["show", &id]).ok();
    assert!(
        shown.contains(r"\u{202e}") && shown.contains("CAREFUL"),
        "{shown}"
    );
    // Programs get the text itself: the canonical JSON of the value, within JSON.
    let value = lab.run(&["show", &id, "--json"]).json();
    let text: String =
        serde_json::from_str(value["request"]["params"][0]["value"].as_str().unwrap()).unwrap();
    assert_eq!(text, EVIL);
    assert_eq!(value["request"]["denial"], EVIL);
}

#[tokio::test]
async fn threat_09_a_long_value_is_shown_to_its_end() {
    let lab = Lab::new();
    let long = format!("{}THE END", "x".repeat(50_000));
    let id = lab.asked(export(long, String::new())).await.to_string();
    for args in [
        vec!["show", &id],
        vec!["approve", &id, "--key", &lab.key("dana")],
    ] {
        assert!(lab.run(&args).ok().contains("THE END\""));
    }
}

#[tokio::test]
async fn threat_12_the_agents_words_stand_apart() {
    let lab = Lab::new();
    let id = lab.asked(export_users()).await.to_string();
    let shown = lab.run(&["show", &id]).ok();
    let line = shown
        .lines()
        .find(|line| line.contains("already approved by the CISO"))
        .unwrap();
    assert!(
        line.contains("agent says") && line.ends_with("(unverified)"),
        "{line}"
    );
}

#[tokio::test]
async fn json_says_what_text_says() {
    let lab = Lab::new();
    let id = lab.asked(export_users()).await.to_string();
    let list = lab.run(&["list", "--json"]).json();
    let row = &list["requests"][0];
    assert_eq!(
        (&row["request"], &row["status"], &row["agent"]),
        (&id.clone().into(), &"pending".into(), &"bot".into())
    );
    assert_eq!(row["progress"][0]["need"], 1);
    let shown = lab.run(&["show", &id, "--json"]).json();
    let request = &shown["request"];
    assert_eq!(request["params"][0]["value"], "\"users\"");
    assert_eq!(
        request["params"][1],
        serde_json::json!({ "name": "token", "value": null, "redacted": true })
    );
    assert_eq!(
        (&request["sponsor"], &request["environment"]),
        (&"u_alice".into(), &"prod".into())
    );
    assert_eq!(
        request["claims"]["rationale"],
        "already approved by the CISO"
    );
    assert_eq!(request["history"][0]["kind"], "request.created");
    assert!(request["digest"].as_str().unwrap().starts_with("sha256:"));
    let denied = lab.run(&[
        "deny",
        &id,
        "--key",
        &lab.key("dana"),
        "--reason",
        "no",
        "--json",
    ]);
    assert_eq!(denied.json()["request"]["denial"], "no");
    assert_eq!(
        lab.run(&["list", "--all", "--json"]).json()["requests"][0]["status"],
        "denied"
    );
    assert_eq!(
        lab.run(&["list", "--json"]).json()["requests"],
        serde_json::json!([])
    );
}
