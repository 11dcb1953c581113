//! Threats 43, 45, 46, 47 and 48: no policy error, edge or confusion ends in a weaker answer.

mod support;

use std::time::Duration;

use approvals_core::action::{Binder, Bound, GuardedFn, bind};
use approvals_core::gate::Call;
use approvals_core::testing::TestGate;
use approvals_core::{
    Agent, ApprovalError, ApprovalGate, Code, Gate, Policy, RequestId, Status, Vote,
    requires_approval,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use support::disk::Disk;
use support::house::{House, policy};
use support::people::{Crew, vote};
use support::{Effects, ask, bot, count, drop_table, guarded, hasty, shown, swap, verify};

async fn go_on(gate: &Gate, agent: Agent, effects: &Effects) -> Result<usize, Code> {
    let call = drop_table(effects.clone(), "users".to_owned());
    gate.enter(agent, call).await.map_err(|error| error.code())
}

// 43: downgrade.

const DENY: &str = "[[rule]]\nid = \"never\"\nscope = \"db.drop\"\neffect = \"deny\"\n";
const AUTO: &str = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";
const TWO: &str =
    "[[rule]]\nid = \"two\"\nscope = \"db.drop\"\nrequire = [{ group = \"ops\", n = 2 }]\n";

#[tokio::test(start_paused = true)]
async fn threat_43_an_older_policy_does_not_open() {
    let disk = Disk::new();
    let house = |version, rules| House::new().disk(&disk).policy(policy(version, rules));
    house(3, DENY).open().await;
    let before = disk.stored().len();
    for (version, rules) in [(2, DENY), (1, AUTO), (3, AUTO), (3, ""), (2, "")] {
        let error = house(version, rules).try_open().await.unwrap_err();
        assert_eq!(
            error.code(),
            Code::PolicyInvalid,
            "version {version}, {rules}"
        );
        assert_eq!(disk.stored().len(), before, "the log is as it was");
    }
    // The same text again is no change; one comment is.
    let gate = house(3, DENY).open().await;
    assert_eq!(count(&gate, "policy.loaded").await, 1);
    let comment = format!("{}# more\n", policy(3, DENY));
    let error = House::new()
        .disk(&disk)
        .policy(comment)
        .try_open()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::PolicyInvalid);
    let gate = house(4, AUTO).open().await;
    assert_eq!(count(&gate, "policy.loaded").await, 2);
    assert!(verify(&gate, house(4, AUTO).key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn threat_43_no_policy_is_no_gate() {
    for text in [
        String::new(),
        "version = 1".to_owned(),
        "version = 1\ndefault = {}".to_owned(),
        "default = { require = [{ group = \"ops\" }] }".to_owned(),
        policy(0, ""),
        policy(
            1,
            "[[rule]]\nid = \"x\"\nscope = \"*\"\neffect = \"auto\"\n",
        ),
        policy(
            1,
            "[[rule]]\nid = \"x\"\nscope = \"*\"\neffect = \"allow\"\n",
        ),
        policy(
            1,
            "[[rule]]\nid = \"x\"\nscope = \"db.drop\"\neffect = \"deny\"\nif = true\n",
        ),
        policy(1, "unknown = 1\n"),
        policy(1, DENY).replace("deny", "DENY"),
        format!("{}{}", policy(1, DENY), DENY),
        policy(1, "\0"),
    ] {
        let house = House::new().policy(text.clone());
        let error = house.try_open().await.unwrap_err();
        assert_eq!(error.code(), Code::PolicyInvalid, "{text}");
        assert!(house.disk.stored().is_empty(), "nothing began under {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_43_a_process_with_the_old_policy_is_out() {
    let disk = Disk::new();
    let old = House::new().disk(&disk).policy(policy(1, "")).open().await;
    let effects = Effects::default();
    let request = ask(&old, bot().run("r"), &effects).await;
    vote(&old, "u_1", request, Vote::Approve).await.unwrap();
    House::new()
        .disk(&disk)
        .policy(policy(2, DENY))
        .open()
        .await;
    // It cannot use what it has, and cannot ask for more.
    assert_eq!(
        go_on(&old, bot().run("r"), &effects).await,
        Err(Code::PolicyChanged)
    );
    assert_eq!(
        go_on(&old, bot().run("s"), &effects).await,
        Err(Code::PolicyChanged)
    );
    assert_eq!(effects.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn threat_43_a_permit_of_an_old_process_is_worth_nothing() {
    let house = House::new();
    let (old, _) = house.clone().approving(&["u_1"]).await;
    let call = Call::of(shown(&READ, &1), bot()).unwrap();
    let permit = old.authorize(call).await.unwrap();
    // Another policy is in force, whether or not it is stricter for this.
    house.policy(policy(2, DENY)).open().await;
    let error = permit.start().await.unwrap_err();
    assert_eq!(error.code(), Code::PolicyChanged);
    assert_eq!(count(&old, "permit.consumed").await, 0);
}

#[tokio::test(start_paused = true)]
async fn threat_43_a_change_in_flight_can_only_tighten() {
    for (rules, pending, approved) in [
        // What became free is not let through; what became stricter is asked again.
        (AUTO, Err(Code::Pending), Ok(1)),
        ("", Err(Code::Pending), Ok(1)),
        (TWO, Err(Code::Pending), Err(Code::PolicyChanged)),
        (DENY, Err(Code::Pending), Err(Code::PolicyChanged)),
    ] {
        let disk = Disk::new();
        let effects = Effects::default();
        let gate = House::new().disk(&disk).policy(policy(1, "")).open().await;
        let waiting = ask(&gate, bot().idempotency_key("waiting"), &effects).await;
        let given = ask(&gate, bot().idempotency_key("given"), &effects).await;
        vote(&gate, "u_1", given, Vote::Approve).await.unwrap();
        drop(gate);
        let gate = House::new()
            .disk(&disk)
            .policy(policy(2, rules))
            .open()
            .await;
        let answer = go_on(&gate, hasty().idempotency_key("waiting"), &effects).await;
        assert_eq!(answer, pending, "pending, then {rules}");
        assert_eq!(gate.card(waiting).await.unwrap().status, Status::Pending);
        let answer = go_on(&gate, hasty().idempotency_key("given"), &effects).await;
        assert_eq!(answer, approved, "approved, then {rules}");
    }
}

// 45: rule errors.

static SCALE: GuardedFn = guarded("k8s.scale");

const BIG: &str = "[[rule]]\nid = \"big\"\nscope = \"k8s.scale\"\nwhen = { \"args.replicas\" = { gt = 10 } }\nrequire = [{ group = \"ops\", n = 3 }]\n";
const HUGE: &str = "[[rule]]\nid = \"huge\"\nscope = \"k8s.scale\"\nwhen = { \"args.replicas\" = { gt = 1000 } }\neffect = \"deny\"\n";
const FEW: &str = "[[rule]]\nid = \"few\"\nscope = \"k8s.scale\"\nwhen = { \"args.replicas\" = { le = 10 } }\neffect = \"auto\"\n";

fn scale(replicas: Option<&Value>) -> Bound {
    bind(&SCALE, |binder: &mut Binder<'_>| {
        if let Some(replicas) = replicas {
            binder.shown("replicas", replicas);
        }
    })
}

/// How many people it takes to scale to this; none when it runs by itself.
async fn people_needed(rules: &str, bound: impl Fn() -> Bound) -> Result<u8, Code> {
    let gate = House::new().rules(rules).open().await;
    match swap(&gate, hasty(), bound(), bound()).await {
        Ok(()) => Ok(0),
        Err(error) if error.code() == Code::Pending => {
            let card = gate.card(error.request().unwrap()).await.unwrap();
            Ok(card.progress.iter().map(|progress| progress.need).sum())
        }
        Err(error) => Err(error.code()),
    }
}

/// Values that are not a number, as far as anybody can tell.
fn odd() -> Vec<Option<Value>> {
    vec![
        None,
        Some(json!(null)),
        Some(json!("12")),
        Some(json!("1")),
        Some(json!("")),
        Some(json!([12])),
        Some(json!([])),
        Some(json!({ "gt": 1 })),
        Some(json!({ "replicas": 1 })),
        Some(json!(true)),
    ]
}

#[tokio::test(start_paused = true)]
async fn threat_45_a_value_of_another_kind_never_buys_a_weaker_answer() {
    for (replicas, rules, want) in [
        (json!(5), BIG, Ok(1)),
        (json!(11), BIG, Ok(3)),
        (json!(10.5), BIG, Ok(3)),
        (json!(5), FEW, Ok(0)),
        (json!(11), FEW, Ok(1)),
        (json!(5), HUGE, Ok(1)),
        (json!(1_001), HUGE, Err(Code::PolicyDenied)),
    ] {
        let needed = people_needed(rules, || scale(Some(&replicas))).await;
        assert_eq!(needed, want, "{replicas} under {rules}");
    }
    for replicas in odd() {
        let needed = |rules: &'static str| people_needed(rules, || scale(replicas.as_ref()));
        assert!(needed(BIG).await.unwrap() >= 3, "{replicas:?}");
        assert_eq!(
            needed(FEW).await,
            Ok(1),
            "{replicas:?} does not run by itself"
        );
        assert_eq!(needed(HUGE).await, Err(Code::PolicyDenied), "{replicas:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_45_a_redacted_value_is_not_looked_at() {
    let secret = || {
        bind(&SCALE, |binder: &mut Binder<'_>| {
            binder.redacted("replicas", &5)
        })
    };
    assert!(people_needed(BIG, secret).await.unwrap() >= 3);
    assert_eq!(people_needed(FEW, secret).await, Ok(1));
    assert_eq!(people_needed(HUGE, secret).await, Err(Code::PolicyDenied));
}

#[tokio::test(start_paused = true)]
async fn threat_45_a_missing_context_is_the_strict_one() {
    let freeze = "[[rule]]\nid = \"freeze\"\nscope = \"k8s.*\"\nwhen = { env = \"prod\" }\neffect = \"deny\"\n";
    assert_eq!(
        people_needed(freeze, || scale(None)).await,
        Err(Code::PolicyDenied),
        "no environment is no excuse"
    );
    let named = |name: &'static str| {
        move || {
            bind(&SCALE, |binder: &mut Binder<'_>| {
                binder.environment(format_args!("{name}"))
            })
        }
    };
    assert_eq!(
        people_needed(freeze, named("prod")).await,
        Err(Code::PolicyDenied)
    );
    assert_eq!(people_needed(freeze, named("test")).await, Ok(1));
}

// 46: what is too much.

fn rules(count: usize, rule: impl Fn(usize) -> String) -> String {
    let all = (0..count).map(|n| format!("[[rule]]\nid = \"r{n}\"\n{}\n", rule(n)));
    all.collect()
}

#[tokio::test(start_paused = true)]
async fn threat_46_over_the_cap_nothing_opens() {
    for (text, why) in [
        (
            policy(
                1,
                &rules(10_001, |n| format!("scope = \"a.r{n}\"\neffect = \"deny\"")),
            ),
            "at most 10000",
        ),
        (
            policy(1, &format!("#{}", "x".repeat(1 << 20))),
            "longer than 1048576 bytes",
        ),
        (
            policy(
                1,
                &format!("x = {}1{}", "[".repeat(100_000), "]".repeat(100_000)),
            ),
            "line",
        ),
    ] {
        let house = House::new().policy(text);
        let error = house.try_open().await.unwrap_err();
        assert_eq!(error.code(), Code::PolicyInvalid);
        assert!(error.to_string().contains(why), "{why}");
        assert!(house.disk.stored().is_empty(), "nothing began");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_46_ten_thousand_rules_for_one_scope_still_hold() {
    let effects = Effects::default();
    // More rules match than one record can name: then nothing runs, rather than by fewer rules.
    let asking = rules(10_000, |_| {
        "scope = \"db.drop\"\nrequire = [{ group = \"ops\" }]".to_owned()
    });
    let gate = House::new().rules(&asking).open().await;
    let answer = go_on(&gate, hasty(), &effects).await;
    assert!(
        answer.is_err() && answer != Err(Code::Pending),
        "{answer:?}"
    );
    // The last of them denies, and one is enough.
    let mut denying = rules(9_999, |n| {
        format!("scope = \"db.*\"\nwhen = {{ \"args.table\" = \"t{n}\" }}\neffect = \"deny\"")
    });
    denying += "[[rule]]\nid = \"last\"\nscope = \"db.drop\"\nwhen = { \"args.table\" = \"users\" }\neffect = \"deny\"\n";
    let gate = House::new().rules(&denying).open().await;
    assert_eq!(
        go_on(&gate, hasty(), &effects).await,
        Err(Code::PolicyDenied)
    );
    assert_eq!(effects.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn threat_46_deep_and_long_arguments_take_the_strict_rule() {
    let mut deep = json!(1);
    for _ in 0..90 {
        deep = json!([deep]);
    }
    let long: Vec<u32> = (0..50_000).collect();
    let many: serde_json::Map<String, Value> =
        (0..5_000).map(|n| (format!("m{n}"), json!(n))).collect();
    for value in [deep, json!(long), Value::Object(many)] {
        let needed = |rules: &'static str| people_needed(rules, || scale(Some(&value)));
        assert!(needed(BIG).await.unwrap() >= 3);
        assert_eq!(needed(FEW).await, Ok(1), "it does not run by itself");
        assert_eq!(needed(HUGE).await, Err(Code::PolicyDenied));
    }
    // Deeper than any canonical form may nest.
    let mut deeper = json!(1);
    for _ in 0..101 {
        deeper = json!([deeper]);
    }
    let refused = people_needed("", || scale(Some(&deeper))).await;
    assert_eq!(refused, Err(Code::NonCanonical));
}

/// What is too large to be bound, shown or recorded whole is refused, and never cut to fit.
#[tokio::test(start_paused = true)]
async fn threat_46_what_does_not_fit_is_refused_and_not_cut() {
    let auto = "[[rule]]\nid = \"auto\"\nscope = \"k8s.scale\"\neffect = \"auto\"\n";
    let names: &'static [String] = (0..2_000)
        .map(|n| format!("p{n}"))
        .collect::<Vec<_>>()
        .leak();
    let wide = move || {
        bind(&SCALE, |binder: &mut Binder<'_>| {
            for name in names {
                binder.shown(name, &1);
            }
        })
    };
    let long = "x".repeat((1 << 20) + 1);
    let long = move || shown(&SCALE, &long);
    let bound: [(&str, &dyn Fn() -> Bound); 2] = [("parameters", &wide), ("text", &long)];
    for (what, bound) in bound {
        for rules in [auto, ""] {
            let house = House::new().rules(rules);
            let gate = house.open().await;
            let before = house.disk.stored().len();
            let error = match Call::of(bound(), hasty()) {
                Ok(call) => gate.authorize(call).await.unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.code(), Code::NonCanonical, "{what}: {error}");
            assert_eq!(count(&gate, "permit.consumed").await, 0);
            assert_eq!(count(&gate, "request.created").await, 0, "{what}");
            assert!(house.disk.stored().len() <= before + 4, "{what}");
        }
    }
}

// 47: the edges of `auto`.

const HOURLY: &str =
    "[[rule]]\nid = \"hourly\"\nscope = \"db.drop\"\neffect = \"auto\"\nrate = \"30/h\"\n";

/// So many calls at once over these gates; how many ran, and how many asked people.
async fn flood(gates: &[Gate], calls: usize, effects: &Effects) -> (usize, usize) {
    let mut tasks = JoinSet::new();
    for call in 0..calls {
        let (gate, effects) = (gates[call % gates.len()].clone(), effects.clone());
        tasks.spawn(async move {
            let agent = bot().run(format!("{call}")).wait(Duration::from_millis(1));
            go_on(&gate, agent, &effects).await
        });
    }
    let answers = tasks.join_all().await;
    let ran = answers.iter().filter(|answer| answer.is_ok()).count();
    let asked = answers
        .iter()
        .filter(|answer| **answer == Err(Code::Pending))
        .count();
    assert_eq!(ran + asked, calls, "{answers:?}");
    (ran, asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn threat_47_two_hundred_at_once_and_thirty_run() {
    let gate = House::new().rules(HOURLY).open().await;
    let effects = Effects::default();
    assert_eq!(
        flood(std::slice::from_ref(&gate), 200, &effects).await,
        (30, 170)
    );
    assert_eq!(effects.count(), 30);
    assert_eq!(count(&gate, "request.auto_approved").await, 30);
    assert_eq!(count(&gate, "permit.consumed").await, 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn threat_47_the_ceiling_is_one_for_all_processes() {
    let house = House::new().disk(&Disk::threaded()).rules(HOURLY);
    let gates = [house.open().await, house.open().await, house.open().await];
    let effects = Effects::default();
    assert_eq!(flood(&gates, 150, &effects).await, (30, 120));
    assert_eq!(effects.count(), 30);
    assert!(verify(&gates[0], house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn threat_47_the_window_slides() {
    let gates = [House::new().rules(HOURLY).open().await];
    let effects = Effects::default();
    let minute = Duration::from_secs(60);
    assert_eq!(flood(&gates, 10, &effects).await.0, 10);
    tokio::time::sleep(30 * minute).await;
    assert_eq!(flood(&gates, 40, &effects).await.0, 20);
    tokio::time::sleep(29 * minute).await;
    assert_eq!(flood(&gates, 5, &effects).await.0, 0);
    tokio::time::sleep(2 * minute).await;
    assert_eq!(
        flood(&gates, 40, &effects).await.0,
        10,
        "the first ten are an hour old"
    );
    tokio::time::sleep(61 * minute).await;
    assert_eq!(flood(&gates, 40, &effects).await.0, 30);
}

#[tokio::test(start_paused = true)]
async fn threat_47_a_restart_does_not_empty_the_counter() {
    let house = House::new().rules(HOURLY);
    let effects = Effects::default();
    assert_eq!(flood(&[house.open().await], 40, &effects).await, (30, 10));
    assert_eq!(flood(&[house.open().await], 10, &effects).await, (0, 10));
}

#[tokio::test(start_paused = true)]
async fn threat_47_another_name_for_the_agent_does_not_help_where_people_are_counted() {
    let rules = HOURLY.replace("30/h", "3/h/requester");
    let gate = House::new().rules(&rules).open().await;
    let effects = Effects::default();
    let mut ran = 0;
    for name in ["a", "b", "c", "d", "e"] {
        let agent = Agent::new(name)
            .on_behalf_of("u_alice")
            .wait(Duration::from_millis(1));
        ran += usize::from(go_on(&gate, agent, &effects).await.is_ok());
    }
    assert_eq!((ran, effects.count()), (3, 3));
}

static QUERY: GuardedFn = guarded("db.query");

#[tokio::test(start_paused = true)]
async fn threat_47_only_what_is_listed_runs_by_itself() {
    let listed = "[[rule]]\nid = \"ro\"\nscope = \"db.query\"\nwhen = { \"args.value\" = { in = [\"metrics\", \"events\"] } }\neffect = \"auto\"\n";
    let check = async |table: &str, want: u8| {
        assert_eq!(
            people_needed(listed, || shown(&QUERY, &table)).await,
            Ok(want),
            "{table:?}"
        );
    };
    check("metrics", 0).await;
    check("events", 0).await;
    for table in [
        "users",
        "Metrics",
        "metrics ",
        " metrics",
        "public.metrics",
        "\"metrics\"",
        "metrics; drop table users",
        "metr\u{456}cs",
        "metrics\0",
        "metrics\u{200b}",
        "",
    ] {
        check(table, 1).await;
    }
}

#[test]
fn threat_47_auto_by_exclusion_does_not_load() {
    for when in [
        "{ \"args.table\" = { not_in = [\"users\"] } }",
        "{ \"args.table\" = { ne = \"users\" } }",
        "{ \"args.table\" = { contains = \"metrics\" } }",
        "{ \"args.table\" = { not_in = [\"users\"] }, env = \"test\" }",
        "{}",
    ] {
        let rule =
            format!("[[rule]]\nid = \"ro\"\nscope = \"db.*\"\nwhen = {when}\neffect = \"auto\"\n");
        let text = policy(1, &rule);
        assert!(
            Policy::parse(&text, &Crew::groups().into(), &[]).is_err(),
            "{when}"
        );
    }
}

// 48: scope confusion.

#[requires_approval(scope = "db.read", skip(effects))]
async fn read(effects: Effects, table: String) -> Result<usize, ApprovalError> {
    Ok(effects.happen() + table.len())
}

static READ: GuardedFn = guarded("db.read");
static WRITE: GuardedFn = guarded("db.write");

#[tokio::test(start_paused = true)]
async fn threat_48_a_permit_is_for_one_scope() {
    for (approved, live) in [(&READ, &WRITE), (&WRITE, &READ)] {
        let gate = TestGate::approving();
        let error = swap(&gate, bot(), shown(approved, &1), shown(live, &1))
            .await
            .unwrap_err();
        assert!(
            matches!(error.code(), Code::ActionMismatch | Code::ScopeMismatch),
            "{error}"
        );
        gate.assert_did_not_run(approved.scope).await;
    }
}

#[tokio::test(start_paused = true)]
async fn threat_48_a_key_does_not_carry_from_scope_to_scope() {
    let (gate, effects) = (House::new().open().await, Effects::default());
    let agent = || hasty().idempotency_key("k");
    let call = gate.enter(agent(), read(effects.clone(), "users".to_owned()));
    let request = call.await.unwrap_err().request().unwrap();
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    assert_eq!(
        go_on(&gate, agent(), &effects).await,
        Err(Code::ActionMismatch)
    );
    assert_eq!(effects.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn threat_48_an_approval_is_for_one_call() {
    // What was approved once is not approved for the same scope, nor for the same arguments.
    let gate = TestGate::script().stall("*").start().await;
    let effects = Effects::default();
    let mut seen: Vec<RequestId> = Vec::new();
    for _ in 0..3 {
        let request = ask(gate.gate(), bot().run("r"), &effects).await;
        assert!(!seen.contains(&request), "each call is asked for");
        seen.push(request);
        gate.decide("u_tester_1", request, Vote::Approve, None)
            .await
            .unwrap();
        go_on(gate.gate(), hasty().run("r"), &effects)
            .await
            .unwrap();
    }
    assert_eq!(effects.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn threat_48_patterns_end_at_dots() {
    static DEPLOY: GuardedFn = guarded("deploy.web");
    static DEPLOYER: GuardedFn = guarded("deployer.web");
    static NESTED: GuardedFn = guarded("deploy.web.eu");
    static OTHER: GuardedFn = guarded("my.deploy.web");
    let auto = "[[rule]]\nid = \"d\"\nscope = \"deploy.*\"\nwhen = { \"args.value\" = 1 }\neffect = \"auto\"\n";
    let exact = "[[rule]]\nid = \"d\"\nscope = \"deploy.web\"\neffect = \"auto\"\n";
    for (rules, scope, want) in [
        (auto, &DEPLOY, 0),
        (auto, &NESTED, 0),
        (auto, &DEPLOYER, 1),
        (auto, &OTHER, 1),
        (exact, &DEPLOY, 0),
        (exact, &NESTED, 1),
        (exact, &DEPLOYER, 1),
    ] {
        assert_eq!(
            people_needed(rules, || shown(scope, &1)).await,
            Ok(want),
            "{} under {rules}",
            scope.scope
        );
    }
    for bad in [
        "deploy*",
        "*.web",
        "deploy.*.eu",
        "**",
        "deploy.",
        "Deploy.*",
        "deploy.we?",
    ] {
        let rule = format!("[[rule]]\nid = \"d\"\nscope = \"{bad}\"\neffect = \"deny\"\n");
        let loaded = Policy::parse(&policy(1, &rule), &Crew::groups().into(), &[]);
        assert!(loaded.is_err(), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_48_a_scope_made_up_at_run_time_is_refused() {
    for scope in [
        "*",
        "db.*",
        "db",
        "",
        "db..read",
        "DB.read",
        "db.read ",
        "db.read\n",
        "db/read",
    ] {
        let guarded: &'static GuardedFn = Box::leak(Box::new(guarded(scope)));
        let gate = TestGate::approving();
        let error = swap(&gate, bot(), shown(guarded, &1), shown(guarded, &1))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::Misuse, "{scope:?}");
        gate.assert_nothing_asked();
    }
}
