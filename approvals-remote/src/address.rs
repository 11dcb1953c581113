//! Where the server is: over TLS, or on this machine.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use approvals_core::ApprovalError;
use reqwest::Url;

use crate::misuse;

/// The address of a server, over which a token can travel: `https`, or this machine itself.
///
/// # Examples
/// ```
/// use approvals_remote::Address;
///
/// assert!("https://approvals.example.com".parse::<Address>().is_ok());
/// assert!("http://127.0.0.1:8087".parse::<Address>().is_ok());
/// assert!("http://approvals.example.com".parse::<Address>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The address without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this machine, so that no proxy is in between.
    pub(crate) fn is_local(&self) -> bool {
        self.0.starts_with("http://")
    }
}

impl FromStr for Address {
    type Err = ApprovalError;

    /// # Errors
    /// `Misuse` when the text is not such an address.
    fn from_str(text: &str) -> Result<Self, ApprovalError> {
        let refuse = |why: &str| misuse(format!("`{text}` is not the address of a server: {why}"));
        let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
        if text.contains(['?', '#', '@', '\\']) || text.chars().any(char::is_whitespace) {
            return Err(refuse("write it without a user, a query and a fragment"));
        }
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let here = bare == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if here => {}
            "http" => {
                let why = "tokens would pass in the clear; write `https://`, or run the server on this machine";
                return Err(refuse(why));
            }
            _ => return Err(refuse("begin it with `https://`")),
        }
        // As it was understood, and not as it was written.
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_travels_in_the_clear() {
        for (text, expected) in [
            ("https://a.example", Some("https://a.example")),
            ("https://a.example/", Some("https://a.example")),
            (
                "https://a.example:8443/gate/",
                Some("https://a.example:8443/gate"),
            ),
            ("http://127.0.0.1:8087", Some("http://127.0.0.1:8087")),
            ("http://[::1]:8087", Some("http://[::1]:8087")),
            ("http://localhost:8087", Some("http://localhost:8087")),
            ("http://a.example", None),
            ("http://127.0.0.1.example", None),
            ("http://localhost.example", None),
            ("http://127.0.0.1@a.example", None),
            ("https://user:secret@a.example", None),
            ("https://a.example?x=http://127.0.0.1", None),
            ("https://a.example#x", None),
            ("http://127.0.0.1\\@a.example", None),
            ("ftp://127.0.0.1", None),
            ("a.example", None),
            ("", None),
        ] {
            let read = text.parse::<Address>().ok();
            assert_eq!(read.as_ref().map(Address::as_str), expected, "{text}");
        }
    }
}
