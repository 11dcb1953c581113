//! Live updates: a page is told that something changed, and asks for itself again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::{StreamExt as _, unfold};

use super::{Desk, Refused};
use crate::login::SignedIn;

/// Tells how long the log is, whenever that changes; nothing about requests passes here.
pub(super) async fn stream(
    State(desk): State<Desk>,
    SignedIn { session, secret }: SignedIn,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    let slot = desk.site().open_stream(&session.person)?;
    let now = size(&desk).await;
    let first = Event::default().event("hello").data(now.to_string());
    let changes = unfold(
        (desk, now, Some(first)),
        move |(desk, seen, first)| async move {
            if let Some(first) = first {
                return Some((Ok(first), (desk, seen, None)));
            }
            loop {
                let stop = desk.site().stop().clone();
                tokio::select! {
                    () = stop.cancelled() => return None,
                    () = tokio::time::sleep(LOOK) => {}
                }
                // Whoever has signed out is told nothing more.
                let (idle, at) = (desk.site().config().limits.idle, desk.site().now());
                desk.sessions().of(&secret, idle, at)?;
                let now = size(&desk).await;
                if now != seen {
                    let change = Event::default().event("change").data(now.to_string());
                    return Some((Ok(change), (desk, now, None)));
                }
            }
        },
    );
    // It is free again when the stream is dropped.
    let changes = changes.inspect(move |_| {
        let _held = &slot;
    });
    Ok(Sse::new(changes).keep_alive(KeepAlive::default()))
}

/// How many records there are; none while the store does not answer.
async fn size(desk: &Desk) -> u64 {
    let head = desk.site().gate().journal().read(|reader| reader.head());
    head.await
        .map(|head| head.frontier.size())
        .unwrap_or_default()
}

/// How often a page looks. A person waits for other people here, not for milliseconds.
const LOOK: Duration = Duration::from_millis(500);
