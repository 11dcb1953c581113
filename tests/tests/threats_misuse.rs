//! Threat 55, as far as it happens at run time: a permit used in another way than it is meant
//! runs nothing. What must not compile stands in `ui/fail`.

mod support;

use approvals_core::action::GuardedFn;
use approvals_core::gate::Call;
use approvals_core::lifecycle::{Event, Phase};
use approvals_core::request::Outcome;
use approvals_core::testing::TestGate;
use approvals_core::{
    Action, Agent, ApprovalError, ApprovalGate, Approved, Code, Gate, Permit, Status, approve,
    clear_default, install_default, requires_approval,
};

use support::house::House;
use support::{Effects, bot, drop_table, events, guarded, kinds, shown, verify};

static CALL: GuardedFn = guarded("app.call");

async fn permit(gate: &dyn ApprovalGate) -> Permit {
    let call = Call::of(shown(&CALL, &1), bot()).unwrap();
    gate.authorize(call).await.unwrap()
}

async fn phase(gate: &Gate, request: approvals_core::RequestId) -> Phase {
    gate.flush().await.unwrap();
    let state = gate.journal().state(request).await.unwrap().unwrap();
    state.phase().clone()
}

/// One test, because the default gate is the whole process's.
#[tokio::test(start_paused = true)]
async fn threat_55_without_a_gate_nothing_runs() {
    let effects = Effects::default();
    let call = || drop_table(effects.clone(), "users".to_owned());
    assert_eq!(call().await.unwrap_err().code(), Code::Misuse);

    let gate = TestGate::approving();
    // A task that was started inside is not inside.
    let outside = gate.enter(bot(), async {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(call());
        tasks.join_next().await.unwrap().unwrap()
    });
    assert_eq!(outside.await.unwrap_err().code(), Code::Misuse);

    install_default(&gate).unwrap();
    assert_eq!(
        install_default(&gate).unwrap_err().code(),
        Code::Misuse,
        "two gates would be two policies"
    );
    // A gate without an agent does not know who asks.
    assert_eq!(call().await.unwrap_err().code(), Code::Unauthenticated);
    clear_default();
    assert_eq!(call().await.unwrap_err().code(), Code::Misuse);
    assert_eq!(effects.count(), 0);
    gate.assert_nothing_asked();
}

#[tokio::test(start_paused = true)]
async fn threat_55_the_inner_gate_decides() {
    let (outer, inner) = (
        TestGate::approving(),
        TestGate::script().deny("*", "no").start().await,
    );
    let effects = Effects::default();
    let call = inner.enter(bot(), drop_table(effects.clone(), "users".to_owned()));
    let error = outer.enter(bot(), call).await.unwrap_err();
    assert_eq!((error.code(), effects.count()), (Code::Denied, 0));
    outer.assert_nothing_asked();
}

#[requires_approval(scope = "sync.drop", skip(effects))]
fn sync_drop(effects: Effects, table: String) -> Result<usize, ApprovalError> {
    Ok(effects.happen() + table.len())
}

#[tokio::test]
async fn threat_55_a_blocking_guard_refuses_where_it_would_hang() {
    let gate = TestGate::approving();
    let effects = Effects::default();
    let error = gate
        .gate()
        .enter_blocking(bot(), || sync_drop(effects.clone(), "users".to_owned()))
        .unwrap_err();
    assert_eq!((error.code(), effects.count()), (Code::Misuse, 0));
    gate.assert_did_not_run("sync.drop").await;
}

#[tokio::test(start_paused = true)]
async fn threat_55_every_stage_of_a_permit_can_be_dropped() {
    let gate = House::new();
    let (gate, key) = (gate.clone().approving(&["u_1"]).await.0, gate.key());

    let unused = permit(&gate).await;
    let request = unused.request();
    drop(unused);
    assert_eq!(phase(&gate, request).await, Phase::Cancelled);

    let unused = permit(&gate).await;
    let request = unused.request();
    // The future that uses it is dropped before it begins: nothing was used.
    drop(unused.start());
    assert!(!matches!(phase(&gate, request).await, Phase::Running(_)));

    let started = permit(&gate).await.start().await.unwrap();
    drop(started);

    let running = permit(&gate)
        .await
        .start()
        .await
        .unwrap()
        .check(shown(&CALL, &1))
        .unwrap();
    drop(running);

    let running = permit(&gate)
        .await
        .start()
        .await
        .unwrap()
        .check(shown(&CALL, &1))
        .unwrap();
    drop(running.finish(Outcome::Succeeded));

    gate.flush().await.unwrap();
    for row in gate
        .list(approvals_core::ports::Filter::all())
        .await
        .unwrap()
    {
        let phase = phase(&gate, row.id).await;
        assert!(
            matches!(phase, Phase::Cancelled | Phase::Finished(Outcome::Unknown)),
            "{phase:?}"
        );
    }
    assert!(verify(&gate, key).await.passed());
}

#[tokio::test(start_paused = true)]
async fn threat_55_a_burned_permit_is_on_record_even_when_nobody_waits() {
    let (gate, _) = House::new().approving(&["u_1"]).await;
    let started = permit(&gate).await.start().await.unwrap();
    let burned = started.check(shown(&CALL, &2)).unwrap_err();
    drop(burned);
    gate.flush().await.unwrap();
    let row = gate
        .list(approvals_core::ports::Filter::all())
        .await
        .unwrap()
        .remove(0);
    let history = events(&gate, row.id).await;
    let refused = history
        .iter()
        .any(|event| matches!(event, Event::PermitRefused(refused) if refused.burned));
    assert!(
        refused,
        "nothing ran, so the log must not leave it in doubt: {:?}",
        kinds(&gate, row.id).await
    );
    assert_eq!(row.status, Status::Failed);
}

#[tokio::test(start_paused = true)]
async fn threat_55_a_permit_is_worth_nothing_in_another_house() {
    let (mine, _) = House::new().approving(&["u_1"]).await;
    let theirs = House::new().open().await;
    let stray = permit(&mine).await;
    let (request, digest) = (stray.request(), stray.digest());
    assert!(theirs.journal().state(request).await.unwrap().is_none());
    assert_eq!(
        theirs.card(request).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        theirs.cancel(request).await.unwrap_err().code(),
        Code::NotFound
    );
    // Wherever it is used, its own house counts it.
    let used = theirs
        .enter(Agent::new("other").on_behalf_of("u_bob"), stray.start())
        .await
        .unwrap();
    used.check(shown(&CALL, &1))
        .unwrap()
        .finish(Outcome::Succeeded)
        .await
        .unwrap();
    let card = mine.card(request).await.unwrap();
    assert_eq!((card.digest, card.status), (digest, Status::Approved));
    assert_eq!(
        phase(&mine, request).await,
        Phase::Finished(Outcome::Succeeded)
    );
    assert!(
        theirs
            .list(approvals_core::ports::Filter::all())
            .await
            .unwrap()
            .is_empty()
    );
}

#[derive(Action)]
#[action(scope = "typed.drop", reason = "drop {table}")]
struct DropTable {
    table: Table,
}

/// A name that somebody else can change.
struct Table(std::sync::Arc<std::sync::Mutex<String>>);

impl serde::Serialize for Table {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.lock().unwrap())
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn threat_55_a_typed_action_is_checked_before_it_runs() {
    let gate = TestGate::approving();
    let effects = Effects::default();
    let name = std::sync::Arc::new(std::sync::Mutex::new("old".to_owned()));
    let asked = || {
        approve(DropTable {
            table: Table(std::sync::Arc::clone(&name)),
        })
    };
    let run = |approved: Approved<DropTable>| {
        let effects = effects.clone();
        approved.run(|DropTable { table }| async move {
            let _ = table;
            Ok::<_, ApprovalError>(effects.happen())
        })
    };
    let approved = gate.enter(bot(), asked()).await.unwrap();
    assert_eq!(run(approved).await.unwrap(), 1);
    let approved = gate.enter(bot(), asked()).await.unwrap();
    *name.lock().unwrap() = "users".to_owned();
    assert_eq!(
        run(approved).await.unwrap_err().code(),
        Code::ActionMismatch
    );
    assert_eq!(effects.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_55_debug_reaches_nothing() {
    let gate = TestGate::approving();
    let name = std::sync::Arc::new(std::sync::Mutex::new("the-name".to_owned()));
    let approved = gate
        .enter(bot(), approve(DropTable { table: Table(name) }))
        .await
        .unwrap();
    assert_eq!(
        format!("{approved:?}"),
        format!("Approved({})", approved.request())
    );
    let permit = permit(&gate).await;
    assert_eq!(
        format!("{permit:?}"),
        format!("Permit({})", permit.request())
    );
}
