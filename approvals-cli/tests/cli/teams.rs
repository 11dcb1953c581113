//! `approvals teams`: the package, and what keeps the channel from starting.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use crate::support::{Lab, Outcome};

const APP: &str = "11111111-2222-4333-8444-555555555555";

fn good() -> String {
    format!(
        "version = 1\napp_id = \"{APP}\"\ntenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\nsecret = {{ env = \"TEAMS_SECRET\" }}\n[[post]]\nchannel = \"19:approvals@thread.tacv2\"\n"
    )
}

fn configure(lab: &Lab, text: &str, mode: u32) {
    let path = lab.state().join("teams.toml");
    let _ = std::fs::remove_file(&path);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .mode(mode)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The command with the app's secret, and with no way to any other machine.
fn run(lab: &Lab, args: &[&str]) -> Outcome {
    let mut command = lab.command(args);
    command
        .env("TEAMS_SECRET", "CANARY-secret")
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    Outcome::of(command)
}

#[test]
fn the_package_is_a_new_file_with_the_app_in_it() {
    let lab = Lab::new();
    configure(&lab, &good(), 0o600);
    let file = lab.path("approvals.zip").display().to_string();
    let outcome = run(&lab, &["teams", "package", &file, "--json"]);
    assert_eq!(outcome.json()["file"], file, "{outcome:?}");
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"PK"));
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains(APP) && text.contains("manifest.json") && !text.contains("CANARY"));
    // What is there already stays as it is.
    let again = run(&lab, &["teams", "package", &file]);
    assert_ne!(again.code, 0, "{again:?}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn what_is_wrong_starts_nothing_and_tells_no_secret() {
    let lab = Lab::new();
    let file = lab.path("approvals.zip").display().to_string();
    let commands: [&[&str]; 3] = [
        &["teams", "package", &file],
        &["teams", "doctor"],
        &["serve", "--listen", "127.0.0.1:0"],
    ];
    let check = |commands: &[&[&str]], wanted: &str| {
        for command in commands {
            let outcome = run(&lab, command);
            assert!([1, 2, 3].contains(&outcome.code), "{outcome:?}");
            let said = format!("{}{}", outcome.out, outcome.err);
            assert!(said.contains(wanted), "{command:?}: {wanted}: {said}");
            assert!(!said.contains("CANARY"), "{said}");
            assert!(!lab.path("approvals.zip").exists());
        }
    };
    check(&commands[..2], "there is no `teams.toml`");
    configure(&lab, "version = 1\n", 0o600);
    check(&commands, "app_id");
    configure(&lab, &good().replace(APP, ""), 0o600);
    check(&commands, "cannot be `app_id`");
    configure(
        &lab,
        &good().replace("TEAMS_SECRET", "TEAMS_NOTHING"),
        0o600,
    );
    check(&commands, "`TEAMS_NOTHING`");
    configure(
        &lab,
        &good().replace("{ env = \"TEAMS_SECRET\" }", "\"CANARY\""),
        0o600,
    );
    check(&commands, "and not the secret");
    configure(&lab, &good(), 0o644);
    check(&commands, "run `chmod 600");
}

#[test]
fn the_doctor_names_each_wrong_thing() {
    let lab = Lab::new();
    configure(&lab, &good(), 0o600);
    let outcome = run(&lab, &["teams", "doctor"]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    for line in [
        "WRONG   the app's token: there is no connection",
        "WRONG   the Bot Connector's keys: there is no connection",
        "ok      where requests are posted",
        "WRONG   where the app is installed: it was added nowhere",
        "WRONG   who can decide: nobody has an account there",
    ] {
        assert!(outcome.out.contains(line), "{line}: {outcome:?}");
    }
    assert!(!format!("{outcome:?}").contains("CANARY"));
    let outcome = run(&lab, &["teams", "doctor", "--json"]);
    let findings = outcome.json()["findings"].as_array().unwrap().len();
    assert_eq!((outcome.code, findings), (1, 5), "{outcome:?}");
}
