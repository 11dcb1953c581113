//! What was asked before, and the search through it: a page at a time, as far back as the log goes.

use approvals_core::RequestId;
use approvals_core::ports::{Filter, RequestRow};
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::refused::draw;
use super::view::{Frame, Line};
use super::{Desk, Refused};
use crate::login::SignedIn;
use crate::search::{Found, search};

/// How many requests a page shows.
const PAGE: usize = 100;

/// What is searched for, and behind which request.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    q: String,
    before: Option<RequestId>,
}

#[derive(Template)]
#[template(path = "history.html")]
struct History {
    frame: Frame,
    lines: Vec<Line>,
    q: String,
    /// Where older ones are.
    older: Option<String>,
    /// Where the newest ones are, on a later page.
    newest: Option<String>,
}

pub(super) async fn history(
    State(desk): State<Desk>,
    SignedIn { session, .. }: SignedIn,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Html<String>, Refused> {
    let Query(Wanted { q, before }) = wanted.map_err(|_| Refused::form())?;
    let mut filter = Filter::all();
    filter.before = before;
    let words: Vec<String> = q.split_whitespace().map(str::to_lowercase).collect();
    let fits = |row: &RequestRow| {
        let (id, scope, agent, status) = (row.id, &row.scope, &row.agent, row.status.as_str());
        let text = format!("{id} {scope} {agent} {status}").to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let found: Found = search(desk.site().gate(), filter, PAGE, fits).await?;
    let rows = found.rows.iter();
    let lines = rows.map(|row| Line::of(row, Vec::new(), desk.site().now()));
    let here = format!(
        "/inbox/history?q={}",
        utf8_percent_encode(&q, NON_ALPHANUMERIC)
    );
    let older = found.next.map(|next| format!("{here}&before={next}"));
    let name = desk.people().name(&session.person);
    draw(&History {
        frame: Frame::of("/inbox/history", &session, name),
        lines: lines.collect(),
        q,
        older,
        newest: before.map(|_| here),
    })
}
