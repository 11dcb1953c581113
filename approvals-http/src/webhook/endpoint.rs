//! One `[[webhook]]` of http.toml.

use std::fmt;
use std::time::Duration;

use axum::http::Uri;
use serde::Deserialize;

use super::network::Network;
use crate::config::InvalidConfig;

/// Where the secret of a webhook is: never in http.toml itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretPlace {
    /// `env:NAME`, a variable of the environment.
    Variable(String),
    /// `file:NAME`, a file of the state directory that only its owner can read.
    File(String),
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::File(name) => write!(f, "file:{name}"),
        }
    }
}

/// One receiver, as the configuration says.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(super) url: Uri,
    pub(super) secrets: Vec<SecretPlace>,
    pub(super) events: Events,
    pub(super) format: Format,
    pub(super) content: Content,
    pub(super) network: Network,
    pub(super) begin: Begin,
    pub(super) timeout: Duration,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of the address: it may hold a token.
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// CloudEvents 1.0, every event.
    #[default]
    Cloudevents,
    /// OCSF 1.8.
    Ocsf,
}

/// How much goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    /// Which request, what kind of action, who and how: what the log itself holds in the clear.
    #[default]
    Facts,
    /// What people were shown, too.
    Full,
}

/// Where a receiver begins that has never been sent anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Begin {
    /// With what happens from now on.
    #[default]
    Now,
    /// With the first record of the log.
    Start,
}

/// Which events a receiver gets.
#[derive(Debug, Clone)]
pub(super) struct Events(Vec<String>);

impl Events {
    /// Whether it gets events of this kind.
    pub(super) fn has(&self, kind: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, kind))
    }

    fn read(patterns: Option<Vec<String>>) -> Result<Self, InvalidConfig> {
        let Some(patterns) = patterns else {
            let usual = KINDS.iter().filter(|kind| !kind.starts_with("notice."));
            return Ok(Self(usual.map(|kind| (*kind).to_owned()).collect()));
        };
        for pattern in &patterns {
            if !KINDS.iter().any(|kind| matches(pattern, kind)) {
                return Err(InvalidConfig::new(format!(
                    "`{pattern}` of a webhook's `events` is no kind of event; write one such as `request.approved`, or `request.*`"
                )));
            }
        }
        match patterns.is_empty() {
            true => Err(InvalidConfig::new(
                "a webhook's `events` are empty, so that it would get nothing; leave them out for all",
            )),
            false => Ok(Self(patterns)),
        }
    }
}

fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(family) if family.ends_with('.') => kind.starts_with(family),
        Some(_) => false,
        None => pattern == kind,
    }
}

/// Every kind of record about a request.
const KINDS: &[&str] = &[
    "request.created",
    "request.auto_approved",
    "request.approved",
    "request.denied",
    "request.escalated",
    "request.expired",
    "request.cancelled",
    "review.recorded",
    "review.voided",
    "review.refused",
    "permit.consumed",
    "permit.refused",
    "breakglass.used",
    "breakglass.reviewed",
    "outcome.succeeded",
    "outcome.failed",
    "outcome.unknown",
    "disclosure.erased",
    "notice.sent",
    "notice.failed",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointText {
    name: String,
    url: String,
    secrets: Vec<String>,
    events: Option<Vec<String>>,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    content: Content,
    #[serde(default)]
    network: Network,
    #[serde(default)]
    begin: Begin,
    timeout_s: Option<u64>,
}

impl EndpointText {
    pub(crate) fn read(self) -> Result<Endpoint, InvalidConfig> {
        let name = named(self.name)?;
        if self.format == Format::Ocsf && self.content == Content::Full {
            return Err(InvalidConfig::new(format!(
                "the webhook `{name}` has the format `ocsf`, which has no place for what people were shown; leave out `content`"
            )));
        }
        let timeout = self.timeout_s.unwrap_or(10);
        if !(1..=60).contains(&timeout) {
            return Err(InvalidConfig::new(format!(
                "`timeout_s` of the webhook `{name}` is not 1 to 60"
            )));
        }
        let secrets: Vec<_> = self
            .secrets
            .iter()
            .map(|place| secret(place))
            .collect::<Result<_, _>>()?;
        if secrets.is_empty() || secrets.len() > MOST_SECRETS {
            return Err(InvalidConfig::new(format!(
                "the webhook `{name}` does not have 1 to {MOST_SECRETS} `secrets`; nobody could tell its messages from others"
            )));
        }
        Ok(Endpoint {
            url: self.network.address(&self.url)?,
            secrets,
            events: Events::read(self.events)?,
            format: self.format,
            content: self.content,
            network: self.network,
            begin: self.begin,
            timeout: Duration::from_secs(timeout),
            name,
        })
    }
}

/// More than that is no rotation.
const MOST_SECRETS: usize = 4;

/// A name stands in counters, in messages and in the store.
fn named(name: String) -> Result<String, InvalidConfig> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    match !name.is_empty() && name.len() <= 40 && name.bytes().all(plain) {
        true => Ok(name),
        false => Err(InvalidConfig::new(
            "the `name` of a webhook is not 1 to 40 of the letters a-z 0-9 and - _ .",
        )),
    }
}

fn secret(place: &str) -> Result<SecretPlace, InvalidConfig> {
    let wrong = || {
        InvalidConfig::new(
            "a webhook's `secrets` are not places of secrets; write `env:NAME` or `file:NAME`, and never a secret itself",
        )
    };
    let plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "..";
    match place.split_once(':') {
        Some(("env", name)) if plain(name) => Ok(SecretPlace::Variable(name.to_owned())),
        Some(("file", name)) if plain(name) => Ok(SecretPlace::File(name.to_owned())),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wrong: Option<&str>) {
        let all = "name = \"siem\"\nurl = \"https://siem.example/\"\nsecrets = [\"env:S\"]\n";
        // What the case says stands in the place of the same line.
        let names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        let kept = all
            .lines()
            .filter(|line| !names.contains(&line.split(' ').next().unwrap()));
        let text = kept.chain(text.lines()).collect::<Vec<_>>().join("\n");
        let read = toml::from_str::<EndpointText>(&text).map_err(|error| error.to_string());
        let read = read.and_then(|read| read.read().map_err(|error| error.to_string()));
        match (read, wrong) {
            (Ok(_), None) => {}
            (Err(error), Some(part)) => assert!(error.contains(part), "{text}: {error}"),
            (read, _) => panic!("{text}: {read:?}"),
        }
    }

    #[test]
    fn an_endpoint_says_what_is_wrong_with_it() {
        check("", None);
        check("events = [\"request.*\", \"outcome.failed\"]", None);
        check("events = [\"requests.*\"]", Some("no kind of event"));
        check("events = [\"request.aproved\"]", Some("no kind of event"));
        check("events = [\"req*\"]", Some("no kind of event"));
        check("events = []", Some("would get nothing"));
        check("secrets = []", Some("1 to 4 `secrets`"));
        check(
            "secrets = [\"whsec_c2VjcmV0\"]",
            Some("never a secret itself"),
        );
        check("secrets = [\"file:../other\"]", Some("places of secrets"));
        check("secrets = [\"env:A\", \"file:b.secret\"]", None);
        check("name = \"Siem\"", Some("`name`"));
        check("url = \"http://siem.example/\"", Some("use TLS"));
        check("url = \"https://10.0.0.1/\"", Some("may not go"));
        check("url = \"https://10.0.0.1/\"\nnetwork = \"private\"", None);
        check("format = \"ocsf\"", None);
        check("format = \"ocsf\"\ncontent = \"full\"", Some("no place"));
        check("format = \"cef\"", Some("unknown variant"));
        check("timeout_s = 0", Some("1 to 60"));
        check("secret = \"s\"", Some("unknown field"));
    }

    #[test]
    fn copies_that_channels_took_are_only_told_to_who_asks_for_them() {
        let usual = Events::read(None).unwrap();
        for (kind, told) in [
            ("request.created", true),
            ("outcome.unknown", true),
            ("notice.sent", false),
        ] {
            assert_eq!(usual.has(kind), told, "{kind}");
        }
        let chosen = Events::read(Some(vec!["notice.*".to_owned()])).unwrap();
        assert!(chosen.has("notice.failed") && !chosen.has("request.created"));
    }
}
