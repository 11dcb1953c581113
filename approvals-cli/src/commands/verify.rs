//! `approvals verify`: reads the whole log and says what holds.
//!
//! Opens nothing for writing and needs no private key, so that it works on a log that a gate
//! refuses to open, and on an auditor's machine.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use approvals_core::ledger::{Report, Verdict, VerifierKey};
use approvals_core::{Code, Untrusted};
use approvals_store::sqlite::SqliteReader;
use serde_json::json;

use crate::answer::Answer;
use crate::args::{Cli, Verify};
use crate::failure::Failure;
use crate::{draw, state};

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
        let message = format!("there is no log at `{}`, so nothing can be verified; name it with `--db`, or restore it", path.display());
        return Err(Failure::new(Code::NotFound, message).of_check());
    }
    let mut reader = SqliteReader::open(&path)?;
    let report = approvals_core::verify(&mut reader, key.clone())?;
    let passed = report.passed();
    let json = json!({
        "passed": passed, "vkey": key.to_string(), "key_from_outside": options.vkey.is_some(), "report": report,
        "authority_replayed": false, "cannot_show": CANNOT,
    });
    let text = text(&report, options.vkey.is_some());
    Ok(Answer::new(text, json).passed(passed))
}

fn text(report: &Report, key_from_outside: bool) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<14} {value}");
    };
    line("log", &report.log);
    line("records", &format!("{} about {} requests", report.records, report.requests));
    line("head", &format!("{}:{}", report.records, report.root));
    for (name, verdict) in [("integrity", report.integrity), ("completeness", report.completeness), ("lifecycle", report.lifecycle)] {
        line(name, match verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
        });
    }
    line("authority", "not checked by this version");
    if !report.in_doubt.is_empty() {
        line("in doubt", &format!("{} (may have run; no outcome is on record)", draw::ids(&report.in_doubt)));
    }
    for (kind, count) in &report.unknown_kinds {
        line("unknown kind", &format!("{} ({count} records)", Untrusted::new(kind)));
    }
    for finding in &report.findings {
        line("found", &Untrusted::new(&finding.to_string()).to_string());
    }
    if report.more_findings > 0 {
        line("found", &format!("and {} more", report.more_findings));
    }
    if !key_from_outside {
        line("key", "from the state directory; pass your own copy with --vkey to prove more");
    }
    line("cannot show", CANNOT);
    line("result", if report.passed() { "PASS" } else { "FAIL" });
    text
}

/// A file when there is one, else the key itself.
fn read_key(given: &str) -> Result<VerifierKey, Failure> {
    if Path::new(given).is_file() {
        return from_file(Path::new(given));
    }
    parse(given).map_err(|why| Failure::usage(&format!("`{given}` is neither a file nor a verifier key ({why})")))
}

fn from_file(path: &Path) -> Result<VerifierKey, Failure> {
    let unusable = |why: &dyn std::fmt::Display| {
        let message = format!("`{}` does not hold the verifier key of the log ({why}); name your copy with `--vkey`", path.display());
        Failure::new(Code::AuditUnavailable, message)
    };
    let text = fs::read_to_string(path).map_err(|error| unusable(&error))?;
    parse(&text).map_err(|why| unusable(&why))
}

fn parse(text: &str) -> Result<VerifierKey, String> {
    VerifierKey::parse(text.trim_end_matches(['\n', '\r'])).map_err(|error| error.to_string())
}
