//! One request as a message.

use std::fmt::Write as _;

use approvals_core::text::minute;
use approvals_core::{Assurance, Card, Code, Status, Untrusted, Vote};
use ring::hmac;
use serde_json::{Value, json};

use super::blocks::{self, plain};
use super::{escape, literal};
use crate::names;
use crate::value::Button;

/// What a drawing needs besides the card.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawing<'a> {
    pub(crate) route: &'a str,
    pub(crate) key: &'a hmac::Key,
    /// The full view, where there is one.
    pub(crate) link: Option<&'a str>,
}

/// The text and the blocks of a message.
pub(crate) fn draw(card: &Card, drawing: Drawing<'_>) -> Value {
    let mut page = Page::of(card);
    let title = title(card);
    let mut all = vec![blocks::header("approvals.head", &title)];
    all.append(&mut page.blocks);
    let careful = careful(card);
    all.extend((!careful.is_empty()).then(|| plain("approvals.careful", &careful)));
    all.push(plain("approvals.who", &who(card)));
    let barred = bar(card, page.cut);
    all.extend(
        barred
            .as_ref()
            .map(|bar| plain("approvals.barred", &advice(card, bar.why(), drawing))),
    );
    let buttons = buttons(card, drawing, barred.is_none());
    all.extend((!buttons.is_empty()).then(|| blocks::actions(names::DECIDE, buttons)));
    json!({
        "text": escape(&format!("{title} ({})", card.request)),
        "blocks": all,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// Why nobody may approve a request from a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bar {
    /// The message does not show the whole request.
    Cut,
    /// Each open seat takes more than a chat service can vouch for.
    Proof,
}

impl Bar {
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Cut => {
                "It does not fit into a message and is cut here. Read it whole before you approve it."
            }
            Self::Proof => "The policy takes no approval from a chat for this.",
        }
    }

    pub(crate) fn code(self) -> Code {
        match self {
            Self::Cut => Code::Unrenderable,
            Self::Proof => Code::AssuranceTooLow,
        }
    }
}

/// What bars an approval from a message of this request; nothing when it shows all of it and the
/// policy takes one from a chat.
pub(crate) fn barred(card: &Card) -> Option<Bar> {
    bar(card, Page::of(card).cut)
}

/// What the thread under a copy says of this state; none while nothing has happened.
pub(crate) fn trail(card: &Card) -> Option<String> {
    if card.status == Status::Pending && card.votes.is_empty() {
        return None;
    }
    let mut text = title(card);
    for (person, vote) in &card.votes {
        let _ = write!(text, "\n{}: {person}", vote.as_str());
    }
    Some(text)
}

/// Drawn parts, and whether one of them was cut.
#[derive(Default)]
struct Page {
    blocks: Vec<Value>,
    cut: bool,
}

impl Page {
    fn of(card: &Card) -> Self {
        let mut page = Self::default();
        page.add("what", "What runs, from the action itself", &facts(card));
        if let Some(glass) = lines(&card.broken_glass()) {
            page.add(
                "glass",
                "BREAK GLASS: skips what usually protects this",
                &glass,
            );
        }
        if let Some(claims) = card.claims() {
            page.add(
                "claims",
                "The agent says (its own claim, unverified)",
                &claims,
            );
        }
        if let Some(denial) = &card.denial {
            page.add("denial", "Why it was denied", &denial.to_string());
        }
        page
    }

    fn add(&mut self, id: &str, label: &str, text: &str) {
        let shown = literal::show(text);
        self.cut |= shown.cut;
        let id = format!("approvals.{id}");
        self.blocks.push(blocks::literal(&id, label, &shown.text));
    }
}

fn title(card: &Card) -> String {
    let state = match card.status {
        Status::Pending => "Approval needed",
        Status::Approved => "Approved",
        Status::Denied => "Denied",
        Status::Expired => "Too late, nothing ran",
        Status::Cancelled => "Withdrawn",
        Status::Failed => "Refused at the last check, nothing ran",
    };
    format!("{state}: {}", card.action.scope)
}

fn facts(card: &Card) -> String {
    lines(&card.facts()).unwrap_or_default()
}

fn lines(rows: &[(&'static str, String)]) -> Option<String> {
    let rows = rows.iter().map(|(name, text)| format!("{name:<12} {text}"));
    rows.reduce(|all, row| all + "\n" + &row)
}

/// Whose request it is, who may decide, who did, and until when: names that were checked when they
/// were read, and our own words.
fn who(card: &Card) -> String {
    let mut text = format!("For: {}", card.people());
    for progress in &card.progress {
        let have = progress
            .have
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        let have = match have.is_empty() {
            true => "nobody so far".to_owned(),
            false => format!("{} so far: {}", have.len(), have.join(", ")),
        };
        let proof = match progress.assurance {
            Assurance::A1 => "",
            Assurance::A2 => ", each with a fresh login (A2)",
            Assurance::A3 => ", each with a signature of their own (A3)",
        };
        let _ = write!(
            text,
            "\nNeeds: {} of {}{proof}; {have}",
            progress.need,
            progress.who()
        );
        for (group, from) in &progress.later {
            let _ = write!(
                text,
                "; members of {group} too from {} UTC on",
                minute(*from)
            );
        }
    }
    let denied = card.votes.iter().filter(|(_, vote)| *vote == Vote::Deny);
    for (person, _) in denied {
        let _ = write!(text, "\nDenied by: {person}");
    }
    let _ = match (card.status, card.approved_until) {
        (Status::Pending, _) => write!(text, "\nDecide until: {} UTC", minute(card.expires_at)),
        (_, Some(until)) => write!(text, "\nMay be used until: {} UTC", minute(until)),
        _ => Ok(()),
    };
    let _ = write!(text, "\nRequest: {}\nDigest: {}", card.request, card.digest);
    text
}

fn careful(card: &Card) -> String {
    let warnings = card.warnings();
    let rows = warnings.iter().map(|(name, warning)| {
        let name = Untrusted::new(name);
        format!("CAREFUL: {name} {warning}")
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// Why nobody may approve this one here; none when somebody may.
fn bar(card: &Card, cut: bool) -> Option<Bar> {
    let open =
        |needed: &&approvals_core::request::Progress| needed.have.len() < usize::from(needed.need);
    let mut open = card.progress.iter().filter(open);
    let vouched = |needed: &approvals_core::request::Progress| needed.assurance <= Assurance::A1;
    match card.status {
        Status::Pending if cut => Some(Bar::Cut),
        Status::Pending if open.clone().count() > 0 && !open.any(vouched) => Some(Bar::Proof),
        _ => None,
    }
}

fn advice(card: &Card, why: &str, drawing: Drawing<'_>) -> String {
    match drawing.link {
        Some(_) => format!("{why} Open the full view below to approve it; you can deny it here."),
        None => format!(
            "{why} Approve it with `approvals approve {}`; you can deny it here.",
            card.request
        ),
    }
}

fn buttons(card: &Card, drawing: Drawing<'_>, may_approve: bool) -> Vec<Value> {
    let value = |vote| Button::of(card, drawing.route, vote).seal(drawing.key);
    let mut all = Vec::new();
    if card.status == Status::Pending {
        if may_approve {
            let mut approve =
                blocks::button(names::APPROVE, "Approve", "primary", &value(Vote::Approve));
            if let Some(button) = approve.as_object_mut() {
                button.insert("confirm".to_owned(), confirm(card));
            }
            all.push(approve);
        }
        all.push(blocks::button(
            names::DENY,
            "Deny",
            "danger",
            &value(Vote::Deny),
        ));
    }
    all.extend(
        drawing
            .link
            .map(|url| blocks::link(names::VIEW, "Open the full view", url)),
    );
    all
}

/// A second look, against slips of the finger only: Slack's own client asks, and proves nothing.
fn confirm(card: &Card) -> Value {
    let scope = blocks::clip(card.action.scope.as_str(), 120);
    let text = format!("It runs once: {scope}, digest {}.", card.digest.short());
    json!({
        "title": blocks::plain_text("Approve this action?"),
        "text": blocks::plain_text(&text),
        "confirm": blocks::plain_text("Approve"),
        "deny": blocks::plain_text("Back"),
    })
}
