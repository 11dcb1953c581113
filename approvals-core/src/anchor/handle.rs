//! The anchoring of a gate, as the gate holds it.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::post::{Post, Said};
use super::status::Limits;
use super::worker::Worker;
use super::{AnchorMode, AnchorStatus, Anchoring};
use crate::clock::Clock;
use crate::commit::Journal;
use crate::error::{ApprovalError, Code};

/// How long the thread may be silent before what it last said counts for nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// The anchoring of one gate; it ends with the gate.
pub(crate) struct Anchors {
    letters: Sender<Message>,
    view: Arc<Mutex<View>>,
    mode: AnchorMode,
    patience: Duration,
    limits: Limits,
    thread: Option<JoinHandle<()>>,
}

/// What the thread last said of itself.
pub(super) struct View {
    pub(super) status: AnchorStatus,
    pub(super) at: Instant,
}

pub(super) enum Message {
    Cover(Wish),
    Said(Said),
    Stop,
}

/// Somebody waits until a quorum has cosigned a head of at least this size; without one, of all there is.
pub(super) struct Wish {
    pub(super) size: Option<u64>,
    pub(super) until: Instant,
    pub(super) reply: oneshot::Sender<Result<(), ApprovalError>>,
}

impl Anchors {
    pub(crate) fn start(
        config: Anchoring,
        journal: Journal,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ApprovalError> {
        let (letters, inbox) = channel();
        let told = letters.clone();
        let post = Post::start(&config.witnesses, move |said| {
            let _ = told.send(Message::Said(said));
        })?;
        let view = Arc::new(Mutex::new(View {
            status: AnchorStatus::new(config.mode),
            at: Instant::now(),
        }));
        let (mode, patience) = (config.mode, config.patience);
        let limits = Limits {
            most: config.most,
            age: config.age,
        };
        let mut worker = Worker::new(config, journal, clock, post, Arc::clone(&view));
        let thread = std::thread::Builder::new().name("approvals-anchor".to_owned());
        let thread = thread.spawn(move || worker.run(&inbox)).map_err(|error| {
            let message = format!("a thread could not be started: {error}");
            ApprovalError::new(Code::AuditUnavailable, message)
        })?;
        Ok(Self {
            letters,
            view,
            mode,
            patience,
            limits,
            thread: Some(thread),
        })
    }

    /// Waits, in the mode `quorum`, until a quorum has cosigned a head of at least this size.
    pub(crate) async fn cover(&self, size: u64) -> Result<(), ApprovalError> {
        match self.mode {
            AnchorMode::Async => Ok(()),
            AnchorMode::Quorum => self.wish(Some(size)).await,
        }
    }

    /// Waits, in any mode, until a quorum has cosigned all there is.
    pub(crate) async fn cover_all(&self) -> Result<(), ApprovalError> {
        self.wish(None).await
    }

    async fn wish(&self, size: Option<u64>) -> Result<(), ApprovalError> {
        let (reply, answer) = oneshot::channel();
        let until = Instant::now() + self.patience;
        let _ = self
            .letters
            .send(Message::Cover(Wish { size, until, reply }));
        // The thread answers in time, and when it ends, so does the wait.
        answer
            .await
            .unwrap_or_else(|_| Err(unanchored("the thread that anchors has ended")))
    }

    /// How much is anchored now.
    pub(crate) fn status(&self, clock: &dyn Clock) -> AnchorStatus {
        let (status, at) = {
            let view = lock(&self.view);
            (view.status.clone(), view.at)
        };
        let mut status = status.judged(self.limits, clock.now());
        if at.elapsed() > SILENCE {
            status.ready = false;
            status.problems.push(format!(
                "the log has not been looked at for {:.0?}",
                at.elapsed()
            ));
        }
        status
    }
}

impl Drop for Anchors {
    fn drop(&mut self) {
        let _ = self.letters.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            // It waits for no witness, and for the store only so long.
            let _ = thread.join();
        }
    }
}

pub(super) fn lock(view: &Mutex<View>) -> MutexGuard<'_, View> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn unanchored(why: &str) -> ApprovalError {
    let message = format!(
        "no quorum of witnesses has cosigned this in time ({why}), so nothing ran; see what `approvals anchor` says, and ask again"
    );
    ApprovalError::new(Code::AuditUnavailable, message)
}
