//! Calendars: what loads, and what they answer.

use super::loader::check_calendar;
use super::*;
use crate::error::Code;

const FREEZE: &str = r#"
[calendar.freeze]
windows = [{ from = "2027-01-15T08:00:00Z", to = "2027-01-15T09:00:00Z" }]
[calendar.nights]
weekly = [{ days = ["thu", "fri"], from = "22:00", to = "06:00", utc_offset = "+01:00" }]
[[rule]]
id = "freeze"
scope = "*"
when = { env = "prod", calendar = "freeze" }
effect = "deny"
[[rule]]
id = "days-only"
scope = "k8s.*"
when = { calendar = { ne = "nights" } }
require = [{ group = "sre", n = 2 }]
[[rule]]
id = "never"
scope = "iam.*"
effect = "deny"
[[rule]]
id = "quiet"
scope = "db.query"
when = { "args.table" = "metrics", calendar = { not_in = ["freeze", "nights"] } }
effect = "auto"
"#;

fn at(time: &str) -> Timestamp {
    format!("2027-01-{time}.000000Z").parse().unwrap()
}

#[test]
fn a_calendar_decides_by_the_time_it_is_asked_for() {
    let policy = policy(FREEZE);
    let check = |scope: &str, env: &str, time: &str, want: &str| {
        let asked = proposal(scope, env, params(r#"{"table": "metrics"}"#));
        let answer = policy.evaluate(&asked, at(time));
        assert_eq!(in_words(&answer), want, "{scope} in {env} at {time}");
        // The same question has one answer, whoever asks and whenever.
        assert_eq!(answer, policy.evaluate(&asked, at(time)));
    };
    let frozen = r"frozen until 2027-01-15T09:00:00.000000Z [freeze]";
    check("db.drop", "prod", "15T07:59:59", "require oncall:1:A1 []");
    check("db.drop", "prod", "15T08:00:00", frozen);
    check("db.drop", "prod", "15T08:59:59", frozen);
    check("db.drop", "prod", "15T09:00:00", "require oncall:1:A1 []");
    check(
        "db.drop",
        "staging",
        "15T08:00:00",
        "require oncall:1:A1 []",
    );
    // No place is named: it could be the frozen one.
    check("db.drop", "", "15T08:00:00", frozen);
    check(
        "k8s.scale",
        "dev",
        "15T12:00:00",
        "require sre:2:A1 [days-only]",
    );
    check("k8s.scale", "dev", "15T23:00:00", "require oncall:1:A1 []");
    check("k8s.scale", "dev", "16T04:59:59", "require oncall:1:A1 []");
    check(
        "k8s.scale",
        "dev",
        "16T05:00:00",
        "require sre:2:A1 [days-only]",
    );
    check("db.query", "dev", "15T12:00:00", "allow [quiet] ");
    check("db.query", "dev", "15T21:30:00", "require oncall:1:A1 []");
    // A freeze beside a hard no is a hard no.
    check("iam.purge", "prod", "15T08:30:00", "deny [freeze, never]");
    check("iam.purge", "prod", "15T10:00:00", "deny [never]");
}

#[test]
fn a_freeze_says_that_it_ends() {
    let asked = proposal("db.drop", "prod", Vec::new());
    let Evaluation::Deny(forbidden) = policy(FREEZE).evaluate(&asked, at("15T08:30:00")) else {
        panic!("it is frozen");
    };
    assert_eq!(forbidden.code(), Code::Frozen);
    assert_eq!(
        forbidden.to_string(),
        "policy rule `freeze` freezes this until 2027-01-15T09:00:00.000000Z; ask again then"
    );
    let Evaluation::Deny(forbidden) =
        policy(FREEZE).evaluate(&proposal("iam.purge", "dev", Vec::new()), at("15T08:30:00"))
    else {
        panic!("it is forbidden");
    };
    assert_eq!(forbidden.code(), Code::PolicyDenied);
}

#[test]
fn a_calendar_must_be_there_and_make_sense() {
    let windows = |inside: &str| format!("[calendar.freeze]\nwindows = [{inside}]");
    let weekly = |inside: &str| format!("[calendar.freeze]\nweekly = [{inside}]");
    let night = |from: &str, to: &str, offset: &str| {
        weekly(&format!(
            "{{ days = [\"fri\"], from = \"{from}\", to = \"{to}\", utc_offset = \"{offset}\" }}"
        ))
    };
    for (text, want) in [
        ("calendar = 7", "`calendar` must be a table of calendars"),
        ("calendar.freeze = 7", "`freeze` must be a table"),
        (
            "[calendar.freeze]",
            "calendar `freeze`: the calendar names no time",
        ),
        (
            "[calendar.\"a b\"]\nwindows = []",
            "`a b` is not a calendar's name",
        ),
        (
            "[calendar.freeze]\nfrom = 1\nwindows = [{ from = \"2026-12-20T00:00:00Z\", to = \"2026-12-21T00:00:00Z\" }]",
            "`from` is not known here; use `windows`, `weekly`",
        ),
        (&windows("7"), "`windows` must be a table"),
        (
            &windows("{ from = \"2026-12-20T00:00:00Z\" }"),
            "`to` is missing",
        ),
        (
            &windows("{ from = \"2026-12-20T00:00:00Z\", to = \"2026-12-20T00:00:00Z\" }"),
            "the window ends before it begins",
        ),
        (
            &windows("{ from = \"2026-12-20T00:00:00+01:00\", to = \"2027-12-20T00:00:00Z\" }"),
            "`from` must be a time in UTC to the second",
        ),
        (
            &windows("{ from = \"2026-12-20\", to = \"2027-12-20T00:00:00Z\" }"),
            "`from` must be a time in UTC to the second",
        ),
        (
            &windows("{ from = 2026-12-20T00:00:00Z, to = \"2027-12-20T00:00:00Z\" }"),
            "`from` must be a text in quotes",
        ),
        (
            &windows("{ from = \"2026-02-30T00:00:00Z\", to = \"2027-12-20T00:00:00Z\" }"),
            "`from` must be a time in UTC",
        ),
        (
            &night("16:00", "16:00", "+00:00"),
            "the window has no length",
        ),
        (
            &night("24:00", "06:00", "+00:00"),
            "the window has no length",
        ),
        (
            &night("16:00", "24:01", "+00:00"),
            "`to` must be a time of the day",
        ),
        (
            &night("1:00", "24:00", "+00:00"),
            "`from` must be a time of the day",
        ),
        (
            &night("01:60", "24:00", "+00:00"),
            "`from` must be a time of the day",
        ),
        (
            &night("+1:00", "24:00", "+00:00"),
            "`from` must be a time of the day",
        ),
        (
            &night("16:00", "24:00", "Z"),
            "`utc_offset` must be how far",
        ),
        (
            &night("16:00", "24:00", "+14:01"),
            "`utc_offset` must be how far",
        ),
        (
            &night("16:00", "24:00", "01:00"),
            "`utc_offset` must be how far",
        ),
        (
            &weekly("{ days = [\"fri\"], from = \"16:00\", to = \"24:00\" }"),
            "`utc_offset` is missing",
        ),
        (
            &weekly(
                "{ days = [\"friday\"], from = \"16:00\", to = \"24:00\", utc_offset = \"+00:00\" }",
            ),
            "`days` must be days such as",
        ),
        (
            &weekly("{ days = [], from = \"16:00\", to = \"24:00\", utc_offset = \"+00:00\" }"),
            "`days` must be a list with at least one day",
        ),
    ] {
        check_calendar(text, want);
    }
    for offset in ["-14:00", "+14:00", "-00:30"] {
        policy(&night("00:00", "24:00", offset));
        policy(&night("22:30", "00:00", offset));
    }
}

#[test]
fn threat_46_calendars_have_caps() {
    let window = "{ from = \"2026-12-20T00:00:00Z\", to = \"2026-12-21T00:00:00Z\" },";
    let calendar = |count: usize| format!("[calendar.c]\nwindows = [{}]", window.repeat(count));
    policy(&calendar(1_000));
    check_calendar(&calendar(1_001), "`windows` has more than 1000 entries");
    let calendars: String = (0..101)
        .map(|number| format!("[calendar.c{number}]\nwindows = [{window}]\n"))
        .collect();
    check_calendar(&calendars, "there are more than 100 calendars");
}

#[test]
fn a_time_alone_does_not_say_what_may_run_by_itself() {
    let rule = |scope: &str| {
        format!(
            "{CALENDAR}[[rule]]\nid = \"x\"\nscope = \"{scope}\"\nwhen = {{ calendar = \"c\" }}\neffect = \"auto\""
        )
    };
    policy(&rule("web.ping"));
    check_calendar(
        &rule("web.*"),
        "`auto` without a condition would let through everything under `web.*`",
    );
}

const CALENDAR: &str =
    "calendar.c.windows = [{ from = \"2027-01-15T08:00:00Z\", to = \"2027-01-16T08:00:00Z\" }]\n";
