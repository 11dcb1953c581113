//! The smallest guard: a function, a gate that forgets, and somebody who answers.
//!
//! Run it with `cargo run --example guard`. Nothing is stored: it shows the shape of the code.

use approvals_core::testing::TestGate;
use approvals_core::{Agent, ApprovalError, requires_approval};

#[requires_approval(scope = "k8s.restart", reason = "restart {service}", redact(token))]
async fn restart(service: &str, token: &str) -> Result<String, ApprovalError> {
    Ok(format!(
        "{service} restarted with a token of {} characters",
        token.len()
    ))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ApprovalError> {
    println!("{}", app().await?);
    Ok(())
}

async fn app() -> Result<String, ApprovalError> {
    let gate = TestGate::script()
        .deny("k8s.delete", "never")
        .approve("k8s.*")
        .start()
        .await;
    let agent = Agent::new("ops-bot")
        .on_behalf_of("u_alice")
        .rationale("it leaks memory");
    let done = gate.enter(agent, restart("web", "s3cr3t")).await?;
    print!("{}", gate.assert_asked("k8s.restart").card.to_text());
    Ok(done)
}
