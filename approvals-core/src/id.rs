//! Identifiers: one type each, so that none can be taken for another.
//!
//! Random identifiers are 128 bits from the operating system; they say nothing and decide
//! nothing. Names are checked once, when they are parsed.

use std::fmt;
use std::str::FromStr;

use ring::rand::{SecureRandom, SystemRandom};

/// Bytes from the operating system's random source.
///
/// # Errors
/// [`NoRandomness`] when the operating system has none to give; nothing can be made without it.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// Random bytes for one step, drawn from the operating system many at a time.
///
/// It never outlives its step and belongs to one thread: nothing of it can be met again in another
/// process that was forked off, or in a copy of a machine.
#[derive(Default)]
pub(crate) struct Draw {
    left: Vec<u8>,
}

impl fmt::Debug for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draw(..)")
    }
}

/// How many bytes one draw fetches.
const DRAW: usize = 256;

impl Draw {
    /// The next bytes; nobody gets them twice.
    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], NoRandomness> {
        const { assert!(N <= DRAW, "more than one draw has") };
        if self.left.len() < N {
            self.left = random::<DRAW>()?.to_vec();
        }
        let at = self.left.len() - N;
        let mut taken = [0; N];
        let next = self.left.get_mut(at..).ok_or(NoRandomness)?;
        taken.copy_from_slice(next);
        // Some of it becomes keys.
        wipe(next);
        self.left.truncate(at);
        Ok(taken)
    }
}

/// Overwrites a secret; the hint keeps the compiler from dropping the write.
pub(crate) fn wipe(secret: &mut [u8]) {
    secret.fill(0);
    std::hint::black_box(secret);
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes; check getrandom(2)")]
pub struct NoRandomness;

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new identifier from the operating system's random source.
            ///
            /// # Errors
            /// [`NoRandomness`] when the operating system has none to give.
            pub fn random() -> Result<Self, NoRandomness> {
                random().map(Self)
            }

            /// The identifier with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes of the identifier.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write_base32(f, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix).and_then(read_base32).map(Self).ok_or_else(|| InvalidId::new($prefix, text))
            }
        }

        serde_as_text!($name);
    };
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_name(text) { Ok(Self(text.into())) } else { Err(InvalidId::new($what, text)) }
            }
        }

        serde_as_text!($name);
    };
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::id::Parsed(std::marker::PhantomData))
            }
        }
    };
}
pub(crate) use serde_as_text;

/// Reads a value from its text where the text stands, without a copy of it.
pub(crate) struct Parsed<T>(pub(crate) std::marker::PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> serde::de::Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

random_id!(
    /// One ask for approval. Not a secret and not a right: knowing it decides nothing.
    RequestId, "req_"
);
random_id!(
    /// One audit record; a retried write with the same id yields the same record.
    RecordId, "rec_"
);
random_id!(
    /// One start of one process that writes to the ledger.
    BootId, "boot_"
);
name_id!(
    /// A human being, by the stable id of the directory (never an e-mail address or a login).
    PersonId, "person id"
);
name_id!(
    /// A group of people that a policy can name.
    GroupName, "group name"
);
name_id!(
    /// An agent or a piece of automation, by the name its operator gave it.
    AgentId, "agent id"
);
name_id!(
    /// A rule of a policy, by the `id` it carries there.
    RuleId, "rule id"
);
name_id!(
    /// A policy engine beside the policy, by the name its operator gave it.
    EngineName, "policy engine's name"
);

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}{hint}")]
pub struct InvalidId {
    what: &'static str,
    text: String,
    hint: &'static str,
}

impl InvalidId {
    fn new(what: &'static str, text: &str) -> Self {
        let hint = if what.ends_with('_') {
            "… identifier; copy it whole from `approvals list`"
        } else {
            "; use 1 to 128 of the letters a-z A-Z 0-9 and . _ : @ / + -"
        };
        let text = text
            .chars()
            .take(80)
            .map(|c| if c.is_ascii_graphic() { c } else { '?' })
            .collect();
        Self { what, text, hint }
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:@/+-".contains(&b);
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

// Crockford's alphabet in lower case: no i, l, o, u, so that an id can be read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The digit that each byte stands for; 255 for those that stand for none.
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut digit = 0;
    while digit < 32 {
        #[expect(clippy::indexing_slicing, reason = "in range, at compile time")]
        {
            digits[ALPHABET[digit] as usize] = digit as u8;
        }
        digit += 1;
    }
    digits
};

fn write_base32(f: &mut fmt::Formatter<'_>, bytes: [u8; 16]) -> fmt::Result {
    let value = u128::from_be_bytes(bytes);
    let mut text = [b'0'; 26];
    // 12 digits have 60 bits: the machine's own numbers are much cheaper to take apart.
    for (part, place) in [(value, 26), (value >> 60, 14), (value >> 120, 2)] {
        let mut rest = (part & ((1 << 60) - 1)) as u64;
        let slots = text.get_mut(..place).unwrap_or_default();
        for slot in slots.iter_mut().rev().take(12) {
            *slot = ALPHABET.get((rest & 31) as usize).copied().unwrap_or(b'0');
            rest >>= 5;
        }
    }
    f.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

fn read_base32(text: &str) -> Option<[u8; 16]> {
    if text.len() != 26 {
        return None;
    }
    let mut value: u128 = 0;
    for (place, byte) in text.bytes().enumerate() {
        let digit = DIGITS.get(usize::from(byte)).copied().unwrap_or(255);
        // 26 digits hold 130 bits; the first one may only use three of its five.
        if digit > 31 || (place == 0 && digit > 7) {
            return None;
        }
        value = (value << 5) | u128::from(digit);
    }
    Some(value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_round_trip_and_differ() {
        let id = RequestId::random().unwrap();
        assert_eq!(id.to_string().parse::<RequestId>().unwrap(), id);
        assert_ne!(id, RequestId::random().unwrap());
        for bytes in [[0; 16], [255; 16]] {
            let id = RequestId::from_bytes(bytes);
            assert_eq!(id.to_string().parse::<RequestId>().unwrap(), id);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let good = RequestId::from_bytes([1; 16]).to_string();
        for bad in [
            "",
            "req_",
            "req_zz",
            &good.to_uppercase(),
            &good.replace("req_", "rec_"),
            &format!("{good}0"),
        ] {
            assert!(bad.parse::<RequestId>().is_err(), "{bad}");
        }
        // The first digit would overflow 128 bits.
        assert!(
            format!("req_8{}", "0".repeat(25))
                .parse::<RequestId>()
                .is_err()
        );
    }

    #[test]
    fn names_allow_no_space_wildcard_or_control() {
        for good in ["u_alice", "oidc:https://idp/1", "a@b"] {
            assert!(good.parse::<PersonId>().is_ok(), "{good}");
        }
        for bad in ["", "alice ", "a*", "a\nb", "ä", &"x".repeat(129)] {
            assert!(bad.parse::<PersonId>().is_err(), "{bad}");
        }
    }
}
