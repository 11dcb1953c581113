//! How often an `auto` rule may let actions through, and how times are written.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::requirement::Ceiling;
use crate::id::RuleId;
use crate::principal::Requester;

/// So many in a sliding window, counted per agent, per person behind it, or all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    limit: NonZeroU32,
    unit: Unit,
    per: Per,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit(char);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Per {
    Agent,
    Requester,
    All,
}

impl Rate {
    /// Reads `30/h`, `30/h/agent`, `5/m/requester`, `1000/d/all`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (limit, rest) = text.split_once('/')?;
        let (unit, per) = match rest.split_once('/') {
            Some((unit, per)) => (unit, Per::parse(per)?),
            None => (rest, Per::Agent),
        };
        let unit = Unit::parse(unit)?;
        let limit = digits(limit)?.try_into().ok().and_then(NonZeroU32::new)?;
        Some(Self { limit, unit, per })
    }

    /// The ceiling that holds for one requester under one rule.
    ///
    /// Two rules could spell one counter when an id looks like another rule's counter; they would
    /// then count together, which is only stricter.
    pub(super) fn ceiling(self, rule: &RuleId, requester: &Requester) -> Ceiling {
        let counter = self.per.counter(rule.as_str(), requester);
        let window = Duration::from_secs(self.unit.seconds());
        Ceiling::new(self.limit.into(), window, counter)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.limit, self.unit, self.per)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Requester => "requester",
            Self::All => "all",
        })
    }
}

impl Per {
    /// What one requester's calls are counted under, of all that are counted under a name.
    pub(super) fn counter(self, name: &str, requester: &Requester) -> String {
        match self {
            Self::All => name.to_owned(),
            Self::Agent => format!("{name}/agent:{}", requester.agent()),
            Self::Requester => match requester.sponsor().or(requester.owner()) {
                Some(person) => format!("{name}/requester:{person}"),
                None => format!("{name}/agent:{}", requester.agent()),
            },
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "agent" => Some(Self::Agent),
            "requester" => Some(Self::Requester),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

impl Unit {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut letters = text.chars();
        let unit = letters.next().filter(|letter| "smhd".contains(*letter))?;
        letters.next().is_none().then_some(Self(unit))
    }

    pub(super) fn seconds(self) -> u64 {
        match self.0 {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            _ => 86_400,
        }
    }
}

/// Reads a time as policies write it: `90s`, `15m`, `2h`, `1d`, from one second to thirty days;
/// `None` for everything else.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use approvals_core::policy::duration;
///
/// assert_eq!(duration("15m"), Some(Duration::from_secs(900)));
/// assert_eq!(duration("15"), None);
/// ```
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let (place, _) = text.char_indices().next_back()?;
    let (number, unit) = text.split_at_checked(place)?;
    let seconds = digits(number)?.checked_mul(Unit::parse(unit)?.seconds())?;
    (1..=30 * 86_400)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

/// Writes a time as [`duration`] reads it.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let unit = units
        .into_iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, letter) = unit.unwrap_or((1, 's'));
    format!("{}{letter}", seconds / unit)
}

/// Digits only: the standard library would also take a plus sign.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_and_bounded() {
        let check = |text: &str, want: Option<u64>| {
            assert_eq!(duration(text), want.map(Duration::from_secs), "{text:?}");
        };
        check("1s", Some(1));
        check("90s", Some(90));
        check("15m", Some(900));
        check("2h", Some(7_200));
        check("30d", Some(2_592_000));
        for bad in [
            "",
            "s",
            "0s",
            "31d",
            "721h",
            "15",
            "15M",
            "15 m",
            " 15m",
            "+5m",
            "-5m",
            "1.5h",
            "1h30m",
            "15ｍ",
            "１5m",
            "99999999999999999999d",
            "9223372036854775807d",
            "1w",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn rates_read_and_print() {
        let check = |text: &str, want: Option<&str>| {
            let read = Rate::parse(text).map(|rate| rate.to_string());
            assert_eq!(read.as_deref(), want, "{text:?}");
        };
        check("30/h", Some("30/h/agent"));
        check("30/h/agent", Some("30/h/agent"));
        check("5/m/requester", Some("5/m/requester"));
        check("4294967295/d/all", Some("4294967295/d/all"));
        for bad in [
            "",
            "30",
            "0/h",
            "30/w",
            "30/h/",
            "30/h/team",
            "30/h/agent/",
            "+3/h",
            "-3/h",
            "3 /h",
            "/h",
            "4294967296/h",
            "30/hh",
        ] {
            check(bad, None);
        }
    }
}
