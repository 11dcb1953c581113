//! `approvals policy test`: cases kept beside a policy.

use std::fs;

use crate::support::{Lab, check_refused};

const CASES: &str = r#"
version = 1
at = "2027-01-15T08:00:00Z"

[[case]]
name = "scaling takes two"
scope = "k8s.scale"
args = { replicas = 3 }
expect = "require sre:2:A3"
rules = ["two"]

[[case]]
name = "an export takes one"
scope = "db.export"
expect = "require oncall"
"#;

fn write(lab: &Lab, text: &str) -> String {
    let path = lab.path("cases.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn cases_are_met_or_told_with_their_line_and_rules() {
    let lab = Lab::new();
    let file = write(&lab, CASES);
    let said = lab.run(&["policy", "test", &file]).ok();
    assert!(said.ends_with("2 cases, all met\n"), "{said}");
    let file = write(
        &lab,
        &CASES
            .replace("sre:2:A3", "sre:1")
            .replace("\"require oncall\"", "\"auto\""),
    );
    let said = lab.run(&["policy", "test", &file]);
    assert_eq!(said.code, 1, "{said:?}");
    for want in [
        "cases.toml: line 5, scaling takes two: expected require sre:1:A1, got require sre:2:A3",
        "yes      require  two  2 of sre (A3)",
        "cases.toml: line 12, an export takes one: expected auto, got require oncall:1:A1",
        "2 cases, 2 not met",
    ] {
        assert!(said.out.contains(want), "{}\nwants {want}", said.out);
    }
    let json = lab.run(&["policy", "test", &file, "--json"]);
    assert_eq!(json.code, 1);
    let json = json.json();
    assert_eq!(
        (&json["passed"], &json["cases"]),
        (&false.into(), &2.into())
    );
    assert_eq!(json["not_met"][0]["got"], "require sre:2:A3");
    assert_eq!(json["not_met"][0]["rules"], serde_json::json!(["two"]));
    assert_eq!(json["policy"]["version"], 1);
}

#[test]
fn what_cannot_be_run_is_refused() {
    let lab = Lab::new();
    let file = write(&lab, &CASES.replace("expect", "expects"));
    let said = check_refused(&lab, &["policy", "test", &file], "Misuse", 2);
    assert!(
        said.contains("case `scaling takes two`: `expects` is not known here"),
        "{said}"
    );
    let none = write(&lab, "version = 1\ncase = []\n");
    check_refused(&lab, &["policy", "test", &none], "Misuse", 2);
    check_refused(&lab, &["policy", "test", "nowhere.toml"], "Misuse", 2);
    let file = write(&lab, CASES);
    let policy = lab.path("p.toml");
    fs::write(&policy, "version = 1\n").unwrap();
    let policy = policy.display().to_string();
    check_refused(
        &lab,
        &["policy", "test", &file, "--policy", &policy],
        "PolicyInvalid",
        2,
    );
}

/// The published policies and cases, as somebody would run them.
#[test]
fn the_six_policies_meet_their_cases() {
    let lab = Lab::new();
    let folder = format!("{}/../approvals-cedar/policies", env!("CARGO_MANIFEST_DIR"));
    let path = |name: &str| format!("{folder}/{name}");
    let (cases, policy, people) = (
        path("six.cases.toml"),
        path("six.toml"),
        path("people.toml"),
    );
    let args = [
        "policy", "test", &cases, "--policy", &policy, "--people", &people,
    ];
    let said = lab.run(&args).ok();
    assert!(said.ends_with("20 cases, all met\n"), "{said}");
    #[cfg(feature = "cedar")]
    with_cedar(&lab, &args, &path("six.cedar"), &path("six.cedarschema"));
    #[cfg(not(feature = "cedar"))]
    assert_eq!(
        lab.run(&[args.as_slice(), &["--cedar", "x"]].concat()).code,
        2,
        "not in this build"
    );
}

#[cfg(feature = "cedar")]
fn with_cedar(lab: &Lab, args: &[&str], cedar: &str, schema: &str) {
    let beside = [args, &["--cedar", cedar, "--cedar-schema", schema]].concat();
    let said = lab.run(&beside).ok();
    assert!(
        said.contains("beside it `cedar`, sha256:") && said.ends_with("20 cases, all met\n"),
        "{said}"
    );
    // A Cedar policy that denies more is told apart.
    let stricter = lab.path("stricter.cedar");
    let text = fs::read_to_string(cedar).unwrap()
        + "@id(\"no\") forbid(principal, action == Action::\"k8s.scale\", resource);";
    fs::write(&stricter, text).unwrap();
    let stricter = stricter.display().to_string();
    let beside = [args, &["--cedar", &stricter, "--cedar-schema", schema]].concat();
    let said = lab.run(&beside);
    assert!(
        said.code == 1 && said.out.contains("got deny") && said.out.contains("`cedar/no` forbids"),
        "{said:?}"
    );
    // What is wrong with it is said with its file and line.
    let wrong = lab.path("wrong.cedar");
    fs::write(&wrong, "permit(principal, action, resource);").unwrap();
    let wrong = wrong.display().to_string();
    let beside = [args, &["--cedar", &wrong, "--cedar-schema", schema]].concat();
    let said = check_refused(lab, &beside, "PolicyInvalid", 2);
    assert!(
        said.contains("wrong.cedar: line 1: a policy has no name"),
        "{said}"
    );
    let check = [
        "policy",
        "check",
        args[4],
        "--people",
        args[6],
        "--cedar",
        cedar,
        "--cedar-schema",
        schema,
    ];
    let said = lab.run(&check).ok();
    assert!(
        said.contains("rules of `cedar`") && said.contains("require  big-scale    2 of sre (A1)"),
        "{said}"
    );
    assert_eq!(
        lab.run(&["policy", "check", "--cedar", cedar]).code,
        2,
        "a schema is mandatory"
    );
}
