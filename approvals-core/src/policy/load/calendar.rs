//! Reads calendars.

use std::collections::BTreeSet;

use toml::de::DeValue;

use crate::canonical::clip;
use crate::clock::Timestamp;
use crate::id::RuleId;
use crate::policy::calendar::{Calendar, Calendars, DAY, Fixed, Weekly};
use crate::policy::document::{Findings, Item, Section, entries};

/// The calendars of a policy; `None` when one of them cannot be read.
pub(super) fn read(file: Section<'_, '_>, findings: &mut Findings) -> Option<Calendars> {
    let Some(item) = file.get("calendar") else {
        return Some(Calendars::new());
    };
    let DeValue::Table(table) = item.value else {
        return item.refuse(findings, "a table of calendars, as in `[calendar.freeze]`");
    };
    if table.len() > MAX_CALENDARS {
        let message = format!("there are more than {MAX_CALENDARS} calendars; join some of them");
        findings.add(item.at, message);
        return None;
    }
    let read: Vec<_> = entries(table)
        .map(|entry| {
            findings.about("calendar", entry.name);
            Some((name(entry, findings)?, calendar(entry, findings)?))
        })
        .collect();
    findings.about_the_file();
    read.into_iter().collect()
}

/// The names of all calendars, whether or not they can be read.
pub(super) fn names(file: Section<'_, '_>) -> BTreeSet<String> {
    let table = file.get("calendar").and_then(|item| item.value.as_table());
    let names = table.into_iter().flat_map(entries);
    names.map(|entry| entry.name.to_owned()).collect()
}

fn name(entry: Item<'_, '_>, findings: &mut Findings) -> Option<String> {
    // Names follow the rules of rule ids.
    if entry.name.parse::<RuleId>().is_ok() {
        return Some(entry.name.to_owned());
    }
    let message = format!(
        "`{}` is not a calendar's name; use 1 to 128 of the letters a-z A-Z 0-9 and . _ : @ / + -",
        clip(entry.name)
    );
    findings.add(entry.at, message);
    None
}

fn calendar(entry: Item<'_, '_>, findings: &mut Findings) -> Option<Calendar> {
    let section = entry.section(KEYS, findings)?;
    let fixed = windows(section, "windows", fixed, findings);
    let weekly = windows(section, "weekly", weekly, findings);
    let calendar = Calendar {
        fixed: fixed?,
        weekly: weekly?,
    };
    if calendar.fixed.is_empty() && calendar.weekly.is_empty() {
        let message = "the calendar names no time; write `windows = [{ from = \"2026-12-20T00:00:00Z\", to = \"2027-01-03T00:00:00Z\" }]` or `weekly`";
        findings.add(entry.at, message);
        return None;
    }
    Some(calendar)
}

fn windows<T>(
    section: Section<'_, '_>,
    key: &'static str,
    read: fn(Item<'_, '_>, &mut Findings) -> Option<T>,
    findings: &mut Findings,
) -> Option<Vec<T>> {
    let Some(item) = section.get(key) else {
        return Some(Vec::new());
    };
    let entries = item.list(findings)?;
    if entries.len() > MAX_WINDOWS {
        let message = format!("`{key}` has more than {MAX_WINDOWS} entries; join some of them");
        findings.add(item.at, message);
        return None;
    }
    let read: Vec<Option<T>> = entries
        .into_iter()
        .map(|entry| read(entry, findings))
        .collect();
    read.into_iter().collect()
}

fn fixed(entry: Item<'_, '_>, findings: &mut Findings) -> Option<Fixed> {
    let section = entry.section(FIXED_KEYS, findings)?;
    let from = read_with(section, "from", FIXED_EXAMPLE, moment, MOMENT, findings);
    let to = read_with(section, "to", FIXED_EXAMPLE, moment, MOMENT, findings);
    let window = Fixed {
        from: from?,
        to: to?,
    };
    if window.from < window.to {
        return Some(window);
    }
    findings.add(
        entry.at,
        "the window ends before it begins; `to` must be after `from`",
    );
    None
}

fn weekly(entry: Item<'_, '_>, findings: &mut Findings) -> Option<Weekly> {
    let section = entry.section(WEEKLY_KEYS, findings)?;
    let days = section
        .need("days", WEEKLY_EXAMPLE, findings)
        .and_then(|item| days(item, findings));
    let from = read_with(section, "from", WEEKLY_EXAMPLE, time, TIME, findings);
    let to = read_with(section, "to", WEEKLY_EXAMPLE, time, TIME, findings);
    let offset = read_with(
        section,
        "utc_offset",
        WEEKLY_EXAMPLE,
        offset,
        OFFSET,
        findings,
    );
    let (days, from, mut to, offset) = (days?, from?, to?, offset?);
    if from == to || from == DAY {
        let message =
            "the window has no length; write `from = \"00:00\", to = \"24:00\"` for whole days";
        findings.add(entry.at, message);
        return None;
    }
    if to < from {
        to += DAY;
    }
    Some(Weekly {
        days,
        from,
        to,
        offset,
    })
}

fn days(item: Item<'_, '_>, findings: &mut Findings) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for entry in item.list(findings)? {
        let text = entry.text(findings)?;
        let place = DAYS.iter().position(|day| *day == text);
        match place.and_then(|place| days.get_mut(place)) {
            Some(day) => *day = true,
            None => {
                return entry.refuse(
                    findings,
                    "days such as \"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\" or \"sun\"",
                );
            }
        }
    }
    if days.contains(&true) {
        return Some(days);
    }
    item.refuse(
        findings,
        "a list with at least one day, as in [\"sat\", \"sun\"]",
    )
}

fn read_with<T>(
    section: Section<'_, '_>,
    key: &'static str,
    example: &str,
    read: fn(&str) -> Option<T>,
    wanted: &str,
    findings: &mut Findings,
) -> Option<T> {
    let item = section.need(key, example, findings)?;
    let text = item.text(findings)?;
    read(text).or_else(|| item.refuse(findings, wanted))
}

/// Reads `2026-12-20T00:00:00Z`.
pub(in crate::policy) fn moment(text: &str) -> Option<Timestamp> {
    let whole = text.strip_suffix('Z')?;
    format!("{whole}.000000Z").parse().ok()
}

/// Reads `00:00` to `24:00`, in microseconds of the day.
fn time(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let within = minutes < 60 && hours * 60 + minutes <= 24 * 60;
    within.then_some((hours * 60 + minutes) * MINUTE)
}

/// Reads `+02:00` or `-05:30`, in microseconds; no place on Earth is further than 14 hours away.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (_, Some(rest)) => (-1, rest),
        _ => return None,
    };
    time(rest)
        .filter(|ahead| *ahead <= 14 * 60 * MINUTE)
        .map(|ahead| sign * ahead)
}

fn two_digits(text: &str) -> Option<i64> {
    let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

const KEYS: &[&str] = &["windows", "weekly"];
const FIXED_KEYS: &[&str] = &["from", "to"];
const WEEKLY_KEYS: &[&str] = &["days", "from", "to", "utc_offset"];
const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const FIXED_EXAMPLE: &str = "`{ from = \"2026-12-20T00:00:00Z\", to = \"2027-01-03T00:00:00Z\" }`";
const WEEKLY_EXAMPLE: &str =
    "`{ days = [\"fri\"], from = \"16:00\", to = \"24:00\", utc_offset = \"+01:00\" }`";
pub(in crate::policy) const MOMENT: &str =
    "a time in UTC to the second, as in \"2026-12-20T00:00:00Z\"";
const TIME: &str = "a time of the day from \"00:00\" to \"24:00\"";
const OFFSET: &str = "how far the days are ahead of UTC, from \"-14:00\" to \"+14:00\", as in \"+01:00\"; \"+00:00\" for UTC";
const MINUTE: i64 = 60_000_000;
const MAX_CALENDARS: usize = 100;
const MAX_WINDOWS: usize = 1_000;
