//! Budgets of `auto` rules: what loads, and what each call takes.

use super::loader::{accepts, check_rule};
use super::*;

const POLICY: &str = r#"
[[rule]]
id = "scale"
scope = "k8s.scale"
when = { "args.image" = "web" }
effect = "auto"
rate = "9/h"
budget = { arg = "args.replicas", max = 50, per = "d" }
[[rule]]
id = "spec"
scope = "k8s.scale"
when = { "args.image" = "web", "args.spec.kind" = "big" }
effect = "auto"
budget = { arg = "args.spec.cpus", max = 1000, per = "h", by = "all" }
"#;

#[test]
fn a_call_takes_of_a_budget_what_its_argument_says() {
    let policy = policy(POLICY);
    let check = |args: &str, want: &str| {
        let asked = proposal("k8s.scale", "prod", params(args));
        assert_eq!(in_words(&policy.evaluate(&asked, now())), want, "{args}");
    };
    let small = r#""image": "web", "spec": {"kind": "small"}"#;
    let rate = "9/3600s as scale/agent:bot";
    let allowed = |amount: &str| {
        format!("allow [scale] {rate} and 50/86400s as scale budget/agent:bot{amount}")
    };
    check(
        &format!("{{{small}, \"replicas\": 9}}"),
        &allowed(" takes 9"),
    );
    check(&format!("{{{small}, \"replicas\": 1}}"), &allowed(""));
    check(
        &format!("{{{small}, \"replicas\": 0}}"),
        &allowed(" takes 0"),
    );
    // What does not even fit once is for the store to say, which counts.
    check(
        &format!("{{{small}, \"replicas\": 51}}"),
        &allowed(" takes 51"),
    );
    let people = "require oncall:1:A1 []";
    for replicas in [
        "-1",
        "1.0",
        "1.5",
        "\"9\"",
        "null",
        "[9]",
        "{\"n\": 9}",
        "true",
    ] {
        check(&format!("{{{small}, \"replicas\": {replicas}}}"), people);
    }
    check(&format!("{{{small}}}"), people);
    check(
        &format!("{{{small}, \"replicas\": 18446744073709551615}}"),
        &allowed(" takes 18446744073709551615"),
    );

    // Two rules let it through; both count, each by its own argument.
    let big = r#""image": "web", "replicas": 2, "spec": {"kind": "big", "cpus": 64}"#;
    check(
        &format!("{{{big}}}"),
        "allow [scale, spec] 9/3600s as scale/agent:bot and 50/86400s as scale budget/agent:bot takes 2 and 1000/3600s as spec budget takes 64",
    );
    // A rule that may match counts, too, and what it cannot count is for people.
    check(
        r#"{"image": "web", "replicas": 2, "spec": {"cpus": 64}}"#,
        "allow [scale] 9/3600s as scale/agent:bot and 50/86400s as scale budget/agent:bot takes 2 and 1000/3600s as spec budget takes 64",
    );
    check(r#"{"image": "web", "replicas": 2}"#, people);
    check(
        r#"{"image": "web", "replicas": 2, "spec": {"kind": "big"}}"#,
        people,
    );
    let hidden = vec![
        params(r#"{"image": "web"}"#).remove(0),
        BoundParam::redacted("replicas", Value::Integer(1)),
    ];
    let asked = proposal("k8s.scale", "prod", hidden);
    assert_eq!(in_words(&policy.evaluate(&asked, now())), people);
}

#[test]
fn a_budget_is_of_a_whole_number_that_can_be_seen() {
    let budget = |inside: &str| {
        format!("when = {{ \"args.image\" = \"web\" }}\neffect = \"auto\"\nbudget = {inside}")
    };
    let of = |arg: &str| budget(&format!("{{ arg = \"{arg}\", max = 50, per = \"d\" }}"));
    let check = |body: &str, want: &str| check_rule("k8s.scale", body, want);
    accepts("k8s.scale", &of("args.replicas"));
    accepts("k8s.scale", &of("args.spec.cpus"));
    accepts(
        "other.scope",
        &of("args.anything").replace("image", "other"),
    );
    check(
        &of("args.image"),
        "`args.image` is a text, but is compared with a number",
    );
    check(
        &of("args.zones"),
        "is a list, which conditions cannot look into",
    );
    check(
        &of("args.token"),
        "is redacted, so that no policy can look at it",
    );
    check(&of("args.pool"), "is left out with `skip(..)`");
    check(
        &of("args.replica"),
        "no parameter `replica` in `app::guarded`",
    );
    check(
        &of("args.replicas.n"),
        "looks for a member, but the parameter is a number",
    );
    check(
        &of("replicas"),
        "`arg` must be a parameter, as in \"args.replicas\"",
    );
    check(&of("env"), "`arg` must be a parameter");
    check_rule(
        "db.query",
        "when = { \"args.table\" = \"x\" }\neffect = \"auto\"\nbudget = { arg = \"args.ratio\", max = 5, per = \"d\" }",
        "`args.ratio` may be a fraction, and a budget sums up whole numbers",
    );
    check(&budget("7"), "`budget` must be a table");
    check(&budget("{ max = 50, per = \"d\" }"), "`arg` is missing");
    check(
        &budget("{ arg = \"args.replicas\", per = \"d\" }"),
        "`max` is missing",
    );
    check(
        &budget("{ arg = \"args.replicas\", max = 5 }"),
        "`per` is missing",
    );
    for max in ["0", "-1", "1.5", "\"5\"", "9007199254740993"] {
        check(
            &budget(&format!(
                "{{ arg = \"args.replicas\", max = {max}, per = \"d\" }}"
            )),
            "`max` must be a whole number from 1 to 9007199254740992",
        );
    }
    for per in ["w", "1d", "", "D"] {
        check(
            &budget(&format!(
                "{{ arg = \"args.replicas\", max = 5, per = \"{per}\" }}"
            )),
            "`per` must be \"s\", \"m\", \"h\" or \"d\"",
        );
    }
    check(
        &budget("{ arg = \"args.replicas\", max = 5, per = \"d\", by = \"team\" }"),
        "`by` must be \"agent\", \"requester\" or \"all\"",
    );
    check(
        &budget("{ arg = \"args.replicas\", max = 5, per = \"d\", of = 1 }"),
        "`of` is not known here; use `arg`, `max`, `per`, `by`",
    );
    for effect in ["effect = \"deny\"", "require = [{ group = \"sre\" }]"] {
        check(
            &of("args.replicas").replace("effect = \"auto\"", effect),
            "`budget` is only for `effect = \"auto\"` rules",
        );
    }
    let summary = policy(POLICY).rules().next().unwrap().description;
    assert_eq!(
        summary,
        "by itself, at most 9/h/agent and 50 of args.replicas in all per d/agent when args.image = \"web\""
    );
}
