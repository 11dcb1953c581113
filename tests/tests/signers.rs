//! The key is somewhere else: what a signer that fails may cost, and signers that are really elsewhere.

mod support;

use std::fmt;
use std::future::pending;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::gate::LocalSigner;
use approvals_core::ledger::{LedgerKey, Secrets, SignedCheckpoint, VerifierKey};
use approvals_core::ports::{SignError, Signer, Store};
use approvals_core::testing::Everybody;
use approvals_core::{ApprovalError, Code, ForgetfulStore, Gate, Policy, requires_approval};
use approvals_store::home::{Home, Starter};
use async_trait::async_trait;
use support::disk::Disk;
use support::house::{House, ledger_key, origin};
use support::{Effects, bot, count, drop_table, stored, verify};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// What a signer does when it is asked.
#[derive(Debug, Clone, PartialEq)]
enum Mood {
    Signs,
    Refuses,
    Hangs,
    SignsWithAnotherKey,
    SignsSomethingElse,
    Says(Vec<u8>),
}

/// A signer of moods.
#[derive(Clone)]
struct Moody(Arc<Mutex<Mood>>, VerifierKey);

impl Moody {
    fn new() -> Self {
        let vkey = ledger_key().vkey(&origin());
        Self(Arc::new(Mutex::new(Mood::Signs)), vkey)
    }

    fn turn(&self, mood: Mood) {
        *self.0.lock().unwrap() = mood;
    }
}

impl fmt::Debug for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moody")
    }
}

#[async_trait]
impl Signer for Moody {
    fn vkey(&self) -> &VerifierKey {
        &self.1
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mood = self.0.lock().unwrap().clone();
        match mood {
            Mood::Signs => Ok(ledger_key().sign(message).to_vec()),
            Mood::Refuses => Err(SignError("access to the key was revoked".to_owned())),
            Mood::Hangs => pending().await,
            Mood::SignsWithAnotherKey => Ok(LedgerKey::from_seed(&[8; 32])
                .unwrap()
                .sign(message)
                .to_vec()),
            Mood::SignsSomethingElse => Ok(ledger_key().sign(b"something else").to_vec()),
            Mood::Says(bytes) => Ok(bytes),
        }
    }
}

const SOON: Duration = Duration::from_millis(30);
const AUTO: &str = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";

/// Every mood but the good one, and what is said of it.
fn faults() -> Vec<(Mood, &'static str)> {
    vec![
        (Mood::Refuses, "access to the key was revoked"),
        (Mood::Hangs, "no answer within 30ms"),
        (Mood::SignsWithAnotherKey, "does not verify"),
        (Mood::SignsSomethingElse, "does not verify"),
        (Mood::Says(Vec::new()), "does not verify"),
        (Mood::Says(vec![0; 64]), "does not verify"),
        (Mood::Says(vec![7; 63]), "does not verify"),
        (Mood::Says(vec![7; 100_000]), "does not verify"),
    ]
}

/// Breaks the signer of a running gate, and lets it recover.
async fn check_fault(disk: Disk, mood: Mood, words: &str) {
    let (signer, effects) = (Moody::new(), Effects::default());
    let house = House::new()
        .rules(AUTO)
        .disk(&disk)
        .signer(signer.clone(), SOON);
    let gate = house.open().await;
    let call = || gate.enter(bot(), drop_table(effects.clone(), "users".to_owned()));
    call().await.unwrap();
    let before = stored(&gate).await.len();

    signer.turn(mood.clone());
    let error = call().await.unwrap_err();
    assert_eq!(error.code(), Code::AuditUnavailable, "{mood:?}: {error}");
    assert!(error.to_string().contains(words), "{mood:?}: {error}");
    assert_eq!(effects.count(), 1, "{mood:?}: it ran without a record");
    assert_eq!(
        stored(&gate).await.len(),
        before,
        "{mood:?}: something was written"
    );

    signer.turn(Mood::Signs);
    call().await.unwrap();
    assert_eq!(effects.count(), 2, "{mood:?}");
    assert!(verify(&gate, house.key()).await.passed(), "{mood:?}");
}

#[tokio::test]
async fn a_signer_that_fails_writes_nothing_and_nothing_runs() {
    for (mood, words) in faults() {
        check_fault(Disk::threaded(), mood.clone(), words).await;
        check_fault(Disk::new(), mood, words).await;
    }
}

#[tokio::test]
async fn a_signer_that_fails_opens_nothing() {
    for (mood, words) in faults() {
        let signer = Moody::new();
        signer.turn(mood.clone());
        let house = House::new().disk(&Disk::threaded()).signer(signer, SOON);
        let error = house.try_open().await.unwrap_err();
        assert_eq!(error.code(), Code::AuditUnavailable, "{mood:?}: {error}");
        assert!(error.to_string().contains(words), "{mood:?}: {error}");
        assert!(house.disk.stored().is_empty(), "{mood:?}");
    }
}

/// Runs, and takes the key away meanwhile.
#[requires_approval(scope = "db.drop", skip(signer))]
async fn lose_the_key(signer: Moody) -> Result<(), ApprovalError> {
    signer.turn(Mood::Hangs);
    Ok(())
}

#[tokio::test]
async fn an_outcome_waits_for_a_signer_that_comes_back() {
    let signer = Moody::new();
    let house = House::new().rules(AUTO).disk(&Disk::threaded());
    let house = house.signer(signer.clone(), SOON);
    let gate = house.open().await;
    let error = gate
        .enter(bot(), lose_the_key(signer.clone()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::AuditUnavailable, "{error}");
    assert!(error.to_string().contains("ran"), "{error}");
    assert_eq!(count(&gate, "permit.consumed").await, 1);
    assert_eq!(count(&gate, "outcome.succeeded").await, 0);
    signer.turn(Mood::Signs);
    let effects = Effects::default();
    gate.enter(bot(), drop_table(effects, "users".to_owned()))
        .await
        .unwrap();
    assert_eq!(count(&gate, "outcome.succeeded").await, 2, "it was owed");
    assert!(verify(&gate, house.key()).await.passed());
}

/// A signer that waits for leave.
#[derive(Debug, Clone)]
struct Slow(Arc<Semaphore>, VerifierKey);

#[async_trait]
impl Signer for Slow {
    fn vkey(&self) -> &VerifierKey {
        &self.1
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let leave = self.0.acquire().await;
        leave.map_err(|_| SignError("closed".to_owned()))?.forget();
        Ok(ledger_key().sign(message).to_vec())
    }
}

fn forgetful(signer: impl Signer + 'static, patience: Duration) -> Builder {
    let policy = format!("version = 1\ndefault = {{ require = [{{ group = \"ops\" }}] }}\n{AUTO}");
    let groups = ["ops".parse().unwrap()].into();
    Gate::builder()
        .policy(Policy::parse(&policy, &groups, &[]).unwrap())
        .people(Everybody::new())
        .store(ForgetfulStore::new())
        .signer(signer, Secrets::generate().unwrap())
        .signer_patience(patience)
}

type Builder = approvals_core::gate::Builder<
    Policy,
    Arc<dyn approvals_core::ports::Directory>,
    Box<dyn Store>,
    approvals_core::gate::Keys,
>;

#[tokio::test]
async fn a_store_that_forgets_signs_only_when_asked_and_holds_nobody_up() {
    let (leave, effects) = (Arc::new(Semaphore::new(0)), Effects::default());
    let vkey = ledger_key().vkey(&origin());
    let signer = Slow(Arc::clone(&leave), vkey.clone());
    let gate = forgetful(signer, Duration::from_secs(600))
        .open()
        .await
        .unwrap();
    let call = || gate.enter(bot(), drop_table(effects.clone(), "users".to_owned()));
    call().await.unwrap();
    let size = stored(&gate).await.len() as u64;

    // The head is being signed; calls go on meanwhile, and only then may it be signed.
    let calls = async {
        call().await.unwrap();
        leave.add_permits(2);
    };
    let (note, report, ()) =
        tokio::join!(gate.journal().checkpoint(), gate.journal().verify(), calls);
    let note = SignedCheckpoint::parse(note.unwrap().unwrap()).unwrap();
    assert_eq!(
        note.verify(&vkey).unwrap().size,
        size,
        "the head of when it was asked"
    );
    let report = report.unwrap();
    assert_eq!(
        (report.passed(), report.records),
        (true, size),
        "{:?}",
        report.findings
    );
    assert_eq!(effects.count(), 2);
}

#[tokio::test]
async fn a_store_that_forgets_says_when_its_head_cannot_be_signed() {
    for (mood, words) in faults() {
        let (signer, effects) = (Moody::new(), Effects::default());
        signer.turn(mood.clone());
        let gate = forgetful(signer, SOON).open().await.unwrap();
        gate.enter(bot(), drop_table(effects.clone(), "users".to_owned()))
            .await
            .unwrap();
        for error in [
            gate.journal().checkpoint().await.unwrap_err(),
            gate.journal().verify().await.unwrap_err(),
        ] {
            assert_eq!(error.code(), Code::AuditUnavailable, "{mood:?}: {error}");
            assert!(error.to_string().contains(words), "{mood:?}: {error}");
        }
    }
}

/// The runtime's one thread waits for the committer, which waits for the signer: it ends all the same.
#[test]
fn a_signer_that_hangs_keeps_nobody_from_leaving() {
    let signer = Moody::new();
    let house = House::new()
        .disk(&Disk::threaded())
        .signer(signer.clone(), SOON);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let gate = house.open().await;
        signer.turn(Mood::Hangs);
        let effects = Effects::default();
        let call = gate.enter(bot(), drop_table(effects, "users".to_owned()));
        drop(tokio::time::timeout(Duration::from_millis(1), call).await);
        drop(gate);
    });
}

/// A key service on the loopback, which answers each message with its signature.
struct Service {
    address: SocketAddr,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // It ends with the test's process; each connection is one signature.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                let mut message = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut message).unwrap();
                stream.write_all(&ledger_key().sign(&message)).unwrap();
            }
        });
        Self { address }
    }
}

/// The key is in another process, behind a socket of the runtime.
#[derive(Debug)]
struct Remote {
    address: SocketAddr,
    vkey: VerifierKey,
}

#[async_trait]
impl Signer for Remote {
    fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let length = u32::try_from(message.len()).map_err(std::io::Error::other)?;
            stream.write_all(&length.to_be_bytes()).await?;
            stream.write_all(message).await?;
            let mut signature = Vec::new();
            stream.read_to_end(&mut signature).await?;
            Ok(signature)
        };
        exchange
            .await
            .map_err(|error: std::io::Error| SignError(format!("the key service: {error}")))
    }
}

async fn life_with_a_remote_key() {
    let vkey = ledger_key().vkey(&origin());
    let remote = Remote {
        address: Service::start().address,
        vkey,
    };
    let house = House::new().rules(AUTO).disk(&Disk::threaded());
    let house = house.signer(remote, Duration::from_secs(60));
    let (gate, effects) = (house.open().await, Effects::default());
    for expected in 1..=3 {
        let call = gate.enter(bot(), drop_table(effects.clone(), "users".to_owned()));
        assert_eq!(call.await.unwrap(), expected);
    }
    assert!(verify(&gate, house.key()).await.passed());
}

#[tokio::test]
async fn a_client_built_on_tokio_signs_on_a_runtime_of_one_thread() {
    life_with_a_remote_key().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_built_on_tokio_signs_on_a_runtime_of_many_threads() {
    life_with_a_remote_key().await;
}

/// The private key never enters this process: `openssl` makes it, keeps it, and signs with it.
#[derive(Debug)]
struct OpenSsl {
    key: PathBuf,
    vkey: VerifierKey,
}

impl OpenSsl {
    fn make(directory: &Path) -> Self {
        let key = directory.join("theirs.pem");
        let path = key.to_str().unwrap();
        openssl(&["genpkey", "-algorithm", "ed25519", "-out", path]);
        let der = openssl(&["pkey", "-in", path, "-pubout", "-outform", "DER"]);
        let public = der.last_chunk().copied().unwrap();
        let vkey = VerifierKey::ed25519(origin(), public);
        Self { key, vkey }
    }
}

#[async_trait]
impl Signer for OpenSsl {
    fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |error: std::io::Error| SignError(format!("openssl: {error}"));
        let file = tempfile::NamedTempFile::new().map_err(failed)?;
        std::fs::write(&file, message).map_err(failed)?;
        let mut command = tokio::process::Command::new("openssl");
        command.args(["pkeyutl", "-sign", "-rawin", "-inkey"]);
        command.arg(&self.key).arg("-in").arg(file.path());
        let output = command.kill_on_drop(true).output().await.map_err(failed)?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(SignError(
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )),
        }
    }
}

fn openssl(args: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    output.stdout
}

#[tokio::test]
async fn openssl_signs_a_whole_log_that_verifies() {
    let directory = TempDir::new().unwrap();
    let signer = OpenSsl::make(directory.path());
    let key = signer.key.clone();
    let house = House::new().rules(AUTO).disk(&Disk::threaded());
    let house = house.signer(signer, Duration::from_secs(60));
    let (gate, effects) = (house.open().await, Effects::default());
    let call = || gate.enter(bot(), drop_table(effects.clone(), "users".to_owned()));
    call().await.unwrap();
    assert!(verify(&gate, house.key()).await.passed());
    let size = stored(&gate).await.len();

    std::fs::remove_file(key).unwrap();
    let error = call().await.unwrap_err();
    assert_eq!(error.code(), Code::AuditUnavailable, "{error}");
    assert_eq!((effects.count(), stored(&gate).await.len()), (1, size));
}

/// A key in another place than a file: it counts what it is asked to sign.
#[derive(Debug)]
struct Elsewhere {
    signer: LocalSigner,
    signed: Arc<AtomicUsize>,
}

#[async_trait]
impl Signer for Elsewhere {
    fn vkey(&self) -> &VerifierKey {
        self.signer.vkey()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.signed.fetch_add(1, Ordering::SeqCst);
        self.signer.sign(message).await
    }
}

#[tokio::test]
async fn a_home_can_be_signed_elsewhere_and_keeps_no_ledger_key_then() {
    let scratch = TempDir::new().unwrap();
    let starter = Starter::new("test.invalid/elsewhere".parse().unwrap());
    let home = Home::create(scratch.path().join("home"), starter).unwrap();
    let signed = Arc::new(AtomicUsize::new(0));
    let signer = || Elsewhere {
        signer: LocalSigner::read_file(scratch.path().join("away.key"), home.origin()).unwrap(),
        signed: Arc::clone(&signed),
    };
    std::fs::rename(home.paths().key(), scratch.path().join("away.key")).unwrap();
    let gate = home.gate_signed_by(signer()).unwrap().open().await.unwrap();
    assert!(
        signed.load(Ordering::SeqCst) > 0,
        "the genesis is signed there"
    );
    let note = gate.journal().checkpoint().await.unwrap().unwrap();
    let note = SignedCheckpoint::parse(note).unwrap();
    assert_eq!(note.verify(home.vkey()).unwrap().size, 3);
    drop(gate);
    // The key that signs must be the log's, wherever it is; without one there is no gate.
    let other = LocalSigner::new(LedgerKey::generate().unwrap(), home.origin());
    let refused = home
        .gate_signed_by(other)
        .unwrap()
        .open()
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::AuditUnavailable, "{refused}");
    let refused = home.gate().unwrap_err();
    assert!(
        refused.to_string().contains("there is no ledger key"),
        "{refused}"
    );
    home.gate_signed_by(signer()).unwrap().open().await.unwrap();
}
