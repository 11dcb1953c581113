//! What a button carries: exactly what was shown where, under our own key.

use approvals_core::digest::PolicyDigest;
use approvals_core::{ActionDigest, Card, RequestId, Vote};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// The decision that one button stands for; without the key nobody can make another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Button {
    /// The route it was posted by.
    pub(crate) route: String,
    pub(crate) request: RequestId,
    pub(crate) digest: ActionDigest,
    pub(crate) policy: PolicyDigest,
    pub(crate) vote: Vote,
}

impl Button {
    pub(crate) fn of(card: &Card, route: &str, vote: Vote) -> Self {
        Self {
            route: route.to_owned(),
            request: card.request,
            digest: card.digest,
            policy: card.policy,
            vote,
        }
    }

    /// The text for Slack to keep; well below its 2,000 characters.
    pub(crate) fn seal(&self, key: &hmac::Key) -> String {
        let plain = self.plain();
        let mac = hmac::sign(key, plain.as_bytes());
        format!("{plain}|{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// Reads it back; none unless it is one that we made, whole.
    pub(crate) fn open(key: &hmac::Key, text: &str) -> Option<Self> {
        let (plain, mac) = text.rsplit_once('|')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(key, plain.as_bytes(), &mac).ok()?;
        let mut parts = plain.split('|');
        let mut next = || parts.next();
        if next()? != VERSION {
            return None;
        }
        let button = Self {
            route: next()?.to_owned(),
            request: next()?.parse().ok()?,
            digest: next()?.parse().ok()?,
            policy: next()?.parse().ok()?,
            vote: vote(next()?)?,
        };
        next().is_none().then_some(button)
    }

    fn plain(&self) -> String {
        let Self {
            route,
            request,
            digest,
            policy,
            vote,
        } = self;
        let vote = vote.as_str();
        format!("{VERSION}|{route}|{request}|{digest}|{policy}|{vote}")
    }
}

fn vote(text: &str) -> Option<Vote> {
    [Vote::Approve, Vote::Deny]
        .into_iter()
        .find(|vote| vote.as_str() == text)
}

const VERSION: &str = "approvals/slack/v1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_40_no_changed_value_opens() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"ours");
        let button = Button {
            route: "C01APPR".to_owned(),
            request: RequestId::from_bytes([1; 16]),
            digest: ActionDigest::from_bytes([2; 32]),
            policy: PolicyDigest::from_bytes([3; 32]),
            vote: Vote::Deny,
        };
        let sealed = button.seal(&key);
        assert!(sealed.len() < 400, "{}", sealed.len());
        assert_eq!(Button::open(&key, &sealed), Some(button.clone()));
        let theirs = hmac::Key::new(hmac::HMAC_SHA256, b"theirs");
        assert_eq!(Button::open(&key, &button.seal(&theirs)), None);
        let other = RequestId::from_bytes([9; 16]).to_string();
        let swaps = [
            sealed.replace("|deny|", "|approve|"),
            sealed.replace("C01APPR", "C02APPR"),
            sealed.replace(&button.request.to_string(), &other),
            format!("{sealed}|"),
            format!("x{sealed}"),
            button.plain(),
            format!("{}|", button.plain()),
            String::new(),
        ];
        for swapped in swaps {
            assert_eq!(Button::open(&key, &swapped), None, "{swapped}");
        }
    }
}
