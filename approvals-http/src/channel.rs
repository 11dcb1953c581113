//! Channels that are mounted beside the API: Slack, Teams, whatever carries requests to people.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use approvals_core::Gate;
use approvals_core::ports::Notifier;
use axum::Router;
use tokio_util::sync::CancellationToken;

/// What a channel does while the server runs; it ends by itself when the server shuts down.
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a channel adds to a running server.
#[derive(Default)]
#[non_exhaustive]
pub struct Attached {
    /// Its own routes; they must verify who calls.
    pub routes: Option<Router>,
    /// What it does beside answering.
    pub run: Option<Background>,
}

impl Attached {
    /// Nothing but the notifier.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The same with these routes.
    #[must_use]
    pub fn routes(mut self, routes: Router) -> Self {
        self.routes = Some(routes);
        self
    }

    /// The same with something that runs beside.
    #[must_use]
    pub fn run(mut self, work: impl Future<Output = ()> + Send + 'static) -> Self {
        self.run = Some(Box::pin(work));
        self
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached")
            .field("routes", &self.routes.is_some())
            .field("run", &self.run.is_some())
            .finish()
    }
}

type Attach = Box<dyn FnOnce(Gate, CancellationToken) -> Attached + Send>;

/// One channel to mount: what carries requests out, and what it needs of the server.
///
/// The notifier is given to the gate before it opens; the rest is made afterwards, with the gate
/// that decisions go to and the token that says when to stop.
pub struct Channel {
    notifier: Arc<dyn Notifier>,
    attach: Attach,
}

impl Channel {
    /// A channel that only carries requests out.
    #[must_use]
    pub fn new(notifier: Arc<dyn Notifier>) -> Self {
        Self {
            notifier,
            attach: Box::new(|_, _| Attached::nothing()),
        }
    }

    /// The same channel with routes or work of its own, made when the gate is open.
    #[must_use]
    pub fn attach(
        mut self,
        attach: impl FnOnce(Gate, CancellationToken) -> Attached + Send + 'static,
    ) -> Self {
        self.attach = Box::new(attach);
        self
    }

    /// What the gate's builder takes.
    #[must_use]
    pub fn notifier(&self) -> Arc<dyn Notifier> {
        Arc::clone(&self.notifier)
    }

    pub(crate) fn mount(self, gate: Gate, stop: CancellationToken) -> Attached {
        (self.attach)(gate, stop)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("notifier", &self.notifier)
            .finish_non_exhaustive()
    }
}
