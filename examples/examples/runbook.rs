//! An incident runbook behind guards: reads a log, exports a table, purges it.
//!
//! Run it with `cargo run --example runbook`, and decide from a second terminal with the command
//! that it prints. Ctrl-C withdraws what waits. Kill it and start it again: it goes on waiting for
//! the same request. `rm -r approvals-demo` starts over. An argument names another state directory.

use std::path::PathBuf;
use std::process::ExitCode;

use examples::{Failure, demo, incident};

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    demo::log();
    let dir = PathBuf::from(
        std::env::args()
            .nth(1)
            .unwrap_or_else(|| "approvals-demo".to_owned()),
    );
    let home = demo::home(&dir)?;
    let gate = demo::gate(&home)?.open().await?;

    let work = gate.enter(demo::agent(), incident::runbook(&home));
    let ended = tokio::select! {
        ended = work => ended,
        _ = tokio::signal::ctrl_c() => Err("interrupted; what waited is withdrawn".into()),
    };
    demo::report(&gate, &home, ended).await
}
