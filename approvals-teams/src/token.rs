//! Our own token: what the connectors know this app by. It is kept until shortly before it ends.

use std::time::{Duration, Instant};

use approvals_core::{Clock as _, SystemClock};
use reqwest::Client;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::cloud::Cloud;
use crate::secret::Credential;
use crate::web::{self, WebError};
use approvals_core::secret::Secret;

/// How long before its end a token is replaced.
const EARLY: Duration = Duration::from_secs(300);

/// Gets the app's token by its secret or certificate, and keeps it.
#[derive(Debug)]
pub(crate) struct Tokens {
    app: String,
    tenant: String,
    credential: Credential,
    kept: Mutex<Option<(Secret, Instant)>>,
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Rejected {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_codes: Vec<u64>,
}

impl Tokens {
    pub(crate) fn new(app: &str, tenant: &str, credential: Credential) -> Self {
        Self {
            app: app.to_owned(),
            tenant: tenant.to_owned(),
            credential,
            kept: Mutex::default(),
        }
    }

    /// The token; asked for when there is none that lasts.
    pub(crate) async fn get(&self, web: &Client, cloud: &Cloud) -> Result<Secret, WebError> {
        let mut kept = self.kept.lock().await;
        if let Some((token, until)) = &*kept
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let issued = self.ask(web, cloud).await?;
        let lasts = Duration::from_secs(issued.expires_in).saturating_sub(EARLY);
        let token = Secret::new(issued.access_token);
        *kept = Some((
            token.clone(),
            Instant::now() + lasts.min(Duration::from_secs(86_400)),
        ));
        Ok(token)
    }

    /// Forgets the token: a connector did not take it.
    pub(crate) async fn forget(&self) {
        *self.kept.lock().await = None;
    }

    async fn ask(&self, web: &Client, cloud: &Cloud) -> Result<Issued, WebError> {
        let url = format!("{}/{}/oauth2/v2.0/token", cloud.login, self.tenant);
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.app),
            ("scope", &cloud.scope),
        ];
        let signed;
        match &self.credential {
            Credential::Secret(secret) => form.push(("client_secret", secret.reveal())),
            Credential::Certificate(certificate) => {
                let now = SystemClock.now().as_micros() / 1_000_000;
                let now = u64::try_from(now).unwrap_or(0);
                signed = certificate
                    .assertion_for(&self.app, &url, now)
                    .ok_or_else(|| WebError::new("the certificate's key cannot sign"))?;
                form.push(("client_assertion_type", ASSERTION));
                form.push(("client_assertion", signed.reveal()));
            }
        }
        let answer = web.post(&url).form(&form).send().await;
        let answer = answer.map_err(|error| WebError::of(&error))?;
        let status = answer.status();
        if status.is_success() {
            return web::json(answer).await;
        }
        let why: Rejected = web::json(answer).await.unwrap_or(Rejected {
            error: String::new(),
            error_codes: Vec::new(),
        });
        let codes: Vec<_> = why
            .error_codes
            .iter()
            .map(|code| format!("AADSTS{code}"))
            .collect();
        // The description may quote what was sent; the stable names may not.
        let error: String = why
            .error
            .chars()
            .filter(|c| c.is_ascii_lowercase() || *c == '_')
            .take(64)
            .collect();
        Err(WebError::new(format!(
            "the login service refused the app with {status} {error} {}; check the app id, the tenant and the secret",
            codes.join(" ")
        )))
    }
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
