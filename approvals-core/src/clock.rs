//! Time: one kind of timestamp, and the port that gives it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A point in time, UTC, to the microsecond.
///
/// Its text is RFC 3339 with exactly six digits after the second, so that texts sort as times do.
///
/// # Examples
/// ```
/// use approvals_core::Timestamp;
///
/// let at: Timestamp = "2026-11-22T06:00:00.000000Z".parse()?;
/// assert_eq!(at.to_string(), "2026-11-22T06:00:00.000000Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time this many microseconds after 1970-01-01T00:00:00Z, held within years 1970 to 9999.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < 0 {
            Self(0)
        } else if micros > LAST {
            Self(LAST)
        } else {
            Self(micros)
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This time plus a duration, held at the end of year 9999.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(LAST);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// This time minus a duration, held at 1970.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(LAST);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_microsecond(self.0).unwrap_or_default();
        write!(f, "{at:.6}")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an RFC 3339 UTC time with six digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time; write it as 2026-11-22T06:00:00.000000Z")]
pub struct InvalidTime(String);

impl FromStr for Timestamp {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let refuse = || InvalidTime(text.chars().take(40).collect());
        let at: jiff::Timestamp = text.parse().map_err(|_| refuse())?;
        let at = Self(at.as_microsecond());
        // Only one text stands for one time: a record must not have two spellings.
        if at.0 < 0 || at.to_string() != text {
            Err(refuse())
        } else {
            Ok(at)
        }
    }
}

crate::id::serde_as_text!(Timestamp);

/// Clocks of one log may differ by this much; one that goes back further stops everything.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(5);

/// The port that gives the time.
///
/// Duties: it may be called from any thread, at any rate, and must not block. It need not be
/// monotone; the ledger refuses a clock that goes back by more than a few seconds.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
    }
}

// 9999-12-30T00:00:00Z, the last day that RFC 3339 texts can hold with room to spare.
const LAST: i64 = 253_402_128_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_one_time() {
        for micros in [0, 1, 999_999, 1_795_327_200_000_000, LAST] {
            let at = Timestamp::from_micros(micros);
            assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
            assert_eq!(at.to_string().len(), 27);
        }
        for bad in [
            "",
            "2026-11-22T06:00:00Z",
            "2026-11-22T06:00:00.000000+00:00",
            "2026-11-22 06:00:00.000000Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn arithmetic_stays_in_range() {
        let at = Timestamp::from_micros(1_000);
        assert_eq!(at.after(Duration::MAX), Timestamp::from_micros(LAST));
        assert_eq!(at.before(Duration::from_secs(1)), Timestamp::from_micros(0));
        assert_eq!(at.since(at.after(Duration::from_secs(1))), Duration::ZERO);
    }
}
