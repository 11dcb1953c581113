//! `approvals verify`: reads the whole log and says what holds.
//!
//! Opens nothing for writing and needs no private key, so that it works on a log that a gate
//! refuses to open, and on an auditor's machine. Where the secrets of the log can be read, its
//! values are opened, and policies are asked again about them. [`given`] reads what the auditor brings along,
//! the library judges, [`draw`] says it to people.

mod draw;
mod given;

use approvals_core::ledger::Verifier;
use approvals_core::{Code, StoredLog, verify_source};
use approvals_store::sqlite::SqliteReader;
use serde_json::json;

use crate::answer::Answer;
use crate::args::{Cli, Verify};
use crate::failure::Failure;
use crate::state;

/// What no reading of the log alone can show.
const CANNOT: &str = "this cannot show a lie told at the time of writing by whoever holds the ledger key, nor the loss of records newer than every checkpoint kept outside";

pub(crate) fn run(cli: &Cli, options: &Verify) -> Result<Answer, Failure> {
    let paths = state::paths(cli);
    let key = match &options.vkey {
        Some(given) => given::key(given)?,
        None => given::key_in(&paths.vkey())?,
    };
    let path = options.db.clone().unwrap_or_else(|| paths.database());
    if !path.exists() {
        let message = format!(
            "there is no log at `{}`, so nothing can be verified; name it with `--db`, or restore it",
            path.display()
        );
        return Err(Failure::new(Code::NotFound, message).of_check());
    }
    let mut reader = SqliteReader::open(&path)?;
    let mut verifier = Verifier::new(key.clone());
    for path in &options.checkpoint {
        verifier = verifier.knowing(given::head(path)?);
    }
    if let Some(hash) = &options.genesis {
        verifier = verifier.beginning_with(given::genesis(hash)?);
    }
    if let Some(path) = &options.people {
        verifier = verifier.people(&given::people(path)?);
    }
    if let Some(at) = options.as_of {
        verifier = verifier.as_of(at);
    }
    let mut log = StoredLog::new(&mut reader);
    if let (None, Some(vault)) = (&options.db, given::vault(&paths, &key)) {
        log = log.opened_with(vault);
    }
    let report = verify_source(&mut log, verifier)?;
    let passed = report.passed();
    let from_outside = options.vkey.is_some();
    let mut json = json!({
        "passed": passed, "vkey": key.to_string(), "key_from_outside": from_outside, "report": report,
        "cannot_show": CANNOT,
    });
    if let (false, Some(members)) = (passed, json.as_object_mut()) {
        let first = report.findings.first();
        let message = first.map_or_else(String::new, ToString::to_string);
        let error = json!({ "code": Code::AuditTampered, "message": message });
        members.insert("error".to_owned(), error);
    }
    let text = draw::text(&report, from_outside, CANNOT);
    Ok(Answer::new(text, json).passed(passed))
}
