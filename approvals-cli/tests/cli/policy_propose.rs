//! Another policy in the place of the one in force, through the binary, and interrupted on the way.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use approvals_core::{Agent, Code, Policy};
use approvals_store::home::Home;

use crate::support::{Lab, Outcome, POLICY, check_refused};

const KEEPERS: &str =
    "change = { require = [{ group = \"sre\", n = 2, min_assurance = \"A3\" }], ttl = \"4h\" }\n";

fn text(version: u32) -> String {
    POLICY.replacen(
        "version = 1\n",
        &format!("version = {version}\n{KEEPERS}"),
        1,
    )
}

fn lab() -> Lab {
    Lab::with(|starter| starter.policy(text(1)))
}

/// The next policy, in a file beside the state.
fn next(lab: &Lab, version: u32) -> String {
    let path = lab.path(&format!("policy-{version}.toml"));
    fs::write(&path, text(version)).unwrap();
    path.display().to_string()
}

fn in_place(lab: &Lab) -> String {
    fs::read_to_string(lab.state().join("policy.toml")).unwrap()
}

fn beside(lab: &Lab) -> PathBuf {
    lab.state().join("policy.toml.next")
}

fn propose(lab: &Lab, file: &str, more: &[&str]) -> Outcome {
    let key = lab.key("alice");
    lab.run(&[&["policy", "propose", file, "--key", &key], more].concat())
}

/// Asks, and gives the request.
fn detached(lab: &Lab, file: &str) -> String {
    let said = propose(lab, file, &["--detach", "--json"]).json();
    assert_eq!(said["state"], "pending", "{said}");
    said["request"].as_str().unwrap().to_owned()
}

fn approve(lab: &Lab, id: &str) {
    for who in ["dana", "erin"] {
        lab.run(&["approve", id, "--key", &lab.key(who)]).ok();
    }
}

fn count(lab: &Lab, kind: &str) -> usize {
    let log = lab.run(&["export", "jsonl"]).ok();
    log.matches(&format!("\"kind\":\"{kind}\"")).count()
}

#[tokio::test]
async fn threat_43_a_policy_is_proposed_approved_and_put_in_place() {
    let lab = lab();
    let file = next(&lab, 2);
    drop(lab.gate().await);
    let id = detached(&lab, &file);
    assert_eq!(detached(&lab, &file), id, "nobody is asked twice");
    let shown = lab.run(&["show", &id]).ok();
    assert!(
        shown.contains("-version = 1") && shown.contains("+version = 2"),
        "{shown}"
    );
    // Not by whoever proposes it, and not by one alone.
    check_refused(
        &lab,
        &["approve", &id, "--key", &lab.key("alice")],
        "SelfApproval",
        1,
    );
    lab.run(&["approve", &id, "--key", &lab.key("dana")]).ok();
    assert_eq!(detached(&lab, &file), id);
    assert_eq!(in_place(&lab), text(1));
    lab.run(&["approve", &id, "--key", &lab.key("erin")]).ok();

    let said = propose(&lab, &file, &[]).ok();
    assert!(said.contains("version 2") && said.contains(&id), "{said}");
    assert_eq!(in_place(&lab), text(2));
    assert!(!beside(&lab).exists());
    assert_eq!(lab.gate().await.policy().version(), 2);
    assert!(propose(&lab, &file, &[]).ok().contains("is in force"));
    assert_eq!(count(&lab, "policy.changed"), 1);
    lab.run(&["verify"]).ok();
    assert!(
        lab.run(&["policy", "check"])
            .ok()
            .contains("approvals.policy.change")
    );
}

#[tokio::test]
async fn threat_43_a_file_that_was_swapped_by_hand_opens_nothing() {
    let lab = lab();
    drop(lab.gate().await);
    fs::write(lab.state().join("policy.toml"), text(2)).unwrap();
    let said = check_refused(&lab, &["list"], "PolicyInvalid", 2);
    assert!(said.contains("`approvals policy propose FILE`"), "{said}");
    let file = next(&lab, 3);
    let key = lab.key("alice");
    check_refused(
        &lab,
        &["policy", "propose", &file, "--key", &key],
        "PolicyInvalid",
        2,
    );
    fs::write(lab.state().join("policy.toml"), text(1)).unwrap();
    lab.run(&["list"]).ok();
    assert_eq!(count(&lab, "policy.loaded"), 1);
}

#[tokio::test]
async fn a_proposal_waits_and_goes_on_when_it_is_approved() {
    let lab = lab();
    let file = next(&lab, 2);
    let key = lab.key("alice");
    let mut command = lab.command(&["policy", "propose", &file, "--key", &key]);
    let waiting = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let gate = lab.gate().await;
    let id = crate::support::waiting(&gate).await.to_string();
    // Another proposal waits its turn, and the one that waits goes on.
    let other = next(&lab, 3);
    let said = propose(&lab, &other, &["--detach"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(
        said.err.contains("another process proposes a policy"),
        "{said:?}"
    );
    approve(&lab, &id);
    let done = waiting.wait_with_output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(
        done.status.success() && said.contains("is in force"),
        "{said}"
    );
    assert!(said.contains(&format!("approve {id}")), "{said}");
    assert_eq!(in_place(&lab), text(2));
    // The gate that was open all the time has to load it again.
    assert_eq!(gate.policy().version(), 1);
    let file = fs::read_to_string(lab.state().join("policy.toml")).unwrap();
    gate.reload(Policy::on_record(&file).unwrap())
        .await
        .unwrap();
    lab.run(&["verify"]).ok();
}

#[tokio::test]
async fn what_is_interrupted_after_a_step_is_finished_by_doing_it_again() {
    // A text that was half written, or is of an earlier proposal, is written anew.
    for left in ["version = 2\ndefa", &text(7)] {
        let lab = lab();
        fs::write(beside(&lab), left).unwrap();
        let file = next(&lab, 2);
        approve(&lab, &detached(&lab, &file));
        propose(&lab, &file, &[]).ok();
        assert_eq!(in_place(&lab), text(2));
    }
    // Recorded, and not in its place; the file beside is there, or lost.
    for lost in [false, true] {
        let lab = lab();
        let file = next(&lab, 2);
        let id = detached(&lab, &file);
        approve(&lab, &id);
        let gate = lab.gate().await;
        let home = Home::open(lab.state()).unwrap();
        let policy = Policy::parse(&text(2), &home.people().groups(), &[]).unwrap();
        let agent = Agent::new("approvals-cli").on_behalf_of("u_alice");
        // Another gate than the command's has another environment, so that people are asked anew.
        let patient = agent.clone().wait(Duration::ZERO);
        let asked = gate
            .propose_policy(patient, policy.clone())
            .await
            .unwrap_err();
        approve(&lab, &asked.request().unwrap().to_string());
        gate.propose_policy(agent, policy).await.unwrap();
        drop(gate);
        assert_eq!(in_place(&lab), text(1));
        if lost {
            fs::remove_file(beside(&lab)).unwrap();
        } else {
            let error = home.gate().unwrap_err();
            assert_eq!(error.code(), Code::PolicyChanged);
            assert!(
                error.message().contains("approvals policy propose"),
                "{error}"
            );
        }
        assert_ne!(lab.run(&["list"]).code, 0);
        assert!(propose(&lab, &file, &[]).ok().contains("version 2"));
        assert_eq!(in_place(&lab), text(2));
        assert!(!beside(&lab).exists());
        assert_eq!(count(&lab, "policy.changed"), 1);
        lab.run(&["verify"]).ok();
    }
}

#[tokio::test]
async fn killed_anywhere_it_is_finished_by_doing_it_again() {
    let lab = lab();
    drop(lab.gate().await);
    let mut whole = Duration::from_millis(200);
    let (mut killed, mut version) = (0, 1);
    for round in 0..24_u32 {
        let file = next(&lab, version + 1);
        if round % 2 == 0 {
            // Every other time it is killed while it asks, and otherwise while it carries out.
            kill_after(&lab, &file, whole * (round / 2) / 12);
        }
        approve(&lab, &detached(&lab, &file));
        let began = Instant::now();
        killed += u32::from(kill_after(&lab, &file, whole * (round / 2 + 1) / 12));
        // Whatever is there: one text whole, and a log that verifies.
        let there = in_place(&lab);
        assert!(
            there == text(version) || there == text(version + 1),
            "{there}"
        );
        lab.run(&["verify"]).ok();
        let mut again = propose(&lab, &file, &["--detach", "--json"]).json();
        if again["state"] == "pending" {
            // The approval was used up and nothing came of it: people are asked anew.
            approve(&lab, again["request"].as_str().unwrap());
            again = propose(&lab, &file, &["--json"]).json();
        }
        assert_eq!(again["state"], "in_force", "{again}");
        if killed == 0 {
            whole = began.elapsed();
        }
        version += 1;
        assert_eq!(in_place(&lab), text(version));
        assert_eq!(
            count(&lab, "policy.changed"),
            usize::try_from(version - 1).unwrap()
        );
    }
    assert!(killed > 0, "nothing was killed in {whole:?}");
    assert_eq!(lab.gate().await.policy().version(), 25);
    lab.run(&["verify"]).ok();
}

/// Starts the proposal and kills it after that time; whether it was still running.
fn kill_after(lab: &Lab, file: &str, time: Duration) -> bool {
    let key = lab.key("alice");
    let mut command = lab.command(&["policy", "propose", file, "--key", &key, "--detach"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(time);
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    running
}
