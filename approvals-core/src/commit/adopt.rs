//! Setting the head pin by hand, which is recorded.

use std::sync::Arc;

use super::engine::Engine;
use super::keys::Signs;
use super::open::check;
use super::pin::{Desk, Relation, forked, parse, refuse, relate, rolled_back, stuck, unread};
use super::{Opening, Work, stopped, store_error};
use crate::error::{ApprovalError, Code};
use crate::id::BootId;
use crate::ledger::{Checkpoint, LogEvent, SignedCheckpoint, VerifierKey};
use crate::ports::{Head, HeadPin, Reader, Replaced, Store};

/// Whether an operator accepts that records are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "accepted or not")]
pub enum Loss {
    /// Nothing may be lost: only a pin that is missing is set.
    Refuse,
    /// The store has less than the pin, or another history, and is taken all the same.
    Accept,
}

/// What the pin holds now, and what it held before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adopted {
    /// The head that is pinned.
    pub head: Checkpoint,
    /// What the pin held before, when it held a head of this log.
    pub before: Option<Checkpoint>,
}

/// Sets the head pin of a store by hand, and records that first: a crash between the two is mended
/// by adopting again.
pub(crate) fn adopt(
    mut store: Box<dyn Store>,
    mut opening: Opening,
    loss: Loss,
) -> Result<Adopted, ApprovalError> {
    let key = opening.signer.vkey().clone();
    let vault = opening.vault()?;
    let Some(pinning) = opening.pinning.take() else {
        let message = "there is no head pin to set; name the place that it is to be kept in";
        return Err(ApprovalError::new(Code::Misuse, message));
    };
    let mut desk = Desk::start(pinning)?;
    let (keys, found) = check(&mut *store, &opening, &vault, |reader, head| {
        look(&mut desk, &key, reader, head, loss)
    })?;
    let before = found.note.as_ref().map(|note| note.claim().clone());
    let boot = BootId::random()?;
    store.announce(boot).map_err(store_error)?;
    let signs = Signs {
        pen: opening.pen(),
        keys,
        recovery: None,
    };
    let clock = opening.clock;
    let mut engine = Engine::new(store, signs, clock, boot, vault, Arc::default(), None);
    let event = LogEvent::Recovered { pinned: found.note };
    let recorded = engine.run_one(Work::Log(event));
    recorded.unwrap_or_else(|| Err(stopped()))?;
    let head = engine.reader().head().map_err(store_error)?;
    let note = head.note.ok_or_else(|| stuck("the head is not signed"))?;
    let (expected, next) = (found.text, note.clone());
    let moved = desk.ask(move |pin| pin.replace(expected.as_deref(), &next));
    match moved.map_err(|error| stuck(&error.to_string()))? {
        Replaced::Done => {
            let pinned = parse(&note, &key).map_err(|what| stuck(&what))?;
            let head = pinned.claim().clone();
            Ok(Adopted { head, before })
        }
        Replaced::Holds(_) => Err(stuck("somebody else moved it meanwhile; adopt again")),
    }
}

/// What a pin that may be set by hand holds.
struct Found {
    text: Option<String>,
    note: Option<SignedCheckpoint>,
}

fn look(
    desk: &mut Desk,
    key: &VerifierKey,
    reader: &mut dyn Reader,
    head: &Head,
    loss: Loss,
) -> Result<Found, ApprovalError> {
    let misuse = |message: &str| Err(ApprovalError::new(Code::Misuse, message));
    if head.frontier.size() == 0 {
        return misuse(
            "the log is empty: there is nothing to pin; if it was lost, begin a new one under another name",
        );
    }
    let Some(text) = desk.ask(HeadPin::read).map_err(unread)? else {
        let (text, note) = (None, None);
        return Ok(Found { text, note });
    };
    let (name, what, note) = match parse(&text, key) {
        Err(what) => (
            "odd-pin",
            format!("the head pin does not hold a head of this log: {what}"),
            None,
        ),
        Ok(note) => {
            let pinned = note.claim();
            match relate(reader, head, pinned).map_err(store_error)? {
                Relation::Same | Relation::Behind => {
                    return misuse("the head pin fits the store: there is nothing to adopt");
                }
                Relation::Ahead => ("rollback", rolled_back(pinned.size, head), Some(note)),
                Relation::Forked => ("fork", forked(pinned.size), Some(note)),
            }
        }
    };
    let refused = refuse(desk, name, &text, head, &what);
    match loss {
        Loss::Refuse => Err(refused),
        // What was pinned is kept as evidence, too, and not only on the record.
        Loss::Accept => Ok(Found {
            text: Some(text),
            note,
        }),
    }
}
