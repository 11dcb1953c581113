//! The committer itself: decides, stages, signs, commits. Runs on one thread at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::fold::{counters, fact, fold};
use super::stage::{Known, Stage};
use super::wait::Waits;
use super::{Answer, Reply, Work, store_error};
use crate::clock::{Clock, Timestamp};
use crate::error::{ApprovalError, Code};
use crate::id::{BootId, RequestId};
use crate::ledger::{Checkpoint, Frontier, LogEvent, MAX_RECORD, Origin, Previous, sign_note};
use crate::lifecycle::{Ask, Command, Finished, decide};
use crate::policy::Evaluation;
use crate::ports::{Due, Reader, Signer, Store};
use crate::request::Outcome;

/// A clock may be behind the log by this much; processes of one machine never differ by more.
const TOLERANCE: Duration = Duration::from_secs(5);

/// How many facts are kept while the store cannot be written.
const OWED: usize = 10_000;

/// How many requests are kept folded.
const CACHE: usize = 16_384;

pub(super) struct Engine {
    store: Box<dyn Store>,
    log: Origin,
    signer: Arc<dyn Signer>,
    clock: Arc<dyn Clock>,
    boot: BootId,
    waits: Arc<Waits>,
    written: u64,
    size: u64,
    cache: HashMap<RequestId, Known>,
    halted: Option<String>,
    /// What happened and could not be recorded: it goes first in the next batch.
    owed: Vec<Command>,
}

impl Engine {
    pub(super) fn new(
        store: Box<dyn Store>,
        log: Origin,
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
        boot: BootId,
        waits: Arc<Waits>,
    ) -> Self {
        Self {
            store,
            log,
            signer,
            clock,
            boot,
            waits,
            written: 0,
            size: 0,
            cache: HashMap::new(),
            halted: None,
            owed: Vec::new(),
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
        if let Some(why) = &self.halted {
            return Err(halted(why));
        }
        let head = match self.store.begin() {
            Ok(head) => head,
            Err(error) => return Err(self.failed(&error)),
        };
        if head.frontier.size() != self.size {
            // Somebody else wrote: what was folded may be behind.
            self.cache.clear();
        }
        let mut stage = Stage::new(&head, self.boot, self.written);
        for command in owed {
            let now = self.now(&stage)?;
            self.command(&mut stage, command, Vec::new(), now)?;
        }
        let replies: Vec<Reply> = works
            .into_iter()
            .map(|work| self.step(&mut stage, work))
            .collect();
        let nothing = stage.batch.records.is_empty()
            && stage.batch.delivered.is_empty()
            && stage.batch.channels.is_empty();
        if nothing {
            self.store.rollback();
            self.size = head.frontier.size();
            return Ok(replies);
        }
        if let Err(error) = self.seal(&mut stage) {
            self.store.rollback();
            return Err(error);
        }
        if let Err(error) = self.store.commit(&stage.batch) {
            return Err(self.failed(&error));
        }
        self.settle(stage);
        Ok(replies)
    }

    fn failed(&mut self, error: &crate::ports::StoreError) -> ApprovalError {
        if !error.is_fatal() {
            return store_error(error.clone());
        }
        // What a failed sync left on the disk is not known, so nothing more may be built on it.
        tracing::error!(error = %error, "the ledger stops: a write failed and what is on disk is not known");
        let why = error.to_string();
        let answer = halted(&why);
        self.halted = Some(why);
        answer
    }

    fn seal(&self, stage: &mut Stage) -> Result<(), ApprovalError> {
        let signs = self.store.is_durable();
        let batch = stage.close();
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
        if signs {
            batch.head.note = Some(self.sign(&batch.head.frontier)?);
        }
        Ok(())
    }

    fn sign(&self, frontier: &Frontier) -> Result<String, ApprovalError> {
        let vkey = self.signer.vkey();
        let head = Checkpoint {
            origin: self.log.clone(),
            size: frontier.size(),
            root: frontier.root(),
        };
        let refuse = |message: String| {
            ApprovalError::new(
                Code::AuditUnavailable,
                format!("the checkpoint could not be signed: {message}"),
            )
        };
        let body = head.body();
        let signature = self
            .signer
            .sign(body.as_bytes())
            .map_err(|error| refuse(error.to_string()))?;
        vkey.verify(body.as_bytes(), &signature)
            .map_err(|error| refuse(error.to_string()))?;
        Ok(sign_note(&body, vkey.name(), vkey.id(), &signature))
    }

    /// The signed head of a store that signs only when asked.
    pub(super) fn sign_now(&mut self) -> Result<Option<String>, ApprovalError> {
        let head = self.store.head().map_err(store_error)?;
        if head.frontier.size() == 0 {
            Ok(None)
        } else {
            self.sign(&head.frontier).map(Some)
        }
    }

    fn settle(&mut self, stage: Stage) {
        self.size = stage.frontier.size();
        self.written = stage.written;
        if self.cache.len() > CACHE {
            self.cache.clear();
        }
        for (request, known) in stage.known {
            let state = Some(Arc::clone(&known.state));
            self.waits.wake(request, known.last.seq, state);
            self.cache.insert(request, known);
        }
    }

    fn step(&mut self, stage: &mut Stage, work: Work) -> Reply {
        let now = self.now(stage)?;
        match work {
            Work::Command {
                command: Command::Ask(ask),
                disclosures,
                attach_closed,
            } => self.ask(stage, *ask, disclosures, attach_closed, now),
            Work::Command {
                command,
                disclosures,
                ..
            } => self.command(stage, &command, disclosures, now),
            Work::Delivered { due, command } => {
                let answer = self.command(stage, &command, Vec::new(), now)?;
                stage.batch.delivered.push((due.seq, due.channel));
                Ok(answer)
            }
            Work::Policy {
                version,
                digest,
                text,
            } => self.policy(stage, version, digest, text, now),
            Work::Sweep => self.sweep(stage, now),
            Work::Channel(channel) => {
                stage.batch.channels.push(channel);
                Ok(empty())
            }
            Work::Barrier => Ok(empty()),
        }
    }

    /// The time of the next record. Read while the write lock is held, so that nothing that waited
    /// for the lock is judged by the time at which it began to wait.
    fn now(&self, stage: &Stage) -> Result<Timestamp, ApprovalError> {
        let now = self.clock.now();
        match stage.last_at {
            Some(last) if now.after(TOLERANCE) < last => {
                let message = format!(
                    "the clock says {now} and the log has a record of {last}; set the clock right"
                );
                Err(ApprovalError::new(Code::ClockRegression, message))
            }
            Some(last) => Ok(now.max(last)),
            None => Ok(now),
        }
    }

    fn command(
        &mut self,
        stage: &mut Stage,
        command: &Command,
        disclosures: Vec<crate::sealed::Disclosure>,
        now: Timestamp,
    ) -> Reply {
        let request = command.request();
        let known = self.known(stage, request)?;
        if let Command::Consume(wish) = command
            && stage
                .policy
                .is_some_and(|(_, digest)| digest != wish.policy)
        {
            let message = "the policy on record is not the one this process holds; load it again and ask again";
            return Err(ApprovalError::new(Code::PolicyChanged, message).with_request(request));
        }
        let step = decide(known.as_ref().map(|known| &*known.state), command, now);
        let known = if step.events.is_empty() {
            known
        } else {
            self.preface(stage, now)?;
            let known = stage.events(request, known, &step.events, now, &self.log)?;
            if step.refusal.is_none() {
                stage.disclose(request, disclosures);
            }
            Some(known)
        };
        let seq = known.as_ref().map_or(0, |known| known.last.seq);
        Ok(Answer {
            state: known.map(|known| known.state),
            seq,
            attached: false,
            refusal: step.refusal,
        })
    }

    fn ask(
        &mut self,
        stage: &mut Stage,
        mut ask: Ask,
        disclosures: Vec<crate::sealed::Disclosure>,
        attach_closed: bool,
        now: Timestamp,
    ) -> Reply {
        if stage
            .policy
            .is_some_and(|(_, digest)| digest != ask.created.policy.digest)
        {
            return Err(ApprovalError::new(
                Code::PolicyChanged,
                "the policy on record is not the one this process holds; load it again",
            ));
        }
        if let Some(known) = self.same_call(stage, &ask, attach_closed, now)? {
            return Ok(Answer {
                seq: known.last.seq,
                state: Some(known.state),
                attached: true,
                refusal: None,
            });
        }
        if let Evaluation::Allow(allowance) = &ask.evaluation {
            for ceiling in &allowance.ceilings {
                let staged = stage
                    .batch
                    .counted
                    .iter()
                    .filter(|(counter, _)| *counter == ceiling.counter)
                    .count();
                let stored = self
                    .store
                    .count(&ceiling.counter, now.before(ceiling.window))
                    .map_err(store_error)?;
                if stored.saturating_add(staged as u64) >= u64::from(ceiling.limit.get()) {
                    ask.over = Some(ceiling.clone());
                    break;
                }
            }
        }
        let counters = counters(&ask);
        let answer = self.command(stage, &Command::Ask(Box::new(ask)), disclosures, now)?;
        // Counted only when it is on record that it was let through.
        let counted = counters.into_iter().map(|counter| (counter, now));
        stage.batch.counted.extend(counted);
        Ok(answer)
    }

    /// The request that this very call has made already, if it has.
    fn same_call(
        &mut self,
        stage: &mut Stage,
        ask: &Ask,
        attach_closed: bool,
        now: Timestamp,
    ) -> Result<Option<Known>, ApprovalError> {
        let Some(key) = ask.created.key else {
            return Ok(None);
        };
        let found = match stage.keys.get(&key) {
            Some(request) => Some(*request),
            None => self.store.by_key(&key).map_err(store_error)?,
        };
        let Some(request) = found else {
            return Ok(None);
        };
        // What is out of time is ended first, so that nobody attaches to it.
        self.command(stage, &Command::Expire(request), Vec::new(), now)?;
        let known = self.known(stage, request)?;
        Ok(known.filter(|known| attach_closed || known.state.is_live()))
    }

    fn policy(
        &mut self,
        stage: &mut Stage,
        version: u64,
        digest: crate::digest::PolicyDigest,
        text: String,
        now: Timestamp,
    ) -> Reply {
        if let Some((last_version, last_digest)) = stage.policy {
            if last_digest == digest {
                return Ok(empty());
            }
            if version <= last_version {
                let message = format!(
                    "the policy has version {version} and version {last_version} was in force with another text; raise `version` above {last_version}"
                );
                return Err(ApprovalError::new(Code::PolicyInvalid, message));
            }
        }
        self.preface(stage, now)?;
        let text = (text.len() < MAX_RECORD / 2).then_some(text);
        stage.log_event(
            LogEvent::PolicyLoaded {
                version,
                digest,
                text,
            },
            now,
            &self.log,
        )?;
        stage.policy = Some((version, digest));
        Ok(empty())
    }

    fn sweep(&mut self, stage: &mut Stage, now: Timestamp) -> Reply {
        let overdue = self.store.overdue(now, 1_000).map_err(store_error)?;
        let mut commands: Vec<Command> = overdue.into_iter().map(Command::Expire).collect();
        for (request, boot) in self.store.running().map_err(store_error)? {
            if boot != self.boot && self.store.is_gone(boot) {
                let finished = Finished {
                    outcome: Outcome::Unknown,
                    code: Some("process_gone".to_owned()),
                    duration_us: None,
                };
                commands.push(Command::Finish {
                    request,
                    by: None,
                    finished,
                });
            }
        }
        for command in commands {
            // One request whose records make no sense must not keep the others from ending.
            if let Err(error) = self.command(stage, &command, Vec::new(), now) {
                tracing::error!(%error, "a request could not be ended");
            }
        }
        Ok(empty())
    }

    /// The genesis of a new log, and the first record of this process.
    fn preface(&self, stage: &mut Stage, now: Timestamp) -> Result<(), ApprovalError> {
        if stage.frontier.size() == 0 {
            let vkey = self.signer.vkey().to_string();
            stage.log_event(LogEvent::Genesis { vkey }, now, &self.log)?;
        }
        if !stage.opened {
            stage.opened = true;
            let version = env!("CARGO_PKG_VERSION").to_owned();
            stage.log_event(LogEvent::Opened { version }, now, &self.log)?;
        }
        Ok(())
    }

    fn known(&mut self, stage: &Stage, request: RequestId) -> Result<Option<Known>, ApprovalError> {
        if let Some(known) = stage
            .known
            .get(&request)
            .or_else(|| self.cache.get(&request))
        {
            return Ok(Some(known.clone()));
        }
        let records = self.store.records_of(request).map_err(store_error)?;
        let Some(last) = records.last().map(|stored| Previous {
            seq: stored.seq,
            leaf: stored.leaf,
        }) else {
            return Ok(None);
        };
        Ok(fold(&records, request, &self.log)?.map(|(state, _)| Known {
            state: Arc::new(state),
            last,
        }))
    }
}

fn empty() -> Answer {
    Answer {
        state: None,
        seq: 0,
        attached: false,
        refusal: None,
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
