//! The example as a newcomer runs it: three variables, a message, a click.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use approvals_slack::Mode;
use serde_json::{Value, json};

use crate::support::{World, button};

/// The program, built by the cargo that runs these tests.
fn example() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "-q",
                "--locked",
                "-p",
                "examples",
                "--example",
                "slack",
            ])
            .status();
        assert!(built.unwrap().success());
        // This test runs from `<target>/debug/deps`.
        let exe = std::env::current_exe().unwrap();
        exe.ancestors().nth(2).unwrap().join("examples/slack")
    })
}

/// What is set, beside what every program needs.
fn run(set: &[(&str, &str)]) -> Command {
    let mut command = Command::new(example());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("APPROVALS_")) {
        command.env_remove(name);
    }
    command.envs(set.iter().copied());
    command
}

const BOT: (&str, &str) = ("APPROVALS_SLACK_BOT_TOKEN", "xoxb-test-token");
const APP: (&str, &str) = ("APPROVALS_SLACK_APP_TOKEN", "xapp-1-A01GATE-1-test");
const DANA: (&str, &str) = ("APPROVALS_SLACK_APPROVER", "U02DANA");

#[test]
fn the_example_says_which_variable_is_missing() {
    for (set, wanted) in [
        (&[][..], BOT.0),
        (&[BOT], APP.0),
        (&[BOT, APP], DANA.0),
        (
            &[BOT, DANA, ("APPROVALS_SLACK_APP_TOKEN", "xapp-none-test")],
            "xapp-1-A",
        ),
    ] {
        let output = run(set).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(wanted), "{said}");
    }
}

/// Runs it against the stand-in, where Dana presses one of the buttons of her direct message.
async fn decided(press: &str) -> (World, Output) {
    let world = World::new(Mode::Socket).await;
    let api = world.proxy.api();
    let set = [BOT, APP, DANA, ("APPROVALS_SLACK_API", &api)];
    let child = run(&set)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (chat, card) = world
        .wait_for("a direct message", async || {
            let state = world
                .proxy
                .get(&format!("{}/_control/state", world.page))
                .await;
            let channels = state["channels"].as_array().unwrap();
            let chat = channels.iter().find(|channel| channel["is_im"] == true)?;
            let chat = chat["id"].as_str().unwrap().to_owned();
            Some((
                chat.clone(),
                direct(&world, &chat).await.into_iter().next()?,
            ))
        })
        .await;
    let action = button(&card, press).unwrap();
    let click =
        json!({ "channel": chat, "messageTs": card["ts"], "user": "U02DANA", "action": action });
    let control = format!("{}/_control/interact", world.page);
    world.proxy.post(&control, &click).await;
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = ended.await.unwrap();
    let last = direct(&world, &chat).await.into_iter().next().unwrap();
    assert!(button(&last, "approvals.approve").is_none(), "{last}");
    (world, output)
}

async fn direct(world: &World, chat: &str) -> Vec<Value> {
    let messages = format!("{}/_control/messages/{chat}", world.page);
    let answer = world.proxy.get(&messages).await;
    answer["messages"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_runs_once_somebody_pressed_approve() {
    let (_world, output) = decided("approvals.approve").await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("deleted "), "{said}");
    assert!(
        said.contains("ok    the app-level token opens a socket"),
        "{said}"
    );
}
