//! An incident runbook behind guards: reads a log, exports a table, purges it.
//!
//! Run it with `cargo run --example runbook`, and decide from a second terminal with the command
//! that it prints. Ctrl-C withdraws what waits. Kill it and start it again: it goes on waiting for
//! the same request. `rm -r approvals-demo` starts over. An argument names another state directory.

use std::path::PathBuf;
use std::process::ExitCode;

use approvals_core::{Agent, ApprovalError, Gate};
use approvals_store::home::Home;
use examples::{Failure, demo, incident};
use tracing_subscriber::EnvFilter;

const BEFORE: &str = "2026-11-14";

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let filter = EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| "approvals_core::decided=info".into());
    tracing_subscriber::fmt()
        .compact()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .init();
    let dir = PathBuf::from(
        std::env::args()
            .nth(1)
            .unwrap_or_else(|| "approvals-demo".to_owned()),
    );
    let home = demo::home(&dir)?;
    let gate = demo::gate(&home).await?;
    let agent = Agent::new("runbook-bot")
        .on_behalf_of("u_sam")
        .software("examples/runbook 0.1")
        .run("incident-4711");
    let agent =
        agent.rationale("the session store is full; sessions older than a week are safe to drop");

    let work = gate.enter(agent, app(&home));
    let ended = tokio::select! {
        ended = work => ended,
        _ = tokio::signal::ctrl_c() => Err("interrupted; what waited is withdrawn".into()),
    };
    match &ended {
        Ok(()) => println!("\ndone."),
        Err(error) => println!("\nstopped: {}", explain(&**error)),
    }
    evidence(&gate, &home).await?;
    Ok(if ended.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn app(home: &Home) -> Result<(), Failure> {
    println!("1. what fails?");
    for (component, errors) in incident::scan_log(incident::LOG).await? {
        println!("   {component}: {errors} errors");
    }
    let db = incident::open_sessions(home.path())?;
    let old = incident::count_old(&db, BEFORE)?;
    let export = home.path().join("incident-4711-sessions.csv");
    println!("2. export {old} old sessions to {}", export.display());
    if export.exists() {
        println!("   it is there already");
    } else {
        let rows = incident::export(&db, "sessions", BEFORE, export).await?;
        println!("   {rows} rows written");
    }
    println!("3. delete them");
    if old == 0 {
        println!("   they are gone already");
    } else {
        println!(
            "   {} rows deleted",
            incident::purge(&db, "sessions", BEFORE, old).await?
        );
    }
    Ok(())
}

fn explain(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    match error.downcast_ref::<ApprovalError>() {
        Some(no) => match no.reason() {
            Some(reason) => format!("{no}: \"{}\"", approvals_core::Untrusted::new(reason)),
            None => no.to_string(),
        },
        None => error.to_string(),
    }
}

async fn evidence(gate: &Gate, home: &Home) -> Result<(), Failure> {
    gate.flush().await?;
    let report = gate.journal().verify().await?;
    let verdict = if report.passed() {
        "verified"
    } else {
        "DOES NOT VERIFY"
    };
    println!(
        "\nthe ledger is {verdict}: {} records, {} requests, {} in doubt",
        report.records,
        report.requests.asked,
        report.in_doubt.len()
    );
    println!("  evidence   {}", home.paths().database().display());
    println!("  signed by  {}", home.vkey());
    println!(
        "  check it   cargo run -q --bin approvals -- --state {} verify",
        home.path().display()
    );
    Ok(())
}
