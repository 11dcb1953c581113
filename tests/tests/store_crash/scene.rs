//! A home to die in: its people, its victims, and looks at what they left.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use approvals_core::ledger::StoredRecord;
use approvals_core::ports::Filter;
use approvals_core::review::Statement;
use approvals_core::{Agent, ApprovalError, Gate, RequestId, Vote, id, requires_approval, sshsig};
use approvals_store::home::{Home, Starter};
use tempfile::TempDir;

/// A home in which Dana approves, and what happens in it.
pub struct Scene {
    directory: TempDir,
    pub home: Home,
}

impl Scene {
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let people = format!(
            "version = 1\n[[person]]\nid = \"u_alice\"\n[[person]]\nid = \"u_dana\"\n\
             groups = [\"approvers\"]\nidentity = [{{ provider = \"ssh\", key = \"{PUBLIC_KEY}\" }}]\n"
        );
        let policy = "version = 1\ndefault = { require = [{ group = \"approvers\" }], ttl = \"15m\" }\n\
             [[rule]]\nid = \"by-itself\"\nscope = \"crash.automatic\"\neffect = \"auto\"\n";
        let starter = Starter::new("test.invalid/crash".parse().unwrap());
        let starter = starter.people(people).policy(policy);
        let home = Home::create(directory.path().join("home"), starter).unwrap();
        std::fs::write(directory.path().join("dana"), PRIVATE_KEY).unwrap();
        Self { directory, home }
    }

    /// Starts a program to be killed.
    pub fn victim(&self, words: &[&str]) -> Victim {
        self.start(Command::new(env!("CARGO_BIN_EXE_crash_victim")), words)
    }

    fn start(&self, mut program: Command, words: &[&str]) -> Victim {
        let (first, rest) = words.split_first().unwrap();
        program.arg(first);
        program.args([self.home.path(), self.directory.path()]);
        program.args(rest);
        let mut child = program.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Victim { child, output }
    }

    /// Starts one whose files cannot grow beyond a few hundred kilobytes: writes fail then.
    pub fn confined(&self, words: &[&str]) -> Victim {
        let mut shell = Command::new("sh");
        // Without the signal that would end the process, the write itself fails.
        shell.args(["-c", "trap '' XFSZ; ulimit -f 800; exec \"$0\" \"$@\""]);
        shell.arg(env!("CARGO_BIN_EXE_crash_victim"));
        self.start(shell, words)
    }

    /// Every step whose effect has happened, in order.
    pub fn effects(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("effects")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The step to go on with: the last few of the life before are tried again.
    pub fn from(&self) -> u64 {
        let numbers = self
            .effects()
            .into_iter()
            .filter_map(|key| key.strip_prefix("step-")?.parse().ok());
        let last = numbers.filter(|number: &u64| *number < 1_000_000).max();
        last.map_or(0, |last| last.saturating_sub(2))
    }

    /// Opens the ledger here, does something, and closes it again.
    pub fn run<T, F: Future<Output = T>>(&self, work: impl FnOnce(Gate) -> F) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        runtime
            .unwrap()
            .block_on(async { work(self.gate().await).await })
    }

    /// A gate on the ledger.
    pub async fn gate(&self) -> Gate {
        self.home.gate().unwrap().open().await.unwrap()
    }

    /// A place of its own for something.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// A process that will be killed.
pub struct Victim {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Victim {
    /// The next line it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(
            self.output.read_line(&mut line).unwrap() > 0,
            "the victim ended by itself"
        );
        line.trim_end().to_owned()
    }

    /// Keeps it from noticing anything more.
    pub fn freeze(&self) {
        let stop = format!("kill -STOP {}", self.child.id());
        let stopped = Command::new("sh").args(["-c", &stop]).status().unwrap();
        assert!(stopped.success());
    }

    /// Kills it as `kill -9` does; what it had printed and nobody had read.
    pub fn kill(&mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut lines = Vec::new();
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            // A line without an end was never said.
            if let Some(whole) = line.strip_suffix('\n') {
                lines.push(whole.to_owned());
            }
            line.clear();
        }
        lines
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything in the log, in order.
pub async fn records(gate: &Gate) -> Vec<StoredRecord> {
    gate.journal()
        .read(|reader| reader.records(0, usize::MAX))
        .await
        .unwrap()
}

/// The newest request that waits, once there is one.
pub async fn pending(gate: &Gate) -> RequestId {
    for _ in 0..5_000 {
        if let Some(row) = gate.list(Filter::pending()).await.unwrap().first() {
            return row.id;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("nothing was asked");
}

/// Waits until Dana has been told of a request, and that is on record.
pub async fn told(gate: &Gate, request: RequestId) {
    for _ in 0..5_000 {
        let history = gate.journal().history(request).await.unwrap();
        if history.iter().any(|record| record.kind() == "notice.sent") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("nobody was told");
}

/// Dana decides on exactly what the card shows, with her own key.
pub async fn decide(gate: &Gate, request: RequestId, vote: Vote) -> Result<(), ApprovalError> {
    let card = gate.card(request).await?;
    let bound = (card.request, card.digest, card.policy, vote);
    let until = gate.now().after(Duration::from_secs(60));
    let nonce = format!("{:032x}", u128::from_be_bytes(id::random().unwrap()));
    let statement = Statement::new(bound, "u_dana".parse().unwrap(), None, nonce, until);
    let signature = sshsig::sign(&statement, PRIVATE_KEY)?;
    let review = sshsig::review(&statement.bytes()?, &signature, None, gate.now())?;
    gate.review(review).await.map(|_| ())
}

/// Counts what ran.
#[derive(Debug, Clone, Default)]
pub struct Effects(Arc<AtomicUsize>);

impl Effects {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// The effect that needs Dana.
#[requires_approval(scope = "db.drop", reason = "drop {table}", skip(effects))]
pub async fn drop_table(effects: Effects, table: String) -> Result<usize, ApprovalError> {
    Ok(effects.0.fetch_add(1, Ordering::SeqCst) + 1)
}

/// The agent that asks for Alice.
pub fn bot() -> Agent {
    Agent::new("bot").on_behalf_of("u_alice")
}

/// A key for tests: worth nothing.
const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDoO18TBaoIzWhIGvKj/PiDwUES5QE9TRSnaF0KMdjn2";

/// Its private half.
const PRIVATE_KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACA6DtfEwWqCM1oSBryo/z4g8FBEuUBPU0Up2hdCjHY59gAAAIiNoAQAjaAE
AAAAAAtzc2gtZWQyNTUxOQAAACA6DtfEwWqCM1oSBryo/z4g8FBEuUBPU0Up2hdCjHY59g
AAAEDskqpCJoShMp+4eMeEabMb8KiKyFgQ5ZeGrneNzgF6UToO18TBaoIzWhIGvKj/PiDw
UES5QE9TRSnaF0KMdjn2AAAABHRlc3QB
-----END OPENSSH PRIVATE KEY-----
";
