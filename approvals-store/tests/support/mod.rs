//! What the tests of the store share: a home with people in it, and how they decide.
#![expect(dead_code, reason = "each file of tests uses a part of this")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use approvals_core::ports::{Batch, Filter, Head, Reader, Store};
use approvals_core::review::Statement;
use approvals_core::{Agent, ApprovalError, Gate, RequestId, Status, Vote, requires_approval};
use approvals_core::{id, ledger, sshsig};
use approvals_store::home::{Home, Starter};
use tempfile::TempDir;

/// A directory that goes away with the test, and a path in it.
pub(crate) fn scratch() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("approvals.db");
    (directory, path)
}

/// A home in which Dana approves what Alice's agent asks.
pub(crate) fn home(directory: &Path) -> Home {
    let people = format!(
        "version = 1\n[[person]]\nid = \"u_alice\"\n[[person]]\nid = \"u_dana\"\n\
         groups = [\"approvers\"]\nidentity = [{{ provider = \"ssh\", key = \"{PUBLIC_KEY}\" }}]\n"
    );
    let starter = Starter::new("test.invalid/home".parse().unwrap()).people(people);
    Home::create(directory, starter).unwrap()
}

/// Counts what ran.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effects(Arc<AtomicUsize>);

impl Effects {
    /// How often something ran.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// The effect that needs an approval.
#[requires_approval(scope = "db.drop", reason = "drop {table}", skip(effects))]
pub(crate) async fn drop_table(effects: Effects, table: String) -> Result<usize, ApprovalError> {
    Ok(effects.0.fetch_add(1, Ordering::SeqCst) + 1)
}

/// The agent that asks for Alice.
pub(crate) fn bot() -> Agent {
    Agent::new("bot").on_behalf_of("u_alice")
}

/// The one request that waits, once it is there.
pub(crate) async fn pending(gate: &Gate) -> RequestId {
    for _ in 0..2_000 {
        let rows = gate.list(Filter::pending()).await.unwrap();
        if let Some(row) = rows.first() {
            assert_eq!(row.status, Status::Pending);
            return row.id;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("nothing was asked");
}

/// Dana decides on exactly what the card shows, with her own key.
pub(crate) async fn decide(
    gate: &Gate,
    request: RequestId,
    vote: Vote,
) -> Result<(), ApprovalError> {
    let card = gate.card(request).await?;
    let bound = (card.request, card.digest, card.policy, vote);
    let until = gate.now().after(Duration::from_secs(60));
    let nonce = format!("{:032x}", u128::from_be_bytes(id::random().unwrap()));
    let dana = "u_dana".parse().unwrap();
    let statement = Statement::new(bound, dana, None, nonce, until);
    let signature = sshsig::sign(&statement, PRIVATE_KEY)?;
    let review = sshsig::review(&statement.bytes()?, &signature, None, gate.now())?;
    gate.review(review).await.map(|_| ())
}

/// A batch with one record of these bytes, and the head it leads to.
pub(crate) fn one_more(head: &Head, bytes: &[u8]) -> Batch {
    let leaf = ledger::leaf_hash(bytes);
    let stored = ledger::StoredRecord::new(head.frontier.size(), leaf, bytes.to_vec());
    let mut batch = Batch::default();
    batch.head = head.clone();
    batch.head.frontier.push(leaf);
    batch.records.push((stored, None));
    batch
}

/// Adds one record of these bytes.
pub(crate) fn add(store: &mut impl Store, bytes: &[u8]) {
    let head = store.begin().unwrap();
    store.commit(&one_more(&head, bytes)).unwrap();
}

/// How many records there are.
pub(crate) fn size(reader: &mut impl Reader) -> u64 {
    reader.head().unwrap().frontier.size()
}

/// Every file of a directory with a hash of its bytes, but what SQLite shares between processes
/// and a log with nothing in it.
pub(crate) fn files(directory: &Path) -> Vec<(PathBuf, ledger::Hash)> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.is_file() && !path.to_string_lossy().ends_with("-shm"))
        .map(|path| (std::fs::read(&path).unwrap(), path))
        .filter(|(bytes, path)| !(bytes.is_empty() && path.to_string_lossy().ends_with("-wal")))
        .map(|(bytes, path)| (path, ledger::leaf_hash(&bytes)))
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
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
