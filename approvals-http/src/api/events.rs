//! The log as it grows, for screens that stay up to date: which request changed, and how.

use std::convert::Infallible;
use std::time::Duration;

use approvals_core::Gate;
use approvals_core::ledger::{AuditRecord, Entry};
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use utoipa::ToSchema;

use super::card::EventView;
use crate::auth::Reading;
use crate::feed;
use crate::problem::Problem;
use crate::site::Site;

/// How often the log is looked at for one stream.
const ROUND: Duration = Duration::from_millis(500);

/// One change of one request: no value, no name, no reason.
#[derive(Serialize, ToSchema)]
struct Change {
    /// The request.
    request: String,
    /// What happened.
    #[serde(flatten)]
    event: EventView,
}

/// Every change of every request from now on, or after `Last-Event-ID`; ends when the server does.
#[utoipa::path(
    get, path = "/v1/events", tag = "approver", security(("reader" = [])),
    params(("Last-Event-ID" = Option<u64>, Header, description = "The last change that was seen")),
    responses((status = 200, description = "Server-sent events", body = Change, content_type = "text/event-stream"), super::Refusals),
)]
pub(super) async fn follow(
    Shared(site): Shared<Site>,
    reading: Reading,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let from = match headers.get("last-event-id") {
        None => feed::end(site.gate()).await?,
        Some(seen) => {
            let seen: Option<u64> = seen.to_str().ok().and_then(|seen| seen.parse().ok());
            let seen = seen.ok_or_else(|| {
                Problem::malformed("`Last-Event-ID` is not the number of a record; leave it out")
            })?;
            seen.saturating_add(1)
        }
    };
    let slot = site.open_stream(&reading.person)?;
    let stop = site.stop().clone();
    let pages = stream::unfold((site.gate().clone(), from), next);
    let events = pages
        .flat_map(stream::iter)
        .take_until(stop.cancelled_owned())
        // It is free again when the stream is dropped.
        .inspect(move |_| {
            let _held = &slot;
        });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Waits for the next records; a log that cannot be read ends the stream, and the client comes back.
async fn next((gate, from): (Gate, u64)) -> Option<(Vec<Result<Event, Infallible>>, (Gate, u64))> {
    let (records, next) = feed::page(&gate, from).await.ok()?;
    if next == from {
        tokio::time::sleep(ROUND).await;
    }
    let events = records.iter().filter_map(event).map(Ok).collect();
    Some((events, (gate, next)))
}

fn event(record: &AuditRecord) -> Option<Event> {
    let Entry::Request(request, _) = &record.entry else {
        return None;
    };
    let change = Change {
        request: request.to_string(),
        event: EventView::from(record),
    };
    let event = Event::default().id(record.seq.to_string()).event("change");
    event.json_data(change).ok()
}
