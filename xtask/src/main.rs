//! `cargo xtask <command>`: picks the command and turns its result into an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use xtask::command::{Failure, Outcome};
use xtask::suite::House;
use xtask::{bench, measure, setup, suite, tidy, workspace};

const HELP: &str = "\
usage: cargo xtask <command>

  test [--full]    everything: set-up, fmt, clippy, tidy, tests and doctests, docs, features, MSRV, deny
  tidy             the rules no compiler checks: module order, sizes, evidence constructors, text
  measure          size and documentation figures per crate
  bench [args]     the benchmarks: ours, floors and rivals; or `bench growth`
  setup [--full]   install what a fresh machine lacks
  help             this text

--full (or the environment variable CI) also installs cargo-deny, which takes some minutes once.
exit codes: 0 passed, 1 failed, 2 wrong usage";

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<String> = args
        .iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test"] => in_house(|root| suite::run(&House::new(root, false))),
        ["test", "--full"] => in_house(|root| suite::run(&House::new(root, true))),
        ["setup"] => in_house(|root| setup::run(&House::new(root, false))),
        ["setup", "--full"] => in_house(|root| setup::run(&House::new(root, true))),
        ["tidy"] => in_house(|root| tidy::run(&root)),
        ["measure"] => in_house(|root| measure::run(&root)),
        ["bench", ..] => in_house(|root| bench::run(&root, args.iter().skip(1))),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [] => return usage("no command given"),
        [first, ..] => {
            return usage(&format!(
                "`{}` is not a command, or not with these arguments",
                first
            ));
        }
    };
    match result {
        Ok(Outcome::Passed) => ExitCode::SUCCESS,
        Ok(Outcome::Skipped(why)) => {
            println!("skipped: {why}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn in_house(
    work: impl FnOnce(std::path::PathBuf) -> Result<Outcome, Failure>,
) -> Result<Outcome, Failure> {
    work(workspace::root()?)
}

fn usage(complaint: &str) -> ExitCode {
    eprintln!("error: {complaint}\n\n{HELP}");
    ExitCode::from(2)
}
