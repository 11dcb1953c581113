//! Login by an identity provider: OpenID Connect, the code flow with PKCE, and nothing else of it.
//!
//! A login is believed for what the signed ID token says, and for nothing that a browser brings.
//! It proves `A2` while it is fresh. Whoever holds the account is looked up by issuer and subject;
//! e-mail addresses are never read.
//!
//! Trusted: the provider can sign in as anybody who has an account there. Where that is too much,
//! a policy asks for `A3`.

mod flow;
mod keys;
mod provider;
mod settings;
mod token;
mod web;

use std::fmt;
use std::time::Duration;

use approvals_core::{ApprovalError, Code, RequestId, Timestamp};
use axum::http::HeaderMap;
use reqwest::Url;
use serde::Deserialize;

use crate::auth::{Token, TokenHash};
use flow::{Flow, Flows};
use provider::{Document, Provider};

pub(crate) use settings::{OidcText, Secret, Settings};
pub(crate) use token::Login;

use super::session::cookie_of;

/// One identity provider, and the logins that are on their way.
pub(crate) struct Oidc {
    settings: Settings,
    /// Where the provider sends people back to: registered there, to the byte.
    redirect: String,
    provider: Provider,
    flows: Flows,
}

/// What a browser brings back from the provider. Other members are allowed; a member twice is not.
#[derive(Debug, Deserialize)]
pub(crate) struct Returned {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// How a login is meant.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish {
    /// The request to come back to. Never an address: there is no way to be sent elsewhere.
    pub(crate) request: Option<RequestId>,
    /// Whether the person must prove themselves anew, however fresh the provider's own session is.
    pub(crate) again: bool,
}

impl Oidc {
    /// A provider whose people come back to `base`, our own address as browsers have it.
    pub(crate) fn new(settings: Settings, base: &str) -> Self {
        Self {
            redirect: format!("{base}{CALLBACK}"),
            provider: Provider::new(&settings),
            flows: Flows::default(),
            settings,
        }
    }

    /// The name to show: the provider's host.
    pub(crate) fn name(&self) -> String {
        let url = Url::parse(self.settings.issuer()).ok();
        let host = url.and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_else(|| self.settings.issuer().to_owned())
    }

    /// How long a login is a fresh one.
    pub(crate) fn fresh(&self) -> Duration {
        self.settings.fresh()
    }

    /// Begins a login: the secret of its cookie, and where to send the browser.
    pub(crate) async fn begin(
        &self,
        wish: Wish,
        now: Timestamp,
    ) -> Result<(Token, String), ApprovalError> {
        let known = self.provider.document().await.map_err(away)?;
        let (flow, keeps) = Flow::new(wish, now)?;
        let mut url = Url::parse(&known.authorization_endpoint).map_err(|_| {
            ApprovalError::new(Code::Misuse, "the provider's document names no address")
        })?;
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", self.settings.client_id())
                .append_pair("redirect_uri", &self.redirect)
                .append_pair("scope", "openid")
                .append_pair("state", keeps.state.reveal())
                .append_pair("nonce", keeps.nonce.reveal())
                .append_pair("code_challenge", &flow.challenge())
                .append_pair("code_challenge_method", "S256");
            let age = match wish.again {
                true => 0,
                false => self.settings.fresh().as_secs(),
            };
            query.append_pair("max_age", &age.to_string());
            if wish.again {
                query.append_pair("prompt", "login");
            }
            if !self.settings.acr().is_empty() {
                query.append_pair("acr_values", &self.settings.acr().join(" "));
            }
        }
        self.flows.keep(&keeps.cookie, flow, now);
        Ok((keeps.cookie, url.into()))
    }

    /// Ends a login with what the browser brought back. Whatever comes of it, it cannot be tried
    /// again.
    pub(crate) async fn finish(
        &self,
        headers: &HeaderMap,
        secure: bool,
        back: Returned,
        now: Timestamp,
    ) -> Result<(Login, Wish), ApprovalError> {
        let flow = self.flow(headers, secure, now)?;
        let state = back.state.as_deref().unwrap_or_default();
        if !flow.is(state) {
            return Err(refuse("this answer belongs to another login"));
        }
        let known = self.provider.document().await.map_err(away)?;
        self.is_its_own(&back, &known)?;
        if let Some(error) = &back.error {
            return Err(refuse(&format!(
                "the identity provider said no (`{}`)",
                word(error)
            )));
        }
        let code = back.code.as_deref().filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| refuse("the identity provider sent no code"))?;
        let token = self.exchange(&known, code, &flow).await?;
        let named = token::named(&token).map_err(not_believed)?;
        let keys = self.provider.keys(named.as_deref()).await.map_err(away)?;
        let expected = token::Expected {
            settings: &self.settings,
            nonce: flow.nonce(),
            since: match flow.wish().again {
                true => flow.began(),
                false => now.before(self.settings.fresh()),
            },
            now,
        };
        let login = token::verify(&token, &keys, &expected)?;
        Ok((login, flow.wish()))
    }

    /// The login that this browser began, used up by looking.
    fn flow(
        &self,
        headers: &HeaderMap,
        secure: bool,
        now: Timestamp,
    ) -> Result<Flow, ApprovalError> {
        let cookie: Option<TokenHash> = cookie_of(headers, cookie_name(secure));
        let flow = cookie.and_then(|cookie| self.flows.take(&cookie, now));
        flow.ok_or_else(|| refuse("no login of this browser waits for that answer"))
    }

    /// Another provider's answer must not be taken for this one's ([RFC 9207]).
    ///
    /// [RFC 9207]: https://www.rfc-editor.org/rfc/rfc9207
    fn is_its_own(&self, back: &Returned, known: &Document) -> Result<(), ApprovalError> {
        let required = known.authorization_response_iss_parameter_supported;
        match &back.iss {
            Some(iss) if iss == self.settings.issuer() => Ok(()),
            None if !required => Ok(()),
            _ => Err(refuse("the answer is not from this identity provider")),
        }
    }

    async fn exchange(
        &self,
        known: &Document,
        code: &str,
        flow: &Flow,
    ) -> Result<String, ApprovalError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", flow.verifier()),
        ];
        let issued = self.provider.token(known, &form, &self.settings).await;
        issued.map_err(|error| {
            tracing::warn!(%error, "a login could not be finished");
            refuse("the identity provider did not take the code")
        })
    }
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The cookie that ties a login to the browser that began it.
pub(crate) fn flow_cookie(secret: &Token, secure: bool) -> String {
    let secrecy = if secure { "; Secure" } else { "" };
    format!(
        "{}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secrecy}",
        cookie_name(secure),
        secret.reveal(),
        flow::LASTS.as_secs()
    )
}

/// The cookie that ends it.
pub(crate) fn flow_gone(secure: bool) -> String {
    let secrecy = if secure { "; Secure" } else { "" };
    let name = cookie_name(secure);
    format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{secrecy}")
}

fn cookie_name(secure: bool) -> &'static str {
    match secure {
        true => "__Host-approvals-login",
        false => "approvals-login",
    }
}

fn refuse(what: &str) -> ApprovalError {
    ApprovalError::new(Code::Unauthenticated, format!("{what}; sign in again"))
}

fn not_believed(why: token::Unbelieved) -> ApprovalError {
    tracing::warn!(%why, "an ID token was not believed");
    why.into()
}

fn away(error: web::WebError) -> ApprovalError {
    tracing::warn!(%error, "the identity provider cannot be used");
    let message = "the identity provider cannot be asked now, so nobody is signed in; try again, and see the server's log";
    ApprovalError::new(Code::IdentityUnresolved, message)
}

/// The stable name of an error; whatever else stands there is not repeated.
fn word(error: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    error.chars().filter(plain).take(40).collect()
}

/// Where the provider sends people back to.
pub(crate) const CALLBACK: &str = "/login/callback";
