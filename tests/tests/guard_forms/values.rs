//! What of a call is bound, shown, redacted and left out; that it is compared before the body.

use std::cell::Cell;
use std::sync::Arc;

use approvals_core::testing::{Asked, TestGate};
use approvals_core::{ApprovalError, ApprovalGate, Code, requires_approval};

use crate::support::{agent, denying, effect, ran};

struct Pool;

struct Query {
    table: String,
    env: String,
    password: String,
}

fn query() -> Query {
    Query {
        table: "users".to_owned(),
        env: "prod".to_owned(),
        password: "hunter2".to_owned(),
    }
}

const GUARD_STANDS_AT: u32 = line!() + 2;

#[requires_approval(
    scope = "values.all",
    reason = "{rows:>3} rows of {table:?} ({{weekly}})",
    resource = "{table}",
    environment = "{env}",
    redact(token, password),
    skip(pool),
    args(env = &query.env, password = &query.password),
)]
async fn all(
    pool: &Pool,
    table: &str,
    rows: u64,
    token: String,
    query: Query,
) -> Result<String, ApprovalError> {
    effect();
    let Pool = pool;
    Ok(format!("{table} {rows} {token} {}", query.table))
}

async fn asked() -> Asked {
    let gate = TestGate::approving();
    let done = gate
        .enter(
            agent(),
            all(&Pool, "users", 7, "s3cret".to_owned(), query()),
        )
        .await;
    assert_eq!(done.unwrap(), "users 7 s3cret users");
    assert_eq!(ran(), 1);
    gate.assert_asked("values.all")
}

#[tokio::test(start_paused = true)]
async fn people_see_what_the_guard_says() {
    let asked = asked().await;
    assert_eq!(
        asked.reason.as_deref(),
        Some("  7 rows of \"users\" ({weekly})")
    );
    assert_eq!(asked.param("table"), Some("\"users\""));
    assert_eq!(asked.param("rows"), Some("7"));
    assert_eq!(asked.param("env"), Some("\"prod\""));
    assert_eq!(asked.not_covered, ["pool", "query"]);
    for redacted in ["token", "password"] {
        assert!(
            asked.card.params.iter().any(|fact| fact.name == redacted),
            "{redacted} is named"
        );
        assert_eq!(asked.param(redacted), None, "{redacted} is not shown");
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_on_the_card() {
    let card = format!("{:?}", asked().await.card);
    for secret in ["s3cret", "hunter2"] {
        assert!(!card.contains(secret), "{secret}: {card}");
    }
}

/// Changes between the two looks that the guard takes, as shared state does while people think.
struct Drifting(Cell<u8>);

impl serde::Serialize for Drifting {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.set(self.0.get() + 1);
        serializer.serialize_u8(self.0.get())
    }
}

#[requires_approval(scope = "values.shown")]
async fn shown(value: Drifting) -> Result<u8, ApprovalError> {
    effect();
    Ok(value.0.get())
}

#[requires_approval(scope = "values.redacted", redact(value))]
async fn redacted(value: Drifting) -> Result<u8, ApprovalError> {
    effect();
    Ok(value.0.get())
}

#[requires_approval(scope = "values.part", args(part = &value))]
async fn part(value: Drifting) -> Result<u8, ApprovalError> {
    effect();
    Ok(value.0.get())
}

#[requires_approval(scope = "values.text", skip(value), reason = "{count}", args(count = { value.0.set(value.0.get() + 1); value.0.get() }))]
fn text(value: Drifting) -> Result<u8, ApprovalError> {
    effect();
    Ok(value.0.get())
}

#[tokio::test(start_paused = true)]
async fn a_value_that_changed_is_refused_before_the_body() {
    let gate = TestGate::approving();
    let drifting = || Drifting(Cell::new(0));
    for (scope, result) in [
        ("values.shown", gate.enter(agent(), shown(drifting())).await),
        (
            "values.redacted",
            gate.enter(agent(), redacted(drifting())).await,
        ),
        ("values.part", gate.enter(agent(), part(drifting())).await),
    ] {
        assert_eq!(result.unwrap_err().code(), Code::ActionMismatch, "{scope}");
        gate.assert_did_not_run(scope).await;
    }
    assert_eq!(ran(), 0);
}

#[test]
fn a_value_that_changed_is_refused_before_a_blocking_body() {
    let gate = TestGate::approving();
    let result = gate
        .gate()
        .enter_blocking(agent(), || text(Drifting(Cell::new(0))));
    assert_eq!(result.unwrap_err().code(), Code::ActionMismatch);
    assert_eq!(ran(), 0);
}

#[requires_approval(scope = "values.invalid")]
async fn not_canonical(ratio: f64) -> Result<f64, ApprovalError> {
    effect();
    Ok(ratio)
}

#[tokio::test(start_paused = true)]
async fn a_value_without_canonical_form_is_refused() {
    let gate = TestGate::approving();
    let result = gate.enter(agent(), not_canonical(f64::NAN)).await;
    assert_eq!(result.unwrap_err().code(), Code::NonCanonical);
    gate.assert_nothing_asked();
    assert_eq!(ran(), 0);
}

struct Server {
    gate: Arc<TestGate>,
}

impl Server {
    #[requires_approval(scope = "gates.field", gate = self.gate)]
    async fn field(&self, by: u8) -> Result<u8, ApprovalError> {
        effect();
        Ok(by)
    }

    #[requires_approval(scope = "gates.reference", gate = &self.gate)]
    async fn reference(&mut self, by: u8) -> Result<u8, ApprovalError> {
        effect();
        Ok(by)
    }
}

#[requires_approval(scope = "gates.argument", gate = *gate, skip(gate))]
async fn argument<G: ApprovalGate>(gate: &G, by: u8) -> Result<u8, ApprovalError> {
    effect();
    let _: &dyn ApprovalGate = gate;
    Ok(by)
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_is_named_is_asked_and_no_other() {
    let ambient = denying().await;
    let mut server = Server {
        gate: Arc::new(TestGate::approving()),
    };
    ambient
        .enter(agent(), async {
            assert_eq!(server.field(1).await.unwrap(), 1);
            assert_eq!(server.reference(2).await.unwrap(), 2);
            assert_eq!(argument(&*server.gate, 3).await.unwrap(), 3);
        })
        .await;
    ambient.assert_nothing_asked();
    let scopes: Vec<String> = server
        .gate
        .asked()
        .into_iter()
        .map(|asked| asked.scope)
        .collect();
    assert_eq!(scopes, ["gates.field", "gates.reference", "gates.argument"]);
    assert_eq!(ran(), 3);
}

#[test]
fn the_inventory_lists_every_guard() {
    let all = approvals_core::inventory();
    let found = all
        .iter()
        .find(|guarded| guarded.scope == "values.all")
        .expect("it is listed");
    assert_eq!(found.function, "guard_forms::values::all");
    assert!(
        found.file.ends_with("guard_forms/values.rs"),
        "{}",
        found.file
    );
    assert_eq!(found.line, GUARD_STANDS_AT);
    assert_eq!(found.version, env!("CARGO_PKG_VERSION"));
    let rows: Vec<String> = found
        .params
        .iter()
        .map(|row| format!("{} {:?} {:?}", row.name, row.kind, row.treatment))
        .collect();
    assert_eq!(
        rows,
        [
            "pool Any NotCovered",
            "table Text Shown",
            "rows Integer Shown",
            "token Text Redacted",
            "query Any InPart",
            "env Any Shown",
            "password Any Redacted",
        ]
    );
    // One for each form in this program, those of traits and blocks too.
    for scope in [
        "forms.plain",
        "methods.arc",
        "traits.provided",
        "traced.trait_above",
        "blocks.boxed",
        "blocking.opaque",
        "generated.step",
    ] {
        assert!(all.iter().any(|guarded| guarded.scope == scope), "{scope}");
    }
}
