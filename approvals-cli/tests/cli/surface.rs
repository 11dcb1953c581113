//! The outside of the command: starting, help, wrong use, exit codes.

use std::fs;
use std::process::Command;

use crate::support::{Lab, Outcome, check_refused};

fn bare(folder: &std::path::Path, args: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_approvals"));
    command
        .current_dir(folder)
        .env_remove("APPROVALS_STATE")
        .args(args);
    Outcome::of(command)
}

#[test]
fn init_makes_a_state_that_works_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let said = bare(
        folder.path(),
        &["init", "--origin", "example.com/approvals"],
    )
    .ok();
    assert!(
        said.contains("people.toml") && said.contains("policy check"),
        "{said}"
    );
    for file in [
        "approvals.db",
        "ledger.key",
        "recovery.key",
        "recovery.vkey",
        "log.vkey",
        "policy.toml",
        "people.toml",
    ] {
        assert!(
            folder.path().join(".approvals").join(file).is_file(),
            "{file}"
        );
    }
    assert!(
        bare(folder.path(), &["policy", "check"])
            .ok()
            .ends_with("ok\n")
    );
    assert_eq!(
        bare(folder.path(), &["list"]).ok(),
        "nothing waits for you\n"
    );
    assert_eq!(
        bare(folder.path(), &["list", "--all"]).ok(),
        "nothing has been asked yet\n"
    );
    let key = fs::read(folder.path().join(".approvals/ledger.key")).unwrap();
    let again = bare(folder.path(), &["init"]);
    assert!(
        again.code == 2 && again.err.contains("already"),
        "{again:?}"
    );
    assert_eq!(
        fs::read(folder.path().join(".approvals/ledger.key")).unwrap(),
        key
    );

    let other = bare(folder.path(), &["--state", "other place", "init", "--json"]).json();
    assert!(
        other["log"]
            .as_str()
            .unwrap()
            .starts_with("localhost/approvals-"),
        "{other}"
    );
    assert!(
        bare(
            folder.path(),
            &["init", "--state", "third", "--origin", "a b"]
        )
        .code
            == 2
    );
    assert!(!folder.path().join("third").exists());
}

#[test]
fn the_state_comes_from_the_option_before_the_environment() {
    let lab = Lab::new();
    assert_eq!(lab.run(&["list"]).code, 0);
    check_refused(&lab, &["list", "--state", "nowhere"], "StoreUnavailable", 3);
    check_refused(
        &lab,
        &["export", "jsonl", "--state", "nowhere"],
        "StoreUnavailable",
        3,
    );
}

#[test]
fn wrong_use_is_2_in_text_and_in_json() {
    let lab = Lab::new();
    for args in [
        &["approve"][..],
        &["deny", "req_00000000"],
        &["list", "--status", "maybe"],
        &["fly"],
        &["list", "--all", "--status", "denied"],
        &["approve", "x", "--as", "two words"],
    ] {
        let text = lab.run(args);
        assert!(
            text.code == 2 && text.out.is_empty() && text.err.contains("error"),
            "{args:?}: {text:?}"
        );
        let json = lab.run(&[args, &["--json"]].concat());
        assert_eq!(
            (json.code, &json.json()["error"]["code"]),
            (2, &"Misuse".into()),
            "{args:?}"
        );
    }
}

#[test]
fn help_is_there_for_every_command() {
    let lab = Lab::new();
    let help = lab.run(&["--help"]).ok();
    for command in [
        "init", "list", "show", "approve", "deny", "cancel", "verify", "export", "key", "policy",
    ] {
        assert!(help.contains(&format!("  {command} ")), "{command}: {help}");
        assert_eq!(lab.run(&[command, "--help"]).code, 0, "{command}");
    }
    assert!(lab.run(&["--version"]).ok().starts_with("approvals "));
    assert_eq!(lab.run(&[]).code, 2, "nothing to do");
}
