//! Logins on their way: what a browser took to the provider, and must bring back.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use approvals_core::digest::sha256;
use approvals_core::{ApprovalError, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Wish;
use crate::auth::{Token, TokenHash};

/// One login on its way. The secrets that leave are kept by their hash; the one of PKCE stays.
#[derive(Debug)]
pub(super) struct Flow {
    state: TokenHash,
    nonce: TokenHash,
    verifier: Token,
    wish: Wish,
    began: Timestamp,
}

/// What a login gives away: to the browser's cookie, and to the provider.
pub(super) struct Keeps {
    pub(super) cookie: Token,
    pub(super) state: Token,
    pub(super) nonce: Token,
}

impl Flow {
    pub(super) fn new(wish: Wish, now: Timestamp) -> Result<(Self, Keeps), ApprovalError> {
        let keeps = Keeps {
            cookie: Token::generate()?,
            state: Token::generate()?,
            nonce: Token::generate()?,
        };
        let flow = Self {
            state: keeps.state.hash(),
            nonce: keeps.nonce.hash(),
            verifier: Token::generate()?,
            wish,
            began: now,
        };
        Ok((flow, keeps))
    }

    /// Whether this is the state that went out; of digests, so that comparing gives no time away.
    pub(super) fn is(&self, state: &str) -> bool {
        self.state == TokenHash::of(state)
    }

    pub(super) fn nonce(&self) -> TokenHash {
        self.nonce
    }

    /// What the provider is told at first of the secret that it is told at last ([RFC 7636]).
    ///
    /// [RFC 7636]: https://www.rfc-editor.org/rfc/rfc7636
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(&[self.verifier.reveal().as_bytes()]))
    }

    pub(super) fn verifier(&self) -> &str {
        self.verifier.reveal()
    }

    pub(super) fn wish(&self) -> Wish {
        self.wish
    }

    pub(super) fn began(&self) -> Timestamp {
        self.began
    }
}

/// All of them, by the hash of the cookie's secret.
#[derive(Debug, Default)]
pub(super) struct Flows(Mutex<BTreeMap<TokenHash, Flow>>);

impl Flows {
    pub(super) fn keep(&self, cookie: &Token, flow: Flow, now: Timestamp) {
        let mut flows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flows.retain(|_, flow| flow.began.after(LASTS) > now);
        // Anybody can begin a login. The oldest gives way, so that nobody is kept out for long.
        if flows.len() >= MOST {
            let oldest = flows.iter().min_by_key(|(_, flow)| flow.began);
            let oldest = oldest.map(|(cookie, _)| *cookie);
            oldest.map(|cookie| flows.remove(&cookie));
        }
        flows.insert(cookie.hash(), flow);
    }

    /// Takes a login: it is good once, whatever comes of it.
    pub(super) fn take(&self, cookie: &TokenHash, now: Timestamp) -> Option<Flow> {
        let mut flows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let flow = flows.remove(cookie)?;
        (flow.began.after(LASTS) > now).then_some(flow)
    }
}

/// How long somebody may take at the provider.
pub(super) const LASTS: Duration = Duration::from_secs(10 * 60);
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_good_once_for_a_time_and_for_its_own_cookie() {
        let (flows, now) = (Flows::default(), Timestamp::from_micros(1));
        let begin = || {
            let (flow, keeps) = Flow::new(Wish::default(), now).unwrap();
            assert!(flow.is(keeps.state.reveal()) && !flow.is(keeps.nonce.reveal()));
            flows.keep(&keeps.cookie, flow, now);
            keeps.cookie.hash()
        };
        let (one, other) = (begin(), begin());
        assert!(flows.take(&one, now).is_some());
        assert!(flows.take(&one, now).is_none(), "once");
        assert!(flows.take(&other, now.after(LASTS)).is_none(), "in time");
        assert!(flows.take(&TokenHash::of("x"), now).is_none());
        for _ in 0..MOST + 5 {
            let (flow, keeps) = Flow::new(Wish::default(), now).unwrap();
            flows.keep(&keeps.cookie, flow, now);
        }
        assert!(flows.0.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn the_challenge_is_the_digest_of_the_verifier() {
        let (flow, _) = Flow::new(Wish::default(), Timestamp::from_micros(1)).unwrap();
        assert!((43..=128).contains(&flow.verifier().len()));
        let digest = sha256(&[flow.verifier().as_bytes()]);
        assert_eq!(flow.challenge(), URL_SAFE_NO_PAD.encode(digest));
    }
}
