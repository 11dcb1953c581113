//! `approvals verify`: reads the whole log and says what holds.
//!
//! Opens nothing for writing and needs no private key, so that it works on a log that a gate
//! refuses to open, and on an auditor's machine. Where the secrets of the log can be read, its
//! values are opened, and policies are asked again about them. [`given`] reads what the auditor brings along,
//! the library judges, [`draw`] says it to people.

mod draw;
pub(super) mod given;
mod receipts;
mod source;

use approvals_core::Code;
use approvals_core::ledger::{KeyChain, Verifier, VerifierKey};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::args::{Cli, Verify};
use crate::failure::Failure;
use crate::state;
use receipts::Receipts;
use source::Source;

/// What no reading of the log alone can show.
const CANNOT: &str = "this cannot show a lie told at the time of writing by whoever holds the ledger key, nor the loss of records newer than every checkpoint kept outside";

pub(crate) fn run(cli: &Cli, options: &Verify) -> Result<Answer, Failure> {
    let paths = state::paths(cli);
    let key = match &options.vkey {
        Some(given) => given::key(given)?,
        None => given::key_in(&paths.vkey())?,
    };
    let from_outside = options.vkey.is_some();
    let mut receipts = Receipts::read(&options.receipt);
    let given = state::given(cli)?;
    let of_log = !options.checkpoint.is_empty()
        || options.require_witness.is_some()
        || options.require_anchor.is_some();
    let alone = given.is_none() && options.tiles.is_none() && !of_log;
    if !receipts.is_empty() && alone {
        receipts.prove(&KeyChain::new(key.clone()));
        return Ok(of_receipts(&receipts, &key, from_outside));
    }
    let mut source = match &options.tiles {
        Some(directory) => Source::tiles(directory)?,
        None => Source::store(&state::store(cli)?)?,
    };
    let verifier = brought(options, receipts.known_to(Verifier::new(key.clone())))?;
    let vault = match &given {
        None => given::vault(&paths, &key),
        Some(_) => None,
    };
    let (report, damaged) = source.verify(verifier, vault)?;
    // Which keys signed is known when the log has been read.
    receipts.prove(&report.key_chain);
    receipts.compare(|seq| source.record(seq))?;
    let passed = report.passed() && damaged.passed() && receipts.passed();
    let mut json = json!({
        "passed": passed, "vkey": key.to_string(), "key_from_outside": from_outside, "report": report,
        "cannot_show": CANNOT,
    });
    if let Some(members) = json.as_object_mut() {
        members.extend(damaged.json().map(|tiles| ("tiles".to_owned(), tiles)));
        let proven = (!receipts.is_empty()).then(|| receipts.json());
        members.extend(proven.map(|receipts| ("receipts".to_owned(), receipts)));
        let first = report.findings.first().map(ToString::to_string);
        let wrong = first
            .or_else(|| damaged.wrong())
            .or_else(|| receipts.wrong());
        members.extend(wrong.map(error));
    }
    let more = damaged.lines().into_iter().chain(receipts.lines());
    let text = draw::text(&report, more, from_outside, CANNOT, passed);
    Ok(Answer::new(text, json).passed(passed))
}

/// The verifier, with everything that the auditor brings along.
fn brought(options: &Verify, mut verifier: Verifier) -> Result<Verifier, Failure> {
    for path in &options.checkpoint {
        verifier = verifier.knowing(given::head(path)?);
    }
    if let Some(path) = &options.require_witness {
        verifier = verifier.witnessed_by(given::witnesses(path)?);
    }
    if let Some(demand) = options.require_anchor {
        verifier = verifier.anchored_to(demand);
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
    Ok(verifier)
}

/// The answer about receipts alone.
fn of_receipts(receipts: &Receipts, key: &VerifierKey, from_outside: bool) -> Answer {
    let passed = receipts.passed();
    let mut json = json!({
        "passed": passed, "vkey": key.to_string(), "key_from_outside": from_outside,
        "receipts": receipts.json(),
    });
    if let Some(members) = json.as_object_mut() {
        members.extend(receipts.wrong().map(error));
    }
    let text = draw::receipts(key.name().as_str(), receipts.lines(), from_outside, passed);
    Answer::new(text, json).passed(passed)
}

fn error(message: String) -> (String, Value) {
    let error = json!({ "code": Code::AuditTampered, "message": message });
    ("error".to_owned(), error)
}
