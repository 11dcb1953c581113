//! Threat 13: a secret in a redacted argument is in no sink, and the digest still binds it.

mod support;

use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use approvals_core::action::{Binder, Bound, GuardedFn, bind};
use approvals_core::digest::{Salt, commit, disclosure};
use approvals_core::gate::Call;
use approvals_core::ports::Filter;
use approvals_core::{
    Action, ApprovalError, ApprovalGate, Approved, Code, Gate, Vote, approve, requires_approval,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use support::canary::forms;
use support::house::House;
use support::people::{Channel, vote};
use support::{Effects, bot, events, guarded, hasty, stored, swap};

const CANARY: &str = "c4nary/7Qz-n0t~t0-be=s33n";

// The calls that carry the secret, one per way it can go.

#[derive(Clone)]
struct Login {
    user: String,
    password: String,
}

#[requires_approval(
    scope = "leak.plain",
    reason = "export of {table}",
    redact(token),
    skip(effects)
)]
async fn plain(effects: Effects, table: String, token: String) -> Result<usize, ApprovalError> {
    effects.happen();
    Ok(table.len() + token.len())
}

#[tracing::instrument(level = "trace", skip(token, effects))]
#[requires_approval(scope = "leak.above", redact(token), skip(effects))]
async fn instrumented_above(effects: Effects, token: String) -> Result<usize, ApprovalError> {
    effects.happen();
    Ok(token.len())
}

#[requires_approval(scope = "leak.below", redact(token), skip(effects))]
#[tracing::instrument(level = "trace", skip_all)]
async fn instrumented_below(effects: Effects, token: String) -> Result<usize, ApprovalError> {
    effects.happen();
    Ok(token.len())
}

#[requires_approval(
    scope = "leak.part",
    args(user = &login.user, password = &login.password),
    redact(password),
    resource = "{user}",
    skip(effects)
)]
async fn part(effects: Effects, login: Login) -> Result<usize, ApprovalError> {
    effects.happen();
    Ok(login.password.len())
}

/// Cannot be written, and says so with the secret in its mouth.
struct Chatty;

impl Serialize for Chatty {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(format!("cannot write {CANARY}")))
    }
}

#[requires_approval(scope = "leak.error", redact(token), skip(effects))]
async fn unwritable(effects: Effects, token: Chatty) -> Result<usize, ApprovalError> {
    let Chatty = token;
    Ok(effects.happen())
}

#[requires_approval(scope = "leak.panic", redact(token), skip(effects))]
async fn panicking(effects: Effects, token: String) -> Result<usize, ApprovalError> {
    effects.happen();
    assert!(token.is_empty(), "the body stops here");
    Ok(0)
}

/// An error of the program's own, with the secret in it.
#[derive(Debug)]
enum Failure {
    Refused,
    Login(String),
}

impl From<ApprovalError> for Failure {
    fn from(_: ApprovalError) -> Self {
        Self::Refused
    }
}

#[requires_approval(scope = "leak.failed", redact(token), skip(effects))]
async fn failing(effects: Effects, token: String) -> Result<usize, Failure> {
    effects.happen();
    Err(Failure::Login(token))
}

/// A secret that changes while people think.
#[derive(Clone)]
struct Rotating(Arc<Mutex<String>>);

impl Serialize for Rotating {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.lock().unwrap())
    }
}

#[requires_approval(scope = "leak.rotated", redact(token), skip(effects))]
async fn rotated(effects: Effects, token: Rotating) -> Result<usize, ApprovalError> {
    effects.happen();
    Ok(token.0.lock().unwrap().len())
}

#[derive(Action)]
#[action(scope = "leak.typed", reason = "login of {user}")]
struct TypedLogin {
    user: String,
    #[action(redact)]
    password: String,
}

async fn typed(login: Approved<TypedLogin>) -> Result<usize, ApprovalError> {
    login
        .run(|TypedLogin { user, password }| async move { Ok(user.len() + password.len()) })
        .await
}

// The sinks.

/// Everything that came out anywhere, with where it came out.
#[derive(Clone, Default)]
struct Sinks(Arc<Mutex<Vec<(String, String)>>>);

impl Sinks {
    fn take(&self, sink: &str, text: impl Into<String>) {
        self.0.lock().unwrap().push((sink.to_owned(), text.into()));
    }

    fn debug(&self, sink: &str, value: &dyn std::fmt::Debug) {
        self.take(sink, format!("{value:?} {value:#?}"));
    }

    fn error(&self, sink: &str, error: &ApprovalError) {
        self.debug(sink, error);
        self.take(sink, format!("{error} {:?}", error.reason()));
    }

    /// No sink holds the secret in any form.
    fn assert_clean(&self) {
        // Nothing is locked while this fails: a panic comes out at a sink, too.
        let taken = self.0.lock().unwrap().clone();
        for (sink, text) in taken {
            if let Some(form) = leak(&text) {
                panic!("the secret came out at {sink} ({form}):\n{text}");
            }
        }
    }

    fn text_of(&self, sink: &str) -> String {
        let sinks = self.0.lock().unwrap();
        sinks
            .iter()
            .filter(|(name, _)| name == sink)
            .map(|(_, text)| text.as_str())
            .collect()
    }
}

/// Listens to everything that this process traces, and to its panics.
///
/// For the whole process: what one thread does not trace, tracing may not ask another one for.
fn listen() -> Sinks {
    static SINKS: LazyLock<Sinks> = LazyLock::new(|| {
        let sinks = Sinks::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(sinks.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let (panics, usual) = (sinks.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |info| {
            panics.take("panic", info.to_string());
            usual(info);
        }));
        sinks
    });
    SINKS.clone()
}

impl io::Write for Sinks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take("tracing", String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sinks {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The form in which the secret stands in a text, if it does.
fn leak(text: &str) -> Option<&'static str> {
    static FORMS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| forms(CANARY));
    let found = FORMS.iter().find(|(_, secret)| text.contains(secret))?;
    Some(&found.0)
}

/// Looks into every corner of the gate.
async fn sweep(sinks: &Sinks, house: &House, gate: &Gate, channel: &Channel) {
    sinks.debug("gate", gate);
    sinks.debug("house", house);
    sinks.debug("journal", gate.journal());
    sinks.take("disk", house.disk.written());
    for record in stored(gate).await {
        sinks.take("ledger", String::from_utf8(record.bytes).unwrap());
    }
    sinks.take(
        "checkpoint",
        gate.journal()
            .checkpoint()
            .await
            .unwrap()
            .unwrap_or_default(),
    );
    for notice in channel.seen() {
        sinks.debug("notice", &notice);
        sinks.take("notice", notice.card.to_text());
        sinks.debug("record of the action", &notice.card.action);
        for fact in &notice.card.params {
            sinks.take("fact", fact.value.as_ref().map_or("", |value| value.raw()));
        }
        for text in [
            &notice.card.reason,
            &notice.card.resource,
            &notice.card.rationale,
            &notice.card.denial,
        ] {
            sinks.take("words", text.as_ref().map_or("", |text| text.raw()));
        }
    }
    for row in gate.list(Filter::all()).await.unwrap() {
        sinks.debug("row", &row);
        let card = gate.card(row.id).await.unwrap();
        sinks.debug("card", &card);
        sinks.take("card", card.to_text());
        let id = row.id;
        let disclosures = gate.journal().disclosures(id).await.unwrap();
        for disclosure in disclosures {
            sinks.debug("disclosure", &disclosure);
            sinks.debug(
                "disclosure",
                &disclosure.open().map(|(_, name, value)| (name, value)),
            );
            sinks.take("disclosure", disclosure.text);
        }
        for record in gate.journal().history(id).await.unwrap() {
            sinks.debug("history", &record);
        }
    }
}

fn secret() -> String {
    CANARY.to_owned()
}

/// Every way a call can go, with the secret in it.
async fn every_way(sinks: &Sinks, gate: &Gate, effects: &Effects) {
    let plain = |agent| gate.enter(agent, plain(effects.clone(), "users".to_owned(), secret()));
    plain(bot()).await.unwrap();
    gate.enter(bot(), instrumented_above(effects.clone(), secret()))
        .await
        .unwrap();
    gate.enter(bot(), instrumented_below(effects.clone(), secret()))
        .await
        .unwrap();
    let login = Login {
        user: "root".to_owned(),
        password: secret(),
    };
    gate.enter(bot(), part(effects.clone(), login))
        .await
        .unwrap();
    let login = || TypedLogin {
        user: "root".to_owned(),
        password: secret(),
    };
    let approved = gate.enter(bot(), approve(login())).await.unwrap();
    sinks.debug("approved action", &approved);
    gate.enter(bot(), typed(approved)).await.unwrap();
    drop(gate.enter(bot(), approve(login())).await.unwrap());

    let error = gate
        .enter(bot(), unwritable(effects.clone(), Chatty))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NonCanonical);
    sinks.error("unwritable", &error);

    let failed = gate
        .enter(bot(), failing(effects.clone(), secret()))
        .await
        .unwrap_err();
    assert!(
        matches!(failed, Failure::Login(token) if token == CANARY),
        "what the body returns is the caller's own"
    );

    let keyed = bot().idempotency_key("k");
    plain(keyed.clone()).await.unwrap();
    sinks.error("replay", &plain(keyed.clone()).await.unwrap_err());
    let other = support::drop_table(effects.clone(), "users".to_owned());
    sinks.error(
        "another action",
        &gate.enter(keyed, other).await.unwrap_err(),
    );

    for (what, agent) in [
        ("nobody", approvals_core::Agent::new("bot")),
        (
            "a stranger",
            approvals_core::Agent::new("bot").on_behalf_of("u_nobody"),
        ),
    ] {
        sinks.error(what, &plain(agent).await.unwrap_err());
    }
    let outside = self::plain(effects.clone(), "users".to_owned(), secret()).await;
    sinks.error("no gate", &outside.unwrap_err());
}

/// The ways that end in a refusal by people, a changed secret, or a panic.
async fn every_bad_end(sinks: &Sinks, house: &House, effects: &Effects) {
    let gate = house.open().await;
    for decision in [Vote::Deny, Vote::Approve] {
        let token = Rotating(Arc::new(Mutex::new(secret())));
        let run = format!("{decision:?}");
        let call = |agent| gate.enter(agent, rotated(effects.clone(), token.clone()));
        let error = call(hasty().run(&run).idempotency_key(&run))
            .await
            .unwrap_err();
        sinks.error("pending", &error);
        vote(&gate, "u_1", error.request().unwrap(), decision)
            .await
            .unwrap();
        *token.0.lock().unwrap() = format!("{CANARY}{CANARY}");
        sinks.error(
            "changed secret",
            &call(hasty().run(&run).idempotency_key(&run))
                .await
                .unwrap_err(),
        );
    }
    // The body panics with the secret in its hands.
    let error = gate
        .enter(hasty().run("p"), panicking(effects.clone(), secret()))
        .await
        .unwrap_err();
    vote(&gate, "u_1", error.request().unwrap(), Vote::Approve)
        .await
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    let (panicking_gate, effects) = (gate.clone(), effects.clone());
    tasks.spawn(async move {
        panicking_gate
            .enter(hasty().run("p"), panicking(effects, secret()))
            .await
    });
    assert!(tasks.join_next().await.unwrap().unwrap_err().is_panic());
    // Withdrawn in the middle of asking.
    let call = gate.enter(
        bot(),
        plain(Effects::default(), "users".to_owned(), secret()),
    );
    let _ = tokio::time::timeout(Duration::from_secs(5), call)
        .await
        .unwrap_err();
    gate.flush().await.unwrap();
    let channel = Channel::default();
    sweep(sinks, house, &gate, &channel).await;
}

#[tokio::test(start_paused = true)]
async fn threat_13_a_secret_is_in_no_sink() {
    let sinks = listen();
    let effects = Effects::default();
    let house = House::new();
    let (gate, channel) = house.clone().approving(&["u_1"]).await;
    every_way(&sinks, &gate, &effects).await;
    sweep(&sinks, &house, &gate, &channel).await;
    every_bad_end(&sinks, &House::new(), &effects).await;
    assert_eq!(effects.count(), 7, "the bodies did get the secret");
    for (sink, proof) in [
        ("tracing", "leak.plain"),
        ("tracing", "reviewed"),
        ("panic", "the body stops here"),
        ("ledger", "permit.consumed"),
        ("notice", "[redacted]"),
        ("disclosure", "users"),
        ("disk", "request.created"),
    ] {
        assert!(
            sinks.text_of(sink).contains(proof),
            "{sink} was not looked at"
        );
    }
    sinks.assert_clean();
}

#[test]
fn threat_13_the_search_finds_what_it_looks_for() {
    for text in [
        format!("x{CANARY}y"),
        URL_SAFE_NO_PAD.encode(format!("[\"salt\",\"args.token\",\"{CANARY}\"]")),
        STANDARD.encode(format!("ab{CANARY}cd")),
        format!("{:?}", CANARY.as_bytes()),
    ] {
        assert!(leak(&text).is_some(), "{text}");
    }
    assert_eq!(leak("permit.consumed"), None);
}

// The digest still binds it.

static LOGIN: GuardedFn = guarded("app.login");

fn login(user: &str, token: &str) -> Bound {
    bind(&LOGIN, |binder: &mut Binder<'_>| {
        binder.shown("user", user);
        binder.redacted("token", token);
    })
}

#[tokio::test(start_paused = true)]
async fn threat_13_the_digest_still_binds_the_secret() {
    let sinks = listen();
    let (gate, _) = House::new().approving(&["u_1"]).await;
    swap(&gate, bot(), login("root", CANARY), login("root", CANARY))
        .await
        .unwrap();
    for other in [
        "",
        "c4nary",
        "C4NARY/7Qz-n0t~t0-be=s33n",
        "c4nary/7Qz-n0t~t0-be=s33n ",
    ] {
        let error = swap(&gate, bot(), login("root", CANARY), login("root", other))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::ActionMismatch, "{other:?}");
    }
    sinks.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn threat_13_a_changed_secret_does_not_run() {
    let sinks = listen();
    let (gate, effects) = (House::new().open().await, Effects::default());
    let token = Rotating(Arc::new(Mutex::new(secret())));
    let call = || gate.enter(bot(), rotated(effects.clone(), token.clone()));
    let change = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let request = gate.list(Filter::pending()).await.unwrap()[0].id;
        vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
        *token.0.lock().unwrap() = "another".to_owned();
        request
    };
    let (ran, request) = tokio::join!(call(), change);
    assert_eq!(ran.unwrap_err().code(), Code::ActionMismatch);
    assert_eq!(effects.count(), 0);
    assert!(events(&gate, request).await.iter().any(|event| matches!(event, approvals_core::lifecycle::Event::PermitRefused(refused) if refused.burned)));
    sinks.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn threat_13_the_record_does_not_let_anybody_guess() {
    let sinks = listen();
    let (gate, _) = House::new().approving(&["u_1"]).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let permit = gate
            .authorize(Call::of(login("root", "1234"), bot()).unwrap())
            .await
            .unwrap();
        let state = gate
            .journal()
            .state(permit.request())
            .await
            .unwrap()
            .unwrap();
        let action = state.action().clone();
        let nonce = Salt::parse(&action.nonce).unwrap();
        let token = action
            .params
            .iter()
            .find(|param| param.name == "token")
            .unwrap();
        assert!(token.redacted);
        let guess = approvals_core::canonical::to_value("1234").unwrap();
        for name in ["args.token", "token"] {
            assert_ne!(
                commit(&disclosure(nonce, name, &guess)),
                token.sd,
                "a guess can be checked"
            );
        }
        seen.push(token.sd.clone());
        drop(permit);
    }
    assert_ne!(
        seen[0], seen[1],
        "equal secrets look different in each request"
    );
    sinks.assert_clean();
}
