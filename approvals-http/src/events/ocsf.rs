//! OCSF 1.8: what was asked and decided is Entity Management (3004), what was used, refused and
//! executed is API Activity (6003).

use std::time::Duration;

use approvals_core::lifecycle::Event;
use approvals_core::{Outcome, PersonId, Timestamp};
use serde_json::{Value, json};

use super::{Happening, OCSF};

pub(super) fn event(happening: &Happening<'_>) -> Option<Value> {
    match happening.event {
        Event::Consumed(_) => Some(ran(happening, &used(happening))),
        Event::PermitRefused(refused) => Some(ran(
            happening,
            &Run {
                activity: "Refuse",
                allowed: false,
                disposition: UNAUTHORIZED,
                status: FAILURE,
                severity: MEDIUM,
                code: Some(refused.code.as_str().to_owned()),
                duration: None,
            },
        )),
        Event::Finished(finished) => Some(ran(
            happening,
            &Run {
                activity: "Finish",
                status: match finished.outcome {
                    Outcome::Succeeded => SUCCESS,
                    Outcome::Failed => FAILURE,
                    Outcome::Unknown => UNKNOWN,
                },
                severity: match finished.outcome {
                    // Nobody knows what it did: somebody has to look.
                    Outcome::Unknown => MEDIUM,
                    Outcome::Succeeded | Outcome::Failed => INFORMATIONAL,
                },
                code: finished.code.clone(),
                duration: finished.duration_us.map(|us| us / 1_000),
                ..used(happening)
            },
        )),
        Event::Notice(_) => None,
        _ => Some(managed(happening, &step(happening))),
    }
}

type Named = (i64, &'static str);

const UNKNOWN: Named = (0, "Unknown");
const SUCCESS: Named = (1, "Success");
const FAILURE: Named = (2, "Failure");

const INFORMATIONAL: Named = (1, "Informational");
const MEDIUM: Named = (3, "Medium");
const HIGH: Named = (4, "High");

const ALLOWED: Named = (1, "Allowed");
const APPROVED: Named = (8, "Approved");
const REJECTED: Named = (25, "Rejected");
const UNAUTHORIZED: Named = (26, "Unauthorized");

/// One use of an approval, or a try.
struct Run {
    activity: &'static str,
    allowed: bool,
    disposition: Named,
    status: Named,
    severity: Named,
    code: Option<String>,
    duration: Option<u64>,
}

fn used(happening: &Happening<'_>) -> Run {
    Run {
        activity: "Execute",
        allowed: true,
        // People approved it, or a rule allowed it: not the same to whoever looks.
        disposition: match happening.created.requirement {
            Some(_) => APPROVED,
            None => ALLOWED,
        },
        status: SUCCESS,
        severity: INFORMATIONAL,
        code: None,
        duration: None,
    }
}

fn ran(happening: &Happening<'_>, run: &Run) -> Value {
    let action = &happening.created.action;
    let mut event = base(
        happening,
        &CLASS_API,
        (99, run.activity),
        run.status,
        run.severity,
    );
    let decision = match run.allowed {
        true => "allow",
        false => "deny",
    };
    let mut actor = agent(happening);
    let authorizations = json!([{ "decision": decision, "policy": policy(happening) }]);
    put(&mut actor, "authorizations", authorizations);
    put(&mut event, "actor", actor);
    put(
        &mut event,
        "api",
        json!({ "operation": action.scope.as_str(), "service": { "name": happening.log.as_str() } }),
    );
    put(
        &mut event,
        "src_endpoint",
        json!({ "name": action.agent.as_str() }),
    );
    put(
        &mut event,
        "message_context",
        json!({ "application": { "name": action.agent.as_str(), "uid": action.agent.as_str() } }),
    );
    let (number, name) = if run.allowed {
        (1, "Allowed")
    } else {
        (2, "Denied")
    };
    put(&mut event, "action_id", json!(number));
    put(&mut event, "action", json!(name));
    dispose(&mut event, run.disposition);
    if let Some(code) = &run.code {
        put(&mut event, "status_code", json!(code));
    }
    if let Some(duration) = run.duration {
        put(&mut event, "duration", json!(duration));
    }
    // The agent's own word, as everywhere: it says which model it is.
    if let (Some(provider), Some(model)) = (&action.claims.provider, &action.claims.model) {
        put(
            &mut event,
            "ai_model",
            json!({ "ai_provider": provider, "name": model }),
        );
    }
    event
}

/// One step on the way to a decision.
struct Step {
    activity: Named,
    status: Named,
    severity: Named,
    disposition: Option<Named>,
    person: Option<PersonId>,
    code: Option<&'static str>,
}

fn step(happening: &Happening<'_>) -> Step {
    let step = |person: Option<&PersonId>| Step {
        activity: (3, "Update"),
        status: SUCCESS,
        severity: INFORMATIONAL,
        disposition: None,
        person: person.cloned(),
        code: None,
    };
    match happening.event {
        Event::Created(_) => Step {
            activity: (1, "Create"),
            ..step(None)
        },
        Event::Approved(_) => Step {
            disposition: Some(APPROVED),
            ..step(None)
        },
        Event::AutoApproved(_) => Step {
            disposition: Some(ALLOWED),
            ..step(None)
        },
        Event::Denied(denied) => Step {
            disposition: Some(REJECTED),
            code: Some(denied.code.as_str()),
            ..step(denied.by.as_ref())
        },
        Event::Reviewed(review) => step(Some(&review.person)),
        Event::ReviewRefused(refused) => Step {
            status: FAILURE,
            severity: MEDIUM,
            code: Some(refused.code.as_str()),
            ..step(refused.person.as_ref())
        },
        Event::Voided(voided) => Step {
            code: Some(voided.code.as_str()),
            ..step(Some(&voided.person))
        },
        Event::BreakGlassUsed => Step {
            severity: HIGH,
            ..step(None)
        },
        Event::PostReviewed(review) => step(Some(&review.person)),
        _ => step(None),
    }
}

fn managed(happening: &Happening<'_>, step: &Step) -> Value {
    let action = &happening.created.action;
    let mut event = base(
        happening,
        &CLASS_ENTITY,
        step.activity,
        step.status,
        step.severity,
    );
    let actor = match &step.person {
        Some(person) => json!({ "user": user(person) }),
        None => agent(happening),
    };
    put(&mut event, "actor", actor);
    let entity = json!({
        "type": "Approval Request",
        "uid": happening.request.to_string(),
        "name": action.scope.as_str(),
    });
    put(&mut event, "entity", entity);
    put(&mut event, "comment", json!(happening.record.kind()));
    if let (Event::Approved(approved), Some(more)) = (happening.event, event.get_mut("unmapped")) {
        put(more, "approved_by", json!(approved.by));
    }
    if let Some(disposition) = step.disposition {
        dispose(&mut event, disposition);
        let (number, name) = match disposition == REJECTED {
            true => (2, "Denied"),
            false => (1, "Allowed"),
        };
        put(&mut event, "action_id", json!(number));
        put(&mut event, "action", json!(name));
    }
    if let Some(code) = step.code {
        put(&mut event, "status_code", json!(code));
    }
    event
}

/// A class of OCSF, and the profiles that its events use here.
struct Class {
    uid: i64,
    name: &'static str,
    category: Named,
    profiles: &'static [&'static str],
}

const CLASS_API: Class = Class {
    uid: 6003,
    name: "API Activity",
    category: (6, "Application Activity"),
    profiles: &["ai_operation", "security_control", "datetime"],
};

const CLASS_ENTITY: Class = Class {
    uid: 3004,
    name: "Entity Management",
    category: (3, "Identity & Access Management"),
    profiles: &["security_control", "datetime"],
};

fn base(
    happening: &Happening<'_>,
    class: &Class,
    activity: Named,
    status: Named,
    severity: Named,
) -> Value {
    let record = happening.record;
    json!({
        "category_uid": class.category.0,
        "category_name": class.category.1,
        "class_uid": class.uid,
        "class_name": class.name,
        "activity_id": activity.0,
        "activity_name": activity.1,
        "type_uid": class.uid * 100 + activity.0,
        "type_name": format!("{}: {}", class.name, activity.1),
        "time": milliseconds(record.at),
        "time_dt": record.at.to_string(),
        "status_id": status.0,
        "status": status.1,
        "severity_id": severity.0,
        "severity": severity.1,
        "message": format!("{} of {}", record.kind(), happening.request),
        "metadata": {
            "version": OCSF,
            "product": { "name": "approvals", "vendor_name": "approvals", "version": env!("CARGO_PKG_VERSION") },
            "profiles": class.profiles,
            "uid": record.id.to_string(),
            "sequence": record.seq,
            "event_code": record.kind(),
            "correlation_uid": happening.request.to_string(),
            "log_name": happening.log.as_str(),
        },
        "unmapped": {
            "log_index": record.seq,
            "leaf_hash": happening.leaf.to_hex(),
            "action_digest": happening.created.digest.to_string(),
        },
    })
}

/// The agent, and the person whom it acts for.
fn agent(happening: &Happening<'_>) -> Value {
    let action = &happening.created.action;
    let behind = action.sponsor.as_ref().or(action.owner.as_ref());
    let mut actor = json!({ "app_uid": action.agent.as_str(), "app_name": action.agent.as_str() });
    if let Some(person) = behind {
        put(&mut actor, "user", user(person));
    }
    actor
}

fn user(person: &PersonId) -> Value {
    json!({ "uid": person.as_str(), "name": person.as_str(), "type_id": 1, "type": "User" })
}

fn policy(happening: &Happening<'_>) -> Value {
    let policy = &happening.created.policy;
    json!({ "uid": policy.digest.to_string(), "version": policy.version.to_string() })
}

fn dispose(event: &mut Value, (number, name): Named) {
    put(event, "disposition_id", json!(number));
    put(event, "disposition", json!(name));
}

fn put(event: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = event {
        members.insert(name.to_owned(), value);
    }
}

fn milliseconds(at: Timestamp) -> i64 {
    let since = at.since(Timestamp::from_micros(0));
    i64::try_from(Duration::as_millis(&since)).unwrap_or(i64::MAX)
}
