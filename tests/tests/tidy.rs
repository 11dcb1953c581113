//! The rules that `cargo xtask tidy` checks hold: module order, sizes, who may make evidence, text.

use xtask::tidy::{self, Finding};
use xtask::workspace::{self, Workspace};

#[test]
fn the_house_is_tidy() {
    let root = workspace::root().expect("tests run inside the workspace");
    let workspace = Workspace::load(&root).expect("the workspace is readable");
    let findings: Vec<String> = tidy::check(&workspace)
        .iter()
        .map(Finding::to_string)
        .collect();
    assert!(
        findings.is_empty(),
        "{} findings:\n{}",
        findings.len(),
        findings.join("\n")
    );
}
