//! What the pages show of a request; every text of others is a [`Literal`].

use std::collections::{BTreeMap, BTreeSet};

use approvals_core::card::Fact;
use approvals_core::lifecycle::{Glass, RequestState, Reviewed};
use approvals_core::ports::RequestRow;
use approvals_core::text::minute;
use approvals_core::{Assurance, Card, PersonId, Status, Timestamp, Vote};

use super::html::Literal;
use crate::login::Session;

/// What stands around every page.
pub(super) struct Frame {
    pub(super) place: &'static str,
    pub(super) person: String,
    pub(super) name: Literal,
    pub(super) how: &'static str,
    pub(super) assurance: Assurance,
    pub(super) csrf: String,
}

impl Frame {
    pub(super) fn of(place: &'static str, session: &Session, name: Option<&str>) -> Self {
        Self {
            place,
            person: session.person.to_string(),
            name: Literal::of(name.unwrap_or(session.person.as_str())),
            how: session.how(),
            assurance: session.assurance(),
            csrf: session.csrf.clone(),
        }
    }

    /// Marks the place in the navigation that is open.
    fn here(&self, place: &str) -> &'static str {
        if self.place == place { "page" } else { "false" }
    }

    pub(super) fn nav(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        [
            ("/inbox", "Pending"),
            ("/inbox/history", "History"),
            ("/inbox/verify", "Verify"),
            ("/inbox/passkey", "Passkey"),
        ]
        .map(|(path, name)| (path, name, self.here(path)))
        .to_vec()
    }
}

/// One line of a list.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) scope: String,
    pub(super) agent: String,
    pub(super) status: &'static str,
    pub(super) asked: String,
    pub(super) due: Option<Moment>,
    pub(super) needs: Vec<Needs>,
}

impl Line {
    pub(super) fn of(row: &RequestRow, needs: Vec<Needs>, now: Timestamp) -> Self {
        let due = row.deadline.filter(|_| row.status == Status::Pending);
        Self {
            id: row.id.to_string(),
            scope: row.scope.to_string(),
            agent: row.agent.to_string(),
            status: row.status.as_str(),
            asked: minute(row.created_at),
            due: due.map(|due| Moment::of(due, now)),
            needs,
        }
    }
}

/// A time, and how far off it is.
pub(super) struct Moment {
    pub(super) at: String,
    pub(super) iso: String,
    pub(super) left: String,
    pub(super) soon: bool,
}

impl Moment {
    pub(super) fn of(at: Timestamp, now: Timestamp) -> Self {
        let left = at.since(now).as_secs();
        let left_words = match left {
            0 => "now".to_owned(),
            1..60 => format!("{left} s"),
            60..7_200 => format!("{} min", left.div_ceil(60)),
            7_200..172_800 => format!("{} h", left / 3_600),
            _ => format!("{} days", left / 86_400),
        };
        Self {
            at: minute(at),
            iso: at.to_string(),
            left: left_words,
            soon: left < 120,
        }
    }
}

/// One quorum and who counts towards it.
#[derive(Clone)]
pub(super) struct Needs {
    pub(super) who: String,
    pub(super) need: u8,
    pub(super) have: Vec<String>,
    pub(super) later: Vec<(String, String)>,
    pub(super) assurance: Option<&'static str>,
}

/// What it takes, quorum by quorum.
pub(super) fn needs(state: &RequestState) -> Vec<Needs> {
    let progress = state.progress();
    progress
        .iter()
        .map(|progress| Needs {
            who: progress.who(),
            need: progress.need,
            have: progress.have.iter().map(ToString::to_string).collect(),
            later: progress
                .later
                .iter()
                .map(|(group, from)| (group.to_string(), minute(*from)))
                .collect(),
            assurance: match progress.assurance {
                Assurance::A1 => None,
                Assurance::A2 => Some("a fresh login"),
                Assurance::A3 => Some("their own key"),
            },
        })
        .collect()
}

/// One parameter as it is shown.
pub(super) struct Param {
    pub(super) name: Literal,
    pub(super) value: Value,
    pub(super) change: Change,
}

/// The value of a parameter, or why there is none to see.
pub(super) enum Value {
    Shown(Literal, usize),
    Redacted,
    Erased(String),
}

/// Against the last approved request of the same scope.
pub(super) enum Change {
    /// There is nothing to compare with.
    Unknown,
    Same,
    New,
    Was(Literal),
}

/// One request, whole.
pub(super) struct Whole {
    pub(super) id: String,
    pub(super) scope: String,
    pub(super) function: Literal,
    pub(super) status: &'static str,
    pub(super) pending: bool,
    pub(super) stoppable: bool,
    pub(super) facts: Vec<(&'static str, Literal)>,
    pub(super) params: Vec<Param>,
    pub(super) not_covered: Vec<Literal>,
    pub(super) claims: Vec<(&'static str, Literal)>,
    pub(super) break_glass: Option<Literal>,
    pub(super) glass: Option<String>,
    pub(super) warnings: Vec<(Literal, String)>,
    pub(super) digest: String,
    pub(super) policy: String,
    pub(super) asked: String,
    pub(super) due: Moment,
    pub(super) usable: Option<Moment>,
    pub(super) needs: Vec<Needs>,
    pub(super) votes: Vec<(String, &'static str)>,
    pub(super) denial: Option<Literal>,
    pub(super) compared: Option<String>,
    pub(super) gone: Vec<(Literal, Literal)>,
}

impl Whole {
    pub(super) fn of(
        card: &Card,
        state: &RequestState,
        before: Option<&Card>,
        now: Timestamp,
    ) -> Self {
        let was = before.map(|card| values(&card.params));
        let names: BTreeSet<&str> = card.params.iter().map(|fact| fact.name.as_str()).collect();
        let gone = was.iter().flatten();
        let gone = gone.filter(|(name, _)| !names.contains(*name));
        Self {
            id: card.request.to_string(),
            scope: card.action.scope.to_string(),
            function: Literal::of(&card.action.function),
            status: card.status.as_str(),
            pending: card.status == Status::Pending,
            stoppable: card.status == Status::Approved && card.approved_until.is_some(),
            facts: facts(card),
            params: params(card, was.as_ref()),
            not_covered: card
                .action
                .not_covered
                .iter()
                .map(|name| Literal::of(name))
                .collect(),
            claims: claims(card),
            break_glass: card.break_glass.as_ref().map(Literal::untrusted),
            glass: match &card.glass {
                Glass::Open => Some("used; its review is open".to_owned()),
                Glass::Reviewed(person) => Some(format!("used; reviewed by {person}")),
                _ => None,
            },
            warnings: warnings(card),
            digest: card.digest.to_string(),
            policy: card.policy.to_string(),
            asked: minute(card.created_at),
            due: Moment::of(card.expires_at, now),
            usable: card.approved_until.map(|until| Moment::of(until, now)),
            needs: needs(state),
            votes: votes(card),
            denial: card.denial.as_ref().map(Literal::untrusted),
            compared: before.map(|card| card.request.to_string()),
            gone: gone
                .map(|(name, value)| (Literal::of(name), Literal::of(value)))
                .collect(),
        }
    }
}

fn warnings(card: &Card) -> Vec<(Literal, String)> {
    let found = card.warnings().into_iter();
    found
        .map(|(name, warning)| (Literal::of(&name), warning.to_string()))
        .collect()
}

fn votes(card: &Card) -> Vec<(String, &'static str)> {
    let word = |vote: &Vote| match vote {
        Vote::Approve => "approved",
        Vote::Deny => "denied",
    };
    let votes = card.votes.iter();
    votes
        .map(|(person, vote)| (person.to_string(), word(vote)))
        .collect()
}

/// Who stands behind a request and whose approval therefore cannot count.
pub(super) fn asks(state: &RequestState, person: &PersonId) -> bool {
    state.requesters().contains(person)
}

/// Whether the glass was broken, nobody has looked since, and this person did not approve it.
pub(super) fn may_review(state: &RequestState, person: &PersonId) -> bool {
    let approved = |vote: &Reviewed| vote.vote == Vote::Approve && vote.person == *person;
    *state.glass() == Glass::Open && !state.reviews().iter().any(approved)
}

fn values(facts: &[Fact]) -> BTreeMap<&str, &str> {
    facts
        .iter()
        .filter_map(|fact| Some((fact.name.as_str(), fact.value.as_ref()?.raw())))
        .collect()
}

fn params(card: &Card, was: Option<&BTreeMap<&str, &str>>) -> Vec<Param> {
    let sealed = card.params.iter().zip(&card.action.params);
    sealed
        .map(|(fact, sealed)| {
            let value = match (&fact.value, card.erased_text()) {
                (Some(value), _) => Value::Shown(Literal::untrusted(value), value.raw().len()),
                (None, Some(erased)) if !sealed.redacted => Value::Erased(erased),
                (None, _) => Value::Redacted,
            };
            let change = match (&fact.value, was) {
                (Some(value), Some(was)) => match was.get(fact.name.as_str()) {
                    Some(before) if *before == value.raw() => Change::Same,
                    Some(before) => Change::Was(Literal::of(before)),
                    None => Change::New,
                },
                _ => Change::Unknown,
            };
            Param {
                name: Literal::of(&fact.name),
                value,
                change,
            }
        })
        .collect()
}

/// What the action itself says, beside its parameters.
fn facts(card: &Card) -> Vec<(&'static str, Literal)> {
    let action = &card.action;
    let person = |person: &Option<PersonId>| person.as_ref().map(ToString::to_string);
    let text =
        |text: &Option<approvals_core::Untrusted>| text.as_ref().map(|text| text.raw().to_owned());
    let all = [
        ("Acts on", text(&card.resource)),
        ("Environment", action.environment.clone()),
        ("Tenant", action.tenant.clone()),
        ("Why, says its author", text(&card.reason)),
        ("Asked by", Some(action.agent.to_string())),
        ("On behalf of", person(&action.sponsor)),
        ("Owned by", person(&action.owner)),
    ];
    let shown = all.into_iter();
    shown
        .filter_map(|(name, text)| Some((name, Literal::of(&text?))))
        .collect()
}

/// What the agent says, none of it verified.
fn claims(card: &Card) -> Vec<(&'static str, Literal)> {
    let claims = &card.action.claims;
    let rationale = card.rationale.as_ref().map(|text| text.raw().to_owned());
    let all = [
        ("Why", rationale),
        ("Software", claims.software.clone()),
        ("Model", claims.model.clone()),
        ("Provider", claims.provider.clone()),
        ("Run", claims.run.clone()),
        ("Conversation", claims.conversation.clone()),
        ("Tool call", claims.tool_call.clone()),
    ];
    let shown = all.into_iter();
    shown
        .filter_map(|(name, text)| Some((name, Literal::of(&text?))))
        .collect()
}

impl Needs {
    /// One for each that is still missing, to draw.
    pub(super) fn missing(&self) -> std::ops::Range<usize> {
        self.have.len()..usize::from(self.need).max(self.have.len())
    }
}
