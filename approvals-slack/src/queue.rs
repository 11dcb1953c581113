//! From whatever brings callbacks to the desk that takes them: Slack waits three seconds, the desk
//! may need longer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::interact::Desk;

/// One verified callback, and who waits for what to answer.
struct Job {
    payload: Vec<u8>,
    answer: oneshot::Sender<Value>,
}

/// The end that callbacks are put into.
#[derive(Debug, Clone)]
pub(crate) struct Inbox(mpsc::Sender<Job>);

/// The end that works; when it is dropped, callbacks are refused.
#[derive(Debug)]
pub(crate) struct Worker(mpsc::Receiver<Job>);

/// A callback that is in the queue.
#[derive(Debug)]
pub(crate) struct Taken(oneshot::Receiver<Value>);

/// Nobody takes callbacks now: Slack shows the person that the click failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

pub(crate) fn queue() -> (Inbox, Worker) {
    let (sender, receiver) = mpsc::channel(MOST);
    (Inbox(sender), Worker(receiver))
}

impl Inbox {
    /// Hands one callback in, when there is room; from then on it is worked on.
    pub(crate) fn put(&self, payload: Vec<u8>) -> Result<Taken, Closed> {
        let (answer, waiting) = oneshot::channel();
        let job = Job { payload, answer };
        self.0.try_send(job).map_err(|_| Closed)?;
        Ok(Taken(waiting))
    }
}

impl Taken {
    /// What Slack is to be answered, waited for as long as Slack waits; it is worked on even when
    /// the answer comes too late.
    pub(crate) async fn answer(self) -> Result<Value, Closed> {
        match tokio::time::timeout(PATIENCE, self.0).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Closed),
            Err(_) => Ok(Value::Null),
        }
    }
}

impl Worker {
    /// Works until it is told to stop, and then ends what it has begun.
    pub(crate) async fn run(mut self, desk: Arc<Desk>, stop: CancellationToken) {
        let mut working = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = working.next(), if !working.is_empty() => {}
                job = self.0.recv(), if working.len() < AT_ONCE => match job {
                    Some(job) => working.push(work(&desk, job)),
                    None => break,
                },
            }
        }
        self.0.close();
        while working.next().await.is_some() {}
    }
}

async fn work(desk: &Desk, job: Job) {
    let answer = desk.take(&job.payload).await;
    // Whoever waited may have gone: the decision stands all the same.
    let _ = job.answer.send(answer);
}

/// How many callbacks may wait; more are refused, and people click again.
const MOST: usize = 256;
const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_millis(2_400);
