//! The secrets that sign, and the signatures: Standard Webhooks, `v1`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::config::InvalidConfig;

/// What begins a secret of [Standard Webhooks](https://www.standardwebhooks.com).
const PREFIX: &str = "whsec_";

/// One symmetric secret that a receiver knows, too. Its `Debug` is empty, and it cannot be compared.
#[derive(Clone)]
pub(crate) struct Secret(hmac::Key);

impl Secret {
    /// Reads `whsec_` and 24 to 64 bytes in base64.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidConfig> {
        let bytes = text.strip_prefix(PREFIX);
        let bytes = bytes.and_then(|text| STANDARD.decode(text).ok());
        match bytes {
            Some(bytes) if (24..=64).contains(&bytes.len()) => {
                Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
            }
            _ => Err(InvalidConfig::new(
                "a webhook's secret is not `whsec_` and 24 to 64 bytes in base64; make one with `echo whsec_$(openssl rand -base64 32)`",
            )),
        }
    }

    fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(format!("{id}.{timestamp}.").as_bytes());
        signing.update(body);
        format!("v1,{}", STANDARD.encode(signing.sign()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The signature header: one signature for each secret, so that a receiver that knows any of them
/// accepts while they are replaced.
pub(super) fn signatures(secrets: &[Secret], id: &str, timestamp: u64, body: &[u8]) -> String {
    let signed = secrets
        .iter()
        .map(|secret| secret.sign(id, timestamp, body));
    signed.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_enough_and_shows_nothing() {
        let good = format!("whsec_{}", STANDARD.encode([7; 32]));
        for (text, reads) in [
            (good.as_str(), true),
            (good.trim_start_matches("whsec_"), false),
            (&format!("whsec_{}", STANDARD.encode([7; 23])), false),
            (&format!("whsec_{}", STANDARD.encode([7; 65])), false),
            ("whsec_", false),
            ("whsec_not base64", false),
        ] {
            assert_eq!(Secret::parse(text).is_ok(), reads, "{text}");
        }
        let error = Secret::parse("whsec_hunter2").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(format!("{:?}", Secret::parse(&good).unwrap()), "Secret(..)");
    }

    #[test]
    fn the_example_of_the_specification_is_signed_alike() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
