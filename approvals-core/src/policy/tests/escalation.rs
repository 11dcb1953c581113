//! Escalation: what loads, and that merging and waiting never make an answer weaker.

use std::time::Duration;

use super::loader::{accepts, check_rule};
use super::*;
use crate::policy::Quorum;
use crate::principal::Assurance;

const MINUTE: Duration = Duration::from_secs(60);

fn escalate(steps: &str) -> String {
    format!("require = [{{ group = \"sre\", n = 2 }}]\nttl = \"1h\"\nescalate = {steps}")
}

#[test]
fn escalation_is_well_formed() {
    let check = |steps: &str, want: &str| check_rule("db.drop", &escalate(steps), want);
    check("7", "`escalate` must be a list");
    check("[]", "`escalate` has 0 steps; write 1 to 8");
    check("[7]", "`escalate` must be a table");
    check("[{ groups = [\"oncall\"] }]", "`after` is missing");
    check("[{ after = \"10m\" }]", "`groups` is missing");
    check(
        "[{ after = \"10m\", groups = [] }]",
        "`groups` must be a list of 1 to 16 groups",
    );
    check(
        "[{ after = \"10m\", groups = [\"boss\"] }]",
        "`boss` is not a group of the directory",
    );
    check(
        "[{ after = \"0m\", groups = [\"oncall\"] }]",
        "`after` must be a time from \"1s\"",
    );
    check(
        "[{ after = \"10m\", groups = [\"oncall\"], n = 1 }]",
        "`n` is not known here; use `after`, `groups`",
    );
    check(
        "[{ after = \"10m\", groups = [\"oncall\"] }, { after = \"20m\", groups = [\"oncall\"] }]",
        "`oncall` stands twice in `escalate`",
    );
    check(
        "[{ after = \"1h\", groups = [\"oncall\"] }]",
        "nobody can decide any more at that time; `after` must be shorter than `ttl`",
    );
    let many = "{ after = \"10m\", groups = [\"oncall\"] },".repeat(9);
    check(&format!("[{many}]"), "`escalate` has 9 steps");
    for effect in ["deny", "auto"] {
        check_rule(
            "db.drop",
            &format!(
                "effect = \"{effect}\"\nescalate = [{{ after = \"10m\", groups = [\"oncall\"] }}]"
            ),
            "`escalate` is only for `require` rules",
        );
    }
    accepts(
        "db.drop",
        &escalate("[{ after = \"59m\", groups = [\"oncall\", \"security\"] }]"),
    );
}

#[test]
fn escalation_is_read_from_rules_and_from_the_default() {
    let policy = load(
        r#"
        version = 1
        default = { require = [{ group = "oncall" }], ttl = "30m", escalate = [{ after = "5m", groups = ["sre", "oncall"] }] }
        [[rule]]
        id = "drop"
        scope = "db.drop"
        require = [{ group = "security", n = 2, min_assurance = "A3" }]
        escalate = [{ after = "10m", groups = ["sre"] }, { after = "20m", groups = ["privacy"] }]
        "#,
    )
    .unwrap();
    let check = |scope: &str, want: &str, levels: &[u32]| {
        let asked = proposal(scope, "prod", Vec::new());
        let Evaluation::Require(requirement) = policy.evaluate(&asked, now()) else {
            panic!("{scope} takes people");
        };
        assert_eq!(requirement.to_string(), want);
        let levels: Vec<_> = levels.iter().map(|minutes| MINUTE * *minutes).collect();
        assert_eq!(requirement.escalations(), levels);
        // A requirement stands in a record, and is read back as it was.
        let text = serde_json::to_string(&requirement).unwrap();
        assert_eq!(
            serde_json::from_str::<Requirement>(&text).unwrap(),
            requirement
        );
    };
    // Who decides anyway is not let in a second time.
    check("web.ping", "1 of oncall or sre after 5m (A1)", &[5]);
    check(
        "db.drop",
        "2 of security or privacy after 20m or sre after 10m (A3)",
        &[10, 20],
    );
    let summary = policy.rules().next().unwrap();
    assert_eq!(
        summary.description,
        "2 of security or privacy after 20m or sre after 10m (A3)"
    );
}

#[test]
fn where_rules_meet_only_what_all_of_them_let_in_stands_in() {
    let requirement = |group: &str, others: &[(&str, u32)]| {
        let quorum = Quorum::new(group.parse().unwrap(), 1.try_into().unwrap(), Assurance::A1);
        let quorum = others.iter().fold(quorum, |quorum, (group, after)| {
            quorum.widened(group.parse().unwrap(), MINUTE * *after)
        });
        Requirement::new(vec![quorum], 60 * MINUTE, MINUTE, Vec::new()).unwrap()
    };
    let check = |left: &Requirement, right: &Requirement, want: &str| {
        assert_eq!(left.merge(right).to_string(), want);
        assert_eq!(right.merge(left).to_string(), want);
    };
    let sre = requirement("sre", &[("oncall", 5), ("privacy", 10)]);
    check(&sre, &requirement("sre", &[]), "1 of sre (A1)");
    check(
        &sre,
        &requirement("sre", &[("oncall", 7), ("security", 1)]),
        "1 of sre or oncall after 7m (A1)",
    );
    check(
        &sre,
        &requirement("security", &[("oncall", 1)]),
        "1 of security or oncall after 1m (A1) and 1 of sre or oncall after 5m or privacy after 10m (A1)",
    );
    // The times of a level are those of all quorums together.
    let both = sre.merge(&requirement("security", &[("oncall", 1)]));
    assert_eq!(both.escalations(), [MINUTE, 5 * MINUTE, 10 * MINUTE]);
}
