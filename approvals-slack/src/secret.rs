//! Secrets: read once, from the environment or a file, and never printed.

use std::path::Path;

use approvals_core::secret::Secret;
use approvals_core::{ApprovalError, Code};
use ring::hmac;

use crate::config::Mode;

/// A key of our own for one purpose, made from a secret.
pub(crate) fn key(secret: &Secret, purpose: &str) -> hmac::Key {
    let base = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let derived = hmac::sign(&base, purpose.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}

/// What a channel needs to speak to Slack and to know that Slack speaks; each part is there or the
/// channel does not start.
///
/// | variable | what it is | needed |
/// |---|---|---|
/// | `APPROVALS_SLACK_BOT_TOKEN` | `xoxb-…`: posts and redraws | always |
/// | `APPROVALS_SLACK_SIGNING_SECRET` | verifies clicks | over HTTP |
/// | `APPROVALS_SLACK_APP_TOKEN` | `xapp-…`: opens the socket | in Socket Mode |
///
/// With `_FILE` at its end the same variable names a file with the secret in it, which nobody but its
/// owner may open.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub(crate) bot: Secret,
    pub(crate) way: Way,
}

/// How clicks come in, with the secret that makes them believed.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Http { signing: Secret },
    Socket { app: Secret },
}

impl Secrets {
    /// The secrets of an app that Slack calls over HTTP.
    ///
    /// # Errors
    /// `Misuse` when one is empty or plainly no such secret.
    pub fn http(bot: &str, signing: &str) -> Result<Self, ApprovalError> {
        Ok(Self {
            bot: shaped(BOT, bot)?,
            way: Way::Http {
                signing: shaped(SIGNING, signing)?,
            },
        })
    }

    /// The secrets of an app that opens a socket to Slack.
    ///
    /// # Errors
    /// `Misuse` when one is empty or plainly no such secret.
    pub fn socket(bot: &str, app: &str) -> Result<Self, ApprovalError> {
        Ok(Self {
            bot: shaped(BOT, bot)?,
            way: Way::Socket {
                app: shaped(APP, app)?,
            },
        })
    }

    /// Whether these are the secrets of that mode.
    pub(crate) fn check(&self, mode: Mode) -> Result<(), ApprovalError> {
        let fits = match self.way {
            Way::Http { .. } => mode == Mode::Http,
            Way::Socket { .. } => mode == Mode::Socket,
        };
        let message = "the secrets are not those of `mode` in slack.toml; a signing secret is for `http`, an app-level token for `socket`";
        fits.then_some(())
            .ok_or_else(|| ApprovalError::new(Code::Misuse, message))
    }

    /// Reads them from the environment of this process, or from the files that it names.
    ///
    /// # Errors
    /// `Misuse` when one is missing, cannot be read, or is plainly no such secret.
    pub fn from_env(mode: Mode) -> Result<Self, ApprovalError> {
        Self::from(mode, |name| std::env::var(name).ok())
    }

    /// The same from elsewhere: `look` gives the value behind a variable's name.
    ///
    /// # Errors
    /// As [`Secrets::from_env`].
    pub fn from(mode: Mode, look: impl Fn(&str) -> Option<String>) -> Result<Self, ApprovalError> {
        let read = |kind: &Kind| read(kind, &look);
        match mode {
            Mode::Http => Self::http(read(&BOT)?.reveal(), read(&SIGNING)?.reveal()),
            Mode::Socket => Self::socket(read(&BOT)?.reveal(), read(&APP)?.reveal()),
        }
    }
}

struct Kind {
    variable: &'static str,
    what: &'static str,
    prefix: &'static str,
    least: usize,
}

const BOT: Kind = Kind {
    variable: "APPROVALS_SLACK_BOT_TOKEN",
    what: "the bot token, which begins with `xoxb-`",
    prefix: "xoxb-",
    least: 10,
};
const SIGNING: Kind = Kind {
    variable: "APPROVALS_SLACK_SIGNING_SECRET",
    what: "the signing secret of the app, at least 16 characters",
    prefix: "",
    least: 16,
};
const APP: Kind = Kind {
    variable: "APPROVALS_SLACK_APP_TOKEN",
    what: "the app-level token, which begins with `xapp-`",
    prefix: "xapp-",
    least: 10,
};

fn read(kind: &Kind, look: &impl Fn(&str) -> Option<String>) -> Result<Secret, ApprovalError> {
    if let Some(text) = look(kind.variable) {
        return Ok(Secret::new(text));
    }
    let wrong = |message: String| ApprovalError::new(Code::Misuse, message);
    let named = format!("{}_FILE", kind.variable);
    let path = look(&named).ok_or_else(|| {
        let Kind { variable, what, .. } = kind;
        wrong(format!(
            "`{variable}` is not set; set it, or `{named}`, to {what}"
        ))
    })?;
    Secret::read_file(Path::new(&path), kind.what)
        .map_err(|error| wrong(format!("`{named}`: {}", error.message())))
}

fn shaped(kind: Kind, text: &str) -> Result<Secret, ApprovalError> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && text.len() >= kind.least && text.starts_with(kind.prefix) {
        return Ok(Secret::new(text));
    }
    // What was found is not said: it may be another secret.
    let message = format!("`{}` does not hold {}", kind.variable, kind.what);
    Err(ApprovalError::new(Code::Misuse, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_misshapen_secret_starts_nothing_and_is_not_told() {
        let check = |mode, set: &[(&str, &str)], wanted: &str| {
            let look = |name: &str| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let error = Secrets::from(mode, look).unwrap_err();
            assert_eq!(error.code(), Code::Misuse);
            assert!(error.to_string().contains(wanted), "{error}");
            assert!(!error.to_string().contains("CANARY"), "{error}");
        };
        let bot = ("APPROVALS_SLACK_BOT_TOKEN", "xoxb-CANARY-1");
        check(Mode::Http, &[], "APPROVALS_SLACK_BOT_TOKEN");
        check(Mode::Http, &[bot], "APPROVALS_SLACK_SIGNING_SECRET");
        check(Mode::Socket, &[bot], "APPROVALS_SLACK_APP_TOKEN");
        let short = ("APPROVALS_SLACK_SIGNING_SECRET", "CANARY");
        check(Mode::Http, &[bot, short], "at least 16");
        let wrong = ("APPROVALS_SLACK_BOT_TOKEN", "xoxp-CANARY-1");
        let long = ("APPROVALS_SLACK_SIGNING_SECRET", "CANARY-CANARY-CANARY");
        check(Mode::Http, &[wrong, long], "xoxb-");
        let file = ("APPROVALS_SLACK_APP_TOKEN_FILE", "/nowhere/at/all");
        check(Mode::Socket, &[bot, file], "cannot be read");
    }

    #[cfg(unix)]
    #[test]
    fn threat_13_a_file_that_others_can_open_holds_no_secret() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "xapp-CANARY-1\n").unwrap();
        let read = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Secrets::from(Mode::Socket, |name| match name {
                "APPROVALS_SLACK_BOT_TOKEN" => Some("xoxb-CANARY-1".to_owned()),
                "APPROVALS_SLACK_APP_TOKEN_FILE" => Some(path.display().to_string()),
                _ => None,
            })
        };
        let error = read(0o640).unwrap_err().to_string();
        for part in ["APPROVALS_SLACK_APP_TOKEN_FILE", "chmod 600"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("CANARY"), "{error}");
        let Way::Socket { app } = read(0o600).unwrap().way else {
            panic!("these are for a socket");
        };
        assert_eq!(app.reveal(), "xapp-CANARY-1");
    }

    #[test]
    fn threat_13_secrets_print_as_nothing() {
        let secrets = Secrets::http("xoxb-CANARY-1", "CANARY-CANARY-CANARY").unwrap();
        assert!(!format!("{secrets:?}").contains("CANARY"));
    }
}
