//! The configuration: `http.toml` in the state directory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use approvals_core::{AgentId, PersonId, Scope};
use serde::Deserialize;

use crate::auth::{Caller, TokenHash};
use crate::instances::{Provisioner, ProvisionerText};
use crate::login::oidc::{OidcText, Secret, Settings};
use crate::webhook::{Endpoint, EndpointText};

/// What `http.toml` says: where to listen, and which token is which agent.
///
/// It decides who may ask in whose name. Without the file the server listens on loopback and knows
/// nobody.
///
/// # Examples
/// ```
/// use approvals_http::Config;
///
/// let config = Config::parse(r#"
///     version = 1
///     address = "127.0.0.1:8087"
///
///     [[agent]]
///     id = "runbook-bot"
///     sponsor = "u_alice"
///     token_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
/// "#)?;
/// assert_eq!(config.address().listen().port(), 8087);
/// assert!(Config::parse("version = 1\naddress = \"0.0.0.0:80\"").is_err());
/// # Ok::<(), approvals_http::InvalidConfig>(())
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) address: Address,
    pub(crate) environment: Option<String>,
    pub(crate) agents: BTreeMap<TokenHash, Caller>,
    pub(crate) readers: BTreeMap<TokenHash, PersonId>,
    pub(crate) tools: BTreeMap<String, Scope>,
    pub(crate) limits: Limits,
    pub(crate) webhooks: Vec<Endpoint>,
    pub(crate) provisioners: BTreeMap<TokenHash, Provisioner>,
    pub(crate) oidc: Option<Settings>,
}

/// Where the server listens, and how others reach it.
#[derive(Debug, Clone)]
pub struct Address {
    listen: SocketAddr,
    public_url: Option<String>,
}

impl Address {
    /// The address that is listened on.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The URL under which people and agents reach the server, without a slash at its end.
    #[must_use]
    pub fn public_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.clone(),
            None => format!("http://{}", self.listen),
        }
    }

    /// The URL under which browsers reach the server: where there is no `public_url`, by the name of
    /// this machine, because that is what passkeys are for.
    pub(crate) fn in_browsers(&self) -> String {
        match &self.public_url {
            Some(url) => url.clone(),
            None => format!("http://localhost:{}", self.listen.port()),
        }
    }
}

/// What one caller may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of one request's body.
    pub(crate) body: usize,
    /// How long one request may take, waiting for people aside.
    pub(crate) patience: Duration,
    /// Calls of one agent in a minute.
    pub(crate) agent_per_minute: NonZeroU32,
    /// Asks of one agent in a minute, retries included.
    pub(crate) asks_per_minute: NonZeroU32,
    /// Looks of one person in a minute.
    pub(crate) person_per_minute: NonZeroU32,
    /// Streams that one person may have open at once.
    pub(crate) streams_per_person: NonZeroU32,
    /// Waits for people that one agent may have open at once.
    pub(crate) waits_per_agent: NonZeroU32,
    /// How long somebody stays signed in.
    pub(crate) session: Duration,
    /// How long somebody stays signed in who does nothing.
    pub(crate) idle: Duration,
}

/// A configuration that cannot be loaded; nothing is served with it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(String);

impl InvalidConfig {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl Default for Config {
    /// Loopback, and nobody known.
    fn default() -> Self {
        Self {
            address: Address {
                listen: DEFAULT_ADDRESS,
                public_url: None,
            },
            environment: None,
            agents: BTreeMap::new(),
            readers: BTreeMap::new(),
            tools: BTreeMap::new(),
            limits: LimitsText::default().read(),
            webhooks: Vec::new(),
            provisioners: BTreeMap::new(),
            oidc: None,
        }
    }
}

impl Config {
    /// Reads a configuration. What is unknown in it is refused.
    ///
    /// # Errors
    /// [`InvalidConfig`] when it is not TOML, has an unknown member, names an agent without a
    /// person behind it, a token twice, or an address that others reach without TLS.
    pub fn parse(text: &str) -> Result<Self, InvalidConfig> {
        let text: Text = toml::from_str(text)
            .map_err(|error| InvalidConfig::new(format!("http.toml: {}", error.message())))?;
        if text.version != 1 {
            return Err(InvalidConfig::new(
                "the version of http.toml is not 1; write `version = 1`",
            ));
        }
        let mut config = Self {
            address: Address::read(text.address, text.public_url)?,
            environment: text.environment,
            oidc: text.oidc.map(OidcText::read).transpose()?,
            limits: text.limits.read(),
            ..Self::default()
        };
        for (name, scope) in text.tools {
            let scope = scope.parse().map_err(invalid)?;
            config.tools.insert(name, scope);
        }
        let mut seen = BTreeSet::new();
        for agent in text.agent {
            let (hash, caller) = agent.read()?;
            distinct(&mut seen, hash)?;
            config.agents.insert(hash, caller);
        }
        for reader in text.reader {
            let hash = reader.token_sha256.parse()?;
            distinct(&mut seen, hash)?;
            config
                .readers
                .insert(hash, reader.person.parse().map_err(invalid)?);
        }
        for provisioner in text.provisioner {
            let (hash, provisioner) = provisioner.read()?;
            distinct(&mut seen, hash)?;
            let mut others = config.provisioners.values();
            if others.any(|other| other.agents == provisioner.agents) {
                return Err(InvalidConfig::new(format!(
                    "two provisioners make agents under `{}`; give each a prefix of its own",
                    provisioner.agents
                )));
            }
            config.provisioners.insert(hash, provisioner);
        }
        for webhook in text.webhook {
            let endpoint = webhook.read()?;
            if config
                .webhooks
                .iter()
                .any(|known| known.name == endpoint.name)
            {
                return Err(InvalidConfig::new(format!(
                    "the webhook `{}` is named twice; its name is where its place in the log is kept",
                    endpoint.name
                )));
            }
            config.webhooks.push(endpoint);
        }
        config.returns_somewhere().map(|()| config)
    }

    /// The file in the state directory that holds the client secret of `[oidc]`, if one is named:
    /// whoever reads it must refuse one that others can open.
    #[must_use]
    pub fn client_secret_file(&self) -> Option<&str> {
        match self.oidc.as_ref()?.secret() {
            Secret::In(file) => Some(file),
            Secret::None | Secret::Known(_) => None,
        }
    }

    /// The same configuration with what stands in that file. Without it nobody can sign in.
    ///
    /// # Errors
    /// [`InvalidConfig`] when it is empty, or there is no `[oidc]`.
    pub fn with_client_secret(mut self, secret: &str) -> Result<Self, InvalidConfig> {
        let oidc = self.oidc.take().ok_or_else(|| {
            InvalidConfig::new("there is no [oidc] in http.toml that the secret is for; add it")
        })?;
        self.oidc = Some(oidc.with_secret(secret)?);
        Ok(self)
    }

    /// Refuses a provider that would send people, and their codes, over an open line.
    fn returns_somewhere(&self) -> Result<(), InvalidConfig> {
        let url = self.address.in_browsers();
        let local = ["http://localhost", "http://127.0.0.1", "http://[::1]"];
        let rest = local.iter().find_map(|name| url.strip_prefix(name));
        let here = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        if self.oidc.is_none() || url.starts_with("https://") || here {
            return Ok(());
        }
        Err(InvalidConfig::new(format!(
            "people would come back from the identity provider to `{url}`, without TLS; say `public_url = \"https://..\"`"
        )))
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The environment of actions that name none, such as `prod`.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// The same configuration on another address; of tests and of `approvals serve --listen`.
    ///
    /// # Errors
    /// [`InvalidConfig`] when others would reach it without TLS.
    pub fn listening_on(mut self, address: SocketAddr) -> Result<Self, InvalidConfig> {
        self.address = Address::read(Some(address), self.address.public_url.take())?;
        Ok(self)
    }

    /// The same configuration with one more agent.
    #[must_use]
    pub fn with_agent(mut self, token: TokenHash, caller: Caller) -> Self {
        self.agents.insert(token, caller);
        self
    }

    /// The same configuration with one more person who may look.
    #[must_use]
    pub fn with_reader(mut self, token: TokenHash, person: PersonId) -> Self {
        self.readers.insert(token, person);
        self
    }
}

impl Address {
    fn read(
        address: Option<SocketAddr>,
        public_url: Option<String>,
    ) -> Result<Self, InvalidConfig> {
        let listen = address.unwrap_or(DEFAULT_ADDRESS);
        let secure = public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"));
        if !listen.ip().is_loopback() && !secure {
            return Err(InvalidConfig::new(format!(
                "`{listen}` can be reached from elsewhere, and tokens would pass in the clear; put a TLS proxy in front and say `public_url = \"https://..\"`, or listen on 127.0.0.1"
            )));
        }
        let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
        Ok(Self { listen, public_url })
    }
}

const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8087);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    address: Option<SocketAddr>,
    public_url: Option<String>,
    environment: Option<String>,
    #[serde(default)]
    limits: LimitsText,
    oidc: Option<OidcText>,
    #[serde(default)]
    tools: BTreeMap<String, String>,
    #[serde(default)]
    agent: Vec<AgentText>,
    #[serde(default)]
    reader: Vec<ReaderText>,
    #[serde(default)]
    webhook: Vec<EndpointText>,
    #[serde(default)]
    provisioner: Vec<ProvisionerText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentText {
    id: String,
    sponsor: Option<String>,
    owner: Option<String>,
    token_sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReaderText {
    person: String,
    token_sha256: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct LimitsText {
    body_bytes: Option<usize>,
    patience_s: Option<u64>,
    agent_per_minute: Option<NonZeroU32>,
    asks_per_minute: Option<NonZeroU32>,
    person_per_minute: Option<NonZeroU32>,
    streams_per_person: Option<NonZeroU32>,
    waits_per_agent: Option<NonZeroU32>,
    session_s: Option<u64>,
    idle_s: Option<u64>,
}

impl AgentText {
    fn read(self) -> Result<(TokenHash, Caller), InvalidConfig> {
        let id: AgentId = self.id.parse().map_err(invalid)?;
        let person = |text: Option<String>| text.map(|text| text.parse::<PersonId>()).transpose();
        let sponsor = person(self.sponsor).map_err(invalid)?;
        let owner = person(self.owner).map_err(invalid)?;
        if sponsor.is_none() && owner.is_none() {
            return Err(InvalidConfig::new(format!(
                "nobody stands behind the agent `{id}`; name a `sponsor` or an `owner`, who then cannot approve what it asks"
            )));
        }
        Ok((self.token_sha256.parse()?, Caller::new(id, sponsor, owner)))
    }
}

impl LimitsText {
    fn read(self) -> Limits {
        let many = |given: Option<NonZeroU32>, usual: u32| {
            given.unwrap_or(NonZeroU32::new(usual).unwrap_or(NonZeroU32::MIN))
        };
        Limits {
            body: self.body_bytes.unwrap_or(256 * 1024),
            patience: Duration::from_secs(self.patience_s.unwrap_or(30)),
            agent_per_minute: many(self.agent_per_minute, 600),
            asks_per_minute: many(self.asks_per_minute, 60),
            person_per_minute: many(self.person_per_minute, 600),
            streams_per_person: many(self.streams_per_person, 16),
            waits_per_agent: many(self.waits_per_agent, 1_000),
            session: Duration::from_secs(self.session_s.unwrap_or(8 * 3_600)),
            idle: Duration::from_secs(self.idle_s.unwrap_or(3_600)),
        }
    }
}

fn distinct(seen: &mut BTreeSet<TokenHash>, hash: TokenHash) -> Result<(), InvalidConfig> {
    match seen.insert(hash) {
        true => Ok(()),
        false => Err(InvalidConfig::new(format!(
            "the token with the hash `{hash}` is named twice; give each agent and each person a token of their own"
        ))),
    }
}

fn invalid(error: impl std::fmt::Display) -> InvalidConfig {
    InvalidConfig::new(format!("http.toml: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let result = Config::parse(&format!("version = 1\n{text}"));
        match (result, expected) {
            (Ok(_), None) => {}
            (Err(error), Some(part)) => {
                assert!(error.to_string().contains(part), "{text}: {error}");
            }
            (result, _) => panic!("{text}: {result:?}"),
        }
    }

    #[test]
    fn a_configuration_says_what_is_wrong_with_it() {
        let hash = TokenHash::of("t");
        let agent =
            format!("[[agent]]\nid = \"bot\"\nsponsor = \"u_alice\"\ntoken_sha256 = \"{hash}\"\n");
        let orphan = format!("[[agent]]\nid = \"bot\"\ntoken_sha256 = \"{hash}\"\n");
        let reader = format!("[[reader]]\nperson = \"u_bob\"\ntoken_sha256 = \"{hash}\"\n");
        check("", None);
        check(&agent, None);
        check(&reader, None);
        check(&orphan, Some("nobody stands behind"));
        check(&format!("{agent}{agent}"), Some("named twice"));
        check(&format!("{agent}{reader}"), Some("named twice"));
        check("agents = []", Some("unknown field"));
        check("address = \"0.0.0.0:80\"", Some("put a TLS proxy in front"));
        check("address = \"[::1]:80\"", None);
        check(
            "address = \"0.0.0.0:80\"\npublic_url = \"https://a.example\"",
            None,
        );
        check(
            "address = \"0.0.0.0:80\"\npublic_url = \"http://a.example\"",
            Some("TLS"),
        );
        check("[tools]\nBash = \"shell\"", Some("not a"));
        check("[tools]\nBash = \"shell.run\"", None);
        let oidc = "[oidc]\nissuer = \"https://id.example\"\nclient_id = \"a\"\namr = [\"mfa\"]\n";
        check(oidc, None);
        let at = |url: &str| format!("public_url = \"{url}\"\n{oidc}");
        check(&at("https://a.example"), None);
        check(&at("http://localhost:8087"), None);
        check(&at("http://a.example"), Some("without TLS"));
        check(&at("http://localhost.a.example"), Some("without TLS"));
    }
}
