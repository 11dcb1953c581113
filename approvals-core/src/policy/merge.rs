//! The strictest of two requirements.

use std::collections::{BTreeMap, BTreeSet};

use super::requirement::{Quorum, Requirement};

impl Requirement {
    /// What meets both requirements: per group the larger number and the higher assurance, and
    /// the shorter of each time. Never weaker than either.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use approvals_core::Assurance;
    /// use approvals_core::policy::{Quorum, Requirement};
    ///
    /// let of = |group: &str, need: u8, minutes: u64| {
    ///     let quorum = Quorum::new(group.parse().unwrap(), need.try_into().unwrap(), Assurance::A1);
    ///     let time = Duration::from_secs(60 * minutes);
    ///     Requirement::new(vec![quorum], time, time, vec![]).unwrap()
    /// };
    /// let both = of("sre", 2, 30).merge(&of("security", 1, 5));
    /// assert_eq!(both.quorums().len(), 2);
    /// assert_eq!(both.decide_within(), Duration::from_secs(300));
    /// ```
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let mut strictest = BTreeMap::new();
        for quorum in self.quorums().iter().chain(other.quorums()) {
            let have = strictest
                .entry(quorum.group.clone())
                .or_insert((quorum.need, quorum.assurance));
            *have = (have.0.max(quorum.need), have.1.max(quorum.assurance));
        }
        let quorums = strictest
            .into_iter()
            .map(|(group, (need, assurance))| Quorum::new(group, need, assurance))
            .collect();
        let rules: BTreeSet<_> = self.rules().iter().chain(other.rules()).cloned().collect();
        let merged = Self::new(
            quorums,
            self.decide_within().min(other.decide_within()),
            self.use_within().min(other.use_within()),
            rules.into_iter().collect(),
        );
        // INVARIANT: both have a quorum, so the merged one has too and the fallback is never taken.
        merged.unwrap_or_else(|_| self.clone())
    }
}
