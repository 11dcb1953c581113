//! The `approvals` command: see what waits, decide it with your own key, verify the log.
//!
//! Thin on purpose: it parses, prints, and calls the libraries. Every rule is theirs.
//!
//! With `--json` standard output carries exactly one JSON document, whatever happens: the answer, or
//! `{"error":{"code":…,"message":…,"request":…}}`. Standard error is for people: the card that is
//! being decided, what `ssh-keygen` asks, and the error in words.
//!
//! Exit codes: 0 done, 1 refused or a check failed, 2 wrong use, 3 not available.

mod answer;
mod args;
mod commands;
mod draw;
mod failure;
mod guarded;
mod request;
mod save;
mod sign;
mod state;

use std::process::ExitCode;

use clap::Parser as _;

use answer::Printer;
use args::Cli;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let printer = Printer::new(cli.json);
            let answer = commands::run(&cli, &printer);
            printer.finish(answer)
        }
        Err(error) => wrong_use(&error),
    }
}

/// Help and version are answers; everything else is wrong use, in JSON too when that was asked for.
fn wrong_use(error: &clap::Error) -> ExitCode {
    let json = error.use_stderr() && std::env::args_os().any(|arg| arg == "--json");
    if json {
        return Printer::new(true).finish(Err(failure::Failure::usage(&error.to_string())));
    }
    // When nobody reads, there is nobody to tell.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(failure::USAGE)
    } else {
        ExitCode::SUCCESS
    }
}
