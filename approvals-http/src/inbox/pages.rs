//! The lists, one request, and its receipt: looking, and nothing else.

use approvals_core::ports::Filter;
use approvals_core::{Assurance, Card, RequestId, Status};
use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse};

use super::refused::draw;
use super::view::{Change, Frame, Line, Value, Whole, asks, may_review, needs};
use super::{Desk, Refused};
use crate::login::SignedIn;

#[derive(Template)]
#[template(path = "pending.html")]
struct Pending {
    frame: Frame,
    lines: Vec<Line>,
}

pub(super) async fn pending(
    State(desk): State<Desk>,
    SignedIn { session, .. }: SignedIn,
) -> Result<Html<String>, Refused> {
    let rows = desk.site().gate().list(Filter::pending()).await?;
    let mut lines = Vec::new();
    for row in rows.iter().rev() {
        let state = desk.site().gate().journal().state(row.id).await?;
        let needs = state.as_ref().map(needs).unwrap_or_default();
        lines.push(Line::of(row, needs, desk.site().now()));
    }
    let name = desk.people().name(&session.person);
    let frame = Frame::of("/inbox", &session, name);
    draw(&Pending { frame, lines })
}

#[derive(Template)]
#[template(path = "request.html")]
struct One {
    frame: Frame,
    it: Whole,
    /// Whether this person stands behind the request.
    own: bool,
    /// Whether this session's proof is worth enough for some quorum of it.
    enough: bool,
    /// Whether this person has a passkey for this site.
    passkeys: bool,
    /// Where a new login could prove enough, when this one no longer does.
    again: Option<String>,
    /// Whether this person may review how the glass was broken.
    reviews: bool,
}

pub(super) async fn one(
    State(desk): State<Desk>,
    SignedIn { session, .. }: SignedIn,
    id: Result<Path<String>, PathRejection>,
) -> Result<Html<String>, Refused> {
    let id = request(id)?;
    let gate = desk.site().gate();
    let card = gate.card(id).await?;
    let state = gate.journal().state(id).await?;
    let state = state.ok_or_else(nothing)?;
    let before = last_approved(&desk, &card).await?;
    let quorums = state.requirement().map(|taken| taken.quorums().to_vec());
    let proves = |least: Assurance| {
        let mut quorums = quorums.iter().flatten();
        quorums.any(|quorum| least >= quorum.assurance)
    };
    let enough = proves(session.assurance());
    let again = !enough && session.is_stale() && proves(Assurance::A2);
    let own = asks(&state, &session.person);
    let site = desk.rp_id()?;
    let passkeys = desk.people().passkeys(&session.person);
    let name = desk.people().name(&session.person);
    draw(&One {
        frame: Frame::of("", &session, name),
        it: Whole::of(&card, &state, before.as_ref(), desk.site().now()),
        own,
        enough,
        again: again.then(|| super::refused::again(id)),
        reviews: !own && may_review(&state, &session.person),
        passkeys: passkeys.iter().any(|passkey| *passkey.rp_id() == site),
    })
}

/// The newest approved request of the same scope, when it can be shown.
async fn last_approved(desk: &Desk, card: &Card) -> Result<Option<Card>, Refused> {
    let mut filter = Filter::all();
    filter.status = Some(Status::Approved);
    let gate = desk.site().gate();
    let rows = gate.list(filter).await?;
    let same = rows.iter().find(|row| {
        row.scope == card.action.scope
            && row.id != card.request
            && row.created_at <= card.created_at
    });
    match same {
        Some(row) => Ok(gate.card(row.id).await.ok()),
        None => Ok(None),
    }
}

pub(super) async fn receipt(
    State(desk): State<Desk>,
    SignedIn { .. }: SignedIn,
    id: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, Refused> {
    let id = request(id)?;
    let receipt = desk.site().gate().receipt(id).await?;
    let file = format!("attachment; filename=\"{id}.receipt\"");
    let kind = "text/plain; charset=utf-8".to_owned();
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, file),
    ];
    Ok((headers, receipt.to_string()))
}

/// The request that a path names. It names it and gives no right to it.
pub(super) fn request(id: Result<Path<String>, PathRejection>) -> Result<RequestId, Refused> {
    let Path(id) = id.map_err(|_| nothing())?;
    id.parse().map_err(|_| nothing())
}

fn nothing() -> Refused {
    Refused::new(
        approvals_core::Code::NotFound,
        "there is no such request; open it from the list",
    )
}
