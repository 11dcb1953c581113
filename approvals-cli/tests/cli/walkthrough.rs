//! Pages of the documentation: every command on them is run, and prints what stands there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use approvals_core::ledger::Receipt;
use approvals_peers::{Process, free_port, installed};

use crate::support::{Lab, bot, export_users, waiting};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

/// Stands for anything: within a line, or for any number of lines.
const ANYTHING: char = '…';

/// Who types commands: where the gate runs, away from it, or as an approver with a key.
const WHO: &[&str] = &[
    "operator", "auditor", "witness", "tsa", "alice", "dana", "erin",
];

/// One command on the page, and what it should print.
#[derive(Debug, Default)]
struct Step {
    who: String,
    command: String,
    expected: Vec<String>,
}

/// The commands of a page. Every block on it is one of commands: nothing that is shown can go stale.
fn steps(page: &str) -> Vec<Step> {
    let (mut steps, mut inside) = (Vec::<Step>::new(), false);
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            assert!(
                inside || language == "console",
                "a block that is not run: {line}"
            );
            inside = !inside;
        } else if inside {
            match line.split_once("$ ") {
                Some((who, command)) if WHO.contains(&who) => steps.push(Step {
                    who: who.to_owned(),
                    command: command.to_owned(),
                    expected: Vec::new(),
                }),
                _ => steps.last_mut().unwrap().expected.push(line.to_owned()),
            }
        }
    }
    steps
}

/// Whether a line is as expected.
fn fits(expected: &str, line: &str) -> bool {
    let parts: Vec<&str> = expected.split(ANYTHING).collect();
    let [first, between @ .., last] = parts.as_slice() else {
        return expected == line;
    };
    let inner = line
        .strip_prefix(first)
        .and_then(|rest| rest.strip_suffix(last));
    let Some(mut rest) = inner else { return false };
    between.iter().all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

/// Whether all lines are as expected; a line of nothing but `…` is any number of lines.
fn all_fit(expected: &[String], lines: &[&str]) -> bool {
    match expected {
        [] => lines.is_empty(),
        [any, rest @ ..] if any.trim() == "…" => {
            (0..=lines.len()).any(|at| all_fit(rest, &lines[at..]))
        }
        [first, rest @ ..] => lines
            .split_first()
            .is_some_and(|(line, lines)| fits(first, line) && all_fit(rest, lines)),
    }
}

/// A command as the page says: the operator with the state directory, everybody else without.
fn command(lab: &Lab, desk: &Path, step: &Step) -> Command {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_approvals"));
    let path = std::env::var("PATH").unwrap();
    let folder = program.parent().unwrap().display();
    let mut command = Command::new("bash");
    command.args(["-c", &format!("exec 2>&1; {}", step.command)]);
    command.current_dir(desk).stdin(Stdio::null());
    let theirs = installed("python/bin");
    command
        .env("PATH", format!("{folder}:{}:{path}", theirs.display()))
        .env("HOME", desk);
    command.env_remove("APPROVALS_STATE");
    match step.who.as_str() {
        "auditor" => command.env("STORE", lab.database()),
        "witness" | "tsa" => &mut command,
        "operator" => command.env("APPROVALS_STATE", lab.state()),
        person => command
            .env("APPROVALS_STATE", lab.state())
            .env("APPROVALS_KEY", lab.key(person)),
    };
    command
}

/// A log with a life of its own, and what people kept of it.
async fn desk(lab: &Lab) -> PathBuf {
    let desk = lab.path("desk");
    fs::create_dir(&desk).unwrap();
    let at = |name: &str| desk.join(name);
    // When the log was new, the auditor got its key.
    fs::copy(lab.state().join("log.vkey"), at("log.vkey")).unwrap();
    fs::copy(format!("{DOCS}/audit/verify.sh"), at("verify.sh")).unwrap();
    lab.asked(export_users()).await;
    let yesterday = at("yesterday").display().to_string();
    lab.run(&["export", "tiles", &yesterday]).ok();
    let gate = lab.gate().await;
    let work = gate.enter_with_receipts(bot(), export_users());
    let ((output, receipts), ()) = tokio::join!(work, async {
        let id = waiting(&gate).await.to_string();
        let (key, kept) = (lab.key("dana"), at("dana.tlog-proof").display().to_string());
        lab.beside(&["approve", &id, "--key", &key, "--receipt", &kept])
            .await
            .ok();
    });
    output.unwrap();
    let [receipt]: [Receipt; 1] = receipts.unwrap().try_into().unwrap();
    fs::write(at("requester.tlog-proof"), receipt.to_string()).unwrap();
    lab.asked(export_users()).await;
    desk
}

#[tokio::test]
async fn every_command_for_auditors_prints_what_the_page_says() {
    let lab = Lab::new();
    let desk = desk(&lab).await;
    follow(&lab, &desk, "audit.md", &[("operator", 1), ("auditor", 11)]);
}

/// Types every command on a page, of which there are at least so many by each.
fn follow(lab: &Lab, desk: &Path, page: &str, at_least: &[(&str, usize)]) {
    let text = fs::read_to_string(format!("{DOCS}/{page}")).unwrap();
    // The page names one port, and this machine may use it.
    let steps = steps(&text.replace("7380", &free_port().to_string()));
    for (who, count) in at_least {
        let typed = steps.iter().filter(|step| step.who == *who).count();
        assert!(typed >= *count, "`{page}` has lost commands of `{who}`");
    }
    let mut servers = Vec::new();
    for step in &steps {
        let mut command = command(lab, desk, step);
        if step.command.ends_with(" serve") {
            let mut server = Process::start(command);
            server.line_with("listening");
            servers.push(server);
            continue;
        }
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert!(all_fit(&step.expected, &lines), "{step:#?} says:\n{said}");
    }
}

#[tokio::test]
async fn every_command_about_anchors_prints_what_the_page_says() {
    let lab = Lab::new();
    let desk = desk(&lab).await;
    let typed = [("operator", 20), ("auditor", 8), ("witness", 3), ("tsa", 3)];
    follow(&lab, &desk, "anchors.md", &typed);
}

/// A desk with the key of the log, and the name of a request that was denied.
async fn with_request(lab: &Lab) -> PathBuf {
    let desk = lab.path("desk");
    fs::create_dir(&desk).unwrap();
    fs::copy(lab.state().join("log.vkey"), desk.join("log.vkey")).unwrap();
    let request = lab.asked(export_users()).await.to_string();
    let deny = [
        "deny",
        &request,
        "--key",
        &lab.key("dana"),
        "--reason",
        "no",
    ];
    lab.run(&deny).ok();
    fs::write(desk.join("request"), request).unwrap();
    desk
}

#[tokio::test]
async fn every_command_about_erasing_prints_what_the_page_says() {
    let lab = Lab::new();
    let desk = with_request(&lab).await;
    let typed = [("alice", 3), ("dana", 1), ("erin", 1), ("operator", 3)];
    follow(&lab, &desk, "erasure.md", &typed);
}

#[tokio::test]
async fn every_command_about_keys_prints_what_the_page_says() {
    let lab = Lab::new();
    let desk = with_request(&lab).await;
    follow(&lab, &desk, "keys.md", &[("operator", 6), ("auditor", 2)]);
}

#[test]
fn a_page_that_is_wrong_fails() {
    for (expected, line, fitting) in [
        ("a b", "a b", true),
        ("a b", "a b c", false),
        ("a …", "a b c", true),
        ("… c", "a b c", true),
        ("a … c", "a b c", true),
        ("a … c", "a b d", false),
        ("a … c", "a b c d", false),
        ("…", "", true),
        ("pass, … records", "pass, 3 records", true),
        ("pass, … records", "FAIL, 3 records", false),
    ] {
        assert_eq!(fits(expected, line), fitting, "{expected} and {line}");
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(all_fit(&lines("a\n…\nd"), &["a", "b", "c", "d"]));
    assert!(all_fit(&lines("a\n…\nd"), &["a", "d"]));
    assert!(!all_fit(&lines("a\n…\nd"), &["a", "d", "e"]));
    assert!(!all_fit(&lines("a"), &[]));
    assert!(!all_fit(&[], &["a"]));
}
