//! Which account was taken for which person: kept folded, and recorded before it is relied upon.

use std::collections::HashMap;

use super::engine::Engine;
use super::stage::Stage;
use super::{store_error, tampered};
use crate::clock::Timestamp;
use crate::error::ApprovalError;
use crate::id::PersonId;
use crate::ledger::{AuditRecord, Entry, LogEvent};
use crate::lifecycle::Event;

/// How many records about the log itself are read at a time.
const PAGE: usize = 64;

/// The links on record, as far as the log has been read.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_identity: HashMap<String, PersonId>,
    upto: u64,
}

impl Links {
    /// What a batch recorded is known from here on, when everything before it was.
    pub(super) fn settle(&mut self, from: u64, new: HashMap<String, PersonId>, size: u64) {
        if self.upto == from {
            self.by_identity.extend(new);
            self.upto = size;
        }
    }
}

impl Engine {
    /// Records who is taken for whom, in front of the first vote that rests on it.
    pub(super) fn link(
        &mut self,
        stage: &mut Stage,
        events: &[Event],
        now: Timestamp,
    ) -> Result<(), ApprovalError> {
        for event in events {
            let (person, identity) = match event {
                Event::Reviewed(vote) => (&vote.person, &vote.identity),
                Event::PostReviewed(review) => (&review.person, &review.identity),
                _ => continue,
            };
            self.read_links(stage.base)?;
            let staged = stage.links.get(identity);
            let known = staged.or_else(|| self.links.by_identity.get(identity));
            if known == Some(person) {
                continue;
            }
            let (person, identity) = (person.clone(), identity.clone());
            let linked = LogEvent::IdentityLinked {
                person: person.clone(),
                identity: identity.clone(),
            };
            stage.log_event(linked, now, &self.log)?;
            stage.links.insert(identity, person);
        }
        Ok(())
    }

    /// Reads what others recorded since this process looked last.
    fn read_links(&mut self, size: u64) -> Result<(), ApprovalError> {
        let (mut before, mut newest_first) = (size, Vec::new());
        while before > self.links.upto {
            let page = self.store.log_records(before, PAGE).map_err(store_error)?;
            let Some(oldest) = page.last() else { break };
            before = oldest.seq;
            newest_first.extend(page.into_iter().filter(|have| have.seq >= self.links.upto));
        }
        for stored in newest_first.into_iter().rev() {
            let record = AuditRecord::decode(&stored.bytes, &self.log)
                .map_err(|error| tampered(stored.seq, &error.to_string()))?;
            if let Entry::Log(LogEvent::IdentityLinked { person, identity }) = record.entry {
                self.links.by_identity.insert(identity, person);
            }
        }
        self.links.upto = size;
        Ok(())
    }
}
