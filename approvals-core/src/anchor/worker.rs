//! The thread that anchors: looks, asks, counts, records, and tells those who wait.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::handle::{Message, View, Wish, lock, unanchored};
use super::post::{Post, Said};
use super::round::{Next, Round};
use super::survey::{Sight, Survey};
use super::{AnchorStatus, Anchoring};
use crate::clock::Clock;
use crate::commit::{Journal, StoredNodes, Ticket, Work, drive};
use crate::ledger::{
    LogEvent, SignedCheckpoint, WitnessKey, Witnessed, WitnessedHead, consistency_proof,
};
use crate::ports::{Reader, StoreError};

/// How long the store may take to answer this thread.
const STORE: Duration = Duration::from_secs(2);

/// How soon a round that failed is repeated while somebody waits.
const AGAIN: Duration = Duration::from_millis(50);

/// And how late at the latest while nobody does.
const SLOWEST: Duration = Duration::from_secs(60);

pub(super) struct Worker {
    config: Anchoring,
    journal: Journal,
    clock: Arc<dyn Clock>,
    post: Post,
    view: Arc<Mutex<View>>,
    covered: Option<WitnessedHead>,
    /// So many records have been looked through for anchors of other processes.
    scanned: u64,
    /// The size and the oldest unanchored record of the last look.
    seen: (u64, Option<crate::clock::Timestamp>),
    witnesses: Vec<Known>,
    wishes: Vec<Wish>,
    round: Option<Round>,
    record: Option<(SignedCheckpoint, Option<Ticket>)>,
    next: Instant,
    failures: u32,
    trouble: Option<String>,
}

/// What is known of a witness.
struct Known {
    key: WitnessKey,
    /// The size it is believed to have cosigned last.
    size: u64,
    /// Why it did not cosign when it was asked last.
    trouble: Option<String>,
    /// It said that the log was forked or rolled back, and has not cosigned since.
    alarm: Option<String>,
}

impl Worker {
    pub(super) fn new(
        config: Anchoring,
        journal: Journal,
        clock: Arc<dyn Clock>,
        post: Post,
        view: Arc<Mutex<View>>,
    ) -> Self {
        let known = |witness: &Arc<dyn crate::ports::Witness>| Known {
            key: witness.key().clone(),
            size: 0,
            trouble: None,
            alarm: None,
        };
        Self {
            witnesses: config.witnesses.iter().map(known).collect(),
            config,
            journal,
            clock,
            post,
            view,
            covered: None,
            scanned: 0,
            seen: (0, None),
            wishes: Vec::new(),
            round: None,
            record: None,
            next: Instant::now(),
            failures: 0,
            trouble: None,
        }
    }

    pub(super) fn run(&mut self, inbox: &Receiver<Message>) {
        loop {
            let now = Instant::now();
            if self
                .round
                .as_ref()
                .is_some_and(|round| now >= round.ends || round.is_over())
            {
                self.close();
            }
            if self.round.is_none() && now >= self.next {
                self.look();
            }
            self.give_up(now);
            self.publish();
            let wake = self.wake().saturating_duration_since(Instant::now());
            match inbox.recv_timeout(wake) {
                Ok(Message::Cover(wish)) => {
                    self.wishes.push(wish);
                    self.next = Instant::now();
                    self.grant();
                    self.hurry();
                }
                Ok(Message::Said(said)) => self.said(said),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return self.end(),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// What a quorum has cosigned is put on record, and the store gets a moment for it; no witness is waited for.
    fn end(&mut self) {
        let enough = |round: &Round| round.enough(&self.config.policy).is_some();
        if self.round.as_ref().is_some_and(enough) {
            self.close();
        }
        if let Some((_, Some(ticket))) = self.record.take() {
            drive(ticket, STORE);
        }
    }

    /// When there is something to do without a message.
    fn wake(&self) -> Instant {
        let first = self.round.as_ref().map_or(self.next, |round| {
            if round.is_over() {
                Instant::now()
            } else {
                round.ends
            }
        });
        let wishes = self.wishes.iter().map(|wish| wish.until);
        wishes.fold(first, Instant::min)
    }

    /// Looks for something that nobody has seen, and begins to show it around.
    fn look(&mut self) {
        self.recorded();
        self.next = Instant::now() + self.config.pace;
        let survey = self.survey();
        let sight = match self.read(move |reader| survey.look(reader)) {
            Ok(sight) => sight,
            Err(trouble) => return self.trouble = Some(trouble),
        };
        self.trouble = sight.foreign.then(|| {
            "an anchor on record is none of this log: it was forked or rewritten; run `approvals verify`".to_owned()
        });
        let Sight {
            newest,
            anchor,
            oldest,
            ..
        } = sight;
        if let Some(seen) = anchor {
            self.cover(&seen);
        }
        let Some(newest) = newest else {
            // Nothing is written yet, so there is nothing to show.
            self.seen = (0, None);
            self.wishes
                .iter_mut()
                .for_each(|wish| wish.size = wish.size.or(Some(0)));
            return self.grant();
        };
        let size = newest.head.size;
        self.scanned = size;
        self.seen = (size, oldest);
        let all = if oldest.is_some() { size } else { self.size() };
        for wish in &mut self.wishes {
            wish.size.get_or_insert(all);
        }
        self.grant();
        if oldest.is_some() {
            let (now, at) = (Instant::now(), self.clock.now());
            // Whoever begins to wait during one round has the time for another one.
            let ends = now + self.config.patience / 2;
            self.round = Some(Round::new(newest, self.witnesses.len(), ends, at));
            (0..self.witnesses.len()).for_each(|witness| self.ask(witness));
        }
    }

    fn survey(&self) -> Survey {
        Survey {
            genesis: self.journal.vkey().clone(),
            policy: self.config.policy.clone(),
            covered: self.size(),
            scanned: self.scanned,
        }
    }

    /// Asks a witness about the head of this round, unless it still owes an answer.
    fn ask(&mut self, witness: usize) {
        let (Some(round), Some(known)) = (&self.round, self.witnesses.get(witness)) else {
            return;
        };
        if self.post.is_busy(witness) {
            return;
        }
        let (old, new) = (known.size, round.head().size);
        let proof = self.read(move |reader| {
            let mut nodes = StoredNodes::new(reader);
            let proof = consistency_proof(old, new, &nodes);
            nodes.finish().map(|()| proof)
        });
        let request = proof.and_then(|proof| {
            let proof = proof.map_err(|error| error.to_string())?;
            let request = round.request(old, &proof);
            request.map_err(|error| error.to_string())
        });
        match request {
            Ok(request) => {
                let letter = request.body().to_owned();
                if self
                    .round
                    .as_mut()
                    .is_some_and(|round| round.ask(witness, request))
                {
                    self.post.send(witness, letter);
                } else {
                    self.trouble_with(
                        witness,
                        "it names another size each time it is asked".to_owned(),
                    );
                }
            }
            Err(why) => self.trouble_with(witness, format!("it cannot be asked: {why}")),
        }
    }

    fn said(&mut self, said: Said) {
        let witness = said.witness;
        self.post.answered(witness);
        let (Some(round), Some(known)) = (&mut self.round, self.witnesses.get_mut(witness)) else {
            return;
        };
        let next = round.read(&known.key, said, self.clock.now());
        let size = round.head().size;
        match next {
            Next::Cosigned => {
                known.size = size;
                (known.trouble, known.alarm) = (None, None);
                self.count();
            }
            Next::Again(size) => {
                known.size = size;
                self.ask(witness);
            }
            Next::Ahead(size) => self.ahead(witness, size),
            Next::Fork => self.alarm(witness, "it says that the log was forked or rewritten: what it has cosigned is no part of it"),
            Next::Trouble(what) => self.trouble_with(witness, what),
            // It was busy with an older head when this round began.
            Next::Late if round.is_new_to(witness) => self.ask(witness),
            Next::Late => {}
        }
    }

    /// A witness has seen more than was shown to it: another process was quicker, or the log was rolled back.
    fn ahead(&mut self, witness: usize, size: u64) {
        let here = self.read(|reader| Ok(reader.head()?.frontier.size()));
        match here {
            Ok(here) if here >= size => {
                if let Some(known) = self.witnesses.get_mut(witness) {
                    known.size = size;
                }
                self.next = Instant::now();
            }
            Ok(here) => {
                let what = format!(
                    "it has cosigned {size} records and {here} are here: the log was rolled back or cut"
                );
                self.alarm(witness, &what);
            }
            Err(what) => self.trouble_with(witness, what),
        }
    }

    /// Whether it is enough now.
    fn count(&mut self) {
        let enough = self
            .round
            .as_ref()
            .and_then(|round| round.enough(&self.config.policy));
        if let Some((_, seen)) = enough {
            self.cover(&seen);
            self.grant();
            self.hurry();
        }
    }

    /// Those who wait for more than this head are not kept waiting for slow witnesses.
    fn hurry(&mut self) {
        let done = |round: &Round| round.head().size <= self.size();
        if !self.wishes.is_empty() && self.round.as_ref().is_some_and(done) {
            self.close();
            self.next = Instant::now();
        }
    }

    /// Ends the round, and records what came of it.
    fn close(&mut self) {
        let Some(round) = self.round.take() else {
            return;
        };
        let enough = round.enough(&self.config.policy);
        for witness in 0..self.witnesses.len() {
            if round.awaits(witness) && enough.is_none() {
                let patience = self.config.patience / 2;
                self.trouble_with(witness, format!("it has not answered for {patience:?}"));
            }
        }
        if let Some((note, _)) = enough {
            self.failures = 0;
            let (survey, size) = (self.survey(), round.head().size);
            if self.read(move |reader| survey.is_recorded(reader, size)) == Ok(true) {
                return;
            }
            let event = LogEvent::Anchored(note.clone());
            let ticket = self.journal.submit(Work::Log(event));
            self.record = Some((note, Some(ticket)));
        } else {
            self.failures += 1;
            tracing::warn!(size = round.head().size, problems = ?self.problems(), "no quorum of witnesses cosigned");
            let slow = self.config.pace * 2_u32.saturating_pow(self.failures.min(16));
            let pause = if self.wishes.is_empty() {
                slow.min(SLOWEST)
            } else {
                AGAIN
            };
            self.next = Instant::now() + pause;
        }
    }

    /// Looks whether the last anchor is on record, and writes it again when it is not.
    fn recorded(&mut self) {
        let Some((note, ticket)) = self.record.take() else {
            return;
        };
        let Some(mut ticket) = ticket else {
            let again = self
                .journal
                .submit(Work::Log(LogEvent::Anchored(note.clone())));
            return self.record = Some((note, Some(again)));
        };
        match std::pin::Pin::new(&mut ticket).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => {
                tracing::warn!(%error, "an anchor could not be recorded; it is tried again");
                self.record = Some((note, None));
            }
            Poll::Pending => self.record = Some((note, Some(ticket))),
        }
    }

    /// Remembers a head that a quorum cosigned.
    fn cover(&mut self, seen: &Witnessed) {
        let (size, at) = (seen.head().size, seen.since());
        for cosignature in seen.cosignatures() {
            let is = |known: &&mut Known| {
                known.key.name() == cosignature.witness() && known.key.id() == cosignature.id()
            };
            if let Some(known) = self.witnesses.iter_mut().find(is) {
                known.size = known.size.max(size);
            }
        }
        if size > self.size() {
            let by = seen
                .cosignatures()
                .iter()
                .map(|one| one.witness().to_string());
            self.covered = at.map(|at| WitnessedHead::new(size, at, by.collect()));
        }
    }

    /// Tells everybody whose wish is fulfilled.
    fn grant(&mut self) {
        // Who is told may look at the status next, and finds there what it was told.
        if !self.wishes.is_empty() {
            self.publish();
        }
        let size = self.size();
        let granted = |wish: &mut Wish| wish.size.is_some_and(|wanted| wanted <= size);
        for wish in self.wishes.extract_if(.., granted) {
            let _ = wish.reply.send(Ok(()));
        }
    }

    /// Tells everybody who has waited long enough.
    fn give_up(&mut self, now: Instant) {
        let why = self.problems().join("; ");
        for wish in self.wishes.extract_if(.., |wish| wish.until <= now) {
            let why = if why.is_empty() {
                "they are slow"
            } else {
                &why
            };
            let _ = wish.reply.send(Err(unanchored(why)));
        }
    }

    fn size(&self) -> u64 {
        self.covered.as_ref().map_or(0, |head| head.size)
    }

    fn trouble_with(&mut self, witness: usize, what: String) {
        if let Some(known) = self.witnesses.get_mut(witness) {
            known.trouble = Some(what);
        }
    }

    fn alarm(&mut self, witness: usize, what: &str) {
        if let Some(known) = self.witnesses.get_mut(witness) {
            tracing::error!(witness = %known.key.name(), "{what}");
            known.alarm = Some(what.to_owned());
        }
    }

    fn problems(&self) -> Vec<String> {
        let name = |known: &Known, what: &String| format!("witness `{}`: {what}", known.key.name());
        let alarms = self
            .witnesses
            .iter()
            .filter_map(|known| Some(name(known, known.alarm.as_ref()?)));
        let troubles = self
            .witnesses
            .iter()
            .filter_map(|known| Some(name(known, known.trouble.as_ref()?)));
        alarms.chain(self.trouble.clone()).chain(troubles).collect()
    }

    fn publish(&self) {
        let size = self.size();
        let (seen, oldest) = self.seen;
        let oldest = oldest.filter(|_| seen > size);
        let alarm =
            self.trouble.is_some() || self.witnesses.iter().any(|known| known.alarm.is_some());
        let status = AnchorStatus {
            mode: self.config.mode,
            ready: !alarm,
            anchored: self.covered.clone(),
            unanchored: if oldest.is_some() { seen - size } else { 0 },
            oldest,
            problems: self.problems(),
        };
        let at = Instant::now();
        *lock(&self.view) = View { status, at };
    }

    /// Reads the store, and does not wait for it for ever.
    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, String> {
        match drive(self.journal.read(query), STORE) {
            Some(answer) => answer.map_err(|error| error.to_string()),
            None => Err(format!("the store has not answered for {STORE:?}")),
        }
    }
}
