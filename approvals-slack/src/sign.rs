//! Slack's signature over a callback, checked over the raw bytes and as strictly as any official
//! verifier does.

use approvals_core::Timestamp;
use approvals_core::digest::from_hex;
use approvals_core::secret::Secret;
use ring::hmac;

/// How far Slack's clock and ours may be apart, and for how long a callback is fresh.
const WINDOW: u64 = 300;

/// The headers and the exact body of one callback.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) timestamp: &'a str,
    pub(crate) signature: &'a str,
    pub(crate) body: &'a [u8],
}

impl Signed<'_> {
    /// Whether Slack signed exactly this body a short while ago. Digits only, one spelling of each
    /// part, and neither too old nor from the future: what this accepts, every official verifier
    /// accepts.
    pub(crate) fn is_from(&self, secret: &Secret, now: Timestamp) -> bool {
        let Some(at) = seconds(self.timestamp) else {
            return false;
        };
        // A form is text, and some verifiers read it as such before they hash it.
        if str::from_utf8(self.body).is_err() {
            return false;
        }
        let now = u64::try_from(now.as_micros()).unwrap_or(0) / 1_000_000;
        if now.abs_diff(at) > WINDOW {
            return false;
        }
        let Some(mac) = self.signature.strip_prefix("v0=").and_then(from_hex) else {
            return false;
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
        let message = [b"v0:", self.timestamp.as_bytes(), b":", self.body].concat();
        // In constant time.
        hmac::verify(&key, &message, &mac).is_ok()
    }
}

fn seconds(text: &str) -> Option<u64> {
    let plain = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && !text.starts_with('0')).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use approvals_core::digest::hex;

    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn sign(secret: &str, timestamp: &str, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mac = hmac::sign(&key, format!("v0:{timestamp}:{body}").as_bytes());
        format!("v0={}", hex(mac.as_ref()))
    }

    #[test]
    fn slacks_own_example_verifies() {
        let secret = Secret::new("8f742231b10e8888abcd99yyyzzz85a5");
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let signed = Signed {
            timestamp: "1531420618",
            signature: "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            body: body.as_bytes(),
        };
        assert!(signed.is_from(&secret, Timestamp::from_micros(1_531_420_618_000_000)));
    }

    #[test]
    fn threat_36_only_fresh_exact_signatures_pass() {
        let secret = Secret::new("test-signing-secret");
        let now = Timestamp::from_micros(NOW * 1_000_000);
        let check = |timestamp: &str, signature: &str, body: &str, wanted: bool| {
            let signed = Signed {
                timestamp,
                signature,
                body: body.as_bytes(),
            };
            assert_eq!(
                signed.is_from(&secret, now),
                wanted,
                "{timestamp} {signature} {body}"
            );
        };
        let own = |timestamp: &str| sign("test-signing-secret", timestamp, "payload=x");
        for (offset, wanted) in [
            (0, true),
            (-299, true),
            (299, true),
            (-301, false),
            (301, false),
            (315_360_000, false),
        ] {
            let at = (NOW + offset).to_string();
            check(&at, &own(&at), "payload=x", wanted);
        }
        let at = NOW.to_string();
        let good = own(&at);
        check(&at, &good, "payload=x ", false);
        check(&at, &good, "payload=y", false);
        check(&at, &sign("another", &at, "payload=x"), "payload=x", false);
        for bad in [
            "",
            "v0=",
            "v1=",
            &good.to_uppercase(),
            good.get(..40).unwrap(),
            &format!("{good}=x"),
            &format!(" {good}"),
            &good.replace("v0=", "v1="),
        ] {
            check(&at, bad, "payload=x", false);
        }
        for spelled in [
            "abc",
            "",
            "+1795000000",
            " 1795000000",
            "1795000000.5",
            "01795000000",
            "1795000000 ",
        ] {
            check(spelled, &own(spelled), "payload=x", false);
        }
    }
}
