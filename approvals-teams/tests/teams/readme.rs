//! The README's steps, as a newcomer goes through them: the text there is what is typed here.

use std::path::Path;
use std::process::Command;

use approvals_peers::Process;

use crate::playground::{CHANNEL, Stage};
use crate::support::bot::CHAT;
use crate::support::{SECRET, object, passes, program, write_private};

const README: &str = include_str!("../../README.md");

/// The TOML of the README that has this line in it.
fn block(line: &str) -> String {
    let mut blocks = README.split("```toml\n").skip(1);
    let found = blocks.find(|block| {
        block
            .split("```")
            .next()
            .is_some_and(|block| block.contains(line))
    });
    let found = found.unwrap_or_else(|| panic!("the README has no `{line}`"));
    found.split("```").next().unwrap().to_owned()
}

/// What the newcomer fills in: their own channel, chat and account.
fn filled(text: &str) -> String {
    let mine = text
        .replace("19:…@thread.tacv2", CHANNEL)
        .replace("19:…@thread.v2", CHAT)
        .replace(&object(1), &object(0));
    assert_ne!(mine, text);
    assert!(!mine.contains('…'), "{mine}");
    mine
}

fn example(stage: &Stage, state: &Path) -> Command {
    let mut example = Command::new(program("examples/teams"));
    example
        .arg(state)
        .arg("127.0.0.1:0")
        .env("TEAMS_SECRET", SECRET)
        .env("TEAMS_LOGIN", &stage.login)
        .env("TEAMS_OPENID", &stage.openid);
    example
}

fn approvals(state: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program("approvals"));
    command
        .arg("--state")
        .arg(state)
        .args(words)
        .env("TEAMS_SECRET", SECRET)
        .env_remove("SSH_AUTH_SOCK");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_follows_the_readme_to_the_end() {
    let stage = Stage::open(false).await;
    let state = stage.folder().join("approvals-demo");
    // The first run makes the state directory, and says what is missing.
    let output = example(&stage, &state).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("there is no `teams.toml`"),
        "{said}"
    );

    write_private(&state.join("teams.toml"), &filled(&block("app_id")));
    let people = std::fs::read_to_string(state.join("people.toml")).unwrap();
    let account = filled(&block("[[person.identity]]"));
    assert!(people.trim_end().contains("id = \"u_dana\""), "{people}");
    std::fs::write(state.join("people.toml"), format!("{people}\n{account}")).unwrap();

    let mut running = Process::start(example(&stage, &state));
    let line = running.line_with("listening on ");
    stage.lead_to(
        line.rsplit(' ')
            .next()
            .unwrap()
            .trim_end_matches("/api/messages"),
    );
    running.line_with("not yet: where the app is installed");

    // The package can be made while it waits; then the app is added, to the chats and the team.
    let package = stage.folder().join("teams.zip");
    passes(approvals(
        &state,
        &["teams", "package", &package.display().to_string()],
    ));
    assert!(std::fs::read(&package).unwrap().starts_with(b"PK"));
    let dana = stage.person().await;
    stage.add_to(CHAT).await;

    running.line_with("2. export");
    dana.does("approve", "Approved by").await;
    running.line_with("rows written");
    // A click is not worth enough for the purge; Dana's own key is.
    let line = running.line_with("approve it");
    let command = line.split(" -- ").nth(1).unwrap();
    let words: Vec<_> = command.split_whitespace().skip(2).collect();
    dana.does("see", "Approval wanted").await;
    passes(approvals(&state, &words));
    running.line_with("done.");
    dana.does("gone", "Approval wanted").await;
    passes(approvals(&state, &["verify"]));
}
