//! The head pin as the committer uses it: moved after each batch, before anybody hears of it.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::nodes::StoredNodes;
use super::store_error;
use crate::error::{ApprovalError, Code};
use crate::ledger::{
    Checkpoint, SignedCheckpoint, VerifierKey, consistency_proof, verify_consistency,
};
use crate::ports::{Head, HeadPin, PinError, Pinning, Reader, Replaced, StoreError};

/// How often a move is tried again because another process moved the pin meanwhile.
const TRIES: usize = 8;

/// The pin, and the last head that is known to be in it and to be a prefix of the store.
pub(super) struct Pinned {
    desk: Desk,
    key: VerifierKey,
    known: SignedCheckpoint,
}

/// How a head that is kept outside stands to what is stored; only the first two let a gate open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there are four ways")]
pub enum Relation {
    /// The store has exactly what is pinned.
    Same,
    /// The store has more, and begins with what is pinned.
    Behind,
    /// The store has less than what is pinned.
    Ahead,
    /// The store has another history than what is pinned.
    Forked,
}

impl Pinned {
    /// Compares the pin with a store, which is changed by nothing here. What the pin lacks because a process ended
    /// between a batch and its pin is made up for; `first` is what an empty log's pin begins with.
    pub(super) fn open(
        mut desk: Desk,
        key: VerifierKey,
        reader: &mut dyn Reader,
        head: &Head,
        first: impl FnOnce() -> Result<String, ApprovalError>,
    ) -> Result<Self, ApprovalError> {
        let known = match desk.ask(HeadPin::read).map_err(unread)? {
            Some(text) => text,
            None if head.frontier.size() > 0 => return Err(missing(head)),
            None => {
                // An empty log is pinned, too: from here on a pin that is missing was taken away.
                let first = first()?;
                move_pin(&mut desk, None, first)?
            }
        };
        let known = parse(&known, &key).map_err(|what| odd(&mut desk, &known, head, &what))?;
        let mut pinned = Self { desk, key, known };
        pinned.fits(reader, head)?;
        pinned.follow(reader, head)?;
        Ok(pinned)
    }

    /// How many records the pin is known to cover.
    pub(super) fn size(&self) -> u64 {
        self.known.claim().size
    }

    /// Moves the pin to a head of the store, unless it is there or beyond already.
    ///
    /// An error with the code `AuditTampered` means that the store and the pin do not fit; any other, that it
    /// is not known where the pin is.
    pub(super) fn follow(
        &mut self,
        reader: &mut dyn Reader,
        head: &Head,
    ) -> Result<(), ApprovalError> {
        for _ in 0..TRIES {
            if self.size() >= head.frontier.size() {
                return Ok(());
            }
            let next = head
                .note
                .as_deref()
                .ok_or_else(|| stuck("the head is not signed"))?;
            let expected = self.known.as_str().to_owned();
            let wanted = next.to_owned();
            let moved = self
                .desk
                .ask(move |pin| pin.replace(Some(&expected), &wanted));
            match moved.map_err(|error| stuck(&error.to_string()))? {
                Replaced::Done => {
                    let next = parse(next, &self.key).map_err(|what| stuck(&what))?;
                    self.known = next;
                }
                Replaced::Holds(other) => self.learn(reader, other)?,
            }
        }
        Err(stuck("other processes keep moving it"))
    }

    /// Another process moved the pin: what it holds now must fit the store as it is now.
    fn learn(
        &mut self,
        reader: &mut dyn Reader,
        other: Option<String>,
    ) -> Result<(), ApprovalError> {
        let head = reader.head().map_err(store_error)?;
        let Some(other) = other else {
            return Err(missing(&head));
        };
        let before = self.size();
        self.known =
            parse(&other, &self.key).map_err(|what| odd(&mut self.desk, &other, &head, &what))?;
        self.fits(reader, &head)?;
        if self.size() < before {
            let what = format!(
                "it covered {before} records before and covers {} now",
                self.size()
            );
            return Err(odd(&mut self.desk, &other, &head, &what));
        }
        Ok(())
    }

    /// Refuses a store that is no continuation of what is pinned.
    fn fits(&mut self, reader: &mut dyn Reader, head: &Head) -> Result<(), ApprovalError> {
        let pinned = self.known.claim();
        let relation = relate(reader, head, pinned).map_err(store_error)?;
        let (name, what) = match relation {
            Relation::Same | Relation::Behind => return Ok(()),
            Relation::Ahead => ("rollback", rolled_back(pinned.size, head)),
            Relation::Forked => ("fork", forked(pinned.size)),
        };
        let text = self.known.as_str().to_owned();
        Err(refuse(&mut self.desk, name, &text, head, &what))
    }
}

/// How a head that somebody knows stands to what is stored, by the hashes that the store gives: nothing is
/// verified but that they fit together, which `approvals verify` does from the records.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub fn relate(
    reader: &mut dyn Reader,
    head: &Head,
    known: &Checkpoint,
) -> Result<Relation, StoreError> {
    let (size, root) = (head.frontier.size(), head.frontier.root());
    if known.size > size {
        return Ok(Relation::Ahead);
    }
    let mut nodes = StoredNodes::new(reader);
    let proof = consistency_proof(known.size, size, &nodes);
    nodes.finish()?;
    // A store that lacks what the proof takes has not kept that history.
    let holds = proof
        .is_ok_and(|proof| verify_consistency(known.size, known.root, size, root, &proof).is_ok());
    Ok(match holds {
        false => Relation::Forked,
        true if known.size == size => Relation::Same,
        true => Relation::Behind,
    })
}

/// Reads a pinned note, which must be of this log.
pub(super) fn parse(text: &str, key: &VerifierKey) -> Result<SignedCheckpoint, String> {
    let note = SignedCheckpoint::parse(text).map_err(|error| error.to_string())?;
    if note.claim().origin != *key.name() {
        let (origin, name) = (&note.claim().origin, key.name());
        return Err(format!(
            "it is of the log `{origin}`, and this one is `{name}`"
        ));
    }
    Ok(note)
}

/// Puts the first head into an empty pin, and gives what is in it then.
fn move_pin(desk: &mut Desk, from: Option<String>, to: String) -> Result<String, ApprovalError> {
    let next = to.clone();
    let moved = desk.ask(move |pin| pin.replace(from.as_deref(), &next));
    match moved.map_err(|error| stuck(&error.to_string()))? {
        Replaced::Done => Ok(to),
        Replaced::Holds(Some(other)) => Ok(other),
        Replaced::Holds(None) => Err(stuck("it does not keep what is put there")),
    }
}

/// Keeps both heads as evidence, and says what happened.
pub(super) fn refuse(
    desk: &mut Desk,
    name: &'static str,
    pinned: &str,
    head: &Head,
    what: &str,
) -> ApprovalError {
    let stored = head.note.as_deref().unwrap_or("nothing\n");
    let evidence = format!("{what}\n\n# the head pin holds\n{pinned}\n# the store holds\n{stored}");
    let kept = match desk.ask(move |pin| pin.keep(name, &evidence)) {
        Ok(place) => format!("both heads are kept in `{place}`"),
        Err(error) => format!("the heads could not be kept as evidence ({error})"),
    };
    let message = format!(
        "{what}; the store is left untouched, and {kept}; restore a store that has all of it, or accept the loss with `approvals pin adopt --accept-loss`"
    );
    tracing::error!(code = %Code::AuditTampered, "{message}");
    ApprovalError::new(Code::AuditTampered, message)
}

pub(super) fn rolled_back(pinned: u64, head: &Head) -> String {
    let stored = head.frontier.size();
    format!(
        "the store was rolled back or cut: the head pin covers {pinned} records, and {stored} are here"
    )
}

pub(super) fn forked(pinned: u64) -> String {
    format!(
        "the log was forked or rewritten: its first {pinned} records are not the ones that the head pin covers"
    )
}

/// What the pin holds cannot be a head of this log.
fn odd(desk: &mut Desk, text: &str, head: &Head, what: &str) -> ApprovalError {
    let what = format!("the head pin does not hold a head of this log: {what}");
    refuse(desk, "odd-pin", text, head, &what)
}

fn missing(head: &Head) -> ApprovalError {
    let message = format!(
        "the log has {} records and its head pin is missing: whether the store was rolled back cannot be told; \
         put the pin back, or accept the store as it is with `approvals pin adopt`",
        head.frontier.size()
    );
    ApprovalError::new(Code::AuditTampered, message)
}

pub(super) fn unread(error: PinError) -> ApprovalError {
    let message = format!("the head pin cannot be read: {error}");
    ApprovalError::new(Code::AuditUnavailable, message)
}

pub(super) fn stuck(why: &str) -> ApprovalError {
    let message = format!(
        "the head pin could not be moved ({why}), so nothing may run: what was asked may be on record, and counts for nothing yet"
    );
    ApprovalError::new(Code::AuditUnavailable, message)
}

type Job = Box<dyn FnOnce(&mut dyn HeadPin) + Send>;

/// The pin on a thread of its own, so that one that hangs denies and freezes nobody.
pub(super) struct Desk {
    jobs: Sender<Job>,
    patience: Duration,
    /// A call that was given up on and has not returned.
    late: Option<Receiver<()>>,
}

impl Desk {
    pub(super) fn start(pinning: Pinning) -> Result<Self, ApprovalError> {
        let Pinning { mut pin, patience } = pinning;
        let (jobs, queue) = channel::<Job>();
        let thread = std::thread::Builder::new().name("approvals-pin".to_owned());
        // Nobody waits for its end: a call that hangs must not keep the process from ending.
        let started = thread.spawn(move || queue.iter().for_each(|job| job(&mut *pin)));
        started.map_err(|error| stuck(&format!("its thread could not be started: {error}")))?;
        Ok(Self {
            jobs,
            patience,
            late: None,
        })
    }

    /// Calls the pin, and waits for it as long as there is patience.
    pub(super) fn ask<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&mut dyn HeadPin) -> Result<T, PinError> + Send + 'static,
    ) -> Result<T, PinError> {
        let slow = PinError(format!("it has not answered for {:?}", self.patience));
        if let Some(late) = &self.late {
            // What is behind in the queue would only be late, too.
            late.recv_timeout(self.patience).map_err(|_| slow.clone())?;
        }
        let (answer, answers) = channel();
        let (end, ended) = channel();
        let job: Job = Box::new(move |pin| {
            let _ = answer.send(call(pin));
            let _ = end.send(());
        });
        let gone = || PinError("its thread has ended".to_owned());
        self.jobs.send(job).map_err(|_| gone())?;
        match answers.recv_timeout(self.patience) {
            Ok(answer) => {
                self.late = None;
                answer
            }
            Err(RecvTimeoutError::Timeout) => {
                self.late = Some(ended);
                Err(slow)
            }
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}
