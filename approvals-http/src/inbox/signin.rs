//! Signing in and out.

use std::net::SocketAddr;

use approvals_core::{Code, PersonId, RequestId};
use askama::Template;
use axum::Extension;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::html::Literal;
use super::refused::draw;
use super::{Desk, Refused, is_local};
use crate::login::oidc::{self, Oidc, Returned, Wish};
use crate::login::{self, Proof, SignedIn};

pub(super) async fn home() -> Redirect {
    Redirect::to("/inbox")
}

/// The secret of a one-time link, or where to go after a login.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    link: Option<String>,
    request: Option<RequestId>,
}

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    link: Option<Offer>,
    used_up: bool,
    /// Whether people get in by a one-time link.
    local: bool,
    provider: Option<Door>,
}

/// The identity provider that people sign in at.
struct Door {
    name: String,
    href: String,
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
    let Query(Link { link, request }) = link.map_err(|_| Refused::form())?;
    let provider = desk.oidc().map(|oidc| Door {
        name: oidc.name(),
        href: match request {
            Some(request) => format!("/login/start?request={request}"),
            None => "/login/start".to_owned(),
        },
    });
    let local = is_local(desk.site().address()) && !desk.is_secure();
    let Some(secret) = link else {
        return draw(&Page {
            link: None,
            used_up: false,
            local,
            provider,
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
        local,
        provider,
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
    let Form(Link { link, .. }) = form.map_err(|_| Refused::form())?;
    let now = desk.site().now();
    let person = desk.inbox.links.take(&link.unwrap_or_default(), now);
    let person = person.ok_or_else(|| {
        Refused::new(
            Code::Unauthenticated,
            "this link is used up or too old; ask for a new one with `approvals serve --link`",
        )
    })?;
    tracing::info!(%person, "signed in by a one-time link");
    let cookie = open(&desk, &headers, person, Proof::Link)?;
    Ok((
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        Redirect::to("/inbox"),
    ))
}

/// How a login at the identity provider is wished for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    request: Option<RequestId>,
    again: Option<Yes>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Yes {
    Yes,
}

/// Sends the browser to the identity provider.
pub(super) async fn start(
    State(desk): State<Desk>,
    headers: HeaderMap,
    start: Result<Query<Start>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(Start { request, again }) = start.map_err(|_| Refused::form())?;
    let oidc = provider(&desk)?;
    let (ours, home) = (desk.origin(&headers)?, desk.site().address().in_browsers());
    if ours != home {
        // The cookie must be there when the provider sends the browser back.
        let request = request.map(|request| format!("?request={request}"));
        let place = format!("{home}/login/start{}", request.unwrap_or_default());
        return Ok(Redirect::to(&place).into_response());
    }
    let again = again.is_some();
    let begun = oidc.begin(Wish { request, again }, desk.site().now());
    let (secret, place) = begun.await?;
    let cookie = oidc::flow_cookie(&secret, desk.is_secure());
    let cookie = AppendHeaders([(header::SET_COOKIE, cookie)]);
    Ok((cookie, Redirect::to(&place)).into_response())
}

/// Takes in what the browser brings back from the identity provider, and opens a session.
pub(super) async fn callback(
    State(desk): State<Desk>,
    headers: HeaderMap,
    back: Result<Query<Returned>, QueryRejection>,
) -> Response {
    let gone = AppendHeaders([(header::SET_COOKIE, oidc::flow_gone(desk.is_secure()))]);
    match back {
        Ok(Query(back)) => (gone, returned(&desk, &headers, back).await).into_response(),
        Err(_) => (gone, Refused::form()).into_response(),
    }
}

async fn returned(
    desk: &Desk,
    headers: &HeaderMap,
    back: Returned,
) -> Result<impl IntoResponse + use<>, Refused> {
    desk.origin(headers)?;
    let (oidc, now) = (provider(desk)?, desk.site().now());
    let finished = oidc.finish(headers, desk.is_secure(), back, now);
    let (login, wish) = finished.await?;
    let person = desk.site().owner(login.identity()).await?;
    desk.site().still_here(&person).await?;
    tracing::info!(%person, "signed in at the identity provider");
    let cookie = open(desk, headers, person, Proof::Login(login, oidc.fresh()))?;
    let place = match wish.request {
        Some(request) => format!("/inbox/r/{request}"),
        None => "/inbox".to_owned(),
    };
    Ok((
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        Redirect::to(&place),
    ))
}

fn provider(desk: &Desk) -> Result<&Oidc, Refused> {
    desk.oidc().ok_or_else(|| {
        Refused::new(
            Code::NotFound,
            "there is no identity provider here; name one in http.toml, under [oidc]",
        )
    })
}

/// Opens a session with a secret of its own, whatever the browser brought, and ends the one that it
/// had. The answer is the cookie.
fn open(
    desk: &Desk,
    headers: &HeaderMap,
    person: PersonId,
    proof: Proof,
) -> Result<String, Refused> {
    if let Some(old) = login::secret(headers, desk.is_secure()) {
        desk.sessions().close(&old);
    }
    let lasts = desk.site().config().limits.session;
    let secret = desk
        .sessions()
        .open(person, proof, lasts, desk.site().now())?;
    Ok(login::cookie(&secret, lasts, desk.is_secure()))
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
