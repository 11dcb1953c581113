//! The committer's thread and the reader's thread of a durable store.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::engine::Engine;
use super::rekey::Rekey;
use super::rewrap::Rewrap;
use super::wait::Waits;
use super::{Reply, Work, stopped, store_error};
use crate::error::{ApprovalError, Code};
use crate::ports::{Due, Reader, StoreError};

/// How many steps one durable batch takes at most.
const BATCH: usize = 256;

/// How often a waiting process looks for what other processes wrote, when a look is all it has.
pub(super) const POLL: Duration = Duration::from_millis(10);

/// How often it looks when the store says by itself that something was written: a ring can be lost.
pub(super) const SAFETY_NET: Duration = Duration::from_secs(1);

enum Job {
    Write(Work, oneshot::Sender<Reply>),
    TakeDue(
        Vec<String>,
        Duration,
        oneshot::Sender<Result<Vec<Due>, ApprovalError>>,
    ),
    Rekey(Rekey, oneshot::Sender<Result<(), ApprovalError>>),
    Rewrap(Rewrap, oneshot::Sender<Result<u64, ApprovalError>>),
    Scrub(Duration, oneshot::Sender<Result<(), ApprovalError>>),
}

pub(super) struct Committer(Worker<Job>);

impl Committer {
    pub(super) fn start(engine: Engine) -> Result<Self, ApprovalError> {
        Worker::start("approvals-committer", move |jobs| commit(engine, &jobs)).map(Self)
    }

    pub(super) fn submit(&self, work: Work) -> oneshot::Receiver<Reply> {
        let (reply, receiver) = oneshot::channel();
        self.0.send(Job::Write(work, reply));
        receiver
    }

    pub(super) async fn take_due(
        &self,
        channels: Vec<String>,
        lease: Duration,
    ) -> Result<Vec<Due>, ApprovalError> {
        let (reply, receiver) = oneshot::channel();
        self.0.send(Job::TakeDue(channels, lease, reply));
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }

    pub(super) async fn rekey(&self, change: Rekey) -> Result<(), ApprovalError> {
        let (reply, receiver) = oneshot::channel();
        self.0.send(Job::Rekey(change, reply));
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }

    pub(super) async fn rewrap(&self, keys: Rewrap) -> Result<u64, ApprovalError> {
        let (reply, receiver) = oneshot::channel();
        self.0.send(Job::Rewrap(keys, reply));
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }

    pub(super) async fn scrub(&self, at_most: Duration) -> Result<(), ApprovalError> {
        let (reply, receiver) = oneshot::channel();
        self.0.send(Job::Scrub(at_most, reply));
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn commit(mut engine: Engine, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut works = Vec::new();
        let mut replies = Vec::new();
        let mut others = Vec::new();
        // Whatever has queued up meanwhile shares the one sync; nobody waits for company.
        for job in std::iter::once(first).chain(jobs.try_iter().take(BATCH - 1)) {
            match job {
                Job::Write(work, reply) => {
                    works.push(work);
                    replies.push(reply);
                }
                other => others.push(other),
            }
        }
        for (reply, answer) in replies.into_iter().zip(engine.run(works)) {
            // A caller that went away does not undo what is durable.
            let _ = reply.send(answer);
        }
        for job in others {
            alone(&mut engine, job);
        }
    }
}

/// Carries out what has a transaction of its own, or none.
fn alone(engine: &mut Engine, job: Job) {
    match job {
        Job::Write(work, reply) => {
            if let Some(answer) = engine.run_one(work) {
                let _ = reply.send(answer);
            }
        }
        Job::TakeDue(channels, lease, reply) => {
            let _ = reply.send(engine.take_due(&channels, lease));
        }
        Job::Rekey(change, reply) => {
            let _ = reply.send(engine.rekey(change));
        }
        Job::Rewrap(keys, reply) => {
            let _ = reply.send(engine.rewrap(keys));
        }
        Job::Scrub(at_most, reply) => {
            let _ = reply.send(engine.scrub(at_most));
        }
    }
}

type Query = Box<dyn FnOnce(&mut dyn Reader) + Send>;

pub(super) struct ReaderThread(Worker<Query>);

impl ReaderThread {
    pub(super) fn start(
        reader: Box<dyn Reader>,
        waits: Arc<Waits>,
        poll: Duration,
    ) -> Result<Self, ApprovalError> {
        Worker::start("approvals-reader", move |queries| {
            read(reader, &waits, &queries, poll)
        })
        .map(Self)
    }

    /// Makes the thread look whether anybody waits.
    pub(super) fn nudge(&self) {
        self.0.send(Box::new(|_| {}));
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApprovalError> {
        let (reply, receiver) = oneshot::channel();
        self.0.send(Box::new(move |reader| {
            let _ = reply.send(query(reader));
        }));
        match receiver.await {
            Ok(answer) => answer.map_err(store_error),
            Err(_) => Err(stopped()),
        }
    }
}

fn read(mut reader: Box<dyn Reader>, waits: &Waits, queries: &Receiver<Query>, poll: Duration) {
    // What the waiters know: none while nobody waits, and then changes need not be followed.
    let mut seen = None;
    let mut looked = Instant::now();
    loop {
        let next = match seen {
            None => queries.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => queries.recv_timeout(poll.saturating_sub(looked.elapsed())),
        };
        match next {
            Ok(query) => query(&mut *reader),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if waits.is_empty() {
            seen = None;
        } else if seen.is_none() || looked.elapsed() >= poll {
            seen = Some(follow(&mut *reader, waits, seen));
            looked = Instant::now();
        }
    }
}

/// Wakes whoever waits for something that was written at or after `seen`.
///
/// The first waiter looks at its request after it began to wait, and its look is queued behind the
/// message that led here: what is older than this moment needs no waking.
fn follow(reader: &mut dyn Reader, waits: &Waits, seen: Option<u64>) -> u64 {
    let Some(seen) = seen else {
        return reader.head().map_or(0, |head| head.frontier.size());
    };
    match reader.touched(seen) {
        Ok((touched, size)) => {
            for (request, seq) in touched {
                waits.wake(request, seq, None);
            }
            size
        }
        // An unreadable store wakes nobody; their own deadlines still end their waits.
        Err(_) => seen,
    }
}

/// A thread that takes messages until everybody who could send one is gone, and is then joined.
struct Worker<M> {
    sender: Mutex<Option<Sender<M>>>,
    thread: Option<JoinHandle<()>>,
}

impl<M: Send + 'static> Worker<M> {
    fn start(
        name: &str,
        run: impl FnOnce(Receiver<M>) + Send + 'static,
    ) -> Result<Self, ApprovalError> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(receiver));
        let thread = thread.map_err(|error| {
            ApprovalError::new(
                Code::StoreUnavailable,
                format!("a thread could not be started: {error}"),
            )
        })?;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            thread: Some(thread),
        })
    }

    fn send(&self, message: M) {
        // A stopped thread drops the message, and with it the reply: the caller is told.
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = sender.send(message);
        }
    }
}

impl<M> Drop for Worker<M> {
    fn drop(&mut self) {
        self.sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // Everything queued is carried out first: a withdrawal on the way out is not lost.
            let _ = thread.join();
        }
    }
}
