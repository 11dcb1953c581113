//! A state directory for a demo: a ledger, a policy, and two people, one of whom has a key here.
//!
//! Only a demo keeps an approver's private key beside the ledger. In real life the key stays with
//! the person.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;

use approvals_core::id::random;
use approvals_core::terminal::Terminal;
use approvals_core::{Agent, ApprovalError, Card, Gate};
use approvals_store::home::{Home, HomeBuilder, Starter};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};
use tracing_subscriber::EnvFilter;

use crate::Failure;

const POLICY: &str = include_str!("../data/policy.toml");

/// Opens the demo's home, and makes it first when it is not there.
pub fn home(dir: &Path) -> Result<Home, Failure> {
    if dir.join("policy.toml").exists() {
        return Ok(Home::open(dir)?);
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir.join("keys"))?;
    let public = new_key(&dir.join("keys/dana"))?;
    let people = include_str!("../data/people.toml").replace("DANAS_PUBLIC_KEY", &public);
    let starter = Starter::new("demo.invalid/runbook".parse()?)
        .policy(POLICY)
        .people(people);
    Ok(Home::create(dir, starter)?)
}

/// The demo's gate, before it is opened, with this terminal as its channel.
pub fn gate(home: &Home) -> Result<HomeBuilder, Failure> {
    let dir = home.path().to_path_buf();
    let terminal = Terminal::new(move |card, verb| command(&dir, card, verb));
    Ok(home.gate()?.environment("prod").notifier(terminal))
}

/// The agent that runs the runbook for Sam.
pub fn agent() -> Agent {
    Agent::new("runbook-bot")
        .on_behalf_of("u_sam")
        .software("examples/runbook 0.1")
        .run("incident-4711")
        .rationale("the session store is full; sessions older than a week are safe to drop")
}

/// Shows on standard error what is decided.
pub fn log() {
    let filter = EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| "approvals_core::decided=info".into());
    tracing_subscriber::fmt()
        .compact()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .init();
}

/// Says how the runbook ended, and where the evidence of it is.
pub async fn report(
    gate: &Gate,
    home: &Home,
    ended: Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    match &ended {
        Ok(()) => println!("\ndone."),
        Err(error) => println!("\nstopped: {}", explain(&**error)),
    }
    evidence(gate, home).await?;
    Ok(if ended.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn explain(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    match error.downcast_ref::<ApprovalError>() {
        Some(no) => match no.reason() {
            Some(reason) => format!("{no}: \"{}\"", approvals_core::Untrusted::new(reason)),
            None => no.to_string(),
        },
        None => error.to_string(),
    }
}

async fn evidence(gate: &Gate, home: &Home) -> Result<(), Failure> {
    gate.flush().await?;
    let report = gate.journal().verify().await?;
    let verdict = if report.passed() {
        "verified"
    } else {
        "DOES NOT VERIFY"
    };
    println!(
        "\nthe ledger is {verdict}: {} records, {} requests, {} in doubt",
        report.records,
        report.requests.asked,
        report.in_doubt.len()
    );
    println!("  evidence   {}", home.paths().database().display());
    println!("  signed by  {}", home.vkey());
    println!(
        "  check it   cargo run -q --bin approvals -- --state {} verify",
        home.path().display()
    );
    Ok(())
}

/// The command that somebody types in a second terminal, from the same checkout.
fn command(dir: &Path, card: &Card, verb: &str) -> String {
    let (dir, id) = (dir.display(), card.request);
    let reason = if verb == "deny" {
        " --reason 'not now'"
    } else {
        ""
    };
    let key = if verb == "show" {
        String::new()
    } else {
        format!(" --key {dir}/keys/dana")
    };
    format!("cargo run -q --bin approvals -- --state {dir} {verb} {id}{reason}{key}")
}

fn new_key(path: &Path) -> Result<String, Failure> {
    let pair = Ed25519Keypair::from_seed(&random::<32>()?);
    let key = PrivateKey::new(KeypairData::Ed25519(pair), "dana@demo")?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(key.to_openssh(LineEnding::LF)?.as_bytes())?;
    Ok(key.public_key().to_openssh()?)
}
