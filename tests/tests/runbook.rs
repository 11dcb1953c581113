//! The main job, as a newcomer meets it: the runbook and the command line, as programs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Where cargo puts what it builds, with the two programs in it.
fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| {
        for words in [
            ["-p", "examples", "--example", "runbook"],
            ["-p", "approvals-cli", "--bin", "approvals"],
        ] {
            let built = Command::new(env!("CARGO"))
                .args(["build", "-q", "--locked"])
                .args(words)
                .status();
            assert!(built.unwrap().success(), "{words:?} builds");
        }
        // This test runs from `<target>/debug/deps`.
        let exe = std::env::current_exe().unwrap();
        exe.ancestors().nth(2).unwrap().to_path_buf()
    })
}

/// A runbook that runs, and what it prints.
struct Runbook {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Runbook {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(target().join("examples/runbook"))
            .arg(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let pipes: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for pipe in pipes {
            let sender = sender.clone();
            std::thread::spawn(move || {
                BufReader::new(pipe)
                    .lines()
                    .map_while(Result::ok)
                    .all(|line| sender.send(line).is_ok())
            });
        }
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Waits for a line that holds a text.
    fn line(&mut self, text: &str) -> String {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!(
                    "`{text}` was not printed; printed were:\n{}",
                    self.seen.join("\n")
                ),
            }
        }
    }

    /// The command that it prints for a verb, as its words after `--`, and the request in it.
    fn command(&mut self, verb: &str) -> (Vec<String>, String) {
        let line = self.line(&format!("{verb} it"));
        let (_, words) = line.split_once(" -- ").unwrap();
        let words: Vec<String> = words
            .split(' ')
            .map(|word| word.trim_matches('\'').to_owned())
            .collect();
        let id = words
            .iter()
            .find(|word| word.starts_with("req_"))
            .unwrap()
            .clone();
        (words, id)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Runbook {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn approvals<S: AsRef<std::ffi::OsStr>>(words: &[S]) -> Output {
    Command::new(target().join("approvals"))
        .args(words)
        .output()
        .unwrap()
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn verifies(dir: &Path) -> String {
    let output = approvals(&["--state", dir.to_str().unwrap(), "verify"]);
    assert!(output.status.success(), "{}", says(&output));
    says(&output)
}

#[test]
fn approved_killed_attached_again_and_done() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("demo");
    let mut first = Runbook::start(&dir);
    first.line("sessions: 88 errors");
    let (_, asked) = first.command("approve");
    first.signal("KILL");
    drop(first);

    let mut second = Runbook::start(&dir);
    let (approve, again) = second.command("approve");
    assert_eq!(again, asked, "the same request waits");
    let output = approvals(&approve);
    assert!(output.status.success(), "{}", says(&output));
    let resumed = second.line("resumed_after_ms");
    println!("{resumed}");
    second.line("224 rows written");
    let (approve, purge) = second.command("approve");
    assert_ne!(purge, asked);
    assert!(approvals(&approve).status.success());
    second.line("224 rows deleted");
    second.line("the ledger is verified");
    assert_eq!(second.end(), Some(0));

    let written = std::fs::read_to_string(dir.join("incident-4711-sessions.csv")).unwrap();
    assert_eq!(written.lines().count(), 225);
    let left: u32 = rusqlite::Connection::open(dir.join("sessions.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 400 - 224);
    verifies(&dir);
    let late = approvals(&approve);
    assert_eq!(late.status.code(), Some(1));
    assert!(says(&late).contains("AlreadyConsumed"), "{}", says(&late));
}

#[test]
fn denied_says_who_and_why_and_nothing_runs() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("demo");
    let mut runbook = Runbook::start(&dir);
    let (deny, _) = runbook.command("deny");
    assert!(
        approvals(&deny[..deny.len() - 2]).status.code() != Some(0),
        "without a key nobody decides"
    );
    let mut deny = deny;
    let reason = deny.iter().position(|word| word == "--reason").unwrap();
    deny.splice(
        reason + 1..deny.len() - 2,
        ["the change window is closed".to_owned()],
    );
    let output = approvals(&deny);
    assert!(output.status.success(), "{}", says(&output));
    let stopped = runbook.line("stopped:");
    assert!(
        stopped.contains("by u_dana") && stopped.contains("the change window is closed"),
        "{stopped}"
    );
    runbook.line("the ledger is verified");
    assert_eq!(runbook.end(), Some(1));
    assert!(!dir.join("incident-4711-sessions.csv").exists());
    verifies(&dir);
}

#[test]
fn interrupted_withdraws_and_a_late_approval_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("demo");
    let mut runbook = Runbook::start(&dir);
    let (approve, _) = runbook.command("approve");
    runbook.signal("INT");
    runbook.line("what waited is withdrawn");
    assert_eq!(runbook.end(), Some(1));
    let late = approvals(&approve);
    assert_eq!(late.status.code(), Some(1));
    assert!(says(&late).contains("Cancelled"), "{}", says(&late));
    verifies(&dir);
}

#[test]
fn undecided_expires_and_nothing_runs() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("demo");
    let mut runbook = Runbook::start(&dir);
    runbook.command("approve");
    runbook.signal("INT");
    runbook.line("the ledger is verified");
    drop(runbook);
    let policy = std::fs::read_to_string(dir.join("policy.toml")).unwrap();
    let hasty = policy.replace("ttl = \"30m\"", "ttl = \"2s\"");
    std::fs::write(dir.join("policy.toml"), &hasty).unwrap();
    let mut refused = Runbook::start(&dir);
    refused.line("raise `version`");
    drop(refused);
    std::fs::write(
        dir.join("policy.toml"),
        hasty.replacen("version = 1", "version = 2", 1),
    )
    .unwrap();

    let mut runbook = Runbook::start(&dir);
    let (approve, _) = runbook.command("approve");
    let stopped = runbook.line("stopped:");
    assert!(stopped.contains("Expired"), "{stopped}");
    assert_eq!(runbook.end(), Some(1));
    assert!(says(&approvals(&approve)).contains("Expired"));
    assert!(!dir.join("incident-4711-sessions.csv").exists());
    verifies(&dir);
}
