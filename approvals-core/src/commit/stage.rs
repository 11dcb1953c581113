//! One batch in the making: everything is staged here, and becomes durable together or not at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::clock::Timestamp;
use crate::digest::PolicyDigest;
use crate::envelope::{DisclosureKeyId, Envelope};
use crate::error::{ApprovalError, Code};
use crate::id::{BootId, PersonId, RequestId};
use crate::ledger::{
    EntryRef, Frontier, Leaf, LogEvent, Origin, Previous, StoredRecord, Writer, leaf_hash,
    tiles::grow,
};
use crate::lifecycle::{Event, Glass, Phase, RequestState, denial_counters};
use crate::policy::Policy;
use crate::ports::{Batch, Counted, Head, RequestRow};
use crate::request::IdempotencyKey;

/// A request as it is known in memory, with its last record.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) state: Arc<RequestState>,
    pub(super) last: Previous,
}

pub(super) struct Stage {
    pub(super) frontier: Frontier,
    pub(super) last_at: Option<Timestamp>,
    /// What the store's clock said, and when.
    pub(super) store_clock: Option<(Timestamp, Instant)>,
    pub(super) policy: Option<(u64, PolicyDigest)>,
    /// The policy that comes into force in this very batch.
    pub(super) loaded: Option<Policy>,
    /// The records that say which key signs.
    signed_in: Vec<u64>,
    pub(super) disclosure_key: Option<DisclosureKeyId>,
    pub(super) written: u64,
    pub(super) known: HashMap<RequestId, Known>,
    pub(super) keys: HashMap<IdempotencyKey, RequestId>,
    /// Links recorded in this batch.
    pub(super) links: HashMap<String, PersonId>,
    pub(super) batch: Batch,
    /// How long the log was in front of this batch.
    pub(super) base: u64,
    boot: BootId,
    pub(super) opened: bool,
    /// Where records are printed.
    pub(super) room: String,
}

impl Stage {
    pub(super) fn new(head: &Head, boot: BootId, written: u64, room: String) -> Self {
        Self {
            frontier: head.frontier.clone(),
            last_at: head.last_at,
            store_clock: head.store_clock.map(|at| (at, Instant::now())),
            policy: head.policy,
            loaded: None,
            signed_in: head.keys.clone(),
            disclosure_key: head.disclosure_key,
            written,
            known: HashMap::new(),
            keys: HashMap::new(),
            links: HashMap::new(),
            base: head.frontier.size(),
            batch: Batch::default(),
            boot,
            opened: written > 0,
            room,
        }
    }

    /// Appends records about the log itself.
    pub(super) fn log_event(
        &mut self,
        event: LogEvent,
        at: Timestamp,
        log: &Origin,
    ) -> Result<(), ApprovalError> {
        if event.is_about_keys() {
            self.signed_in.push(self.frontier.size());
        }
        let (stored, _) = self.encode(EntryRef::Log(&event), None, at, log, 0)?;
        self.push(stored, None, at);
        Ok(())
    }

    /// Appends the events of one command; all of them, or none when one does not fit a record.
    pub(super) fn events(
        &mut self,
        request: RequestId,
        known: Option<Known>,
        events: &[Event],
        at: Timestamp,
        log: &Origin,
    ) -> Result<Known, ApprovalError> {
        let (mut state, mut last) = known.map_or((None, None), |known| {
            (Some((*known.state).clone()), Some(known.last))
        });
        let mut ready = Vec::with_capacity(events.len());
        for (ahead, event) in (0..).zip(events) {
            match &mut state {
                Some(state) => state.apply(event).map_err(impossible)?,
                None => {
                    let begun = RequestState::begin(event, at).map_err(impossible)?;
                    // A later record of an older request must not make it the newest of its key.
                    self.keys.extend(begun.key().map(|key| (key, request)));
                    state = Some(begun);
                }
            }
            let (stored, here) =
                self.encode(EntryRef::Request(request, event), last, at, log, ahead)?;
            last = Some(here);
            let asked = state
                .as_ref()
                .is_some_and(|state| state.requirement().is_some());
            ready.push((stored, asked && changes_the_card(event)));
        }
        let (Some(state), Some(last)) = (state, last) else {
            return Err(ApprovalError::new(
                Code::Misuse,
                "a request began with nothing",
            ));
        };
        if let Some(place) = ready
            .iter()
            .filter(|(_, draw)| *draw)
            .map(|(stored, _)| stored.seq)
            .next_back()
        {
            self.batch.notices.push((place, request));
        }
        for (stored, _) in ready {
            self.push(stored, Some(request), at);
        }
        let known = Known {
            state: Arc::new(state),
            last,
        };
        self.remember(request, &known);
        Ok(known)
    }

    /// Remembers what a person denied, in the transaction that records it.
    pub(super) fn remember_denials(&mut self, known: &Known, events: &[Event], at: Timestamp) {
        if events.iter().any(Event::is_a_persons_no) {
            let counters = denial_counters(known.state.created()).into_all();
            let counted = counters.map(|counter| Counted::new(counter, at, 1));
            self.batch.counted.extend(counted);
        }
    }

    /// Keeps what opens the commitments of one request.
    pub(super) fn disclose(&mut self, request: RequestId, envelope: Envelope) {
        if let Some(key) = envelope.key {
            self.disclosure_key = Some(key.by);
            self.batch.data_keys.push((request, key));
        }
        let sealed = envelope.disclosures.into_iter();
        let sealed = sealed.map(|sealed| (request, sealed));
        self.batch.disclosures.extend(sealed);
    }

    fn encode(
        &mut self,
        entry: EntryRef<'_>,
        previous: Option<Previous>,
        at: Timestamp,
        log: &Origin,
        ahead: u64,
    ) -> Result<(StoredRecord, Previous), ApprovalError> {
        let seq = self.frontier.size() + ahead;
        let writer = Writer {
            boot: self.boot,
            n: self.written + ahead,
        };
        let id = match entry {
            // Whoever uses an approval up has named the record already.
            EntryRef::Request(_, Event::Consumed(consumed)) => consumed.by.record,
            _ => writer.names(),
        };
        let record = Leaf {
            seq,
            at,
            id,
            writer,
            previous,
            entry,
        };
        let bytes = record
            .encode(log, &mut self.room)
            .map_err(|error| ApprovalError::new(Code::NonCanonical, error.to_string()))?;
        if let EntryRef::Request(_, Event::Created(created)) = entry {
            created.action.forget_text();
        }
        let leaf = leaf_hash(&bytes);
        Ok((StoredRecord::new(seq, leaf, bytes), Previous { seq, leaf }))
    }

    fn push(&mut self, stored: StoredRecord, request: Option<RequestId>, at: Timestamp) {
        grow(&mut self.frontier, stored.leaf, &mut self.batch.subtrees);
        self.written += 1;
        self.last_at = Some(at);
        self.batch.records.push((stored, request));
    }

    fn remember(&mut self, request: RequestId, known: &Known) {
        let state = &known.state;
        let row = RequestRow {
            id: request,
            scope: state.action().scope.clone(),
            agent: state.action().agent.clone(),
            status: state.status(),
            created_at: state.created_at(),
            deadline: state.deadline(),
            due: state.due_at(),
            running: match state.phase() {
                Phase::Running(by) => Some(by.boot),
                _ => None,
            },
            key: state.key(),
            unreviewed: *state.glass() == Glass::Open,
            last_seq: known.last.seq,
        };
        self.batch.requests.retain(|have| have.id != request);
        self.batch.requests.push(row);
        self.known.insert(request, known.clone());
    }

    /// The finished batch, but for the signature.
    pub(super) fn close(&mut self) -> &mut Batch {
        self.batch.head = Head {
            frontier: self.frontier.clone(),
            last_at: self.last_at,
            note: None,
            policy: self.policy,
            keys: self.signed_in.clone(),
            store_clock: None,
            disclosure_key: self.disclosure_key,
        };
        &mut self.batch
    }
}

/// Whether copies that people see must be drawn again; what nobody is asked has no copies.
fn changes_the_card(event: &Event) -> bool {
    matches!(
        event,
        Event::Created(_)
            | Event::Reviewed(_)
            | Event::Voided(_)
            | Event::Approved(_)
            | Event::Escalated(_)
            | Event::BreakGlassUsed
            | Event::PostReviewed(_)
            | Event::Denied(_)
            | Event::Expired
            | Event::Cancelled
            | Event::Erased(_)
    )
}

fn impossible(error: crate::lifecycle::ImpossibleEvent) -> ApprovalError {
    ApprovalError::new(Code::AuditTampered, error.to_string())
}
