//! The journal: the one place where anything is written.
//!
//! Callers queue; one committer drains the queue, decides, hashes, signs, commits once, and then
//! wakes them all. Nobody hears of anything that is not durable.

mod adopt;
mod engine;
mod erase;
mod fold;
mod keys;
mod links;
mod nodes;
mod open;
mod opened;
mod opening;
mod pen;
mod pin;
mod policy;
mod receipt;
mod rekey;
mod rewrap;
mod seal;
mod stage;
mod steps;
mod thread;
mod verify;
mod wait;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::envelope::Vault;
use crate::error::{ApprovalError, Code};
use crate::id::{BootId, RequestId};
use crate::ledger::{
    AuditRecord, Checkpoint, KeyChain, KeyRevocation, LogEvent, Origin, Receipt, Report, Verifier,
    VerifierKey, empty_root,
};
use crate::lifecycle::{Command, Refusal, RequestState};
use crate::policy::Policy;
use crate::ports::{Backlog, Bell, Due, Reader, Signer, Store, StoreError};
use crate::sealed::Disclosure;

pub(crate) use adopt::adopt;
pub use adopt::{Adopted, Loss};
use engine::Engine;
use keys::Signs;
pub use keys::key_chain;
pub use nodes::StoredNodes;
pub use opening::Opening;
use pen::Pen;
pub(crate) use pen::wait as drive;
use pin::{Desk, Pinned};
pub use pin::{Relation, relate};
pub use receipt::receipt;
use rekey::Rekey;
use thread::{Committer, POLL, ReaderThread, SAFETY_NET};
pub use verify::{StoredLog, verify, verify_source};
use wait::Waits;
pub(crate) use wait::{Latest, Watch};

/// The ledger, open for writing; cheap to clone, shared by everything in the process.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

struct Shared {
    log: Origin,
    key: VerifierKey,
    boot: BootId,
    vault: Vault,
    waits: Arc<Waits>,
    lane: Lane,
}

/// A store that forgets runs where it is called; a durable one on threads of its own.
enum Lane {
    Inline(Box<Mutex<Engine>>),
    Threads {
        committer: Committer,
        reader: ReaderThread,
    },
}

/// What is to be written.
pub(crate) enum Work {
    /// One command to one request.
    Command {
        command: Command,
        disclosures: Vec<Disclosure>,
        /// Whether an ask attaches to a closed request with the same key, too.
        attach_closed: bool,
    },
    /// The policy in force from here on.
    Policy(Policy),
    /// Puts a policy in the place of the one in force, under an approval that is in use.
    Replace {
        policy: Policy,
        authority: RequestId,
    },
    /// Something that happened to the log itself.
    Log(LogEvent),
    /// Destroys what opens the commitments of a settled request, under an approval that is in use.
    Erase {
        request: RequestId,
        authority: RequestId,
    },
    /// Ends what is out of time, and gives up runs whose process is gone.
    Sweep,
    /// Changes are kept for this channel from here on.
    Channel(String),
    /// A follower of the log has taken everything in front of this record.
    Followed { follower: String, next: u64 },
    /// A delivery is done, or given up.
    Delivered { due: Due, command: Command },
    /// Nothing: answers when everything queued before it is durable.
    Barrier,
}

impl Work {
    pub(crate) fn command(command: Command) -> Self {
        Self::Command {
            command,
            disclosures: Vec::new(),
            attach_closed: false,
        }
    }
}

/// What a command led to, durably.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) state: Option<Arc<RequestState>>,
    pub(crate) seq: u64,
    /// The record of the vote, when the step counted one.
    pub(crate) vote: Option<u64>,
    pub(crate) attached: bool,
    pub(crate) refusal: Option<Refusal>,
}

/// A queued step; it is carried out whether or not anybody awaits this.
#[must_use = "the step is queued, but whether it became durable is only known by awaiting"]
pub(crate) struct Ticket(Result<oneshot::Receiver<Reply>, Option<Reply>>);

pub(crate) type Reply = Result<Answer, ApprovalError>;

impl Ticket {
    /// The answer of a store that runs where it is called; none while a thread still works on it.
    pub(crate) fn now(self) -> Option<Reply> {
        self.0.err().flatten()
    }
}

impl Future for Ticket {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match &mut self.0 {
            Ok(receiver) => Pin::new(receiver)
                .poll(cx)
                .map(|reply| reply.unwrap_or_else(|_| Err(stopped()))),
            Err(reply) => Poll::Ready(reply.take().unwrap_or_else(|| Err(stopped()))),
        }
    }
}

impl Journal {
    /// Opens the ledger in a store, or begins it. What people are shown is sealed in the store
    /// under the disclosure key.
    ///
    /// Blocks while the tail is verified and compared with the head pin, if there is one.
    ///
    /// # Errors
    /// - `AuditTampered` when the end of the log does not verify, when the store has less than the
    ///   pin or another history, or when the pin is missing: nothing is written, and the store is
    ///   left as it was found, as evidence;
    /// - `AuditUnavailable` when the store is sealed under another disclosure key, or the pin
    ///   cannot be read or moved in time;
    /// - `Misuse` when a store that forgets is to be pinned;
    /// - `StoreUnavailable` when the store cannot be read or written.
    pub fn open(
        store: impl Into<Box<dyn Store>>,
        mut opening: Opening,
    ) -> Result<Self, ApprovalError> {
        let mut store = store.into();
        let durable = store.is_durable();
        let log = opening.signer.vkey().name().clone();
        let vault = opening.vault()?;
        let desk = opening.pinning.take().map(Desk::start).transpose()?;
        if desk.is_some() && !durable {
            let message = "a store that forgets cannot be pinned: its log is gone at the next start; use a durable store, or no pin";
            return Err(ApprovalError::new(Code::Misuse, message));
        }
        let pen = opening.pen();
        let (keys, pin) = open::check(&mut *store, &opening, &vault, |reader, head| {
            let key = pen.vkey().clone();
            let open = |desk| Pinned::open(desk, key, reader, head, || first(&pen));
            desk.map(open).transpose()
        })?;
        let key = keys.genesis().clone();
        let boot = BootId::random()?;
        store.announce(boot).map_err(store_error)?;
        let reader = store.reader().map_err(store_error)?;
        let waits = Arc::new(Waits::default());
        let woken = Arc::clone(&waits);
        let rings = store.ring(Bell::new(move |request| woken.hint(request)));
        let poll = if rings { SAFETY_NET } else { POLL };
        let engine = Engine::new(
            store,
            Signs {
                pen,
                keys,
                recovery: opening.recovery,
            },
            opening.clock,
            boot,
            vault.clone(),
            Arc::clone(&waits),
            pin.map(Box::new),
        );
        let lane = match reader {
            Some(reader) if durable => Lane::Threads {
                committer: Committer::start(engine)?,
                reader: ReaderThread::start(reader, Arc::clone(&waits), poll)?,
            },
            _ => Lane::Inline(Box::new(Mutex::new(engine))),
        };
        Ok(Self(Arc::new(Shared {
            log,
            key,
            boot,
            vault,
            waits,
            lane,
        })))
    }

    /// The name of the log.
    #[must_use]
    pub fn log(&self) -> &Origin {
        &self.0.log
    }

    /// The key that the log began with: what auditors pin.
    #[must_use]
    pub fn vkey(&self) -> &VerifierKey {
        &self.0.key
    }

    /// Names this start of this process in the records it writes.
    #[must_use]
    pub fn boot(&self) -> BootId {
        self.0.boot
    }

    /// Queues a step now; the ticket tells when it is durable.
    pub(crate) fn submit(&self, work: Work) -> Ticket {
        match &self.0.lane {
            Lane::Inline(engine) => {
                let mut engine = hold(engine);
                Ticket(Err(engine.run_one(work)))
            }
            Lane::Threads { committer, .. } => Ticket(Ok(committer.submit(work))),
        }
    }

    pub(crate) fn command(&self, command: Command) -> Ticket {
        self.submit(Work::command(command))
    }

    /// Reads the store, beside the committer.
    ///
    /// For the ledger's verifier and for exports; a gate answers everything else.
    ///
    /// # Errors
    /// `StoreUnavailable` when the store cannot be read.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApprovalError> {
        match &self.0.lane {
            Lane::Inline(engine) => {
                let mut engine = hold(engine);
                query(engine.reader()).map_err(store_error)
            }
            Lane::Threads { reader, .. } => reader.read(query).await,
        }
    }

    /// Where one request stands.
    ///
    /// # Errors
    /// `StoreUnavailable` when the store cannot be read, `AuditTampered` when its records make no
    /// sense.
    pub async fn state(&self, request: RequestId) -> Result<Option<RequestState>, ApprovalError> {
        Ok(self.look(request).await?.map(|(state, _)| state))
    }

    /// Where one request stands, and its last record.
    pub(crate) async fn look(
        &self,
        request: RequestId,
    ) -> Result<Option<(RequestState, u64)>, ApprovalError> {
        let records = self.read(move |reader| reader.records_of(request)).await?;
        fold::fold(&records, request, &self.0.log)
    }

    /// The records of one request, in order.
    ///
    /// # Errors
    /// `StoreUnavailable` when the store cannot be read, `AuditTampered` when they make no sense.
    pub async fn history(&self, request: RequestId) -> Result<Vec<AuditRecord>, ApprovalError> {
        let records = self.read(move |reader| reader.records_of(request)).await?;
        records
            .iter()
            .map(|stored| {
                AuditRecord::decode(&stored.bytes, &self.0.log)
                    .map_err(|error| ApprovalError::new(Code::AuditTampered, error.to_string()))
            })
            .collect()
    }

    /// Tells when a request changes, here or in another process.
    pub(crate) fn watch(&self, request: RequestId) -> Watch {
        let watch = Watch::new(&self.0.waits, request);
        if let Lane::Threads { reader, .. } = &self.0.lane {
            reader.nudge();
        }
        watch
    }

    /// The keys of the log, as far as it was written.
    ///
    /// # Errors
    /// `AuditTampered` when its records about keys make no sense, `StoreUnavailable` when the store cannot be
    /// read.
    pub async fn keys(&self) -> Result<KeyChain, ApprovalError> {
        let genesis = self.0.key.clone();
        self.read(move |reader| Ok(key_chain(reader, &genesis)))
            .await?
    }

    /// Hands the log over to another key: from here on it signs, and this process with it.
    ///
    /// The key in force endorses the new one on record, and both sign the head over that record. Other processes
    /// are refused until they have the new key. Give the log secrets of their own first, if they were derived
    /// from the key: see [`Secrets`](crate::ledger::Secrets).
    ///
    /// # Errors
    /// - `Misuse` when the key has a part in this log already, or is of another log;
    /// - `AuditUnavailable` when a key does not sign, or this process does not hold the one in force;
    /// - `StoreUnavailable` when the store cannot be written. Nothing has changed then.
    pub async fn rotate_key(&self, new: impl Signer + 'static) -> Result<(), ApprovalError> {
        self.rekey(Rekey::Rotate(Arc::new(new))).await
    }

    /// Takes the log from a key that others may hold, with the word of the recovery key.
    ///
    /// The key of this journal is the one in force from here on: open the journal with it for that. It need not
    /// have been in force before, and the revoked key need not be there any more.
    ///
    /// # Errors
    /// - `Misuse` when the revocation does not count, with the reason, or names another key than this journal's;
    /// - `AuditUnavailable` when the key does not sign, `StoreUnavailable` when the store cannot be written.
    ///   Nothing has changed then.
    pub async fn revoke_key(&self, revocation: KeyRevocation) -> Result<(), ApprovalError> {
        self.rekey(Rekey::Revoke(revocation)).await
    }

    async fn rekey(&self, change: Rekey) -> Result<(), ApprovalError> {
        match &self.0.lane {
            Lane::Inline(engine) => hold(engine).rekey(change),
            Lane::Threads { committer, .. } => committer.rekey(change).await,
        }
    }

    /// The signed head over everything written so far.
    ///
    /// A store that forgets signs it now; a durable one has signed it with every batch.
    ///
    /// # Errors
    /// `AuditUnavailable` when the key cannot sign, `StoreUnavailable` when the store cannot be
    /// read.
    pub async fn checkpoint(&self) -> Result<Option<String>, ApprovalError> {
        match &self.0.lane {
            Lane::Inline(engine) => Ok(sign_now(engine).await?.map(|(_, note)| note)),
            Lane::Threads { .. } => Ok(self.read(|reader| reader.head()).await?.note),
        }
    }

    /// The receipt of one record, by its number in the log, under the signed head.
    ///
    /// [`Gate::receipt`](crate::Gate::receipt) gives those of a request.
    ///
    /// # Errors
    /// - `NotFound` when the log has no such record;
    /// - `AuditTampered` when the store does not prove it, `AuditUnavailable` when the key cannot
    ///   sign, `StoreUnavailable` when the store cannot be read.
    pub async fn receipt(&self, seq: u64) -> Result<Receipt, ApprovalError> {
        let genesis = self.0.key.clone();
        match &self.0.lane {
            Lane::Inline(engine) => {
                let note = sign_now(engine).await?.map(|(_, note)| note);
                let mut engine = hold(engine);
                let key = engine.keys.current().clone();
                receipt::under(engine.reader(), &key, seq, note.as_deref())
            }
            Lane::Threads { .. } => {
                self.read(move |reader| Ok(receipt(reader, &genesis, seq)))
                    .await?
            }
        }
    }

    /// Verifies everything written so far against the signed head.
    ///
    /// This process looks at its own log, and takes the word of its own channels for how well they
    /// had proven who voted. Whoever trusts none of it verifies from outside, as `approvals verify`
    /// does.
    ///
    /// # Errors
    /// `StoreUnavailable` when the store cannot be read; what is wrong with the log is in the
    /// report.
    pub async fn verify(&self) -> Result<Report, ApprovalError> {
        let verifier = Verifier::new(self.0.key.clone()).trusting_channels();
        let vault = self.0.vault.clone();
        match &self.0.lane {
            Lane::Inline(engine) => {
                let (size, note) = sign_now(engine).await?.unzip();
                let (size, mut engine) = (size.unwrap_or(0), hold(engine));
                let mut log = StoredLog::new(engine.reader()).opened_with(vault);
                verify::against(&mut log, verifier, size, note.as_deref()).map_err(store_error)
            }
            Lane::Threads { .. } => {
                self.read(move |reader| {
                    verify_source(&mut StoredLog::new(reader).opened_with(vault), verifier)
                })
                .await
            }
        }
    }

    pub(crate) async fn take_due(
        &self,
        channels: &[String],
        lease: Duration,
    ) -> Result<Vec<Due>, ApprovalError> {
        match &self.0.lane {
            Lane::Inline(engine) => hold(engine).take_due(channels, lease),
            Lane::Threads { committer, .. } => committer.take_due(channels.to_vec(), lease).await,
        }
    }

    /// Keeps how far a follower of the log has come: it has taken every record in front of `next`.
    /// Changes no request and is no record; an older word never takes anybody back.
    ///
    /// # Errors
    /// `AuditUnavailable` or `StoreUnavailable` when it did not become durable: what was taken is
    /// then taken again after a restart.
    pub async fn followed(&self, follower: &str, next: u64) -> Result<(), ApprovalError> {
        let follower = follower.to_owned();
        let kept = self.submit(Work::Followed { follower, next });
        kept.await.map(|_| ())
    }

    /// What every channel and every follower of the log has yet to take.
    ///
    /// # Errors
    /// `StoreUnavailable` when the store cannot be read.
    pub async fn backlogs(&self) -> Result<Vec<Backlog>, ApprovalError> {
        self.read(|reader| reader.backlogs()).await
    }

    /// Overwrites what was erased, wherever the store itself still has bytes of it; waits at most
    /// that long for those who read.
    pub(crate) async fn scrub(&self, at_most: Duration) -> Result<(), ApprovalError> {
        match &self.0.lane {
            Lane::Inline(engine) => hold(engine).scrub(at_most),
            Lane::Threads { committer, .. } => committer.scrub(at_most).await,
        }
    }

    /// Waits until everything queued so far is durable.
    ///
    /// # Errors
    /// `AuditUnavailable` when it did not become durable.
    pub async fn flush(&self) -> Result<(), ApprovalError> {
        self.submit(Work::Barrier).await.map(|_| ())
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("log", &self.0.log)
            .finish_non_exhaustive()
    }
}

/// Signs the head of a store that forgets, and says how many records it covers; none while there are none.
async fn sign_now(engine: &Mutex<Engine>) -> Result<Option<(u64, String)>, ApprovalError> {
    let head = hold(engine).unsigned()?;
    match head {
        Some((pen, head)) => Ok(Some((head.size, pen.write(&head).await?))),
        None => Ok(None),
    }
}

fn hold(engine: &Mutex<Engine>) -> MutexGuard<'_, Engine> {
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn store_error(error: StoreError) -> ApprovalError {
    ApprovalError::new(Code::StoreUnavailable, error.to_string())
}

/// A record that cannot be relied upon.
fn tampered(seq: u64, message: &str) -> ApprovalError {
    let message = format!("record {seq}: {message}; run `approvals verify`");
    ApprovalError::new(Code::AuditTampered, message)
}

/// The signed head of a log without records.
fn first(pen: &Pen) -> Result<String, ApprovalError> {
    let head = Checkpoint {
        origin: pen.vkey().name().clone(),
        size: 0,
        root: empty_root(),
    };
    pen::seal(&head, &[pen])
}

fn stopped() -> ApprovalError {
    ApprovalError::new(
        Code::AuditUnavailable,
        "the journal has stopped, so nothing can be recorded and nothing may run; start the process again",
    )
}
