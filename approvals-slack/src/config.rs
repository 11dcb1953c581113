//! `slack.toml`: which workspace, which app, and what goes to which channel.

use std::time::Duration;

use approvals_core::{ApprovalError, Code, RequestId, Scope, ScopePattern};
use serde::Deserialize;

/// Where requests go and whose clicks count; whoever can write the file decides both.
///
/// ```toml
/// version = 1
/// mode = "http"                  # or "socket"
/// team = "T0123ABCD"             # the workspace; clicks from any other are refused
/// app = "A0123ABCD"              # the app; callbacks of any other are refused
/// link = "https://approvals.example.com/requests/{id}"   # optional: the full view
///
/// [[route]]
/// to = "C0123ABCD"               # a channel, or one person's user id
/// scopes = ["deploy.*", "db.*"]  # everything, when it is left out
/// ```
///
/// # Examples
/// ```
/// let config = approvals_slack::Config::parse(r#"
///     version = 1
///     mode = "socket"
///     team = "T0123ABCD"
///     app = "A0123ABCD"
///     route = [{ to = "C0123ABCD" }]
/// "#)?;
/// assert_eq!(config.routes().len(), 1);
/// # Ok::<(), approvals_core::ApprovalError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) mode: Mode,
    pub(crate) team: String,
    pub(crate) enterprise: Option<String>,
    pub(crate) app: String,
    pub(crate) link: Option<String>,
    pub(crate) email_match: bool,
    pub(crate) shared_channels: bool,
    pub(crate) cards_per_minute: usize,
    pub(crate) api: String,
    routes: Vec<Route>,
}

/// How Slack reaches us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "Slack has these two ways")]
pub enum Mode {
    /// Slack posts each click, signed, to an address of ours.
    Http,
    /// We open a socket, and Slack sends clicks through it.
    Socket,
}

/// One place where requests of some scopes are posted.
#[derive(Debug, Clone)]
pub struct Route {
    pub(crate) to: String,
    pub(crate) scopes: Vec<ScopePattern>,
}

impl Route {
    /// The channel, or the user whose direct messages it is.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    pub(crate) fn takes(&self, scope: &Scope) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|pattern| pattern.matches(scope))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    mode: Mode,
    team: String,
    enterprise: Option<String>,
    app: String,
    link: Option<String>,
    #[serde(default)]
    email_match: bool,
    #[serde(default)]
    shared_channels: bool,
    cards_per_minute: Option<usize>,
    api: Option<String>,
    route: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    to: String,
    #[serde(default)]
    scopes: Vec<String>,
}

impl Config {
    /// Reads the text of a `slack.toml`.
    ///
    /// # Errors
    /// `Misuse` with the first thing that is wrong: broken TOML, an unknown key, an id that is none
    /// of Slack's, an address that is not encrypted, no route.
    pub fn parse(text: &str) -> Result<Self, ApprovalError> {
        let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if file.version != 1 {
            return Err(wrong("`version` must be 1"));
        }
        if file.route.is_empty() {
            let message = "there is no `[[route]]`, so that nobody would ever see a request; add one with `to = \"C…\"`";
            return Err(wrong(message));
        }
        let cards_per_minute = file.cards_per_minute.unwrap_or(20);
        if !(1..=60).contains(&cards_per_minute) {
            return Err(wrong(
                "`cards_per_minute` must be 1 to 60: Slack takes one message a second",
            ));
        }
        let enterprise = file.enterprise.map(|id| slack_id("enterprise", "E", id));
        Ok(Self {
            mode: file.mode,
            team: slack_id("team", "T", file.team)?,
            enterprise: enterprise.transpose()?,
            app: slack_id("app", "A", file.app)?,
            link: file.link.map(link).transpose()?,
            email_match: file.email_match,
            shared_channels: file.shared_channels,
            cards_per_minute,
            api: api(file.api.unwrap_or_else(|| SLACK.to_owned()))?,
            routes: routes(file.route)?,
        })
    }

    /// How Slack reaches us.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Where requests are posted, each place once.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The address of the full view of a request, where there is one.
    pub(crate) fn link_of(&self, request: RequestId) -> Option<String> {
        let link = self.link.as_ref()?;
        Some(link.replace("{id}", &request.to_string()))
    }
}

fn routes(rows: Vec<Row>) -> Result<Vec<Route>, ApprovalError> {
    let mut routes: Vec<Route> = Vec::new();
    for row in rows {
        let to = slack_id("to", "CGDUW", row.to)?;
        if routes.iter().any(|route| route.to == to) {
            let message = format!("`{to}` has two routes; write all its `scopes` in one");
            return Err(wrong(message));
        }
        let scopes = row.scopes.iter().map(|scope| {
            scope
                .parse()
                .map_err(|error| wrong(format!("`{scope}` is no scope: {error}")))
        });
        let scopes = scopes.collect::<Result<_, _>>()?;
        routes.push(Route { to, scopes });
    }
    Ok(routes)
}

/// An id of Slack's: one of these letters, then capitals and digits.
fn slack_id(key: &str, letters: &str, id: String) -> Result<String, ApprovalError> {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let first = id
        .chars()
        .next()
        .is_some_and(|first| letters.contains(first));
    if first && (3..=30).contains(&id.len()) && id.chars().all(plain) {
        return Ok(id);
    }
    let message = format!(
        "`{key}` is `{}`, which is no id of Slack's; it begins with one of `{letters}`, such as `{}0123ABCD`",
        id.escape_debug(),
        letters.get(..1).unwrap_or_default()
    );
    Err(wrong(message))
}

fn link(link: String) -> Result<String, ApprovalError> {
    let plain = link.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && link.len() < 2_000 && link.contains("{id}") && is_safe(&link) {
        return Ok(link);
    }
    Err(wrong(
        "`link` must be an https address with `{id}` in it, where the id of the request goes",
    ))
}

fn api(api: String) -> Result<String, ApprovalError> {
    match is_safe(&api) && api.ends_with('/') {
        true => Ok(api),
        false => Err(wrong(
            "`api` must be an https address that ends with `/`; leave it out",
        )),
    }
}

/// Encrypted, or within this machine: tests and doctors of a local stand-in.
pub(crate) fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.replace("{id}", "id").parse::<hyper::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let here = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
    match uri.scheme_str() {
        Some("https" | "wss") => !host.is_empty(),
        Some("http" | "ws") => here,
        _ => false,
    }
}

fn wrong(message: impl Into<String>) -> ApprovalError {
    ApprovalError::new(Code::Misuse, format!("slack.toml: {}", message.into()))
}

/// Where Slack is.
const SLACK: &str = "https://slack.com/api/";

/// How long one call of Slack may take.
pub(crate) const CALL: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_refused_and_named() {
        let check = |change: &str, wanted: &str| {
            let (from, to) = change.split_once(" => ").unwrap();
            let good = "version = 1\nmode = \"http\"\nteam = \"T01ACME\"\napp = \"A01GATE\"\nlink = \"https://a.example/{id}\"\n[[route]]\nto = \"C01APPR\"\nscopes = [\"db.*\"]\n";
            Config::parse(good).unwrap();
            assert!(good.contains(from), "{from}");
            let error = Config::parse(&good.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(wanted), "{change}: {error}");
        };
        check("version = 1 => version = 2", "version");
        check("\"http\" => \"rtm\"", "rtm");
        check("T01ACME => acme", "`team`");
        check("A01GATE => T01GATE", "`app`");
        check("C01APPR => #approvals", "`to`");
        check("db.* => d b", "no scope");
        check("https://a.example/{id} => http://a.example/{id}", "`link`");
        check("https://a.example/{id} => https://a.example/", "`link`");
        check("mode = => modus =", "modus");
        check(
            "version = 1 => version = 1\napi = \"http://evil.example/api/\"",
            "`api`",
        );
        check(
            "version = 1 => version = 1\ncards_per_minute = 0",
            "cards_per_minute",
        );
    }
}
