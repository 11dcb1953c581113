//! Reads who must approve that another policy takes the place of this one.

use super::requirement::DEFAULT_KEYS;
use super::rule::Loader;
use crate::policy::document::{Findings, Section};
use crate::policy::floor::POLICY_CHANGE;
use crate::policy::model::{Effect, Rule};
use crate::policy::requirement::Requirement;
use crate::scope::Scope;

const KEY: &str = "change";

impl Loader<'_> {
    /// Whom `change` names, when it is there; the outer none is a finding.
    pub(super) fn change(&mut self, file: Section<'_, '_>) -> Option<Option<Requirement>> {
        let Some(item) = file.get(KEY) else {
            return Some(None);
        };
        let section = item.section(DEFAULT_KEYS, self.findings)?;
        let (requirement, _) = self.requirement(section, self.times, Vec::new());
        requirement.map(Some)
    }
}

/// Refuses a policy that asks people about its replacement, and a rule of which forbids that for
/// ever: it could never be mended.
pub(super) fn replaceable(file: Section<'_, '_>, rules: &[Rule], findings: &mut Findings) {
    let (Some(item), Ok(scope)) = (file.get(KEY), POLICY_CHANGE.parse::<Scope>()) else {
        return;
    };
    let forbids = |rule: &&Rule| {
        matches!(rule.effect, Effect::Deny) && rule.when.is_empty() && rule.scope.matches(&scope)
    };
    if let Some(rule) = rules.iter().find(forbids) {
        let message = format!(
            "nobody could ever replace this policy: rule `{}` forbids `{POLICY_CHANGE}` for good; give it a narrower scope",
            rule.id
        );
        findings.add(item.at, message);
    }
}
