//! What `cargo xtask setup` installed runs.

use std::path::Path;

#[test]
fn the_browser_draws_a_page() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser.mjs");
    let status = approvals_peers::node(&script).status();
    assert!(status.expect("node starts").success());
}

#[test]
fn python_has_the_pinned_packages() {
    let mut python = approvals_peers::python();
    let status = python
        .args([
            "-c",
            "import agentapprovalprotocol, schemathesis, slack_sdk",
        ])
        .status();
    assert!(status.expect("python starts").success());
}
