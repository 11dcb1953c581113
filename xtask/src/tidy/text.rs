//! What must not stand in a file: stray whitespace, unfinished or switched-off code, and traces of one machine.

use super::Finding;
use crate::source::{self, reads};
use crate::workspace::{File, Workspace};

/// Endings of files written by hand; what a compiler wrote, such as the expected output of a fixture, is left alone.
const WRITTEN: &[&str] = &[
    ".rs", ".toml", ".md", ".yml", ".yaml", ".sh", ".sql", ".ci/run",
];

/// Token sequences that are never right, and what to do instead.
const BANNED: &[(&[&str], &str)] = &[
    (
        &["#", "[", "ignore"],
        "a test that never runs proves nothing: make it run, or delete it",
    ),
    (
        &["todo", "!"],
        "unfinished code: finish it, or return an error that says what is missing",
    ),
    (
        &["#", "[", "should_panic", "]"],
        "any panic satisfies this test: add `expected`",
    ),
];

/// Folders of the machine the project is developed on, without their slashes, so that this file does not name them.
const FOLDERS: &[&str] = &["work", "root"];

/// Hosts that hand out packages, as two halves for the same reason. Only lock files name them.
const HOSTS: &[(&str, &str)] = &[
    ("crates", ".io"),
    ("pypi", ".org"),
    ("npmjs", ".org"),
    ("proxy.golang", ".org"),
    ("deb.debian", ".org"),
];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace
        .files()
        .flat_map(|file| [whitespace(file), banned(file), traces(file)].concat())
        .collect()
}

fn whitespace(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !WRITTEN.iter().any(|ending| file.path.ends_with(ending)) {
        return findings;
    }
    let is_rust = file.path.ends_with(".rs");
    for (line, text) in numbered(file) {
        if text.ends_with(char::is_whitespace) {
            findings.push(Finding::new(
                &file.path,
                line,
                "whitespace at the end of the line: delete it",
            ));
        }
        if is_rust && text.contains('\t') {
            findings.push(Finding::new(
                &file.path,
                line,
                "a tab: write spaces, or `\\t` in a string",
            ));
        }
    }
    findings
}

fn banned(file: &File) -> Vec<Finding> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let (tokens, _) = source::lex(&file.text);
    let mut findings = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let hits = BANNED.iter().filter(|(texts, _)| reads(&tokens, at, texts));
        findings.extend(hits.map(|(_, message)| Finding::new(&file.path, token.line, *message)));
    }
    findings
}

fn traces(file: &File) -> Vec<Finding> {
    let is_lock = file.path.ends_with(".lock");
    let mut findings = Vec::new();
    for (line, text) in numbered(file) {
        for folder in FOLDERS.iter().filter(|folder| names_folder(text, folder)) {
            let message =
                format!("names the folder `{folder}` of one machine: use a relative path");
            findings.push(Finding::new(&file.path, line, message));
        }
        let hosts = HOSTS.iter().map(|(name, end)| format!("{name}{end}"));
        for host in hosts.filter(|host| !is_lock && text.contains(host.as_str())) {
            let message = format!(
                "names the package host `{host}`: name the package, the tool knows where it is"
            );
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    findings
}

/// Whether `/folder/` stands in the line as the beginning of a path, not as a part of one.
fn names_folder(text: &str, folder: &str) -> bool {
    let pattern = format!("/{folder}/");
    let begins = |before: &str| {
        !before.ends_with(|sign: char| {
            sign.is_alphanumeric() || matches!(sign, '_' | '-' | '.' | '~' | '}' | ')' | '>' | '*')
        })
    };
    text.match_indices(&pattern)
        .any(|(at, _)| text.get(..at).is_some_and(begins))
}

fn numbered(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.text
        .split('\n')
        .enumerate()
        .map(|(at, text)| (at + 1, text))
}

#[cfg(test)]
mod tests {
    use super::super::fixture;

    fn check(path: &str, text: &str, expected: &[(&str, &str)]) {
        fixture::check(super::check, &[(path, text)], expected);
    }

    #[test]
    fn stray_whitespace() {
        check("a.rs", "a\nb \n", &[("a.rs:2", "end of the line")]);
        check("a.md", "a  \n", &[("a.md:1", "end of the line")]);
        check(".ci/run", "a\r\n", &[(".ci/run:1", "end of the line")]);
        check("a.rs", "\ta\n", &[("a.rs:1", "a tab")]);
        check("a.stderr", "a \n\tb\n", &[]);
        check("a.md", "\ta\n", &[]);
    }

    #[test]
    fn unfinished_and_switched_off_code() {
        check(
            "a.rs",
            "#[test]\n#[ignore]\nfn a() {}",
            &[("a.rs:2", "never runs")],
        );
        check("a.rs", "#[ignore = \"slow\"]", &[("a.rs:1", "never runs")]);
        check("a.rs", "#[should_panic]", &[("a.rs:1", "expected")]);
        check("a.rs", "fn a() { todo!() }", &[("a.rs:1", "unfinished")]);
        check(
            "a.rs",
            "#[should_panic(expected = \"a\")]\n// todo!() #[ignore]\nlet a = \"todo!() #[ignore]\";",
            &[],
        );
        check("a.md", "todo!() #[ignore]", &[]);
    }

    #[test]
    fn traces_of_a_machine() {
        let folder = |name: &str| format!("see /{name}/notes");
        check("a.md", &folder("work"), &[("a.md:1", "relative path")]);
        check(
            "a.rs",
            &format!("\"{}\"", folder("root")),
            &[("a.rs:1", "relative path")],
        );
        check(
            "a.json",
            &format!("\"file://{}\"", folder("root").trim_start_matches("see ")),
            &[("a.json:1", "relative")],
        );
        check(
            "a.md",
            "see docs/work/notes, ../work/notes, /framework/x and {root}/work/",
            &[],
        );
        let host = ["crates", "io"].join(".");
        check("a.toml", &host, &[("a.toml:1", "package host")]);
        check("Cargo.lock", &host, &[]);
    }
}
