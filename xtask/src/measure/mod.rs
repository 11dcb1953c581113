//! `cargo xtask measure`: how large the house is and how well it is explained, as a table.
//!
//! Counted is what ships: `<crate>/src` and the examples, without what is compiled for tests only. A line counts as
//! code when something other than a comment stands on it. The size of a function runs from `fn` to its closing brace.

mod figures;

use std::collections::BTreeMap;
use std::path::Path;

use crate::command::{Failure, Outcome};
use crate::workspace::Workspace;
use figures::{Figures, quantile};

const HEADINGS: [&str; 15] = [
    "crate",
    "files",
    "code",
    "file p50",
    "p95",
    "max",
    "fns",
    "fn p50",
    "p95",
    "max",
    "docs",
    "pub items",
    "examples",
    "# Errors",
    "test lines",
];

/// Prints one line per crate, the total, and the targets of the house.
///
/// # Errors
/// A file could not be read. Figures are never an error: the caps are `cargo xtask tidy`'s matter.
pub fn run(root: &Path) -> Result<Outcome, Failure> {
    print!("{}", table(&Workspace::load(root)?));
    Ok(Outcome::Passed)
}

fn table(workspace: &Workspace) -> String {
    let mut crates: BTreeMap<&str, Figures> = BTreeMap::new();
    let mut total = Figures::default();
    let production = workspace.production();
    for file in &production {
        let figures = Figures::of(&file.text);
        crates.entry(file.package()).or_default().add(&figures);
        total.add(&figures);
    }
    for file in workspace
        .rust()
        .filter(|file| !production.iter().any(|other| other.path == file.path))
    {
        let lines = figures::all_lines(&file.text);
        crates.entry(file.package()).or_default().test_lines += lines;
        total.test_lines += lines;
    }
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    rows.extend(crates.iter().map(|(name, figures)| row(name, figures)));
    rows.push(row("total", &total));
    rows.push(targets());
    align(&rows)
}

fn row(name: &str, figures: &Figures) -> Vec<String> {
    let (files, functions) = (&figures.files, &figures.functions);
    let mut row = vec![name.to_owned()];
    let numbers = [
        files.len(),
        files.iter().sum(),
        quantile(files, 50),
        quantile(files, 95),
        quantile(files, 100),
    ];
    row.extend(numbers.map(|number| number.to_string()));
    let numbers = [
        functions.len(),
        quantile(functions, 50),
        quantile(functions, 95),
        quantile(functions, 100),
    ];
    row.extend(numbers.map(|number| number.to_string()));
    row.push(format!(
        "{}%",
        (100 * figures.doc_lines)
            .checked_div(figures.written_lines)
            .unwrap_or(0)
    ));
    let numbers = [
        figures.public_items,
        figures.examples,
        figures.errors_sections,
        figures.test_lines,
    ];
    row.extend(numbers.map(|number| number.to_string()));
    row
}

fn targets() -> Vec<String> {
    let targets = [
        "target", "", "", "<=180", "<=400", "<=500", "", "<=8", "<=25", "<=60",
    ];
    targets.map(str::to_owned).to_vec()
}

/// Columns under each other: names to the left, numbers to the right.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells =
            row.iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| match column {
                    0 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::File;

    #[test]
    fn a_line_per_crate_and_the_total() {
        let files = [
            ("a/src/lib.rs", "//! Docs.\n\npub fn f() {\n    g()\n}\n"),
            ("a/tests/t.rs", "fn t() {}\n\n"),
            (
                "b/src/lib.rs",
                "pub struct S;\n#[cfg(test)]\nmod tests {\n}\n",
            ),
        ];
        let files = files.map(|(path, text)| File {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        let table = table(&Workspace::new(files.to_vec()));
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows[1],
            [
                "a", "1", "3", "3", "3", "3", "1", "3", "3", "3", "25%", "1", "0", "0", "1"
            ]
        );
        assert_eq!(
            rows[2],
            [
                "b", "1", "1", "1", "1", "1", "0", "0", "0", "0", "0%", "1", "0", "0", "3"
            ]
        );
        assert_eq!(
            rows[3],
            [
                "total", "2", "4", "1", "3", "3", "1", "3", "3", "3", "20%", "2", "0", "0", "4"
            ]
        );
    }
}
