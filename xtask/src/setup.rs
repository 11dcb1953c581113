//! `cargo xtask setup`: installs what a fresh machine lacks, or says what to install.

mod peers;

use std::fs;
use std::path::PathBuf;

use crate::command::{Failure, Outcome};
use crate::suite::House;

/// Programs the tests call, and the Debian packages that bring them.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("ssh-keygen", &["openssh-client"]),
    ("openssl", &["openssl"]),
    ("sqlite3", &["sqlite3"]),
    ("cc", &["gcc", "libc6-dev"]),
    ("initdb", &["postgresql"]),
    ("chromium", &["chromium"]),
    ("node", &["nodejs"]),
    ("npm", &["npm"]),
    ("python3", &["python3", "python3-venv"]),
];

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "install --locked cargo-deny@0.20.2";

/// Installs system programs, parts of the toolchain, the peers of our tests and, in a full run, cargo-deny.
///
/// # Errors
/// Something is missing and cannot be installed here; the failure names what to install.
pub fn run(house: &House) -> Result<Outcome, Failure> {
    programs(house)?;
    components(house)?;
    peers::install(house)?;
    cargo_deny(house)?;
    println!("setup: everything the checks need is here");
    Ok(Outcome::Passed)
}

fn programs(house: &House) -> Result<(), Failure> {
    let packages = missing_packages(is_installed);
    if packages.is_empty() {
        return Ok(());
    }
    if !is_in_path("apt-get") || !is_root(house) {
        let message = format!(
            "programs are missing: as root, install the packages `{}`",
            packages.join(" ")
        );
        return Err(Failure::new(message));
    }
    println!("installing {}", packages.join(" "));
    let apt = || {
        house
            .invoke("apt-get")
            .variable("DEBIAN_FRONTEND", "noninteractive")
    };
    apt().words("update").run()?;
    apt()
        .words("install --yes --no-install-recommends")
        .args(&packages)
        .run()?;
    match missing_packages(is_installed).as_slice() {
        [] => Ok(()),
        still => Err(Failure::new(format!(
            "the packages `{}` are installed, but their programs are not in `PATH`: add the folder they are in",
            still.join(" ")
        ))),
    }
}

fn components(house: &House) -> Result<(), Failure> {
    let lacks = |(_, probe): &(&str, &str)| house.invoke("cargo").words(probe).answer().is_none();
    let components = [("rustfmt", "fmt --version"), ("clippy", "clippy --version")];
    let missing: Vec<&str> = components
        .into_iter()
        .filter(lacks)
        .map(|(name, _)| name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_in_path("rustup") {
        return Err(Failure::new(format!(
            "the toolchain lacks `{}`: install them where it came from",
            missing.join(" ")
        )));
    }
    println!("adding {}", missing.join(" "));
    house
        .invoke("rustup")
        .words("component add")
        .args(&missing)
        .run()
}

fn cargo_deny(house: &House) -> Result<(), Failure> {
    if house
        .invoke("cargo")
        .words("deny --version")
        .answer()
        .is_some()
    {
        return Ok(());
    }
    if !house.is_full() {
        println!(
            "cargo-deny is missing and its step will be skipped: `cargo xtask setup --full` builds it in some minutes"
        );
        return Ok(());
    }
    println!("building cargo-deny, which takes some minutes");
    house.invoke("cargo").words(CARGO_DENY).run()
}

fn missing_packages(is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let missing = PROGRAMS.iter().filter(|(program, _)| !is_there(program));
    missing
        .flat_map(|(_, packages)| packages.iter().copied())
        .collect()
}

/// In `PATH`, or where Debian keeps the programs of a database server.
fn is_installed(program: &str) -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders = versions.flatten().map(|version| version.path().join("bin"));
    is_in_path(program) || folders.any(|folder| folder.join(program).is_file())
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: PathBuf| folder.join(program).is_file())
}

fn is_root(house: &House) -> bool {
    house
        .invoke("id")
        .words("-u")
        .answer()
        .is_some_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        let all: Vec<&str> = PROGRAMS.iter().map(|(program, _)| *program).collect();
        // What is taken away, and the packages that bring it back.
        let cases: &[(&[&str], &[&str])] = &[
            (&[], &[]),
            (&["sqlite3", "ssh-keygen"], &["openssh-client", "sqlite3"]),
            (
                &["cc", "initdb", "node"],
                &["gcc", "libc6-dev", "postgresql", "nodejs"],
            ),
            (&["python3"], &["python3", "python3-venv"]),
        ];
        for (gone, expected) in cases {
            let is_there = |program: &str| all.contains(&program) && !gone.contains(&program);
            assert_eq!(missing_packages(is_there), *expected, "{gone:?}");
        }
    }
}
