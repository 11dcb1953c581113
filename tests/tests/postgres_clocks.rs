//! Threats 26 and 35 on PostgreSQL: one clock decides for all machines, the server's.
#![cfg(unix)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use approvals_core::clock::{Clock, SystemClock, Timestamp};
use approvals_core::ports::Filter;
use approvals_core::{Code, Gate, RequestId, Vote};
use approvals_scratch::{Cluster, name};
use approvals_store::postgres::PostgresStore;
use support::house::{FORGETFUL, House};
use support::people::vote;
use support::{Effects, ask, bot, count, drop_table, kinds, stored};

/// The clock of a machine that is off by so many microseconds.
#[derive(Debug, Clone, Default)]
struct Off(Arc<AtomicI64>);

impl Off {
    fn by(seconds: i64) -> Self {
        let off = Self::default();
        off.set(seconds);
        off
    }

    fn set(&self, seconds: i64) {
        self.0.store(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Off {
    fn now(&self) -> Timestamp {
        let off = self.0.load(Ordering::SeqCst);
        Timestamp::from_micros(SystemClock.now().as_micros() + off)
    }
}

/// What is there between two machines of one ledger.
struct Machines {
    url: String,
    policy: String,
}

impl Machines {
    fn new(ttl: &str, use_within: &str) -> Self {
        Self {
            url: Cluster::shared().database(),
            policy: format!(
                "version = 1\n{FORGETFUL}default = {{ require = [{{ group = \"ops\" }}], ttl = \"{ttl}\", use_within = \"{use_within}\" }}\n"
            ),
        }
    }

    /// One machine of them, by this clock.
    async fn gate(&self, clock: &Off) -> Gate {
        let house = House::new().policy(&self.policy).clock(clock.clone());
        let store = PostgresStore::open(&self.url).unwrap();
        house.try_open_on(store).await.unwrap()
    }
}

async fn go_on(gate: &Gate, effects: &Effects) -> Result<usize, Code> {
    let agent = bot().idempotency_key("k");
    let call = gate.enter(agent, drop_table(effects.clone(), "users".to_owned()));
    call.await.map_err(|error| error.code())
}

/// Asked for and approved on a machine whose clock is right.
async fn approved(machines: &Machines, effects: &Effects) -> RequestId {
    let gate = machines.gate(&Off::default()).await;
    let request = ask(&gate, bot().idempotency_key("k"), effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    gate.flush().await.unwrap();
    request
}

/// Long enough for two seconds to be over by the server's clock, and too short for a slow one.
const OVER: Duration = Duration::from_millis(2_200);

#[tokio::test(flavor = "multi_thread")]
async fn threat_35_on_postgresql_a_slow_machine_cannot_use_an_approval_for_longer() {
    for (use_within, want) in [("1h", Ok(1)), ("2s", Err(Code::Expired))] {
        let (machines, effects) = (Machines::new("1h", use_within), Effects::default());
        let request = approved(&machines, &effects).await;
        let slow = machines.gate(&Off::by(-4)).await;
        tokio::time::sleep(OVER).await;
        assert_eq!(go_on(&slow, &effects).await, want, "{use_within}");
        assert_eq!(effects.count(), usize::from(want.is_ok()));
        let kinds = kinds(&slow, request).await;
        let used = kinds.contains(&"permit.consumed".to_owned());
        assert_eq!(used, want.is_ok(), "{kinds:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_35_on_postgresql_a_slow_machine_takes_no_late_vote_and_a_fast_one_ends_nothing() {
    for (ttl, off, want) in [
        ("2s", -4, Err(Code::Expired)),
        ("1h", -4, Ok(())),
        // By its own clock everything that this one is asked for is over.
        ("1h", 4, Ok(())),
    ] {
        let (machines, effects) = (Machines::new(ttl, "1h"), Effects::default());
        let gate = machines.gate(&Off::default()).await;
        let request = ask(&gate, bot().idempotency_key("k"), &effects).await;
        let other = machines.gate(&Off::by(off)).await;
        tokio::time::sleep(OVER).await;
        let voted = vote(&other, "u_1", request, Vote::Approve).await;
        let voted = voted.map(drop).map_err(|error| error.code());
        assert_eq!(voted, want, "{ttl} {off}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_35_on_postgresql_a_machine_whose_clock_steps_writes_nothing() {
    let (machines, effects) = (Machines::new("1h", "1h"), Effects::default());
    let clock = Off::default();
    let gate = machines.gate(&clock).await;
    let request = ask(&gate, bot().idempotency_key("k"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    gate.flush().await.unwrap();
    let before = stored(&gate).await.len();
    for step in [90, -90, 3_600, -3_600] {
        clock.set(step);
        assert_eq!(go_on(&gate, &effects).await, Err(Code::ClockRegression));
        let refused = vote(&gate, "u_2", request, Vote::Deny).await.unwrap_err();
        assert_eq!(refused.code(), Code::ClockRegression, "{refused}");
        let store = PostgresStore::open(&machines.url).unwrap();
        let house = House::new().policy(&machines.policy).clock(Off::by(step));
        let refused = house.try_open_on(store).await.unwrap_err();
        assert_eq!(refused.code(), Code::ClockRegression, "{refused}");
        assert_eq!((stored(&gate).await.len(), effects.count()), (before, 0));
    }
    clock.set(0);
    assert_eq!(go_on(&gate, &effects).await, Ok(1));
}

/// Somebody holds the writers' lock until the approval is over: what waited is judged by the time at
/// which it got the lock, and not by the time at which it began to wait.
#[tokio::test(flavor = "multi_thread")]
async fn threat_26_on_postgresql_a_lock_held_past_the_deadline_ends_in_expiry() {
    let (machines, effects) = (Machines::new("1h", "1s"), Effects::default());
    let gate = machines.gate(&Off::default()).await;
    let request = ask(&gate, bot().idempotency_key("k"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    gate.flush().await.unwrap();
    let cluster = Cluster::shared();
    let database = name(&machines.url).to_owned();
    let holder = {
        let database = database.clone();
        let hold =
            "BEGIN; SELECT pg_advisory_xact_lock(1634759286, 1); SELECT pg_sleep(1.6); COMMIT";
        std::thread::spawn(move || cluster.sql(&database, hold))
    };
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1634759286 \
        AND objid = 1 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while cluster.sql(&database, held) != "1" {
        assert!(!holder.is_finished(), "nobody was seen to hold the lock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(go_on(&gate, &effects).await, Err(Code::Expired));
    holder.join().unwrap();
    assert_eq!(
        (effects.count(), count(&gate, "permit.consumed").await),
        (0, 0)
    );
    assert_eq!(gate.list(Filter::all()).await.unwrap()[0].id, request);
}
