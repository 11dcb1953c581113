//! What a process leaves open at the database for as long as it lives: a lock by which others see
//! that it does, and an ear for what they write.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use approvals_core::id::BootId;
use approvals_core::ports::{Bell, StoreError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::error::Failed;
use super::link::{Link, Step, Value};
use super::session::{PATIENCE, Purpose, Refused, Shelter, connected};
use super::target::Target;
use super::write;

/// How long a process must have been missing before it is taken for gone. After a restart of the
/// server, or of the network, every process that lives is back before.
const GRACE: Duration = Duration::from_secs(10);

/// What the keeper and the store know of each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) bell: OnceLock<Bell>,
    /// The server's process that writes for this store: it need not be heard.
    pub(super) writer: AtomicI32,
}

/// A connection that is there for as long as this lives, on a thread of its own.
#[derive(Debug)]
pub(super) struct Keeper {
    orders: UnboundedSender<Order>,
    /// Dropped first: it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Hold this lock from now on.
#[derive(Debug)]
struct Order {
    key: i64,
    done: mpsc::Sender<Result<(), StoreError>>,
}

impl Keeper {
    /// Starts the thread; it connects by itself.
    pub(super) fn start(target: Target, shared: Arc<Shared>) -> Result<Self, StoreError> {
        let shelter = Shelter::new()?;
        let (orders, incoming) = unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("approvals-keeper".to_owned())
            .spawn(move || {
                let work = keep(&target, incoming, &shared);
                let _: Result<(), Failed> = shelter.run(async {
                    tokio::select! {
                        () = work => {}
                        _ = stopped => {}
                    }
                    Ok(())
                });
            });
        let thread = thread.map_err(|error| {
            StoreError::unavailable(format!("a thread could not be started: {error}"))
        })?;
        Ok(Self {
            orders,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Marks a start of this process as alive; returns when others can see it.
    pub(super) fn announce(&self, boot: BootId) -> Result<(), StoreError> {
        let (done, answer) = mpsc::channel();
        let key = key(boot);
        // A thread that ended drops the order, and with it the answer.
        let _ = self.orders.send(Order { key, done });
        answer.recv().unwrap_or_else(|_| {
            Err(StoreError::unavailable(
                "the thread that marks this process as alive has ended; start the process again",
            ))
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Holds the locks and rings the bell, and begins again whenever the connection is lost.
async fn keep(target: &Target, mut orders: UnboundedReceiver<Order>, shared: &Shared) {
    let mut held = Vec::new();
    let mut pause = Duration::from_millis(50);
    loop {
        match back(target, &held).await {
            Ok(mut link) => {
                pause = Duration::from_millis(50);
                stay(&mut link, &mut held, &mut orders, shared, target).await;
            }
            Err(refused) => {
                tracing::debug!(why = %refused.explain(target), "not connected");
                tokio::select! {
                    order = orders.recv() => match order {
                        None => return,
                        // Whoever is gone meanwhile needs no answer.
                        Some(order) => drop(order.done.send(Err(refused.explain(target)))),
                    },
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}

/// Connects, and holds again what was held.
async fn back(target: &Target, held: &[i64]) -> Result<Link, Refused> {
    let mut link = connected(target, Purpose::Read).await?;
    link.ask(&[Step::Say(write::LISTEN)], PATIENCE).await?;
    for key in held {
        hold(&mut link, *key).await?;
    }
    Ok(link)
}

/// Does what there is to do until the connection is lost.
async fn stay(
    link: &mut Link,
    held: &mut Vec<i64>,
    orders: &mut UnboundedReceiver<Order>,
    shared: &Shared,
    target: &Target,
) {
    loop {
        tokio::select! {
            Some(order) = orders.recv() => {
                let done = hold(link, order.key).await;
                let lost = done.as_ref().is_err_and(|failed| !failed.spares_the_link());
                if done.is_ok() {
                    held.push(order.key);
                }
                let done = done.map_err(|failed| failed.explain(target));
                // Whoever is gone meanwhile needs no answer.
                let _ = order.done.send(done);
                if lost {
                    return;
                }
            }
            rings = link.rings() => match rings {
                Ok(rings) => rings.iter().for_each(|(by, words)| ring(shared, *by, words)),
                Err(_) => return,
            }
        }
    }
}

fn ring(shared: &Shared, by: i32, words: &str) {
    // What this process wrote itself, it knows.
    if by == shared.writer.load(Ordering::Relaxed) {
        return;
    }
    if let Some(bell) = shared.bell.get() {
        write::rung(words)
            .into_iter()
            .for_each(|request| bell.ring(request));
    }
}

/// Takes a lock that the server drops when this connection ends.
async fn hold(link: &mut Link, key: i64) -> Result<(), Failed> {
    let step = Step::Ask("SELECT pg_advisory_lock($1)", vec![Value::new(key)]);
    link.ask(&[step], PATIENCE).await.map(drop)
}

/// The lock of one start of one process.
fn key(boot: BootId) -> i64 {
    let (high, low) = halves(boot);
    (i64::from(high) << 32) | i64::from(low)
}

/// The two halves by which the server lists the lock.
fn halves(boot: BootId) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h, ..] = *boot.as_bytes();
    (
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    )
}

/// Whether somebody holds the lock of a start of a process.
pub(super) fn is_there(boot: BootId) -> (&'static str, Vec<Value>) {
    let (high, low) = halves(boot);
    (IS_THERE, vec![Value::new(high), Value::new(low)])
}

const IS_THERE: &str = "SELECT EXISTS (SELECT FROM pg_locks \
    WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND objsubid = 1 AND granted \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS there";

/// Since when processes have been missing.
#[derive(Debug, Default)]
pub(super) struct Absences(HashMap<BootId, Instant>);

impl Absences {
    /// Notes whether a process is there, and says whether it has been missing for long enough.
    pub(super) fn note(&mut self, boot: BootId, there: bool, now: Instant) -> bool {
        if there {
            self.0.remove(&boot);
            return false;
        }
        let since = *self.0.entry(boot).or_insert(now);
        now.saturating_duration_since(since) >= GRACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_in_time_was_never_gone() {
        let (mut absences, start) = (Absences::default(), Instant::now());
        let boot = BootId::from_bytes([7; 16]);
        let mut check = |there, seconds, gone| {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(absences.note(boot, there, now), gone, "second {seconds}");
        };
        check(true, 0, false);
        check(false, 1, false);
        check(false, 9, false);
        check(true, 10, false);
        check(false, 20, false);
        check(false, 29, false);
        check(false, 30, true);
        check(false, 90, true);
    }

    #[test]
    fn a_lock_is_listed_by_its_halves() {
        let boot = BootId::from_bytes([0xff; 16]);
        assert_eq!(key(boot), -1);
        let boot = BootId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(key(boot), 0x0102_0304_0506_0708);
        assert_eq!(halves(boot), (0x0102_0304, 0x0506_0708));
    }
}
