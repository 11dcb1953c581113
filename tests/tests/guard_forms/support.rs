//! One `check` for all forms.

use std::cell::Cell;
use std::fmt::Debug;
use std::future::Future;

use approvals_core::testing::TestGate;
use approvals_core::{Agent, ApprovalError, Code};

thread_local! {
    static RAN: Cell<u32> = const { Cell::new(0) };
}

/// What a guarded body does in these tests: it counts.
pub(crate) fn effect() {
    RAN.with(|ran| ran.set(ran.get() + 1));
}

/// How often the body ran since the last look.
pub(crate) fn ran() -> u32 {
    RAN.with(|ran| ran.replace(0))
}

/// The agent that asks.
pub(crate) fn agent() -> Agent {
    Agent::new("runbook-bot").on_behalf_of("u_alice")
}

/// The error of a program of its own.
#[derive(Debug)]
pub(crate) enum RunbookError {
    Refused(ApprovalError),
    Other(String),
}

/// An alias as programs have it.
pub(crate) type Outcome<T, E = RunbookError> = Result<T, E>;

impl From<ApprovalError> for RunbookError {
    fn from(error: ApprovalError) -> Self {
        Self::Refused(error)
    }
}

impl From<std::num::ParseIntError> for RunbookError {
    fn from(error: std::num::ParseIntError) -> Self {
        Self::Other(error.to_string())
    }
}

/// Finds the refusal in whatever error a function returns.
pub(crate) trait Refusal: Debug {
    fn code(&self) -> Option<Code>;
}

impl Refusal for ApprovalError {
    fn code(&self) -> Option<Code> {
        Some(ApprovalError::code(self))
    }
}

impl Refusal for RunbookError {
    fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(error) => Some(error.code()),
            Self::Other(_) => None,
        }
    }
}

impl Refusal for anyhow::Error {
    fn code(&self) -> Option<Code> {
        self.downcast_ref::<ApprovalError>()
            .map(ApprovalError::code)
    }
}

impl Refusal for Box<dyn std::error::Error + Send + Sync> {
    fn code(&self) -> Option<Code> {
        self.downcast_ref::<ApprovalError>()
            .map(ApprovalError::code)
    }
}

/// A gate whose people deny everything.
pub(crate) async fn denying() -> TestGate {
    TestGate::script().deny("*", "not today").start().await
}

/// Approved, the call runs once and returns what it wants; denied or without a gate, it does not
/// run and says so.
#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a wanted value reads better than a reference to it"
)]
pub(crate) fn check<T, E, F>(want: T, call: impl Fn() -> F)
where
    T: PartialEq + Debug,
    E: Refusal,
    F: Future<Output = Result<T, E>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        ran();
        let approved = TestGate::approving().enter(agent(), call()).await;
        assert_eq!(approved.unwrap(), want);
        assert_eq!(ran(), 1, "approved, it runs once");

        let denied = denying().await.enter(agent(), call()).await;
        assert_eq!(denied.unwrap_err().code(), Some(Code::Denied));
        assert_eq!(ran(), 0, "denied, it does not run");

        assert_eq!(call().await.unwrap_err().code(), Some(Code::Misuse));
        assert_eq!(ran(), 0, "without a gate, it does not run");
    });
}
