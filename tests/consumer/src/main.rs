//! Guards functions of every form with nothing but `approvals-core`, runs each of them approved
//! and denied, and prints the inventory.

mod executor;
mod forms;

use std::process::ExitCode;

use approvals_core::testing::TestGate;
use approvals_core::{Agent, Code};

use executor::Task;
use forms::ProgramError;

fn main() -> ExitCode {
    let mut failures = Vec::new();
    for form in forms::asynchronous() {
        failures.extend(form.judge(executor::run(awaited(form.call))));
    }
    for form in forms::blocking() {
        failures.extend(form.judge(blocked(form.call)));
    }
    for guarded in approvals_core::inventory() {
        println!("{} {} {}", guarded.scope, guarded.function, guarded.version);
    }
    for failure in &failures {
        eprintln!("{failure}");
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One form: its name, what it returns when it ran, and the call.
struct Form<T> {
    name: &'static str,
    want: u64,
    call: T,
}

type Answer = Result<u64, ProgramError>;

/// What came of one form.
#[derive(Debug)]
struct Outcomes {
    approved: Answer,
    denied: Answer,
    without_gate: Answer,
    /// How often people were asked by the first two.
    asked: (usize, usize),
}

async fn awaited(call: fn() -> Task<Answer>) -> Outcomes {
    let (yes, no) = (TestGate::approving(), denying().await);
    Outcomes {
        approved: yes.enter(agent(), call()).await,
        denied: no.enter(agent(), call()).await,
        without_gate: call().await,
        asked: (yes.asked().len(), no.asked().len()),
    }
}

fn blocked(call: fn() -> Answer) -> Option<Outcomes> {
    let (yes, no) = (TestGate::approving(), executor::run(denying())?);
    Some(Outcomes {
        approved: yes.gate().enter_blocking(agent(), call),
        denied: no.gate().enter_blocking(agent(), call),
        without_gate: call(),
        asked: (yes.asked().len(), no.asked().len()),
    })
}

async fn denying() -> TestGate {
    TestGate::script().deny("*", "not today").start().await
}

fn agent() -> Agent {
    Agent::new("consumer").on_behalf_of("u_alice")
}

impl<T> Form<T> {
    /// Approved it runs; denied, and without a gate, it does not.
    fn judge(&self, outcomes: Option<Outcomes>) -> Option<String> {
        use ProgramError::Refused;
        let good = matches!(
            &outcomes,
            Some(Outcomes {
                approved: Ok(value),
                denied: Err(Refused(Code::Denied)),
                without_gate: Err(Refused(Code::Misuse)),
                asked: (1, 1),
            }) if *value == self.want
        );
        (!good).then(|| format!("{}: {outcomes:?}", self.name))
    }
}
