//! CloudEvents 1.0, structured JSON.

use approvals_core::lifecycle::{Approved, Created, Denied, Event};
use approvals_core::{Card, Untrusted};
use serde_json::{Map, Value, json};

use super::Happening;

pub(super) fn event(happening: &Happening<'_>, shown: Option<&Card>) -> Value {
    let record = happening.record;
    let mut data = facts(happening);
    data.extend(said(happening.event));
    if let Some(card) = shown {
        data.insert("shown".to_owned(), shown_of(card));
    }
    json!({
        "specversion": "1.0",
        "id": record.id,
        // A network-path reference: the name of the log is no scheme.
        "source": format!("//{}", happening.log),
        "type": format!("approvals.{}", record.kind()),
        "subject": happening.request,
        "time": record.at.to_string(),
        "datacontenttype": "application/json",
        // As text of one length: integers of CloudEvents end at 2^31, and texts keep the order.
        "sequence": format!("{:020}", record.seq),
        "leafhash": happening.leaf.to_hex(),
        "data": data,
    })
}

/// What holds for the request, whatever happened to it.
fn facts(happening: &Happening<'_>) -> Map<String, Value> {
    let (action, created) = (&happening.created.action, happening.created);
    members(json!({
        "request": happening.request,
        "kind": happening.record.kind(),
        "scope": action.scope.as_str(),
        "digest": created.digest.to_string(),
        "agent": action.agent.as_str(),
        "sponsor": action.sponsor,
        "owner": action.owner,
        "environment": action.environment,
        "tenant": action.tenant,
        "policy": { "version": created.policy.version, "digest": created.policy.digest.to_string() },
        "log": { "origin": happening.log.as_str(), "index": happening.record.seq, "leaf": happening.leaf.to_hex() },
    }))
}

/// What this event says beside them.
fn said(event: &Event) -> Map<String, Value> {
    let said = match event {
        Event::Created(created) => asked(created),
        Event::AutoApproved(approved) | Event::Approved(approved) => yes(approved),
        Event::Denied(denied) => no(denied),
        Event::Reviewed(review) => json!({
            "person": review.person,
            "identity": review.identity,
            "vote": review.vote.as_str(),
            "assurance": review.assurance.to_string(),
        }),
        Event::ReviewRefused(refused) => json!({
            "person": refused.person,
            "identity": refused.identity,
            "vote": refused.vote.map(|vote| vote.as_str()),
            "code": refused.code.as_str(),
        }),
        Event::Voided(voided) => json!({ "person": voided.person, "code": voided.code.as_str() }),
        Event::Escalated(escalated) => json!({ "level": escalated.level }),
        Event::Consumed(consumed) => json!({ "attempt": consumed.by.record }),
        Event::PermitRefused(refused) => {
            json!({ "code": refused.code.as_str(), "burned": refused.burned })
        }
        Event::PostReviewed(review) => json!({
            "person": review.person,
            "identity": review.identity,
            "assurance": review.assurance.to_string(),
        }),
        Event::Finished(finished) => {
            json!({ "code": finished.code, "duration_us": finished.duration_us })
        }
        Event::Notice(notice) => json!({ "channel": notice.channel }),
        Event::Erased(erased) => json!({ "authority": erased.authority }),
        _ => Value::Null,
    };
    members(said)
}

fn asked(created: &Created) -> Value {
    let action = &created.action;
    json!({
        "function": action.function,
        "parameters": action.params.iter().map(|param| param.name.as_str()).collect::<Vec<_>>(),
        "not_covered": action.not_covered,
        "needs_people": created.requirement.is_some(),
        "expires_at": action.expires_at.to_string(),
        "breaks_glass": action.break_glass.is_some(),
    })
}

fn yes(approved: &Approved) -> Value {
    json!({ "by": approved.by, "until": approved.until.to_string() })
}

fn no(denied: &Denied) -> Value {
    json!({
        "by": denied.by,
        "code": denied.code.as_str(),
        "until": denied.until.map(|until| until.to_string()),
    })
}

/// What people were shown, word by word: every text in it is to be drawn literally.
fn shown_of(card: &Card) -> Value {
    let raw = |text: &Option<Untrusted>| text.as_ref().map(|text| text.raw().to_owned());
    let params = card.params.iter().zip(&card.action.params);
    let params = params.map(|(fact, bound)| {
        json!({ "name": fact.name, "value": raw(&fact.value), "redacted": bound.redacted })
    });
    json!({
        "params": params.collect::<Vec<_>>(),
        "resource": raw(&card.resource),
        "reason": raw(&card.reason),
        "agent_says": { "rationale": raw(&card.rationale), "break_glass": raw(&card.break_glass) },
        "denial": raw(&card.denial),
        "erased": card.erased,
    })
}

/// The members that there are; what is absent is left out.
fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect(),
        _ => Map::new(),
    }
}
