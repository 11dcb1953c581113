//! Whether the process lives, and whether it can do its work.

use std::time::Duration;

use approvals_core::Code;
use axum::Json;
use axum::extract::State;
use axum::routing::{MethodRouter, get};
use serde::Serialize;

use crate::problem::Problem;
use crate::site::Site;

/// What a probe is told; nothing about requests or people.
#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
    /// How many webhooks are down: they hold up nobody, and their events wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhooks_down: Option<usize>,
}

/// The process answers: nothing more.
pub(crate) fn live() -> MethodRouter<Site> {
    get(async || {
        Json(Health {
            status: "ok",
            webhooks_down: None,
        })
    })
}

/// The ledger can be written, and the server is not shutting down.
pub(crate) fn ready() -> MethodRouter<Site> {
    get(async |State(site): State<Site>| {
        if site.stop().is_cancelled() {
            let message = "the server is shutting down; ask another one";
            return Err(Problem::new(Code::StoreUnavailable, message));
        }
        match tokio::time::timeout(PROBE, site.gate().flush()).await {
            Ok(flushed) => flushed.map_err(Problem::from)?,
            Err(_) => {
                let message = "the ledger did not answer in time; look at its store";
                return Err(Problem::new(Code::AuditUnavailable, message));
            }
        }
        let hooks = site.hooks().all();
        let down = hooks.iter().filter(|hook| !hook.status.is_up()).count();
        Ok(Json(Health {
            status: "ready",
            webhooks_down: (!hooks.is_empty()).then_some(down),
        }))
    })
}

const PROBE: Duration = Duration::from_secs(5);
