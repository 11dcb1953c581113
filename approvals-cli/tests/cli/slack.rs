//! `approvals slack`: the manifest, and what keeps the channel from starting.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use approvals_peers::{Process, free_port, installed};
use serde_json::Value;

use crate::support::{Lab, Outcome};

fn configure(lab: &Lab, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(lab.state().join("slack.toml")).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn with(lab: &Lab, args: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = lab.command(args);
    for name in ["BOT_TOKEN", "SIGNING_SECRET", "APP_TOKEN"] {
        command.env_remove(format!("APPROVALS_SLACK_{name}"));
        command.env_remove(format!("APPROVALS_SLACK_{name}_FILE"));
    }
    command.envs(variables.iter().copied());
    Outcome::of(command)
}

#[test]
fn the_manifest_is_for_the_socket_or_for_one_address() {
    let lab = Lab::new();
    let socket: Value = serde_json::from_str(&lab.run(&["slack", "manifest"]).ok()).unwrap();
    assert_eq!(socket["settings"]["socket_mode_enabled"], true);
    assert!(socket["settings"]["interactivity"]["request_url"].is_null());
    let url = "https://approvals.example.com/";
    let http = lab.run(&["slack", "manifest", "--url", url]).ok();
    let http: Value = serde_json::from_str(&http).unwrap();
    assert_eq!(http["settings"]["socket_mode_enabled"], false);
    let at = "https://approvals.example.com/slack/interactions";
    assert_eq!(http["settings"]["interactivity"]["request_url"], at);
    let refused = lab.run(&["slack", "manifest", "--url", "http://approvals.example.com"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[test]
fn what_is_missing_starts_nothing_and_tells_no_secret() {
    let lab = Lab::new();
    let good = "version = 1\nmode = \"http\"\nteam = \"T01ACME\"\napp = \"A01GATE\"\napi = \"http://127.0.0.1:1/api/\"\nroute = [{ to = \"C01APPR\" }]\n";
    let bot = ("APPROVALS_SLACK_BOT_TOKEN", "xoxb-CANARY-CANARY");
    let signing = (
        "APPROVALS_SLACK_SIGNING_SECRET",
        "CANARYCANARYCANARYCANARYCANARYCA",
    );
    let check = |args: &[&str], variables: &[(&str, &str)], code: i32, wanted: &str| {
        let outcome = with(&lab, args, variables);
        let said = format!("{}{}", outcome.out, outcome.err);
        assert_eq!(outcome.code, code, "{outcome:?}");
        assert!(said.contains(wanted), "{wanted}: {said}");
        assert!(!said.contains("CANARY"), "{said}");
    };
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    check(&["slack", "doctor"], &[bot, signing], 2, "no `slack.toml`");
    configure(&lab, "version = 1\n");
    check(&serve, &[bot, signing], 2, "slack.toml");
    configure(&lab, good);
    check(&serve, &[], 2, "APPROVALS_SLACK_BOT_TOKEN");
    check(&serve, &[bot], 2, "APPROVALS_SLACK_SIGNING_SECRET");
    check(
        &serve,
        &[bot, ("APPROVALS_SLACK_SIGNING_SECRET", "CANARY")],
        2,
        "at least 16",
    );
    // Everything is there, and nobody answers.
    check(&["slack", "doctor"], &[bot, signing], 1, "does not answer");
}

/// The newcomer's way of the README, against a stand-in for Slack on this machine.
#[test]
fn the_doctor_says_what_is_well_and_what_a_stand_in_does_not_tell() {
    let lab = Lab::new();
    let port = free_port();
    let workspace = lab.state().with_file_name("local.yaml");
    std::fs::write(&workspace, LOCAL).unwrap();
    let mut command = std::process::Command::new(installed(
        "node_modules/local-slack-linux-x64/bin/local-slack",
    ));
    command.args(["--port", &port.to_string(), "--config"]);
    let mut slack = Process::start({
        command.arg(&workspace);
        command
    });
    slack.line_with("Web UI");
    configure(
        &lab,
        &format!(
            "version = 1\nmode = \"socket\"\nteam = \"T01ACME\"\napp = \"A01GATE\"\napi = \"http://127.0.0.1:{port}/api/\"\nroute = [{{ to = \"C01APPR\" }}, {{ to = \"C09GONE\" }}]\n"
        ),
    );
    let variables = [
        ("APPROVALS_SLACK_BOT_TOKEN", "xoxb-test-token"),
        ("APPROVALS_SLACK_APP_TOKEN", "xapp-1-A01GATE-1-test"),
    ];
    let found = with(&lab, &["slack", "doctor"], &variables);
    assert_eq!(found.code, 1, "{found:?}");
    for wanted in [
        "ok    the bot token is accepted",
        "ok    the workspace is T01ACME",
        "WRONG the scopes of the bot token",
        "ok    the route to C01APPR",
        "WRONG the route to C09GONE",
        "ok    the app-level token opens a socket",
    ] {
        assert!(found.out.contains(wanted), "{wanted}: {found:?}");
    }
    assert!(!found.out.contains("xoxb-"), "{found:?}");
}

/// The workspace that the README writes down.
const LOCAL: &str = "workspace: { name: Acme, domain: acme, teamId: T01ACME }
app: { appId: A01GATE, botUserId: U0BOT, botName: approvals, botToken: xoxb-test-token, appToken: xapp-1-A01GATE-1-test, signingSecret: 0123456789abcdef0123456789abcdef, mode: socket }
users:
  - { id: U02DANA, name: dana, real_name: Dana Oncall, email: dana@example.com }
channels:
  - { id: C01APPR, name: approvals, members: [U02DANA, U0BOT] }
";
