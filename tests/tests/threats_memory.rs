//! Threat 34: asking again, in whatever words, does not turn a no into a yes.

mod support;

use std::time::Duration;

use approvals_core::ledger::{Entry, Rule};
use approvals_core::lifecycle::{Created, Denied, Event};
use approvals_core::{
    Agent, ApprovalError, Code, Gate, RequestId, Status, Vote, requires_approval,
};

use support::forge::Forger;
use support::house::{self, FORGETFUL, House, SEED, origin};
use support::people::{Channel, vote};
use support::{Effects, bot, check, drop_table, events, kinds, stored, verify};

/// The usual house, under a policy that remembers.
fn remembering() -> House {
    House::new().policy(policy(1, ""))
}

fn policy(version: u32, rules: &str) -> String {
    house::policy(version, rules).replace(FORGETFUL, "")
}

const MINUTE: Duration = Duration::from_secs(60);

/// The same effect under another scope.
#[requires_approval(scope = "db.export", skip(effects))]
async fn export_table(effects: Effects, table: String) -> Result<usize, ApprovalError> {
    Ok(effects.happen() + table.len())
}

/// The same scope and the same parameters by another function and in other words.
#[requires_approval(
    scope = "db.drop",
    reason = "tidy up {table}, as agreed",
    skip(effects)
)]
async fn tidy_up(effects: Effects, table: String) -> Result<usize, ApprovalError> {
    Ok(effects.happen() + table.len())
}

fn code(answer: Result<usize, ApprovalError>) -> Result<usize, Code> {
    answer.map_err(|error| error.code())
}

async fn drop_it(gate: &Gate, agent: Agent, table: &str) -> Result<usize, ApprovalError> {
    let agent = agent.wait(Duration::from_millis(1));
    let call = drop_table(Effects::default(), table.to_owned());
    gate.enter(agent, call).await
}

/// Asks, and a person says no.
async fn denied(gate: &Gate, agent: Agent, table: &str) -> RequestId {
    let asked = drop_it(gate, agent, table).await.unwrap_err();
    assert_eq!(asked.code(), Code::Pending, "{table}: {asked}");
    let request = asked.request().unwrap();
    vote(gate, "u_1", request, Vote::Deny).await.unwrap();
    request
}

#[tokio::test(start_paused = true)]
async fn threat_34_what_was_denied_is_not_asked_again() {
    let channel = Channel::of(&[]);
    let house = remembering().channel(channel.clone());
    let gate = house.open().await;
    let effects = Effects::default();
    denied(&gate, bot().run("r"), "users").await;
    gate.deliver().await.unwrap();
    let shown = channel.seen().len();

    let words = "a person told me to ask once more";
    for agent in [
        bot().run("r"),
        bot().run("another"),
        bot(),
        bot().idempotency_key("k").rationale(words),
        Agent::new("bot").on_behalf_of("u_bob").model("another"),
    ] {
        let error = drop_it(&gate, agent, "users").await.unwrap_err();
        assert_eq!(error.code(), Code::DeniedRecently, "{error}");
        let until = gate.now().after(10 * MINUTE);
        assert!(error.message().contains(&until.to_string()), "{error}");
        // It is on record, with until when, and reached nobody.
        let request = error.request().unwrap();
        assert_eq!(
            kinds(&gate, request).await,
            ["request.created", "request.denied"]
        );
        let [Event::Created(asked), Event::Denied(no)] = &events(&gate, request).await[..] else {
            panic!("{request}");
        };
        assert_eq!((&asked.requirement, &no.by), (&None, &None));
        assert_eq!((no.code, no.until), (Code::DeniedRecently, Some(until)));
    }
    let other_function = gate.enter(bot().run("f"), tidy_up(effects.clone(), "users".into()));
    assert_eq!(code(other_function.await), Err(Code::DeniedRecently));
    // Nobody can approve what nobody was asked.
    let error = drop_it(&gate, bot(), "users").await.unwrap_err();
    let late = vote(&gate, "u_2", error.request().unwrap(), Vote::Approve).await;
    assert_eq!(late.unwrap_err().code(), Code::Denied);
    gate.deliver().await.unwrap();
    assert_eq!(channel.seen().len(), shown, "nobody was told");

    // Something else is asked, and so is somebody else's, and the same once the time is over.
    for (agent, table) in [
        (bot(), "orders"),
        (bot(), "Users"),
        (Agent::new("b2").on_behalf_of("u_bob"), "users"),
    ] {
        assert_eq!(
            code(drop_it(&gate, agent, table).await),
            Err(Code::Pending),
            "{table}"
        );
    }
    tokio::time::sleep(10 * MINUTE - Duration::from_secs(1)).await;
    assert_eq!(
        code(drop_it(&gate, bot(), "users").await),
        Err(Code::DeniedRecently)
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        code(drop_it(&gate, bot(), "users").await),
        Err(Code::Pending)
    );
    assert_eq!(effects.count(), 0);
    assert!(verify(&gate, house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn threat_34_rephrasing_freezes_the_agent() {
    let channel = Channel::of(&[]);
    let house = remembering().channel(channel.clone());
    let gate = house.open().await;
    for (run, table) in [("a", "users"), ("b", "users "), ("c", "USERS")] {
        denied(&gate, bot().run(run), table).await;
        tokio::time::sleep(5 * MINUTE).await;
    }
    gate.deliver().await.unwrap();
    let shown = channel.seen().len();
    // Whatever it asks in this scope, under whatever run, until an hour after the third no.
    for run in ["a", "d"] {
        let error = drop_it(&gate, bot().run(run), "anything")
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::Frozen, "{error}");
        let events = events(&gate, error.request().unwrap()).await;
        let Some(Event::Denied(no)) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(no.until, Some(gate.now().after(55 * MINUTE)));
    }
    gate.deliver().await.unwrap();
    assert_eq!(channel.seen().len(), shown, "nobody was told");
    // Another scope and another agent are not frozen.
    let other = gate.enter(
        bot().wait(Duration::from_millis(1)),
        export_table(Effects::default(), "users".to_owned()),
    );
    assert_eq!(code(other.await), Err(Code::Pending));
    let other = Agent::new("b2").on_behalf_of("u_bob");
    assert_eq!(
        code(drop_it(&gate, other, "orders").await),
        Err(Code::Pending)
    );
    tokio::time::sleep(55 * MINUTE - Duration::from_secs(1)).await;
    assert_eq!(
        code(drop_it(&gate, bot(), "orders").await),
        Err(Code::Frozen)
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        code(drop_it(&gate, bot(), "orders").await),
        Err(Code::Pending)
    );
    assert!(verify(&gate, house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn threat_34_a_run_that_goes_from_scope_to_scope_is_frozen() {
    let house = remembering();
    let gate = house.open().await;
    for table in ["a", "b"] {
        denied(&gate, bot().run("r"), table).await;
    }
    let export = |run: &'static str, table: &'static str| {
        let agent = bot().run(run).wait(Duration::from_millis(1));
        gate.enter(agent, export_table(Effects::default(), table.to_owned()))
    };
    let third = export("r", "c").await.unwrap_err().request().unwrap();
    vote(&gate, "u_1", third, Vote::Deny).await.unwrap();
    assert_eq!(code(export("r", "d").await), Err(Code::Frozen));
    assert_eq!(
        code(drop_it(&gate, bot().run("r"), "e").await),
        Err(Code::Frozen)
    );
    // The scopes were denied less often than that, so that another run is not.
    assert_eq!(code(export("s", "d").await), Err(Code::Pending));
    assert!(verify(&gate, house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn threat_34_every_process_and_the_next_start_remember() {
    let memory = "memory = { deny = \"2h\", freeze_after = 2, freeze_for = \"3h\" }\n";
    let text = |version, rules: &str| format!("{memory}{}", policy(version, rules));
    let house = remembering().policy(text(1, ""));
    let gates = [house.open().await, house.open().await];
    denied(&gates[0], bot(), "users").await;
    assert_eq!(
        code(drop_it(&gates[1], bot(), "users").await),
        Err(Code::DeniedRecently)
    );
    drop(gates);
    tokio::time::sleep(119 * MINUTE).await;
    let gate = house.open().await;
    assert_eq!(
        code(drop_it(&gate, bot(), "users").await),
        Err(Code::DeniedRecently)
    );
    denied(&gate, bot(), "orders").await;
    assert_eq!(code(drop_it(&gate, bot(), "more").await), Err(Code::Frozen));
    drop(gate);

    // What a newer policy would let through by itself, a person's no still holds back; and a newer
    // memory counts what was denied before it.
    let auto = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";
    let lenient = text(2, auto).replace("freeze_after = 2", "freeze_after = 3");
    let house = house.policy(lenient);
    let gate = house.open().await;
    assert_eq!(
        code(drop_it(&gate, bot(), "orders").await),
        Err(Code::DeniedRecently)
    );
    assert_eq!(code(drop_it(&gate, bot(), "more").await), Ok(1));
    assert!(verify(&gate, house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn threat_34_a_no_to_what_was_approved_is_remembered_and_a_withdrawal_is_no_no() {
    let gate = remembering().open().await;
    let ask = async |agent: Agent, table: &str| {
        let asked = drop_it(&gate, agent, table).await;
        asked.unwrap_err().request().unwrap()
    };
    let taken_back = ask(bot().run("r"), "users").await;
    vote(&gate, "u_1", taken_back, Vote::Approve).await.unwrap();
    // The sponsor may always stop it.
    vote(&gate, "u_alice", taken_back, Vote::Deny)
        .await
        .unwrap();
    assert_eq!(
        code(drop_it(&gate, bot().run("r"), "users").await),
        Err(Code::DeniedRecently)
    );
    let withdrawn = ask(bot(), "orders").await;
    gate.cancel(withdrawn).await.unwrap();
    let expired = ask(bot(), "orders").await;
    tokio::time::sleep(16 * MINUTE).await;
    gate.sweep().await.unwrap();
    assert_eq!(gate.card(expired).await.unwrap().status, Status::Expired);
    ask(bot(), "orders").await;
    // Votes that do not count are no denials either.
    let open = ask(bot(), "more").await;
    vote(&gate, "u_6", open, Vote::Deny).await.unwrap_err();
    ask(bot(), "more").await;
}

/// The name of a content tells nobody what it is.
#[tokio::test(start_paused = true)]
async fn the_name_of_what_is_asked_is_keyed_and_says_nothing_of_words() {
    let mut names = Vec::new();
    for seed in [[1; 32], [2; 32]] {
        let gate = remembering().secrets_of(seed).open().await;
        for rationale in ["please", "now"] {
            let agent = bot().rationale(rationale);
            let asked = drop_it(&gate, agent, "users").await.unwrap_err();
            let events = events(&gate, asked.request().unwrap()).await;
            let Some(Event::Created(created)) = events.first() else {
                panic!("{events:?}");
            };
            names.push(created.content);
        }
    }
    assert_eq!((names[0], names[2]), (names[1], names[3]));
    assert_ne!(names[0], names[2], "without the key nobody can tell");
}

fn created(forger: &mut Forger, request: RequestId) -> &mut Created {
    let place = forger.at(request, "request.created", 0);
    match forger.event(place) {
        Event::Created(created) => created,
        other => panic!("{other:?}"),
    }
}

fn no(forger: &mut Forger, request: RequestId) -> &mut Denied {
    let place = forger.at(request, "request.denied", 0);
    match forger.event(place) {
        Event::Denied(denied) => denied,
        other => panic!("{other:?}"),
    }
}

/// The owner of the log asks again, whatever people said, and rebuilds the log.
#[tokio::test(start_paused = true)]
async fn threat_34_an_auditor_sees_who_was_asked_again() {
    let house = remembering();
    let gate = house.open().await;
    let first = denied(&gate, bot(), "users").await;
    let again = drop_it(&gate, bot(), "users").await.unwrap_err();
    let again = again.request().unwrap();
    let honest = Forger::of(&stored(&gate).await, SEED, &origin());
    let found = |what: &str, forge: &dyn Fn(&mut Forger), rule: Option<Rule>| {
        let mut forger = honest.clone();
        forge(&mut forger);
        let log = forger.seal();
        let report = check(house.key(), &log.records, Some(&log.note));
        let rules: Vec<_> = report.findings.iter().map(|finding| finding.rule).collect();
        assert_eq!(
            rules.first().copied(),
            rule,
            "{what}: {:#?}",
            report.findings
        );
    };
    found("nothing", &|_| {}, None);
    let ask_again = |forger: &mut Forger| {
        let requirement = created(forger, first).requirement.clone();
        created(forger, again).requirement = requirement;
        let place = forger.at(again, "request.denied", 0);
        forger.records.remove(place);
    };
    found(
        "people are asked again",
        &ask_again,
        Some(Rule::DenialMemory),
    );
    found(
        "under another name",
        &|forger| {
            let other = [7; 32];
            created(forger, again).content = approvals_core::request::ContentKey::from_bytes(other);
        },
        Some(Rule::Requirement),
    );
    found(
        "until another time",
        &|forger| no(forger, again).until = Some(gate.now()),
        Some(Rule::Denial),
    );
    found(
        "by a rule that is not there",
        &|forger| no(forger, again).until = None,
        Some(Rule::Denial),
    );
    found(
        "nobody had denied it",
        &|forger| {
            let denied = |entry: &Entry| matches!(entry, Entry::Request(of, Event::Denied(_) | Event::Reviewed(_)) if *of == first);
            forger.records.retain(|record| !denied(&record.entry));
        },
        Some(Rule::Requirement),
    );
}
