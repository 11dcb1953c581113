//! The inbox: where a person reads a request whole, decides it, and checks the log.
//!
//! Server-rendered pages that work without scripts; with them they are live, and can ask for a
//! passkey. No page decides by being looked at: a decision is a form with a nonce of its session,
//! and ends at [`Gate::review`](approvals_core::Gate::review) like every other one.

mod decide;
mod enrol;
mod events;
mod guard;
mod history;
mod html;
mod pages;
mod pending;
mod refused;
mod review;
mod signin;
mod verify;
mod view;

use std::fmt;
use std::sync::Arc;

use approvals_core::directory::RpId;
use approvals_core::{ApprovalError, Code, People, PersonId, Timestamp};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, header};
use axum::routing::{get, post};
use tokio::sync::Mutex;

use crate::config::Address;
use crate::login::oidc::{CALLBACK, Oidc};
use crate::login::{Links, Sessions};
use crate::site::Site;
use pending::Unsigned;

pub(crate) use refused::Refused;

/// The inbox of a server, and the one-time links that let people in.
///
/// Trusted: whoever can make a link can act as that person at A1. Only the program that makes this
/// value can.
///
/// # Examples
/// ```
/// use approvals_core::{People, Timestamp};
/// use approvals_http::Inbox;
///
/// let people = People::parse("version = 1\n[[person]]\nid = \"u_bob\"\ngroups = [\"oncall\"]")?;
/// let inbox = Inbox::new(people);
/// let path = inbox.link(&"u_bob".parse()?, Timestamp::from_micros(0))?;
/// assert!(path.starts_with("/login?link="));
/// assert!(inbox.link(&"u_mallory".parse()?, Timestamp::from_micros(0)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Inbox(Arc<Inner>);

struct Inner {
    people: People,
    links: Links,
    sessions: Sessions,
    unsigned: Unsigned,
    verifying: Mutex<()>,
}

impl Inbox {
    /// An inbox for these people: those that the gate was opened with.
    #[must_use]
    pub fn new(people: People) -> Self {
        Self(Arc::new(Inner {
            people,
            links: Links::default(),
            sessions: Sessions::default(),
            unsigned: Unsigned::default(),
            verifying: Mutex::new(()),
        }))
    }

    /// The path of a link by which this person gets in once, in the next 15 minutes and only on
    /// this machine; what they then decide is worth A1.
    ///
    /// # Errors
    /// `NotEligible` when there is no such person, or they are disabled; `Misuse` without
    /// randomness.
    pub fn link(&self, person: &PersonId, now: Timestamp) -> Result<String, ApprovalError> {
        let standing = self.0.people.standing(person);
        if !standing.is_some_and(|standing| standing.active) {
            let message = format!("`{person}` is not an active person of people.toml");
            return Err(ApprovalError::new(Code::NotEligible, message));
        }
        let secret = self.0.links.make(person.clone(), now)?;
        Ok(format!("/login?link={}", secret.reveal()))
    }

    pub(crate) fn routes(&self, site: Site) -> Router {
        let base = site.address().in_browsers();
        let settings = site.config().oidc.clone();
        let desk = Desk {
            inbox: Arc::clone(&self.0),
            oidc: settings.map(|settings| Arc::new(Oidc::new(settings, &base))),
            site,
        };
        Router::new()
            .route("/", get(signin::home))
            .route("/login", get(signin::show).post(signin::enter))
            .route("/login/start", get(signin::start))
            .route(CALLBACK, get(signin::callback))
            .route("/logout", post(signin::leave))
            .route("/inbox", get(pages::pending))
            .route("/inbox/history", get(history::history))
            .route("/inbox/verify", get(verify::show).post(verify::run))
            .route("/inbox/passkey", get(enrol::show).post(enrol::entry))
            .route("/inbox/events", get(events::stream))
            .route("/inbox/r/{id}", get(pages::one).post(decide::decide))
            .route("/inbox/r/{id}/receipt", get(pages::receipt))
            .route(
                "/inbox/r/{id}/challenge",
                post(decide::challenge::<decide::Decision>),
            )
            .route(
                "/inbox/r/{id}/review",
                post(decide::challenge::<review::Found>),
            )
            .route("/inbox/r/{id}/signed", post(decide::signed))
            .route("/inbox/assets/inbox.css", get(guard::stylesheet))
            .route("/inbox/assets/inbox.js", get(guard::script))
            .layer(DefaultBodyLimit::max(LARGEST_FORM))
            .layer(axum::middleware::map_response(guard::protect))
            .with_state(desk)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("people", &self.0.people)
            .finish_non_exhaustive()
    }
}

/// What the inbox's handlers work with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    inbox: Arc<Inner>,
    oidc: Option<Arc<Oidc>>,
    site: Site,
}

impl Desk {
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inbox.sessions
    }

    fn oidc(&self) -> Option<&Oidc> {
        self.oidc.as_deref()
    }

    fn people(&self) -> &People {
        &self.inbox.people
    }

    /// Whether people reach it by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.public().is_some()
    }

    fn public(&self) -> Option<String> {
        let url = self.site.address().public_url();
        url.starts_with("https://").then_some(url)
    }

    /// The origin of our pages, when this call came to it. Under any other name a page could be
    /// somebody else's who points that name here.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> Result<String, Refused> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let host = host.filter(|_| hosts.next().is_none()).unwrap_or_default();
        match self.public() {
            Some(url) if url.strip_prefix("https://") == Some(host) => Ok(url),
            None if is_this_machine(host) => Ok(format!("http://{host}")),
            _ => Err(Refused::new(
                Code::NotFound,
                "the inbox is not under this name; open it by the address that `approvals serve` prints",
            )),
        }
    }

    /// The site that passkeys are for: a host name, without the port.
    fn rp_id(&self) -> Result<RpId, Refused> {
        let invalid = |error: approvals_core::directory::InvalidPasskey| {
            Refused::new(Code::Misuse, error.to_string())
        };
        let Some(url) = self.public() else {
            return RpId::new("localhost").map_err(invalid);
        };
        let host = url.trim_start_matches("https://");
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        RpId::new(host).map_err(invalid)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// Whether a `Host` names this machine and nothing that others can point here.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

/// Whether a server at this address can be reached from this machine only.
pub(crate) fn is_local(address: &Address) -> bool {
    address.listen().ip().is_loopback()
}

const LARGEST_FORM: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_three_names() {
        for host in [
            "localhost",
            "localhost:80",
            "127.0.0.1:8087",
            "[::1]:1",
            "[::1]",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:80",
            "127.0.0.1.evil.example",
            "10.0.0.1:80",
            "localhost:x",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
