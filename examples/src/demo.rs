//! A state directory for a demo: a ledger, a policy, and two people, one of whom has a key here.
//!
//! Only a demo keeps an approver's private key beside the ledger. In real life the key stays with
//! the person.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use approvals_core::id::random;
use approvals_core::terminal::Terminal;
use approvals_core::{Card, Gate};
use approvals_store::home::{Home, Starter};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};

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

/// Opens the demo's gate, with this terminal as its channel.
pub async fn gate(home: &Home) -> Result<Gate, Failure> {
    let dir = home.path().to_path_buf();
    let terminal = Terminal::new(move |card, verb| command(&dir, card, verb));
    Ok(home
        .gate()?
        .environment("prod")
        .notifier(terminal)
        .open()
        .await?)
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
