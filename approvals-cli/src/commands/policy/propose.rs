//! `approvals policy propose`: another policy in the place of the one in force, when people approve.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::policy::PolicyName;
use approvals_core::policy_change::Replaced;
use approvals_core::{Agent, Code, Gate, Policy, RequestId};
use approvals_store::home::Home;
use serde_json::{Value, json};

use super::judges::Judges;
use crate::answer::{Answer, Printer};
use crate::args::{Cli, Propose};
use crate::failure::Failure;
use crate::sign::SigningKey;
use crate::state;

/// What stands behind a proposal made here, besides the person.
const AGENT: &str = "approvals-cli";

pub(crate) async fn run(
    cli: &Cli,
    printer: &Printer,
    propose: &Propose,
) -> Result<Answer, Failure> {
    let judges = Judges::load(cli, Some(&propose.file), &propose.beside)?;
    let policy = judges.policy.clone();
    let home = settled(cli, &policy)?;
    if home.policy().name() == policy.name() {
        let in_force = open(&home, &judges).await?.policy().name();
        return Ok(already(in_force));
    }
    let gate = open(&home, &judges).await?;
    let key = SigningKey::find(propose.proposer.key.as_deref())?;
    let person = key.person(home.people(), propose.proposer.person.as_ref())?;
    let agent = Agent::new(AGENT).on_behalf_of(person.as_str());
    // Asked first, so that whoever waits is told which request it is.
    let now = agent.clone().wait(Duration::ZERO);
    let asked = match home.propose_policy(&gate, now, policy.clone()).await {
        Err(error) if error.code() == Code::Pending => error.request(),
        answer => return Ok(in_force(&answer?)),
    };
    let text = waits(cli, asked, &policy, propose);
    if propose.detach {
        return Ok(Answer::new(text, pending(asked, &gate, &policy)));
    }
    printer.show(&text);
    let replaced = home.propose_policy(&gate, agent, policy).await?;
    Ok(in_force(&replaced))
}

/// The home, once what was interrupted is finished.
fn settled(cli: &Cli, policy: &Policy) -> Result<Home, Failure> {
    let home = with_store(cli)?;
    match home.finish_policy_change(policy)? {
        Some(_) => with_store(cli),
        None => Ok(home),
    }
}

fn with_store(cli: &Cli) -> Result<Home, Failure> {
    let home = Home::open(&cli.state)?;
    Ok(match state::given(cli)? {
        Some(url) => home.with_store(url),
        None => home,
    })
}

async fn open(home: &Home, judges: &Judges) -> Result<Gate, Failure> {
    let engines = judges.engines.iter();
    let builder = engines.fold(home.gate()?, |builder, beside| {
        builder.policy_engine(Arc::clone(&beside.engine))
    });
    Ok(builder.open().await?)
}

fn waits(cli: &Cli, asked: Option<RequestId>, policy: &Policy, propose: &Propose) -> String {
    let id = asked.map(|id| id.to_string()).unwrap_or_default();
    let mut text = format!(
        "{} waits for its approval: {}\n",
        policy.name(),
        state::command(cli, &format!("approve {id}"))
    );
    if propose.detach {
        let again = format!("policy propose {}", propose.file.display());
        text += &format!(
            "once it is approved, this puts it into force: {}\n",
            state::command(cli, &again)
        );
    }
    text
}

fn pending(asked: Option<RequestId>, gate: &Gate, policy: &Policy) -> Value {
    json!({ "state": "pending", "request": asked, "old": gate.policy().name(), "new": policy.name() })
}

fn in_force(replaced: &Replaced) -> Answer {
    let text = format!(
        "{} is in force, approved in {} (record {})\nprograms that have the one before must load it again\n",
        replaced.new, replaced.authority, replaced.record
    );
    let json = json!({
        "state": "in_force", "request": replaced.authority, "record": replaced.record,
        "old": replaced.old, "new": replaced.new,
    });
    Answer::new(text, json)
}

fn already(name: PolicyName) -> Answer {
    let json = json!({ "state": "in_force", "new": name });
    Answer::new(format!("{name} is in force\n"), json)
}
