//! Calendars: named stretches of time, such as a change freeze.
//!
//! A window is half open: its end is the first moment after it. Weekly windows are cut from days of
//! a fixed distance to UTC and not of a place: no time-zone database is asked, so that a replay of
//! years later, on any machine, finds the same answer. Where clocks are put back and forth, write
//! the window of either half of the year, or one that is wide enough for both.

use std::collections::BTreeMap;

use crate::clock::Timestamp;

/// The calendars of a policy, by name.
pub(super) type Calendars = BTreeMap<String, Calendar>;

/// Stretches of time; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Calendar {
    pub(super) fixed: Vec<Fixed>,
    pub(super) weekly: Vec<Weekly>,
}

/// One stretch, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// A stretch of some days of every week. Times are microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weekly {
    /// The days it begins on, Monday first.
    pub(super) days: [bool; 7],
    /// From the beginning of the day.
    pub(super) from: i64,
    /// From the beginning of the same day; past its end when the window reaches into the next one.
    pub(super) to: i64,
    /// How far the days are ahead of UTC.
    pub(super) offset: i64,
}

impl Calendar {
    /// Whether a time lies in one of the windows.
    pub(super) fn covers(&self, at: Timestamp) -> bool {
        self.window_end(at).is_some()
    }

    /// When the calendar lets go of a time that it covers; `None` when that is not in sight.
    pub(super) fn until(&self, at: Timestamp) -> Option<Timestamp> {
        let mut end = self.window_end(at)?;
        // Windows may touch or overlap: the end of one is the end only if no other covers it.
        for _ in 0..LOOKS {
            match self.window_end(end) {
                None => return Some(end),
                Some(later) => end = later,
            }
        }
        None
    }

    /// The latest end of a window that covers a time.
    fn window_end(&self, at: Timestamp) -> Option<Timestamp> {
        let fixed = self.fixed.iter().filter_map(|window| window.end(at));
        let weekly = self.weekly.iter().filter_map(|window| window.end(at));
        fixed.chain(weekly).max()
    }
}

impl Fixed {
    fn end(&self, at: Timestamp) -> Option<Timestamp> {
        (self.from <= at && at < self.to).then_some(self.to)
    }
}

impl Weekly {
    fn end(&self, at: Timestamp) -> Option<Timestamp> {
        let local = at.as_micros().saturating_add(self.offset);
        let today = local.div_euclid(DAY);
        // A window that began yesterday may reach into today.
        let begun = [today, today - 1]
            .into_iter()
            .filter(|day| self.is_on(*day));
        let ends = begun.filter_map(|day| {
            let midnight = day * DAY;
            let within = midnight + self.from <= local && local < midnight + self.to;
            within.then_some(midnight + self.to)
        });
        let end = ends.max()?.saturating_sub(self.offset);
        Some(Timestamp::from_micros(end))
    }

    fn is_on(&self, day: i64) -> bool {
        // Day 0 of the clock, 1970-01-01, was a Thursday.
        let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default();
        self.days.get(weekday).copied().unwrap_or_default()
    }
}

/// A day, in microseconds.
pub(super) const DAY: i64 = 86_400_000_000;

/// How many windows in a row are looked at before the end counts as out of sight.
const LOOKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.replace('Z', ".000000Z").parse().unwrap()
    }

    const HOUR: i64 = 3_600_000_000;

    fn weekly(days: &[usize], from: i64, to: i64, offset: i64) -> Calendar {
        let mut on = [false; 7];
        for day in days {
            on[*day] = true;
        }
        let window = Weekly {
            days: on,
            from: from * HOUR,
            to: to * HOUR,
            offset: offset * HOUR,
        };
        Calendar {
            fixed: Vec::new(),
            weekly: vec![window],
        }
    }

    fn check(calendar: &Calendar, table: &[(&str, Option<&str>)]) {
        for (time, until) in table {
            assert_eq!(calendar.until(at(time)), until.map(at), "{time}");
            assert_eq!(calendar.covers(at(time)), until.is_some(), "{time}");
        }
    }

    #[test]
    fn a_fixed_window_has_a_first_moment_and_none_at_its_end() {
        let window = |from, to| Fixed {
            from: at(from),
            to: at(to),
        };
        let calendar = Calendar {
            fixed: vec![
                window("2026-12-20T00:00:00Z", "2026-12-27T00:00:00Z"),
                window("2026-12-24T00:00:00Z", "2027-01-03T00:00:00Z"),
                window("2027-01-03T00:00:00Z", "2027-01-04T00:00:00Z"),
            ],
            weekly: Vec::new(),
        };
        check(
            &calendar,
            &[
                ("2026-12-19T23:59:59Z", None),
                ("2026-12-20T00:00:00Z", Some("2027-01-04T00:00:00Z")),
                ("2027-01-03T23:59:59Z", Some("2027-01-04T00:00:00Z")),
                ("2027-01-04T00:00:00Z", None),
            ],
        );
    }

    #[test]
    fn a_weekly_window_is_cut_from_local_days() {
        // 2027-01-15 is a Friday. From Friday 16:00 to 24:00, one hour ahead of UTC.
        check(
            &weekly(&[4], 16, 24, 1),
            &[
                ("2027-01-15T14:59:59Z", None),
                ("2027-01-15T15:00:00Z", Some("2027-01-15T23:00:00Z")),
                ("2027-01-15T22:59:59Z", Some("2027-01-15T23:00:00Z")),
                ("2027-01-15T23:00:00Z", None),
                ("2027-01-14T16:00:00Z", None),
                ("2027-01-22T15:00:00Z", Some("2027-01-22T23:00:00Z")),
            ],
        );
        // West of UTC the local Friday ends on the Saturday of UTC.
        check(
            &weekly(&[4], 16, 24, -8),
            &[
                ("2027-01-16T00:00:00Z", Some("2027-01-16T08:00:00Z")),
                ("2027-01-16T08:00:00Z", None),
            ],
        );
    }

    #[test]
    fn a_night_reaches_into_the_next_day() {
        check(
            &weekly(&[6], 22, 30, 0),
            &[
                ("2027-01-17T21:59:59Z", None),
                ("2027-01-17T22:00:00Z", Some("2027-01-18T06:00:00Z")),
                ("2027-01-18T05:59:59Z", Some("2027-01-18T06:00:00Z")),
                ("2027-01-18T06:00:00Z", None),
                ("2027-01-18T23:00:00Z", None),
                // The week begins where it ended.
                ("2027-01-24T23:00:00Z", Some("2027-01-25T06:00:00Z")),
            ],
        );
    }

    #[test]
    fn days_in_a_row_are_one_stretch_and_every_day_has_no_end() {
        check(
            &weekly(&[4, 5, 6], 0, 24, 0),
            &[
                ("2027-01-14T23:59:59Z", None),
                ("2027-01-15T00:00:00Z", Some("2027-01-18T00:00:00Z")),
            ],
        );
        let always = weekly(&[0, 1, 2, 3, 4, 5, 6], 0, 24, 0);
        assert!(always.covers(at("2027-01-15T00:00:00Z")));
        assert_eq!(always.until(at("2027-01-15T00:00:00Z")), None);
    }

    #[test]
    fn the_first_and_the_last_moment_of_the_clock_are_no_trouble() {
        for micros in [0, i64::MAX] {
            let time = Timestamp::from_micros(micros);
            for offset in [-14, 14] {
                let always = weekly(&[0, 1, 2, 3, 4, 5, 6], 0, 24, offset);
                assert!(always.covers(time));
            }
        }
    }
}
