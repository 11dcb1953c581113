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
        let (seconds, micros) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        let (year, month, day) = date(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (end, digits, number) in [
            (4, 4, year),
            (7, 2, month),
            (10, 2, day),
            (13, 2, second / 3_600),
            (16, 2, second / 60 % 60),
            (19, 2, second % 60),
            (26, 6, micros),
        ] {
            let mut rest = number;
            let slots = text.get_mut(end - digits..end).unwrap_or_default();
            for slot in slots.iter_mut().rev() {
                *slot = b'0' + u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// The date of the Gregorian calendar so many days after 1970-01-01: what [`days`] takes back.
fn date(days: i64) -> (i64, i64, i64) {
    // Eras of 400 years, and years that begin in March, so that the leap day is their last.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = year + era * 400;
    match month {
        0..=9 => (year, month + 3, day),
        _ => (year + 1, month - 9, day),
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
        // Only one text stands for one time: a record must not have two spellings.
        read(text.as_bytes())
            .map(Self)
            .ok_or_else(|| InvalidTime(text.chars().take(40).collect()))
    }
}

/// Microseconds since 1970 of `YYYY-MM-DDThh:mm:ss.ffffffZ`; years before that have none.
fn read(text: &[u8]) -> Option<i64> {
    let (date, time) = text.split_at_checked(10)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else {
        return None;
    };
    let [
        b'T',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        b'.',
        fraction @ ..,
        b'Z',
    ] = time
    else {
        return None;
    };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    let (month, day) = (number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let (hour, minute, second) = (
        number(&[*h1, *h2])?,
        number(&[*n1, *n2])?,
        number(&[*s1, *s2])?,
    );
    let micros = number(fraction).filter(|_| fraction.len() == 6)?;
    let exists = year >= 1970 && (1..=days_of(year, month)?).contains(&day);
    let seconds =
        (hour < 24 && minute < 60 && second < 60).then(|| hour * 3_600 + minute * 60 + second)?;
    exists.then(|| (days(year, month, day) * 86_400 + seconds) * 1_000_000 + micros)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        Some(number * 10 + digit)
    })
}

fn days_of(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is their last.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leaps = year / 4 - year / 100 + year / 400;
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468
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
    fn every_day_reads_as_the_calendar_says() {
        for day in 0..2_932_895_i64 {
            let at =
                Timestamp::from_micros((day * 86_400 + day % 86_400) * 1_000_000 + day % 1_000_000);
            if day % 97 == 0 || (59..62).contains(&(day % 365)) {
                assert_eq!(at.to_string().parse(), Ok(at));
                let oracle = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap();
                assert_eq!(at.to_string(), format!("{oracle:.6}"));
            }
        }
        for bad in [
            "2026-02-29T00:00:00.000000Z",
            "1900-02-29T00:00:00.000000Z",
            "1969-12-31T23:59:59.999999Z",
            "2026-13-01T00:00:00.000000Z",
            "2026-00-01T00:00:00.000000Z",
            "2026-04-31T00:00:00.000000Z",
            "2026-04-00T00:00:00.000000Z",
            "2026-04-01T24:00:00.000000Z",
            "2026-04-01T23:60:00.000000Z",
            "2026-04-01T23:59:60.000000Z",
            "2026-04-01T23:59:59.00000Z",
            "2026-04-01T23:59:59.0000000Z",
            "2026-04-01t23:59:59.000000z",
            "+026-04-01T23:59:59.000000Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
        assert!("2000-02-29T00:00:00.000000Z".parse::<Timestamp>().is_ok());
    }

    #[test]
    fn arithmetic_stays_in_range() {
        let at = Timestamp::from_micros(1_000);
        assert_eq!(at.after(Duration::MAX), Timestamp::from_micros(LAST));
        assert_eq!(at.before(Duration::from_secs(1)), Timestamp::from_micros(0));
        assert_eq!(at.since(at.after(Duration::from_secs(1))), Duration::ZERO);
    }
}
