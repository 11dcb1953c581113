//! The configuration: `teams.toml` in the state directory. It holds no secret, only where one is.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::cloud::{Cloud, is_loopback};
use crate::secret::{Certificate, Credential, Kept, read_private};
use approvals_core::secret::Secret;

/// What `teams.toml` says: which app this is, in which tenant, and who is asked.
///
/// An empty app id, tenant or secret is refused: with one, other libraries take whatever comes in.
///
/// # Examples
/// ```
/// use std::path::Path;
/// use approvals_teams::Config;
///
/// let text = r#"
///     version = 1
///     app_id = "11111111-2222-4333-8444-555555555555"
///     tenant = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
///     secret = { env = "PATH" }        # the name of the variable, never the secret
///
///     [[post]]
///     channel = "19:approvals@thread.tacv2"
/// "#;
/// assert!(Config::parse(text, Path::new(".")).is_ok());
/// let empty = text.replace("11111111-2222-4333-8444-555555555555", "");
/// assert!(Config::parse(&empty, Path::new(".")).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) app: String,
    pub(crate) tenant: String,
    pub(crate) cloud: Cloud,
    pub(crate) credential: Credential,
    pub(crate) posts: Vec<Post>,
    pub(crate) workflows: Vec<Workflow>,
    pub(crate) listing: Listing,
}

/// One conversation that requests are posted to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Post {
    /// A channel of a team, by its thread id.
    Channel(String),
    /// A group chat, by its thread id.
    Chat(String),
    /// A person, by Entra object id.
    Person(String),
}

/// A Workflows webhook: a notification in one direction, which nobody can decide from.
#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    pub(crate) name: String,
    pub(crate) url: Secret,
    pub(crate) link: String,
}

/// What the app's package says about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listing {
    pub(crate) name: String,
    pub(crate) developer: String,
    pub(crate) website: String,
    pub(crate) privacy: Option<String>,
    pub(crate) terms: Option<String>,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            name: "Approvals".to_owned(),
            developer: "Approvals".to_owned(),
            website: "https://example.com".to_owned(),
            privacy: None,
            terms: None,
        }
    }
}

/// A configuration that cannot be loaded; nothing is sent or taken with it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(String);

impl InvalidConfig {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u64,
    app_id: String,
    tenant: String,
    #[serde(default = "public")]
    cloud: String,
    secret: Option<Kept>,
    certificate: Option<CertificateText>,
    #[serde(default)]
    post: Vec<Post>,
    #[serde(default)]
    workflow: Vec<WorkflowText>,
    #[serde(default)]
    listing: Listing,
}

fn public() -> String {
    "public".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateText {
    file: std::path::PathBuf,
    key: std::path::PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkflowText {
    name: String,
    url: Kept,
    link: String,
}

impl Config {
    /// Reads a configuration; files that it names are looked for from `folder`.
    ///
    /// # Errors
    /// [`InvalidConfig`] when it is not TOML, has an unknown member, an empty or malformed id, no
    /// secret, or names a place twice; when a secret cannot be read, or others can read it.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, InvalidConfig> {
        let text: Text = toml::from_str(text)
            .map_err(|error| InvalidConfig::new(format!("teams.toml: {}", error.message())))?;
        if text.version != 1 {
            return Err(InvalidConfig::new(format!(
                "teams.toml: version `{}` is not known; write `version = 1`",
                text.version
            )));
        }
        let cloud = Cloud::parse(&text.cloud).ok_or_else(|| {
            InvalidConfig::new(format!("teams.toml: there is no cloud `{}`; write `public`, `us_government`, `us_defense` or `china`", text.cloud))
        })?;
        let credential = credential(text.secret.as_ref(), text.certificate.as_ref(), folder)?;
        let workflows = text.workflow.iter().map(|workflow| workflow.read(folder));
        let config = Self {
            app: guid("app_id", &text.app_id)?,
            tenant: guid("tenant", &text.tenant)?,
            cloud,
            credential,
            posts: text
                .post
                .into_iter()
                .map(Post::checked)
                .collect::<Result<_, _>>()?,
            workflows: workflows.collect::<Result<_, _>>()?,
            listing: text.listing,
        };
        config.check_distinct()?;
        Ok(config)
    }

    /// Reads `teams.toml` in a folder.
    ///
    /// # Errors
    /// As [`Config::parse`], and when the file cannot be read.
    pub fn read(folder: &Path) -> Result<Self, InvalidConfig> {
        let path = folder.join("teams.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| {
            InvalidConfig::new(format!(
                "cannot read `{}` ({error}); write one",
                path.display()
            ))
        })?;
        Self::parse(&text, folder)
    }

    /// The same configuration in another cloud.
    #[must_use]
    pub fn in_cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    fn check_distinct(&self) -> Result<(), InvalidConfig> {
        let posts = self.posts.iter().map(Post::channel);
        let workflows = self.workflows.iter().map(Workflow::channel);
        let mut seen = BTreeSet::new();
        match posts
            .chain(workflows)
            .find(|name| !seen.insert(name.clone()))
        {
            None => Ok(()),
            Some(name) => Err(InvalidConfig::new(format!(
                "teams.toml: `{name}` stands there twice; remove one"
            ))),
        }
    }
}

impl Post {
    /// The channel's name in the records.
    pub(crate) fn channel(&self) -> String {
        let (Self::Channel(id) | Self::Chat(id) | Self::Person(id)) = self;
        format!("teams:{id}")
    }

    fn checked(self) -> Result<Self, InvalidConfig> {
        match self {
            Self::Person(id) => guid("person", &id).map(Self::Person),
            Self::Channel(id) | Self::Chat(id) if !is_thread(&id) => {
                Err(InvalidConfig::new(format!(
                    "teams.toml: `{id}` is no thread id; it begins with `19:` and ends with `@thread.tacv2` or `@thread.v2`"
                )))
            }
            thread => Ok(thread),
        }
    }
}

impl Workflow {
    /// The channel's name in the records.
    pub(crate) fn channel(&self) -> String {
        format!("teams-workflow:{}", self.name)
    }
}

impl WorkflowText {
    fn read(&self, folder: &Path) -> Result<Workflow, InvalidConfig> {
        let name = &self.name;
        let url = self.url.read("the URL of a workflow", folder)?;
        for (what, url) in [("url", url.reveal()), ("link", &self.link)] {
            if !is_safe(url) {
                return Err(InvalidConfig::new(format!(
                    "teams.toml: the {what} of workflow `{name}` is no `https://` address"
                )));
            }
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        match !name.is_empty() && name.len() <= 64 && name.chars().all(word) {
            true => Ok(Workflow {
                name: name.clone(),
                url,
                link: self.link.clone(),
            }),
            false => Err(InvalidConfig::new(format!(
                "teams.toml: `{name}` cannot be the name of a workflow; use letters, digits and dashes"
            ))),
        }
    }
}

fn credential(
    secret: Option<&Kept>,
    certificate: Option<&CertificateText>,
    folder: &Path,
) -> Result<Credential, InvalidConfig> {
    match (secret, certificate) {
        (Some(secret), None) => Ok(Credential::Secret(secret.read("the app's secret", folder)?)),
        (None, Some(at)) => {
            let path = folder.join(&at.file);
            let shown = path.display();
            let certificate = std::fs::read_to_string(&path).map_err(|error| {
                InvalidConfig::new(format!(
                    "cannot read `{shown}` ({error}); check that it is there"
                ))
            })?;
            let key = read_private(&folder.join(&at.key), "the certificate's key")?;
            Certificate::from_pem(&certificate, key.reveal()).map(Credential::Certificate)
        }
        _ => Err(InvalidConfig::new(
            "teams.toml: give `secret = { env = \"NAME\" }`, `secret = { file = \"PATH\" }` or `certificate = { file = \"PATH\", key = \"PATH\" }`, one of them",
        )),
    }
}

/// A GUID, in lower case.
fn guid(what: &str, text: &str) -> Result<String, InvalidConfig> {
    let text = text.to_ascii_lowercase();
    match is_guid(&text) {
        true => Ok(text),
        false => Err(InvalidConfig::new(format!(
            "teams.toml: `{text}` cannot be `{what}`; copy the GUID from the Entra admin center"
        ))),
    }
}

/// Whether a lower-case text is a GUID, and not the one of all zeros.
pub(crate) fn is_guid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let hex = |part: &&str| {
        part.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(hex)
        && text.bytes().any(|byte| byte != b'0' && byte != b'-')
}

fn is_thread(id: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || ":@._-".contains(c);
    id.starts_with("19:") && id.contains("@thread.") && id.len() <= 200 && id.chars().all(word)
}

/// Encrypted, or within this machine.
fn is_safe(address: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(address) else {
        return false;
    };
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => true,
        ("http", Some(host)) => is_loopback(host),
        _ => false,
    }
}
