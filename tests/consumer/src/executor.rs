//! Awaits without an executor of its own.
//!
//! A real program brings its executor. This one may depend on nothing but the core, so it lets the
//! core wait: a blocking guard waits for its gate, and the gate here does an errand first.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use approvals_core::gate::Call;
use approvals_core::{Agent, ApprovalError, ApprovalGate, Code, Permit, requires_approval};

/// A boxed future.
pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Waits for the future; none if the core did not get to it.
pub(crate) fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let (tell, answer) = mpsc::channel();
    let task: Task<()> = Box::pin(async move {
        // Nobody listens only if this function was left, and it waits below.
        let _ = tell.send(work.await);
    });
    let refused = wait(&Errand(Arc::new(Mutex::new(Some(task)))));
    answer.try_recv().ok().filter(|_| refused.is_err())
}

#[requires_approval(scope = "executor.wait", gate = *errand, skip(errand))]
fn wait(errand: &Errand) -> Result<(), ApprovalError> {
    drop(errand.clone());
    Ok(())
}

/// A gate that does one thing before it refuses.
#[derive(Clone)]
struct Errand(Arc<Mutex<Option<Task<()>>>>);

impl ApprovalGate for Errand {
    // What `#[async_trait]` would write.
    fn authorize<'gate, 'async_trait>(
        &'gate self,
        _: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Permit, ApprovalError>> + Send + 'async_trait>>
    where
        'gate: 'async_trait,
        Self: 'async_trait,
    {
        let work = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            if let Some(work) = work {
                work.await;
            }
            Err(ApprovalError::new(Code::Cancelled, "the errand is done"))
        })
    }

    fn shared(&self) -> Arc<dyn ApprovalGate> {
        Arc::new(self.clone())
    }

    fn default_agent(&self) -> Option<Agent> {
        Some(Agent::new("consumer").on_behalf_of("u_alice"))
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errand")
    }
}
