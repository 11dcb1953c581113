//! Quorums: so many people of one group, and who else may stand in when nobody decides.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rate::span;
use crate::id::GroupName;
use crate::principal::Assurance;

pub use text::InvalidQuorum;

/// So many people of one group, each proven at least so well.
///
/// Waiting never makes it smaller: after a time that the policy names, people of more groups may
/// fill its seats, and as many of them are needed, as well proven, none of them a requester.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Quorum {
    /// The group.
    pub group: GroupName,
    /// How many people of it.
    pub need: NonZeroU8,
    /// How well each identity must be proven.
    pub assurance: Assurance,
    /// The groups that may fill its seats too, each this many seconds after the ask.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    also: BTreeMap<GroupName, u64>,
}

impl Quorum {
    /// `need` people of `group`, proven at least at `assurance`.
    #[must_use]
    pub fn new(group: GroupName, need: NonZeroU8, assurance: Assurance) -> Self {
        Self {
            group,
            need,
            assurance,
            also: BTreeMap::new(),
        }
    }

    /// The same quorum, whose seats members of `group` may fill too, that long after the ask.
    ///
    /// The time is whole seconds; a fraction counts as one more.
    #[must_use]
    pub fn widened(mut self, group: GroupName, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        if group != self.group {
            let have = self.also.entry(group).or_insert(seconds);
            *have = (*have).min(seconds);
        }
        self
    }

    /// Whether somebody in these groups may fill a seat, once people have waited that long.
    #[must_use]
    pub fn is_open_to(&self, groups: &BTreeSet<GroupName>, waited: Duration) -> bool {
        self.opens_to(groups).is_some_and(|after| after <= waited)
    }

    /// How long after the ask somebody in these groups may fill a seat; none when never.
    #[must_use]
    pub fn opens_to(&self, groups: &BTreeSet<GroupName>) -> Option<Duration> {
        if groups.contains(&self.group) {
            return Some(Duration::ZERO);
        }
        let open = self
            .also
            .iter()
            .filter(|(group, _)| groups.contains(*group));
        open.map(|(_, after)| Duration::from_secs(*after)).min()
    }

    /// The other groups that may fill its seats, each with how long after the ask it may.
    pub fn others(&self) -> impl Iterator<Item = (&GroupName, Duration)> {
        let others = self.also.iter();
        others.map(|(group, after)| (group, Duration::from_secs(*after)))
    }

    /// What fills both of two quorums of one group: the larger number, the higher assurance, and
    /// only the other groups that both let in, at the later time.
    pub(super) fn and(&self, other: &Self) -> Self {
        let both = self.also.iter().filter_map(|(group, after)| {
            let theirs = other.also.get(group)?;
            Some((group.clone(), *after.max(theirs)))
        });
        Self {
            group: self.group.clone(),
            need: self.need.max(other.need),
            assurance: self.assurance.max(other.assurance),
            also: both.collect(),
        }
    }

    /// Whether whoever fills this one fills the other one, too, whenever that is.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let later = |(group, after): (&GroupName, &u64)| {
            other.also.get(group).is_some_and(|theirs| theirs <= after)
        };
        self.group == other.group
            && self.need >= other.need
            && self.assurance >= other.assurance
            && self.also.iter().all(later)
    }

    /// The whole of it for people: `2 of sre or managers after 10m (A3)`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let others = self.others();
        let others: String = others
            .map(|(group, after)| format!(" or {group} after {}", span(after)))
            .collect();
        format!(
            "{} of {}{others} ({})",
            self.need, self.group, self.assurance
        )
    }
}
