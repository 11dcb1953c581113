//! The state directory, as commands open it.

use std::path::Path;

use approvals_core::Gate;
use approvals_store::StoreUrl;
use approvals_store::home::{Home, Paths};

use crate::args::{Cli, DEFAULT_STATE};
use crate::failure::Failure;

/// A home and the gate on it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) home: Home,
    pub(crate) gate: Gate,
}

/// Opens the state directory for writing; refuses a log whose end does not verify.
pub(crate) async fn open(cli: &Cli) -> Result<State, Failure> {
    let home = home(cli)?;
    let gate = home.gate()?.open().await?;
    Ok(State { home, gate })
}

/// Loads the state directory, with its ledger where the command line says.
pub(crate) fn home(cli: &Cli) -> Result<Home, Failure> {
    let home = Home::open(&cli.state)?;
    Ok(match given(cli)? {
        Some(url) => home.with_store(url),
        None => home,
    })
}

/// Where the files are, whether or not they are there.
pub(crate) fn paths(cli: &Cli) -> Paths {
    Paths::of(&cli.state)
}

/// Where the ledger is, if the command line says so.
pub(crate) fn given(cli: &Cli) -> Result<Option<StoreUrl>, Failure> {
    let parse = |text: &String| {
        let url = text.parse::<StoreUrl>();
        url.map_err(|error| Failure::usage(&error.to_string()))
    };
    cli.store.as_ref().map(parse).transpose()
}

/// Where the ledger is.
pub(crate) fn store(cli: &Cli) -> Result<StoreUrl, Failure> {
    match given(cli)? {
        Some(url) => Ok(url),
        None => Ok(paths(cli).store()?),
    }
}

/// The command line that does something on the same state directory.
pub(crate) fn command(cli: &Cli, words: &str) -> String {
    if cli.state == Path::new(DEFAULT_STATE) {
        format!("approvals {words}")
    } else {
        format!("approvals --state {} {words}", quoted(&cli.state))
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        for (path, expected) in [
            ("/var/lib/approvals", "/var/lib/approvals"),
            ("my state", "'my state'"),
            ("it's", r"'it'\''s'"),
            ("$(id)", "'$(id)'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
