//! `approvals pin`: the head that is kept outside of the store.

use approvals_core::ledger::SignedCheckpoint;
use approvals_core::ports::HeadPin as _;
use approvals_core::{Code, Loss, Relation, relate};
use approvals_store::FilePin;
use approvals_store::home::Home;
use serde_json::json;

use crate::answer::Answer;
use crate::args::Cli;
use crate::failure::Failure;
use crate::state;

/// Says what the pin holds and how the store stands to it; exit code 1 when they do not fit.
pub(crate) fn show(cli: &Cli) -> Result<Answer, Failure> {
    let home = state::home(cli)?;
    let mut pin = pin(&home)?;
    let path = pin.path().display().to_string();
    let unread = |error: &dyn std::fmt::Display| {
        let message = format!("the head pin cannot be read: {error}");
        Failure::new(Code::AuditUnavailable, message)
    };
    let held = pin.read().map_err(|error| unread(&error))?;
    let mut reader = home.reader()?;
    let head = reader.head()?;
    let stored = head.frontier.size();
    let Some(held) = held else {
        let fits = stored == 0;
        let text = format!(
            "the head pin `{path}` holds nothing, and the log has {stored} records\n{}",
            if fits {
                ""
            } else {
                "a gate refuses to open: put the pin back, or run `approvals pin adopt`\n"
            }
        );
        let json = json!({ "pin": path, "pinned": null, "stored": stored, "fits": fits });
        return Ok(Answer::new(text, json).passed(fits));
    };
    let note = SignedCheckpoint::parse(held)
        .map_err(|error| unread(&format!("`{path}` holds no head of a log ({error})")))?;
    let pinned = home.keys()?.verify(&note).map_err(|fault| {
        let message = format!(
            "the head pin `{path}` holds no head that a key of the log in the store signed: {fault}"
        );
        Failure::new(Code::AuditTampered, message)
    })?;
    let relation = relate(&mut *reader, &head, &pinned)?;
    let (fits, says) = match relation {
        Relation::Same => (true, "the store has exactly these"),
        Relation::Behind => (true, "the store goes on from there; the next gate pins it"),
        Relation::Ahead => (
            false,
            "THE STORE WAS ROLLED BACK OR CUT: it lacks the last of these",
        ),
        Relation::Forked => (
            false,
            "THE LOG WAS FORKED OR REWRITTEN: the store has others in their place",
        ),
    };
    let text = format!(
        "the head pin `{path}` covers {} records, and the log has {stored}\n{says}\n",
        pinned.size
    );
    let json = json!({
        "pin": path, "pinned": { "size": pinned.size, "root": pinned.root.to_base64() },
        "stored": stored, "relation": relation, "fits": fits,
    });
    Ok(Answer::new(text, json).passed(fits))
}

/// Sets the pin by hand, on record.
pub(crate) fn adopt(cli: &Cli, accept_loss: bool) -> Result<Answer, Failure> {
    let home = state::home(cli)?;
    let path = pin(&home)?.path().display().to_string();
    let loss = match accept_loss {
        true => Loss::Accept,
        false => Loss::Refuse,
    };
    let adopted = home.gate()?.adopt_pin(loss)?;
    let before = adopted.before.as_ref().map(|head| head.size);
    let was = before.map_or("nothing".to_owned(), |size| format!("{size} records"));
    let text = format!(
        "the head pin `{path}` covers {} records now and covered {was} before; that is on record\n",
        adopted.head.size
    );
    let json = json!({ "pin": path, "size": adopted.head.size, "before": before });
    Ok(Answer::new(text, json))
}

fn pin(home: &Home) -> Result<FilePin, Failure> {
    home.head_pin().ok_or_else(|| {
        let path = home.paths().anchors();
        let message = format!(
            "this log has no head pin; name a place for one in `{}`",
            path.display()
        );
        Failure::new(Code::Misuse, message)
    })
}
