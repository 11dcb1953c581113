//! What an agent submits, read strictly, and the action it stands for.

use std::collections::BTreeMap;
use std::time::Duration;

use approvals_core::action::{Action, BoundParam};
use approvals_core::canonical::{self, Record, Value};
use approvals_core::digest::SchemaDigest;
use approvals_core::gate::Call;
use approvals_core::{Code, Scope};

use super::guarded::Guarded;
use crate::auth::Caller;
use crate::problem::Problem;

/// Parameters of our own beside the tool's arguments; no argument can be called so.
pub(super) const TIMEOUT: &str = "aap:timeout";
pub(super) const CONTEXT: &str = "aap:context";
pub(super) const SERVER: &str = "aap:server";

/// One tool call that an agent asks for, understood and within bounds.
#[derive(Debug)]
pub(super) struct Submission {
    tool: String,
    server: Option<String>,
    arguments: Record,
    kind: Kind,
    reasoning: Option<String>,
}

/// Whose call it is.
#[derive(Debug)]
enum Kind {
    /// A tool of an agent's runtime, with the time that it leaves people and what it wants back.
    Tool {
        timeout: String,
        context: Option<Value>,
    },
    /// A guarded function; how long people have is the policy's.
    Guarded(Box<Guarded>),
}

impl Submission {
    /// Reads a body. Names that occur twice, numbers without one exact form, and members that are
    /// not known are refused: what is shown must be all there is.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let value =
            canonical::parse(body).map_err(|error| Problem::malformed(error.to_string()))?;
        let Value::Record(members) = value else {
            return Err(Problem::malformed(
                "the body is not a JSON object; see /openapi.json",
            ));
        };
        let mut read = Members(
            members
                .iter()
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .collect(),
        );
        let submission = Self {
            tool: read.name("tool")?.ok_or_else(|| absent("tool"))?,
            server: read.name("server")?,
            arguments: read
                .record("arguments")?
                .ok_or_else(|| absent("arguments"))?,
            reasoning: read.text("agent_reasoning")?,
            kind: Kind::read(&mut read)?,
        };
        read.nothing_left()?;
        submission
            .arguments
            .iter()
            .try_for_each(|(name, _)| argument_name(name))?;
        Ok(submission)
    }

    /// The call that the gate is asked about: who asks is what the token says, and nothing else.
    pub(super) fn into_call(
        self,
        caller: &Caller,
        key: &str,
        tools: &BTreeMap<String, Scope>,
        environment: Option<&str>,
    ) -> Result<Call, Problem> {
        let scope = self.scope(tools)?;
        let mut agent = caller.agent().idempotency_key(key);
        if let Some(reasoning) = self.reasoning {
            agent = agent.rationale(reasoning);
        }
        let (timeout, context) = match self.kind {
            Kind::Tool { timeout, context } => (timeout, context),
            Kind::Guarded(guarded) => {
                return guarded.into_call(scope, &self.arguments, agent, environment);
            }
        };
        let schema = SchemaDigest::of(format!("approvals/aap/v1\0{}", self.tool).as_bytes());
        let mut action = Action::new(scope, self.tool, schema);
        let arguments = self.arguments.iter();
        action.params = arguments
            .map(|(name, value)| BoundParam::new(name, value.clone()))
            .collect();
        let text = |name: &str, text: String| BoundParam::new(name, Value::Text(text));
        action
            .params
            .extend(self.server.map(|server| text(SERVER, server)));
        action
            .params
            .extend(context.map(|context| BoundParam::new(CONTEXT, context)));
        action.params.push(text(TIMEOUT, timeout));
        Ok(Call::new(action, None, agent))
    }

    /// Which policy applies: a scope by its name, `tool.NAME` for a plain name, and for any other
    /// what the configuration says. Two tools never share a scope unless the configuration says so.
    fn scope(&self, tools: &BTreeMap<String, Scope>) -> Result<Scope, Problem> {
        let full = match &self.server {
            Some(server) => format!("{server}/{}", self.tool),
            None => self.tool.clone(),
        };
        if let Some(scope) = tools.get(&full) {
            return Ok(scope.clone());
        }
        let named = match &self.server {
            Some(server) => format!("tool.{server}.{}", self.tool),
            None if self.tool.contains('.') => self.tool.clone(),
            None => format!("tool.{}", self.tool),
        };
        let scope: Scope = named.parse().map_err(|_| {
            Problem::malformed(
                "this tool has no scope, and its name is none; add a row for it under `[tools]` in http.toml",
            )
        })?;
        if scope.as_str().starts_with("approvals.") {
            let message = "scopes under `approvals.` are for the gate's own actions; ask for them where the gate is";
            return Err(Problem::new(Code::PolicyDenied, message));
        }
        Ok(scope)
    }
}

impl Kind {
    fn read(read: &mut Members) -> Result<Self, Problem> {
        let (timeout, context) = (read.text("timeout")?, read.record("context")?);
        let context = context.map(Value::Record);
        match read.record("guard")?.map(Value::Record) {
            None => {
                let timeout = timeout.ok_or_else(|| absent("timeout"))?;
                within(&timeout)?;
                Ok(Self::Tool { timeout, context })
            }
            Some(guard) if timeout.is_none() && context.is_none() => {
                Ok(Self::Guarded(Box::new(Guarded::parse(&guard)?)))
            }
            Some(_) => Err(Problem::malformed(
                "`guard` stands beside `timeout` or `context`; leave those out, policy says how long people have",
            )),
        }
    }
}

/// How long the agent leaves people to decide, as it says: `10m`, `24h`.
pub(super) fn within(text: &str) -> Result<Duration, Problem> {
    let wrong = || Problem::malformed("`timeout` is not a time from 1s to 30d; write it as `10m`");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).ok_or_else(wrong)?;
    let plain =
        !number.is_empty() && number.len() <= 7 && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
    let seconds = match unit {
        's' => number,
        'm' => number.saturating_mul(60),
        'h' => number.saturating_mul(3600),
        'd' => number.saturating_mul(86_400),
        _ => return Err(wrong()),
    };
    match seconds {
        1..=2_592_000 => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong()),
    }
}

/// Names of arguments stand in the log in the clear and on every card, so they are plain.
pub(super) fn argument_name(name: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Problem::malformed(
        "the name of an argument is not 1 to 64 letters, digits, `_`, `-` or `.`; pass such data as a value",
    ))
}

fn absent(name: &str) -> Problem {
    Problem::malformed(format!("`{name}` is missing; see /openapi.json"))
}

/// The members of an object, taken one by one.
pub(super) struct Members(pub(super) BTreeMap<String, Value>);

impl Members {
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::malformed(format!(
                "`{name}` is not a text; see /openapi.json"
            ))),
        }
    }

    fn record(&mut self, name: &str) -> Result<Option<Record>, Problem> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Record(record)) => Ok(Some(record)),
            Some(_) => Err(Problem::malformed(format!(
                "`{name}` is not an object; see /openapi.json"
            ))),
        }
    }

    /// A name that stands in the log in the clear.
    fn name(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let text = self.text(name)?;
        let plain = |text: &String| {
            (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match text {
            Some(text) if !plain(&text) => Err(Problem::malformed(format!(
                "`{name}` is not 1 to 128 visible ASCII characters; name the tool plainly"
            ))),
            text => Ok(text),
        }
    }

    pub(super) fn nothing_left(self) -> Result<(), Problem> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Problem::malformed(
                "the body has a member that is not known here; who asks and who approves is never in a body, see /openapi.json",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_plain_number_with_a_unit() {
        for (text, expected) in [
            ("10m", Some(600)),
            ("24h", Some(86_400)),
            ("30d", Some(2_592_000)),
            ("31d", None),
            ("0s", None),
            ("", None),
            ("m", None),
            ("+5m", None),
            ("1.5h", None),
            ("10 m", None),
            ("10é", None),
            ("99999999999s", None),
        ] {
            let read = within(text).ok().map(|within| within.as_secs());
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn two_tools_never_share_a_scope_by_themselves() {
        let mapped = BTreeMap::from([("Bash".to_owned(), "shell.run".parse().unwrap())]);
        for (tool, server, expected) in [
            ("export", None, Some("tool.export")),
            ("db.export", None, Some("db.export")),
            ("Bash", None, Some("shell.run")),
            ("bash", None, Some("tool.bash")),
            ("BASH", None, None),
            ("create", Some("github"), Some("tool.github.create")),
            ("Bash", Some("x"), None),
            ("approvals.erase", None, None),
        ] {
            let server = server
                .map(|server| format!(r#","server":"{server}""#))
                .unwrap_or_default();
            let body = format!(r#"{{"tool":"{tool}","arguments":{{}},"timeout":"1m"{server}}}"#);
            let scope = Submission::parse(body.as_bytes()).and_then(|read| read.scope(&mapped));
            let scope = scope.ok().map(|scope| scope.to_string());
            assert_eq!(scope.as_deref(), expected, "{body}");
        }
    }
}
