//! A program outside the workspace, with nothing but `approvals-core` in its manifest, guards
//! functions of every form.

use std::path::{Path, PathBuf};
use std::process::Command;

fn consumer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("consumer")
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn every_form_runs_with_one_dependency() {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), PathBuf::from);
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--locked", "--manifest-path"])
        .arg(consumer().join("Cargo.toml"))
        .env(
            "CARGO_TARGET_DIR",
            workspace().join(target).join("consumer"),
        )
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let listed = String::from_utf8_lossy(&output.stdout);
    for line in [
        "form.function consumer::forms::function 2.7.1",
        "form.boxed consumer::forms::boxed 2.7.1",
        "method.provided consumer::forms::provided 2.7.1",
        "typed.drop consumer::forms::DropTable 2.7.1",
    ] {
        assert!(
            listed.contains(line),
            "{line} is not in the inventory:\n{listed}"
        );
    }
    let own = |line: &&str| line.contains(" consumer::");
    assert_eq!(listed.lines().filter(own).count(), 16, "{listed}");
    // And the action that the library itself brings along.
    assert!(
        listed.contains("approvals.erase approvals_core::"),
        "{listed}"
    );
}

#[test]
fn its_only_dependency_is_the_core() {
    let manifest = std::fs::read_to_string(consumer().join("Cargo.toml")).unwrap();
    let dependencies = manifest
        .split("[dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    let names: Vec<&str> = dependencies
        .lines()
        .filter_map(|line| line.split(" = ").next())
        .filter(|name| !name.is_empty())
        .collect();
    assert_eq!(names, ["approvals-core"]);
    assert!(!manifest.contains("-dependencies]"), "{manifest}");
}

/// Without this, the offline build above could miss a package that the workspace no longer has.
#[test]
fn its_lock_file_agrees_with_the_workspace() {
    let packages = |path: PathBuf| -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let entry = |entry: &str| {
            let field = |name: &str| {
                entry
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .unwrap_or_default()
                    .to_owned()
            };
            format!("{} {}", field("name = "), field("version = "))
        };
        text.split("[[package]]").skip(1).map(entry).collect()
    };
    let ours = packages(workspace().join("Cargo.lock"));
    let missing: Vec<String> = packages(consumer().join("Cargo.lock"))
        .into_iter()
        .filter(|one| !ours.contains(one) && !one.starts_with("\"consumer\""))
        .collect();
    assert!(
        missing.is_empty(),
        "not in the workspace: {missing:?}; copy Cargo.lock to tests/consumer and build there with `cargo build --offline`"
    );
}
