//! Building a gate: the decisions, in order.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::reload::Held;
use super::signing::{Keys, Known, LocalSigner};
use super::{Gate, Inner, Options};
use crate::anchor::{Anchoring, Anchors};
use crate::clock::{Clock, SystemClock};
use crate::commit::{Adopted, Journal, Loss, Work, adopt};
use crate::engines::Engines;
use crate::error::{ApprovalError, Code};
use crate::ledger::{LedgerKey, Origin, Secrets, VerifierKey};
use crate::policy::{Policy, PolicyEngine};
use crate::ports::{Directory, DisclosureKeys, Notifier, Pinning, Signer, Store};
use crate::principal::Agent;

/// A decision that has not been made.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Missing;

/// Makes a [`Gate`]. Four decisions, in any order, none of which has a default:
///
/// 1. [`policy`](Builder::policy): what an action takes;
/// 2. [`people`](Builder::people): who is who, and in which group;
/// 3. [`store`](Builder::store): where the ledger is kept;
/// 4. [`ledger_key`](Builder::ledger_key) or [`signer`](Builder::signer): what signs it.
///
/// [`open`](Builder::open) exists only when all four are made:
///
/// ```compile_fail,E0599
/// use approvals_core::Gate;
///
/// // error[E0599]: no method named `open` … the method exists, but policy, people, store and
/// // ledger key are `Missing`
/// let gate = Gate::builder().open();
/// ```
#[derive(Debug)]
pub struct Builder<P, D, S, K> {
    policy: P,
    people: D,
    store: S,
    key: K,
    rest: Rest,
}

/// What has a default, and so is no decision.
#[derive(Debug)]
struct Rest {
    clock: Arc<dyn Clock>,
    notifiers: Vec<Arc<dyn Notifier>>,
    engines: Vec<Arc<dyn PolicyEngine>>,
    anchoring: Option<Anchoring>,
    options: Options,
    known: Known,
}

impl Default for Builder<Missing, Missing, Missing, Missing> {
    fn default() -> Self {
        let options = Options {
            environment: None,
            agent: None,
            full_binding: false,
            patience: Duration::from_secs(10),
        };
        Self {
            policy: Missing,
            people: Missing,
            store: Missing,
            key: Missing,
            rest: Rest {
                clock: Arc::new(SystemClock),
                notifiers: Vec::new(),
                engines: Vec::new(),
                anchoring: None,
                options,
                known: Known::default(),
            },
        }
    }
}

impl<D, S, K> Builder<Missing, D, S, K> {
    /// What an action takes.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Builder<Policy, D, S, K> {
        let Self {
            people,
            store,
            key,
            rest,
            ..
        } = self;
        Builder {
            policy,
            people,
            store,
            key,
            rest,
        }
    }
}

impl<P, S, K> Builder<P, Missing, S, K> {
    /// Who is who, and in which group.
    #[must_use]
    pub fn people<D: Directory + 'static>(self, people: D) -> Builder<P, Arc<dyn Directory>, S, K> {
        let Self {
            policy,
            store,
            key,
            rest,
            ..
        } = self;
        Builder {
            policy,
            people: Arc::new(people),
            store,
            key,
            rest,
        }
    }
}

impl<P, D, K> Builder<P, D, Missing, K> {
    /// Where the ledger is kept.
    #[must_use]
    pub fn store(self, store: impl Into<Box<dyn Store>>) -> Builder<P, D, Box<dyn Store>, K> {
        let Self {
            policy,
            people,
            key,
            rest,
            ..
        } = self;
        Builder {
            policy,
            people,
            store: store.into(),
            key,
            rest,
        }
    }
}

impl<P, D, S> Builder<P, D, S, Missing> {
    /// What signs the ledger, and the ledger's name in the world, such as `example.com/approvals`.
    ///
    /// The secrets of the log are derived from the key, until [`secrets`](Builder::secrets) sets others.
    #[must_use]
    pub fn ledger_key(self, key: LedgerKey, origin: &Origin) -> Builder<P, D, S, Keys> {
        let secrets = Secrets::of(&key);
        self.signer(LocalSigner::new(key, origin), secrets)
    }

    /// What signs the ledger when the key is not in this process, and the secrets of the log, which a key that
    /// gives nothing out cannot supply.
    ///
    /// # Examples
    /// ```
    /// use approvals_core::ledger::{Secrets, VerifierKey};
    /// use approvals_core::ports::{SignError, Signer};
    /// use approvals_core::{ForgetfulStore, Gate};
    /// use async_trait::async_trait;
    ///
    /// # use approvals_core::ledger::LedgerKey;
    /// # struct Kms(LedgerKey);
    /// # impl Kms {
    /// #     async fn sign_ed25519(&self, _: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    /// #         Ok(self.0.sign(message).to_vec())
    /// #     }
    /// # }
    /// # impl std::fmt::Debug for Kms {
    /// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("Kms") }
    /// # }
    /// #[derive(Debug)]
    /// struct KmsSigner {
    ///     client: Kms,
    ///     vkey: VerifierKey,
    /// }
    ///
    /// #[async_trait]
    /// impl Signer for KmsSigner {
    ///     fn vkey(&self) -> &VerifierKey {
    ///         &self.vkey
    ///     }
    ///
    ///     async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
    ///         let signed = self.client.sign_ed25519("alias/approvals", message).await;
    ///         signed.map_err(|error| SignError(format!("the key service: {error}")))
    ///     }
    /// }
    ///
    /// # let key = LedgerKey::generate()?;
    /// # let vkey = key.vkey(&"example.com/approvals".parse()?).to_string();
    /// # let client = Kms(key);
    /// let signer = KmsSigner { client, vkey: vkey.parse()? };
    /// let builder = Gate::builder().store(ForgetfulStore::new()).signer(signer, Secrets::generate()?);
    /// # drop(builder);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn signer(self, signer: impl Signer + 'static, secrets: Secrets) -> Builder<P, D, S, Keys> {
        let Self {
            policy,
            people,
            store,
            rest,
            ..
        } = self;
        Builder {
            policy,
            people,
            store,
            key: Keys {
                signer: Arc::new(signer),
                secrets,
            },
            rest,
        }
    }
}

impl<P, D, S> Builder<P, D, S, Keys> {
    /// Secrets that outlive the ledger key: what binds redacted values comes from these.
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.key.secrets = secrets;
        self
    }
}

impl<P, D, S, K> Builder<P, D, S, K> {
    /// Another clock than the operating system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.rest.clock = Arc::new(clock);
        self
    }

    /// One more channel that carries requests to people.
    #[must_use]
    pub fn notifier(mut self, notifier: impl Notifier + 'static) -> Self {
        self.rest.notifiers.push(Arc::new(notifier));
        self
    }

    /// One more judge beside the policy, which can tighten what the policy says and never loosen
    /// it: the strictest answer of all holds, and an engine that cannot tell denies.
    ///
    /// # Examples
    /// ```
    /// # use approvals_core::id::EngineName;
    /// # use approvals_core::policy::{EngineError, Opinion, PolicyEngine};
    /// use approvals_core::{Gate, PolicyDigest, Proposal, Timestamp};
    ///
    /// #[derive(Debug)]
    /// struct Never(EngineName);
    ///
    /// #[async_trait::async_trait]
    /// impl PolicyEngine for Never {
    ///     # fn name(&self) -> &EngineName { &self.0 }
    ///     # fn digest(&self) -> PolicyDigest { PolicyDigest::of(b"never") }
    ///     // … its name and the digest of its texts
    ///     async fn judge(&self, _: &Proposal, _: Timestamp) -> Result<Opinion, EngineError> {
    ///         Ok(Opinion::Deny(Vec::new()))
    ///     }
    /// }
    /// let builder = Gate::builder().policy_engine(Never("never".parse()?));
    /// # Ok::<(), approvals_core::id::InvalidId>(())
    /// ```
    #[must_use]
    pub fn policy_engine(mut self, engine: impl PolicyEngine + 'static) -> Self {
        self.rest.engines.push(Arc::new(engine));
        self
    }

    /// Where the newest signed head is kept beside the store, so that a store that was put back to
    /// an older state is refused: pinned after each batch and before anybody hears of it.
    #[must_use]
    pub fn head_pin(mut self, pinning: Pinning) -> Self {
        self.rest.known.pinning = Some(pinning);
        self
    }

    /// Where the disclosure key is kept, so that it can be replaced and destroyed after an erasure;
    /// otherwise it follows from the secrets of the log, and an erasure does not reach backups of
    /// the store.
    #[must_use]
    pub fn disclosure_keys(mut self, keys: impl DisclosureKeys) -> Self {
        self.rest.known.disclosure_keys = Some(Arc::new(keys));
        self
    }

    /// Which witnesses cosign the heads of the log, and whether anything waits for them.
    #[must_use]
    pub fn anchoring(mut self, anchoring: Anchoring) -> Self {
        self.rest.anchoring = Some(anchoring);
        self
    }

    /// The environment of actions whose guard names none, such as `prod`.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.rest.options.environment = Some(name.into());
        self
    }

    /// Who asks when a call is made outside [`Gate::enter`].
    #[must_use]
    pub fn agent(mut self, agent: Agent) -> Self {
        self.rest.options.agent = Some(agent);
        self
    }

    /// Refuses calls with a parameter that the approval would not cover.
    #[must_use]
    pub fn full_binding(mut self) -> Self {
        self.rest.options.full_binding = true;
        self
    }

    /// How long a batch waits for its signature before it is given up and nothing is written; 2 s unless set.
    ///
    /// Meanwhile the store is locked, for other processes, too: keep it below what they wait.
    #[must_use]
    pub fn signer_patience(mut self, at_most: Duration) -> Self {
        self.rest.known.patience = Some(at_most);
        self
    }

    /// The key that the log must have begun with; otherwise its own word is taken for that.
    #[must_use]
    pub fn genesis_vkey(mut self, vkey: VerifierKey) -> Self {
        self.rest.known.genesis = Some(vkey);
        self
    }

    /// The key that a new log names as the one that can revoke the others, and that an old one must have named.
    ///
    /// Keep its private half away from every machine that can reach the log. Without one, no key of the log can
    /// ever be revoked.
    #[must_use]
    pub fn recovery_vkey(mut self, vkey: VerifierKey) -> Self {
        self.rest.known.recovery = Some(vkey);
        self
    }

    /// How long a call waits for the store to write, for the directory, and for all policy engines
    /// together, before it is refused; 10 s unless set.
    #[must_use]
    pub fn store_patience(mut self, at_most: Duration) -> Self {
        self.rest.options.patience = at_most;
        self
    }
}

impl Builder<Policy, Arc<dyn Directory>, Box<dyn Store>, Keys> {
    /// Opens the ledger and the gate.
    ///
    /// Writes the genesis of a new ledger, records the policy when it changed, ends what ran out
    /// of time, and reports runs whose process is gone as `unknown`.
    ///
    /// # Errors
    /// - `AuditTampered` when the end of the log does not verify, or does not fit the head pin;
    /// - `Misuse` when two policy engines share a name;
    /// - `PolicyInvalid` when the policy is older than one that was in force, or differs from it
    ///   under the same version, and when it differs from one in force that says who must approve
    ///   its replacement: see [`Gate::propose_policy`];
    /// - `StoreUnavailable`, `AuditUnavailable` when the store cannot be read or written.
    pub async fn open(self) -> Result<Gate, ApprovalError> {
        let gate = self.assemble()?;
        for work in gate.first_steps() {
            gate.0.journal.submit(work).await?;
        }
        // Whoever erased last may have been killed before it could scrub; what cannot be done now
        // is done by a sweep.
        let _ = gate.0.scrub(Duration::ZERO).await;
        Ok(gate)
    }

    /// Sets the head pin by hand to what the store has, and records that as `log.recovered`.
    ///
    /// For an operator, when the pin is lost, or when a store was restored from a backup that lacks
    /// records and nothing better is left. What was pinned before is put on record, so that an
    /// auditor sees what is missing. Nobody may have the store open meanwhile. A log that is empty
    /// is never pinned anew: what follows on a lost log has a name of its own.
    ///
    /// # Errors
    /// - `Misuse` without [`head_pin`](Builder::head_pin), when the pin fits the store, and when
    ///   the store is empty: there is nothing to adopt;
    /// - `AuditTampered` when the end of the log does not verify, and when the store has less than
    ///   the pin or another history and no loss is accepted; both heads are kept as evidence;
    /// - `AuditUnavailable`, `StoreUnavailable` when the pin or the store cannot be read or written.
    pub fn adopt_pin(self, loss: Loss) -> Result<Adopted, ApprovalError> {
        let opening = self.rest.known.opening(self.key, &self.rest.clock);
        adopt(self.store, opening, loss)
    }

    fn assemble(self) -> Result<Gate, ApprovalError> {
        let engines = Engines::new(self.rest.engines, self.rest.options.patience)?;
        let key = self.key.secrets.redaction_key();
        if self.rest.anchoring.is_some() && !self.store.is_durable() {
            let message = "a store that forgets cannot be anchored: its log is gone at the next start; use a durable store, or no witnesses";
            return Err(ApprovalError::new(Code::Misuse, message));
        }
        let opening = self.rest.known.opening(self.key, &self.rest.clock);
        let journal = Journal::open(self.store, opening)?;
        let clock = &self.rest.clock;
        let start = |config| Anchors::start(config, journal.clone(), Arc::clone(clock));
        let anchors = self.rest.anchoring.map(start).transpose()?;
        Ok(Gate(Arc::new(Inner {
            anchors,
            journal,
            policy: Held::new(self.policy),
            engines,
            people: self.people,
            clock: self.rest.clock,
            key,
            channels: self
                .rest
                .notifiers
                .iter()
                .map(|notifier| notifier.name().to_owned())
                .collect(),
            notifiers: self.rest.notifiers,
            options: self.rest.options,
            attached: Mutex::default(),
            post: super::notices::Post::default(),
            refusals: super::refusals::Refusals::default(),
            unscrubbed: AtomicBool::new(false),
        })))
    }

    /// Opens a gate that forgets, without waiting: its store runs where it is called.
    ///
    /// # Errors
    /// As [`open`](Builder::open).
    pub(crate) fn open_forgetful(self) -> Result<Gate, ApprovalError> {
        let gate = self.assemble()?;
        for work in gate.first_steps() {
            gate.0.journal.submit(work).now().transpose()?;
        }
        Ok(gate)
    }
}

impl Gate {
    fn first_steps(&self) -> Vec<Work> {
        let mut steps = vec![Work::Policy((*self.policy()).clone())];
        steps.extend(self.0.channels.iter().cloned().map(Work::Channel));
        steps.push(Work::Sweep);
        steps
    }
}
