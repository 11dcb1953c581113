//! The steps of a batch: what each kind of work stages.

use std::sync::Arc;

use super::engine::Engine;
use super::fold::fold;
use super::stage::{Known, Stage};
use super::{Answer, Reply, Work, store_error};
use crate::clock::{TOLERANCE, Timestamp};
use crate::envelope::Envelope;
use crate::error::{ApprovalError, Code};
use crate::id::{AgentId, RequestId};
use crate::ledger::{LogEvent, Previous};
use crate::lifecycle::{Ask, Command, Event, Finished, decide};
use crate::ports::{Counted, Filter};
use crate::request::Outcome;

impl Engine {
    pub(super) fn step(&mut self, stage: &mut Stage, work: Work) -> Reply {
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
            Work::Policy(policy) => self.policy(stage, policy, now),
            Work::Replace { policy, authority } => self.replace(stage, policy, authority, now),
            Work::Log(event) => self.log_event(stage, event, now),
            Work::Erase { request, authority } => self.erase(stage, request, authority, now),
            Work::Sweep => self.sweep(stage, now),
            Work::Channel(channel) => {
                stage.batch.channels.push(channel);
                Ok(empty())
            }
            Work::Followed { follower, next } => {
                stage.batch.followed.push((follower, next));
                Ok(empty())
            }
            Work::Barrier => Ok(empty()),
        }
    }

    /// The time of the next record. Read while the write lock is held, so that nothing that waited
    /// for the lock is judged by the time at which it began to wait.
    pub(super) fn now(&self, stage: &Stage) -> Result<Timestamp, ApprovalError> {
        let own = self.clock.now();
        let now = match stage.store_clock {
            None => own,
            Some((at, since)) => together(own, at.after(since.elapsed()))?,
        };
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

    pub(super) fn command(
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
                .is_some_and(|(_, digest)| digest != wish.policy.digest())
        {
            let message = "the policy on record is not the one this process holds; load it again and ask again";
            return Err(ApprovalError::new(Code::PolicyChanged, message).with_request(request));
        }
        let with_facts = self.with_facts(stage, command, known.as_ref())?;
        let command = with_facts.as_ref().unwrap_or(command);
        let step = decide(known.as_ref().map(|known| &*known.state), command, now);
        let known = if step.events.is_empty() {
            known
        } else {
            // What was asked is on record even if a rule said no; a vote that does not count is not.
            let envelope = if step.refusal.is_none() || matches!(command, Command::Ask(_)) {
                self.seal_disclosures(stage, request, known.is_none(), &disclosures)?
            } else {
                Envelope::default()
            };
            self.preface(stage, now)?;
            self.link(stage, &step.events, now)?;
            let known = stage.events(request, known, &step.events, now, &self.log)?;
            stage.disclose(request, envelope);
            stage.remember_denials(&known, &step.events, now);
            Some(known)
        };
        let seq = known.as_ref().map_or(0, |known| known.last.seq);
        // The records of one step stand one after another.
        let vote = (0..)
            .zip(step.events.iter().rev())
            .find(|(_, event)| matches!(event, Event::Reviewed(_)))
            .map(|(behind, _)| seq - behind);
        Ok(Answer {
            state: known.map(|known| known.state),
            seq,
            vote,
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
                vote: None,
                attached: true,
                refusal: None,
            });
        }
        if ask.created.action.break_glass.is_some() {
            ask.unreviewed = self.unreviewed(stage, &ask.created.action.agent)?;
        }
        ask.recall(now, |counter, since| self.raised(stage, counter, since))?;
        ask.weigh(|ceiling| self.counted(stage, &ceiling.counter, now.before(ceiling.window)))?;
        let counted: Vec<Counted> = ask
            .counters()
            .map(|ceiling| Counted::new(&ceiling.counter, now, ceiling.amount))
            .collect();
        let answer = self.command(stage, &Command::Ask(Box::new(ask)), disclosures, now)?;
        // Counted only when it is on record that it was let through.
        if answer.refusal.is_none() {
            stage.batch.counted.extend(counted);
        }
        Ok(answer)
    }

    /// The command with what only the store can say, when it is about a broken glass.
    fn with_facts(
        &mut self,
        stage: &Stage,
        command: &Command,
        known: Option<&Known>,
    ) -> Result<Option<Command>, ApprovalError> {
        let (Command::Consume(wish), Some(known)) = (command, known) else {
            return Ok(None);
        };
        let action = known.state.action();
        if action.break_glass.is_none() {
            return Ok(None);
        }
        let mut wish = wish.clone();
        wish.unreviewed = self.unreviewed(stage, &action.agent)?;
        Ok(Some(Command::Consume(wish)))
    }

    /// The broken glass of an agent that waits for its review, if there is one.
    fn unreviewed(
        &mut self,
        stage: &Stage,
        agent: &AgentId,
    ) -> Result<Option<RequestId>, ApprovalError> {
        let staged = stage.batch.requests.iter();
        let mut of_agent = staged.filter(|row| row.agent == *agent);
        if let Some(row) = of_agent.find(|row| row.unreviewed) {
            return Ok(Some(row.id));
        }
        let filter = Filter {
            agent: Some(agent.clone()),
            ..Filter::unreviewed()
        };
        let stored = self.store.requests(&filter).map_err(store_error)?;
        // What was reviewed in this very batch is open in the store still.
        let staged = |id: RequestId| stage.batch.requests.iter().any(|row| row.id == id);
        Ok(stored.iter().map(|row| row.id).find(|id| !staged(*id)))
    }

    /// When a counter was raised after a time, and by how much, in this very batch, too.
    fn raised(
        &mut self,
        stage: &Stage,
        counter: &str,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, u64)>, ApprovalError> {
        let mut raised = self.store.raised(counter, since).map_err(store_error)?;
        let staged = stage.batch.counted.iter();
        let staged = staged.filter(|counted| counted.counter == counter && counted.at > since);
        raised.extend(staged.map(|counted| (counted.at, counted.amount)));
        Ok(raised)
    }

    /// How much was counted under a name after a time, in this very batch, too.
    fn counted(
        &mut self,
        stage: &Stage,
        counter: &str,
        since: Timestamp,
    ) -> Result<u64, ApprovalError> {
        let staged = stage.batch.counted.iter();
        let staged = staged.filter(|counted| counted.counter == counter && counted.at > since);
        let stored = self.store.count(counter, since).map_err(store_error)?;
        Ok(staged.fold(stored, |sum, counted| sum.saturating_add(counted.amount)))
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
        self.command(stage, &Command::Due(request), Vec::new(), now)?;
        let known = self.known(stage, request)?;
        Ok(known.filter(|known| attach_closed || known.state.is_live()))
    }

    fn log_event(&self, stage: &mut Stage, event: LogEvent, now: Timestamp) -> Reply {
        self.preface(stage, now)?;
        let seq = stage.frontier.size();
        stage.log_event(event, now, &self.log)?;
        Ok(Answer { seq, ..empty() })
    }

    fn sweep(&mut self, stage: &mut Stage, now: Timestamp) -> Reply {
        let overdue = self.store.overdue(now, 1_000).map_err(store_error)?;
        let mut commands: Vec<Command> = overdue.into_iter().map(Command::Due).collect();
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
    pub(super) fn preface(&self, stage: &mut Stage, now: Timestamp) -> Result<(), ApprovalError> {
        if stage.frontier.size() == 0 {
            stage.log_event(self.genesis(), now, &self.log)?;
        }
        if !stage.opened {
            stage.opened = true;
            let version = env!("CARGO_PKG_VERSION").to_owned();
            stage.log_event(LogEvent::Opened { version }, now, &self.log)?;
        }
        Ok(())
    }

    /// What a new log begins with.
    pub(super) fn genesis(&self) -> LogEvent {
        LogEvent::Genesis {
            vkey: self.pen.vkey().clone(),
            recovery: self.recovery.clone(),
        }
    }

    pub(super) fn known(
        &mut self,
        stage: &Stage,
        request: RequestId,
    ) -> Result<Option<Known>, ApprovalError> {
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

pub(super) fn empty() -> Answer {
    Answer {
        state: None,
        seq: 0,
        vote: None,
        attached: false,
        refusal: None,
    }
}

/// The time of the store, which all machines share, if the clock of this one agrees with it.
///
/// A rule about hours, and whether a signature is fresh, are judged by this machine's clock before
/// anything is written: one that is off by more than the tolerance writes nothing.
fn together(own: Timestamp, store: Timestamp) -> Result<Timestamp, ApprovalError> {
    if own.since(store).max(store.since(own)) <= TOLERANCE {
        return Ok(store);
    }
    let message =
        format!("the clock of this machine says {own} and the store's {store}; set them right");
    Err(ApprovalError::new(Code::ClockRegression, message))
}
