//! The thread that speaks to the server, so that what is under way goes on when its caller does not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use approvals_core::permit::Queued;
use approvals_core::{ApprovalError, Code};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long what is under way may take when nobody is left who could wait for it.
const GRACE: Duration = Duration::from_secs(5);

/// A thread with a runtime of its own. It ends with this value, and what is owed to the server
/// before it, if that is quick.
pub(crate) struct Worker {
    orders: Option<mpsc::UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// How much has been begun that goes on whoever waits for it.
    owed: Arc<watch::Sender<usize>>,
}

impl Worker {
    pub(crate) fn start() -> Result<Self, ApprovalError> {
        let failed = |error: std::io::Error| {
            crate::misuse(format!(
                "a thread to speak to the server cannot be started ({error}); check the limits of this process"
            ))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let (orders, received) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("approvals-remote".to_owned())
            .spawn(move || runtime.block_on(work(received)))
            .map_err(failed)?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
            owed: Arc::new(watch::Sender::new(0)),
        })
    }

    /// Begins work at once, which goes on whoever waits for it; the future only tells how it ended.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ApprovalError>> + Send + 'static,
    ) -> Queued<T> {
        let (told, answer) = oneshot::channel();
        let owed = Owed::new(&self.owed);
        self.order(async move {
            let _ = told.send(work.await);
            drop(owed);
        });
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(ended())) })
    }

    /// Does work for as long as somebody waits for it.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ApprovalError>> + Send + 'static,
    ) -> Queued<T> {
        let (mut told, answer) = oneshot::channel();
        self.order(async move {
            let done = tokio::select! {
                done = work => done,
                () = told.closed() => return,
            };
            let _ = told.send(done);
        });
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(ended())) })
    }

    /// Returns when everything that was begun has ended.
    pub(crate) async fn flush(&self) {
        // The sender is ours, and so lives.
        let _ = self.owed.subscribe().wait_for(|owed| *owed == 0).await;
    }

    fn order(&self, job: impl Future<Output = ()> + Send + 'static) {
        // When the thread is gone, the answer that never comes says so.
        if let Some(orders) = &self.orders {
            let _ = orders.send(Box::pin(job));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Counts one piece of work until it ends, however it ends.
struct Owed(Arc<watch::Sender<usize>>);

impl Owed {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|owed| *owed += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.send_modify(|owed| *owed = owed.saturating_sub(1));
    }
}

async fn work(mut orders: mpsc::UnboundedReceiver<Job>) {
    let mut jobs = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(job) => { jobs.spawn(job); }
                None => break,
            },
            Some(_) = jobs.join_next() => {}
        }
    }
    let rest = async { while jobs.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, rest).await.is_err() {
        tracing::warn!(
            "the program ends before the server could be told everything; see `approvals list` there"
        );
    }
}

fn ended() -> ApprovalError {
    let message = "the thread of the remote gate has stopped; nothing runs without it";
    ApprovalError::new(Code::StoreUnavailable, message)
}
