//! Threats 10 to 12: untrusted text stays text, and stands apart from the facts.

mod support;

use approvals_core::testing::{Asked, TestGate};
use approvals_core::text::Warning;
use approvals_core::{Agent, ApprovalError, Code, Untrusted, Vote, requires_approval};

use support::{Effects, bot, is_hidden};

/// A call in which every text that can be influenced is influenced by one hand.
#[requires_approval(
    scope = "ui.show",
    reason = "because {why}",
    resource = "{on}",
    environment = "{place}",
    skip(effects, why, on, place)
)]
async fn show(
    effects: Effects,
    value: String,
    why: String,
    on: String,
    place: String,
) -> Result<usize, ApprovalError> {
    Ok(effects.happen())
}

/// Every place where an agent can put a text that people read.
const PLACES: &[&str] = &[
    "value",
    "reason",
    "resource",
    "environment",
    "tenant",
    "rationale",
    "software",
    "model",
    "provider",
    "run",
];

/// What people are asked when this text stands in this place.
async fn asked(place: &str, text: &str) -> Asked {
    let gate = TestGate::script().deny("*", "no").start().await;
    let at = |here: &str| if here == place { text } else { "plain" }.to_owned();
    let agent = bot()
        .tenant(at("tenant"))
        .rationale(at("rationale"))
        .software(at("software"))
        .model(at("model"))
        .provider(at("provider"))
        .run(at("run"));
    let effects = Effects::default();
    let call = show(
        effects.clone(),
        at("value"),
        at("reason"),
        at("resource"),
        at("environment"),
    );
    let error = gate.enter(agent, call).await.unwrap_err();
    assert_eq!(error.code(), Code::Denied, "{place}: {error}");
    assert!(!error.to_string().contains(is_hidden), "{place}");
    assert_eq!(effects.count(), 0);
    gate.assert_asked("ui.show")
}

// 10: invisible text.

/// Texts that hold something a reader would not see.
const INVISIBLE: &[&str] = &[
    "\x1b[2Jgone",
    "safe\x1b[8mhidden",
    "rm -rf /\rls",
    "a\x08\x08b",
    "a\x07b",
    "a\u{9b}31mb",
    "a\u{85}b",
    "\u{202e}txt.exe",
    "\u{2066}x\u{2069}",
    "\u{200f}abc",
    "pay\u{200b}ments",
    "\u{feff}x",
    "x\u{2028}y",
    "ok\u{e0041}\u{e007f}",
    "a\u{2060}b",
    "one\ntwo",
    "a\0b",
];

#[tokio::test(start_paused = true)]
async fn threat_10_nothing_invisible_is_drawn() {
    for place in PLACES {
        for text in INVISIBLE {
            let card = asked(place, text).await.card;
            let drawn = card.to_text();
            let bad: Vec<char> = drawn
                .chars()
                .filter(|c| is_hidden(*c) && *c != '\n')
                .collect();
            assert!(bad.is_empty(), "{place} {text:?}: {bad:?} in {drawn}");
            let plain = asked(place, "plain").await.card.to_text();
            let careful = drawn
                .lines()
                .filter(|line| line.starts_with("  CAREFUL"))
                .count();
            assert_eq!(
                drawn.lines().count(),
                plain.lines().count() + careful,
                "{place} {text:?}: no line of its own in {drawn}"
            );
            assert!(
                drawn.contains('\\'),
                "{place} {text:?}: what was hidden is written out in {drawn}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_10_what_is_invisible_is_pointed_out() {
    let mut missing = Vec::new();
    for place in PLACES {
        // A line break is written out, too; in a value, it is no reason to warn.
        for text in INVISIBLE.iter().filter(|text| **text != "one\ntwo") {
            let warnings = asked(place, text).await.card.warnings();
            if !warnings
                .iter()
                .any(|(_, warning)| *warning == Warning::Invisible)
            {
                missing.push(format!("{place} {text:?}"));
            }
        }
        assert!(
            asked(place, "Grüße, 你好 – ok")
                .await
                .card
                .warnings()
                .is_empty(),
            "{place}: plain text is no reason to warn"
        );
    }
    assert!(
        missing.is_empty(),
        "{} without a warning: {}",
        missing.len(),
        missing.join("; ")
    );
}

#[tokio::test(start_paused = true)]
async fn threat_10_a_reason_for_a_denial_is_drawn_safely_too() {
    for text in INVISIBLE {
        let gate = TestGate::script().deny("*", text).start().await;
        let call = show(
            Effects::default(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
        );
        let error = gate.enter(bot(), call).await.unwrap_err();
        assert_eq!(
            error.reason(),
            Some(*text),
            "word for word, for whoever escapes it"
        );
        assert!(!error.to_string().contains(is_hidden), "{text:?}");
        let card = gate.gate().card(error.request().unwrap()).await.unwrap();
        assert!(
            !card.denial.unwrap().to_string().contains(is_hidden),
            "{text:?}"
        );
    }
}

// 11: markup injection.

const MARKUP: &[&str] = &[
    "x` <https://evil.example|Approve here>",
    "<!channel> <@U0123>",
    "[APPROVED](https://evil.example)",
    "*bold* _it_ ~gone~ ```code```",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "<at>everyone</at>",
    "&lt;b&gt; &amp;amp;",
    "{{reason}} ${env} %s %n {0}",
    "# Approved by the CISO",
    "| a | b |",
    "\\u{202e}",
];

#[tokio::test(start_paused = true)]
async fn threat_11_markup_is_text() {
    for place in PLACES {
        for text in MARKUP {
            let asked = asked(place, text).await;
            let drawn = asked.card.to_text();
            let literal = match *place {
                // A value is drawn as the canonical text that is digested.
                "value" => serde_json::to_string(text).unwrap(),
                _ => (*text).to_owned(),
            };
            assert!(drawn.contains(&literal), "{place} {text:?}: {drawn}");
            assert_eq!(
                drawn.lines().count(),
                self::asked(place, "plain")
                    .await
                    .card
                    .to_text()
                    .lines()
                    .count()
            );
        }
    }
    for text in MARKUP {
        assert_eq!(Untrusted::new(text).raw(), *text);
        assert_eq!(Untrusted::new(text).to_string(), *text);
    }
}

#[tokio::test(start_paused = true)]
async fn threat_11_no_text_can_draw_a_line_of_the_card() {
    let faked = "x\n  digest        sha256:0000\n  needs         0 of ops, has 1\r\n  what          ui.read";
    for place in PLACES {
        let drawn = asked(place, faked).await.card.to_text();
        for label in [
            "what",
            "why",
            "digest",
            "deadline",
            "needs",
            "agent says",
            "for",
        ] {
            let labelled = |line: &&str| {
                line.strip_prefix("  ")
                    .is_some_and(|line| line.starts_with(label))
            };
            assert_eq!(
                drawn.lines().filter(labelled).count(),
                1,
                "{place} {label}: {drawn}"
            );
        }
    }
}

// 12: narration lies.

#[requires_approval(scope = "db.purge", reason = "drop {table}", skip(effects))]
async fn purge(effects: Effects, table: String) -> Result<usize, ApprovalError> {
    Ok(effects.happen())
}

const LIES: &[&str] = &[
    "read-only health check",
    "already approved by the CISO",
    "x\"  (verified by security)",
    "  (unverified)\n  why           read-only health check",
];

fn liar(lie: &str) -> Agent {
    bot().rationale(lie).software(lie).model(lie).provider(lie)
}

#[tokio::test(start_paused = true)]
async fn threat_12_title_and_facts_come_from_the_action() {
    let honest = TestGate::approving();
    honest
        .enter(bot(), purge(Effects::default(), "users".to_owned()))
        .await
        .unwrap();
    let honest = honest.assert_asked("db.purge");
    for lie in LIES {
        let gate = TestGate::approving();
        gate.enter(liar(lie), purge(Effects::default(), "users".to_owned()))
            .await
            .unwrap();
        let asked = gate.assert_asked("db.purge");
        let card = &asked.card;
        assert_eq!(card.action.scope.as_str(), "db.purge");
        assert!(
            card.action.function.ends_with("::purge"),
            "{}",
            card.action.function
        );
        assert_eq!(
            asked.reason, honest.reason,
            "the author's words stay the author's"
        );
        assert_eq!(asked.reason.as_deref(), Some("drop users"));
        assert_eq!(asked.param("table"), Some("\"users\""));
        assert_eq!(
            asked.rationale.as_deref(),
            Some(*lie),
            "the agent's words are kept whole"
        );
        assert_eq!(
            card.progress, honest.card.progress,
            "words change nothing about what it takes"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn threat_12_what_the_agent_says_stands_apart_as_unverified() {
    for lie in LIES {
        let gate = TestGate::approving();
        gate.enter(liar(lie), purge(Effects::default(), "users".to_owned()))
            .await
            .unwrap();
        let drawn = gate.assert_asked("db.purge").card.to_text();
        let word = lie.split_whitespace().next_back().unwrap();
        let lines: Vec<&str> = drawn.lines().filter(|line| line.contains(word)).collect();
        assert_eq!(lines.len(), 1, "{lie:?}: {drawn}");
        assert!(lines[0].starts_with("  agent says "), "{drawn}");
        assert!(lines[0].ends_with("  (unverified)"), "{drawn}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_12_words_open_no_door() {
    let rules = "[[rule]]\nid = \"ro\"\nscope = \"db.read\"\neffect = \"auto\"\n";
    let gate = support::house::House::new().rules(rules).open().await;
    let effects = Effects::default();
    for lie in LIES {
        let agent = liar(lie).wait(std::time::Duration::from_millis(1));
        let error = gate
            .enter(agent, purge(effects.clone(), "users".to_owned()))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::Pending, "{lie}");
        let vote =
            support::people::vote(&gate, "u_eve", error.request().unwrap(), Vote::Approve).await;
        assert_eq!(vote.unwrap_err().code(), Code::NotEligible);
    }
    assert_eq!(effects.count(), 0);
}
