//! One guarded function, end to end, through the public interface only.

use std::time::Duration;

use approvals_core::testing::TestGate;
use approvals_core::{Agent, ApprovalError, Code, Vote, requires_approval};

#[requires_approval(
    scope = "db.export",
    reason = "weekly export of {table}",
    redact(token)
)]
async fn export(table: String, token: String) -> Result<usize, ApprovalError> {
    Ok(table.len() + token.len())
}

fn bot() -> Agent {
    Agent::new("bot").on_behalf_of("u_alice")
}

#[tokio::test(start_paused = true)]
async fn approved_denied_expired_and_still_pending() {
    let gate = TestGate::approving();
    assert_eq!(
        gate.enter(bot(), export("users".into(), "s".into()))
            .await
            .unwrap(),
        6
    );
    gate.assert_ran("db.export").await;
    let asked = gate.assert_asked("db.export");
    assert_eq!(asked.param("table"), Some("\"users\""));
    assert_eq!(asked.param("token"), None);
    assert_eq!(asked.reason.as_deref(), Some("weekly export of users"));

    let gate = TestGate::script().deny("db.*", "no").start().await;
    let error = gate
        .enter(bot(), export("users".into(), "s".into()))
        .await
        .unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::Denied, Some("no")));

    let gate = TestGate::script().stall("*").start().await;
    let error = gate
        .enter(bot(), export("users".into(), "s".into()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Expired);

    let patient = bot().wait(Duration::from_secs(5)).run("r1");
    let error = gate
        .enter(patient.clone(), export("users".into(), "s".into()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Pending);
    gate.decide("u_tester_1", error.request().unwrap(), Vote::Approve, None)
        .await
        .unwrap();
    assert_eq!(
        gate.enter(patient, export("users".into(), "s".into()))
            .await
            .unwrap(),
        6
    );
}
