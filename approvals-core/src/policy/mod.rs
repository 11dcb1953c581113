//! Policy: what an action takes. Requirements in TOML, not a language.
//!
//! Evaluation is pure: deny, then require (all that match, together), then auto, then the
//! default, which requires a human.
//!
//! ```toml
//! version = 1
//! default = { require = [{ group = "oncall" }], ttl = "15m", use_within = "15m" }
//!
//! [[rule]]
//! id = "big-scale"
//! scope = "k8s.scale"
//! when = { "args.replicas" = { gt = 10 } }
//! require = [{ group = "sre", n = 2, min_assurance = "A3" }]
//!
//! [[rule]]
//! id = "ro"
//! scope = "db.query"
//! when = { "args.table" = { in = ["metrics", "events"] } }
//! effect = "auto"
//! rate = "30/h/agent"
//!
//! [[rule]]
//! id = "never"
//! scope = "iam.*"
//! effect = "deny"
//! ```
//!
//! A rule carries `require`, `effect = "deny"` or `effect = "auto"`. Its `when` tests `env`,
//! `tenant`, `resource`, `agent` and `args.NAME` (or a member: `args.NAME.MEMBER`) against a value
//! or against operators, all of which must hold: `eq ne in not_in gt ge lt le starts_with
//! ends_with contains`. Comparison is exact: case counts, nothing is trimmed, no number is rounded.
//!
//! # Ceilings
//!
//! `rate = "30/h/agent"` on an `auto` rule says how often it lets something through, and
//! `budget = { arg = "args.replicas", max = 50, per = "d", by = "agent" }` how much: a whole number
//! of the arguments, summed over a sliding window. Past either, people are asked. What is no whole
//! number from zero on is for people, too, so that ten calls for nine replicas are no way around a
//! rule about more than ten.
//!
//! # Calendars
//!
//! ```toml
//! [calendar.freeze]
//! windows = [{ from = "2026-12-20T00:00:00Z", to = "2027-01-03T00:00:00Z" }]
//! weekly = [{ days = ["fri"], from = "16:00", to = "24:00", utc_offset = "+01:00" }]
//!
//! [[rule]]
//! id = "freeze"
//! scope = "*"
//! when = { env = "prod", calendar = "freeze" }
//! effect = "deny"
//! ```
//!
//! `calendar` tests whether a calendar covers the time: `"freeze"`, or `eq`, `ne`, `in`, `not_in`
//! with names. A window's end is the first moment after it; a weekly window whose `to` is not
//! after `from` ends on the next day. Weekly windows are cut from days at a fixed distance to UTC,
//! and no time-zone database is asked: an auditor's replay, years later and on any machine, must
//! find the same answer. Rules are looked at when something is asked and again when an approval is
//! used, so that a freeze that began in between holds. What every rule behind a no leaves to a
//! calendar is `Frozen`; any other no of a rule is `PolicyDenied`.
//!
//! # Escalation
//!
//! `escalate = [{ after = "10m", groups = ["managers"] }]`, beside `require` in a rule or in the
//! default: when nobody has decided that long after the ask, members of these groups may also fill
//! the seats. Nothing else changes: as many people, as well proven, all of them distinct, none of
//! them a requester. Where several rules ask for one group, only the groups that all of them let in
//! may stand in for it, after the longest wait.
//!
//! # Break-glass
//!
//! `break_glass = false` in a rule's `when` keeps the rule from whoever breaks the glass
//! ([`Agent::break_glass`](crate::Agent::break_glass)); a rule without that condition holds for
//! everybody. Nobody can break it for a scope for which no rule has the condition. Whoever breaks
//! it needs people in any case, each with a signature of their own key (`A3`). Every use is
//! recorded and told to all channels, and stays open until somebody who had no part in it signs
//! `approvals review`; until then the same agent cannot break it again.
//!
//! # Replacing the policy
//!
//! `change = { require = [{ group = "security", n = 2 }], ttl = "4h" }` says who must approve that
//! another policy takes this one's place, of the scope `approvals.policy.change`
//! ([`Gate::propose_policy`](crate::Gate::propose_policy)). Rules for that scope can ask more people
//! and never fewer. Without `change`, the next policy needs a higher version and nothing else.
//!
//! Trusted: who can modify the policy file can let anything run, so it belongs to an operator and
//! never to the agent's user.

mod budget;
mod calendar;
mod cases;
mod compare;
mod condition;
mod diff;
pub(crate) mod document;
mod engine;
mod evaluate;
mod explain;
mod floor;
mod load;
mod memory;
mod merge;
mod model;
mod name;
mod quorum;
mod rate;
mod rates;
mod recorded;
mod replay;
mod requirement;
mod scalar;
#[cfg(test)]
mod tests;
mod tighten;
mod words;

pub use cases::{Case, Cases, Expected};
pub use compare::Strictness;
pub(crate) use condition::Undisclosed;
pub(crate) use diff::{apply, diff};
pub use document::Finding;
pub use engine::{Answer, EngineError, Judged, Opinion, PolicyEngine, WantedEngine};
pub use explain::{ConditionTrace, Explanation, Match, RuleTrace, Seen};
pub use floor::{ERASE, ERASE_NEEDS, POLICY_CHANGE};
pub use load::PolicyError;
pub use memory::Memory;
pub use model::{Policy, RuleSummary};
pub use name::PolicyName;
pub use quorum::{InvalidQuorum, Quorum};
pub use rate::duration;
pub(crate) use rates::Rates;
pub use recorded::Recorded;
pub use requirement::{
    Allowance, Ceiling, Evaluation, Forbidden, Freeze, Requirement, ZeroApprovals,
};
