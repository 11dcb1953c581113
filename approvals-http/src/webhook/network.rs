//! Where a webhook may go: not into this machine or its network, unless somebody said so.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use serde::Deserialize;
use tower::Service;

use crate::config::InvalidConfig;

/// Which addresses are connected to. Looked at when a name is resolved, right before connecting: a
/// name that later leads elsewhere leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Network {
    /// Addresses of the public internet only.
    #[default]
    Public,
    /// Those of an own network, too; never this machine, and never link-local ones, where clouds
    /// keep credentials.
    Private,
    /// This machine only.
    Loopback,
}

impl Network {
    fn allows(self, address: IpAddr) -> bool {
        let address = plain(address);
        match self {
            Self::Public => !is_special(address) && !is_private(address),
            Self::Private => !is_special(address),
            Self::Loopback => address.is_loopback(),
        }
    }

    /// Reads an address: `https`, or `http` within this machine; no user, no fragment.
    pub(crate) fn address(self, text: &str) -> Result<Uri, InvalidConfig> {
        let refuse = |why: &str| InvalidConfig::new(format!("the `url` of a webhook {why}"));
        if text.contains(['#', '@', ' ']) {
            return Err(refuse("holds a user or a fragment; write it without"));
        }
        let uri: Uri = text.parse().map_err(|_| refuse("is not a URL"))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| refuse("names no host"))?;
        match (uri.scheme_str(), self) {
            (Some("https"), _) | (Some("http"), Self::Loopback) => {}
            _ => {
                return Err(refuse(
                    "does not begin with `https://`, and events would pass in the clear; use TLS, or say `network = \"loopback\"` for a receiver on this machine",
                ));
            }
        }
        // An address needs no resolving, and so would not be looked at again.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address: Option<IpAddr> = bare.parse().ok();
        match address {
            Some(address) if !self.allows(address) => Err(refuse(&format!(
                "leads to `{address}`, where this webhook may not go; say `network = \"private\"` or `\"loopback\"` if it is meant"
            ))),
            _ => Ok(uri),
        }
    }
}

/// Resolves names, and refuses those of which any address is not allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver(pub(super) Network);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let network = self.0;
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = found.iter().all(|address| network.allows(address.ip()));
            match allowed && !found.is_empty() {
                true => Ok(found.into_iter()),
                false => Err(io::Error::other(
                    "the name leads to where this webhook may not go",
                )),
            }
        })
    }
}

/// The IPv4 address inside of an IPv6 one, when there is one: what is connected to in the end.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else {
        return address;
    };
    let [a, b, c, d, e, f, g, h] = six.segments();
    let four =
        |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match (a, b, c, d, e, f) {
        // Mapped, compatible (but for `::` and `::1`), and NAT64.
        (0, 0, 0, 0, 0, 0xffff) => four(g, h),
        (0, 0, 0, 0, 0, 0) if g != 0 => four(g, h),
        (0x64, 0xff9b, 0, 0, 0, 0) => four(g, h),
        // 6to4.
        (0x2002, ..) => four(b, c),
        _ => address,
    }
}

fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, _] = four.octets();
            four.is_loopback()
                || four.is_link_local()
                || four.is_multicast()
                || four.is_documentation()
                || a == 0
                || a >= 240
                || (a, b, c) == (192, 0, 0)
                || (a == 198 && (b & 0xfe) == 18)
        }
        IpAddr::V6(six) => {
            let [a, b, ..] = six.segments();
            six.is_loopback()
                || six.is_unspecified()
                || six.is_multicast()
                || six.is_unicast_link_local()
                || (a, b) == (0x2001, 0xdb8)
                // Local NAT64, Teredo, discard: none of them is somebody's receiver.
                || (a, b) == (0x64, 0xff9b)
                || (a, b) == (0x2001, 0)
                || a == 0x100
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [a, b, ..] = four.octets();
            // 100.64.0.0/10 lies behind a provider's address translation.
            four.is_private() || (a == 100 && (b & 0xc0) == 64)
        }
        IpAddr::V6(six) => {
            Ipv6Addr::is_unique_local(&six) || (six.segments().first() == Some(&0xfec0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_ssrf_a_webhook_reaches_only_what_it_is_allowed_to() {
        use Network::{Loopback, Private, Public};
        for (address, allowed) in [
            ("93.184.216.34", &[Public, Private][..]),
            ("2606:2800:220:1::1", &[Public, Private]),
            ("10.0.0.1", &[Private]),
            ("172.16.5.4", &[Private]),
            ("192.168.1.1", &[Private]),
            ("100.64.0.1", &[Private]),
            ("fd00::1", &[Private]),
            ("127.0.0.1", &[Loopback]),
            ("127.9.9.9", &[Loopback]),
            ("::1", &[Loopback]),
            ("::ffff:127.0.0.1", &[Loopback]),
            ("::ffff:10.0.0.1", &[Private]),
            ("64:ff9b::10.0.0.1", &[Private]),
            ("2002:0a00:0001::1", &[Private]),
            ("2002:7f00:0001::1", &[Loopback]),
            ("169.254.169.254", &[]),
            ("::ffff:169.254.169.254", &[]),
            ("fe80::1", &[]),
            ("0.0.0.0", &[]),
            ("::", &[]),
            ("224.0.0.1", &[]),
            ("255.255.255.255", &[]),
            ("198.18.0.1", &[]),
            ("64:ff9b:1::1", &[]),
        ] {
            for network in [Public, Private, Loopback] {
                let expected = allowed.contains(&network);
                let parsed: IpAddr = address.parse().unwrap();
                assert_eq!(network.allows(parsed), expected, "{address} {network:?}");
                let host = match parsed {
                    IpAddr::V4(_) => address.to_owned(),
                    IpAddr::V6(_) => format!("[{address}]"),
                };
                let url = network.address(&format!("https://{host}/hook"));
                assert_eq!(url.is_ok(), expected, "{address} {network:?}");
            }
        }
    }

    #[test]
    fn an_address_is_encrypted_or_within_this_machine() {
        for (url, network, reads) in [
            ("https://siem.example/hook?x=1", Network::Public, true),
            ("http://siem.example/hook", Network::Public, false),
            ("http://siem.example/hook", Network::Private, false),
            ("http://localhost:8080/hook", Network::Loopback, true),
            ("http://127.0.0.1:8080/hook", Network::Public, false),
            ("https://user@siem.example/", Network::Public, false),
            ("https://siem.example/#here", Network::Public, false),
            ("ftp://siem.example/", Network::Public, false),
            ("/hook", Network::Loopback, false),
            ("", Network::Public, false),
        ] {
            assert_eq!(network.address(url).is_ok(), reads, "{url} {network:?}");
        }
    }

    #[tokio::test]
    async fn threat_ssrf_a_name_that_leads_into_this_machine_leads_nowhere() {
        for (network, reaches) in [
            (Network::Public, false),
            (Network::Private, false),
            (Network::Loopback, true),
        ] {
            let name: Name = "localhost".parse().unwrap();
            let found = Resolver(network).call(name).await;
            assert_eq!(found.is_ok(), reaches, "{network:?}");
        }
    }
}
