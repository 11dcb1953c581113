//! Plain functions: guarded by blocking where that is safe, and refused where it is not.

use std::future::Future;

use approvals_core::testing::TestGate;
use approvals_core::{ApprovalError, Code, requires_approval};
use tokio::runtime::Builder;

use crate::support::{Outcome, Refusal, RunbookError, agent, denying, effect, ran};

struct Runbook {
    steps: u8,
}

impl Runbook {
    #[requires_approval(scope = "blocking.exclusive", args(steps = self.steps))]
    fn exclusive(&mut self, by: u8) -> Outcome<&mut u8> {
        effect();
        if by == 0 {
            return Ok(&mut self.steps);
        }
        self.steps += by;
        Ok(&mut self.steps)
    }

    #[requires_approval(scope = "blocking.owned", reason = "{by} more")]
    fn owned(mut self, by: u8) -> Result<Self, ApprovalError> {
        effect();
        self.steps += by;
        Ok(self)
    }
}

#[requires_approval(scope = "blocking.parse", redact(text))]
fn parse(text: &str) -> Outcome<u8> {
    effect();
    Ok(text.parse::<u8>()?)
}

#[requires_approval(scope = "blocking.opaque")]
fn opaque(count: u8) -> Result<impl Iterator<Item = u8>, ApprovalError> {
    effect();
    Ok(0..count)
}

#[requires_approval(scope = "blocking.traced")]
#[tracing::instrument(err)]
fn traced_below(number: u8) -> Result<u8, ApprovalError> {
    effect();
    Ok(number)
}

#[tracing::instrument(ret)]
#[requires_approval(scope = "blocking.traced")]
fn traced_above(number: u8) -> Result<u8, ApprovalError> {
    effect();
    Ok(number)
}

/// As the async `check`, on this thread.
#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a wanted value reads better than a reference to it"
)]
fn check<T: PartialEq + std::fmt::Debug, E: Refusal>(
    denied_by: &TestGate,
    want: T,
    call: impl Fn() -> Result<T, E>,
) {
    ran();
    assert_eq!(
        TestGate::approving()
            .gate()
            .enter_blocking(agent(), &call)
            .unwrap(),
        want
    );
    assert_eq!(ran(), 1, "approved, it runs once");

    let denied = denied_by.gate().enter_blocking(agent(), &call);
    assert_eq!(denied.unwrap_err().code(), Some(Code::Denied));
    assert_eq!(call().unwrap_err().code(), Some(Code::Misuse));
    assert_eq!(ran(), 0, "denied or without a gate, it does not run");
}

fn check_all(no: &TestGate) {
    check(no, 3, || {
        Runbook { steps: 1 }.exclusive(2).map(|steps| *steps)
    });
    check(no, 5, || {
        let mut runbook = Runbook { steps: 1 };
        *runbook.exclusive(2)? += 2;
        Ok::<_, RunbookError>(runbook.steps)
    });
    check(no, 3, || {
        Runbook { steps: 1 }.owned(2).map(|runbook| runbook.steps)
    });
    check(no, 7, || parse("7"));
    check(no, vec![0, 1], || {
        opaque(2).map(Iterator::collect::<Vec<u8>>)
    });
    check(no, 1, || traced_below(1));
    check(no, 1, || traced_above(1));
}

fn on_current_thread<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(work)
}

#[test]
fn without_a_runtime() {
    check_all(&on_current_thread(denying()));
}

#[test]
fn on_a_multi_thread_runtime() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async { check_all(&denying().await) });
}

#[test]
fn where_it_would_hang_it_is_refused() {
    let gate = TestGate::approving();
    let refused = on_current_thread(async { gate.gate().enter_blocking(agent(), || parse("7")) });
    assert_eq!(refused.unwrap_err().code(), Some(Code::Misuse));
    assert_eq!(ran(), 0);
}
