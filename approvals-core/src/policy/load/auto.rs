//! Refuses `auto` rules that let through more than they name.

use crate::canonical::clip;
use crate::policy::condition::Condition;
use crate::policy::document::Findings;
use crate::policy::model::{Effect, Rule};

/// An `auto` rule must say what it lets through. Excluding some texts lets through every other
/// spelling (`not_in = ["users"]` does not hold back `Users`), and a part of a text can stand in
/// texts nobody thought of.
pub(super) fn check(rule: &Rule, at: usize, findings: &mut Findings) {
    if !matches!(rule.effect, Effect::Auto(_)) {
        return;
    }
    if let Some(condition) = rule.when.iter().find(|condition| condition.breaks_glass()) {
        let message = "people decide on every broken glass, so that `auto` never lets one through; remove the condition, or the rule";
        findings.add(condition.at, message);
    }
    // A time says when something may pass, and nothing of what it is.
    let of_values = |condition: &&Condition| condition.path.is_of_the_action();
    let when: Vec<&Condition> = rule.when.iter().filter(of_values).collect();
    if when.is_empty() {
        if rule.scope.as_str().ends_with('*') {
            findings.add(
                at,
                format!(
                    "`auto` without a condition would let through everything under `{}`; name one exact scope, or add `when`",
                    rule.scope
                ),
            );
        }
        return;
    }
    for condition in &when {
        if condition.excludes_texts() && !condition.is_positive() {
            findings.add(
                condition.at,
                format!(
                    "`auto` must not rest on `ne` or `not_in` for the text `{}`, which lets through every other spelling; list what may pass with `in`",
                    clip(&condition.path.to_string())
                ),
            );
        }
    }
    if !when.iter().any(|condition| condition.is_positive()) {
        findings.add(
            at,
            "`auto` needs a condition that names what may pass: `eq`, `in`, a number's bound or a boolean; the part of a text is not enough",
        );
    }
}
