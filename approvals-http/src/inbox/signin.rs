//! Signing in and out.

use std::net::SocketAddr;

use approvals_core::{Code, PersonId};
use askama::Template;
use axum::Extension;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect};
use serde::Deserialize;

use super::html::Literal;
use super::refused::draw;
use super::{Desk, Refused, is_local};
use crate::login::{self, SignedIn};

pub(super) async fn home() -> Redirect {
    Redirect::to("/inbox")
}

/// The secret of a one-time link.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    link: Option<String>,
}

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    link: Option<Offer>,
    used_up: bool,
}

struct Offer {
    secret: String,
    person: String,
    name: Literal,
}

/// Shows who a link is for. Looking does not use it up: what previews links must not sign in.
pub(super) async fn show(
    State(desk): State<Desk>,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    link: Result<Query<Link>, QueryRejection>,
) -> Result<Html<String>, Refused> {
    let Query(Link { link }) = link.map_err(|_| Refused::form())?;
    let Some(secret) = link else {
        return draw(&Page {
            link: None,
            used_up: false,
        });
    };
    on_this_machine(&desk, from, &headers)?;
    let person = desk.inbox.links.look(&secret, desk.site().now());
    let offer = person.map(|person: PersonId| Offer {
        secret,
        name: Literal::of(desk.people().name(&person).unwrap_or(person.as_str())),
        person: person.to_string(),
    });
    let used_up = offer.is_none();
    draw(&Page {
        link: offer,
        used_up,
    })
}

/// Uses a link up and opens a session.
pub(super) async fn enter(
    State(desk): State<Desk>,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    form: Result<Form<Link>, FormRejection>,
) -> Result<impl IntoResponse, Refused> {
    let origin = on_this_machine(&desk, from, &headers)?;
    login::from_our_pages(&headers, &origin)?;
    let Form(Link { link }) = form.map_err(|_| Refused::form())?;
    let now = desk.site().now();
    let person = desk.inbox.links.take(&link.unwrap_or_default(), now);
    let person = person.ok_or_else(|| {
        Refused::new(
            Code::Unauthenticated,
            "this link is used up or too old; ask for a new one with `approvals serve --link`",
        )
    })?;
    tracing::info!(%person, "signed in by a one-time link");
    let secret = desk.sessions().open(person, now)?;
    let cookie = login::cookie(&secret, desk.is_secure());
    Ok((
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        Redirect::to("/inbox"),
    ))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leave {
    csrf: String,
}

pub(super) async fn leave(
    State(desk): State<Desk>,
    SignedIn { session, secret }: SignedIn,
    form: Result<Form<Leave>, FormRejection>,
) -> Result<impl IntoResponse, Refused> {
    let Form(leave) = form.map_err(|_| Refused::form())?;
    session.check(&leave.csrf)?;
    desk.sessions().close(&secret);
    let cookie = login::gone(desk.is_secure());
    Ok((
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        Redirect::to("/login"),
    ))
}

/// Refuses a link that is used from another machine, or through a proxy, which could hide one.
fn on_this_machine(
    desk: &Desk,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: &HeaderMap,
) -> Result<String, Refused> {
    let here = from.is_some_and(|Extension(ConnectInfo(from))| from.ip().is_loopback());
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let direct = !forwarded.iter().any(|name| headers.contains_key(*name));
    if here && direct && is_local(desk.site().address()) && !desk.is_secure() {
        return desk.origin(headers);
    }
    Err(Refused::new(
        Code::NotEligible,
        "a one-time link is good only on the machine that the server runs on",
    ))
}
