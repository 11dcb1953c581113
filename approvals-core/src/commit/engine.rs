//! The committer itself: decides, stages, signs, commits. Runs on one thread at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::fold::fact;
use super::keys::Signs;
use super::links::Links;
use super::pen::{Pen, seal};
use super::pin::Pinned;
use super::stage::{Known, Stage};
use super::wait::Waits;
use super::{Reply, Work, store_error};
use crate::clock::Clock;
use crate::envelope::Vault;
use crate::error::{ApprovalError, Code};
use crate::id::{BootId, RequestId};
use crate::ledger::{Checkpoint, Frontier, KeyChain, Origin, VerifierKey};
use crate::lifecycle::Command;
use crate::ports::{Due, Head, Reader, Store};

/// How many facts are kept while the store cannot be written.
const OWED: usize = 10_000;

/// How many requests are kept folded.
const CACHE: usize = 16_384;

pub(super) struct Engine {
    pub(super) store: Box<dyn Store>,
    pub(super) log: Origin,
    pub(super) pen: Pen,
    /// The keys of the log, as far as it was followed.
    pub(super) keys: KeyChain,
    /// The recovery key of a log that has not begun.
    pub(super) recovery: Option<VerifierKey>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) boot: BootId,
    pub(super) vault: Vault,
    waits: Arc<Waits>,
    written: u64,
    size: u64,
    pub(super) cache: HashMap<RequestId, Known>,
    pub(super) links: Links,
    pin: Option<Box<Pinned>>,
    halted: Option<ApprovalError>,
    /// What happened and could not be recorded: it goes first in the next batch.
    owed: Vec<Command>,
    /// Where records are printed, one after another.
    room: String,
}

impl Engine {
    pub(super) fn new(
        store: Box<dyn Store>,
        signs: Signs,
        clock: Arc<dyn Clock>,
        boot: BootId,
        vault: Vault,
        waits: Arc<Waits>,
        pin: Option<Box<Pinned>>,
    ) -> Self {
        let Signs {
            pen,
            keys,
            recovery,
        } = signs;
        Self {
            store,
            log: pen.vkey().name().clone(),
            pen,
            keys,
            recovery,
            clock,
            boot,
            vault,
            waits,
            written: 0,
            size: 0,
            cache: HashMap::new(),
            links: Links::default(),
            pin,
            halted: None,
            owed: Vec::new(),
            room: String::new(),
        }
    }

    pub(super) fn reader(&mut self) -> &mut dyn Reader {
        &mut *self.store
    }

    pub(super) fn run_one(&mut self, work: Work) -> Option<Reply> {
        self.run(vec![work]).pop()
    }

    pub(super) fn take_due(
        &mut self,
        channels: &[String],
        lease: Duration,
    ) -> Result<Vec<Due>, ApprovalError> {
        let now = self.clock.now();
        let due = self.store.take_due(channels, now, lease);
        due.map_err(|error| self.failed(&error))
    }

    /// Carries out steps in one transaction, and answers when it is durable.
    pub(super) fn run(&mut self, works: Vec<Work>) -> Vec<Reply> {
        let count = works.len();
        if count == 0 && self.owed.is_empty() {
            return Vec::new();
        }
        let owed = std::mem::take(&mut self.owed);
        let facts: Vec<Command> = works.iter().filter_map(fact).cloned().collect();
        match self.transaction(&owed, works) {
            Ok(replies) => replies,
            Err(error) => {
                // What has happened has happened, whether or not it could be written down now.
                self.owed = owed.into_iter().chain(facts).take(OWED).collect();
                vec![Err(error); count]
            }
        }
    }

    fn transaction(
        &mut self,
        owed: &[Command],
        works: Vec<Work>,
    ) -> Result<Vec<Reply>, ApprovalError> {
        let head = self.begin()?;
        let standing = self
            .follow_keys(&head)
            .and_then(|()| self.take_up_the_key());
        self.or_rollback(standing)?;
        let mut stage = self.stage(&head);
        let filled = self.fill(&mut stage, owed, works);
        let replies = self.or_rollback(filled)?;
        let nothing = stage.batch.records.is_empty()
            && stage.batch.delivered.is_empty()
            && stage.batch.channels.is_empty()
            && stage.batch.followed.is_empty();
        if nothing {
            self.store.rollback();
            self.size = head.frontier.size();
            return Ok(replies);
        }
        let sealed = self.seal(&mut stage, &[&self.pen]);
        self.or_rollback(sealed)?;
        self.commit(stage)?;
        Ok(replies)
    }

    /// Takes the store's lock, and looks whether it still has everything that was seen in it.
    pub(super) fn begin(&mut self) -> Result<Head, ApprovalError> {
        self.running()?;
        let head = self.store.begin().map_err(|error| self.failed(&error))?;
        let fits = self.grown(&head).and_then(|()| self.pin(&head));
        self.or_rollback(fits)?;
        if head.frontier.size() != self.size {
            // Somebody else wrote: what was folded may be behind.
            self.cache.clear();
        }
        Ok(head)
    }

    pub(super) fn stage(&mut self, head: &Head) -> Stage {
        let room = std::mem::take(&mut self.room);
        Stage::new(head, self.boot, self.written, room)
    }

    /// Lets the lock go when a step failed.
    pub(super) fn or_rollback<T>(
        &mut self,
        step: Result<T, ApprovalError>,
    ) -> Result<T, ApprovalError> {
        if step.is_err() {
            self.store.rollback();
        }
        step
    }

    /// Makes a batch durable, and pins its head.
    pub(super) fn commit(&mut self, stage: Stage) -> Result<(), ApprovalError> {
        let committed = self.store.commit(&stage.batch);
        committed.map_err(|error| self.failed(&error))?;
        // Durable, and not yet pinned: a crash here leaves a log that goes on where the pin ends.
        let pinned = self.pin(&stage.batch.head);
        self.settle(stage, pinned.is_ok());
        pinned
    }

    /// Refuses a store that has less than this process has seen in it.
    fn grown(&mut self, head: &Head) -> Result<(), ApprovalError> {
        if head.frontier.size() >= self.size {
            return Ok(());
        }
        let (seen, stored) = (self.size, head.frontier.size());
        let message = format!(
            "the store was rolled back or cut while it was open: it had {seen} records and has {stored}; stop, and restore a store that has all of them"
        );
        Err(self.halt(ApprovalError::new(Code::AuditTampered, message)))
    }

    /// Moves the pin to a head that is durable.
    fn pin(&mut self, head: &Head) -> Result<(), ApprovalError> {
        let Some(pin) = &mut self.pin else {
            return Ok(());
        };
        match pin.follow(&mut *self.store, head) {
            Err(error) if error.code() == Code::AuditTampered => Err(self.halt(error)),
            followed => followed,
        }
    }

    fn halt(&mut self, why: ApprovalError) -> ApprovalError {
        tracing::error!(error = %why, "the ledger stops");
        self.halted = Some(why.clone());
        why
    }

    /// Stages what is owed, and then what was asked for.
    fn fill(
        &mut self,
        stage: &mut Stage,
        owed: &[Command],
        works: Vec<Work>,
    ) -> Result<Vec<Reply>, ApprovalError> {
        for command in owed {
            let now = self.now(stage)?;
            self.command(stage, command, Vec::new(), now)?;
        }
        Ok(works
            .into_iter()
            .map(|work| self.step(stage, work))
            .collect())
    }

    /// Nothing more is done after a write that may or may not have happened.
    pub(super) fn running(&self) -> Result<(), ApprovalError> {
        self.halted.clone().map_or(Ok(()), Err)
    }

    pub(super) fn failed(&mut self, error: &crate::ports::StoreError) -> ApprovalError {
        if !error.is_fatal() {
            return store_error(error.clone());
        }
        // What a failed sync left on the disk is not known, so nothing more may be built on it.
        self.halt(halted(&error.to_string()))
    }

    pub(super) fn seal(&self, stage: &mut Stage, pens: &[&Pen]) -> Result<(), ApprovalError> {
        let batch = stage.close();
        if !self.store.is_durable() {
            return Ok(());
        }
        // The bytes that were hashed are the bytes that are written: look once more before signing.
        let sound = batch
            .records
            .iter()
            .all(|(stored, _)| crate::ledger::leaf_hash(&stored.bytes) == stored.leaf);
        if !sound {
            return Err(ApprovalError::new(
                Code::AuditUnavailable,
                "a record changed in memory before it was signed; check this machine's memory",
            ));
        }
        batch.head.note = Some(seal(&self.checkpoint(&batch.head.frontier), pens)?);
        Ok(())
    }

    fn checkpoint(&self, frontier: &Frontier) -> Checkpoint {
        Checkpoint {
            origin: self.log.clone(),
            size: frontier.size(),
            root: frontier.root(),
        }
    }

    /// What signs the head of a store that forgets, and that head; none while the log is empty.
    pub(super) fn unsigned(&mut self) -> Result<Option<(Pen, Checkpoint)>, ApprovalError> {
        let head = self.store.head().map_err(store_error)?;
        self.follow_keys(&head)?;
        self.take_up_the_key()?;
        let begun = head.frontier.size() > 0;
        Ok(begun.then(|| (self.pen.clone(), self.checkpoint(&head.frontier))))
    }

    /// Remembers what is durable, and wakes those who wait for it once it is pinned, too.
    fn settle(&mut self, stage: Stage, wake: bool) {
        self.size = stage.frontier.size();
        self.written = stage.written;
        self.room = stage.room;
        self.links.settle(stage.base, stage.links, self.size);
        if self.cache.len() > CACHE {
            self.cache.clear();
        }
        for (request, known) in stage.known {
            if wake {
                let state = Some(Arc::clone(&known.state));
                self.waits.wake(request, known.last.seq, state);
            }
            // Nobody comes back to what is over, and what does is read from its records.
            if known.state.is_settled() {
                self.cache.remove(&request);
            } else {
                self.cache.insert(request, known);
            }
        }
    }
}

fn halted(why: &str) -> ApprovalError {
    ApprovalError::new(
        Code::AuditUnavailable,
        format!(
            "the journal has stopped after a failed write ({why}); nothing may run until the process starts again and the log verifies"
        ),
    )
}
