//! What follows from asking.

use std::time::Duration;

use super::glass_waits;
use crate::clock::{TOLERANCE, Timestamp};
use crate::error::Code;
use crate::lifecycle::command::{Ask, Step};
use crate::lifecycle::event::{Approved, Denied, Event};
use crate::policy::Evaluation;

/// For how long what the policy said may wait to be recorded: a freeze may have begun since.
const GOOD_FOR: Duration = Duration::from_secs(60);

pub(super) fn ask(ask: &Ask, now: Timestamp) -> Step {
    if ask.created.asked_at > now.after(TOLERANCE) {
        // What policy says of a time that has not come says nothing of now.
        let message = format!(
            "the policy was asked for {} and it is {now}; set the clock right",
            ask.created.asked_at
        );
        return Step::refuse(Vec::new(), Code::ClockRegression, message);
    }
    if ask.created.asked_at < now.before(GOOD_FOR) {
        let message = format!(
            "the policy was asked for {} and it is {now}: too long ago; ask again",
            ask.created.asked_at
        );
        return Step::refuse(Vec::new(), Code::Expired, message);
    }
    let mut created = ask.created.clone();
    let no = refused(ask);
    created.requirement = match &ask.evaluation {
        _ if no.is_some() => None,
        Evaluation::Allow(allowance) if ask.over.is_some() => Some(allowance.otherwise.clone()),
        Evaluation::Require(requirement) => Some(requirement.clone()),
        Evaluation::Allow(_) | Evaluation::Deny(_) => None,
    };
    let until = now.after(Duration::from_secs(created.use_within_s));
    let open = created.requirement.is_some();
    let first = Event::Created(Box::new(created));
    match no {
        Some(no) => {
            let denied = Event::Denied(Denied {
                by: None,
                reason: None,
                code: no.code,
                until: no.until,
            });
            Step::refuse(vec![first, denied], no.code, no.message)
        }
        None if open => Step::accept(vec![first]),
        None => Step::accept(vec![
            first,
            Event::AutoApproved(Approved {
                by: Vec::new(),
                until,
            }),
        ]),
    }
}

/// A no that nobody had to be asked for.
struct No {
    code: Code,
    /// Until when, when people's earlier no is behind it.
    until: Option<Timestamp>,
    message: String,
}

/// Why nobody is even asked; what the policy forbids outright comes first.
fn refused(ask: &Ask) -> Option<No> {
    let no = |code, message| {
        Some(No {
            code,
            until: None,
            message,
        })
    };
    if let Evaluation::Deny(forbidden) = &ask.evaluation {
        return no(forbidden.code(), forbidden.to_string());
    }
    if let Some(open) = ask.unreviewed {
        return no(Code::PolicyDenied, glass_waits(open));
    }
    // A person's no holds for what a rule would let through, too.
    ask.denials.refusal().map(|remembered| No {
        code: remembered.code,
        until: Some(remembered.until),
        message: remembered.message,
    })
}
