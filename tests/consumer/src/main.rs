//! Guards functions of every form with nothing but `approvals-core`, runs each of them approved
//! and denied, and prints the inventory.

mod clerk;
mod executor;
mod forms;

use std::process::ExitCode;

use approvals_core::testing::TestGate;
use approvals_core::{Agent, Code, clear_default, install_default};

use clerk::Clerk;

fn main() -> ExitCode {
    let asynchronous: Vec<_> = forms::asynchronous().iter().map(run).collect();
    let blocking: Vec<_> = forms::blocking().iter().map(run_blocking).collect();
    for guarded in approvals_core::inventory() {
        println!("{} {} {}", guarded.scope, guarded.function, guarded.version);
    }
    let failed: Vec<_> = asynchronous
        .into_iter()
        .chain(blocking)
        .filter_map(Result::err)
        .collect();
    for failure in &failed {
        eprintln!("{failure}");
    }
    if failed.is_empty() {
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

type Answer = Result<u64, forms::ProgramError>;

/// Awaits the call behind a gate of this program's own.
fn run(form: &Form<fn() -> executor::Task<Answer>>) -> Result<(), String> {
    let mut answers = Vec::new();
    for clerk in [Clerk::approving(), Clerk::denying()] {
        install_default(&clerk).map_err(|error| error.to_string())?;
        answers.push(executor::run((form.call)()));
        clear_default();
        answers.push(clerk.used());
    }
    answers.push(executor::run((form.call)()));
    expect(form.name, form.want, &answers)
}

/// Makes the call behind the test gate, which is the real one.
fn run_blocking(form: &Form<fn() -> Answer>) -> Result<(), String> {
    let agent = || Agent::new("consumer").on_behalf_of("u_alice");
    let gate = TestGate::approving();
    let approved = gate.gate().enter_blocking(agent(), form.call);
    let asked = u64::try_from(gate.asked().len()).unwrap_or(0);
    let denying = executor::ready(TestGate::script().deny("*", "not today").start());
    let denied = denying.gate().enter_blocking(agent(), form.call);
    let answers = [approved, Ok(asked), denied, Ok(0), (form.call)()];
    expect(form.name, form.want, &answers)
}

/// Approved it runs once; denied, and without a gate, it does not run.
fn expect(name: &str, want: u64, answers: &[Answer]) -> Result<(), String> {
    use forms::ProgramError::Refused;
    let good = matches!(
        answers,
        [Ok(value), Ok(1), Err(Refused(Code::Denied)), Ok(0), Err(Refused(Code::Misuse))] if *value == want
    );
    if good {
        Ok(())
    } else {
        Err(format!("{name}: {answers:?}"))
    }
}
