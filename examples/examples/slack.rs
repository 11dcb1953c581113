//! A guard that asks you in Slack: it deletes a file of its own when you press Approve.
//!
//! Set three variables and run it with `cargo run --example slack`; how to get them is in the README of
//! `approvals-slack`:
//! `APPROVALS_SLACK_BOT_TOKEN` (`xoxb-…`), `APPROVALS_SLACK_APP_TOKEN` (`xapp-…`), and
//! `APPROVALS_SLACK_APPROVER`, your own user id (`U…`). Your direct messages with the app show the request.

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use approvals_core::ledger::LedgerKey;
use approvals_core::{
    Agent, ForgetfulStore, Gate, People, Policy, id::random, inventory, requires_approval,
};
use approvals_slack::{Config, Mode, Secrets, Slack, doctor};
use examples::Failure;
use tokio_util::sync::CancellationToken;

#[requires_approval(scope = "demo.cleanup", reason = "free the disk: delete {path}")]
async fn delete(path: &str) -> Result<u64, Failure> {
    let bytes = std::fs::metadata(path)?.len();
    std::fs::remove_file(path)?;
    Ok(bytes)
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let secrets = Secrets::from_env(Mode::Socket)?;
    let approver = env::var("APPROVALS_SLACK_APPROVER")
        .map_err(|_| "`APPROVALS_SLACK_APPROVER` is not set; set it to your user id, `U…`")?;
    // A stand-in for Slack on this machine, if there is one.
    let api = env::var("APPROVALS_SLACK_API").ok();
    let config = Config::trial(&secrets, &approver, api.as_deref()).await?;
    let team = config.team().to_owned();
    let slack = Slack::new(config, secrets)?;
    for finding in doctor(&slack).await {
        println!("{finding}");
    }
    let file = env::temp_dir().join(format!("approvals-demo-{}", std::process::id()));
    std::fs::write(&file, "nobody will miss this\n")?;

    let gate = gate(&slack, &team, &approver).await?;
    let stop = CancellationToken::new();
    let listening = slack.start(gate.clone(), stop.clone()).work;
    println!("look into your direct messages with the app; Ctrl-C withdraws the request");
    let ended = tokio::select! {
        ended = app(&gate, &file) => ended,
        () = listening => Err("the channel ended".into()),
        _ = tokio::signal::ctrl_c() => Err("interrupted; what waited is withdrawn".into()),
    };
    stop.cancel();
    gate.flush().await?;
    drawn(&gate).await?;
    match ended {
        Ok(bytes) => println!("deleted {}: {bytes} bytes", file.display()),
        Err(no) => {
            println!("kept {}: {no}", file.display());
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn app(gate: &Gate, file: &Path) -> Result<u64, Failure> {
    let agent = Agent::new("cleanup-bot")
        .on_behalf_of("u_demo")
        .rationale("the disk is almost full (says the agent)")
        .wait(Duration::from_secs(600));
    gate.enter(agent, delete(&file.to_string_lossy())).await
}

/// Waits until the message shows what became of it: a drawing that was interrupted comes again after a while.
async fn drawn(gate: &Gate) -> Result<(), Failure> {
    for _ in 0..20 {
        if gate.deliver().await? > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// One person, who is you, decides about everything; the agent acts for another one.
async fn gate(slack: &Slack, team: &str, approver: &str) -> Result<Gate, Failure> {
    let people = format!(
        "version = 1\nperson = [{{ id = \"u_demo\" }}, {{ id = \"u_you\", groups = [\"oncall\"], identity = [{{ provider = \"slack\", tenant = \"{team}\", subject = \"{approver}\" }}] }}]"
    );
    let people = People::parse(&people)?;
    let policy =
        "version = 1\ndefault = { require = [{ group = \"oncall\", n = 1 }], ttl = \"10m\" }";
    let mut gate = Gate::builder()
        .policy(Policy::parse(policy, &people.groups(), &inventory())?)
        .people(people)
        .store(ForgetfulStore::new())
        .ledger_key(
            LedgerKey::from_seed(&random::<32>()?)?,
            &"demo.invalid/slack".parse()?,
        );
    for notifier in slack.notifiers() {
        gate = gate.notifier(notifier);
    }
    Ok(gate.open().await?)
}
