//! Ports: what the core asks of the world. Adapters implement them; the core never knows whom.

mod pin;
mod witness;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::digest::PolicyDigest;
use crate::envelope::{DisclosureKeyId, Envelope, SealedDisclosure, WrappedKey};
use crate::id::{AgentId, BootId, RequestId};
use crate::ledger::{Frontier, Hash, Kept, StoredRecord, VerifierKey};
use crate::request::{IdempotencyKey, Status};
use crate::scope::Scope;

pub use crate::directory::{Directory, DirectoryError};
pub use crate::envelope::DisclosureKeys;
pub use crate::policy::{EngineError, PolicyEngine};
pub use pin::{HeadPin, PinError, Pinning, Replaced};
pub use witness::{Witness, WitnessError, WitnessReply};

/// Where the log ends: everything a writer must know to go on.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Head {
    /// How many records there are, and the hashes that cover them.
    pub frontier: Frontier,
    /// The time of the last record.
    pub last_at: Option<Timestamp>,
    /// The signed checkpoint over exactly these records; none while nothing is signed.
    pub note: Option<String>,
    /// The policy that was loaded last: its version and digest.
    pub policy: Option<(u64, PolicyDigest)>,
    /// The records that say which key signs, in order: they only save looking for them.
    pub keys: Vec<u64>,
    /// What the store's own clock says, once the lock is held: only of a store that several
    /// machines share, whose clocks differ. It then decides what is in time, and is not written.
    pub store_clock: Option<Timestamp>,
    /// The disclosure key that wraps the data keys; none while nothing was sealed.
    pub disclosure_key: Option<DisclosureKeyId>,
}

/// What listings and sweepers need of a request; derived from its records.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestRow {
    /// The request.
    pub id: RequestId,
    /// Its scope.
    pub scope: Scope,
    /// The agent that asks.
    pub agent: AgentId,
    /// Where it stands.
    pub status: Status,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When its present state runs out, while it can.
    pub deadline: Option<Timestamp>,
    /// When time next changes it: the deadline, or an escalation before it.
    pub due: Option<Timestamp>,
    /// The process that is running it, while one is.
    pub running: Option<BootId>,
    /// Names the call for the requester.
    pub key: Option<IdempotencyKey>,
    /// Whether its use broke the glass and nobody has reviewed that yet.
    pub unreviewed: bool,
    /// Its last record.
    pub last_seq: u64,
}

impl RequestRow {
    /// A request that runs out of nothing, is running nowhere and has no key.
    #[must_use]
    pub fn new(
        id: RequestId,
        scope: Scope,
        agent: AgentId,
        status: Status,
        created_at: Timestamp,
        last_seq: u64,
    ) -> Self {
        Self {
            id,
            scope,
            agent,
            status,
            created_at,
            deadline: None,
            due: None,
            running: None,
            key: None,
            unreviewed: false,
            last_seq,
        }
    }
}

/// Everything one durable step writes; all of it or nothing.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Batch {
    /// New records, in order, with the request they belong to.
    pub records: Vec<(StoredRecord, Option<RequestId>)>,
    /// New roots of complete subtrees over 256, 65,536, .. records, as (level, index, hash).
    pub subtrees: Vec<(u8, u64, Hash)>,
    /// The new state of every request that changed.
    pub requests: Vec<RequestRow>,
    /// What opens commitments in the records, sealed: a store never sees a value.
    pub disclosures: Vec<(RequestId, SealedDisclosure)>,
    /// The wrapped data keys of requests that something was sealed for, in place of older ones.
    pub data_keys: Vec<(RequestId, WrappedKey)>,
    /// Requests whose ciphertexts and data key are deleted; nothing, when they have none.
    pub erased: Vec<RequestId>,
    /// Counters to raise.
    pub counted: Vec<Counted>,
    /// Changes of requests that channels should draw: (record, request).
    pub notices: Vec<(u64, RequestId)>,
    /// Deliveries that are done: (record, channel).
    pub delivered: Vec<(u64, String)>,
    /// Channels for which changes are kept from here on, this batch included.
    pub channels: Vec<String>,
    /// How far those who follow the log have come: (follower, first record that it has not taken).
    /// A store keeps the furthest, so that an older word never takes anybody back.
    pub followed: Vec<(String, u64)>,
    /// The new head.
    pub head: Head,
}

/// One counter, raised by an amount at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counted {
    /// The counter.
    pub counter: String,
    /// When.
    pub at: Timestamp,
    /// By how much.
    pub amount: u64,
}

impl Counted {
    /// A counter, raised by so much at that time.
    #[must_use]
    pub fn new(counter: impl Into<String>, at: Timestamp, amount: u64) -> Self {
        Self {
            counter: counter.into(),
            at,
            amount,
        }
    }
}

/// What went wrong in a store.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: String,
    fatal: bool,
}

impl StoreError {
    /// Nothing was written, and trying again later may work: locked, full, not reachable.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            fatal: false,
        }
    }

    /// It is not known what was written: a failed sync. The journal stops for good.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            fatal: true,
        }
    }

    /// Whether the journal must stop.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.fatal
    }
}

/// Tells waiting calls that a request may have changed.
///
/// It is a hint and nothing else: whoever is woken looks at the records, so that a false or a
/// missing ring changes nothing but when they look.
#[derive(Clone)]
pub struct Bell(Arc<dyn Fn(RequestId) + Send + Sync>);

impl Bell {
    /// A bell that does this when it rings.
    #[must_use]
    pub fn new(ring: impl Fn(RequestId) + Send + Sync + 'static) -> Self {
        Self(Arc::new(ring))
    }

    /// Something may have been written about this request, here or elsewhere.
    pub fn ring(&self, request: RequestId) {
        (self.0)(request);
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bell")
    }
}

/// Which requests a listing shows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Filter {
    /// Only those that stand so.
    pub status: Option<Status>,
    /// Only those of this agent.
    pub agent: Option<AgentId>,
    /// Only those whose use broke the glass and waits for its review.
    pub unreviewed: bool,
    /// Only those that were asked before this one, however it has changed since; none when there
    /// is no such request.
    pub before: Option<RequestId>,
    /// How many at most, newest first.
    pub limit: usize,
}

impl Filter {
    /// Those that wait for people, newest first, 200 at most.
    #[must_use]
    pub fn pending() -> Self {
        Self {
            status: Some(Status::Pending),
            ..Self::all()
        }
    }

    /// All, newest first, 200 at most.
    #[must_use]
    pub fn all() -> Self {
        Self {
            status: None,
            agent: None,
            unreviewed: false,
            before: None,
            limit: 200,
        }
    }

    /// Those whose use broke the glass and waits for its review, newest first, 200 at most.
    #[must_use]
    pub fn unreviewed() -> Self {
        Self {
            unreviewed: true,
            ..Self::all()
        }
    }
}

/// One copy of a change that a channel still has to take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Due {
    /// The record of the change.
    pub seq: u64,
    /// The request.
    pub request: RequestId,
    /// The channel.
    pub channel: String,
    /// How often it was tried before.
    pub attempts: u32,
}

impl Due {
    /// A copy that is due.
    #[must_use]
    pub fn new(seq: u64, request: RequestId, channel: String, attempts: u32) -> Self {
        Self {
            seq,
            request,
            channel,
            attempts,
        }
    }
}

/// What one channel, or one follower of the log, has yet to take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// The channel or the follower.
    pub channel: String,
    /// How many notices wait for the channel; how many records the follower has not looked at.
    pub waiting: u64,
    /// The first record that it has not taken: where the log ends, when it has taken all.
    pub next: u64,
}

impl Backlog {
    /// What this channel has yet to take, and from where on.
    #[must_use]
    pub fn new(channel: impl Into<String>, waiting: u64, next: u64) -> Self {
        Self {
            channel: channel.into(),
            waiting,
            next,
        }
    }
}

/// Reads a store. Never blocks a writer for long, and sees only what is durable.
pub trait Reader: Send {
    /// The head.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn head(&mut self) -> Result<Head, StoreError>;

    /// At most `limit` records from `from` on, in order, without gaps.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn records(&mut self, from: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError>;

    /// At most `limit` leaf hashes from record `from` on, in order, without gaps: what
    /// [`Reader::records`] gives, without the bytes.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Hash>, StoreError>;

    /// At most `limit` roots of the complete subtrees of a level, from index `from` on, in order,
    /// without gaps: what [`Batch::subtrees`] brought. With them a proof reads few rows, however
    /// long the log is.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn subtrees(&mut self, level: u8, from: u64, limit: usize) -> Result<Vec<Hash>, StoreError>;

    /// The records of one request, in order; empty when there is no such request.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn records_of(&mut self, request: RequestId) -> Result<Vec<StoredRecord>, StoreError>;

    /// At most `limit` records about the log itself, below number `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn log_records(&mut self, before: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError>;

    /// What opens the commitments of one request: ciphertexts and their wrapped key, as of one
    /// moment; empty when there are none.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn disclosures(&mut self, request: RequestId) -> Result<Envelope, StoreError>;

    /// Requests, for a listing.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn requests(&mut self, filter: &Filter) -> Result<Vec<RequestRow>, StoreError>;

    /// Requests that time has changed by now: those whose `due` has come.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn overdue(&mut self, now: Timestamp, limit: usize) -> Result<Vec<RequestId>, StoreError>;

    /// Requests that a process is running.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn running(&mut self) -> Result<Vec<(RequestId, BootId)>, StoreError>;

    /// The last record of each request that has one at or after `from`, and the size of the log.
    /// Cheap when nothing was written: a waiting process calls it many times a second.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn touched(&mut self, from: u64) -> Result<(Vec<(RequestId, u64)>, u64), StoreError>;

    /// What every channel that [`Batch::channels`] ever named, and every follower that
    /// [`Batch::followed`] ever named, has yet to take; in the order of their names.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn backlogs(&mut self) -> Result<Vec<Backlog>, StoreError>;
}

/// Where an auditor reads a log: a store, a directory of exported tiles, a file. Nothing it says is
/// trusted.
pub trait LogSource {
    /// At most `limit` records from `from` on, in order, without gaps; none at the end.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn records(&mut self, from: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError>;

    /// The signed head as it is now; none when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn note(&mut self) -> Result<Option<String>, StoreError>;

    /// What is kept of the values that one request binds; none when no values are kept here at all.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    fn kept(&mut self, request: RequestId) -> Result<Option<Kept>, StoreError>;
}

/// Keeps the ledger. One transaction at a time, across all processes that share it.
///
/// Duties, which the published conformance suite (`testing::conformance`) checks:
/// - `begin` takes the one write lock of the store and returns the head as it is then;
/// - what `begin` and later reads of the same transaction return cannot change until it ends;
/// - when `commit` returns `Ok`, everything in the batch is durable; when it returns an error that
///   is not fatal, nothing of it is there; when it is fatal, nothing more will be asked;
/// - records are only ever added, and their bytes come back exactly;
/// - what is erased does not come back, whichever way it is read.
pub trait Store: Reader + 'static {
    /// Whether `commit` survives the end of the process. A store that forgets says no, and then
    /// nothing is hashed or signed until somebody asks.
    fn is_durable(&self) -> bool;

    /// Starts a transaction.
    ///
    /// # Errors
    /// [`StoreError`] when the lock cannot be had in a bounded time.
    fn begin(&mut self) -> Result<Head, StoreError>;

    /// The newest request with this key.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn by_key(&mut self, key: &IdempotencyKey) -> Result<Option<RequestId>, StoreError>;

    /// By how much a counter was raised after `since`, in all.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn count(&mut self, counter: &str, since: Timestamp) -> Result<u64, StoreError>;

    /// At most `limit` data keys that are wrapped by this disclosure key, whatever their order; not
    /// those that were erased. None means that nothing is left which that key opens.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn wrapped_by(
        &mut self,
        key: DisclosureKeyId,
        limit: usize,
    ) -> Result<Vec<(RequestId, WrappedKey)>, StoreError>;

    /// When a counter was raised after `since`, and by how much, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn raised(
        &mut self,
        counter: &str,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, u64)>, StoreError>;

    /// Ends the transaction, with everything in the batch.
    ///
    /// # Errors
    /// [`StoreError`]: fatal when it is not known what was written.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// Ends the transaction, with nothing.
    fn rollback(&mut self);

    /// Overwrites what was deleted, wherever the store itself still has bytes of it: free pages,
    /// logs of its own. Waits at most that long for those who read. Only asked once the log has
    /// been verified, and outside of a transaction; asking again does no harm.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be done now, or not at all: a store that has no say over its
    /// bytes must not claim that they are gone.
    fn scrub(&mut self, at_most: Duration) -> Result<(), StoreError>;

    /// A second way in, to read while others write; none when the store is this process's own.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    fn reader(&self) -> Result<Option<Box<dyn Reader>>, StoreError>;

    /// Marks this process as alive until it ends, however it ends.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be done.
    fn announce(&mut self, boot: BootId) -> Result<(), StoreError>;

    /// Whether a process that announced itself is gone. When that cannot be told: no.
    fn is_gone(&mut self, boot: BootId) -> bool;

    /// Takes a bell to ring, from any thread, when another process has written about a request.
    ///
    /// Returns whether the store will: then nobody needs to look as often as otherwise. It is not
    /// relied on, and a ring that is lost only makes somebody wait longer.
    fn ring(&mut self, bell: Bell) -> bool {
        drop(bell);
        false
    }

    /// Takes what is due for these channels, and keeps it from being taken again for `lease`,
    /// doubled with each attempt before, up to 256 times `lease`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read or written.
    fn take_due(
        &mut self,
        channels: &[String],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Due>, StoreError>;
}

impl<S: Store> From<S> for Box<dyn Store> {
    fn from(store: S) -> Self {
        Box::new(store)
    }
}

impl fmt::Debug for dyn Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// Signs the heads of a log: a key in memory, or one in a KMS, an HSM or another process.
///
/// Duties:
/// - the signature is Ed25519 over exactly the message (RFC 8032); each one is verified before it is used;
/// - `sign` does not block the thread it is polled on: a library that blocks goes through
///   `tokio::task::spawn_blocking`;
/// - it may be dropped at any time, and asked again for the same message.
///
/// The journal waits a bounded time, while the store is locked, and then writes nothing. It polls on a thread of
/// its own, inside the tokio runtime in which it was opened, so that a client built on tokio works.
#[async_trait]
pub trait Signer: Send + Sync + fmt::Debug {
    /// The key that verifies, and the name of the log. It never changes.
    fn vkey(&self) -> &VerifierKey;

    /// The signature of a message.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used; nothing is written then.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// The signer of another key of the same log, if this process can get it: asked when the log says that this
    /// key was replaced. Without an answer this process writes nothing more.
    ///
    /// # Errors
    /// [`SignError`] when it cannot be told.
    async fn successor(&self, vkey: &VerifierKey) -> Result<Option<Arc<dyn Signer>>, SignError> {
        let _ = vkey;
        Ok(None)
    }
}

/// The key could not sign.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct SignError(pub String);

/// Carries a request, and every change of it, out to people.
///
/// Duties: every copy in [`Notice::copies`] is redrawn when a notice of its request comes; untrusted
/// text is drawn literally; an error leaves the request pending and is recorded; the call ends in a
/// bounded time. The same notice may come twice.
///
/// The places it returns are recorded, and come back as the copies of later notices, also after a
/// restart: a channel needs no memory of its own. What went out in front of an error is not
/// recorded, so that a channel with several places is several notifiers, one for each.
#[async_trait]
pub trait Notifier: Send + Sync + fmt::Debug {
    /// The channel's name, stable from start to start.
    fn name(&self) -> &str;

    /// Takes one notice, and says where its copies are now; none when this channel has nothing to
    /// show of it.
    ///
    /// # Errors
    /// [`NotifyError`] when it did not go out; it is tried again later.
    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError>;
}

#[async_trait]
impl<N: Notifier + ?Sized> Notifier for Arc<N> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        (**self).notify(notice).await
    }
}

/// A request as it stands now, to be drawn.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Notice {
    /// What to draw.
    pub card: crate::card::Card,
    /// How often this notice was tried before.
    pub attempts: u32,
    copies: Vec<Delivery>,
}

impl Notice {
    /// A notice of a card that no channel has a copy of yet.
    #[must_use]
    pub fn new(card: crate::card::Card, attempts: u32) -> Self {
        Self {
            card,
            attempts,
            copies: Vec::new(),
        }
    }

    /// The same notice for a channel that has these copies already.
    #[must_use]
    pub fn with_copies(mut self, copies: Vec<Delivery>) -> Self {
        self.copies = copies;
        self
    }

    /// The copies that this channel has of the request, as its records say: each is redrawn, and no
    /// other place may decide it.
    #[must_use]
    pub fn copies(&self) -> &[Delivery] {
        &self.copies
    }
}

/// Where one copy went, as the channel names it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The place.
    pub place: String,
}

impl Delivery {
    /// A copy that went to this place.
    #[must_use]
    pub fn to(place: impl Into<String>) -> Self {
        Self {
            place: place.into(),
        }
    }
}

/// A notice did not go out. The text is recorded: it must hold no secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct NotifyError(pub String);
