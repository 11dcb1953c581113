//! Sessions, by the hash of their secret.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use approvals_core::directory::local_identity;
use approvals_core::review::Evidence;
use approvals_core::{
    ApprovalError, Assurance, Code, PersonId, RequestId, Timestamp, VerifiedApprover,
};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use crate::auth::{Token, TokenHash};
use crate::inbox::{Desk, Refused};
use crate::login::oidc::Login;

/// How it was proven who somebody is.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    /// A one-time link, by an operator of this machine.
    Link,
    /// A login at the identity provider, and how long it is a fresh one.
    Login(Login, Duration),
}

/// One person, signed in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) person: PersonId,
    /// Stands in every form: what a page of somebody else cannot know.
    pub(crate) csrf: String,
    proof: Proof,
    /// When it ends, whatever happens.
    until: Timestamp,
    /// When its person last did something.
    active: Timestamp,
    /// The time of the call that it was looked up for.
    now: Timestamp,
}

impl Session {
    /// How well it is proven, now, who this is. A login proves less when it is no longer fresh.
    pub(crate) fn assurance(&self) -> Assurance {
        match &self.proof {
            Proof::Login(login, fresh) if login.at().after(*fresh) > self.now => Assurance::A2,
            _ => Assurance::A1,
        }
    }

    /// Whether a new login could prove more than this session does now.
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self.proof, Proof::Login(..)) && self.assurance() < Assurance::A2
    }

    /// How it was proven, in words for people.
    pub(crate) fn how(&self) -> &'static str {
        match (&self.proof, self.is_stale()) {
            (Proof::Link, _) => "one-time link",
            (Proof::Login(..), false) => "fresh login",
            (Proof::Login(..), true) => "login of a while ago",
        }
    }

    /// The person's account, as the login proved it: by the identity provider, or by the operator
    /// of this machine who gave them a link.
    pub(crate) fn approver(&self) -> Result<VerifiedApprover, ApprovalError> {
        let (identity, evidence) = match &self.proof {
            Proof::Login(login, _) => (login.identity().clone(), login.evidence()),
            Proof::Link => {
                let identity = local_identity(&self.person).map_err(|error| {
                    ApprovalError::new(Code::IdentityUnresolved, error.to_string())
                })?;
                (identity, Evidence::new("link"))
            }
        };
        Ok(VerifiedApprover::assertion(
            identity,
            self.assurance(),
            evidence,
        ))
    }

    /// Refuses a form that was not on a page of this session.
    pub(crate) fn check(&self, csrf: &str) -> Result<(), Refused> {
        // Of digests, so that comparing gives no time away.
        if TokenHash::of(csrf) == TokenHash::of(&self.csrf) {
            return Ok(());
        }
        let message = "this form is not from a page of your session; open the request again";
        Err(Refused::new(Code::Unauthenticated, message))
    }
}

/// Everybody who is signed in.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<TokenHash, Session>>);

impl Sessions {
    /// Signs a person in; the answer is the secret of the cookie.
    pub(crate) fn open(
        &self,
        person: PersonId,
        proof: Proof,
        lasts: Duration,
        now: Timestamp,
    ) -> Result<Token, ApprovalError> {
        let (secret, csrf) = (Token::generate()?, Token::generate()?);
        let session = Session {
            person,
            csrf: csrf.reveal().to_owned(),
            proof,
            until: now.after(lasts),
            active: now,
            now,
        };
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.until > now);
        if sessions.len() >= MOST {
            let message = "too many people are signed in; try again later";
            return Err(ApprovalError::new(Code::RateLimited, message));
        }
        sessions.insert(secret.hash(), session);
        Ok(secret)
    }

    /// The session of a secret, while it lasts and its person has not been away for `idle`.
    pub(crate) fn of(&self, secret: &TokenHash, idle: Duration, now: Timestamp) -> Option<Session> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get_mut(secret)?;
        if session.until <= now || session.active.after(idle) <= now {
            sessions.remove(secret);
            return None;
        }
        session.now = now;
        Some(session.clone())
    }

    /// Remembers that the person of a session did something.
    fn touch(&self, secret: &TokenHash, now: Timestamp) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = sessions.get_mut(secret) {
            session.active = now;
        }
    }

    pub(crate) fn close(&self, secret: &TokenHash) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(secret);
    }
}

/// Somebody with a session, on a page of ours, who does not ask too often.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) session: Session,
    pub(crate) secret: TokenHash,
}

impl FromRequestParts<Desk> for SignedIn {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Refused> {
        let origin = desk.origin(&parts.headers)?;
        if parts.method != Method::GET {
            from_our_pages(&parts.headers, &origin)?;
        }
        let signed_out = || Refused::signed_out(request_of(parts.uri.path()));
        let secret = secret(&parts.headers, desk.is_secure()).ok_or_else(signed_out)?;
        let (site, now) = (desk.site(), desk.site().now());
        let session = desk.sessions().of(&secret, site.config().limits.idle, now);
        let session = session.ok_or_else(signed_out)?;
        site.count_look(&session.person).map_err(Refused::from)?;
        // Whoever has left may not look either.
        site.still_here(&session.person).await?;
        if by_hand(parts) {
            desk.sessions().touch(&secret, now);
        }
        Ok(Self { session, secret })
    }
}

/// The request that a page is about, to come back to it.
fn request_of(path: &str) -> Option<RequestId> {
    path.strip_prefix("/inbox/r/")?.parse().ok()
}

/// Whether a person did this, and not a page that keeps itself up to date: an open window must not
/// keep its session alive.
fn by_hand(parts: &Parts) -> bool {
    let mode = parts.headers.get("sec-fetch-mode");
    parts.method != Method::GET || mode.is_none_or(|mode| mode == "navigate")
}

/// Refuses what another site's page sent, as browsers tell.
pub(crate) fn from_our_pages(headers: &HeaderMap, origin: &str) -> Result<(), Refused> {
    let says = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let ours = match (says("origin"), says("sec-fetch-site")) {
        (Some(from), _) => from == origin,
        (None, Some(site)) => site == "same-origin",
        (None, None) => true,
    };
    match ours {
        true => Ok(()),
        false => Err(Refused::new(
            Code::Unauthenticated,
            "another site's page sent this; open the request here and decide again",
        )),
    }
}

/// The one session cookie of a call; two are none.
pub(crate) fn secret(headers: &HeaderMap, secure: bool) -> Option<TokenHash> {
    cookie_of(headers, name(secure))
}

/// The hash of the one cookie of this name; two are none.
pub(super) fn cookie_of(headers: &HeaderMap, name: &str) -> Option<TokenHash> {
    let lines = headers.get_all(header::COOKIE).iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    let mut found = texts
        .flat_map(|text| text.split("; "))
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| *key == name);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Some(TokenHash::of(value)),
        _ => None,
    }
}

/// The cookie that holds a session's secret.
pub(crate) fn cookie(secret: &Token, lasts: Duration, secure: bool) -> String {
    let secrecy = if secure { "; Secure" } else { "" };
    format!(
        "{}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secrecy}",
        name(secure),
        secret.reveal(),
        lasts.as_secs()
    )
}

/// The cookie that ends it in the browser.
pub(crate) fn gone(secure: bool) -> String {
    let secrecy = if secure { "; Secure" } else { "" };
    format!(
        "{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{secrecy}",
        name(secure)
    )
}

/// With TLS a browser takes the name only from the host itself, and only with `Secure`.
fn name(secure: bool) -> &'static str {
    match secure {
        true => "__Host-approvals",
        false => "approvals",
    }
}

const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_itself_and_when_its_person_is_away() {
        let (sessions, start) = (Sessions::default(), Timestamp::from_micros(1));
        let (lasts, idle) = (Duration::from_secs(1_000), Duration::from_secs(100));
        let open = || {
            let person = "u_dana".parse().unwrap();
            sessions
                .open(person, Proof::Link, lasts, start)
                .unwrap()
                .hash()
        };
        let at = |seconds| start.after(Duration::from_secs(seconds));
        let away = open();
        assert!(sessions.of(&away, idle, at(99)).is_some());
        assert!(sessions.of(&away, idle, at(100)).is_none());
        assert!(
            sessions.of(&away, idle, at(1)).is_none(),
            "it is gone for good"
        );
        let busy = open();
        for seconds in (50..1_000).step_by(50) {
            assert!(sessions.of(&busy, idle, at(seconds)).is_some(), "{seconds}");
            sessions.touch(&busy, at(seconds));
        }
        assert!(sessions.of(&busy, idle, at(1_000)).is_none());
    }
}
