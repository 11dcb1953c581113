//! The oldest compiler we promise (`rust-version`) can build the workspace.

use std::fmt;
use std::fs;

use super::{House, all};
use crate::command::{Failure, Outcome};

pub(super) fn run(house: &House) -> Result<Outcome, Failure> {
    let manifest = fs::read_to_string(house.root.join("Cargo.toml"))?;
    let promised = rust_version(&manifest).ok_or_else(|| {
        Failure::new("`Cargo.toml` has no `rust-version`: name the oldest compiler that works")
    })?;
    let answer = house
        .invoke("rustc")
        .words("--version")
        .answer()
        .unwrap_or_default();
    let running = answer.split_whitespace().nth(1).and_then(Version::parse);
    let running = running.ok_or_else(|| Failure::new("no answer").repeat("rustc --version"))?;
    if promised > running {
        let message =
            format!("rustc {running} is older than the {promised} we promise: `rustup update`");
        return Err(Failure::new(message));
    }
    if promised == running {
        println!("rustc {running} is the MSRV: the steps above have shown it");
        return Ok(Outcome::Passed);
    }
    let installed = house
        .invoke("rustup")
        .words("toolchain list")
        .answer()
        .unwrap_or_default();
    match toolchain(&installed, promised) {
        Some(name) => all(&[house.cargo(&format!(
            "+{name} check --workspace --all-features --locked"
        ))]),
        None => Ok(Outcome::Skipped(format!(
            "rustc {running} is newer than the MSRV {promised}: `rustup toolchain install {promised} --profile minimal`"
        ))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    /// Reads `1.95`, `1.95.0` and `1.95.0-beta.3`.
    fn parse(text: &str) -> Option<Self> {
        let release = text.split('-').next()?;
        let mut parts = release.split('.').map(str::parse);
        let (major, minor) = (parts.next()?.ok()?, parts.next()?.ok()?);
        Some(Self(major, minor, parts.next().unwrap_or(Ok(0)).ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

fn rust_version(manifest: &str) -> Option<Version> {
    let line = manifest
        .lines()
        .find(|line| line.starts_with("rust-version"))?;
    Version::parse(line.split_once('=')?.1.trim().trim_matches('"'))
}

/// The name of the installed toolchain of this version, without the name of the platform.
fn toolchain(installed: &str, version: Version) -> Option<&str> {
    let names = installed.lines().filter_map(|line| line.split('-').next());
    names
        .into_iter()
        .find(|name| Version::parse(name) == Some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let cases = [
            ("1.95", Some(Version(1, 95, 0))),
            ("1.95.1", Some(Version(1, 95, 1))),
            ("1.97.0-nightly", Some(Version(1, 97, 0))),
            ("stable", None),
            ("1", None),
            ("1.x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Version::parse(text), expected, "{text}");
        }
        assert!(Version(1, 95, 0) < Version(1, 100, 0));
    }

    #[test]
    fn the_promise_is_read_from_the_manifest() {
        let manifest = "[workspace.package]\nedition = \"2024\"\nrust-version = \"1.95\"\n";
        assert_eq!(rust_version(manifest), Some(Version(1, 95, 0)));
        assert_eq!(
            rust_version("[package]\nrust-version.workspace = true\n"),
            None
        );
        assert_eq!(rust_version("[package]\n"), None);
    }

    #[test]
    fn the_toolchain_is_found_among_the_installed() {
        let list = "stable-x86_64-unknown-linux-gnu (active, default)\n1.94-x86_64-unknown-linux-gnu\n\
                    1.95.0-x86_64-unknown-linux-gnu\n";
        assert_eq!(toolchain(list, Version(1, 95, 0)), Some("1.95.0"));
        assert_eq!(toolchain(list, Version(1, 94, 0)), Some("1.94"));
        assert_eq!(toolchain(list, Version(1, 90, 0)), None);
    }
}
