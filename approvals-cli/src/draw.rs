//! Requests and their records, as text and as JSON.
//!
//! Parameter values stand in JSON as their canonical text: exactly what the digest binds, with no
//! number that a JSON reader could round.

use std::fmt::Write as _;
use std::time::Duration;

use approvals_core::ledger::{AuditRecord, Entry};
use approvals_core::lifecycle::{Event, Glass};
use approvals_core::request::Progress;
use approvals_core::text::minute;
use approvals_core::{Card, PersonId, Timestamp, Untrusted, Vote};
use serde_json::{Value, json};

/// A card with its request and status on top.
pub(crate) fn card_text(card: &Card) -> String {
    let mut text = format!("{}  {}\n{}", card.request, card.status, card.to_text());
    for (person, vote) in &card.votes {
        let _ = writeln!(text, "  {:<13} {} by {person}", "vote", vote.as_str());
    }
    if let Some(until) = card.approved_until {
        let _ = writeln!(text, "  {:<13} {} UTC", "use until", minute(until));
    }
    if let Some(reason) = &card.denial {
        let _ = writeln!(text, "  {:<13} {reason}", "denied why");
    }
    text
}

/// A card for programs.
pub(crate) fn card_json(card: &Card) -> Value {
    let raw = |text: &Option<Untrusted>| text.as_ref().map(|text| text.raw().to_owned());
    let params: Vec<Value> = card
        .params
        .iter()
        .zip(&card.action.params)
        .map(|(fact, bound)| json!({ "name": fact.name, "value": raw(&fact.value), "redacted": bound.redacted }))
        .collect();
    let warnings: Vec<Value> = card
        .warnings()
        .iter()
        .map(|(about, warning)| json!({ "about": about, "warning": warning.to_string() }))
        .collect();
    let votes: Vec<Value> = card
        .votes
        .iter()
        .map(|(person, vote)| json!({ "person": person, "vote": vote }))
        .collect();
    let action = &card.action;
    json!({
        "request": card.request,
        "status": card.status,
        "scope": action.scope,
        "function": action.function,
        "params": params,
        "not_covered": action.not_covered,
        "resource": raw(&card.resource),
        "reason": raw(&card.reason),
        "environment": action.environment,
        "tenant": action.tenant,
        "agent": action.agent,
        "sponsor": action.sponsor,
        "owner": action.owner,
        // What the agent says of itself, which nobody has verified.
        "claims": { "rationale": raw(&card.rationale), "agent": action.claims },
        "break_glass": card.break_glass.as_ref().map(|reason| glass_json(reason, &card.glass)),
        "digest": card.digest,
        "policy": card.policy,
        "created_at": card.created_at,
        "expires_at": card.expires_at,
        "approved_until": card.approved_until,
        "progress": progress_json(&card.progress),
        "votes": votes,
        "denial": raw(&card.denial),
        // The request under whose approval its values and words were erased.
        "erased": card.erased,
        "warnings": warnings,
    })
}

/// Why the glass is to be broken, as the agent says, and whether it was.
fn glass_json(reason: &Untrusted, glass: &Glass) -> Value {
    let reviewed_by = match glass {
        Glass::Reviewed(person) => Some(person),
        _ => None,
    };
    let (used, open) = (*glass != Glass::Whole, *glass == Glass::Open);
    json!({ "reason": reason.raw(), "used": used, "review_open": open, "reviewed_by": reviewed_by })
}

/// `1 of 2 of oncall`, group by group: what there is.
pub(crate) fn progress_text(progress: &[Progress]) -> String {
    let row = |row: &Progress| format!("{} of {} of {}", row.have.len(), row.need, row.who());
    progress.iter().map(row).collect::<Vec<_>>().join(", ")
}

/// `2 of oncall (has 1)`, group by group: what it takes.
pub(crate) fn needs_text(progress: &[Progress]) -> String {
    let row = |row: &Progress| format!("{} of {} (has {})", row.need, row.who(), row.have.len());
    progress.iter().map(row).collect::<Vec<_>>().join(", ")
}

pub(crate) fn progress_json(progress: &[Progress]) -> Value {
    let row = |row: &Progress| {
        let later = row.later.iter();
        let later: Vec<Value> = later
            .map(|(group, from)| json!({ "group": group, "from": from }))
            .collect();
        json!({ "group": row.group, "need": row.need, "have": row.have, "also": row.also, "later": later })
    };
    progress.iter().map(row).collect()
}

/// One line for each thing that happened.
pub(crate) fn history_text(records: &[AuditRecord]) -> String {
    let mut text = String::new();
    for record in records {
        let kind = Untrusted::new(record.kind()).to_string();
        let line = format!(
            "  #{:<6} {}  {kind:<22} {}",
            record.seq,
            minute(record.at),
            detail(&record.entry)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

pub(crate) fn history_json(records: &[AuditRecord]) -> Value {
    let row = |record: &AuditRecord| {
        json!({
            "seq": record.seq, "at": record.at, "kind": record.kind(), "detail": detail(&record.entry),
        })
    };
    records.iter().map(row).collect()
}

/// What is worth knowing about one record besides its kind.
fn detail(entry: &Entry) -> String {
    let Entry::Request(_, event) = entry else {
        return String::new();
    };
    match event {
        Event::Created(created) => format!("by {}", created.action.agent),
        Event::Reviewed(review) => {
            let vote = review.vote.as_str();
            format!("{vote} by {} ({})", review.person, review.assurance)
        }
        Event::ReviewRefused(refused) => {
            let person = refused.person.as_ref().map(ToString::to_string);
            let who = person.unwrap_or_else(|| plain(&refused.identity));
            let what = refused.vote.map_or("review", Vote::as_str);
            format!("{what} by {who}: {}", refused.code)
        }
        Event::Approved(approved) | Event::AutoApproved(approved) => {
            let until = minute(approved.until);
            format!("by {}, until {until} UTC", people(&approved.by))
        }
        Event::Denied(denied) if denied.by.is_none() => format!("by a rule: {}", denied.code),
        Event::Denied(denied) => format!("by {}", people(denied.by.as_slice())),
        Event::PostReviewed(review) => format!("by {} ({})", review.person, review.assurance),
        Event::Escalated(escalated) => format!("level {}", escalated.level),
        Event::PermitRefused(refused) => refused.code.to_string(),
        Event::Finished(finished) => {
            let took = finished.duration_us.map(Duration::from_micros);
            let took = took.map(|took| format!("after {took:?}"));
            joined([took, finished.code.as_deref().map(plain)], ", ")
        }
        Event::Notice(notice) => {
            let more = notice.place.as_deref().or(notice.error.as_deref());
            joined([Some(plain(&notice.channel)), more.map(plain)], ": ")
        }
        Event::Erased(erased) => format!("under authority of {}", erased.authority),
        _ => String::new(),
    }
}

fn people(people: &[PersonId]) -> String {
    let names: Vec<String> = people.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        "a rule".to_owned()
    } else {
        names.join(", ")
    }
}

fn joined(parts: [Option<String>; 2], by: &str) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(by)
}

fn plain(text: &str) -> String {
    Untrusted::new(text).to_string()
}

/// A duration in at most two units.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m"),
        3_600..172_800 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d"),
    }
}

/// How long until then; nothing when it is over.
pub(crate) fn left(until: Timestamp, now: Timestamp) -> String {
    if until <= now {
        "-".to_owned()
    } else {
        span(until.since(now))
    }
}

/// Columns as wide as they must be.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h 0m"),
            (172_799, "47h 59m"),
            (172_800, "2d"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
        let at = Timestamp::from_micros;
        assert_eq!(left(at(5_000_000), at(0)), "5s");
        assert_eq!(left(at(5), at(5)), "-");
    }

    #[test]
    fn tables_line_up_without_trailing_space() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(
            table(&[row(["a", "b"]), row(["long", ""])]),
            "a     b\nlong\n"
        );
    }
}
