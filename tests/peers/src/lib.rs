//! The programs of others that our tests run against: official clients, stand-ins, a browser.
//!
//! `cargo xtask setup` installs them, pinned, into `target/peers`. A test that needs one and does
//! not find it fails and says so: it never passes by being skipped.
#![expect(clippy::panic, reason = "a test that cannot go on stops")]

mod process;

use std::path::{Path, PathBuf};
use std::process::Command;

pub use process::{Process, free_port};

/// A run of Node.js on a script, which may import every pinned package.
///
/// # Panics
/// When `cargo xtask setup` did not install them.
#[must_use]
pub fn node(script: &Path) -> Command {
    let modules = installed("node_modules");
    let mut command = Command::new("node");
    command
        .arg("--import")
        .arg(loader(&modules))
        .arg(script)
        .env("NODE_PATH", &modules)
        .env("CHROMIUM", chromium());
    command
}

/// A run of the Python that has every pinned package.
///
/// # Panics
/// When `cargo xtask setup` did not install them.
#[must_use]
pub fn python() -> Command {
    Command::new(installed("python/bin/python"))
}

/// A program that came with a package, by the name its package gives it.
///
/// # Panics
/// When `cargo xtask setup` did not install it.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let python = folder().join("python/bin").join(name);
    match python.is_file() {
        true => python,
        false => installed(&format!("node_modules/.bin/{name}")),
    }
}

/// The browser.
///
/// # Panics
/// When `cargo xtask setup` did not install it.
#[must_use]
pub fn chromium() -> PathBuf {
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].map(PathBuf::from);
    let found = places.into_iter().find(|place| place.is_file());
    found.unwrap_or_else(|| panic!("Chromium is missing: run `cargo xtask setup`"))
}

/// A file or folder of `target/peers`.
///
/// # Panics
/// When `cargo xtask setup` did not install it.
#[must_use]
pub fn installed(name: &str) -> PathBuf {
    let path = folder().join(name);
    match path.exists() {
        true => path,
        false => panic!("`{}` is missing: run `cargo xtask setup`", path.display()),
    }
}

fn folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let root = root.unwrap_or_else(|| panic!("this crate lies two folders below the workspace"));
    root.join("target/peers")
}

/// A loader that finds bare imports of ES modules in `modules`, which Node.js does only for
/// CommonJS by itself.
fn loader(modules: &Path) -> String {
    let base = modules.join("_.mjs");
    let hook = format!(
        "export const resolve=(s,c,n)=>n(s,/^(\\.|\\/|node:|file:|data:)/.test(s)?c:{{...c,parentURL:'file://{}'}})",
        base.display()
    );
    let hook = percent(&hook);
    let script =
        format!("import {{register}} from 'node:module';register('data:text/javascript,{hook}')");
    format!("data:text/javascript,{}", percent(&script))
}

fn percent(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode = |byte: u8| match keep(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
