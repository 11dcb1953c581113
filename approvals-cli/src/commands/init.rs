//! `approvals init`: a new state directory.

use approvals_core::id;
use approvals_core::ledger::Origin;
use approvals_store::home::{Home, Starter};
use serde_json::json;

use crate::answer::Answer;
use crate::args::Cli;
use crate::failure::Failure;
use crate::{draw, state};

pub(crate) fn run(cli: &Cli, origin: Option<&str>) -> Result<Answer, Failure> {
    let origin = match origin {
        Some(name) => Origin::parse(name).map_err(|error| Failure::usage(&error.to_string()))?,
        None => unnamed()?,
    };
    let home = Home::create(&cli.state, Starter::new(origin))?;
    let paths = home.paths();
    let files = [
        ("ledger", paths.database(), "the log; only ever added to"),
        (
            "ledger_key",
            paths.key(),
            "signs the log; keep it secret, back it up",
        ),
        (
            "secrets",
            paths.secrets(),
            "binds redacted values; keep it secret, back it up",
        ),
        (
            "vkey",
            paths.vkey(),
            "verifies the log; give a copy to your auditor",
        ),
        ("policy", paths.policy(), "what each action takes"),
        ("people", paths.people(), "who may decide"),
    ];
    let made: Vec<Vec<String>> = files
        .iter()
        .map(|(_, path, what)| vec![format!("  {}", path.display()), (*what).to_owned()])
        .collect();
    let text = format!(
        "made the log `{}` in `{}`\n{}\nnext:\n  1. put the people who may decide, with their SSH public keys, into {}\n  2. say what each action takes in {}\n  3. {}\n",
        home.origin(),
        cli.state.display(),
        draw::table(&made),
        paths.people().display(),
        paths.policy().display(),
        state::command(cli, "policy check"),
    );
    let files: serde_json::Map<_, _> = files
        .iter()
        .map(|(name, path, _)| ((*name).to_owned(), json!(path.display().to_string())))
        .collect();
    let json =
        json!({ "log": home.origin().as_str(), "vkey": home.vkey().to_string(), "files": files });
    Ok(Answer::new(text, json))
}

/// A name for a log that nobody named: one that no other log has by accident.
fn unnamed() -> Result<Origin, Failure> {
    let bytes = id::random::<4>().map_err(approvals_core::ApprovalError::from)?;
    let name = format!("localhost/approvals-{:08x}", u32::from_be_bytes(bytes));
    Origin::parse(&name).map_err(|error| Failure::usage(&error.to_string()))
}
