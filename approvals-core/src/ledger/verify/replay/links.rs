//! Whose account was whose, by the log and by the auditor's own people file.

use std::collections::HashMap;

use crate::directory::{People, local_identity};
use crate::id::PersonId;
use crate::ledger::LogEvent;
use crate::ledger::verify::findings::{Findings, Place};
use crate::ledger::verify::report::Link;
use crate::ledger::verify::rule::Rule;

/// How many links a report lists.
const LISTED: usize = 10_000;

#[derive(Debug, Default)]
pub(in crate::ledger::verify) struct Links {
    by_identity: HashMap<String, PersonId>,
    /// The auditor's own; none when there is none to compare with.
    people: Option<HashMap<String, PersonId>>,
    listed: Vec<Link>,
}

impl Links {
    pub(in crate::ledger::verify) fn compare_with(&mut self, people: &People) {
        let accounts = people.people().flat_map(|person| {
            let local = local_identity(&person.id).ok();
            let identities = person.identities.iter().cloned().chain(local);
            identities.map(|identity| (identity.to_string(), person.id.clone()))
        });
        self.people = Some(accounts.collect());
    }

    pub(super) fn look(&mut self, event: &LogEvent, place: Place, findings: &mut Findings) {
        let LogEvent::IdentityLinked { person, identity } = event else {
            return;
        };
        if let Some(people) = &self.people
            && people.get(identity) != Some(person)
        {
            let clipped = crate::canonical::clip(identity);
            let message = match people.get(identity) {
                None => format!(
                    "`{clipped}` was taken for `{person}`'s account, and your people file does not know it"
                ),
                Some(other) => format!(
                    "`{clipped}` was taken for `{person}`'s account, and your people file says it is `{other}`'s"
                ),
            };
            findings.add(Rule::People, place, message);
        }
        self.by_identity.insert(identity.clone(), person.clone());
        if self.listed.len() < LISTED {
            self.listed.push(Link {
                seq: place.seq.unwrap_or_default(),
                person: person.clone(),
                identity: identity.clone(),
            });
        }
    }

    /// Whether an account was linked to the person for whom it speaks, before it spoke.
    pub(super) fn check(&self, identity: &str, person: &PersonId) -> Result<(), String> {
        let clipped = crate::canonical::clip(identity);
        match self.by_identity.get(identity) {
            Some(linked) if linked == person => Ok(()),
            Some(other) => Err(format!(
                "`{clipped}` is linked to `{other}`, and the vote is `{person}`'s"
            )),
            None => Err(format!(
                "`{clipped}` is linked to nobody by a record in front of it"
            )),
        }
    }

    pub(super) fn into_listed(self) -> Vec<Link> {
        self.listed
    }
}
