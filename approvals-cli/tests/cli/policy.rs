//! Checking policies.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Lab, POLICY, check_refused};

fn write(lab: &Lab, name: &str, text: &str) -> String {
    let path = lab.path(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_good_policy_is_listed_in_the_order_it_counts() {
    let lab = Lab::new();
    let more = r#"
        [[rule]]
        id = "ro"
        scope = "db.query"
        when = { "args.table" = { in = ["metrics"] } }
        effect = "auto"
        rate = "30/h/agent"
        [[rule]]
        id = "never"
        scope = "iam.*"
        effect = "deny"
    "#;
    let file = write(&lab, "p.toml", &format!("{POLICY}{more}"));
    let text = lab.run(&["policy", "check", &file]).ok();
    let places: Vec<usize> = ["freeze", "never", "two", "soon", "ro", "default"]
        .map(|rule| {
            text.find(&format!("  {rule}  "))
                .unwrap_or_else(|| panic!("{rule}: {text}"))
        })
        .to_vec();
    assert!(places.is_sorted(), "{text}");
    assert!(
        text.contains("oncall  3 active")
            && text.contains("pass --inventory")
            && text.ends_with("ok\n"),
        "{text}"
    );
    let json = lab.run(&["policy", "check", &file, "--json"]).json();
    assert_eq!(
        (
            &json["rules"][1]["id"],
            &json["rules"][4]["effect"],
            &json["version"]
        ),
        (&"never".into(), &"auto".into(), &1.into())
    );
    assert_eq!(json["unchecked"].as_array().unwrap().len(), 1, "{json}");
    assert!(
        lab.run(&["policy", "check"]).ok().contains("k8s.scale"),
        "the one of the state directory"
    );
}

#[test]
fn threat_45_conditions_are_typed_from_an_inventory() {
    let lab = Lab::new();
    let rule = |value: &str| {
        format!(
            "{POLICY}[[rule]]\nid = \"big\"\nscope = \"k8s.scale\"\nwhen = {{ \"args.replicas\" = {{ gt = {value} }} }}\nrequire = [{{ group = \"sre\" }}]\n"
        )
    };
    let inventory = write(&lab, "i.json", &approvals_core::inventory_json());
    let good = write(&lab, "good.toml", &rule("10"));
    let wrong = write(&lab, "wrong.toml", &rule("\"ten\"").replace("gt", "eq"));
    let json = lab
        .run(&[
            "policy",
            "check",
            &good,
            "--inventory",
            &inventory,
            "--json",
        ])
        .json();
    assert_eq!(json["unchecked"], serde_json::json!([]));
    assert_eq!(
        lab.run(&["policy", "check", &wrong]).code,
        0,
        "unchecked without an inventory"
    );
    let said = lab.run(&["policy", "check", &wrong, "--inventory", &inventory]);
    assert!(said.code == 1 && said.out.contains("`big`"), "{said:?}");
    check_refused(
        &lab,
        &["policy", "check", &good, "--inventory", &wrong],
        "Misuse",
        2,
    );
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let lab = Lab::new();
    let file = write(
        &lab,
        "p.toml",
        &POLICY
            .replace("\"oncall\"", "\"oncal\"")
            .replace("n = 2", "n = 0"),
    );
    let said = lab.run(&["policy", "check", &file]);
    assert_eq!(said.code, 1);
    assert!(
        said.out.contains("`oncal` is not a group") && said.out.contains("rule `two`"),
        "{}",
        said.out
    );
    let json = lab.run(&["policy", "check", &file, "--json"]);
    assert_eq!(
        (json.code, &json.json()["error"]["code"]),
        (1, &"PolicyInvalid".into())
    );
    let findings = json.json()["findings"].as_array().unwrap().clone();
    assert!(
        findings.len() >= 3
            && findings
                .iter()
                .all(|f| f["line"].is_u64() && f["message"].is_string()),
        "{findings:?}"
    );
    let people = write(&lab, "people.toml", "version = 1\nperson = []\n");
    let said = lab.run(&["policy", "check", "--people", &people]);
    assert!(
        said.code == 1 && said.out.contains("people.toml: line 2"),
        "{said:?}"
    );
}

#[test]
fn threat_43_a_policy_that_is_missing_or_open_to_others_is_refused() {
    let lab = Lab::new();
    check_refused(&lab, &["policy", "check", "nowhere.toml"], "Misuse", 2);
    let policy = lab.state().join("policy.toml");
    let people = lab.state().join("people.toml");
    // Who can write a directory further up can put another one in the place of this.
    for (path, bit) in [
        (policy.clone(), 0o020),
        (people, 0o020),
        (lab.state(), 0o020),
        (lab.path(""), 0o002),
    ] {
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(before.mode() | bit)).unwrap();
        check_refused(&lab, &["policy", "check"], "PolicyInvalid", 1);
        let said = check_refused(&lab, &["list"], "PolicyInvalid", 2);
        assert!(said.contains("chmod go-w"), "{said}");
        fs::set_permissions(&path, before).unwrap();
    }
    // In a sticky directory, as `/tmp` is one, others can move only what is theirs.
    let above = lab.path("");
    let before = fs::metadata(&above).unwrap().permissions();
    fs::set_permissions(&above, fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(lab.run(&["list"]).code, 0);
    fs::set_permissions(&above, before).unwrap();
    // The file, its directory and one further up belong to whoever holds the key, or to the superuser.
    for path in [policy.clone(), lab.state(), above] {
        // Only the superuser can give files away.
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
            check_refused(&lab, &["list"], "PolicyInvalid", 2);
            let said = lab.run(&["list"]).err;
            assert!(said.contains("belongs to user 12345"), "{said}");
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
    }
    // A group that is the owner's own may write above, as it does where each user has one.
    let all = fs::read_dir(lab.state()).unwrap();
    let mut all: Vec<_> = all.map(|file| file.unwrap().path()).collect();
    let above = lab.path("");
    all.extend([lab.state(), above.clone()]);
    let give = |path: &std::path::Path, user, group| {
        std::os::unix::fs::chown(path, Some(user), Some(group)).is_ok()
    };
    if all.iter().all(|path| give(path, 12_345, 12_345)) {
        for (mode, group, code) in [(0o775, 12_345, 0), (0o777, 12_345, 2), (0o775, 54_321, 2)] {
            fs::set_permissions(&above, fs::Permissions::from_mode(mode)).unwrap();
            assert!(give(&above, 12_345, group));
            let said = lab.run(&["list"]);
            assert_eq!(said.code, code, "{mode:o} {group}: {said:?}");
        }
        fs::set_permissions(&above, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(all.iter().all(|path| give(path, 0, 0)));
    }
    fs::remove_file(&policy).unwrap();
    check_refused(&lab, &["list"], "PolicyInvalid", 2);
    check_refused(&lab, &["policy", "check"], "Misuse", 2);
}

#[tokio::test]
async fn threat_43_an_older_policy_does_not_come_back() {
    let lab = Lab::new();
    let policy = lab.state().join("policy.toml");
    for (version, code) in [(2, None), (1, Some("PolicyInvalid")), (3, None)] {
        fs::write(
            &policy,
            POLICY.replacen("version = 1", &format!("version = {version}"), 1),
        )
        .unwrap();
        match code {
            None => assert_eq!(lab.run(&["list"]).code, 0, "{version}"),
            Some(code) => drop(check_refused(&lab, &["list"], code, 2)),
        }
    }
}
