//! A house to attack: policy, people, store and clock of the test's choice, opened as often as
//! the test likes. Opening it again is a restart; opening it twice is a second process.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::anchor::Anchoring;
use approvals_core::clock::{Clock, Timestamp};
use approvals_core::gate::{Builder, Keys, LocalSigner};
use approvals_core::ledger::{LedgerKey, Origin, Secrets, VerifierKey};
use approvals_core::ports::{
    Delivery, Directory, DirectoryError, Notice, Notifier, NotifyError, Pinning, PolicyEngine,
    SignError, Signer, Store,
};
use approvals_core::testing::TokioClock;
use approvals_core::{Adopted, ApprovalError, Gate, IdentityKey, Loss, PersonId, Policy, Standing};
use async_trait::async_trait;

use super::disk::Disk;
use super::people::{Channel, Crew};
use super::pin::Pin;

/// A gate's builder with all its decisions made.
type HouseBuilder = Builder<Policy, Arc<dyn Directory>, Box<dyn Store>, Keys>;

/// Everything a gate is made of, kept so that it can be made again.
#[derive(Debug, Clone)]
pub struct House {
    /// What outlives its gates.
    pub disk: Disk,
    policy: String,
    people: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    channels: Vec<Arc<dyn Notifier>>,
    engines: Vec<Arc<dyn PolicyEngine>>,
    environment: Option<&'static str>,
    full_binding: bool,
    patience: Duration,
    signer: Arc<dyn Signer>,
    secrets: [u8; 32],
    signing: Duration,
    pin: Option<(Pin, Duration)>,
    genesis: Option<VerifierKey>,
    recovery: Option<VerifierKey>,
    anchoring: Option<Anchoring>,
}

impl House {
    /// One person of ops approves; 15 minutes to decide, 15 minutes to use it.
    pub fn new() -> Self {
        Self {
            disk: Disk::new(),
            policy: policy(1, ""),
            people: Arc::new(Crew::new()),
            clock: Arc::new(TokioClock::default()),
            channels: Vec::new(),
            engines: Vec::new(),
            environment: None,
            full_binding: false,
            patience: Duration::from_secs(10),
            signer: Arc::new(LocalSigner::new(ledger_key(), &origin())),
            secrets: [7; 32],
            signing: Duration::from_secs(2),
            pin: None,
            genesis: None,
            recovery: None,
            anchoring: None,
        }
    }

    /// The same house under another policy text.
    pub fn policy(mut self, text: impl Into<String>) -> Self {
        self.policy = text.into();
        self
    }

    /// The same house under the usual policy and these rules.
    pub fn rules(self, rules: &str) -> Self {
        self.policy(policy(1, rules))
    }

    /// The same house with other people.
    pub fn people(mut self, people: impl Directory + 'static) -> Self {
        self.people = Arc::new(people);
        self
    }

    /// The same house by another clock.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The clock it goes by.
    pub fn time(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The same house on another disk.
    pub fn disk(mut self, disk: &Disk) -> Self {
        self.disk = disk.clone();
        self
    }

    /// The same house with one more channel.
    pub fn channel(mut self, channel: impl Notifier + 'static) -> Self {
        self.channels.push(Arc::new(channel));
        self
    }

    /// The same house with one more judge beside its policy.
    pub fn engine(mut self, engine: impl PolicyEngine + 'static) -> Self {
        self.engines.push(Arc::new(engine));
        self
    }

    /// The same house in this environment.
    pub fn environment(mut self, name: &'static str) -> Self {
        self.environment = Some(name);
        self
    }

    /// The same house, in which nothing may be left uncovered.
    pub fn full_binding(mut self) -> Self {
        self.full_binding = true;
        self
    }

    /// The same house, which waits this long for its disk.
    pub fn patience(mut self, at_most: Duration) -> Self {
        self.patience = at_most;
        self
    }

    /// The same house, whose log is signed so, and which waits this long for a signature.
    pub fn signer(mut self, signer: impl Signer + 'static, at_most: Duration) -> Self {
        self.signer = Arc::new(signer);
        self.signing = at_most;
        self
    }

    /// The same house with other secrets.
    pub fn secrets_of(mut self, seed: [u8; 32]) -> Self {
        self.secrets = seed;
        self
    }

    /// The same house, whose head is pinned there.
    pub fn pin(self, pin: &Pin) -> Self {
        self.pin_for(pin, Pinning::PATIENCE)
    }

    /// The same house, whose head is pinned there, and which waits this long for that.
    pub fn pin_for(mut self, pin: &Pin, patience: Duration) -> Self {
        self.pin = Some((pin.clone(), patience));
        self
    }

    /// The same house, whose heads witnesses cosign.
    pub fn anchoring(mut self, anchoring: Anchoring) -> Self {
        self.anchoring = Some(anchoring);
        self
    }

    fn secrets(&self) -> LedgerKey {
        LedgerKey::from_seed(&self.secrets).expect("a key")
    }

    /// The same house, whose log must have begun with this key.
    pub fn genesis(mut self, vkey: VerifierKey) -> Self {
        self.genesis = Some(vkey);
        self
    }

    /// The same house, whose keys this key can revoke.
    pub fn recovery(mut self, vkey: VerifierKey) -> Self {
        self.recovery = Some(vkey);
        self
    }

    /// What verifies its log.
    pub fn key(&self) -> VerifierKey {
        self.signer.vkey().clone()
    }

    /// Opens it.
    pub async fn try_open(&self) -> Result<Gate, ApprovalError> {
        self.try_open_on(self.disk.clone()).await
    }

    /// Opens it on another store than its disk.
    pub async fn try_open_on(&self, store: impl Store) -> Result<Gate, ApprovalError> {
        self.builder(store)?.open().await
    }

    /// Sets its pin by hand.
    pub fn adopt(&self, loss: Loss) -> Result<Adopted, ApprovalError> {
        self.builder(self.disk.clone())?.adopt_pin(loss)
    }

    fn builder(&self, store: impl Store) -> Result<HouseBuilder, ApprovalError> {
        let policy = Policy::parse(&self.policy, &Crew::groups().into(), &[])?;
        let mut builder = Gate::builder()
            .policy(policy)
            .people(Shared(Arc::clone(&self.people)))
            .store(store)
            .signer(
                Shared(Arc::clone(&self.signer)),
                Secrets::of(&self.secrets()),
            )
            .signer_patience(self.signing)
            .clock(Shared(Arc::clone(&self.clock)))
            .store_patience(self.patience);
        if let Some(vkey) = &self.genesis {
            builder = builder.genesis_vkey(vkey.clone());
        }
        if let Some(vkey) = &self.recovery {
            builder = builder.recovery_vkey(vkey.clone());
        }
        for channel in &self.channels {
            builder = builder.notifier(Shared(Arc::clone(channel)));
        }
        for engine in &self.engines {
            builder = builder.policy_engine(Arc::clone(engine));
        }
        if let Some(name) = self.environment {
            builder = builder.environment(name);
        }
        if self.full_binding {
            builder = builder.full_binding();
        }
        if let Some((pin, patience)) = &self.pin {
            builder = builder.head_pin(Pinning::new(pin.clone()).patience(*patience));
        }
        if let Some(anchoring) = &self.anchoring {
            builder = builder.anchoring(anchoring.clone());
        }
        Ok(builder)
    }

    /// Opens it; it opens.
    pub async fn open(&self) -> Gate {
        self.try_open().await.expect("the house opens")
    }

    /// Opens it with a channel behind which these people approve everything.
    pub async fn approving(self, voters: &'static [&'static str]) -> (Gate, Channel) {
        let channel = Channel::of(voters);
        let gate = self.channel(channel.clone()).open().await;
        channel.serve(&gate);
        (gate, channel)
    }
}

/// The usual policy text: one person of ops, 15 minutes and 15 minutes, and these rules.
pub fn policy(version: u32, rules: &str) -> String {
    format!(
        "version = {version}\n{FORGETFUL}default = {{ require = [{{ group = \"ops\", n = 1 }}], ttl = \"15m\", use_within = \"15m\" }}\n{rules}\n"
    )
}

/// Tests ask for the same again and again, and deny as often.
pub const FORGETFUL: &str = "memory = { deny = \"0s\", freeze_after = 1000 }\n";

/// What the key of the house is made from.
pub const SEED: [u8; 32] = [7; 32];

/// The key that signs the log of a house, unless it has another signer.
pub fn ledger_key() -> LedgerKey {
    LedgerKey::from_seed(&SEED).expect("a key")
}

/// A ledger key that a letter names.
pub fn key(name: char) -> LedgerKey {
    LedgerKey::from_seed(&[name as u8; 32]).expect("a key")
}

/// What verifies signatures of that key.
pub fn vkey(name: char) -> VerifierKey {
    key(name).vkey(&origin())
}

/// A signer that holds that key.
pub fn signer(name: char) -> LocalSigner {
    LocalSigner::new(key(name), &origin())
}

/// The name of the log of a house.
pub fn origin() -> Origin {
    "test.invalid/house".parse().expect("a name")
}

/// A port that several gates share.
#[derive(Debug)]
struct Shared<P: ?Sized>(Arc<P>);

impl Clock for Shared<dyn Clock> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

#[async_trait]
impl Directory for Shared<dyn Directory> {
    async fn resolve(&self, identity: &IdentityKey) -> Result<Option<PersonId>, DirectoryError> {
        self.0.resolve(identity).await
    }

    async fn standing(&self, person: &PersonId) -> Result<Option<Standing>, DirectoryError> {
        self.0.standing(person).await
    }
}

#[async_trait]
impl Notifier for Shared<dyn Notifier> {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        self.0.notify(notice).await
    }
}

#[async_trait]
impl Signer for Shared<dyn Signer> {
    fn vkey(&self) -> &VerifierKey {
        self.0.vkey()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.sign(message).await
    }

    async fn successor(&self, vkey: &VerifierKey) -> Result<Option<Arc<dyn Signer>>, SignError> {
        self.0.successor(vkey).await
    }
}
