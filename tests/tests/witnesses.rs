//! Witnesses over HTTP. One is somebody else's program, `aics-witness`, which was written after the same
//! specification: it cosigns the heads of our log, and refuses a store that was put back and one that was forked.
//! The others are ours, and the network between does what networks do.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use approvals_anchor::{HttpWitness, witnesses};
use approvals_core::anchor::Anchoring;
use approvals_core::clock::{Clock, SystemClock};
use approvals_core::ledger::{AuditRecord, Entry, LogEvent, SignedCheckpoint, WitnessPolicy};
use approvals_core::ports::Witness;
use approvals_core::{Agent, ApprovalError, Code, Gate};
use approvals_peers::{Process, free_port, program};
use tempfile::TempDir;

use support::disk::Disk;
use support::house::House;
use support::http::{Net, Server};
use support::witness::{FakeWitness, Manner, until};
use support::{Effects, drop_table};

/// A rule that lets the usual call through.
const AUTO: &str = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";

/// More than anything takes, unless it hangs.
const LONG: Duration = Duration::from_secs(60);

fn house() -> House {
    House::new()
        .rules(AUTO)
        .disk(&Disk::threaded())
        .clock(SystemClock)
}

async fn call(gate: &Gate, effects: &Effects) -> Result<usize, ApprovalError> {
    let agent = Agent::new("bot").on_behalf_of("u_alice");
    gate.enter(agent, drop_table(effects.clone(), "users".to_owned()))
        .await
}

/// Somebody else's witness, as a program of its own.
struct Theirs {
    folder: TempDir,
    port: u16,
    key: String,
    _process: Process,
}

impl Theirs {
    fn start(house: &House) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let at = |words: &[&str]| {
            let mut command = Command::new(program("aics-witness"));
            command.current_dir(folder.path()).args(words);
            command
        };
        let listen = format!("127.0.0.1:{port}");
        let made = at(&[
            "init",
            "--name",
            "witness.invalid/theirs",
            "--listen",
            &listen,
        ])
        .output()
        .unwrap();
        let said =
            String::from_utf8(made.stdout).unwrap() + &String::from_utf8(made.stderr).unwrap();
        assert!(made.status.success(), "{said}");
        let key = said
            .split_whitespace()
            .find(|word| word.starts_with("witness.invalid/theirs+"));
        let key = key.unwrap_or_else(|| panic!("no key in {said}")).to_owned();
        let log = house.key();
        let known = at(&[
            "add-log",
            "--origin",
            log.name().as_str(),
            "--vkey",
            &log.to_string(),
        ])
        .status();
        assert!(known.unwrap().success());
        let process = Process::start(at(&["serve"]));
        let theirs = Self {
            folder,
            port,
            key,
            _process: process,
        };
        theirs.wait();
        theirs
    }

    fn wait(&self) {
        for _ in 0..600 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the witness does not listen");
    }

    fn policy(&self) -> WitnessPolicy {
        let text = format!(
            "witness theirs {} http://127.0.0.1:{}\nquorum theirs\n",
            self.key, self.port
        );
        WitnessPolicy::parse(text).unwrap()
    }

    fn ask(&self) -> Anchoring {
        let policy = self.policy();
        let clients = witnesses(&policy).unwrap();
        Anchoring::new(policy, clients)
            .unwrap()
            .quorum()
            .patience(LONG)
    }

    /// What it has kept because it shows that a log has two histories.
    fn evidence(&self) -> String {
        let mut command = Command::new(program("aics-witness"));
        let output = command
            .current_dir(self.folder.path())
            .arg("evidence")
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }
}

fn anchored(record: &AuditRecord) -> Option<SignedCheckpoint> {
    match &record.entry {
        Entry::Log(LogEvent::Anchored(note)) => Some(note.clone()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_witness_cosigns_our_heads_and_their_verifier_agrees() {
    let (house, effects) = (house(), Effects::default());
    let theirs = Theirs::start(&house);
    let gate = house.clone().anchoring(theirs.ask()).open().await;
    for size in 1..=4 {
        call(&gate, &effects).await.unwrap();
        gate.anchor().await.unwrap();
        assert_eq!(effects.count(), size);
    }
    // A gate that ends puts on record what was cosigned.
    drop(gate);
    let written = house.disk.stored().into_iter();
    let written: Vec<AuditRecord> = written
        .map(|stored| AuditRecord::decode(&stored.bytes, house.key().name()).unwrap())
        .collect();
    let last = written
        .iter()
        .rfind(|record| anchored(record).is_none())
        .unwrap()
        .seq;
    let note = written.iter().rev().find_map(anchored).unwrap();
    let seen = theirs.policy().satisfied_by(&note, &house.key()).unwrap();
    assert!(
        seen.is_enough() && seen.head().size > last,
        "{seen:?} of {last}"
    );
    assert_eq!(
        theirs.evidence().trim(),
        "[]",
        "nothing speaks against this log"
    );

    let at = |name: &str| theirs.folder.path().join(name);
    fs::write(at("note"), note.as_str()).unwrap();
    fs::write(at("log.vkey"), format!("{}\n", house.key())).unwrap();
    let verify = |note: PathBuf, witness: &str| {
        let mut command = Command::new(program("aics-tlog"));
        command.args(["verify-checkpoint", "--quorum", "1", "--max-age", "3600"]);
        command
            .arg("--note")
            .arg(note)
            .arg("--vkey-file")
            .arg(at("log.vkey"));
        command.args([
            "--witness-key",
            witness,
            "--origin",
            house.key().name().as_str(),
        ]);
        command.output().unwrap().status.success()
    };
    assert!(
        verify(at("note"), &theirs.key),
        "their verifier accepts the note on record"
    );
    let (body, lines) = note.as_str().split_once("\n\n").unwrap();
    let own = lines.lines().next().unwrap();
    fs::write(at("bare"), format!("{body}\n\n{own}\n")).unwrap();
    assert!(
        !verify(at("bare"), &theirs.key),
        "without the cosignature there is no quorum"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_58_somebody_elses_witness_refuses_a_store_that_was_put_back() {
    let (house, effects) = (house(), Effects::default());
    let theirs = Theirs::start(&house);
    let gate = house.clone().anchoring(theirs.ask()).open().await;
    call(&gate, &effects).await.unwrap();
    let backup = house.disk.backup();
    for _ in 0..3 {
        call(&gate, &effects).await.unwrap();
    }
    gate.anchor().await.unwrap();
    drop(gate);

    house.disk.swap(&backup);
    let gate = house
        .clone()
        .anchoring(theirs.ask().patience(Duration::from_secs(2)))
        .open()
        .await;
    let refused = call(&gate, &effects).await.unwrap_err();
    assert_eq!(refused.code(), Code::AuditUnavailable, "{refused}");
    assert!(tells(&refused.to_string()), "{refused}");
    assert_eq!(effects.count(), 4, "nothing ran on the old store");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_59_somebody_elses_witness_refuses_a_fork_and_keeps_it() {
    let (house, effects) = (house(), Effects::default());
    let theirs = Theirs::start(&house);
    let gate = house.clone().anchoring(theirs.ask()).open().await;
    call(&gate, &effects).await.unwrap();
    let fork = house.disk.backup();
    call(&gate, &effects).await.unwrap();
    gate.anchor().await.unwrap();
    drop(gate);

    // The other branch grows unseen until it is longer than what was cosigned.
    house.disk.swap(&fork);
    let gate = house.open().await;
    for _ in 0..6 {
        call(&gate, &effects).await.unwrap();
    }
    drop(gate);
    let ran = effects.count();
    let gate = house
        .clone()
        .anchoring(theirs.ask().patience(Duration::from_secs(2)))
        .open()
        .await;
    let refused = call(&gate, &effects).await.unwrap_err();
    assert_eq!(refused.code(), Code::AuditUnavailable, "{refused}");
    assert!(
        refused.to_string().contains("forked or rewritten"),
        "{refused}"
    );
    assert_eq!(effects.count(), ran, "nothing ran on the fork");
    assert!(
        theirs.evidence().contains(house.key().name().as_str()),
        "it keeps what was shown to it"
    );
}

fn tells(words: &str) -> bool {
    words.contains("rolled back or cut") || words.contains("forked or rewritten")
}

/// Our witness behind a network that can be disturbed.
fn ours() -> Server {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Server::start(FakeWitness::new(1, clock))
}

fn asking(server: &Server, patience: Duration) -> Anchoring {
    let policy = WitnessPolicy::parse(format!("{}quorum w\n", server.line("w"))).unwrap();
    let key = server.witness.key().clone();
    let client = HttpWitness::new(key, &server.url)
        .unwrap()
        .patience(Duration::from_millis(200));
    let client = Arc::new(client) as Arc<dyn Witness>;
    Anchoring::new(policy, [client])
        .unwrap()
        .patience(patience)
        .pace(Duration::from_millis(20))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_on_the_way_denies_in_quorum_mode_and_nothing_in_the_other() {
    for (net, manner, says) in [
        (Net::Closes, Manner::Honest, "no answer from"),
        (Net::Cuts, Manner::Honest, "no answer from"),
        (Net::Hangs, Manner::Honest, "no answer from"),
        (Net::Redirects, Manner::Honest, "status 307"),
        (Net::Floods, Manner::Honest, "too long"),
        (Net::Works, Manner::Status(503), "status 503"),
        (Net::Works, Manner::Status(403), "log.vkey"),
        (Net::Works, Manner::Status(404), "log.vkey"),
        (Net::Works, Manner::Garbage, "makes no sense"),
        (Net::Works, Manner::WrongKey, "makes no sense"),
        (Net::Works, Manner::WrongHead, "makes no sense"),
    ] {
        let (house, effects) = (house(), Effects::default());
        let server = ours();
        server.behave(net);
        server.witness.behave(manner);
        let patience = Duration::from_millis(1_500);
        let gate = house
            .clone()
            .anchoring(asking(&server, patience).quorum())
            .open()
            .await;
        let refused = call(&gate, &effects).await.unwrap_err();
        assert_eq!(
            refused.code(),
            Code::AuditUnavailable,
            "{net:?} {manner:?}: {refused}"
        );
        assert!(
            refused.to_string().contains(says),
            "{net:?} {manner:?}: {refused}"
        );
        assert_eq!(effects.count(), 0, "{net:?} {manner:?}");
        drop(gate);

        let gate = house
            .clone()
            .anchoring(asking(&server, patience))
            .open()
            .await;
        call(&gate, &effects).await.unwrap();
        assert_eq!(effects.count(), 1, "{net:?} {manner:?}: nothing waits");
        until("that it is unanchored is known", || {
            gate.anchoring().is_some_and(|status| status.unanchored > 0)
        })
        .await;
        server.behave(Net::Works);
        server.witness.behave(Manner::Honest);
        gate.anchor().await.unwrap();
        assert!(gate.anchoring().unwrap().anchored.is_some());
    }
}
