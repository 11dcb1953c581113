//! Where a database is, and how to get there.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use approvals_core::ports::StoreError;
use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::tls::Tls;

/// How long it may take to get a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// A database, and how to log in there. Its password is never shown.
#[derive(Clone)]
pub(crate) struct Target {
    config: Config,
    tls: Tls,
    shown: String,
}

impl Target {
    /// Reads `postgres://user:password@host:port/database?option=value`.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let refuse = |why: &dyn fmt::Display| {
            // INVARIANT: the URL is not repeated, because a password may be in it.
            StoreError::unavailable(format!(
                "the address of the database cannot be used ({why}); write it as `postgres://user@host/database`"
            ))
        };
        let (url, options) = Options::take(url).map_err(|why| refuse(&why))?;
        let mut config: Config = url.parse().map_err(|error| refuse(&reason(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(refuse(&"it names no host"));
        }
        let here = config.get_hosts().iter().all(is_here);
        let tls = match options.encrypted(here).map_err(|why| refuse(&why))? {
            false => {
                config.ssl_mode(SslMode::Disable);
                Tls::none()
            }
            true => {
                config.ssl_mode(SslMode::Require);
                Tls::verifying(options.roots.as_deref()).map_err(|why| refuse(&why))?
            }
        };
        config
            .application_name("approvals")
            .connect_timeout(CONNECT)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(3))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(10));
        let shown = shown(&config);
        Ok(Self { config, tls, shown })
    }

    /// Only a server that can write will do.
    pub(super) fn writable(mut self) -> Self {
        self.config
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        self
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn tls(&self) -> Tls {
        self.tls.clone()
    }
}

/// Without the password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The options of the URL that the client leaves to us.
#[derive(Default)]
struct Options {
    mode: Option<String>,
    roots: Option<PathBuf>,
}

impl Options {
    /// Takes them out of the URL.
    fn take(url: &str) -> Result<(String, Self), String> {
        let mut options = Self::default();
        let Some((start, query)) = url.split_once('?') else {
            return Ok((url.to_owned(), options));
        };
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => options.mode = Some(decoded(mode)?),
                Some(("sslrootcert", path)) => {
                    options.roots = Some(PathBuf::from(decoded(path)?));
                }
                _ => rest.push(pair),
            }
        }
        Ok((format!("{start}?{}", rest.join("&")), options))
    }

    /// Whether the connection is encrypted, and the server verified: there is nothing in between.
    fn encrypted(&self, here: bool) -> Result<bool, String> {
        match self.mode.as_deref() {
            None => Ok(!here || self.roots.is_some()),
            Some("disable") => Ok(false),
            Some("require" | "verify-ca" | "verify-full") => Ok(true),
            Some(other) => Err(format!(
                "`sslmode={}` would send the password to whoever answers; use `require` or `disable`",
                other.chars().take(40).collect::<String>()
            )),
        }
    }
}

fn decoded(value: &str) -> Result<String, String> {
    let decoded = percent_decode_str(value).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| "an option is not UTF-8".to_owned())
}

/// Whether what is sent there never leaves this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let address = name.parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn shown(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(place, host)| {
            let ports = config.get_ports();
            let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect();
    let user = config.get_user().map(|user| format!("{user}@"));
    format!(
        "postgres://{}{}/{}",
        user.unwrap_or_default(),
        hosts.join(","),
        config.get_dbname().unwrap_or_default()
    )
}

/// Why the client does not take the URL: its own words name the option, and no value.
fn reason(error: &tokio_postgres::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, want: Result<(&str, bool), &str>) {
        match (Target::parse(url), want) {
            (Ok(target), Ok((shown, encrypted))) => {
                assert_eq!(target.to_string(), shown, "{url}");
                let mode = if encrypted {
                    SslMode::Require
                } else {
                    SslMode::Disable
                };
                assert_eq!(target.config().get_ssl_mode(), mode, "{url}");
                assert!(!format!("{target:?}").contains("s3cr3t"), "{url}");
            }
            (Err(error), Err(words)) => {
                let error = error.to_string();
                assert!(error.contains(words), "{url}: {error}");
                assert!(!error.contains("s3cr3t"), "{url}: {error}");
            }
            (got, want) => panic!("{url}: {got:?} instead of {want:?}"),
        }
    }

    #[test]
    fn what_leaves_this_machine_is_encrypted_unless_somebody_says_otherwise() {
        let local = "postgres://a@localhost:5432/b";
        check("postgres://a:s3cr3t@localhost/b", Ok((local, false)));
        check(
            "postgresql://a:s3cr3t@localhost:5432/b?sslmode=require",
            Ok((local, true)),
        );
        let other = "postgres://a@db.example:6000/b";
        check("postgres://a:s3cr3t@db.example:6000/b", Ok((other, true)));
        check(
            "postgres://a:s3cr3t@db.example:6000/b?sslmode=verify-full",
            Ok((other, true)),
        );
        check(
            "postgres://a:s3cr3t@db.example:6000/b?sslmode=disable",
            Ok((other, false)),
        );
        let mixed = "postgres://a@127.0.0.1:5432,db.example:5432/b";
        check("postgres://a@127.0.0.1,db.example/b", Ok((mixed, true)));
        check(
            "postgres://a@%2Fvar%2Frun%2Fpostgresql/b",
            Ok(("postgres://a@/var/run/postgresql:5432/b", false)),
        );
        check(
            "postgres:///b?host=/tmp&user=a&password=s3cr3t",
            Ok(("postgres://a@/tmp:5432/b", false)),
        );
    }

    #[test]
    fn an_address_that_cannot_be_used_says_why_and_keeps_the_password() {
        check(
            "postgres://a:s3cr3t@db.example/b?sslmode=prefer",
            Err("whoever answers"),
        );
        check(
            "postgres://a:s3cr3t@db.example/b?sslmode=allow",
            Err("whoever answers"),
        );
        check(
            "postgres://a:s3cr3t@db.example/b?colour=blue",
            Err("colour"),
        );
        check("postgres://a:s3cr3t@db.example:nine/b", Err("port"));
        check("postgres:///b?user=a&password=s3cr3t", Err("no host"));
        check(
            "postgres://a:s3cr3t@db.example/b?sslrootcert=/none/such.pem",
            Err("/none/such.pem"),
        );
        check("mysql://a:s3cr3t@db.example/b", Err("postgres://user@host"));
    }
}
