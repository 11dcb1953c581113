//! A state directory with people, their keys, a gate, and the binary beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use approvals_core::ports::Filter;
use approvals_core::{Agent, ApprovalError, Code, Gate, RequestId, requires_approval};
use approvals_store::home::{Home, Starter};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const POLICY: &str = r#"
version = 1
default = { require = [{ group = "oncall" }], ttl = "15m", use_within = "15m" }
memory = { deny = "0s", freeze_after = 1000 }
[[rule]]
id = "two"
scope = "k8s.scale"
require = [{ group = "sre", n = 2, min_assurance = "A3" }]

[calendar.always]
weekly = [{ days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from = "00:00", to = "24:00", utc_offset = "+00:00" }]

[[rule]]
id = "freeze"
scope = "iam.*"
when = { calendar = "always", break_glass = false }
effect = "deny"

[[rule]]
id = "soon"
scope = "soon.*"
require = [{ group = "oncall" }]
ttl = "1s"
"#;

/// The address of a store in a file.
pub(crate) fn store(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// People with a key each, but for `stranger`, whom nobody knows.
const PEOPLE: &[(&str, &[&str])] = &[
    ("alice", &["oncall", "sre"]),
    ("dana", &["oncall", "sre"]),
    ("erin", &["oncall", "sre"]),
    ("omar", &["office"]),
];

pub(crate) struct Lab {
    scratch: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(|starter| starter)
    }

    /// A lab whose state directory starts with something else.
    pub(crate) fn with(change: impl FnOnce(Starter) -> Starter) -> Self {
        let lab = Self {
            scratch: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(lab.path("home")).unwrap();
        let mut people = "version = 1\n".to_owned();
        for (name, groups) in PEOPLE {
            let key = lab.make_key(name, "ed25519", "");
            people += &format!(
                "[[person]]\nid = \"u_{name}\"\ngroups = {groups:?}\nidentity = [{{ provider = \"ssh\", key = \"{}\" }}]\n",
                public(&key)
            );
        }
        lab.make_key("stranger", "ed25519", "");
        let starter = Starter::new("test.example/log".parse().unwrap());
        let starter = change(starter.policy(POLICY).people(people));
        Home::create(lab.state(), starter).unwrap();
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.state().join("approvals.db")
    }

    /// Somebody's private key, as an argument.
    pub(crate) fn key(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn make_key(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        let path = self.path(name);
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-t", kind, "-C", "", "-N", passphrase, "-f"])
            .arg(&path);
        assert!(command.status().unwrap().success());
        path
    }

    pub(crate) async fn gate(&self) -> Gate {
        let home = Home::open(self.state()).unwrap();
        home.gate()
            .unwrap()
            .environment("prod")
            .open()
            .await
            .unwrap()
    }

    /// The binary on this state, with no key, agent or display of whoever runs the tests.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_approvals"));
        for name in [
            "APPROVALS_KEY",
            "APPROVALS_STORE",
            "SSH_AUTH_SOCK",
            "SSH_ASKPASS",
            "DISPLAY",
            "WAYLAND_DISPLAY",
        ] {
            command.env_remove(name);
        }
        command
            .env("APPROVALS_STATE", self.state())
            .env("HOME", self.path("home"));
        command.stdin(Stdio::null()).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        Outcome::of(self.command(args))
    }

    /// The same, beside a call that waits in this process.
    pub(crate) async fn beside(&self, args: &[&str]) -> Outcome {
        let command = self.command(args);
        tokio::task::spawn_blocking(move || Outcome::of(command))
            .await
            .unwrap()
    }

    /// Asks and stops waiting: the request stays open.
    pub(crate) async fn asked(
        &self,
        work: impl Future<Output = Result<String, ApprovalError>>,
    ) -> RequestId {
        let gate = self.gate().await;
        let error = gate
            .enter(bot().wait(Duration::ZERO), work)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::Pending, "{error}");
        error.request().unwrap()
    }
}

/// What the binary said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The answer of a command that did what was asked.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// The one document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Expects a refusal with this code, in text and in JSON alike.
#[track_caller]
pub(crate) fn check_refused(lab: &Lab, args: &[&str], code: &str, exit: i32) -> String {
    let text = lab.run(args);
    let last = text
        .err
        .lines()
        .rfind(|line| line.starts_with("error: "))
        .unwrap_or_default();
    assert!(
        last.starts_with(&format!("error: {code}: ")),
        "{args:?}: {text:?}"
    );
    let with_json = lab.run(&[args, &["--json"]].concat());
    assert_eq!(with_json.json()["error"]["code"], code, "{args:?}");
    assert_eq!(
        (text.code, with_json.code),
        (exit, exit),
        "{args:?}: {text:?}"
    );
    text.err
}

pub(crate) fn public(key: &Path) -> String {
    let text = fs::read_to_string(key.with_extension("pub")).unwrap();
    text.trim().to_owned()
}

/// An agent that works for Alice.
pub(crate) fn bot() -> Agent {
    Agent::new("bot")
        .on_behalf_of("u_alice")
        .model("m-1")
        .rationale("already approved by the CISO")
}

#[requires_approval(
    scope = "db.export",
    reason = "weekly export of {table}",
    redact(token)
)]
pub(crate) async fn export(table: String, token: String) -> Result<String, ApprovalError> {
    Ok(format!("{table}:{}", token.len()))
}

#[requires_approval(scope = "k8s.scale")]
pub(crate) async fn scale(replicas: u64) -> Result<String, ApprovalError> {
    Ok(replicas.to_string())
}

#[requires_approval(scope = "soon.now")]
pub(crate) async fn hurry() -> Result<String, ApprovalError> {
    Ok(String::new())
}

pub(crate) fn export_users() -> impl Future<Output = Result<String, ApprovalError>> {
    export("users".to_owned(), "hunter2".to_owned())
}

/// The request that waits, as soon as one does.
pub(crate) async fn waiting(gate: &Gate) -> RequestId {
    loop {
        if let Some(row) = gate.list(Filter::pending()).await.unwrap().first() {
            return row.id;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The request of this scope that waits, as soon as one does.
pub(crate) async fn waiting_for(gate: &Gate, scope: &str) -> String {
    loop {
        let rows = gate.list(Filter::pending()).await.unwrap();
        if let Some(row) = rows.iter().find(|row| row.scope.as_str() == scope) {
            return row.id.to_string();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
