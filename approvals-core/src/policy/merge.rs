//! The strictest of two requirements.

use std::collections::BTreeSet;

use super::requirement::Requirement;

impl Requirement {
    /// What meets both requirements: per group the larger number and the higher assurance, the
    /// shorter of each time, and of the groups that may stand in after a while only those that both
    /// name, after the longer wait. Never weaker than either.
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
        // Two quorums of one group become the one that fills both.
        let quorums = self.quorums().iter().chain(other.quorums()).cloned();
        let rules: BTreeSet<_> = self.rules().iter().chain(other.rules()).cloned().collect();
        let merged = Self::new(
            quorums.collect(),
            self.decide_within().min(other.decide_within()),
            self.use_within().min(other.use_within()),
            rules.into_iter().collect(),
        );
        // INVARIANT: both have a quorum, so the merged one has too and the fallback is never taken.
        merged.unwrap_or_else(|_| self.clone())
    }
}
