//! `approvals init`: a new state directory.

use std::path::PathBuf;

use approvals_core::id;
use approvals_core::ledger::Origin;
use approvals_store::home::{Home, Paths, Starter};
use serde_json::json;

use crate::answer::Answer;
use crate::args::{Cli, Init};
use crate::failure::Failure;
use crate::{draw, state};

pub(crate) fn run(cli: &Cli, init: &Init) -> Result<Answer, Failure> {
    let home = Home::create(&cli.state, starter(cli, init)?)?;
    let made_recovery = init.recovery_vkey.is_none();
    let files = files(&home, made_recovery);
    let made: Vec<Vec<String>> = files
        .iter()
        .map(|(_, path, what)| vec![format!("  {}", path.display()), (*what).to_owned()])
        .collect();
    let next: String = (1..)
        .zip(next(cli, home.paths(), made_recovery))
        .map(|(number, step)| format!("  {number}. {step}\n"))
        .collect();
    let text = format!(
        "made the log `{}` in `{}`\n{}\nnext:\n{next}",
        home.origin(),
        cli.state.display(),
        draw::table(&made),
    );
    let files: serde_json::Map<_, _> = files
        .iter()
        .map(|(name, path, _)| ((*name).to_owned(), json!(path.display().to_string())))
        .collect();
    let json = json!({
        "log": home.origin().as_str(), "vkey": home.vkey().to_string(),
        "recovery_vkey": home.recovery_vkey().to_string(), "files": files,
    });
    Ok(Answer::new(text, json))
}

fn starter(cli: &Cli, init: &Init) -> Result<Starter, Failure> {
    let origin = match (&init.origin, &init.recovery_vkey) {
        (Some(name), _) => {
            Origin::parse(name).map_err(|error| Failure::usage(&error.to_string()))?
        }
        (None, Some(vkey)) => vkey.name().clone(),
        (None, None) => unnamed()?,
    };
    let mut starter = Starter::new(origin);
    if let Some(vkey) = &init.recovery_vkey {
        starter = starter.recovery_vkey(vkey.clone());
    }
    if let Some(url) = state::given(cli)? {
        // A path is meant from here, wherever the address is kept.
        let here = std::env::current_dir().unwrap_or_default();
        starter = starter.store(url.within(&here));
    }
    Ok(starter)
}

fn files(home: &Home, made_recovery: bool) -> Vec<(&'static str, PathBuf, &'static str)> {
    let paths = home.paths();
    // A database elsewhere is named by the file that says where.
    let ledger = match home.store_url().file() {
        Some(path) => path.to_owned(),
        None => paths.url(),
    };
    let mut files = vec![
        ("ledger", ledger, "the log; only ever added to"),
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
            "disclosure_key",
            paths.disclosure(),
            "opens what people were shown; keep it secret, and its backups apart from the ledger's",
        ),
        (
            "vkey",
            paths.vkey(),
            "verifies the log; give a copy to your auditor",
        ),
        (
            "recovery_vkey",
            paths.recovery_vkey(),
            "names the key that can revoke the ledger key",
        ),
        ("policy", paths.policy(), "what each action takes"),
        ("people", paths.people(), "who may decide"),
        (
            "anchors",
            paths.anchors(),
            "where heads of the log are kept outside of it",
        ),
    ];
    if made_recovery {
        let what = "can revoke the ledger key: MOVE IT OFF THIS MACHINE NOW";
        files.push(("recovery_key", paths.recovery_key(), what));
    }
    files
}

fn next(cli: &Cli, paths: &Paths, made_recovery: bool) -> Vec<String> {
    let mut next = Vec::new();
    if made_recovery {
        next.push(format!(
            "move {} to a place that nobody who gets into this machine can reach, such as a stick in a safe:\n     it takes the log back when the ledger key is stolen, and whoever steals both keeps it",
            paths.recovery_key().display()
        ));
    }
    next.push(format!(
        "put the people who may decide, with their SSH public keys, into {}",
        paths.people().display()
    ));
    next.push(format!(
        "say what each action takes in {}",
        paths.policy().display()
    ));
    next.push(format!(
        "keep heads of the log where this machine cannot change them: a pin and witnesses, in {}",
        paths.anchors().display()
    ));
    next.push(state::command(cli, "policy check"));
    next
}

/// A name for a log that nobody named: one that no other log has by accident.
fn unnamed() -> Result<Origin, Failure> {
    let bytes = id::random::<4>().map_err(approvals_core::ApprovalError::from)?;
    let name = format!("localhost/approvals-{:08x}", u32::from_be_bytes(bytes));
    Origin::parse(&name).map_err(|error| Failure::usage(&error.to_string()))
}
