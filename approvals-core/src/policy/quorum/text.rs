//! A quorum in a word: `oncall`, `sre:2`, `privacy:1:A3`.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use super::Quorum;
use crate::canonical::clip;
use crate::principal::Assurance;

/// Reads `GROUP`, `GROUP:N` or `GROUP:N:ASSURANCE`; one person and `A1` unless it says more.
///
/// # Examples
/// ```
/// use approvals_core::policy::Quorum;
///
/// let two: Quorum = "sre:2".parse()?;
/// assert_eq!((two.group.as_str(), two.need.get()), ("sre", 2));
/// assert_eq!("privacy:1:A3".parse::<Quorum>()?.to_string(), "privacy:1:A3");
/// assert!("sre:0".parse::<Quorum>().is_err());
/// # Ok::<(), approvals_core::policy::InvalidQuorum>(())
/// ```
impl FromStr for Quorum {
    type Err = InvalidQuorum;

    fn from_str(text: &str) -> Result<Self, InvalidQuorum> {
        let invalid = || InvalidQuorum { text: clip(text) };
        if text.split(':').any(str::is_empty) {
            return Err(invalid());
        }
        // From the right, because a group's name may hold colons.
        let (rest, assurance) = match text.rsplit_once(':') {
            Some((rest, "A1")) => (rest, Some(Assurance::A1)),
            Some((rest, "A2")) => (rest, Some(Assurance::A2)),
            Some((rest, "A3")) => (rest, Some(Assurance::A3)),
            _ => (text, None),
        };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let (group, need) = match rest.rsplit_once(':') {
            Some((group, need)) if digits(need) => {
                (group, need.parse::<NonZeroU8>().map_err(|_| invalid())?)
            }
            _ if assurance.is_some() => return Err(invalid()),
            _ => (rest, NonZeroU8::MIN),
        };
        let group = group.parse().map_err(|_| invalid())?;
        Ok(Self::new(group, need, assurance.unwrap_or(Assurance::A1)))
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.group, self.need, self.assurance)
    }
}

/// A text that says of no group how many people of it are needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no quorum; write a group, how many of it, and how well proven, as in `sre:2` or `privacy:1:A3`"
)]
pub struct InvalidQuorum {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_read_and_print() {
        let check = |text: &str, want: Option<&str>| {
            let read = text.parse::<Quorum>().ok().map(|quorum| quorum.to_string());
            assert_eq!(read.as_deref(), want, "{text:?}");
        };
        check("sre", Some("sre:1:A1"));
        check("sre:2", Some("sre:2:A1"));
        check("sre:255:A2", Some("sre:255:A2"));
        check("team:sre:2:A3", Some("team:sre:2:A3"));
        check("team:sre", Some("team:sre:1:A1"));
        for bad in [
            "",
            ":",
            "sre:0",
            "sre:256",
            "sre:A3",
            "sre:2:",
            "sre::2:A3",
            "sre :2",
            " sre",
            ":2",
            "sre:A1:A3",
        ] {
            check(bad, None);
        }
    }
}
