//! What another policy would have said of what was asked: read from a log, and never guessed.

mod support;

use std::time::Duration;

use approvals_core::engines::Engines;
use approvals_core::policy::{Evaluation, Recorded, Strictness};
use approvals_core::rehearse::{Answered, Asked, Past, Rehearsal, Rehearsed};
use approvals_core::{Agent, Gate, Policy};

use support::house::{House, policy};
use support::people::Crew;
use support::{Effects, bot, drop_table, records};

const HOURLY: &str = "[[rule]]\nid = \"few\"\nscope = \"db.drop\"\nwhen = { \"args.table\" = { in = [\"tmp\"] } }\neffect = \"auto\"\nrate = \"3/h\"\n";
const NEVER: &str = "[[rule]]\nid = \"never\"\nscope = \"db.drop\"\nwhen = { \"args.table\" = \"users\" }\neffect = \"deny\"\n";
const TWO: &str =
    "[[rule]]\nid = \"two\"\nscope = \"db.*\"\nrequire = [{ group = \"ops\", n = 2 }]\n";

fn hasty(run: usize) -> Agent {
    bot().run(run.to_string()).wait(Duration::from_millis(1))
}

/// A log of asks under one policy: five that a rule lets through three of, one forbidden, one for
/// people.
async fn log() -> Gate {
    let gate = House::new()
        .policy(policy(1, &format!("{HOURLY}{NEVER}")))
        .open()
        .await;
    let tables = ["tmp", "tmp", "users", "tmp", "tmp", "tmp", "other"];
    for (run, table) in tables.into_iter().enumerate() {
        let call = drop_table(Effects::default(), table.to_owned());
        let _ = gate.enter(hasty(run), call).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    gate
}

async fn past(gate: &Gate) -> Vec<(Asked, Recorded)> {
    let mut past = Past::default();
    let mut all = Vec::new();
    for asked in records(gate)
        .await
        .iter()
        .filter_map(|record| past.look(record))
    {
        let disclosures = gate.journal().disclosures(asked.request).await.unwrap();
        let recorded = Recorded::of(&asked.action, &disclosures).unwrap();
        all.push((asked, recorded));
    }
    all
}

async fn rehearse(past: &[(Asked, Recorded)], text: &str) -> Vec<Rehearsed> {
    let policy = Policy::parse(text, &Crew::groups().into(), &[]).unwrap();
    let engines = Engines::new(Vec::new(), Duration::from_secs(1)).unwrap();
    let mut rehearsal = Rehearsal::new(policy, engines);
    let mut all = Vec::new();
    for (asked, recorded) in past {
        all.push(rehearsal.judge(asked, recorded).await);
    }
    all
}

fn words(all: &[Rehearsed]) -> Vec<String> {
    let how = |how: Option<Strictness>| how.map_or("unknown", Strictness::as_str);
    let one = |of: &Rehearsed| {
        format!(
            "{} {} -> {}",
            how(of.how),
            of.was.in_words(),
            of.would.in_words()
        )
    };
    all.iter().map(one).collect()
}

#[tokio::test(start_paused = true)]
async fn the_policy_itself_says_the_same_again_its_rates_included() {
    let gate = log().await;
    let past = past(&gate).await;
    let answers: Vec<&Answered> = past.iter().map(|(asked, _)| &asked.answer).collect();
    assert_eq!(
        answers
            .iter()
            .filter(|answer| ***answer == Answered::Auto)
            .count(),
        3
    );
    let all = rehearse(&past, &policy(1, &format!("{HOURLY}{NEVER}"))).await;
    assert_eq!(
        words(&all),
        [
            "same auto -> auto",
            "same auto -> auto",
            "same deny -> deny",
            "same auto -> auto",
            "same require ops:1:A1 -> require ops:1:A1",
            "same require ops:1:A1 -> require ops:1:A1",
            "same require ops:1:A1 -> require ops:1:A1",
        ]
    );
    let past_rate: Vec<bool> = all.iter().map(|of| of.past_rate).collect();
    assert_eq!(past_rate, [false, false, false, false, true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn another_policy_is_compared_ask_by_ask() {
    let gate = log().await;
    let past = past(&gate).await;
    let two = rehearse(&past, &policy(2, TWO)).await;
    assert_eq!(
        words(&two),
        [
            "stricter auto -> require ops:2:A1",
            "stricter auto -> require ops:2:A1",
            "weaker deny -> require ops:2:A1",
            "stricter auto -> require ops:2:A1",
            "stricter require ops:1:A1 -> require ops:2:A1",
            "stricter require ops:1:A1 -> require ops:2:A1",
            "stricter require ops:1:A1 -> require ops:2:A1",
        ]
    );
    // A rate that is reached later lets more through.
    let more = rehearse(
        &past,
        &policy(2, &format!("{}{NEVER}", HOURLY.replace("3/h", "4/h"))),
    )
    .await;
    let weaker: Vec<bool> = more
        .iter()
        .map(|of| of.how == Some(Strictness::Weaker))
        .collect();
    assert_eq!(weaker, [false, false, false, false, true, false, false]);
    let hours = |rate: &str| policy(2, &HOURLY.replace("3/h", rate));
    let window = rehearse(&past, &hours("1/m")).await;
    let autos = window
        .iter()
        .filter(|of| matches!(of.would, Evaluation::Allow(_)))
        .count();
    assert_eq!(autos, 5, "a minute apart, one a minute");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_disclosed_is_counted_and_not_guessed() {
    let gate = log().await;
    let hidden: Vec<(Asked, Recorded)> = past(&gate)
        .await
        .into_iter()
        .map(|(asked, _)| {
            let recorded = Recorded::of(&asked.action, &[]).unwrap();
            (asked, recorded)
        })
        .collect();
    let looks = rehearse(&hidden, &policy(2, HOURLY)).await;
    assert!(
        looks.iter().all(|of| of.how.is_none()),
        "{:?}",
        words(&looks)
    );
    // A policy that looks at no value is sure all the same.
    let sure = rehearse(&hidden, &policy(2, TWO)).await;
    assert!(sure.iter().all(|of| of.how.is_some()), "{:?}", words(&sure));
}
