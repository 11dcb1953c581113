//! A value that proves a check can be made only where the check is: its constructor is named `assertion` everywhere.

use super::Finding;
use crate::source::{self, reads};
use crate::workspace::Workspace;

/// The constructor of every type that proves a check.
const CONSTRUCTOR: &str = "assertion";

/// Files and folders that may make evidence. A new place here is a new place to trust: a review asks why.
const ALLOWED: &[&str] = &[
    "approvals-core/src/gate/authorize.rs",
    "approvals-core/src/sshsig.rs",
    "approvals-core/src/webauthn.rs",
    "approvals-slack/src/interact/clicker.rs",
    "approvals-core/src/testing/script.rs",
    "approvals-http/src/login/session.rs",
    "approvals-core/src/lifecycle/tests.rs",
    "approvals-teams/src/click.rs",
    "approvals-remote/src/gate.rs",
    "approvals-slack/tests/slack/elsewhere.rs",
    "tests/",
];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in workspace
        .rust()
        .filter(|file| !ALLOWED.iter().any(|place| file.path.starts_with(place)))
    {
        let (tokens, _) = source::lex(&file.text);
        for (at, token) in tokens.iter().enumerate() {
            let declared = at
                .checked_sub(1)
                .is_some_and(|before| reads(&tokens, before, &["fn"]));
            if !declared && token.word() == CONSTRUCTOR && reads(&tokens, at + 1, &["("]) {
                let message = format!(
                    "calls `{CONSTRUCTOR}`, which only {} may: go through the check",
                    ALLOWED.join(", ")
                );
                findings.push(Finding::new(&file.path, token.line, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fixture;

    fn check(path: &str, text: &str, expected: &[(&str, &str)]) {
        fixture::check(super::check, &[(path, text)], expected);
    }

    #[test]
    fn evidence_is_made_where_the_check_is() {
        check(
            "approvals-core/src/sshsig.rs",
            "fn a() { VerifiedApprover::assertion(p) }",
            &[],
        );
        check(
            "approvals-core/src/card.rs",
            "fn a() { VerifiedApprover::assertion(p) }",
            &[("approvals-core/src/card.rs:1", "go through")],
        );
        check("tests/tests/a.rs", "Proof::assertion ()", &[]);
        check(
            "approvals-cli/src/main.rs",
            "\nlet a = Proof::assertion(p);",
            &[("approvals-cli/src/main.rs:2", "go through")],
        );
        check(
            "approvals-core/tests/a.rs",
            "assertion(p)",
            &[("approvals-core/tests/a.rs:1", "go through")],
        );
    }

    #[test]
    fn words_and_declarations_are_no_calls() {
        check(
            "tests/a.rs",
            "// assertion(p)\nconst A: &str = \"assertion(p)\";",
            &[],
        );
        check(
            "tests/a.rs",
            "fn assertion(p: u8) {} my_assertion(1); assertion!(2); let assertion = 3;",
            &[],
        );
    }
}
