//! What these tests share: a stand-in for Microsoft, a gate with the channel, and agents that ask.

pub(crate) mod bot;
pub(crate) mod logs;
pub(crate) mod microsoft;
pub(crate) mod sign;

use std::path::Path;
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use approvals_core::ports::Filter;
use approvals_core::{Agent, ApprovalError, Gate, RequestId, Status, requires_approval};

pub(crate) const APP: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const TENANT: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
pub(crate) const SECRET: &str = "canary-secret-of-the-app";
/// What makes the address of the webhook a secret.
pub(crate) const HOOK: &str = "canary-hook";

/// Alex, Megan, Adele, Isaiah: people of the tenant, by number.
pub(crate) fn object(number: usize) -> String {
    format!("00000000-0000-4000-8000-00000000002{number}")
}

/// Who is who: `u_0` to `u_3` are on call, `u_4` is in nothing; `u_0` is the usual sponsor.
pub(crate) fn people() -> String {
    let mut text = "version = 1\n[[group]]\nid = \"oncall\"\n".to_owned();
    for number in 0..5 {
        let groups = if number == 4 { "" } else { "\"oncall\"" };
        text += &format!(
            "[[person]]\nid = \"u_{number}\"\nname = \"Person {number}\"\ngroups = [{groups}]\nstatus = \"active\"\n[[person.identity]]\nprovider = \"entra\"\ntenant = \"{TENANT}\"\nsubject = \"{}\"\n",
            object(number)
        );
    }
    text
}

/// One of oncall decides; `db.drop` takes two.
pub(crate) const POLICY: &str = r#"
version = 1
default = { require = [{ group = "oncall", n = 1 }], ttl = "15m" }

[[rule]]
id = "drop"
scope = "db.drop"
require = [{ group = "oncall", n = 2 }]
"#;

#[requires_approval(
    scope = "db.export",
    reason = "weekly export of {table}",
    redact(token)
)]
pub(crate) async fn export(table: String, token: String) -> Result<usize, ApprovalError> {
    Ok(table.len() + token.len())
}

#[requires_approval(scope = "db.drop")]
pub(crate) async fn drop_table(table: String) -> Result<usize, ApprovalError> {
    Ok(table.len())
}

pub(crate) fn agent() -> Agent {
    Agent::new("runbook-bot")
        .on_behalf_of("u_0")
        .rationale("the auditors asked")
}

/// A call that waits for people, and what it comes to.
pub(crate) type Asked = tokio::task::JoinHandle<Result<usize, ApprovalError>>;

pub(crate) fn ask_export(gate: &Gate, table: &str) -> Asked {
    let (gate, table) = (gate.clone(), table.to_owned());
    tokio::spawn(async move {
        gate.enter(agent(), export(table, "canary-token".to_owned()))
            .await
    })
}

pub(crate) fn ask_drop(gate: &Gate, table: &str) -> Asked {
    let (gate, table) = (gate.clone(), table.to_owned());
    tokio::spawn(async move { gate.enter(agent(), drop_table(table)).await })
}

/// The newest request, as soon as there is one that waits.
pub(crate) async fn newest(gate: &Gate) -> RequestId {
    until("a request waits", async || {
        let rows = gate.list(Filter::pending()).await.expect("a list");
        rows.first().map(|row| row.id)
    })
    .await
}

/// Waits until a request stands so.
pub(crate) async fn stands(gate: &Gate, request: RequestId, status: Status) {
    until("the request stands as it should", async || {
        let card = gate.card(request).await.expect("a card");
        (card.status == status).then_some(())
    })
    .await;
}

/// Waits for something that comes.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to pass that {what}")
}

/// A script of ours.
pub(crate) fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/teams/peers")
        .join(name)
}

/// Runs a check of ours, which says on its own what is wrong.
pub(crate) fn passes(mut command: Command) {
    let output = command.output().expect("it runs");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
}

/// Writes a file that nobody else may read.
pub(crate) fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
    set_mode(path, 0o600);
}

/// Sets who may read a file.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, mode).expect("a mode");
}

/// A program of this workspace, with Teams in it: `approvals` or `examples/teams`.
pub(crate) fn program(name: &str) -> std::path::PathBuf {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        for words in [
            ["-p", "examples", "--example", "teams"].as_slice(),
            &[
                "-p",
                "approvals-cli",
                "--features",
                "teams",
                "--bin",
                "approvals",
            ],
        ] {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "-q", "--locked"]).args(words);
            passes(build);
        }
    });
    // This test runs from `<target>/debug/deps`.
    let exe = std::env::current_exe().expect("a path");
    exe.ancestors().nth(2).expect("a target").join(name)
}
