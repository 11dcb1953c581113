//! Cedar beside the TOML policy: the strictest of both holds, and the record names both.
//!
//! ```text
//! cargo run -p approvals-cedar --example beside
//! ```

use std::time::Duration;

use approvals_cedar::CedarEngine;
use approvals_core::ledger::LedgerKey;
use approvals_core::{
    Agent, ApprovalError, ForgetfulStore, Gate, People, Policy, inventory, requires_approval,
};

/// The TOML policy lets ten replicas through by itself and asks one person for more.
const POLICY: &str = r#"
version = 1
default = { require = [{ group = "oncall" }], ttl = "15m" }
[[rule]]
id = "few"
scope = "k8s.scale"
when = { "args.replicas" = { le = 10 } }
effect = "auto"
"#;

const PEOPLE: &str = r#"
version = 1
[[person]]
id = "u_alice"
groups = ["oncall", "sre"]
[[person]]
id = "u_bob"
groups = ["oncall", "sre", "security", "privacy"]
"#;

#[requires_approval(
    scope = "k8s.scale",
    environment = "staging",
    reason = "scale to {replicas}"
)]
async fn scale(replicas: u32) -> Result<u32, ApprovalError> {
    Ok(replicas)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let people = People::parse(PEOPLE)?;
    let cedar = CedarEngine::parse(
        include_str!("../policies/six.cedar"),
        include_str!("../policies/six.cedarschema"),
        &people.groups(),
        &inventory(),
    )?;
    let gate = Gate::builder()
        .policy(Policy::parse(POLICY, &people.groups(), &inventory())?)
        .policy_engine(cedar)
        .people(people)
        .store(ForgetfulStore::new())
        .ledger_key(LedgerKey::generate()?, &"example.com/approvals".parse()?)
        .open()
        .await?;
    for replicas in [3, 40] {
        // Nobody is there to decide: the request says whom it waits for.
        let agent = Agent::new("bot")
            .on_behalf_of("u_alice")
            .wait(Duration::ZERO);
        let Err(refused) = gate.enter(agent, scale(replicas)).await else {
            return Err("people should have been asked".into());
        };
        let Some(request) = refused.request() else {
            return Err(refused.into());
        };
        println!("{}", gate.card(request).await?.to_text());
        if let Some(state) = gate.journal().state(request).await? {
            for engine in &state.policy().engines {
                println!(
                    "  {} {} by {:?}",
                    engine.name,
                    engine.answer.as_str(),
                    engine.rules
                );
            }
        }
        println!();
    }
    Ok(())
}
