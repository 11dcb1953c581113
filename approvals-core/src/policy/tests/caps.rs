//! Threat 46: what is too large or too deep is refused, and what is large stays quick.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::*;

fn refused(text: &str, want: &str) {
    let begun = Instant::now();
    let error = load(text).err().unwrap_or_else(|| panic!("accepted"));
    let message = error.to_string();
    let first: String = message.chars().take(200).collect();
    assert!(message.contains(want), "{first}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{want}");
}

fn with_rules(count: usize, rule: impl Fn(usize) -> String) -> String {
    let mut text = "version = 1\ndefault = { require = [{ group = \"oncall\" }] }\n".to_owned();
    for number in 0..count {
        writeln!(text, "[[rule]]\n{}", rule(number)).unwrap();
    }
    text
}

#[test]
fn threat_46_over_the_caps_nothing_loads() {
    let small = |n| format!("id = \"r{n}\"\nscope = \"a.r{n}\"\neffect = \"deny\"");
    refused(
        &with_rules(10_001, small),
        "there are 10001 rules; at most 10000",
    );
    let padded = format!("{}#{}", with_rules(1, small), "x".repeat(1 << 20));
    refused(&padded, "the file is longer than 1048576 bytes");
    let entries = |n: usize| {
        (0..n)
            .map(|i| format!("\"args.a{i}\" = 1"))
            .collect::<Vec<_>>()
    };
    let wide = |n: usize| {
        with_rules(1, |_| {
            format!(
                "id = \"x\"\nscope = \"a.b\"\neffect = \"deny\"\nwhen = {{ {} }}",
                entries(n).join(", ")
            )
        })
    };
    refused(&wide(65), "`when` has more than 64 conditions");
    assert!(load(&wide(64)).is_ok());
}

/// One rule with one condition, by what stands behind the path or the path itself.
fn with_condition(condition: &str) -> String {
    with_rules(1, |_| {
        format!("id = \"x\"\nscope = \"a.b\"\neffect = \"deny\"\nwhen = {{ {condition} }}")
    })
}

#[test]
fn threat_46_lists_texts_and_paths_have_caps() {
    let list = |n: usize| {
        let values: Vec<String> = (0..n).map(|i| format!("\"v{i}\"")).collect();
        with_condition(&format!("\"args.a\" = {{ in = [{}] }}", values.join(", ")))
    };
    assert!(load(&list(1_000)).is_ok());
    refused(
        &list(1_001),
        "`in` lists 1001 values; at most 1000 are read",
    );
    for test in ["eq", "ne", "starts_with", "ends_with", "contains"] {
        let text = |n: usize| {
            with_condition(&format!(
                "\"args.a\" = {{ {test} = \"{}\" }}",
                "x".repeat(n)
            ))
        };
        assert!(load(&text(4_000)).is_ok(), "{test}");
        refused(&text(4_001), "is longer than 4000 characters");
    }
    let in_list = format!("\"args.a\" = {{ in = [\"{}\"] }}", "x".repeat(4_001));
    refused(&with_condition(&in_list), "is longer than 4000 characters");
    let path = |n: usize| with_condition(&format!("\"args.a{}\" = 1", ".b".repeat(n)));
    assert!(load(&path(16)).is_ok());
    refused(&path(17), "cannot be tested");
}

#[test]
fn threat_46_deep_and_broken_texts_end_in_findings() {
    let deep = |open: &str, close: &str| {
        format!(
            "version = {}1{}",
            open.repeat(200_000),
            close.repeat(200_000)
        )
    };
    refused(&deep("[", "]"), "line 1");
    refused(&deep("{a=", "}"), "line 1");
    refused(&"[".repeat(1 << 20), "line 1");
    refused(&"a.".repeat(1 << 19), "line 1");
    refused(&"=\n".repeat(1 << 19), "line 1");
}

#[test]
fn ten_thousand_rules_are_looked_up_and_not_walked() {
    let text = with_rules(10_000, |n| {
        format!("id = \"r{n}\"\nscope = \"a.r{n}\"\neffect = \"deny\"\nwhen = {{ env = \"x\" }}")
    });
    let policy = load(&text).unwrap();
    let asked = proposal("a.r9999", "x", Vec::new());
    assert_eq!(policy.rules_for(&asked.action.scope).len(), 1);
    let other = proposal("b.none", "x", Vec::new());
    assert_eq!(policy.rules_for(&other.action.scope).len(), 0);
    assert_eq!(in_words(&policy.evaluate(&asked, now())), "deny [r9999]");
}
