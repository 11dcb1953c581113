//! What the attack tests share: a house to attack, its people, and looks into its ledger.
#![expect(dead_code, reason = "each file of tests uses a part of this")]

pub mod canary;
pub mod disk;
pub mod forge;
pub mod history;
pub mod house;
pub mod http;
pub mod long;
pub mod people;
pub mod pin;
pub mod served;
pub mod signing;
pub mod trap;
pub mod witness;
pub mod written;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use approvals_core::action::{Binder, Bound, GuardedFn, bind};
use approvals_core::gate::Call;
use approvals_core::ledger::{AuditRecord, Entry, Report, StoredRecord, Verifier, VerifierKey};
use approvals_core::lifecycle::Event;
use approvals_core::request::Outcome;
use approvals_core::{
    Agent, ApprovalError, ApprovalGate, Code, Gate, RequestId, requires_approval,
};

/// How often something that must not happen unapproved did happen.
#[derive(Debug, Clone, Default)]
pub struct Effects(Arc<AtomicUsize>);

impl Effects {
    /// It happens.
    pub fn happen(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// How often it happened.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// The effect that most attacks are after.
#[requires_approval(scope = "db.drop", reason = "drop {table}", skip(effects))]
pub async fn drop_table(effects: Effects, table: String) -> Result<usize, ApprovalError> {
    Ok(effects.happen())
}

/// The agent that asks, for Alice and owned by Olga.
pub fn bot() -> Agent {
    Agent::new("bot").on_behalf_of("u_alice").owned_by("u_olga")
}

/// The same agent, which only asks and goes away.
pub fn hasty() -> Agent {
    bot().wait(Duration::from_millis(1))
}

/// Asks for the effect and goes away; the request stays open for the same agent and run.
pub async fn ask(gate: &Gate, agent: Agent, effects: &Effects) -> RequestId {
    let agent = agent.wait(Duration::from_millis(1));
    let asked = gate.enter(agent, drop_table(effects.clone(), "users".to_owned()));
    let error = asked.await.expect_err("nobody has decided yet");
    assert_eq!(error.code(), Code::Pending, "{error}");
    error.request().expect("the refusal names the request")
}

/// Approves one call and then presents another one to the last check.
pub async fn swap(
    gate: &dyn ApprovalGate,
    agent: Agent,
    approved: Bound,
    live: Bound,
) -> Result<(), ApprovalError> {
    let permit = gate.authorize(Call::of(approved, agent)?).await?;
    match permit.start().await?.check(live) {
        Ok(running) => running.finish(Outcome::Succeeded).await,
        Err(burned) => Err(burned.record().await),
    }
}

/// A guarded function without parameters of its own: tests bind what they want under its name.
pub const fn guarded(scope: &'static str) -> GuardedFn {
    GuardedFn {
        scope,
        function: "app::guarded",
        file: "src/app.rs",
        line: 1,
        version: "1.0.0",
        signature: "(value: Any)",
        params: &[],
    }
}

/// One call with one shown value.
pub fn shown<T: serde::Serialize>(guarded: &'static GuardedFn, value: &T) -> Bound {
    bind(guarded, |binder: &mut Binder<'_>| {
        binder.shown("value", value)
    })
}

/// Everything in the log, in order, as it is stored.
pub async fn stored(gate: &Gate) -> Vec<StoredRecord> {
    let records = gate
        .journal()
        .read(|reader| reader.records(0, usize::MAX))
        .await;
    records.expect("the log can be read")
}

/// Everything in the log, in order, read.
pub async fn records(gate: &Gate) -> Vec<AuditRecord> {
    let log = gate.journal().log().clone();
    let read = |stored: &StoredRecord| AuditRecord::decode(&stored.bytes, &log).expect("a record");
    stored(gate).await.iter().map(read).collect()
}

/// The kinds of the records of one request, in order.
pub async fn kinds(gate: &Gate, request: RequestId) -> Vec<String> {
    let history = gate.journal().history(request).await.expect("a history");
    history
        .iter()
        .map(|record| record.kind().to_owned())
        .collect()
}

/// The events of one request, in order.
pub async fn events(gate: &Gate, request: RequestId) -> Vec<Event> {
    let history = gate.journal().history(request).await.expect("a history");
    history.into_iter().filter_map(event).collect()
}

/// What happened to a request, when the record is about one.
pub fn event(record: AuditRecord) -> Option<Event> {
    match record.entry {
        Entry::Request(_, event) => Some(event),
        _ => None,
    }
}

/// How many records of this kind the whole log has.
pub async fn count(gate: &Gate, kind: &str) -> usize {
    let records = records(gate).await;
    records
        .iter()
        .filter(|record| record.kind() == kind)
        .count()
}

/// What the verifier says of the whole log.
pub async fn verify(gate: &Gate, key: VerifierKey) -> Report {
    let note = gate.journal().checkpoint().await.expect("a checkpoint");
    check(key, &stored(gate).await, note.as_deref())
}

/// What the verifier says of these records under this signed head.
pub fn check(key: VerifierKey, records: &[StoredRecord], note: Option<&str>) -> Report {
    // The people of these tests prove themselves by nothing but their word.
    let mut verifier = Verifier::new(key).trusting_channels();
    for record in records {
        verifier.push(record);
    }
    verifier.finish(note)
}

/// Whether a reader would not see this character, or see something else: judged apart from the
/// library's own list.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}
