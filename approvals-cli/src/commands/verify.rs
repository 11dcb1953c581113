//! `approvals verify`: reads the whole log and says what holds.
//!
//! Opens nothing for writing and needs no private key, so that it works on a log that a gate
//! refuses to open, and on an auditor's machine.

use std::fs;
use std::path::Path;

use approvals_core::ledger::{
    Checkpoint, Report, SignedCheckpoint, Verdict, Verifier, VerifierKey,
};
use approvals_core::{Code, Untrusted};
use approvals_store::sqlite::SqliteReader;
use serde_json::json;

use crate::answer::Answer;
use crate::args::{Cli, Verify};
use crate::failure::Failure;
use crate::state;

/// What no reading of the log alone can show.
const CANNOT: &str = "this cannot show a lie told at the time of writing by whoever holds the ledger key, nor the loss of records newer than every checkpoint kept outside; it does not yet replay whether each approval was given by people who were allowed to";

pub(crate) fn run(cli: &Cli, options: &Verify) -> Result<Answer, Failure> {
    let paths = state::paths(cli);
    let key = match &options.vkey {
        Some(given) => read_key(given)?,
        None => from_file(&paths.vkey())?,
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
        verifier = verifier.knowing(head(path, &key)?);
    }
    let report = approvals_core::verify(&mut reader, verifier)?;
    let passed = report.passed();
    let mut json = json!({
        "passed": passed, "vkey": key.to_string(), "key_from_outside": options.vkey.is_some(), "report": report,
        "authority_replayed": false, "cannot_show": CANNOT,
    });
    if let (false, Some(members)) = (passed, json.as_object_mut()) {
        let message = report
            .findings
            .first()
            .map_or_else(String::new, ToString::to_string);
        members.insert(
            "error".to_owned(),
            json!({ "code": Code::AuditTampered, "message": message }),
        );
    }
    let text = text(&report, options.vkey.is_some());
    Ok(Answer::new(text, json).passed(passed))
}

fn text(report: &Report, key_from_outside: bool) -> String {
    let mut lines = checks(report);
    lines.extend(details(report));
    if !key_from_outside {
        let advice = "from the state directory; pass your own copy with --vkey to prove more";
        lines.push(("key", advice.to_owned()));
    }
    lines.push(("cannot show", CANNOT.to_owned()));
    let result = if report.passed() {
        "PASS"
    } else {
        "FAIL (AuditTampered)"
    };
    lines.push(("result", result.to_owned()));
    lines
        .iter()
        .map(|(name, value)| format!("{name:<14} {}\n", Untrusted::new(value)))
        .collect()
}

type Line = (&'static str, String);

fn checks(report: &Report) -> Vec<Line> {
    let verdict = |verdict| match verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Fail => "FAIL".to_owned(),
    };
    let (records, requests) = (report.records, report.requests);
    vec![
        ("log", report.log.clone()),
        ("records", format!("{records} about {requests} requests")),
        ("head", format!("{records}:{}", report.root)),
        ("integrity", verdict(report.integrity)),
        ("completeness", verdict(report.completeness)),
        ("lifecycle", verdict(report.lifecycle)),
        ("authority", "not checked by this version".to_owned()),
    ]
}

fn details(report: &Report) -> Vec<Line> {
    let mut lines = Vec::new();
    for request in &report.in_doubt {
        let message = format!("{request} may have run; no outcome is on record");
        lines.push(("in doubt", message));
    }
    for (kind, count) in &report.unknown_kinds {
        lines.push(("unknown kind", format!("{kind} ({count} records)")));
    }
    lines.extend(report.findings.iter().map(|f| ("found", f.to_string())));
    if report.more_findings > 0 {
        lines.push(("found", format!("{} more", report.more_findings)));
    }
    lines
}

/// A head that was kept elsewhere, if the key signed it.
fn head(path: &Path, key: &VerifierKey) -> Result<Checkpoint, Failure> {
    let unusable = |why: &dyn std::fmt::Display| {
        let message = format!(
            "`{}` is not a head that this log's key signed ({why})",
            path.display()
        );
        Failure::new(Code::SignatureInvalid, message).of_check()
    };
    let note = fs::read(path).map_err(|error| unusable(&error))?;
    let signed = SignedCheckpoint::parse(note).and_then(|note| note.verify(key));
    signed.map_err(|error| unusable(&error))
}

/// A file when there is one, else the key itself.
fn read_key(given: &str) -> Result<VerifierKey, Failure> {
    if Path::new(given).is_file() {
        return from_file(Path::new(given));
    }
    parse(given).map_err(|why| {
        Failure::usage(&format!(
            "`{given}` is neither a file nor a verifier key ({why})"
        ))
    })
}

fn from_file(path: &Path) -> Result<VerifierKey, Failure> {
    let unusable = |why: &dyn std::fmt::Display| {
        let message = format!(
            "`{}` does not hold the verifier key of the log ({why}); name your copy with `--vkey`",
            path.display()
        );
        Failure::new(Code::AuditUnavailable, message)
    };
    let text = fs::read_to_string(path).map_err(|error| unusable(&error))?;
    parse(&text).map_err(|why| unusable(&why))
}

fn parse(text: &str) -> Result<VerifierKey, String> {
    VerifierKey::parse(text.trim_end_matches(['\n', '\r'])).map_err(|error| error.to_string())
}
