//! Every request there is: open ones whole, closed ones in sixteen bytes and their id.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::opened::Asked;
use crate::id::RequestId;
use crate::ledger::{Hash, Previous};
use crate::lifecycle::{Event, Glass, Phase, RequestState};
use crate::request::Outcome;

/// A request of which more is to come.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) last: Previous,
    pub(super) state: RequestState,
    pub(super) asked: Arc<Asked>,
    /// What the next record must say, when what is on record already leads to it.
    pub(super) expected: Option<Event>,
}

/// How a closed request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum End {
    Denied,
    Expired,
    Cancelled,
    Burned,
    Ended,
    /// It never began as requests do.
    Broken,
}

impl End {
    const ALL: [Self; 6] = [
        Self::Denied,
        Self::Expired,
        Self::Cancelled,
        Self::Burned,
        Self::Ended,
        Self::Broken,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Burned => "burned",
            Self::Ended => "finished",
            Self::Broken => "nothing",
        }
    }

    /// Whether its approval was used.
    pub(super) fn was_used(self) -> bool {
        matches!(self, Self::Burned | Self::Ended)
    }
}

/// A request to which nothing can happen any more: the place of its last record and how it ended,
/// and the first 64 bits of that record's leaf. Enough to see a late record point to the right
/// one, and that nothing is made or used twice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closed {
    place: u64,
    leaf: u64,
}

impl Closed {
    fn new(last: Previous, end: End) -> Self {
        Self {
            // 56 bits of place: more records than a log can have.
            place: last.seq << 8 | end as u64,
            leaf: prefix(&last.leaf),
        }
    }

    pub(super) fn end(self) -> End {
        let tag = usize::try_from(self.place & 0xff).unwrap_or(usize::MAX);
        End::ALL.get(tag).copied().unwrap_or(End::Broken)
    }

    /// Whether a record that points there points to its last one.
    pub(super) fn is_behind(self, previous: Option<Previous>) -> bool {
        previous.is_some_and(|previous| {
            previous.seq == self.place >> 8 && prefix(&previous.leaf) == self.leaf
        })
    }
}

fn prefix(leaf: &Hash) -> u64 {
    leaf.as_bytes()
        .iter()
        .take(8)
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[derive(Debug, Default)]
pub(super) struct Book {
    open: HashMap<RequestId, Box<Open>>,
    /// A tree grows node by node: a table would be copied whole, and be half empty after that.
    closed: BTreeMap<RequestId, Closed>,
}

/// What is known of a request when its next record is read.
pub(super) enum Known {
    New,
    Open(Box<Open>),
    Closed(Closed),
}

impl Book {
    /// Takes a request out; it is put back with [`Book::keep`] or [`Book::close`].
    pub(super) fn take(&mut self, request: RequestId) -> Known {
        if let Some(open) = self.open.remove(&request) {
            return Known::Open(open);
        }
        let closed = self.closed.get(&request);
        closed.map_or(Known::New, |closed| Known::Closed(*closed))
    }

    /// Where a request stands of which more is to come.
    pub(super) fn state(&self, request: RequestId) -> Option<&RequestState> {
        self.open.get(&request).map(|open| &open.state)
    }

    /// Puts a request back, whole while more can happen to it.
    pub(super) fn keep(&mut self, request: RequestId, open: Box<Open>) {
        // A broken glass stays open until it is reviewed, however the run ended.
        let waits = open.expected.is_some() || *open.state.glass() == Glass::Open;
        match end(open.state.phase()).filter(|_| !waits) {
            Some(end) => self.close(request, open.last, end),
            None => {
                self.open.insert(request, open);
            }
        }
    }

    pub(super) fn close(&mut self, request: RequestId, last: Previous, end: End) {
        self.closed.insert(request, Closed::new(last, end));
    }

    /// The requests of which more is to come, by id.
    pub(super) fn open(&self) -> Vec<(RequestId, &Open)> {
        let mut open: Vec<_> = self.open.iter().map(|(id, open)| (*id, &**open)).collect();
        open.sort_by_key(|(id, _)| *id);
        open
    }
}

/// How it ended, when nothing can happen to it any more.
fn end(phase: &Phase) -> Option<End> {
    match phase {
        Phase::Denied { .. } => Some(End::Denied),
        Phase::Expired => Some(End::Expired),
        Phase::Cancelled => Some(End::Cancelled),
        Phase::Burned => Some(End::Burned),
        Phase::Finished(Outcome::Succeeded | Outcome::Failed) => Some(End::Ended),
        Phase::Finished(Outcome::Unknown)
        | Phase::Pending
        | Phase::Approved { .. }
        | Phase::Running(_) => None,
    }
}
