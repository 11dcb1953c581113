//! Drawing: the core's card as an Adaptive Card 1.5.
//!
//! Text that an agent can influence goes into the `TextRun`s of a `RichTextBlock` and nowhere else:
//! `TextBlock` and `FactSet` read it as Markdown. Even there `{{DATE(..)}}` would be replaced, so
//! two braces never stand in one run. What does not fit is cut where everybody sees it, and a cut
//! card has no button to approve with.

use approvals_core::card::Card;
use approvals_core::lifecycle::Glass;
use approvals_core::{Status, Untrusted, Vote, text};
use serde_json::{Value, json};

/// How many bytes of a card Teams is given, as UTF-16.
const BUDGET: usize = 80 * 1024;

/// How many characters of one text are drawn, and how many lines of facts; the next pair is tried
/// when a card is over budget.
const SIZES: &[(usize, usize)] = &[(4_000, 60), (600, 40), (120, 20)];

/// Whether all of a request is on the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a card is whole or it is not")]
pub enum Fullness {
    /// Nothing is missing.
    Whole,
    /// Something was cut, which the card says: nobody can approve from it.
    Cut,
}

/// A card as Teams takes it.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// The Adaptive Card.
    pub card: Value,
    /// Whether all of the request is on it.
    pub fullness: Fullness,
}

impl Drawn {
    /// Draws a request as it stands.
    #[must_use]
    pub fn of(card: &Card) -> Self {
        let drawn = SIZES
            .iter()
            .map(|&(text, lines)| Sheet::draw(card, text, lines));
        let mut last = None;
        for sheet in drawn {
            let cut = sheet.cut;
            let card = sheet.finish(card);
            let fits = card.to_string().encode_utf16().count() * 2 <= BUDGET;
            // A smaller size cuts more, so that only the first can be whole.
            let whole = fits && !cut && last.is_none();
            let fullness = if whole {
                Fullness::Whole
            } else {
                Fullness::Cut
            };
            last = Some(Self { card, fullness });
            if fits {
                break;
            }
        }
        last.unwrap_or(Self {
            card: Value::Null,
            fullness: Fullness::Cut,
        })
    }

    /// The message that carries the card.
    #[must_use]
    pub fn message(&self, status: Status) -> Value {
        let summary = match status {
            Status::Pending => "An approval is wanted",
            _ => "A request was settled",
        };
        json!({
            "type": "message",
            "summary": summary,
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": self.card,
            }],
        })
    }
}

struct Sheet {
    body: Vec<Value>,
    facts: Vec<Value>,
    claims: Vec<Value>,
    text: usize,
    lines: usize,
    cut: bool,
}

impl Sheet {
    fn draw(card: &Card, text: usize, lines: usize) -> Self {
        let mut sheet = Self {
            body: Vec::new(),
            facts: Vec::new(),
            claims: Vec::new(),
            text,
            lines,
            cut: false,
        };
        sheet.draw_facts(card);
        sheet.draw_claims(card);
        sheet.draw_progress(card);
        sheet
    }

    fn finish(mut self, card: &Card) -> Value {
        let (title, color) = title(card.status);
        let mut body = vec![heading(title, color)];
        if self.cut {
            body.push(heading(CUT, "attention"));
            body.push(named("Read all of it with", "approvals show"));
        }
        body.push(container("default", self.facts));
        if !self.claims.is_empty() {
            let mut claims = vec![heading("The agent says (unverified)", "warning")];
            claims.append(&mut self.claims);
            body.push(container("emphasis", claims));
        }
        body.append(&mut self.body);
        if card.status == Status::Pending {
            body.push(actions(card, self.cut));
        }
        json!({
            "type": "AdaptiveCard",
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "version": "1.5",
            "fallbackText": "This request cannot be drawn here; use `approvals show`",
            "refresh": {"action": action("Refresh", "refresh", card)},
            "body": body,
        })
    }

    /// What the action itself says.
    fn draw_facts(&mut self, card: &Card) {
        let action = &card.action;
        let function = Untrusted::new(&action.function).to_string();
        self.fact("What", &format!("{}  ({function})", action.scope));
        for (fact, sealed) in card.params.iter().zip(&action.params) {
            let gone = match card.erased_text() {
                Some(erased) if !sealed.redacted => erased,
                _ => "[redacted]".to_owned(),
            };
            let value = fact.value.as_ref().map_or(gone, Untrusted::to_string);
            self.fact(&Untrusted::new(&fact.name).to_string(), &value);
        }
        if !action.not_covered.is_empty() {
            self.fact("NOT COVERED", &action.not_covered.join(", "));
        }
        let words = [
            ("On", &card.resource, action.resource.is_some()),
            ("Why", &card.reason, action.reason.is_some()),
        ];
        for (name, words, bound) in words {
            let erased = || card.erased_text().filter(|_| bound);
            if let Some(words) = words.as_ref().map(Untrusted::to_string).or_else(erased) {
                self.fact(name, &words);
            }
        }
        for (name, text) in [("Where", &action.environment), ("Tenant", &action.tenant)] {
            if let Some(text) = text {
                self.fact(name, &Untrusted::new(text).to_string());
            }
        }
        self.fact("Agent", &action.agent.to_string());
        for (name, person) in [
            ("On behalf of", &action.sponsor),
            ("Owned by", &action.owner),
        ] {
            if let Some(person) = person {
                self.fact(name, &person.to_string());
            }
        }
    }

    /// What nobody vouches for, and what must not be missed about it.
    fn draw_claims(&mut self, card: &Card) {
        let glass = card.break_glass.as_ref().map(Untrusted::to_string);
        let glass = glass.or_else(|| {
            card.erased_text()
                .filter(|_| card.action.break_glass.is_some())
        });
        if let Some(reason) = glass {
            let line = self.line("BREAK GLASS", &reason);
            self.claims.push(line);
        }
        if let Some(claims) = card.claims() {
            let line = self.text(&claims);
            self.claims.push(line);
        }
        for (name, warning) in card.warnings() {
            let name = Untrusted::new(&name).to_string();
            let runs = vec![
                run("CAREFUL: ", true),
                code(&name),
                run(&format!(" {warning}"), false),
            ];
            self.body
                .push(block(runs.into_iter().flat_map(split).collect()));
        }
    }

    fn draw_progress(&mut self, card: &Card) {
        for progress in &card.progress {
            let have: Vec<_> = progress.have.iter().map(ToString::to_string).collect();
            let so_far = match have.len() {
                0 => "none so far".to_owned(),
                count => format!("{count} so far: {}", have.join(", ")),
            };
            let line = self.line(
                "Needs",
                &format!("{} of {}, {so_far}", progress.need, progress.who()),
            );
            self.body.push(line);
            for (group, from) in &progress.later {
                let line = self.line(
                    "Later",
                    &format!(
                        "members of {group}, too, from {} UTC on",
                        text::minute(*from)
                    ),
                );
                self.body.push(line);
            }
        }
        self.draw_decision(card);
        self.draw_times(card);
    }

    fn draw_decision(&mut self, card: &Card) {
        for (person, vote) in &card.votes {
            let vote = match vote {
                Vote::Approve => "Approved by",
                Vote::Deny => "Denied by",
            };
            let line = self.line(vote, &person.to_string());
            self.body.push(line);
        }
        if let Some(reason) = &card.denial {
            let line = self.line("Because", &reason.to_string());
            self.body.push(line);
        }
        match &card.glass {
            Glass::Open => self.body.push(heading(
                "The glass was broken; the review of that is open",
                "attention",
            )),
            Glass::Reviewed(person) => {
                let line = self.line("Glass reviewed by", &person.to_string());
                self.body.push(line);
            }
            _ => {}
        }
    }

    fn draw_times(&mut self, card: &Card) {
        if card.status == Status::Pending {
            let line = self.line(
                "Deadline",
                &format!("{} UTC", text::minute(card.expires_at)),
            );
            self.body.push(line);
        }
        if let Some(until) = card.approved_until {
            let line = self.line("Usable until", &format!("{} UTC", text::minute(until)));
            self.body.push(line);
        }
        let line = named("Request", &card.request.to_string());
        self.body.push(line);
        let line = named("Digest", &card.digest.short());
        self.body.push(line);
    }

    fn fact(&mut self, name: &str, value: &str) {
        if self.facts.len() >= self.lines {
            if !std::mem::replace(&mut self.cut, true) || self.facts.len() == self.lines {
                self.facts
                    .push(heading("More facts are NOT SHOWN", "attention"));
            }
            return;
        }
        let line = self.line(name, value);
        self.facts.push(line);
    }

    fn line(&mut self, name: &str, value: &str) -> Value {
        let mut runs = split(run(&format!("{name}: "), true));
        runs.extend(self.pieces(value));
        block(runs)
    }

    fn text(&mut self, value: &str) -> Value {
        block(self.pieces(value))
    }

    /// A text in full, or its two ends and how much is missing between them.
    fn pieces(&mut self, value: &str) -> Vec<Value> {
        let count = value.chars().count();
        if count <= self.text {
            return split(code(value));
        }
        self.cut = true;
        let half = self.text / 2;
        let first: String = value.chars().take(half).collect();
        let last: String = value.chars().skip(count - half).collect();
        let missing = format!(" [… {} characters NOT SHOWN …] ", count - 2 * half);
        let mut runs = split(code(&first));
        let mut gap = run(&missing, true);
        if let Some(gap) = gap.as_object_mut() {
            gap.insert("color".to_owned(), json!("attention"));
        }
        runs.push(gap);
        runs.extend(split(code(&last)));
        runs
    }
}

fn title(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Pending => ("Approval wanted", "accent"),
        Status::Approved => ("Approved", "good"),
        Status::Denied => ("Denied: nothing ran", "attention"),
        Status::Expired => ("Too late: it expired, and nothing ran", "attention"),
        Status::Cancelled => ("Withdrawn: nothing ran", "default"),
        Status::Failed => ("Refused at the last check: nothing ran", "attention"),
    }
}

const CUT: &str = "This card is CUT: it cannot be approved here";

/// The only texts that are read as Markdown are this program's own.
fn heading(text: &'static str, color: &'static str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true, "weight": "bolder", "color": color})
}

fn container(style: &'static str, items: Vec<Value>) -> Value {
    json!({"type": "Container", "style": style, "items": items})
}

fn block(inlines: Vec<Value>) -> Value {
    json!({"type": "RichTextBlock", "spacing": "small", "inlines": inlines})
}

fn run(text: &str, bold: bool) -> Value {
    let weight = if bold { "bolder" } else { "default" };
    json!({"type": "TextRun", "text": text, "weight": weight})
}

/// A text of ours that is copied by hand: small enough to need no mark.
fn named(name: &str, text: &str) -> Value {
    let text = json!({"type": "TextRun", "text": text, "fontType": "monospace", "size": "small"});
    block(vec![run(&format!("{name}: "), true), text])
}

/// Literal text. Of several spaces a client would draw one, so that all but the first do not break.
/// A mark of ours that a text brings along itself is written out.
fn code(text: &str) -> Value {
    let text = text
        .replace(MARK, "\\u{21a9}")
        .replace("  ", " \u{a0}")
        .replace("\u{a0}  ", "\u{a0} \u{a0}");
    json!({"type": "TextRun", "text": text, "fontType": "monospace"})
}

/// Where a word goes on in the next line.
const MARK: char = '\u{21a9}';

/// How long a word can be on a narrow telephone: clients do not break words, and cut off the rest.
const WORD: usize = 24;

/// The same run, in so many that no two braces stand together, and with marks where a word is too
/// long for a line: `{{DATE(..)}}` stays what it is, and nothing is out of sight.
fn split(run: Value) -> Vec<Value> {
    let text = run.get("text").and_then(Value::as_str).unwrap_or_default();
    let part = |text: &str| {
        let mut part = run.clone();
        if let Some(part) = part.as_object_mut() {
            part.insert("text".to_owned(), json!(text));
        }
        part
    };
    let (mut parts, mut last, mut word) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        if word >= WORD && c != ' ' {
            parts.push(part(&std::mem::take(&mut last)));
            let mark = format!("{MARK} ");
            parts.push(json!({"type": "TextRun", "text": mark, "color": "accent"}));
            word = 0;
        }
        if c == '{' && last.ends_with('{') {
            parts.push(part(&std::mem::take(&mut last)));
        }
        last.push(c);
        word = if c == ' ' { 0 } else { word + 1 };
    }
    parts.push(part(&last));
    parts
}

fn actions(card: &Card, cut: bool) -> Value {
    let mut deny = action("Deny", "deny", card);
    if let Some(deny) = deny.as_object_mut() {
        deny.insert("style".to_owned(), json!("destructive"));
    }
    let form = json!({
        "type": "Action.ShowCard", "title": "Deny",
        "card": {
            "type": "AdaptiveCard",
            "body": [{
                "type": "Input.Text", "id": "reason", "label": "Why not?", "isMultiline": true,
                "maxLength": 1000, "isRequired": true, "errorMessage": "Say why, in a few words",
            }],
            "actions": [deny],
        },
    });
    let mut approve = action("Approve", "approve", card);
    if let Some(approve) = approve.as_object_mut() {
        approve.insert("style".to_owned(), json!("positive"));
        approve.insert("associatedInputs".to_owned(), json!("none"));
    }
    let actions = if cut { vec![form] } else { vec![approve, form] };
    json!({"type": "ActionSet", "actions": actions})
}

/// The data names what was shown; it gives no right to anything.
fn action(title: &'static str, verb: &'static str, card: &Card) -> Value {
    json!({
        "type": "Action.Execute", "title": title, "verb": verb,
        "data": {
            "request": card.request.to_string(),
            "digest": card.digest.to_string(),
            "policy": card.policy.to_string(),
        },
    })
}
