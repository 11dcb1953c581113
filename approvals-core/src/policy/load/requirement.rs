//! Reads what it takes: quorums and times.

use std::num::NonZeroU8;
use std::time::Duration;

use super::escalate::Widening;
use super::rule::Loader;
use crate::id::RuleId;
use crate::policy::document::{Item, Section, quoted};
use crate::policy::quorum::Quorum;
use crate::policy::rate::duration;
use crate::policy::requirement::Requirement;
use crate::principal::Assurance;

/// How long people may take to decide, and how long an approval may wait to be used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    decide: Duration,
    usable: Duration,
}

impl Times {
    /// For a policy whose default names none.
    pub(super) const USUAL: Self = Self {
        decide: Duration::from_secs(15 * 60),
        usable: Duration::from_secs(15 * 60),
    };
}

impl Loader<'_> {
    /// The policy's default; its times become the usual ones for every rule.
    pub(super) fn default(&mut self, file: Section<'_, '_>) -> Option<Requirement> {
        let example = "`default = { require = [{ group = \"oncall\", n = 1 }], ttl = \"15m\" }`: a scope that no rule matches still needs a human";
        let item = file.need("default", example, self.findings)?;
        let section = item.section(DEFAULT_KEYS, self.findings)?;
        let (requirement, times) = self.requirement(section, Times::USUAL, Vec::new());
        self.times = times;
        requirement
    }

    pub(super) fn requirement(
        &mut self,
        section: Section<'_, '_>,
        usual: Times,
        rules: Vec<RuleId>,
    ) -> (Option<Requirement>, Times) {
        let times = Times {
            decide: self.time(section, "ttl").unwrap_or(usual.decide),
            usable: self.time(section, "use_within").unwrap_or(usual.usable),
        };
        let quorums = self.quorums(section);
        let widenings = self.escalate(section, times.decide);
        // The loader has told apart a list without entries already.
        let requirement = quorums.zip(widenings).and_then(|(quorums, widenings)| {
            let quorums = quorums
                .into_iter()
                .map(|quorum| widened(quorum, &widenings));
            Requirement::new(quorums.collect(), times.decide, times.usable, rules).ok()
        });
        (requirement, times)
    }

    pub(super) fn time(&mut self, section: Section<'_, '_>, key: &'static str) -> Option<Duration> {
        let item = section.get(key)?;
        let time = duration(item.text(self.findings)?);
        if time.is_none() {
            let message = format!(
                "`{key}` must be a time from \"1s\" to \"30d\", as in \"90s\", \"15m\", \"2h\" or \"1d\""
            );
            self.findings.add(item.at, message);
        }
        time
    }

    fn quorums(&mut self, section: Section<'_, '_>) -> Option<Vec<Quorum>> {
        let example = "`require = [{ group = \"oncall\", n = 1 }]`";
        let item = section.need("require", example, self.findings)?;
        let entries = item.list(self.findings)?;
        if entries.len() > MAX_QUORUMS {
            let message = format!("`require` has more than {MAX_QUORUMS} entries; split the rule");
            self.findings.add(item.at, message);
            return None;
        }
        if entries.is_empty() {
            let message = format!("`require` names nobody; write {example}");
            self.findings.add(item.at, message);
            return None;
        }
        let mut quorums: Vec<Quorum> = Vec::with_capacity(entries.len());
        let read: Vec<_> = entries
            .into_iter()
            .map(|entry| (entry, self.quorum(entry)))
            .collect();
        for (entry, quorum) in read {
            let quorum = quorum?;
            if quorums.iter().any(|have| have.group == quorum.group) {
                let message = format!(
                    "`{}` stands twice; write one entry with the number of people and the assurance it takes in all",
                    quorum.group
                );
                self.findings.add(entry.at, message);
            }
            quorums.push(quorum);
        }
        Some(quorums)
    }

    fn quorum(&mut self, entry: Item<'_, '_>) -> Option<Quorum> {
        let section = entry.section(QUORUM_KEYS, self.findings)?;
        let group = section
            .need("group", "`group = \"oncall\"`", self.findings)
            .and_then(|item| self.group(item));
        let need = match section.get("n") {
            Some(item) => item
                .integer(1, 255, self.findings)
                .and_then(|number| u8::try_from(number).ok())
                .and_then(NonZeroU8::new),
            None => Some(NonZeroU8::MIN),
        };
        let assurance = match section.get("min_assurance") {
            Some(item) => self.assurance(item),
            None => Some(Assurance::A1),
        };
        Some(Quorum::new(group?, need?, assurance?))
    }

    pub(super) fn group(&mut self, item: Item<'_, '_>) -> Option<crate::id::GroupName> {
        let group = item.parsed(self.findings)?;
        let Some(groups) = self.groups.filter(|groups| !groups.contains(&group)) else {
            return Some(group);
        };
        let known = quoted(groups.iter().take(SHOWN).map(|group| group.as_str()));
        let message = format!("`{group}` is not a group of the directory; it knows {known}");
        self.findings.add(item.at, message);
        None
    }

    fn assurance(&mut self, item: Item<'_, '_>) -> Option<Assurance> {
        match item.text(self.findings)? {
            "A1" => Some(Assurance::A1),
            "A2" => Some(Assurance::A2),
            "A3" => Some(Assurance::A3),
            _ => item.refuse(
                self.findings,
                "\"A1\" (a chat service vouches), \"A2\" (a fresh login) or \"A3\" (the person's own signature)",
            ),
        }
    }
}

fn widened(quorum: Quorum, widenings: &[Widening]) -> Quorum {
    widenings.iter().fold(quorum, |quorum, (group, after)| {
        quorum.widened(group.clone(), *after)
    })
}

pub(super) const DEFAULT_KEYS: &[&str] = &["require", "escalate", "ttl", "use_within"];
const QUORUM_KEYS: &[&str] = &["group", "n", "min_assurance"];
const MAX_QUORUMS: usize = 64;
/// How many known names a message lists.
const SHOWN: usize = 20;
