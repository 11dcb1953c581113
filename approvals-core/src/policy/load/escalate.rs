//! Reads who else may decide when nobody has for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use super::rule::Loader;
use crate::id::GroupName;
use crate::policy::document::{Item, Section};

/// One more group, from this time after the ask on.
pub(super) type Widening = (GroupName, Duration);

impl Loader<'_> {
    /// The groups that may fill the seats of a rule's quorums after a while; none without the key.
    pub(super) fn escalate(
        &mut self,
        section: Section<'_, '_>,
        decide_within: Duration,
    ) -> Option<Vec<Widening>> {
        let Some(item) = section.get("escalate") else {
            return Some(Vec::new());
        };
        let steps = item.list(self.findings)?;
        if steps.is_empty() || steps.len() > MAX_STEPS {
            let message = format!(
                "`escalate` has {} steps; write 1 to {MAX_STEPS}, as in {EXAMPLE}",
                steps.len()
            );
            self.findings.add(item.at, message);
            return None;
        }
        let read: Vec<Option<Vec<Widening>>> = steps
            .into_iter()
            .map(|step| self.step(step, decide_within))
            .collect();
        let read: Option<Vec<_>> = read.into_iter().collect();
        let all: Vec<Widening> = read?.into_iter().flatten().collect();
        let mut seen = BTreeSet::new();
        if let Some((twice, _)) = all.iter().find(|(group, _)| !seen.insert(group)) {
            let message =
                format!("`{twice}` stands twice in `escalate`; name it at the first time only");
            self.findings.add(item.at, message);
            return None;
        }
        Some(all)
    }

    fn step(&mut self, step: Item<'_, '_>, decide_within: Duration) -> Option<Vec<Widening>> {
        let section = step.section(KEYS, self.findings)?;
        let after = section
            .need("after", EXAMPLE, self.findings)
            .and_then(|_| self.time(section, "after"));
        let groups = section
            .need("groups", EXAMPLE, self.findings)
            .and_then(|item| self.step_groups(item));
        let (after, groups) = (after?, groups?);
        if after >= decide_within {
            let message =
                "nobody can decide any more at that time; `after` must be shorter than `ttl`";
            self.findings.add(step.at, message);
            return None;
        }
        Some(groups.into_iter().map(|group| (group, after)).collect())
    }

    fn step_groups(&mut self, item: Item<'_, '_>) -> Option<Vec<GroupName>> {
        let entries = item.list(self.findings)?;
        if entries.is_empty() || entries.len() > MAX_GROUPS {
            return item.refuse(
                self.findings,
                &format!("a list of 1 to {MAX_GROUPS} groups, as in [\"managers\"]"),
            );
        }
        let read: Vec<Option<GroupName>> =
            entries.into_iter().map(|entry| self.group(entry)).collect();
        read.into_iter().collect()
    }
}

const KEYS: &[&str] = &["after", "groups"];
const EXAMPLE: &str = "`escalate = [{ after = \"10m\", groups = [\"managers\"] }]`";
const MAX_STEPS: usize = 8;
const MAX_GROUPS: usize = 16;
