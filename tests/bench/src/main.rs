//! The workloads W1 to W6, measured on our side, on raw floors and on rivals, in one run.
//!
//! `cargo xtask bench` starts `run`; everything that is measured is a process of its own, so that its
//! memory and its syncs are its own, too. Each prints JSON lines under the same keys as the rivals.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on stops"
)]

mod action;
mod cluster;
mod floor;
mod growth;
mod line;
mod machine;
mod ours;
mod run;

const HELP: &str = "\
usage: approvals-bench run [--rounds N] [--quick] [--no-rivals] [W1 .. W6]
       approvals-bench ours|floor W1..W5 [N]
       approvals-bench growth [--full]";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let known = match words.as_slice() {
        ["ours", workload, rest @ ..] => ours::measure(workload, rest),
        ["floor", workload, rest @ ..] => floor::measure(workload, rest),
        ["growth", rest @ ..] => growth::measure(rest),
        ["run", rest @ ..] => run::run(rest),
        ["cluster"] => cluster::serve(),
        _ => false,
    };
    if !known {
        eprintln!("{HELP}");
        std::process::exit(2);
    }
}
