//! Conditions: one path into a proposal, and the tests its value must pass.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use super::calendar::Calendars;
use super::scalar::{Family, Literal, Scalar};
use crate::clock::Timestamp;
use crate::proposal::Proposal;

/// Whether something holds, as far as the proposal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
    /// The value is missing, redacted or of another kind. Counts as yes for what tightens, and as
    /// no for what loosens.
    Unknown,
    /// There was a value, and whoever judges again has not got it: any of the others may be true.
    Undisclosed,
}

impl Holds {
    /// The AND of them all: one sure no decides, then what is not known, the least known first.
    pub(super) fn all(tests: impl IntoIterator<Item = Self>) -> Self {
        let mut answer = Self::Yes;
        for test in tests {
            match (test, answer) {
                (Self::No, _) => return Self::No,
                (Self::Undisclosed, _) | (Self::Unknown, Self::Yes) => answer = test,
                (Self::Unknown | Self::Yes, _) => {}
            }
        }
        answer
    }

    fn from(known: Option<bool>) -> Self {
        match known {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Unknown,
        }
    }
}

/// What conditions look into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation<'a> {
    pub(super) proposal: &'a Proposal,
    pub(super) at: Timestamp,
    pub(super) calendars: &'a Calendars,
    pub(super) undisclosed: &'a Undisclosed,
}

/// The values that were there when the policy was asked, and that whoever judges again has not got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Undisclosed {
    pub(crate) resource: bool,
    pub(crate) params: BTreeSet<String>,
    /// Why the glass was to be broken: whether there were words at all decides.
    pub(crate) break_glass: bool,
}

impl Undisclosed {
    /// Nothing is missing: the policy is asked about a proposal, and not about a record.
    pub(super) const NOTHING: &'static Self = &Self {
        resource: false,
        params: BTreeSet::new(),
        break_glass: false,
    };

    pub(super) fn hides(&self, path: &Path) -> bool {
        match path {
            Path::Resource => self.resource,
            Path::Arg { name, .. } => self.params.contains(name),
            _ => false,
        }
    }
}

/// What a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    Environment,
    Tenant,
    Resource,
    Agent,
    /// The calendars that cover the time.
    Calendar,
    /// Whether the agent breaks the glass.
    BreakGlass,
    /// A parameter, and the members to walk down from there.
    Arg {
        name: String,
        members: Vec<String>,
    },
}

/// One entry of a rule's `when`.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) path: Path,
    /// Never empty, and all of one family.
    pub(super) tests: Vec<Test>,
    /// Where it stands in the policy.
    pub(super) at: usize,
}

/// One operator with what it compares with.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Eq(Literal),
    Ne(Literal),
    In(Vec<Literal>),
    NotIn(Vec<Literal>),
    Gt(Literal),
    Ge(Literal),
    Lt(Literal),
    Le(Literal),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
}

impl Condition {
    pub(super) fn holds(&self, situation: &Situation<'_>) -> Holds {
        if self.path == Path::Calendar {
            return Holds::all(self.tests.iter().map(|test| test.holds_now(situation)));
        }
        if situation.undisclosed.hides(&self.path) {
            return Holds::Undisclosed;
        }
        match self.path.look(situation.proposal) {
            Some(value) => Holds::all(self.tests.iter().map(|test| test.holds(value))),
            None => Holds::Unknown,
        }
    }

    /// When the calendars that it is bound to let go, as far as that is in sight.
    pub(super) fn until(&self, situation: &Situation<'_>) -> Option<Timestamp> {
        let names = self.tests.iter().flat_map(|test| match test {
            Test::Eq(name) => std::slice::from_ref(name),
            Test::In(names) => names,
            _ => &[],
        });
        let calendars = names.filter_map(|name| situation.calendars.get(name.scalar().text()?));
        let covering = calendars.filter(|calendar| calendar.covers(situation.at));
        let ends: Option<Vec<Timestamp>> = covering
            .map(|calendar| calendar.until(situation.at))
            .collect();
        ends?.into_iter().max()
    }

    /// Whether it can hold only for who breaks the glass.
    pub(super) fn breaks_glass(&self) -> bool {
        let whole = Scalar::Bool(false);
        self.path == Path::BreakGlass
            && Holds::all(self.tests.iter().map(|test| test.holds(whole))) == Holds::No
    }

    pub(super) fn family(&self) -> Option<Family> {
        self.tests.iter().find_map(Test::family)
    }

    /// Whether it names what is let through, rather than what is not or how a text is spelled.
    pub(super) fn is_positive(&self) -> bool {
        self.family() == Some(Family::Boolean) || self.tests.iter().any(Test::is_positive)
    }

    /// Whether it lets through every text but some.
    pub(super) fn excludes_texts(&self) -> bool {
        let negative = |test: &Test| matches!(test, Test::Ne(_) | Test::NotIn(_));
        self.family() == Some(Family::Text) && self.tests.iter().any(negative)
    }
}

impl Path {
    /// What kind of value stands there, where that does not depend on the action.
    pub(super) fn family(&self) -> Option<Family> {
        match self {
            Self::Arg { .. } => None,
            Self::BreakGlass => Some(Family::Boolean),
            _ => Some(Family::Text),
        }
    }

    /// Whether it says something of what is asked, and not of when or how.
    pub(super) fn is_of_the_action(&self) -> bool {
        !matches!(self, Self::Calendar | Self::BreakGlass)
    }

    pub(super) fn look<'p>(&self, proposal: &'p Proposal) -> Option<Scalar<'p>> {
        let action = &proposal.action;
        match self {
            Self::Environment => action.environment.as_deref().map(Scalar::Text),
            Self::Tenant => action.tenant.as_deref().map(Scalar::Text),
            Self::Resource => action.resource.as_deref().map(Scalar::Text),
            Self::Agent => Some(Scalar::Text(proposal.requester.agent().as_str())),
            Self::BreakGlass => Some(Scalar::Bool(proposal.break_glass.is_some())),
            Self::Calendar => None,
            Self::Arg { name, members } => {
                let mut value = action.param(name)?;
                for member in members {
                    value = value.as_record()?.get(member)?;
                }
                Scalar::of(value)
            }
        }
    }
}

impl Test {
    /// Whether the calendars that it names cover the time.
    fn holds_now(&self, situation: &Situation<'_>) -> Holds {
        // The loader knows every name; one that is missing all the same can only tighten.
        let covers = |name: &Literal| {
            let calendar = situation.calendars.get(name.scalar().text()?)?;
            Some(calendar.covers(situation.at))
        };
        let any = |names: &[Literal]| {
            let known: Option<Vec<bool>> = names.iter().map(covers).collect();
            known.map(|known| known.contains(&true))
        };
        Holds::from(match self {
            Self::Eq(name) => covers(name),
            Self::Ne(name) => covers(name).map(|covers| !covers),
            Self::In(names) => any(names),
            Self::NotIn(names) => any(names).map(|any| !any),
            _ => None,
        })
    }

    /// Whether it tests for names, one or several.
    pub(super) fn takes_names(&self) -> bool {
        matches!(
            self,
            Self::Eq(_) | Self::Ne(_) | Self::In(_) | Self::NotIn(_)
        )
    }

    /// The texts it compares with.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let literals = match self {
            Self::Eq(literal) | Self::Ne(literal) => std::slice::from_ref(literal),
            Self::In(literals) | Self::NotIn(literals) => literals,
            _ => &[],
        };
        literals
            .iter()
            .filter_map(|literal| literal.scalar().text())
    }

    fn holds(&self, value: Scalar<'_>) -> Holds {
        let compare = |literal: &Literal| value.compare(literal.scalar());
        let is_one_of = |literals: &[Literal]| {
            let mut found = false;
            for literal in literals {
                found |= compare(literal)?.is_eq();
            }
            Some(found)
        };
        Holds::from(match self {
            Self::Eq(literal) => compare(literal).map(Ordering::is_eq),
            Self::Ne(literal) => compare(literal).map(Ordering::is_ne),
            Self::Gt(literal) => compare(literal).map(Ordering::is_gt),
            Self::Ge(literal) => compare(literal).map(Ordering::is_ge),
            Self::Lt(literal) => compare(literal).map(Ordering::is_lt),
            Self::Le(literal) => compare(literal).map(Ordering::is_le),
            Self::In(literals) => is_one_of(literals),
            Self::NotIn(literals) => is_one_of(literals).map(|found| !found),
            Self::StartsWith(part) => value.text().map(|text| text.starts_with(part)),
            Self::EndsWith(part) => value.text().map(|text| text.ends_with(part)),
            Self::Contains(part) => value.text().map(|text| text.contains(part)),
        })
    }

    fn family(&self) -> Option<Family> {
        match self {
            Self::Eq(literal) | Self::Ne(literal) => Some(literal.family()),
            Self::In(literals) | Self::NotIn(literals) => literals.first().map(Literal::family),
            Self::Gt(_) | Self::Ge(_) | Self::Lt(_) | Self::Le(_) => Some(Family::Number),
            Self::StartsWith(_) | Self::EndsWith(_) | Self::Contains(_) => Some(Family::Text),
        }
    }

    /// Whether all that it compares with is of this family.
    pub(super) fn is_of(&self, family: Family) -> bool {
        match self {
            Self::In(literals) | Self::NotIn(literals) => {
                literals.iter().all(|literal| literal.family() == family)
            }
            _ => self.family() == Some(family),
        }
    }

    fn is_positive(&self) -> bool {
        use Test::{Eq, Ge, Gt, In, Le, Lt};
        matches!(self, Eq(_) | In(_) | Gt(_) | Ge(_) | Lt(_) | Le(_))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("env"),
            Self::Tenant => f.write_str("tenant"),
            Self::Resource => f.write_str("resource"),
            Self::Agent => f.write_str("agent"),
            Self::Calendar => f.write_str("calendar"),
            Self::BreakGlass => f.write_str("break_glass"),
            Self::Arg { name, members } => {
                write!(f, "args.{name}")?;
                members.iter().try_for_each(|member| write!(f, ".{member}"))
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, test) in self.tests.iter().enumerate() {
            let and = if place > 0 { " and " } else { "" };
            write!(f, "{and}{} {test}", self.path)?;
        }
        Ok(())
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |literals: &[Literal]| {
            let texts: Vec<String> = literals.iter().map(Literal::to_string).collect();
            texts.join(", ")
        };
        match self {
            Self::Eq(literal) => write!(f, "= {literal}"),
            Self::Ne(literal) => write!(f, "!= {literal}"),
            Self::Gt(literal) => write!(f, "> {literal}"),
            Self::Ge(literal) => write!(f, ">= {literal}"),
            Self::Lt(literal) => write!(f, "< {literal}"),
            Self::Le(literal) => write!(f, "<= {literal}"),
            Self::In(literals) => write!(f, "in [{}]", list(literals)),
            Self::NotIn(literals) => write!(f, "not in [{}]", list(literals)),
            Self::StartsWith(part) => write!(f, "starts with \"{}\"", part.escape_default()),
            Self::EndsWith(part) => write!(f, "ends with \"{}\"", part.escape_default()),
            Self::Contains(part) => write!(f, "contains \"{}\"", part.escape_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sure_no_decides_in_any_order() {
        use Holds::{No, Undisclosed, Unknown, Yes};
        let check = |tests: &[Holds], want: Holds| {
            assert_eq!(Holds::all(tests.iter().copied()), want, "{tests:?}");
        };
        check(&[], Yes);
        check(&[Yes, Yes], Yes);
        check(&[Yes, Unknown], Unknown);
        check(&[Unknown, Yes], Unknown);
        check(&[No, Unknown], No);
        check(&[Unknown, No], No);
        check(&[No, Yes], No);
        check(&[Yes, No, Unknown], No);
        check(&[Yes, Undisclosed, Unknown], Undisclosed);
        check(&[Unknown, Undisclosed, Yes], Undisclosed);
        check(&[Undisclosed, No], No);
    }
}
