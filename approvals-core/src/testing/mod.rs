//! An in-memory approver for tests: no network, no disk, tokio's paused clock.
//!
//! [`TestGate`] is the real gate, with the real policy, lifecycle and ledger, on a store that
//! forgets and a clock that follows tokio's. Scripted people stand on the other side.
//!
//! # Examples
//! ```
//! use approvals_core::testing::TestGate;
//! use approvals_core::{Agent, ApprovalError, Code, requires_approval};
//!
//! #[requires_approval(scope = "db.drop", reason = "drop {table}")]
//! async fn drop_table(table: String) -> Result<(), ApprovalError> {
//!     println!("dropped {table}");
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ApprovalError> {
//! let gate = TestGate::script().deny("db.drop", "not on a Friday").approve("db.*").start().await;
//! let error = gate.enter(Agent::new("bot").on_behalf_of("u_alice"), drop_table("users".into())).await.unwrap_err();
//! assert_eq!(error.code(), Code::Denied);
//! assert_eq!(error.reason(), Some("not on a Friday"));
//!
//! let asked = gate.assert_asked("db.drop");
//! assert_eq!(asked.param("table"), Some("\"users\""));
//! gate.assert_did_not_run("db.drop").await;
//! # Ok(())
//! # }
//! ```
//!
//! A test that expects the wrong thing fails, and says what happened instead:
//!
//! ```should_panic
//! # use approvals_core::testing::TestGate;
//! # use approvals_core::{Agent, ApprovalError, requires_approval};
//! # #[requires_approval(scope = "db.read")]
//! # async fn read() -> Result<(), ApprovalError> { Ok(()) }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let gate = TestGate::approving();
//! gate.enter(Agent::new("bot").on_behalf_of("u_alice"), read()).await.unwrap();
//! // panics: no approval was asked for `db.drop`; asked were: db.read
//! gate.assert_asked("db.drop");
//! # }
//! ```

mod clock;
pub mod conformance;
mod passkey;
mod people;
mod script;
mod test_gate;

pub use clock::TokioClock;
pub use passkey::SoftPasskey;
pub use people::Everybody;
pub use script::Script;
pub use test_gate::{Asked, TestGate};
