//! Files and functions stay small enough to be read in one go.

use super::Finding;
use crate::source;
use crate::workspace::Workspace;

/// The most lines of code, comments not counted, that a file may have outside of its tests.
pub(crate) const LARGEST_FILE: usize = 500;

/// The most lines of code, comments not counted, that a function may have.
pub(crate) const LONGEST_FUNCTION: usize = 60;

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in workspace.production() {
        let source = source::read(&file.text);
        let lines = source::code_lines(&source.tokens);
        if lines > LARGEST_FILE {
            let message = format!(
                "{lines} lines of code, the cap is {LARGEST_FILE}: split the file by topic"
            );
            findings.push(Finding::new(&file.path, 1, message));
        }
        let functions = source::functions(&source.tokens);
        findings.extend(functions.iter().filter(|function| function.lines > LONGEST_FUNCTION).map(|function| {
            let (name, lines) = (function.name, function.lines);
            let message = format!("`{name}` has {lines} lines, the cap is {LONGEST_FUNCTION}: split the function by step");
            Finding::new(&file.path, function.line, message)
        }));
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
    fn a_file_has_a_cap() {
        let code = "const A: u8 = 1;\n";
        check("core/src/a.rs", &code.repeat(500), &[]);
        check(
            "core/src/a.rs",
            &code.repeat(501),
            &[("core/src/a.rs:1", "501 lines of code")],
        );
        check(
            "core/src/a.rs",
            &(code.repeat(500) + &"/// Words.\n\n".repeat(99)),
            &[],
        );
        check(
            "core/src/a.rs",
            &format!("#[cfg(test)]\nmod tests {{\n{}}}", code.repeat(501)),
            &[],
        );
        check("core/tests/a.rs", &code.repeat(501), &[]);
    }

    #[test]
    fn a_function_has_a_cap() {
        let function =
            |lines: usize| format!("\nfn long() {{\n{}}}\n", "    a();\n".repeat(lines - 2));
        check("core/src/a.rs", &function(60), &[]);
        check(
            "core/src/a.rs",
            &function(61),
            &[("core/src/a.rs:2", "`long` has 61 lines")],
        );
        check(
            "core/src/a.rs",
            &format!("#[cfg(test)]\nmod tests {{{}}}", function(61)),
            &[],
        );
    }
}
