//! The policy in force, read from the log.

use super::changed::{Changing, judge};
use crate::digest::PolicyDigest;
use crate::ledger::verify::findings::{Findings, Place};
use crate::ledger::verify::rule::Rule;
use crate::ledger::{LogEvent, PolicyTexts};
use crate::policy::Policy;
use crate::request::PolicyRef;

#[derive(Debug, Default)]
pub(super) struct Policies {
    texts: PolicyTexts,
    last: Option<(u64, PolicyDigest)>,
    /// None while there is none, or none that can be judged by.
    pub(super) in_force: Option<Policy>,
    /// What the record in front of this one says of who approved the policy that follows.
    pub(super) changing: Option<Changing>,
}

impl Policies {
    pub(super) fn look(&mut self, event: &LogEvent, place: Place, findings: &mut Findings) {
        let text = self.texts.look(event);
        let LogEvent::PolicyLoaded {
            version, digest, ..
        } = event
        else {
            return;
        };
        let (changing, old) = (self.changing.take(), self.in_force.take());
        if self.last.is_some_and(|(last, _)| *version <= last) {
            let message = format!("policy version {version} came into force after a higher one");
            findings.add(Rule::PolicyVersion, place, message);
        }
        let last = self.last.replace((*version, *digest));
        let read = match text {
            Some(Ok(text)) => Policy::on_record(&text).map_err(|error| error.to_string()),
            Some(Err(other)) => Err(other.to_string()),
            None => Err("there is no text".to_owned()),
        };
        match read {
            Ok(policy) if policy.version() == *version => {
                let judged = judge(last, old, changing, &policy);
                if let Err(message) = judged {
                    findings.add(Rule::PolicyChange, place, message);
                }
                self.in_force = Some(policy);
            }
            Ok(policy) => {
                let own = policy.version();
                let message = format!("the text on record is of version {own}, not {version}");
                findings.add(Rule::PolicyText, place, message);
            }
            Err(why) => {
                let why = why.lines().next().unwrap_or_default();
                let message = format!("policy version {version} cannot be judged by: {why}");
                findings.add(Rule::PolicyText, place, message);
            }
        }
    }

    /// The policy that a request names, when it was in force; none when it was and cannot be
    /// judged by, which is a finding of its own.
    pub(super) fn named(&self, by: &PolicyRef) -> Result<Option<&Policy>, String> {
        match self.last {
            Some(last) if last == (by.version, by.digest) => Ok(self.in_force.as_ref()),
            Some((version, digest)) => Err(format!(
                "it was asked under policy version {} ({}), and version {version} ({}) was in force",
                by.version,
                by.digest.short(),
                digest.short()
            )),
            None => Err("it was asked while no policy was in force".to_owned()),
        }
    }

    /// The policy in force now.
    pub(super) fn in_force(&self) -> Option<&Policy> {
        self.in_force.as_ref()
    }
}
