//! What the provider says about itself, and its keys: fetched when they are needed, kept for a day.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::keys::Keys;
use super::settings::{Secret, Settings, is_local};
use super::web::{self, WebError};

/// For how long what was fetched is used.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a key that is not known makes us look for new ones: anybody can name one.
const UNKNOWN: Duration = Duration::from_secs(60);

/// How often the provider is asked again after it could not be had.
const AGAIN: Duration = Duration::from_secs(5);

/// The provider's document, as far as it is used. What it names must be reached by TLS.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// One provider, asked over one client.
#[derive(Debug)]
pub(super) struct Provider {
    client: Result<Client, WebError>,
    issuer: String,
    local: bool,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    document: Option<(Arc<Document>, Instant)>,
    keys: Option<(Arc<Keys>, Instant)>,
    /// When the document, or the keys, were last asked for.
    asked: Option<Instant>,
    asked_keys: Option<Instant>,
}

#[derive(Deserialize)]
struct Issued {
    id_token: String,
}

impl Provider {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            client: web::client(settings.is_local()),
            issuer: settings.issuer().to_owned(),
            local: settings.is_local(),
            kept: Mutex::default(),
        }
    }

    /// The document, fetched when it is a day old.
    pub(super) async fn document(&self) -> Result<Arc<Document>, WebError> {
        let mut kept = self.kept.lock().await;
        if let Some((document, at)) = &kept.document
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(document));
        }
        if !older(kept.asked, AGAIN) {
            return Err(WebError::new("it could not be asked a moment ago"));
        }
        kept.asked = Some(Instant::now());
        let document = Arc::new(self.fetch().await?);
        kept.document = Some((Arc::clone(&document), Instant::now()));
        Ok(document)
    }

    async fn fetch(&self) -> Result<Document, WebError> {
        let issuer = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        let place = format!("{issuer}/.well-known/openid-configuration");
        let document: Document = web::json(self.get(&place).await?).await?;
        if document.issuer != self.issuer {
            return Err(WebError::new("its document is of another issuer"));
        }
        for url in [
            &document.authorization_endpoint,
            &document.token_endpoint,
            &document.jwks_uri,
        ] {
            self.fits(url)?;
        }
        let methods = document.code_challenge_methods_supported.as_ref();
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err(WebError::new("it does not know PKCE with S256"));
        }
        Ok(document)
    }

    /// The keys, fetched when they are a day old, or when the one that is named is not among them
    /// and nobody looked for a minute.
    pub(super) async fn keys(&self, named: Option<&str>) -> Result<Arc<Keys>, WebError> {
        let document = self.document().await?;
        let mut kept = self.kept.lock().await;
        let fresh = kept.keys.as_ref().filter(|(_, at)| at.elapsed() < FRESH);
        let known = fresh.is_some_and(|(keys, _)| named.is_none_or(|kid| keys.has(kid)));
        let pause = if fresh.is_some() { UNKNOWN } else { AGAIN };
        if !known && older(kept.asked_keys, pause) {
            kept.asked_keys = Some(Instant::now());
            let bytes = web::body(self.get(&document.jwks_uri).await?).await?;
            let keys =
                Keys::parse(&bytes).ok_or_else(|| WebError::new("its keys are not a JWK set"))?;
            kept.keys = Some((Arc::new(keys), Instant::now()));
        }
        match &kept.keys {
            Some((keys, at)) if at.elapsed() < FRESH => Ok(Arc::clone(keys)),
            _ => Err(WebError::new("its keys could not be had a moment ago")),
        }
    }

    /// Trades a code for an ID token, which nobody has believed yet.
    pub(super) async fn token(
        &self,
        known: &Document,
        form: &[(&str, &str)],
        settings: &Settings,
    ) -> Result<String, WebError> {
        let call = self.client()?.post(known.token_endpoint.as_str());
        let mut form = form.to_vec();
        let call = match settings.secret() {
            Secret::None => {
                form.push(("client_id", settings.client_id()));
                call
            }
            Secret::Known(secret) if known.takes("client_secret_basic") => {
                // The standard has both encoded as in a form first (RFC 6749 §2.3.1).
                let basic = |text: &str| {
                    let pairs = [("", text)];
                    let mut encoded = Url::parse("x:?").ok()?;
                    encoded.query_pairs_mut().extend_pairs(pairs);
                    encoded.query()?.strip_prefix('=').map(str::to_owned)
                };
                let pair = basic(settings.client_id()).zip(basic(secret));
                let (id, secret) = pair.ok_or_else(|| WebError::new("the secret has no form"))?;
                call.basic_auth(id, Some(secret))
            }
            Secret::Known(secret) => {
                form.push(("client_id", settings.client_id()));
                form.push(("client_secret", secret));
                call
            }
            Secret::In(_) => {
                return Err(WebError::new(
                    "the client secret was not read; start the server as `approvals serve`, or give it to the configuration",
                ));
            }
        };
        let answer = call.form(&form).send().await;
        let answer = answer.map_err(|error| WebError::of(&error))?;
        Ok(web::json::<Issued>(answer).await?.id_token)
    }

    async fn get(&self, url: &str) -> Result<reqwest::Response, WebError> {
        let answer = self.client()?.get(url).send().await;
        answer.map_err(|error| WebError::of(&error))
    }

    fn client(&self) -> Result<&Client, WebError> {
        self.client.as_ref().map_err(WebError::clone)
    }

    fn fits(&self, url: &str) -> Result<(), WebError> {
        let url = Url::parse(url).ok();
        let good = url.is_some_and(|url| match url.scheme() {
            "https" => true,
            "http" => self.local && is_local(&url),
            _ => false,
        });
        match good {
            true => Ok(()),
            false => Err(WebError::new("its document names an address without TLS")),
        }
    }
}

impl Document {
    /// Whether clients may prove themselves so; `client_secret_basic` is what is meant by nothing.
    fn takes(&self, method: &str) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        methods.is_none_or(|methods| methods.iter().any(|known| known == method))
    }
}

fn older(at: Option<Instant>, than: Duration) -> bool {
    at.is_none_or(|at| at.elapsed() >= than)
}
