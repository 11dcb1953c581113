//! One witness, asked over HTTP.

use std::error::Error;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::ledger::{WitnessAnswer, WitnessKey};
use approvals_core::ports::{Witness, WitnessError, WitnessReply};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::address::{Address, AddressError};

/// Asks one witness for its cosignature: its answer counts only with its signature, and no answer counts for none.
///
/// Each request has a connection of its own and ends within [`HttpWitness::PATIENCE`], name look-up and body
/// included. No redirection is followed: its target would be asked in the name of nobody's policy. A machine
/// elsewhere is reached through the proxy that the environment names, if any.
///
/// # Examples
/// ```
/// use approvals_anchor::HttpWitness;
/// use approvals_core::ledger::WitnessKey;
///
/// let key = WitnessKey::ed25519("witness.example/w1".parse()?, [7; 32]);
/// let witness = HttpWitness::new(key.clone(), "https://witness.example/w1")?;
/// assert!(HttpWitness::new(key, "witness.example").is_err(), "how is it to be asked?");
/// # drop(witness);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct HttpWitness {
    key: WitnessKey,
    address: Address,
    patience: Duration,
}

impl HttpWitness {
    /// How long one request may take, unless another time is set.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// The witness with this key, asked at this submission prefix.
    ///
    /// # Errors
    /// [`AddressError`] unless the prefix is an `http` or `https` URL without user, query and fragment.
    pub fn new(key: WitnessKey, prefix: &str) -> Result<Self, AddressError> {
        Ok(Self {
            key,
            address: Address::parse(prefix)?,
            patience: Self::PATIENCE,
        })
    }

    /// Another time that one request may take.
    #[must_use]
    pub fn patience(mut self, at_most: Duration) -> Self {
        self.patience = at_most;
        self
    }

    fn agent(&self) -> Result<Agent, WitnessError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .timeout_global(Some(self.patience))
            .user_agent("approvals");
        let config = match self.address.is_local {
            true => config.proxy(None),
            false => config,
        };
        let config = match self.address.is_tls {
            true => config.tls_config(tls()?),
            false => config,
        };
        Ok(config.build().new_agent())
    }
}

impl Witness for HttpWitness {
    fn key(&self) -> &WitnessKey {
        &self.key
    }

    fn add_checkpoint(&self, request: &str) -> Result<WitnessReply, WitnessError> {
        let no_answer = |error: &dyn Error| {
            WitnessError(format!("no answer from `{}` ({error})", self.address.url))
        };
        let request = self.agent()?.post(&self.address.url).send(request);
        let reply = request.map_err(|error| no_answer(&error))?;
        let status = reply.status().as_u16();
        let most = WitnessAnswer::MAX_BYTES as u64 + 1;
        let mut body = Vec::new();
        let read = reply
            .into_body()
            .into_reader()
            .take(most)
            .read_to_end(&mut body);
        read.map_err(|error| no_answer(&error))?;
        Ok(WitnessReply { status, body })
    }
}

/// TLS as rustls and ring do it, with the authorities that this machine trusts.
fn tls() -> Result<TlsConfig, WitnessError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map(ToString::to_string);
        let why = why.unwrap_or_else(|| "there are none".to_owned());
        return Err(WitnessError(format!(
            "this machine trusts no certificate authority ({why}); install some, such as the package `ca-certificates`"
        )));
    }
    let certificates = found
        .certs
        .iter()
        .map(|der| Certificate::from_der(der).to_owned());
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&certificates.collect::<Vec<_>>()))
        .build())
}
