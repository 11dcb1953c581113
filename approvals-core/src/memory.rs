//! A store that forgets: for tests, examples, and programs that keep no proof.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::envelope::{DisclosureKeyId, Envelope, WrappedKey};
use crate::id::{BootId, RequestId};
use crate::ledger::{Hash, StoredRecord};
use crate::ports::{Backlog, Batch, Due, Filter, Head, Reader, RequestRow, Store, StoreError};
use crate::request::IdempotencyKey;

/// Keeps the ledger in memory and **forgets it when the process ends**.
///
/// Same records, same rules, no durability: approvals given here prove nothing tomorrow. Nothing
/// is signed until [`Journal::checkpoint`](crate::Journal::checkpoint) asks for it.
#[derive(Debug, Default)]
pub struct ForgetfulStore {
    records: Vec<StoredRecord>,
    subtrees: BTreeMap<(u8, u64), Hash>,
    of_request: HashMap<RequestId, Vec<usize>>,
    of_log: Vec<usize>,
    rows: HashMap<RequestId, RequestRow>,
    keys: HashMap<IdempotencyKey, RequestId>,
    envelopes: HashMap<RequestId, Envelope>,
    counters: HashMap<String, Vec<(Timestamp, u64)>>,
    channels: HashSet<String>,
    followers: BTreeMap<String, u64>,
    outbox: BTreeMap<(u64, String), Waiting>,
    dues: BTreeSet<(Timestamp, RequestId)>,
    running: HashMap<RequestId, BootId>,
    head: Head,
}

#[derive(Debug)]
struct Waiting {
    request: RequestId,
    due: Timestamp,
    attempts: u32,
}

impl ForgetfulStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn keep_row(&mut self, row: &RequestRow) {
        if let Some(old) = self.rows.get(&row.id)
            && let Some(due) = old.due
        {
            self.dues.remove(&(due, row.id));
        }
        if let Some(due) = row.due {
            self.dues.insert((due, row.id));
        }
        match row.running {
            Some(boot) => self.running.insert(row.id, boot),
            None => self.running.remove(&row.id),
        };
        let is_new = self.rows.insert(row.id, row.clone()).is_none();
        if let (Some(key), true) = (row.key, is_new) {
            self.keys.insert(key, row.id);
        }
    }

    fn keep_notices(&mut self, notices: &[(u64, RequestId)], at: Timestamp) {
        for (seq, request) in notices {
            for channel in &self.channels {
                self.outbox.insert(
                    (*seq, channel.clone()),
                    Waiting {
                        request: *request,
                        due: at,
                        attempts: 0,
                    },
                );
            }
        }
    }
}

impl Reader for ForgetfulStore {
    fn head(&mut self) -> Result<Head, StoreError> {
        Ok(self.head.clone())
    }

    fn records(&mut self, from: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(self
            .records
            .iter()
            .skip(from)
            .take(limit)
            .cloned()
            .collect())
    }

    fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Hash>, StoreError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let records = self.records.iter().skip(from).take(limit);
        Ok(records.map(|stored| stored.leaf).collect())
    }

    fn subtrees(&mut self, level: u8, from: u64, limit: usize) -> Result<Vec<Hash>, StoreError> {
        let rows = self.subtrees.range((level, from)..=(level, u64::MAX));
        Ok(rows.map(|(_, hash)| *hash).take(limit).collect())
    }

    fn records_of(&mut self, request: RequestId) -> Result<Vec<StoredRecord>, StoreError> {
        let places = self
            .of_request
            .get(&request)
            .map(Vec::as_slice)
            .unwrap_or_default();
        Ok(places
            .iter()
            .filter_map(|place| self.records.get(*place))
            .cloned()
            .collect())
    }

    fn log_records(&mut self, before: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        let records = self.of_log.iter().rev();
        let records = records.filter_map(|place| self.records.get(*place));
        let records = records.filter(|stored| stored.seq < before);
        Ok(records.take(limit).cloned().collect())
    }

    fn disclosures(&mut self, request: RequestId) -> Result<Envelope, StoreError> {
        Ok(self.envelopes.get(&request).cloned().unwrap_or_default())
    }

    fn requests(&mut self, filter: &Filter) -> Result<Vec<RequestRow>, StoreError> {
        let mut rows: Vec<_> = self.rows.values().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.created_at));
        if let Some(before) = filter.before {
            let place = rows.iter().position(|row| row.id == before);
            rows.drain(..place.map_or(rows.len(), |place| place + 1));
        }
        let rows = rows
            .into_iter()
            .filter(|row| filter.status.is_none_or(|status| row.status == status))
            .filter(|row| {
                filter
                    .agent
                    .as_ref()
                    .is_none_or(|agent| row.agent == *agent)
            })
            .filter(|row| row.unreviewed || !filter.unreviewed);
        Ok(rows.take(filter.limit).cloned().collect())
    }

    fn overdue(&mut self, now: Timestamp, limit: usize) -> Result<Vec<RequestId>, StoreError> {
        Ok(self
            .dues
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, request)| *request)
            .take(limit)
            .collect())
    }

    fn running(&mut self) -> Result<Vec<(RequestId, BootId)>, StoreError> {
        Ok(self
            .running
            .iter()
            .map(|(request, boot)| (*request, *boot))
            .collect())
    }

    fn touched(&mut self, from: u64) -> Result<(Vec<(RequestId, u64)>, u64), StoreError> {
        let touched = self
            .rows
            .values()
            .filter(|row| row.last_seq >= from)
            .map(|row| (row.id, row.last_seq))
            .collect();
        Ok((touched, self.head.frontier.size()))
    }

    fn backlogs(&mut self) -> Result<Vec<Backlog>, StoreError> {
        let size = self.head.frontier.size();
        let drawing = self.channels.iter().map(|channel| {
            let waiting = self.outbox.keys().filter(|(_, name)| name == channel);
            let places: Vec<u64> = waiting.map(|(seq, _)| *seq).collect();
            let count = u64::try_from(places.len()).unwrap_or(u64::MAX);
            Backlog::new(channel, count, places.first().copied().unwrap_or(size))
        });
        let following = self.followers.iter();
        let following = following
            .map(|(follower, next)| Backlog::new(follower, size.saturating_sub(*next), *next));
        let mut all: Vec<_> = drawing.chain(following).collect();
        all.sort_by(|a, b| a.channel.cmp(&b.channel));
        Ok(all)
    }
}

impl Store for ForgetfulStore {
    fn is_durable(&self) -> bool {
        false
    }

    fn begin(&mut self) -> Result<Head, StoreError> {
        Ok(self.head.clone())
    }

    fn by_key(&mut self, key: &IdempotencyKey) -> Result<Option<RequestId>, StoreError> {
        Ok(self.keys.get(key).copied())
    }

    fn count(&mut self, counter: &str, since: Timestamp) -> Result<u64, StoreError> {
        let times = self
            .counters
            .get(counter)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let after = times.iter().filter(|(at, _)| *at > since);
        Ok(after.fold(0, |sum: u64, (_, amount)| sum.saturating_add(*amount)))
    }

    fn wrapped_by(
        &mut self,
        key: DisclosureKeyId,
        limit: usize,
    ) -> Result<Vec<(RequestId, WrappedKey)>, StoreError> {
        let all = self.envelopes.iter();
        let keys = all.filter_map(|(request, envelope)| Some((*request, envelope.key.clone()?)));
        Ok(keys
            .filter(|(_, have)| have.by == key)
            .take(limit)
            .collect())
    }

    fn raised(
        &mut self,
        counter: &str,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, u64)>, StoreError> {
        let times = self.counters.get(counter).into_iter().flatten();
        let mut after: Vec<_> = times.filter(|(at, _)| *at > since).copied().collect();
        after.sort_unstable();
        Ok(after)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        for (stored, request) in &batch.records {
            let place = self.records.len();
            match request {
                Some(request) => self.of_request.entry(*request).or_default().push(place),
                None => self.of_log.push(place),
            }
            self.records.push(stored.clone());
        }
        for (level, index, hash) in &batch.subtrees {
            self.subtrees.insert((*level, *index), *hash);
        }
        for row in &batch.requests {
            self.keep_row(row);
        }
        for (request, key) in &batch.data_keys {
            self.envelopes.entry(*request).or_default().key = Some(key.clone());
        }
        for (request, sealed) in &batch.disclosures {
            let envelope = self.envelopes.entry(*request).or_default();
            envelope.disclosures.push(sealed.clone());
        }
        for request in &batch.erased {
            self.envelopes.remove(request);
        }
        for counted in &batch.counted {
            let counter = self.counters.entry(counted.counter.clone()).or_default();
            counter.push((counted.at, counted.amount));
        }
        self.channels.extend(batch.channels.iter().cloned());
        for (follower, next) in &batch.followed {
            let come = self.followers.entry(follower.clone()).or_default();
            *come = (*next).max(*come);
        }
        self.keep_notices(
            &batch.notices,
            batch.head.last_at.unwrap_or(Timestamp::from_micros(0)),
        );
        for done in &batch.delivered {
            self.outbox.remove(done);
        }
        self.head = batch.head.clone();
        Ok(())
    }

    fn rollback(&mut self) {}

    fn scrub(&mut self, _: Duration) -> Result<(), StoreError> {
        // Freed memory is the allocator's; what lay in it was ciphertext.
        Ok(())
    }

    fn reader(&self) -> Result<Option<Box<dyn Reader>>, StoreError> {
        Ok(None)
    }

    fn announce(&mut self, _: BootId) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_gone(&mut self, _: BootId) -> bool {
        false
    }

    fn take_due(
        &mut self,
        channels: &[String],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Due>, StoreError> {
        let ready = self
            .outbox
            .iter_mut()
            .filter(|((_, channel), waiting)| waiting.due <= now && channels.contains(channel));
        Ok(ready
            .map(|((seq, channel), waiting)| {
                let due = Due::new(*seq, waiting.request, channel.clone(), waiting.attempts);
                waiting.due = now.after(lease * (1 << waiting.attempts.min(8)));
                waiting.attempts += 1;
                due
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::ForgetfulStore;

    #[test]
    fn it_keeps_every_promise_but_to_remember() {
        crate::testing::conformance::check(ForgetfulStore::new);
    }
}
