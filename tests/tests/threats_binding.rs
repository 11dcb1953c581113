//! Threats 1 to 8: what was shown is what was approved is what runs.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::action::{Binder, Bound, GuardedFn, Kind, Param, Treatment, bind};
use approvals_core::canonical::{MAX_BYTES, parse};
use approvals_core::lifecycle::Event;
use approvals_core::testing::TestGate;
use approvals_core::text::Warning;
use approvals_core::{Agent, ApprovalError, Code, Gate, Status, Vote, requires_approval};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use support::house::House;
use support::people::vote;
use support::{Effects, bot, count, drop_table, events, guarded, hasty, kinds, shown, swap};

static PAY: GuardedFn = guarded("bank.pay");

// 1: approve A, run B.

fn payment(fill: impl FnOnce(&mut Binder<'_>)) -> Bound {
    bind(&PAY, fill)
}

/// $82,000 to Alice.
fn approved_payment() -> Bound {
    payment(|binder| {
        binder.shown("to", "alice");
        binder.shown("amount", &82_000);
        binder.redacted("pin", "0000");
        binder.reason(format_args!("the invoice of March"));
        binder.resource(format_args!("account 7"));
        binder.environment(format_args!("prod"));
    })
}

/// The same payment with one part of it changed by hand.
fn other_payments() -> Vec<(&'static str, Bound)> {
    let pay = |to: &str, amount: i64, pin: &str, words: [&str; 3]| {
        let [reason, resource, environment] = words;
        payment(|binder| {
            binder.shown("to", to);
            binder.shown("amount", &amount);
            binder.redacted("pin", pin);
            binder.reason(format_args!("{reason}"));
            binder.resource(format_args!("{resource}"));
            binder.environment(format_args!("{environment}"));
        })
    };
    let words = ["the invoice of March", "account 7", "prod"];
    vec![
        ("a nought more", pay("alice", 820_000, "0000", words)),
        ("another payee", pay("mallory", 82_000, "0000", words)),
        ("another secret", pay("alice", 82_000, "0001", words)),
        (
            "another reason",
            pay("alice", 82_000, "0000", ["lunch", words[1], words[2]]),
        ),
        (
            "another resource",
            pay("alice", 82_000, "0000", [words[0], "account 8", words[2]]),
        ),
        (
            "another environment",
            pay("alice", 82_000, "0000", [words[0], words[1], "test"]),
        ),
        ("nothing at all", payment(|_| {})),
        (
            "one more value",
            payment(|binder| {
                binder.shown("to", "alice");
                binder.shown("amount", &82_000);
                binder.redacted("pin", "0000");
                binder.shown("currency", "EUR");
                binder.reason(format_args!("the invoice of March"));
                binder.resource(format_args!("account 7"));
                binder.environment(format_args!("prod"));
            }),
        ),
        (
            "a secret made public",
            payment(|binder| {
                binder.shown("to", "alice");
                binder.shown("amount", &82_000);
                binder.shown("pin", "0000");
                binder.reason(format_args!("the invoice of March"));
                binder.resource(format_args!("account 7"));
                binder.environment(format_args!("prod"));
            }),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn threat_01_what_was_changed_after_approval_burns_the_permit() {
    let gate = TestGate::approving();
    let same = swap(&gate, bot(), approved_payment(), approved_payment()).await;
    same.expect("what was approved runs");

    for (what, live) in other_payments() {
        let gate = TestGate::approving();
        let agent = bot().idempotency_key("invoice-3");
        let error = swap(&gate, agent.clone(), approved_payment(), live)
            .await
            .expect_err(what);
        assert_eq!(error.code(), Code::ActionMismatch, "{what}");

        let request = error.request().expect("the refusal names the request");
        let card = gate.gate().card(request).await.unwrap();
        assert_eq!(card.status, Status::Failed, "{what}");
        let burned = events(gate.gate(), request).await.pop();
        let Some(Event::PermitRefused(refused)) = burned else {
            panic!("{what}: the last record is {burned:?}")
        };
        assert_eq!((refused.code, refused.burned), (Code::ActionMismatch, true));
        assert!(
            refused.got.is_some_and(|got| got != card.digest),
            "{what}: what was presented is on record"
        );
        gate.assert_did_not_run("bank.pay").await;

        let again = swap(&gate, agent, approved_payment(), approved_payment()).await;
        assert_eq!(again.unwrap_err().code(), Code::AlreadyConsumed, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_01_a_key_is_good_for_one_action() {
    let (house, effects) = (House::new(), Effects::default());
    let gate = house.open().await;
    let agent = hasty().idempotency_key("k");
    let request = support::ask(&gate, agent.clone(), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();

    let other = drop_table(effects.clone(), "payments".to_owned());
    let error = gate.enter(agent, other).await.unwrap_err();
    assert_eq!(error.code(), Code::ActionMismatch);
    assert_eq!(effects.count(), 0);
    assert_eq!(count(&gate, "permit.consumed").await, 0);
}

#[tokio::test(start_paused = true)]
async fn threat_01_a_wrong_call_under_a_key_does_not_withdraw_the_right_one() {
    let (house, effects) = (House::new(), Effects::default());
    let gate = house.open().await;
    let agent = hasty().idempotency_key("k");
    let request = support::ask(&gate, agent.clone(), &effects).await;
    let other = drop_table(effects.clone(), "payments".to_owned());
    gate.enter(agent.clone(), other).await.unwrap_err();

    // Nobody who stands behind the request withdrew it, so the log must not say so.
    assert_eq!(kinds(&gate, request).await, ["request.created"]);
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    let right = gate.enter(agent, drop_table(effects.clone(), "users".to_owned()));
    assert_eq!(right.await.unwrap(), 1);
}

// 2: shared mutability.

/// A value that somebody else can change at any time.
#[derive(Clone)]
struct Cell(Arc<Mutex<String>>);

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.lock().unwrap())
    }
}

#[requires_approval(scope = "shared.text", skip(effects))]
async fn write(effects: Effects, target: Cell) -> Result<String, ApprovalError> {
    effects.happen();
    Ok(target.0.lock().unwrap().clone())
}

#[requires_approval(scope = "shared.number", skip(effects))]
async fn count_down(effects: Effects, left: &Left) -> Result<u64, ApprovalError> {
    effects.happen();
    Ok(left.0.load(Ordering::SeqCst))
}

struct Left(AtomicU64);

impl Serialize for Left {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.load(Ordering::SeqCst))
    }
}

#[requires_approval(scope = "shared.list", skip(effects))]
async fn borrow(effects: Effects, list: &mut Vec<Cell>) -> Result<usize, ApprovalError> {
    effects.happen();
    Ok(list.len())
}

/// Runs a call that people approve after 10 s, and something else 5 s before that.
async fn meanwhile<T>(
    call: impl Future<Output = Result<T, ApprovalError>>,
    change: impl FnOnce(),
) -> (TestGate, Result<T, ApprovalError>) {
    let later = Duration::from_secs(10);
    let gate = TestGate::script().approve_after("*", later).start().await;
    let disturb = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        change();
    };
    let (ran, ()) = tokio::join!(gate.enter(bot(), call), disturb);
    (gate, ran)
}

#[tokio::test(start_paused = true)]
async fn threat_02_what_changes_while_people_think_does_not_run() {
    let effects = Effects::default();
    let cell = Cell(Arc::new(Mutex::new("staging".to_owned())));

    let (_, ran) = meanwhile(write(effects.clone(), cell.clone()), || {}).await;
    assert_eq!(ran.unwrap(), "staging");
    assert_eq!(effects.count(), 1);

    let change = || *cell.0.lock().unwrap() = "production".to_owned();
    let (gate, ran) = meanwhile(write(effects.clone(), cell.clone()), change).await;
    assert_eq!(ran.unwrap_err().code(), Code::ActionMismatch);
    gate.assert_did_not_run("shared.text").await;

    let left = Left(AtomicU64::new(1));
    let change = || left.0.store(1_000, Ordering::SeqCst);
    let (gate, ran) = meanwhile(count_down(effects.clone(), &left), change).await;
    assert_eq!(ran.unwrap_err().code(), Code::ActionMismatch);
    gate.assert_did_not_run("shared.number").await;

    let mut list = vec![cell.clone()];
    let change = || *cell.0.lock().unwrap() = "everything".to_owned();
    let (gate, ran) = meanwhile(borrow(effects.clone(), &mut list), change).await;
    assert_eq!(ran.unwrap_err().code(), Code::ActionMismatch);
    gate.assert_did_not_run("shared.list").await;
    assert_eq!(effects.count(), 1);
}

// 3: rug pull.

const fn param(kind: Kind, treatment: Treatment) -> Param {
    Param {
        name: "value",
        kind,
        treatment,
    }
}

static FIRST: GuardedFn = GuardedFn {
    params: &[param(Kind::Text, Treatment::Shown)],
    ..guarded("app.call")
};

/// The same scope, upgraded or registered again by another hand.
static PULLED: [GuardedFn; 6] = [
    GuardedFn {
        version: "1.0.1",
        ..FIRST_AGAIN
    },
    GuardedFn {
        function: "evil::guarded",
        ..FIRST_AGAIN
    },
    GuardedFn {
        signature: "(value: Any, force: bool)",
        ..FIRST_AGAIN
    },
    GuardedFn {
        params: &[param(Kind::Any, Treatment::Shown)],
        ..FIRST_AGAIN
    },
    GuardedFn {
        params: &[param(Kind::Text, Treatment::InPart)],
        ..FIRST_AGAIN
    },
    GuardedFn {
        params: &[
            param(Kind::Text, Treatment::Shown),
            param(Kind::Text, Treatment::Shown),
        ],
        ..FIRST_AGAIN
    },
];

const FIRST_AGAIN: GuardedFn = GuardedFn {
    params: &[param(Kind::Text, Treatment::Shown)],
    ..guarded("app.call")
};

#[tokio::test(start_paused = true)]
async fn threat_03_an_approval_is_for_one_signature() {
    for other in &PULLED {
        let gate = TestGate::approving();
        let live = shown(other, &"x");
        let error = swap(&gate, bot(), shown(&FIRST, &"x"), live)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::ActionMismatch, "{other:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_03_a_pending_request_does_not_pass_to_the_next_release() {
    for other in &PULLED {
        let gate = House::new().open().await;
        let call = |guarded, agent: Agent| {
            let gate = gate.clone();
            async move { swap(&gate, agent, shown(guarded, &"x"), shown(guarded, &"x")).await }
        };
        let old = call(&FIRST, hasty().run("r")).await.unwrap_err();
        let old = old.request().unwrap();
        vote(&gate, "u_1", old, Vote::Approve).await.unwrap();

        let new = call(other, hasty().run("r")).await.unwrap_err();
        assert_eq!(new.code(), Code::Pending, "it asks people again: {other:?}");
        assert_ne!(new.request(), Some(old), "{other:?}");

        let keyed = hasty().idempotency_key("k");
        call(&FIRST, keyed.clone()).await.unwrap_err();
        let new = call(other, keyed).await.unwrap_err();
        assert_eq!(new.code(), Code::ActionMismatch, "{other:?}");
        assert_eq!(count(&gate, "permit.consumed").await, 0);
    }
}

// 4: context swap.

/// The same call in another context. The environment is the process's own.
fn contexts() -> Vec<(&'static str, Agent, &'static str)> {
    let base = || hasty().tenant("acme").run("r1").conversation("c1");
    let base = || base().tool_call("t1");
    vec![
        ("tenant", base().tenant("globex"), "prod"),
        ("sponsor", base().on_behalf_of("u_bob"), "prod"),
        ("owner", base().owned_by("u_bob"), "prod"),
        ("environment", base(), "test"),
        ("run", base().run("r2"), "prod"),
        ("conversation", base().conversation("c2"), "prod"),
        ("tool call", base().tool_call("t2"), "prod"),
    ]
}

/// Whether an approval given in one context can be used in another one, under this name.
async fn carry_over(
    what: &str,
    name: impl Fn(Agent) -> Agent,
    other: Agent,
    environment: &'static str,
) -> (Gate, Result<usize, ApprovalError>) {
    let (house, effects) = (House::new(), Effects::default());
    let gate = house.clone().environment("prod").open().await;
    let first = hasty().tenant("acme").run("r1").conversation("c1");
    let request = support::ask(&gate, name(first.tool_call("t1")), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    drop(gate);

    let gate = house.environment(environment).open().await;
    let second = drop_table(effects.clone(), "users".to_owned());
    let result = gate.enter(name(other), second).await;
    assert_eq!(effects.count(), result.iter().count(), "{what}");
    (gate, result)
}

#[tokio::test(start_paused = true)]
async fn threat_04_an_approval_stays_in_its_context() {
    for (what, other, environment) in contexts() {
        let (_, result) = carry_over(what, |agent| agent, other, environment).await;
        let error = result.expect_err(what);
        assert_eq!(error.code(), Code::Pending, "{what}: people are asked anew");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_04_no_key_carries_an_approval_into_another_context() {
    let keyed = |agent: Agent| agent.idempotency_key("k");
    let mut carried = Vec::new();
    for (what, other, environment) in contexts() {
        match carry_over(what, keyed, other, environment).await.1 {
            Err(error) => assert_eq!(error.code(), Code::ActionMismatch, "{what}"),
            Ok(_) => carried.push(what),
        }
    }
    assert_eq!(carried, [""; 0], "approved in one context, run in another");
}

#[tokio::test(start_paused = true)]
async fn threat_04_another_agent_cannot_use_a_key() {
    let keyed = |agent: Agent| agent.idempotency_key("k");
    let other = Agent::new("other-bot").on_behalf_of("u_alice");
    let other = other.owned_by("u_olga").wait(Duration::from_millis(1));
    let (_, result) = carry_over("agent", keyed, other, "prod").await;
    assert_eq!(result.unwrap_err().code(), Code::Pending);
}

// 5: number collapse.

static NUMBER: GuardedFn = guarded("app.number");

type Fill = Box<dyn Fn() -> Bound>;

fn value<T: Serialize + 'static>(guarded: &'static GuardedFn, value: T) -> Fill {
    Box::new(move || shown(guarded, &value))
}

async fn never_the_same(pairs: Vec<(&'static str, Fill, Fill)>) {
    for (what, left, right) in pairs {
        for (approved, live) in [(&left, &right), (&right, &left)] {
            let gate = TestGate::approving();
            let error = swap(&gate, bot(), approved(), live())
                .await
                .expect_err(what);
            assert_eq!(error.code(), Code::ActionMismatch, "{what}");
        }
        for same in [&left, &right] {
            let gate = TestGate::approving();
            swap(&gate, bot(), same(), same()).await.expect(what);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_05_numbers_never_collapse() {
    fn number<T: Serialize + 'static>(number: T) -> Fill {
        value(&NUMBER, number)
    }
    const EXACT: u64 = 1 << 53;
    never_the_same(vec![
        ("2^53 and its neighbour", number(EXACT), number(EXACT + 1)),
        ("the two largest", number(u64::MAX), number(u64::MAX - 1)),
        ("the two smallest", number(i64::MIN), number(i64::MIN + 1)),
        ("the signs of nought", number(0.0_f64), number(-0.0_f64)),
        ("one and one", number(1), number(1.0_f64)),
        (
            "a float and an integer",
            number(EXACT),
            number(9_007_199_254_740_992.0_f64),
        ),
        (
            "two floats next to each other",
            number(0.1_f64),
            number(0.1_f64.next_up()),
        ),
        ("a number and its text", number(12), number("12")),
        ("nothing and nought", number(None::<u8>), number(0)),
        ("true and one", number(true), number(1)),
        ("a byte and a list of it", number(7_u8), number([7_u8])),
    ])
    .await;
}

async fn never_asks<T: Serialize>(what: &str, guarded: &'static GuardedFn, value: &T) {
    let gate = TestGate::approving();
    let error = swap(&gate, bot(), shown(guarded, value), shown(guarded, value))
        .await
        .expect_err(what);
    assert_eq!(error.code(), Code::NonCanonical, "{what}");
    gate.assert_nothing_asked();
    assert_eq!(count(gate.gate(), "request.created").await, 0, "{what}");
}

#[tokio::test(start_paused = true)]
async fn threat_05_what_is_no_number_is_refused() {
    for (what, number) in [
        ("NaN", f64::NAN),
        ("infinity", f64::INFINITY),
        ("minus", f64::NEG_INFINITY),
    ] {
        never_asks(what, &NUMBER, &number).await;
        never_asks(what, &NUMBER, &vec![Some(number)]).await;
    }
    never_asks("a single NaN", &NUMBER, &f32::NAN).await;
    never_asks("beyond 64 bits", &NUMBER, &u128::MAX).await;
    never_asks("below 64 bits", &NUMBER, &i128::MIN).await;
}

// 6: parser differential.

static TEXT: GuardedFn = guarded("app.text");

/// Gives the same name twice, and so one value to one reader and another to the next.
struct Twice;

impl Serialize for Twice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("to", "alice")?;
        map.serialize_entry("to", "mallory")?;
        map.end()
    }
}

/// Two keys that print alike.
struct Alike;

impl Serialize for Alike {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(&1, "alice")?;
        map.serialize_entry("1", "mallory")?;
        map.end()
    }
}

/// Lists within lists.
struct Deep(u32);

impl Serialize for Deep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(1))?;
        if self.0 > 0 {
            list.serialize_element(&Self(self.0 - 1))?;
        }
        list.end()
    }
}

#[tokio::test(start_paused = true)]
async fn threat_06_a_value_that_two_readers_take_differently_is_refused() {
    never_asks("a name twice", &TEXT, &Twice).await;
    never_asks("a name twice, deep", &TEXT, &[Some(Twice)]).await;
    never_asks("names that print alike", &TEXT, &Alike).await;
    never_asks("nested 10,000 deep", &TEXT, &Deep(10_000)).await;
    never_asks("a list as a name", &TEXT, &BTreeMap::from([([1_u8], 1)])).await;
    never_asks("longer than the bound", &TEXT, &"x".repeat(MAX_BYTES)).await;
    never_asks("4 MB", &TEXT, &"x".repeat(4 << 20)).await;
}

#[test]
fn threat_06_text_from_outside_has_one_reading() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    for bad in [
        r#"{"to":"alice","to":"mallory"}"#,
        r#"{"a":{"to":"alice","\u0074o":"mallory"}}"#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#"{"\ud800":1}"#,
        "9007199254740993.0",
        "1e400",
        "18446744073709551616",
        "NaN",
        "1 2",
        "[1,]",
        "{} {}",
        "\u{feff}{}",
        &deep,
    ] {
        assert!(
            parse(bad.as_bytes()).is_err(),
            "{}",
            &bad[..bad.len().min(60)]
        );
    }
    assert!(parse(b"\"\xff\"").is_err(), "not UTF-8");
}

// 7: look-alike values.

#[tokio::test(start_paused = true)]
async fn threat_07_lookalikes_are_other_values() {
    let text = |text: &'static str| value(&TEXT, text);
    never_the_same(vec![
        ("a space behind", text("rm "), text("rm")),
        ("a space before", text(" rm"), text("rm")),
        ("composed and not", text("\u{e9}tat"), text("e\u{301}tat")),
        ("upper and lower case", text("Users"), text("users")),
        ("a Cyrillic a", text("p\u{430}yments"), text("payments")),
        ("nothing within", text("pay\u{200b}ments"), text("payments")),
        ("another hyphen", text("a\u{2010}b"), text("a-b")),
        ("another line end", text("a\r\nb"), text("a\nb")),
        (
            "nothing and no text",
            value(&TEXT, ""),
            value(&TEXT, None::<&str>),
        ),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn threat_07_the_card_shows_the_difference() {
    for (text, drawn, warning) in [
        ("rm ", "\"rm \"", None),
        ("Users", "\"Users\"", None),
        ("e\u{301}tat", "\"e\u{301}tat\"", Some(Warning::Combining)),
        (
            "p\u{430}yments",
            "\"p\u{430}yments\"",
            Some(Warning::MixedAlphabets),
        ),
        (
            "pay\u{200b}ments",
            r#""pay\u{200b}ments""#,
            Some(Warning::Invisible),
        ),
        ("a\u{a0}b", r#""a\u{a0}b""#, Some(Warning::Invisible)),
    ] {
        let gate = TestGate::approving();
        swap(&gate, bot(), shown(&TEXT, &text), shown(&TEXT, &text))
            .await
            .unwrap();
        let card = gate.assert_asked("app.text").card;
        assert!(
            card.to_text().contains(drawn),
            "{text:?}: {}",
            card.to_text()
        );
        let warnings: Vec<_> = card
            .warnings()
            .into_iter()
            .map(|(name, warning)| (name, Some(warning)))
            .collect();
        let wanted: Vec<_> = warning
            .iter()
            .map(|warning| ("value".to_owned(), Some(*warning)))
            .collect();
        assert_eq!(warnings, wanted, "{text:?}");
        assert_eq!(
            card.to_text().contains("CAREFUL"),
            warning.is_some(),
            "{text:?}"
        );
    }
}

// 8: unbound parameter.

struct Pool;

struct Query {
    table: String,
    payload: String,
}

#[requires_approval(scope = "open.call", skip(effects, pool), args(table = &query.table))]
async fn open_call(effects: Effects, pool: &Pool, query: Query) -> Result<String, ApprovalError> {
    effects.happen();
    let Pool = pool;
    Ok(query.payload)
}

#[requires_approval(scope = "closed.call")]
async fn closed_call(table: String) -> Result<usize, ApprovalError> {
    Ok(table.len())
}

fn query() -> Query {
    Query {
        table: "users".to_owned(),
        payload: "the tail".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn threat_08_what_is_not_covered_is_named_on_the_card() {
    let (gate, effects) = (TestGate::approving(), Effects::default());
    let call = open_call(effects.clone(), &Pool, query());
    assert_eq!(gate.enter(bot(), call).await.unwrap(), "the tail");
    let asked = gate.assert_asked("open.call");
    assert_eq!(asked.not_covered, ["effects", "pool", "query"]);
    let text = asked.card.to_text();
    assert!(
        text.lines()
            .any(|line| line.trim() == "NOT COVERED   effects, pool, query"),
        "{text}"
    );
    assert!(
        !text.contains("the tail"),
        "what is not bound is not shown as if it were"
    );
}

#[tokio::test(start_paused = true)]
async fn threat_08_under_full_binding_nothing_is_left_open() {
    let effects = Effects::default();
    let gate = TestGate::script().approve("*").full_binding().start().await;
    let error = gate
        .enter(bot(), open_call(effects.clone(), &Pool, query()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NotBound);
    for name in ["effects", "pool", "query"] {
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
    gate.assert_nothing_asked();
    assert_eq!(
        (effects.count(), count(gate.gate(), "request.created").await),
        (0, 0)
    );
    assert_eq!(
        gate.enter(bot(), closed_call("users".to_owned()))
            .await
            .unwrap(),
        5
    );
}
