//! Clouds: whose tokens count, and to which hosts ours is sent.

use std::fmt;

/// One Microsoft cloud: who signs what comes in, and who may be sent our token.
///
/// The public cloud and the sovereign ones differ in nothing but these names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    pub(crate) login: String,
    pub(crate) scope: String,
    pub(crate) issuer: String,
    pub(crate) metadata: String,
    /// Hosts that keys come from and that connectors run on; a leading dot means all below it.
    pub(crate) hosts: Vec<String>,
    /// Whether plain HTTP to this machine is taken, for tests.
    loopback: bool,
}

impl Cloud {
    /// The public cloud, with its part for the US government (GCC).
    #[must_use]
    pub fn public() -> Self {
        Self::named(
            "https://login.microsoftonline.com",
            "https://api.botframework.com",
            "https://login.botframework.com/v1/.well-known/openidconfiguration",
            &[
                "smba.trafficmanager.net",
                "smba.infra.gcc.teams.microsoft.com",
                ".botframework.com",
            ],
        )
    }

    /// The cloud of the US government (GCC High).
    #[must_use]
    pub fn us_government() -> Self {
        Self::named(
            "https://login.microsoftonline.us",
            "https://api.botframework.us",
            "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
            &[
                "smba.infra.gov.teams.microsoft.us",
                ".botframework.azure.us",
            ],
        )
    }

    /// The cloud of the US Department of Defense.
    #[must_use]
    pub fn us_defense() -> Self {
        Self::named(
            "https://login.microsoftonline.us",
            "https://api.botframework.us",
            "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
            &[
                "smba.infra.dod.teams.microsoft.us",
                ".botframework.azure.us",
            ],
        )
    }

    /// The cloud in China, run by 21Vianet.
    #[must_use]
    pub fn china() -> Self {
        Self::named(
            "https://login.partner.microsoftonline.cn",
            "https://api.botframework.azure.cn",
            "https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
            &[
                "frontend.botapi.msg.infra.teams.microsoftonline.cn",
                ".botframework.azure.cn",
            ],
        )
    }

    /// The cloud with this name in `teams.toml`: `public`, `us_government`, `us_defense`, `china`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "public" => Some(Self::public()),
            "us_government" => Some(Self::us_government()),
            "us_defense" => Some(Self::us_defense()),
            "china" => Some(Self::china()),
            _ => None,
        }
    }

    /// Ways to weaken it. No configuration file reaches them.
    #[must_use]
    pub fn dangerous() -> Dangerous {
        Dangerous(())
    }

    fn named(login: &str, api: &str, metadata: &str, hosts: &[&str]) -> Self {
        Self {
            login: login.to_owned(),
            scope: format!("{api}/.default"),
            issuer: api.to_owned(),
            metadata: metadata.to_owned(),
            hosts: hosts.iter().map(ToString::to_string).collect(),
            loopback: false,
        }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether a request may go to this URL at all: over TLS, to a host of this cloud.
    pub(crate) fn covers(&self, url: &reqwest::Url) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        let plain = url.username().is_empty() && url.password().is_none();
        if self.loopback {
            return plain && is_loopback(host);
        }
        let known = |name: &String| match name.strip_prefix('.') {
            Some(_) => host.ends_with(name.as_str()),
            None => host == name,
        };
        plain && url.scheme() == "https" && url.port().is_none() && self.hosts.iter().any(known)
    }
}

/// What only tests may do.
#[derive(Debug, Clone, Copy)]
pub struct Dangerous(());

impl Dangerous {
    /// Stand-ins on this machine: a login, an OpenID document, and connectors on any loopback port.
    /// Every other check stays; no host but this machine is ever reached.
    ///
    /// `None` when one of the two is not a URL of this machine.
    #[must_use]
    pub fn loopback(self, login: &str, metadata: &str) -> Option<Cloud> {
        let mut cloud = Cloud::public();
        cloud.loopback = true;
        for url in [login, metadata] {
            cloud
                .covers(&reqwest::Url::parse(url).ok()?)
                .then_some(())?;
        }
        login.clone_into(&mut cloud.login);
        metadata.clone_into(&mut cloud.metadata);
        Some(cloud)
    }
}

/// A connector's address that our token may be sent to: it was checked against the cloud's hosts.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl(String);

impl ServiceUrl {
    /// The address, when it is one of this cloud's connectors.
    #[must_use]
    pub fn parse(text: &str, cloud: &Cloud) -> Option<Self> {
        let url = reqwest::Url::parse(text).ok()?;
        let bare = url.query().is_none() && url.fragment().is_none();
        (bare && cloud.covers(&url)).then(|| Self(text.trim_end_matches('/').to_owned()))
    }

    /// The address, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_token_goes_to_the_clouds_own_hosts_only() {
        let cases = [
            ("https://smba.trafficmanager.net/emea/", true),
            ("https://europe.botframework.com", true),
            ("http://smba.trafficmanager.net/emea/", false),
            ("https://smba.trafficmanager.net.evil.example/", false),
            ("https://evil-botframework.com/", false),
            ("https://smba.trafficmanager.net:8443/", false),
            ("https://user@smba.trafficmanager.net/", false),
            ("https://smba.trafficmanager.net@evil.example/", false),
            ("https://smba.trafficmanager.net/?u=x", false),
            ("https://169.254.169.254/", false),
            ("http://localhost/", false),
            ("", false),
        ];
        for (url, expected) in cases {
            let found = ServiceUrl::parse(url, &Cloud::public()).is_some();
            assert_eq!(found, expected, "{url}");
        }
        let china = ServiceUrl::parse("https://smba.trafficmanager.net/", &Cloud::china());
        assert!(china.is_none());
    }

    /// By name, the service URL of its Teams.
    const CLOUDS: &[(&str, &str)] = &[
        ("public", "https://smba.trafficmanager.net/emea/"),
        (
            "us_government",
            "https://smba.infra.gov.teams.microsoft.us/teams",
        ),
        (
            "us_defense",
            "https://smba.infra.dod.teams.microsoft.us/teams",
        ),
        (
            "china",
            "https://frontend.botapi.msg.infra.teams.microsoftonline.cn/teams",
        ),
    ];

    #[test]
    fn every_cloud_sends_to_itself_and_to_no_other() {
        for (name, _) in CLOUDS {
            let cloud = Cloud::parse(name).unwrap();
            for (other, service) in CLOUDS {
                let taken = ServiceUrl::parse(service, &cloud).is_some();
                assert_eq!(taken, name == other, "{name} and {service}");
            }
            for url in [&cloud.login, &cloud.scope, &cloud.issuer, &cloud.metadata] {
                assert!(url.starts_with("https://"), "{name}: {url}");
            }
            assert!(
                cloud.covers(&reqwest::Url::parse(&cloud.metadata).unwrap()),
                "{name}"
            );
            assert!(!cloud.is_loopback(), "{name}");
        }
        for name in ["", "Public", "gcc", "loopback", "germany"] {
            assert!(Cloud::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_clouds_are_those_of_microsofts_own_library() {
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = script.join("tests/teams/peers/clouds.cjs");
        let output = approvals_peers::node(&script).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let theirs: std::collections::BTreeMap<String, [String; 5]> =
            serde_json::from_str(&said).unwrap();
        assert_eq!(theirs.len(), CLOUDS.len());
        for (name, [login, scope, issuer, metadata, services]) in theirs {
            let cloud = Cloud::parse(&name).unwrap();
            let ours = [&cloud.login, &cloud.scope, &cloud.issuer, &cloud.metadata];
            assert_eq!(ours, [&login, &scope, &issuer, &metadata], "{name}");
            for service in services.split_whitespace() {
                assert!(
                    ServiceUrl::parse(service, &cloud).is_some(),
                    "{name}: {service}"
                );
            }
        }
    }

    #[test]
    fn a_test_cloud_reaches_this_machine_and_nothing_else() {
        let (login, metadata) = ("http://127.0.0.1:1", "http://localhost:2/openid");
        let cloud = Cloud::dangerous().loopback(login, metadata).unwrap();
        assert!(ServiceUrl::parse("http://localhost:3/_connector", &cloud).is_some());
        assert!(ServiceUrl::parse("https://smba.trafficmanager.net/", &cloud).is_none());
        let outside = Cloud::dangerous().loopback("https://login.example", metadata);
        assert!(outside.is_none());
    }
}
