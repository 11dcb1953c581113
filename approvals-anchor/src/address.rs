//! Where a witness is asked.

use std::net::IpAddr;

use ureq::http::Uri;

/// Why a text is not the address of a witness: nobody is asked at a guess.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is not the address of a witness: {why}")]
pub struct AddressError {
    address: String,
    why: String,
}

/// The address of a request, made from the submission prefix of a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) url: String,
    /// It is on this machine, so that no proxy is in between.
    pub(crate) is_local: bool,
    pub(crate) is_tls: bool,
}

impl Address {
    /// Reads a submission prefix ([tlog-witness](https://c2sp.org/tlog-witness)): an `http` or `https` URL without
    /// a password, a query or a fragment.
    pub(crate) fn parse(prefix: &str) -> Result<Self, AddressError> {
        let refuse = |why: &str| AddressError {
            address: prefix.to_owned(),
            why: why.to_owned(),
        };
        if prefix.contains(['?', '#', '@']) {
            return Err(refuse(
                "write it without a user, a query and a fragment, such as `https://witness.example/w1`",
            ));
        }
        let uri: Uri = prefix
            .parse()
            .map_err(|error| refuse(&format!("{error}")))?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refuse("begin it with `https://` or `http://`")),
        };
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
            return Err(refuse("it names no host"));
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_local = bare == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let url = format!("{}/add-checkpoint", prefix.trim_end_matches('/'));
        Ok(Self {
            url,
            is_local,
            is_tls,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_prefix_and_nothing_more() {
        for (prefix, url, is_local) in [
            (
                "https://w.example",
                "https://w.example/add-checkpoint",
                false,
            ),
            (
                "https://w.example/",
                "https://w.example/add-checkpoint",
                false,
            ),
            (
                "http://w.example:8080/a/b",
                "http://w.example:8080/a/b/add-checkpoint",
                false,
            ),
            (
                "http://127.0.0.1:7380",
                "http://127.0.0.1:7380/add-checkpoint",
                true,
            ),
            (
                "http://[::1]:7380",
                "http://[::1]:7380/add-checkpoint",
                true,
            ),
            (
                "http://localhost/x",
                "http://localhost/x/add-checkpoint",
                true,
            ),
            (
                "http://127.0.0.1.example",
                "http://127.0.0.1.example/add-checkpoint",
                false,
            ),
        ] {
            let address = Address::parse(prefix).unwrap();
            assert_eq!((address.url.as_str(), address.is_local), (url, is_local));
            assert_eq!(address.is_tls, prefix.starts_with("https"));
        }
        for bad in [
            "",
            "w.example",
            "ftp://w.example",
            "file:///etc/passwd",
            "https://",
            "https:///path",
            "https://user:secret@w.example",
            "https://w.example/?a=b",
            "https://w.example/#a",
            "https://w example",
            "https://w.example\n",
        ] {
            let error = Address::parse(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")), "{error}");
        }
    }
}
