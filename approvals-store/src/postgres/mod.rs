//! The ledger in a PostgreSQL database: for processes on several machines.
//!
//! One database, one ledger, in the schema `approvals`. Whoever writes takes one lock, reads the
//! head with a second statement, and commits everything in one transaction; what is acknowledged
//! is on the server's disk, and on its standbys if it waits for them. A commit that nobody answered
//! is looked into before anything is said about it.
//!
//! **Time** is the server's, for all machines. **Waiting processes** are woken by the server and
//! look once a second besides. **A process is alive** for as long as it holds a lock on a connection
//! of its own. Each process has three connections: to write, to read, and to be seen and woken.
//! They need a session of their own: a pooler between must pool sessions, not transactions.
//!
//! **The address** is `postgres://user:password@host:port/database`. A connection that leaves this
//! machine is encrypted, and the server must prove its name: by an authority this machine trusts, or
//! by one in the file `sslrootcert` names. `sslmode=disable` gives that up, for a network that is
//! safe by itself.
//!
//! **Roles**: [`ROLES`] makes two. The role that calls [`PostgresStore::migrate`] owns the tables.
//! A gate logs in as a member of `approvals_app`, which can add to the log and can neither update,
//! delete nor truncate it; an auditor as a member of `approvals_auditor`, which cannot see
//! what people were shown. Without these roles, one role does everything, and only triggers
//! stand between a mistake and the log.
//!
//! What people are shown lies in it as ciphertext only; the key to it does not. **Erasure** deletes
//! rows, and the server keeps what was deleted in its pages, its write-ahead log and its standbys
//! until it overwrites them by itself: replacing the disclosure key makes all of them useless.
//!
//! Trusted: the owner of the tables and every superuser can destroy the log, and make a gate believe
//! what is not so until the log is verified. Any role that can
//! connect to the database can hold the writers' lock and stop everything; none can make anything
//! run by that.

mod error;
mod keeper;
mod link;
#[cfg(all(test, unix))]
mod plans;
mod read;
mod reader;
mod schema;
mod session;
mod target;
mod tls;
mod turn;
mod write;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use approvals_core::clock::Timestamp;
use approvals_core::envelope::{DisclosureKeyId, WrappedKey};
use approvals_core::id::{BootId, RequestId};
use approvals_core::ledger::Hash;
use approvals_core::ports::{Batch, Bell, Due, Head, Reader, Store, StoreError};
use approvals_core::request::IdempotencyKey;

pub use reader::PostgresReader;

use error::Failed;
use keeper::{Absences, Keeper, Shared};
use link::Step;
use schema::Kind;
use session::{Purpose, Session};
pub(crate) use target::Target;
use turn::{Ended, Turn};

/// The SQL that makes the roles of a gate and of an auditor.
///
/// For whoever may make roles in the cluster, before [`PostgresStore::migrate`] is called, which
/// then gives them what they need and no more.
pub const ROLES: &str = include_str!("roles.sql");

/// Keeps the ledger in a PostgreSQL database; what it acknowledges is on the server's disk.
///
/// Open it as often as you like, on as many machines. A writer waits at most two seconds for
/// another one, and every call for the server a few seconds more, on the thread that calls. A lost
/// connection is made again by the next call. When it cannot be found out within a minute whether a
/// commit is durable, or when the server has lost what it acknowledged, it answers everything with
/// that error until it is opened again.
///
/// # Examples
/// ```no_run
/// use approvals_core::ports::{Reader, Store};
/// use approvals_store::postgres::PostgresStore;
///
/// let mut store = PostgresStore::open("postgres://approvals@localhost/approvals")?;
/// assert!(store.is_durable());
/// println!("{} records", store.head()?.frontier.size());
/// # Ok::<(), approvals_core::ports::StoreError>(())
/// ```
#[derive(Debug)]
pub struct PostgresStore {
    /// The one connection that writes.
    db: PostgresReader,
    /// What the present transaction must follow, while there is one.
    turn: Option<Turn>,
    /// The newest that this store has seen or written: it must never be missing.
    newest: Option<Newest>,
    /// Why nothing more may be written.
    dead: Option<StoreError>,
    keeper: Option<Keeper>,
    shared: Arc<Shared>,
    absences: Absences,
}

/// What a store has seen of a log, to notice when it is gone.
#[derive(Debug)]
struct Newest {
    turn: Turn,
    /// The last record that it wrote itself.
    leaf: Option<(u64, Hash)>,
    /// The connection on which all of that was found to be there.
    seen_on: u64,
}

impl PostgresStore {
    /// Opens a ledger, or makes an empty one, which takes a role that may make a schema.
    ///
    /// # Errors
    /// [`StoreError`] when the address is none, when the database cannot be reached or written,
    /// when it would lose what it acknowledges (`fsync` or `synchronous_commit` is off), when its
    /// schema `approvals` is another program's or of a newer version, or when this role may not.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let mut session = writing(url)?;
        if schema::look(&mut session)? != Kind::Ledger(schema::newest_index()) {
            schema::migrate(&mut session)?;
        }
        Ok(Self::at(session))
    }

    /// Opens a ledger that must be there: a lost database is not mistaken for a new ledger.
    ///
    /// # Errors
    /// As [`PostgresStore::open`], and when there is no ledger.
    pub fn open_existing(url: &str) -> Result<Self, StoreError> {
        let mut session = writing(url)?;
        match schema::look(&mut session)? {
            Kind::Fresh => return Err(reader::empty(session.target())),
            Kind::Ledger(version) if version < schema::newest_index() => {
                schema::migrate(&mut session)?;
            }
            Kind::Ledger(_) => {}
        }
        Ok(Self::at(session))
    }

    /// Makes the tables or brings them to the newest version, and gives the roles what they need:
    /// for the role that owns the ledger, at each upgrade.
    ///
    /// Safe at any time and as often as you like; whoever comes second waits and finds it done.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub fn migrate(url: &str) -> Result<(), StoreError> {
        schema::migrate(&mut writing(url)?)
    }

    fn at(session: Session) -> Self {
        Self {
            db: PostgresReader { session },
            turn: None,
            newest: None,
            dead: None,
            keeper: None,
            shared: Arc::default(),
            absences: Absences::default(),
        }
    }

    /// The connection, unless it is in doubt what the server holds.
    fn alive(&mut self) -> Result<&mut PostgresReader, StoreError> {
        match &self.dead {
            Some(error) => Err(error.clone()),
            None => Ok(&mut self.db),
        }
    }

    /// Remembers what must not be forgotten: after a fatal error nothing is written again.
    fn noted<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result
            && error.is_fatal()
            && self.dead.is_none()
        {
            self.dead = Some(error.clone());
            self.db.session.hang_up();
        }
        result
    }

    fn read<T>(
        &mut self,
        question: impl FnOnce(&mut PostgresReader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let answer = question(self.alive()?);
        self.noted(answer)
    }

    fn start_turn(&mut self) -> Result<Head, StoreError> {
        self.rollback();
        let session = &mut self.alive()?.session;
        let (turn, head) = turn::begin(session)?;
        session.pin();
        let newest = self.check_newest(&turn)?;
        if let Some(backend) = self.db.session.backend() {
            self.shared.writer.store(backend.pid, Ordering::Relaxed);
        }
        self.newest = Some(newest);
        self.turn = Some(turn);
        Ok(head)
    }

    /// Refuses a server that no longer has what this store has seen there.
    fn check_newest(&mut self, turn: &Turn) -> Result<Newest, StoreError> {
        let session = &mut self.db.session;
        let mut leaf = None;
        if let Some(newest) = &self.newest {
            if let Some(lost) = turn.lacks(&newest.turn) {
                return Err(turn::rolled_back(session, &lost));
            }
            // Another connection may lead to another server, with another history.
            if let Some((seq, hash)) = newest.leaf
                && newest.seen_on != session.number()
                && turn::leaf_at(session, seq)? != Some(hash)
            {
                let lost = format!("record {seq} is another one now");
                return Err(turn::rolled_back(session, &lost));
            }
            leaf = newest.leaf;
        }
        Ok(Newest {
            turn: turn.clone(),
            leaf,
            seen_on: session.number(),
        })
    }

    fn end_turn(&mut self, turn: &Turn, batch: &Batch) -> Result<(), StoreError> {
        self.alive()?.session.unpin();
        match turn::commit(&mut self.db.session, turn, batch) {
            Ended::Durable => {
                let last = batch.records.last();
                let kept = self.newest.take().and_then(|newest| newest.leaf);
                self.newest = Some(Newest {
                    turn: turn.after(batch.head.frontier.size()),
                    leaf: last.map(|(stored, _)| (stored.seq, stored.leaf)).or(kept),
                    seen_on: self.db.session.number(),
                });
                Ok(())
            }
            Ended::Nothing(error) | Ended::Unknown(error) => Err(error),
        }
    }

    fn take(
        &mut self,
        channels: &[String],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Due>, StoreError> {
        self.start_turn()?;
        self.turn = None;
        let session = &mut self.db.session;
        session.unpin();
        let taken = session.send(&[write::take_due(channels, now, lease), Step::Say("COMMIT")]);
        // What is not known to be taken is taken again when its lease is over.
        let rows = taken.map_err(|failed| failed.explain(session.target()))?;
        let due = |row| {
            let attempts: i32 = read::get(row, "attempts")?;
            let attempts = u32::try_from(attempts).map_err(read::odd)?;
            let channel = read::get(row, "channel")?;
            Ok(Due::new(
                read::number(row, "seq")?,
                read::id(row)?,
                channel,
                attempts,
            ))
        };
        let due: Result<Vec<Due>, Failed> = rows.iter().flatten().map(due).collect();
        let mut due = due.map_err(|failed| failed.explain(session.target()))?;
        due.sort_by_key(|due| due.seq);
        Ok(due)
    }

    /// The thread that shows that this process lives.
    fn keeper(&mut self) -> Result<&Keeper, StoreError> {
        let keeper = match self.keeper.take() {
            Some(keeper) => keeper,
            None => Keeper::start(self.db.session.target().clone(), Arc::clone(&self.shared))?,
        };
        Ok(self.keeper.insert(keeper))
    }
}

fn writing(url: &str) -> Result<Session, StoreError> {
    Session::open(&Target::parse(url)?.writable(), Purpose::Write)
}

crate::forward::reads!(PostgresStore);

impl Store for PostgresStore {
    fn is_durable(&self) -> bool {
        true
    }

    fn begin(&mut self) -> Result<Head, StoreError> {
        let begun = self.start_turn();
        if begun.is_err() {
            self.rollback();
        }
        self.noted(begun)
    }

    fn by_key(&mut self, key: &IdempotencyKey) -> Result<Option<RequestId>, StoreError> {
        let found = self.read(|db| db.ask(read::by_key(key), read::id))?;
        Ok(found.into_iter().next())
    }

    fn count(&mut self, counter: &str, since: Timestamp) -> Result<u64, StoreError> {
        let question = read::count(counter, since);
        let amounts = self.read(|db| db.ask(question, |row| read::number(row, "amount")))?;
        Ok(amounts.into_iter().sum())
    }

    fn wrapped_by(
        &mut self,
        key: DisclosureKeyId,
        limit: usize,
    ) -> Result<Vec<(RequestId, WrappedKey)>, StoreError> {
        self.read(|db| db.ask(read::wrapped_by(key, limit), read::wrapped))
    }

    fn raised(
        &mut self,
        counter: &str,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, u64)>, StoreError> {
        let question = read::raised(counter, since);
        self.read(|db| db.ask(question, read::raise))
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.alive()?;
        let Some(turn) = self.turn.take() else {
            return Err(StoreError::unavailable(
                "nothing was begun, so nothing was written; call `begin` first",
            ));
        };
        let ended = self.end_turn(&turn, batch);
        self.noted(ended)
    }

    fn rollback(&mut self) {
        if self.turn.take().is_some() || self.db.session.is_pinned() {
            self.db.session.unpin();
            turn::undo(&mut self.db.session);
        }
    }

    fn scrub(&mut self, _: Duration) -> Result<(), StoreError> {
        Err(StoreError::unavailable(
            "PostgreSQL keeps deleted rows in its pages, its write-ahead log and its copies until it overwrites them by itself; what they hold is ciphertext under a data key that was wrapped by the disclosure key",
        ))
    }

    fn reader(&self) -> Result<Option<Box<dyn Reader>>, StoreError> {
        let reader = PostgresReader::at(self.db.session.target())?;
        Ok(Some(Box::new(reader)))
    }

    fn announce(&mut self, boot: BootId) -> Result<(), StoreError> {
        self.keeper()?.announce(boot)
    }

    fn is_gone(&mut self, boot: BootId) -> bool {
        let question = keeper::is_there(boot);
        let there = self.read(|db| db.ask(question, |row| read::get::<bool>(row, "there")));
        match there.as_deref() {
            Ok([there]) => self.absences.note(boot, *there, Instant::now()),
            _ => false,
        }
    }

    fn ring(&mut self, bell: Bell) -> bool {
        // Heard by the same thread that shows that this process lives.
        self.keeper.is_some() && self.shared.bell.set(bell).is_ok()
    }

    fn take_due(
        &mut self,
        channels: &[String],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Due>, StoreError> {
        // Mostly nothing is due, and finding that out takes no lock and no sync.
        let question = write::is_due(channels, now);
        let due = self.read(|db| db.ask(question, |row| read::get::<bool>(row, "due")))?;
        if due != [true] {
            return Ok(Vec::new());
        }
        let taken = self.take(channels, now, lease);
        self.noted(taken)
    }
}
