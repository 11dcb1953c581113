//! `approvals policy explain`, `what-if` and `shadow`: policies against what was asked.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use approvals_core::RequestId;
use serde_json::Value;

use crate::support::{Lab, POLICY, check_refused, export_users, scale};

fn records(lab: &Lab) -> usize {
    lab.run(&["export", "jsonl"]).ok().lines().count()
}

fn policy(lab: &Lab, text: &str) -> String {
    let path = lab.path("new.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The policy of the lab, one version on, with this changed.
fn changed(lab: &Lab, from: &str, to: &str) -> String {
    assert!(POLICY.contains(from));
    policy(
        lab,
        &POLICY
            .replace("version = 1", "version = 2")
            .replace(from, to),
    )
}

async fn asked(lab: &Lab) -> [RequestId; 3] {
    [
        lab.asked(export_users()).await,
        lab.asked(scale(11)).await,
        lab.asked(scale(3)).await,
    ]
}

#[tokio::test]
async fn a_request_is_explained_rule_by_rule() {
    let lab = Lab::new();
    let big = "[[rule]]\nid = \"big\"\nscope = \"k8s.*\"\nwhen = { \"args.replicas\" = { gt = 10 }, env = \"prod\" }\neffect = \"deny\"\n";
    let rules = format!(
        "{POLICY}{}",
        big.replace("effect = \"deny\"", "require = [{ group = \"office\" }]")
    );
    fs::write(
        lab.state().join("policy.toml"),
        rules.replace("version = 1", "version = 2"),
    )
    .unwrap();
    let [export, many, few] = asked(&lab).await;
    let before = records(&lab);
    let said = lab.run(&["policy", "explain", &many.to_string()]).ok();
    for want in [
        "k8s.scale in prod, asked ",
        "answered  people were asked: 1 of office (A1) and 2 of sre (A3)",
        "by        policy version 2, sha256:",
        "says      ask people: 1 of office (A1) and 2 of sre (A3)",
        "yes    require  two",
        "yes    require  big",
        "args.replicas > 10  is 11",
        "env = \"prod\"  ",
        " for other scopes are not looked at",
    ] {
        assert!(said.contains(want), "{said}\nwants {want}");
    }
    let said = lab.run(&["policy", "explain", &few.to_string()]).ok();
    assert!(
        said.contains("no     require  big") && said.contains("is 3"),
        "{said}"
    );
    let start: String = export.to_string().chars().take(16).collect();
    let said = lab.run(&["policy", "explain", &start]).ok();
    assert!(
        said.contains("the default is asked") && !said.contains("hunter2"),
        "{said}"
    );
    let json = lab
        .run(&["policy", "explain", &many.to_string(), "--json"])
        .json();
    assert_eq!(json["rules"][1]["conditions"][0]["seen"]["value"], "11");
    assert_eq!(
        (&json["says"], &json["unsure"]),
        (&"require office:1:A1, sre:2:A3".into(), &false.into())
    );
    // Another policy can be asked instead.
    let other = policy(&lab, &format!("{POLICY}{big}"));
    let said = lab
        .run(&["policy", "explain", &many.to_string(), "--policy", &other])
        .ok();
    assert!(
        said.contains("under     policy version 1")
            && said.contains("policy rule `big` forbids this"),
        "{said}"
    );
    assert_eq!(records(&lab), before, "nothing is written");
    check_refused(
        &lab,
        &["policy", "explain", "req_00000000000000000000000000"],
        "NotFound",
        1,
    );
    check_refused(&lab, &["policy", "explain", "x"], "Misuse", 2);
}

#[tokio::test]
async fn a_value_that_was_erased_is_named_as_such() {
    let lab = Lab::new();
    let big = "[[rule]]\nid = \"big\"\nscope = \"k8s.*\"\nwhen = { \"args.replicas\" = { gt = 10 } }\nrequire = [{ group = \"office\" }]\n";
    fs::write(lab.state().join("policy.toml"), format!("{POLICY}{big}")).unwrap();
    let request = lab.asked(scale(3)).await;
    let database = rusqlite::Connection::open(lab.database()).unwrap();
    database
        .execute_batch("DELETE FROM disclosures; DELETE FROM data_keys;")
        .unwrap();
    drop(database);
    let said = lab.run(&["policy", "explain", &request.to_string()]).ok();
    assert!(
        said.contains("args.replicas > 10  is no longer disclosed"),
        "{said}"
    );
    assert!(
        said.contains("no longer disclosed: args.replicas\n"),
        "{said}"
    );
    let json = lab
        .run(&["policy", "explain", &request.to_string(), "--json"])
        .json();
    assert_eq!(
        (&json["undisclosed"][0], &json["unsure"]),
        (&"args.replicas".into(), &true.into())
    );
    let file = policy(
        &lab,
        &format!("{}{big}", POLICY.replace("version = 1", "version = 2")),
    );
    let said = lab.run(&["policy", "what-if", &file]).ok();
    assert!(
        said.contains("1 unknown: a value that decides is not disclosed,"),
        "{said}"
    );
    // Where no rule looks at it, nothing is unknown.
    let file = changed(&lab, "n = 2, ", "n = 1, ");
    let json = lab.run(&["policy", "what-if", &file, "--json"]).json();
    assert_eq!(
        (&json["totals"]["unknown"], &json["totals"]["weaker"]),
        (&0.into(), &1.into()),
        "{json}"
    );
}

#[tokio::test]
async fn what_if_compares_every_request_of_the_period() {
    let lab = Lab::new();
    let [export, many, few] = asked(&lab).await;
    let before = records(&lab);
    let same = lab.state().join("policy.toml").display().to_string();
    let said = lab.run(&["policy", "what-if", &same]).ok();
    assert!(
        said.contains("3 asked: 3 the same, 0 stricter, 0 weaker, 0 other"),
        "{said}"
    );
    // Fewer people for one, more for the other.
    let file = changed(&lab, "n = 2, ", "n = 1, ");
    fs::write(
        &file,
        fs::read_to_string(&file).unwrap()
            + "[[rule]]\nid = \"no\"\nscope = \"db.export\"\neffect = \"deny\"\n",
    )
    .unwrap();
    let said = lab.run(&["policy", "what-if", &file, "--since", "1h"]).ok();
    let row = |how: &str| {
        said.lines()
            .find(|line| line.starts_with(how))
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        row("stricter"),
        format!("stricter 1 db.export require oncall:1:A1 deny no {export}"),
        "{said}"
    );
    assert_eq!(
        row("weaker"),
        format!("weaker 2 k8s.scale require sre:2:A3 require sre:1:A3 two {few}"),
        "{said}"
    );
    let json = lab.run(&["policy", "what-if", &file, "--json"]).json();
    let requests: Vec<&Value> = json["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["request"])
        .collect();
    assert_eq!(
        requests,
        [
            &Value::from(export.to_string()),
            &many.to_string().into(),
            &few.to_string().into()
        ]
    );
    assert_eq!(
        json["totals"],
        serde_json::json!({ "asked": 3, "same": 0, "stricter": 1, "weaker": 2, "other": 0, "unknown": 0 })
    );
    // Only the times differ: that is told, too.
    let file = changed(&lab, "ttl = \"15m\"", "ttl = \"20m\"");
    let said = lab.run(&["policy", "what-if", &file]).ok();
    assert!(
        said.contains("15m to decide") && said.contains("20m to decide"),
        "{said}"
    );
    assert_eq!(records(&lab), before, "nothing is written");
    check_refused(&lab, &["policy", "what-if", "nowhere.toml"], "Misuse", 2);
    assert_eq!(
        lab.run(&["policy", "what-if", &same, "--since", "31d"])
            .code,
        2
    );
}

#[tokio::test]
async fn what_if_looks_back_as_far_as_it_is_told() {
    let lab = Lab::new();
    lab.asked(export_users()).await;
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    lab.asked(scale(1)).await;
    let same = lab.state().join("policy.toml").display().to_string();
    for (since, asked) in [("1s", 1), ("1h", 2)] {
        let json = lab
            .run(&["policy", "what-if", &same, "--since", since, "--json"])
            .json();
        assert_eq!(json["totals"]["asked"], asked, "{since}");
    }
}

#[tokio::test]
async fn shadow_follows_what_is_asked_and_changes_nothing() {
    let lab = Lab::new();
    let [_, many, few] = asked(&lab).await;
    let file = changed(&lab, "n = 2, ", "n = 1, ");
    let before = records(&lab);
    let said = lab.run(&["policy", "shadow", &file, "--once"]).ok();
    for request in [many, few] {
        assert!(
            said.contains(&format!(
                "weaker   {request}  k8s.scale: require sre:2:A3 -> require sre:1:A3"
            )),
            "{said}"
        );
    }
    assert!(
        said.ends_with("3 asked: 1 the same, 0 stricter, 2 weaker, 0 other\n"),
        "{said}"
    );
    assert_eq!(records(&lab), before, "nothing is written");
    // Live: what is asked while it runs is told while it runs.
    let mut command = lab.command(&["policy", "shadow", &file, "--for", "30s", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["policy"]["version"], 2);
    let same = lab.asked(export_users()).await;
    let request = lab.asked(scale(5)).await;
    let told = next();
    assert_eq!(
        (&told["request"], &told["how"]),
        (&request.to_string().into(), &"weaker".into()),
        "{told}, not {same}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    // It ends by itself, with totals.
    let json = lab.run(&["policy", "shadow", &file, "--for", "1s", "--json"]);
    let last: Value = serde_json::from_str(json.out.lines().last().unwrap()).unwrap();
    assert_eq!((json.code, &last["totals"]["asked"]), (0, &0.into()));
}
