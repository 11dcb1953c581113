//! Cards: one request, ready to be drawn by any channel.
//!
//! Facts come from the action's record and from nowhere else; what the agent says stands apart.
//! A card can only be made from values that open the record's own commitments, so that what is
//! shown is what is digested.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::canonical::Value;
use crate::clock::Timestamp;
use crate::digest::{ActionDigest, Commitment, PolicyDigest};
use crate::error::{ApprovalError, Code};
use crate::id::{PersonId, RequestId};
use crate::lifecycle::{Glass, Phase, RequestState};
use crate::request::{Progress, Status};
use crate::review::Vote;
use crate::sealed::{Disclosure, FixedRecord, SealedParam};
use crate::text::{Untrusted, Warning};

/// One request, whole.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Card {
    /// The request.
    pub request: RequestId,
    /// Where it stands.
    pub status: Status,
    /// The record of what is asked.
    pub action: FixedRecord,
    /// What binds it.
    pub digest: ActionDigest,
    /// The policy it was asked under.
    pub policy: PolicyDigest,
    /// The parameters, in the order of the signature.
    pub params: Vec<Fact>,
    /// What is acted upon.
    pub resource: Option<Untrusted>,
    /// The author's words around the arguments.
    pub reason: Option<Untrusted>,
    /// The agent's own words: its claim, unverified.
    pub rationale: Option<Untrusted>,
    /// Why the agent breaks the glass, in its own words: its claim, unverified. None when it does
    /// not.
    pub break_glass: Option<Untrusted>,
    /// Whether the use broke the glass, and who has reviewed that.
    pub glass: Glass,
    /// When it was asked.
    pub created_at: Timestamp,
    /// Until when people may decide.
    pub expires_at: Timestamp,
    /// Until when it may be used, once approved.
    pub approved_until: Option<Timestamp>,
    /// Who has approved so far.
    pub progress: Vec<Progress>,
    /// Every vote that counts.
    pub votes: Vec<(PersonId, Vote)>,
    /// Why it was denied, in that person's words.
    pub denial: Option<Untrusted>,
    /// The request under whose approval the values and words were erased, if they were: none of
    /// them is on the card then.
    pub erased: Option<RequestId>,
}

/// One named value.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fact {
    /// Its name.
    pub name: String,
    /// Its canonical text; none when it is redacted, or was erased.
    pub value: Option<Untrusted>,
    /// What is odd about the texts in it.
    pub warnings: Vec<Warning>,
}

impl Card {
    /// The card of a request.
    ///
    /// # Errors
    /// `Unrenderable` when a value is missing or is not the one that was bound: nobody may decide
    /// on what cannot be shown whole.
    pub fn of(state: &RequestState, disclosures: &[Disclosure]) -> Result<Self, ApprovalError> {
        if state.action().digest()? != state.digest() {
            let message = "the action on record is not the one that its digest binds, so it must not be approved; run `approvals verify`";
            return Err(ApprovalError::new(Code::Unrenderable, message).with_request(state.id()));
        }
        let (action, erased) = (state.action(), state.erased());
        // Whatever a store still gives after an erasure is not shown.
        let opened = match erased {
            None => Opened::of(disclosures),
            Some(_) => Opened::Erased,
        };
        let missing = |name: &str| missing(state.id(), name);
        let words = |name: &str, commitment: &Option<Commitment>| match commitment {
            None => Ok(None),
            Some(commitment) => opened.words(commitment).ok_or_else(|| missing(name)),
        };
        let params = action
            .params
            .iter()
            .map(|param| opened.fact(param).ok_or_else(|| missing(&param.name)))
            .collect::<Result<_, _>>()?;
        let denial = match state.phase() {
            Phase::Denied { reason, .. } => words("denial", reason).unwrap_or_default(),
            _ => None,
        };
        Ok(Self {
            request: state.id(),
            status: state.status(),
            action: action.clone(),
            digest: state.digest(),
            policy: state.policy().digest,
            params,
            resource: words("resource", &action.resource)?,
            reason: words("reason", &action.reason)?,
            rationale: words("rationale", &action.rationale)?,
            break_glass: words("break_glass", &action.break_glass)?,
            glass: state.glass().clone(),
            created_at: state.created_at(),
            expires_at: state.expires_at(),
            approved_until: match state.phase() {
                Phase::Approved { until, .. } => Some(*until),
                _ => None,
            },
            progress: state.progress(),
            votes: state
                .reviews()
                .iter()
                .map(|review| (review.person.clone(), review.vote))
                .collect(),
            denial,
            erased,
        })
    }

    /// What is odd about the texts an agent could influence.
    #[must_use]
    pub fn warnings(&self) -> Vec<(String, Warning)> {
        let facts = self.params.iter();
        let facts = facts.map(|fact| (fact.name.as_str(), fact.warnings.clone()));
        let (action, claims) = (&self.action, &self.action.claims);
        let words = [
            ("resource", &self.resource),
            ("reason", &self.reason),
            ("rationale", &self.rationale),
            ("break_glass", &self.break_glass),
        ];
        let words = words.map(|(name, text)| (name, text.as_ref().map(Untrusted::raw)));
        let texts = [
            ("environment", &action.environment),
            ("tenant", &action.tenant),
            ("software", &claims.software),
            ("model", &claims.model),
            ("provider", &claims.provider),
            ("run", &claims.run),
            ("conversation", &claims.conversation),
            ("tool call", &claims.tool_call),
        ];
        let texts = texts.map(|(name, text)| (name, text.as_deref()));
        let words = words.into_iter().chain(texts).filter_map(|(name, text)| {
            let text = text?.replace(['\n', '\t'], " ");
            Some((name, Untrusted::new(&text).warnings()))
        });
        let all = facts.chain(words);
        all.flat_map(|(name, found)| found.into_iter().map(|warning| (name.to_owned(), warning)))
            .collect()
    }

    /// The card for a terminal: every character that a terminal could act on is written out.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (name, value) in self.lines() {
            let _ = writeln!(out, "  {name:<13} {value}");
        }
        out
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = self.facts();
        lines.push(("for", self.people()));
        lines.extend(self.broken_glass());
        lines.extend(
            self.claims()
                .map(|claims| ("agent says", format!("{claims}  (unverified)"))),
        );
        lines.push(("digest", self.digest.to_string()));
        let deadline = format!("{} UTC", crate::text::minute(self.expires_at));
        lines.push(("deadline", deadline));
        for progress in &self.progress {
            let have: Vec<_> = progress.have.iter().map(ToString::to_string).collect();
            let so_far = match have.len() {
                0 => "none so far".to_owned(),
                count => format!("{count} so far: {}", have.join(", ")),
            };
            let needs = format!("{} of group {}, {so_far}", progress.need, progress.who());
            lines.push(("needs", needs));
            lines.extend(progress.later.iter().map(|(group, from)| {
                let from = crate::text::minute(*from);
                (
                    "later",
                    format!("members of {group}, too, from {from} UTC on"),
                )
            }));
        }
        for (name, warning) in self.warnings() {
            lines.push(("CAREFUL", format!("`{name}` {warning}")));
        }
        lines
    }

    /// What the action itself says, as named lines: nothing here is the agent's word, but every value
    /// is its choice, so a channel draws them literally.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let action = &self.action;
        let function = Untrusted::new(&action.function);
        let mut lines = vec![("what", format!("{}  ({function})", action.scope))];
        for (fact, sealed) in self.params.iter().zip(&action.params) {
            let value = match (&fact.value, self.erased_text()) {
                (Some(value), _) => value.to_string(),
                (None, Some(erased)) if !sealed.redacted => erased,
                (None, _) => "[redacted]".to_owned(),
            };
            lines.push(("", format!("{} = {value}", fact.name)));
        }
        if !action.not_covered.is_empty() {
            lines.push(("NOT COVERED", action.not_covered.join(", ")));
        }
        let words = [
            ("on", &self.resource, &action.resource),
            ("why", &self.reason, &action.reason),
        ];
        for (name, words, bound) in words {
            let erased = || bound.as_ref().and_then(|_| self.erased_text());
            let words = words.as_ref().map(Untrusted::to_string).or_else(erased);
            lines.extend(words.map(|words| (name, words)));
        }
        for (name, text) in [("where", &action.environment), ("tenant", &action.tenant)] {
            let text = text.as_ref().map(|text| Untrusted::new(text).to_string());
            lines.extend(text.map(|text| (name, text)));
        }
        lines
    }

    /// What an approver must not miss when the glass is to be broken, or is, as named lines; the
    /// agent's words among them are its claim.
    #[must_use]
    pub fn broken_glass(&self) -> Vec<(&'static str, String)> {
        let erased = || {
            let bound = self.action.break_glass.as_ref();
            bound.and_then(|_| self.erased_text())
        };
        let said = self.break_glass.as_ref();
        let said = said.map(|reason| format!("\"{reason}\"  (the agent says, unverified)"));
        let Some(said) = said.or_else(erased) else {
            return Vec::new();
        };
        let mut lines = vec![("BREAK GLASS", said)];
        lines.extend(match &self.glass {
            Glass::Whole => None,
            Glass::Open => Some(("USED", "the review of it is open".to_owned())),
            Glass::Reviewed(person) => Some(("USED", format!("reviewed by {person}"))),
        });
        lines
    }

    /// What stands in the place of a value or of words that were erased.
    #[must_use]
    pub fn erased_text(&self) -> Option<String> {
        let erased = self.erased.as_ref();
        erased.map(|authority| format!("[erased under authority of {authority}]"))
    }

    /// The agent and the people it acts for: those who may not approve.
    #[must_use]
    pub fn people(&self) -> String {
        let mut text = self.action.agent.to_string();
        if let Some(sponsor) = &self.action.sponsor {
            let _ = write!(text, " on behalf of {sponsor}");
        }
        if let Some(owner) = &self.action.owner {
            let _ = write!(text, ", owned by {owner}");
        }
        text
    }

    /// What the agent says about itself and why, on one line, when it says anything.
    #[must_use]
    pub fn claims(&self) -> Option<String> {
        let claims = &self.action.claims;
        let named = [
            ("software", &claims.software),
            ("model", &claims.model),
            ("provider", &claims.provider),
            ("run", &claims.run),
        ];
        let mut parts: Vec<String> = named
            .into_iter()
            .filter_map(|(name, text)| Some(format!("{name} {}", Untrusted::new(text.as_ref()?))))
            .collect();
        if let Some(rationale) = &self.rationale {
            parts.insert(0, format!("\"{rationale}\""));
        } else if self.action.rationale.is_some() {
            parts.splice(0..0, self.erased_text());
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// What the disclosures open, each under the commitment that its own text gives.
enum Opened {
    Values(BTreeMap<Commitment, Value>),
    /// Nothing, and nothing is missing.
    Erased,
}

impl Opened {
    fn of(disclosures: &[Disclosure]) -> Self {
        let open = |disclosure: &Disclosure| {
            // The name that a store gives it is not trusted.
            let own = Disclosure::from_text(disclosure.text.clone());
            Some((own.commitment.clone(), own.open()?.2))
        };
        Self::Values(disclosures.iter().filter_map(open).collect())
    }

    fn words(&self, commitment: &Commitment) -> Option<Option<Untrusted>> {
        let Self::Values(values) = self else {
            return Some(None);
        };
        let words = values.get(commitment)?.as_text()?;
        Some(Some(Untrusted::new(words)))
    }

    fn fact(&self, param: &SealedParam) -> Option<Fact> {
        let name = param.name.clone();
        let values = match self {
            Self::Values(values) if !param.redacted => values,
            _ => {
                return Some(Fact {
                    name,
                    value: None,
                    warnings: Vec::new(),
                });
            }
        };
        let value = values.get(&param.sd)?;
        let warnings = odd(value);
        Some(Fact {
            name,
            value: Some(Untrusted::new(&text(value))),
            warnings,
        })
    }
}

/// What is odd about the texts in a value. Line breaks and tabs are written out in its canonical
/// text, as all controls are, and are no reason to warn.
fn odd(value: &Value) -> Vec<Warning> {
    let of_text = |text: &str| Untrusted::new(&text.replace(['\n', '\t'], " ")).warnings();
    let mut found = match value {
        Value::Text(text) => of_text(text),
        Value::List(items) => items.iter().flat_map(odd).collect(),
        Value::Record(record) => {
            let members = record.iter();
            members
                .flat_map(|(name, value)| [of_text(name), odd(value)].concat())
                .collect()
        }
        _ => Vec::new(),
    };
    found.sort();
    found.dedup();
    found
}

fn text(value: &Value) -> String {
    String::from_utf8(value.to_bytes()).unwrap_or_default()
}

fn missing(request: RequestId, name: &str) -> ApprovalError {
    let message = format!(
        "the value of `{name}` is not on record as it was bound, so the request cannot be shown whole and must not be approved"
    );
    ApprovalError::new(Code::Unrenderable, message).with_request(request)
}
