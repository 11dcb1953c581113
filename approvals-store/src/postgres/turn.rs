//! A writer's turn: from the lock to the commit, and what follows when nobody answered.

use std::time::{Duration, Instant};

use approvals_core::clock::Timestamp;
use approvals_core::ledger::Hash;
use approvals_core::ports::{Batch, Head, StoreError};
use tokio_postgres::Row;

use super::error::{Failed, damaged};
use super::link::{Step, Value};
use super::session::{Backend, Session, careless};
use super::{read, schema, write};

/// How long it is tried to find out what became of a commit that nobody answered.
const DOUBT: Duration = Duration::from_secs(60);

/// A turn that has begun: what it must follow.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    epoch: i64,
    size: u64,
}

/// How a commit ended.
pub(super) enum Ended {
    /// All of it is durable.
    Durable,
    /// Nothing of it is there, and nothing will be.
    Nothing(StoreError),
    /// It cannot be told, or what was durable is gone.
    Unknown(StoreError),
}

/// Takes the one lock, and reads the head as it is then.
///
/// With a second statement, which sees what was committed while the first one waited, and the
/// server's clock with it: so nothing that waited is judged by an older state or an older time.
pub(super) fn begin(session: &mut Session) -> Result<(Turn, Head), StoreError> {
    let begun = session.send_anew(&opening()).and_then(|answers| {
        let row = answers.iter().flatten().last();
        let row = row.ok_or_else(|| damaged(session.target(), &"it has no head"))?;
        look(session, row)
    });
    if begun.is_err() {
        undo(session);
    }
    begun
}

/// Ends a turn with nothing.
pub(super) fn undo(session: &mut Session) {
    if session.send(&[Step::Say("ROLLBACK")]).is_err() {
        // What cannot be undone here is undone by the server when the connection is gone.
        session.hang_up();
    }
}

/// Ends a turn with a batch, and does not return before it is known what became of it, if that can
/// be known at all.
pub(super) fn commit(session: &mut Session, turn: &Turn, batch: &Batch) -> Ended {
    let backend = session.backend().cloned();
    let mut steps = write::batch(batch);
    steps.push(write::head(&batch.head, turn.epoch + 1));
    steps.push(Step::Say("COMMIT"));
    match finish(session, &steps) {
        Finish::Durable => Ended::Durable,
        Finish::Refused(failed) => Ended::Nothing(failed.explain(session.target())),
        Finish::Doubt(why) => {
            tracing::warn!(
                why,
                "a commit was not answered; finding out what became of it"
            );
            resolve(session, turn, batch, backend.as_ref())
        }
    }
}

/// How steps that end with a commit ended.
enum Finish {
    Durable,
    /// The server answered that it did nothing.
    Refused(Failed),
    /// There was no answer, or one that leaves it open.
    Doubt(String),
}

fn finish(session: &mut Session, steps: &[Step]) -> Finish {
    match session.send(steps) {
        // A server that stops waiting for its standbys says so in a warning: it has committed, and
        // may lose it with the next failover.
        Ok(_) if session.warned() => {
            session.hang_up();
            Finish::Doubt("the server warned that the commit may not be replicated".to_owned())
        }
        Ok(_) => Finish::Durable,
        Err(failed) if failed.spares_the_link() => Finish::Refused(failed),
        Err(failed) => Finish::Doubt(format!("{failed:?}")),
    }
}

/// Finds out what became of a batch whose commit was not answered.
///
/// The old session holds the lock until its transaction has ended, one way or the other. So whoever
/// gets the lock on a new one sees the outcome, and it is final. The head is then moved on by one
/// epoch: nothing that was sent before can follow it any more, and when that commit is
/// acknowledged, so is everything before it.
fn resolve(session: &mut Session, turn: &Turn, batch: &Batch, old: Option<&Backend>) -> Ended {
    let until = Instant::now() + DOUBT;
    let mut pause = Duration::from_millis(20);
    loop {
        match look_again(session, turn, batch, old) {
            Ok(ended) => return ended,
            Err(why) if Instant::now() >= until => {
                let target = session.target();
                return Ended::Unknown(StoreError::fatal(format!(
                    "it is not known whether the last write to `{target}` was committed ({why}); see to the database, and start again"
                )));
            }
            Err(why) => tracing::debug!(why, "still not known"),
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// One try to find out; an error says why it is still not known.
fn look_again(
    session: &mut Session,
    turn: &Turn,
    batch: &Batch,
    old: Option<&Backend>,
) -> Result<Ended, String> {
    let words = |error: StoreError| error.to_string();
    session.hang_up();
    session.connect().map_err(words)?;
    if let Some(old) = old {
        let values = vec![Value::new(old.pid), Value::new(old.since.clone())];
        // It may be gone, or not ours to end: the lock is what counts.
        let _ = session.send(&[Step::Ask(END, values)]);
    }
    let (now, head) = begin(session).map_err(words)?;
    if let Some(lost) = now.lacks(turn) {
        undo(session);
        return Ok(Ended::Unknown(rolled_back(session, &lost)));
    }
    let first = batch.records.first().map(|(stored, _)| stored.leaf);
    let there = match first {
        Some(leaf) => leaf_at(session, turn.size).map_err(words)? == Some(leaf),
        // Without a record nothing tells. All that such a batch does can be done twice.
        None => true,
    };
    let mut steps = match first {
        Some(_) => Vec::new(),
        None => write::batch(batch),
    };
    steps.push(write::head(&head, now.epoch + 1));
    steps.push(Step::Say("COMMIT"));
    match finish(session, &steps) {
        Finish::Durable if there => Ok(Ended::Durable),
        Finish::Durable => Ok(Ended::Nothing(StoreError::unavailable(format!(
            "the connection to `{}` was lost during the commit, and nothing was written; try again",
            session.target()
        )))),
        Finish::Refused(failed) => Err(failed.explain(session.target()).to_string()),
        Finish::Doubt(why) => Err(why),
    }
}

/// The hash of one record, as it is in the present transaction.
pub(super) fn leaf_at(session: &mut Session, seq: u64) -> Result<Option<Hash>, StoreError> {
    let (sql, values) = read::leaves(seq, 1);
    let answers = session.send(&[Step::Ask(sql, values)]);
    let leaf = answers.and_then(|answers| {
        let leaf = answers.iter().flatten().next().map(read::hash);
        leaf.transpose()
    });
    leaf.map_err(|failed| failed.explain(session.target()))
}

impl Turn {
    /// What this turn, which is a later one, no longer has of an earlier one.
    pub(super) fn lacks(&self, earlier: &Self) -> Option<String> {
        let less = self.epoch < earlier.epoch || self.size < earlier.size;
        less.then(|| {
            format!(
                "{} records at epoch {} were there, and now it ends at {} and epoch {}",
                earlier.size, earlier.epoch, self.size, self.epoch
            )
        })
    }

    /// The turn after this one, with so many records.
    pub(super) fn after(&self, size: u64) -> Self {
        Self {
            epoch: self.epoch + 1,
            size,
        }
    }
}

/// What a server says that has lost what another one acknowledged.
pub(super) fn rolled_back(session: &Session, what: &str) -> StoreError {
    StoreError::fatal(format!(
        "`{}` has lost what was committed ({what}): it is an older copy, or a standby that took over too early; restore the newest one, and nothing may run before",
        session.target()
    ))
}

fn opening() -> [Step; 3] {
    [
        Step::Say("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"),
        Step::Ask(WRITING, Vec::new()),
        Step::Ask(HEAD, Vec::new()),
    ]
}

fn look(session: &Session, row: &Row) -> Result<(Turn, Head), StoreError> {
    let read = || -> Result<_, Failed> {
        let head = read::head(row)?;
        let turn = Turn {
            epoch: read::get(row, "epoch")?,
            size: head.frontier.size(),
        };
        Ok((
            turn,
            head,
            read::get(row, "now")?,
            read::get(row, "version")?,
        ))
    };
    let unfit = |why: String| StoreError::unavailable(format!("`{}` {why}", session.target()));
    let (turn, mut head, now, version) =
        read().map_err(|failed| failed.explain(session.target()))?;
    schema::same_version(version).map_err(unfit)?;
    let fsync: String =
        read::get(row, "fsync").map_err(|failed| failed.explain(session.target()))?;
    if let Some(why) = careless(&fsync, "on") {
        return Err(unfit(why));
    }
    head.store_clock = Some(Timestamp::from_micros(now));
    Ok((turn, head))
}

/// The one lock of all writers; it is let go when the transaction ends.
pub(super) const WRITING: &str = "SELECT pg_advisory_xact_lock(1634759286, 1)";

pub(super) const HEAD: &str = "SELECT epoch, size, peaks, last_at, note, policy_version, policy_digest, disclosure_key, keys, \
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now, \
    current_setting('fsync') AS fsync, \
    (SELECT max(version) FROM approvals.versions) AS version \
    FROM approvals.head";

const END: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE pid = $1 AND backend_start::text = $2";
