//! Processes that die, and disks that fail: nothing acknowledged is lost, nothing runs twice, and
//! nothing runs that was not approved.

#[path = "store_crash/faulty.rs"]
mod faulty;
#[path = "store_crash/pin.rs"]
mod pin;
#[path = "store_crash/scene.rs"]
mod scene;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use approvals_core::ledger::{AuditRecord, Entry, Frontier};
use approvals_core::lifecycle::{Event, Phase};
use approvals_core::ports::Filter;
use approvals_core::request::Outcome;
use approvals_core::{Code, Gate, RequestId, Vote};
use faulty::{Fault, Faulty, STEPS};
use scene::{Effects, Scene, bot, drop_table};

/// A few moments at which processes die, always the same, so that a failure can be repeated.
struct Moments(u64);

impl Moments {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[test]
fn a_process_killed_at_any_moment_loses_nothing_it_acknowledged() {
    const ROUNDS: u64 = 40;
    let scene = Scene::new();
    let (mut moments, mut acks) = (Moments(7), BTreeMap::new());
    let (mut unknown, start) = (0, Instant::now());
    for round in 0..ROUNDS {
        let mut victim = scene.victim(&["loop", &scene.from().to_string()]);
        // Some live with a second process on the same ledger, which goes on when they die.
        let mut other = (round % 5 == 4)
            .then(|| scene.victim(&["loop", &((round + 1) * 1_000_000).to_string()]));
        for _ in 0..moments.below(9) {
            let line = victim.line();
            acknowledge(&mut acks, &line);
        }
        std::thread::sleep(Duration::from_micros(moments.below(9_000)));
        for line in victim.kill() {
            acknowledge(&mut acks, &line);
        }
        if let Some(other) = &mut other {
            for _ in 0..3 {
                acknowledge(&mut acks, &other.line());
            }
            for line in other.kill() {
                acknowledge(&mut acks, &line);
            }
        }
        unknown = scene.run(|gate| inspect(gate, &scene, &acks));
    }
    println!(
        "{ROUNDS} kills: {} acknowledged, {} effects, {unknown} in doubt, {:?}",
        acks.len(),
        scene.effects().len(),
        start.elapsed()
    );
    assert!(
        acks.len() > 40,
        "the victims hardly did anything: {}",
        acks.len()
    );
}

#[test]
fn a_disk_that_takes_no_more_ends_everything_and_loses_nothing() {
    let scene = Scene::new();
    let mut victim = scene.confined(&["loop", "0"]);
    let mut acks = BTreeMap::new();
    let mut line = victim.line();
    while !line.ends_with("AuditUnavailable") {
        acknowledge(&mut acks, &line);
        line = victim.line();
    }
    // The write may have failed in any step of a life, but from there on nothing runs any more.
    let ran = scene.effects().len();
    for _ in 0..3 {
        let line = victim.line();
        assert!(
            line.starts_with("no ") && line.ends_with("AuditUnavailable"),
            "{line}"
        );
    }
    assert_eq!(scene.effects().len(), ran);
    victim.kill();
    assert!(acks.len() > 1, "{acks:?}");
    scene.run(|gate| inspect(gate, &scene, &acks));
}

/// What a victim said is durable: the step, and the head that covers it.
fn acknowledge(acks: &mut BTreeMap<String, (u64, String)>, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["ack", key, size, root] => {
            acks.insert(
                (*key).to_owned(),
                (size.parse().unwrap(), (*root).to_owned()),
            );
        }
        // A step of an earlier life that was used up, or that still waits for Dana.
        ["no", _, "AlreadyConsumed" | "Pending"] => {}
        _ => panic!("the victim failed: {line}"),
    }
}

/// Everything that must hold after a kill, once the ledger is open again; how many runs are in
/// doubt.
async fn inspect(gate: Gate, scene: &Scene, acks: &BTreeMap<String, (u64, String)>) -> usize {
    let report = gate.journal().verify().await.unwrap();
    assert!(report.passed(), "{report:?}");
    let records = scene::records(&gate).await;
    let (mut frontier, mut roots) = (Frontier::new(), BTreeMap::new());
    let mut lives: BTreeMap<RequestId, Life> = BTreeMap::new();
    for stored in &records {
        frontier.push(stored.leaf);
        roots.insert(frontier.size(), frontier.root().to_string());
        let record = AuditRecord::decode(&stored.bytes, gate.journal().log()).unwrap();
        if let Entry::Request(request, event) = &record.entry {
            lives.entry(*request).or_default().see(event);
        }
    }
    for (key, (size, root)) in acks {
        assert_eq!(
            roots.get(size),
            Some(root),
            "the records under the head that covered {key}"
        );
        let life = lives.values().find(|life| life.key == *key);
        assert_eq!(
            life.map(|life| life.outcomes.as_slice()),
            Some(&[Outcome::Succeeded][..]),
            "{key}"
        );
    }
    for life in lives.values() {
        assert!(life.consumed <= 1, "{life:?}");
        // Whatever was used up has an outcome now, if only that nobody knows.
        assert_eq!(life.outcomes.len(), life.consumed, "{life:?}");
    }
    let effects = scene.effects();
    for key in &effects {
        assert_eq!(
            effects.iter().filter(|have| *have == key).count(),
            1,
            "{key} ran twice"
        );
        let consumed = lives
            .values()
            .any(|life| life.key == *key && life.consumed == 1);
        assert!(consumed, "{key} ran before that was durable");
    }
    report.in_doubt.len()
}

/// What the ledger says of one request.
#[derive(Debug, Default)]
struct Life {
    key: String,
    consumed: usize,
    outcomes: Vec<Outcome>,
}

impl Life {
    fn see(&mut self, event: &Event) {
        match event {
            Event::Created(created) => self.key = created.action.claims.tool_call.clone().unwrap(),
            Event::Consumed(_) => self.consumed += 1,
            Event::Finished(finished) => self.outcomes.push(finished.outcome),
            _ => {}
        }
    }
}

#[test]
fn threat_33_crash_points() {
    let open = |phase: &Phase| matches!(phase, Phase::Pending);
    let approved = |phase: &Phase| matches!(phase, Phase::Approved { .. });
    let unknown = |phase: &Phase| *phase == Phase::Finished(Outcome::Unknown);
    let succeeded = |phase: &Phase| *phase == Phase::Finished(Outcome::Succeeded);
    // Where the process dies, where the request then stands, how often the effect has happened,
    // and what the same call comes to when it is made again.
    let points: [(&str, fn(&Phase) -> bool, usize, &str, usize); 5] = [
        ("asked", open, 0, "ok", 1),
        ("voted", approved, 0, "ok", 1),
        ("consumed", unknown, 0, "no AlreadyConsumed", 0),
        ("effect", unknown, 1, "no AlreadyConsumed", 1),
        ("recorded", succeeded, 1, "no AlreadyConsumed", 1),
    ];
    for (point, stands, before, again, after) in points {
        let scene = Scene::new();
        let waits = ["asked", "voted"].contains(&point);
        let mut victim = scene.victim(&["once", "the-step", if waits { "asked" } else { point }]);
        if waits {
            scene.run(|gate| async move {
                let request = scene::pending(&gate).await;
                if point == "voted" {
                    // Frozen while it only waits, not while it writes.
                    scene::told(&gate, request).await;
                    victim.freeze();
                    scene::decide(&gate, request, Vote::Approve).await.unwrap();
                }
                victim.kill();
            });
        } else {
            assert_eq!(victim.line(), format!("at {point}"), "{point}");
            victim.kill();
        }
        let request = scene.run(|gate| async move {
            let rows = gate.list(Filter::all()).await.unwrap();
            assert_eq!(rows.len(), 1, "{point}");
            let state = gate.journal().state(rows[0].id).await.unwrap().unwrap();
            assert!(stands(state.phase()), "{point}: {:?}", state.phase());
            rows[0].id
        });
        assert_eq!(scene.effects().len(), before, "{point}");
        // The same call, in another process.
        let quiet = if point == "asked" {
            "asked"
        } else {
            "finished"
        };
        let mut victim = scene.victim(&["once", "the-step", quiet]);
        if point == "asked" {
            scene.run(
                |gate| async move { scene::decide(&gate, request, Vote::Approve).await.unwrap() },
            );
        }
        assert_eq!(victim.line(), again, "{point}");
        victim.kill();
        assert_eq!(scene.effects().len(), after, "{point}");
        scene.run(|gate| async move {
            let report = gate.journal().verify().await.unwrap();
            assert!(report.passed(), "{point}: {report:?}");
            assert_eq!(report.requests.asked, 1, "{point}");
        });
    }
}

#[test]
fn a_decision_wakes_a_call_in_another_process() {
    let scene = Scene::new();
    let mut victim = scene.victim(&["once", "the-step", "asked"]);
    let latency = scene.run(|gate| async move {
        let request = scene::pending(&gate).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        scene::decide(&gate, request, Vote::Approve).await.unwrap();
        let decided = Instant::now();
        assert_eq!(victim.line(), "ok");
        victim.kill();
        decided.elapsed()
    });
    println!("from decision to outcome in another process: {latency:?}");
    assert!(latency < Duration::from_secs(2), "{latency:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_write_meanwhile_is_not_taken_for_tampering() {
    let scene = Scene::new();
    let other = scene.gate().await;
    for step in ["records", "announce"] {
        let fault = Fault::default();
        let (writer, runtime) = (other.clone(), tokio::runtime::Handle::current());
        fault.before(step, move || {
            let asked = async move {
                let agent = bot().wait(Duration::from_millis(1));
                let call = drop_table(Effects::default(), "users".into());
                writer.enter(agent, call).await.unwrap_err()
            };
            drop(runtime.spawn(asked));
            // Time enough to write, if nobody keeps it from writing.
            std::thread::sleep(Duration::from_millis(200));
        });
        let gate = Faulty::gate(&scene, &fault).await;
        assert!(gate.is_ok(), "{step}: {:?}", gate.err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_28_a_failed_sync_stops_the_journal_for_good() {
    let scene = Scene::new();
    let fault = Fault::default();
    let gate = Faulty::gate(&scene, &fault).await.unwrap();
    let effects = Effects::default();
    let asked = gate.enter(
        bot().wait(Duration::from_millis(1)),
        drop_table(effects.clone(), "users".into()),
    );
    let request = asked.await.unwrap_err().request().unwrap();

    fault.arm("commit fatal", 0);
    let error = gate.cancel(request).await.unwrap_err();
    assert_eq!(error.code(), Code::AuditUnavailable, "{error}");
    // The disk works again, and nothing is built on what it may have lost.
    fault.disarm();
    let refused = [
        gate.enter(bot(), drop_table(effects.clone(), "users".into()))
            .await
            .map(drop),
        gate.cancel(request).await,
        gate.sweep().await,
        gate.flush().await,
        scene::decide(&gate, request, Vote::Approve).await,
    ];
    for error in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!(error.code(), Code::AuditUnavailable, "{error}");
    }
    assert_eq!(effects.count(), 0);
    drop(gate);

    // A new start looks at what is really there, and goes on from it.
    let gate = Faulty::gate(&scene, &fault).await.unwrap();
    scene::decide(&gate, request, Vote::Deny).await.unwrap();
    assert!(gate.journal().verify().await.unwrap().passed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_28_a_store_that_fails_anywhere_runs_nothing_unapproved() {
    let scene = Scene::new();
    for step in STEPS {
        for nth in [0, 1, 4] {
            let fault = Fault::default();
            let healthy = scene.gate().await;
            // While it opens, and while it asks and nobody has approved.
            for opening in [true, false] {
                if opening {
                    fault.arm(step, nth);
                } else {
                    fault.disarm();
                }
                let gate = match Faulty::gate(&scene, &fault).await {
                    Ok(gate) => gate,
                    Err(error) => {
                        let closed = opening && fails_closed(error.code());
                        assert!(closed, "{step} {nth}: {error}");
                        continue;
                    }
                };
                fault.arm(step, nth);
                let effects = Effects::default();
                let agent = bot().wait(Duration::from_millis(20));
                let asked = gate.enter(agent, drop_table(effects.clone(), "users".into()));
                let error = asked.await.unwrap_err();
                assert!(fails_closed(error.code()), "{step} {nth}: {error}");
                assert_eq!(effects.count(), 0, "{step} {nth}");
            }
            approved_elsewhere(&scene, &healthy, step, nth).await;
            let report = healthy.journal().verify().await.unwrap();
            assert!(report.passed(), "{step} {nth}: {report:?}");
        }
    }
}

/// The store of one process fails while somebody approves through another: at most one run, and
/// none that is not on record.
async fn approved_elsewhere(scene: &Scene, healthy: &Gate, step: &'static str, nth: usize) {
    let fault = Fault::default();
    let gate = Faulty::gate(scene, &fault).await.unwrap();
    let (effects, key) = (Effects::default(), format!("{step} {nth}"));
    let agent = bot().idempotency_key(&key).wait(Duration::from_millis(200));
    let call = gate.enter(agent, drop_table(effects.clone(), "users".into()));
    let approval = async {
        let request = scene::pending(healthy).await;
        fault.arm(step, nth);
        scene::decide(healthy, request, Vote::Approve)
            .await
            .unwrap();
        request
    };
    let (result, request) = tokio::join!(call, approval);
    fault.disarm();
    drop(gate);
    healthy.sweep().await.unwrap();
    let history = healthy.journal().history(request).await.unwrap();
    let consumed = history
        .iter()
        .filter(|record| record.kind() == "permit.consumed")
        .count();
    assert!(
        effects.count() <= consumed && consumed <= 1,
        "{key}: {result:?}"
    );
    if result.is_ok() {
        assert_eq!(effects.count(), 1, "{key}");
    }
    // Used up and not on record as ended is in doubt, not forgotten.
    let state = healthy.journal().state(request).await.unwrap().unwrap();
    assert!(
        !matches!(state.phase(), Phase::Running(_)),
        "{key}: {result:?}"
    );
    if state.is_live() {
        healthy.cancel(request).await.unwrap();
    }
}

fn fails_closed(code: Code) -> bool {
    matches!(
        code,
        Code::StoreUnavailable | Code::AuditUnavailable | Code::Pending | Code::AuditTampered
    )
}
