//! A home is loaded whole or refused, and nothing in it is ever overwritten.
#![cfg(all(unix, feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use approvals_core::ledger::LedgerKey;
use approvals_core::ports::Signer as _;
use approvals_core::{Code, Policy};
use approvals_store::home::{Home, Starter};
use support::files;
use tempfile::TempDir;

fn starter() -> Starter {
    Starter::new("test.invalid/home".parse().unwrap())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_new_home_opens_and_belongs_to_its_owner() {
    let scratch = TempDir::new().unwrap();
    let directory = scratch.path().join("a/b");
    let made = Home::create(&directory, starter()).unwrap();
    let home = Home::open(&directory).unwrap();
    assert_eq!(home.vkey(), made.vkey());
    assert_eq!(home.origin().as_str(), "test.invalid/home");
    assert_eq!(home.path(), directory);
    assert_eq!(home.signer().unwrap().vkey(), home.vkey());
    // The starter takes one person of one group for everything, and no rule lets anything through.
    assert_eq!(home.policy().rules().count(), 0);
    assert_eq!(home.people().groups().len(), 1);
    for (path, _) in files(&directory) {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    assert_eq!(
        fs::metadata(&directory).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let names: Vec<_> = files(&directory)
        .iter()
        .map(|(path, _)| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "anchors.toml",
            "approvals.db",
            "disclosure.key",
            "ledger.key",
            "log.vkey",
            "people.toml",
            "policy.toml",
            "recovery.key",
            "recovery.vkey",
            "secrets.key"
        ]
    );
}

#[test]
fn every_example_of_the_starter_policy_can_be_loaded() {
    let text = include_str!("../src/home/starter_policy.toml");
    let uncommented: String = text
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("#   ").unwrap_or(line)))
        .collect();
    let groups = ["approvers", "security"]
        .map(|name| name.parse().unwrap())
        .into();
    let policy = Policy::parse(&uncommented, &groups, &[]).unwrap();
    assert_eq!(policy.rules().count(), 4);
}

#[test]
fn nothing_is_ever_overwritten() {
    for name in [
        "approvals.db",
        "disclosure.key",
        "ledger.key",
        "log.vkey",
        "policy.toml",
        "people.toml",
        "recovery.key",
        "recovery.vkey",
        "secrets.key",
    ] {
        let scratch = TempDir::new().unwrap();
        fs::write(scratch.path().join(name), "mine").unwrap();
        let before = files(scratch.path());
        let error = Home::create(scratch.path(), starter()).unwrap_err();
        assert_eq!(error.code(), Code::Misuse, "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(files(scratch.path()), before);
    }
    let scratch = TempDir::new().unwrap();
    Home::create(scratch.path(), starter()).unwrap();
    let before = files(scratch.path());
    assert!(Home::create(scratch.path(), starter()).is_err());
    assert_eq!(files(scratch.path()), before);
}

#[test]
fn a_starter_that_cannot_be_loaded_leaves_nothing() {
    for starter in [
        starter().policy("version = 1\n"),
        starter().policy("version = 1\ndefault = { require = [{ group = \"nobody\" }] }\n"),
        starter().people("version = 1\n"),
    ] {
        let scratch = TempDir::new().unwrap();
        let directory = scratch.path().join("home");
        let error = Home::create(&directory, starter).unwrap_err();
        assert_eq!(error.code(), Code::PolicyInvalid, "{error}");
        assert!(!directory.exists());
    }
}

#[test]
fn what_is_missing_is_refused() {
    let remove = |name: &'static str| move |home: &Path| fs::remove_file(home.join(name)).unwrap();
    check(
        "policy.toml",
        remove("policy.toml"),
        Code::PolicyInvalid,
        "there is no policy",
    );
    check(
        "people.toml",
        remove("people.toml"),
        Code::PolicyInvalid,
        "there is no people file",
    );
    check(
        "log.vkey",
        remove("log.vkey"),
        Code::AuditUnavailable,
        "log.vkey",
    );
    check(
        "ledger.key",
        remove("ledger.key"),
        Code::AuditUnavailable,
        "there is no ledger key",
    );
    check(
        "recovery.vkey",
        remove("recovery.vkey"),
        Code::AuditUnavailable,
        "public half of the recovery key",
    );
    check(
        "secrets.key",
        remove("secrets.key"),
        Code::AuditUnavailable,
        "there is no file of secrets",
    );
    check(
        "approvals.db",
        remove("approvals.db"),
        Code::StoreUnavailable,
        "approvals.db",
    );
    check(
        "everything",
        |home| fs::remove_dir_all(home).unwrap(),
        Code::StoreUnavailable,
        "approvals init",
    );
}

#[test]
fn what_is_empty_or_not_what_it_should_be_is_refused() {
    let write = |name: &'static str, text: &'static str| {
        move |home: &Path| fs::write(home.join(name), text).unwrap()
    };
    check(
        "policy.toml",
        write("policy.toml", ""),
        Code::PolicyInvalid,
        "version",
    );
    check(
        "people.toml",
        write("people.toml", "version = 1"),
        Code::PolicyInvalid,
        "person",
    );
    check(
        "log.vkey",
        write("log.vkey", "test.invalid/home"),
        Code::AuditUnavailable,
        "log.vkey",
    );
    check(
        "ledger.key",
        write("ledger.key", ""),
        Code::AuditUnavailable,
        "ledger.key",
    );
    check(
        "secrets.key",
        write("secrets.key", "approvals-secrets-v1"),
        Code::AuditUnavailable,
        "secrets.key",
    );
    check(
        "disclosure.key",
        write("disclosure.key", "approvals-disclosure-key-v1"),
        Code::AuditUnavailable,
        "disclosure.key",
    );
    check(
        "approvals.db",
        write("approvals.db", ""),
        Code::StoreUnavailable,
        "restore it",
    );
    let other_key = |home: &Path| {
        fs::remove_file(home.join("ledger.key")).unwrap();
        LedgerKey::create_file(home.join("ledger.key")).unwrap();
    };
    check(
        "another key",
        other_key,
        Code::AuditUnavailable,
        "is in force",
    );
    let noise = |home: &Path| fs::write(home.join("approvals.db"), [9; 9_000]).unwrap();
    check("a damaged ledger", noise, Code::AuditTampered, "damaged");
}

#[test]
fn what_others_can_write_is_refused() {
    for mode in [0o620, 0o602, 0o666] {
        for name in ["policy.toml", "people.toml"] {
            let open = move |home: &Path| set_mode(&home.join(name), mode);
            check(name, open, Code::PolicyInvalid, "run `chmod go-w");
        }
    }
    for mode in [0o720, 0o702, 0o777] {
        check(
            "the directory",
            move |home| set_mode(home, mode),
            Code::PolicyInvalid,
            "run `chmod go-w",
        );
    }
    check(
        "ledger.key",
        |home| set_mode(&home.join("ledger.key"), 0o640),
        Code::AuditUnavailable,
        "chmod 600",
    );
    check(
        "disclosure.key",
        |home| set_mode(&home.join("disclosure.key"), 0o640),
        Code::AuditUnavailable,
        "open to other users",
    );
    check(
        "secrets.key",
        |home| set_mode(&home.join("secrets.key"), 0o604),
        Code::AuditUnavailable,
        "chmod 600",
    );
    // Where a link leads counts.
    let link = |home: &Path| {
        let shared = home.join("shared");
        fs::create_dir(&shared).unwrap();
        set_mode(&shared, 0o777);
        fs::rename(home.join("policy.toml"), shared.join("policy.toml")).unwrap();
        std::os::unix::fs::symlink(shared.join("policy.toml"), home.join("policy.toml")).unwrap();
    };
    check("a link", link, Code::PolicyInvalid, "run `chmod go-w");
    // Others may read what is no secret.
    let scratch = TempDir::new().unwrap();
    Home::create(scratch.path().join("home"), starter()).unwrap();
    set_mode(&scratch.path().join("home/policy.toml"), 0o644);
    set_mode(&scratch.path().join("home"), 0o755);
    Home::open(scratch.path().join("home")).unwrap();
}

/// A home that something was done to, and how opening a gate on it is refused.
fn check(what: &str, damage: impl Fn(&Path), code: Code, words: &str) {
    let scratch = TempDir::new().unwrap();
    let directory = scratch.path().join("home");
    Home::create(&directory, starter()).unwrap();
    damage(&directory);
    let opened = async { Home::open(&directory)?.gate()?.open().await };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let error = runtime.unwrap().block_on(opened).unwrap_err();
    assert_eq!(error.code(), code, "{what}: {error}");
    assert!(error.to_string().contains(words), "{what}: {error}");
}
