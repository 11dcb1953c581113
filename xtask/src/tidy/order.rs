//! Inside `approvals-core`, imports point down: a module may only use modules that stand before it.

mod imports;

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use crate::source;
use crate::workspace::{File, Workspace};
use imports::{GLOB, Import};

/// The modules of the core from the ground up; within one line too, a module may only use those to its left.
const ORDER: &[&[&str]] = &[
    &[
        "id",
        "error",
        "files",
        "clock",
        "canonical",
        "text",
        "digest",
        "secret",
    ],
    &["principal", "scope", "action"],
    &["proposal", "sealed", "envelope"],
    &["policy", "directory"],
    &["request", "review", "sshsig", "webauthn"],
    &["lifecycle", "card"],
    &["ledger"],
    &["permit"],
    &["ports", "terminal"],
    &["engines", "rehearse"],
    &["commit"],
    &["anchor"],
    &["memory"],
    &["gate"],
    &["guard"],
    &["erasure", "policy_change"],
    &["testing"],
];

/// Modules without a place of their own: what they reach counts for whoever uses them.
const UNRANKED: &[&str] = &["private", "__private"];

const SOURCES: &str = "approvals-core/src/";

/// The name that paths inside the core may use instead of `crate`.
const CRATE: &str = "approvals_core";

const HERE: &str = "xtask/src/tidy/order.rs";

/// Who imports whom, and where.
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    path: &'a str,
    line: usize,
}

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let files: Vec<(&str, &File)> = workspace
        .production()
        .into_iter()
        .filter_map(|file| Some((module(file)?, file)))
        .collect();
    let modules: BTreeSet<&str> = files
        .iter()
        .map(|(module, _)| *module)
        .filter(|name| !is_root(name))
        .collect();
    let mut findings = strangers(&files);
    let exported = exports(&files, &modules, &mut findings);
    let mut edges = Vec::new();
    for (from, file) in files.iter().filter(|(module, _)| !is_root(module)) {
        let source = source::read(&file.text);
        for Import { name, line } in imports::imports(&source.tokens, depth(file), CRATE) {
            if name == GLOB {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    "imports the whole crate root: name the module it needs",
                ));
                continue;
            }
            let to = modules
                .get(name)
                .copied()
                .or_else(|| exported.get(name).copied());
            edges.extend(to.filter(|to| to != from).map(|to| Edge {
                from,
                to,
                path: &file.path,
                line,
            }));
        }
    }
    findings.extend(edges.iter().filter_map(|edge| judge(edge, &edges)));
    findings.dedup();
    findings
}

/// The top-level module a file of the core belongs to.
fn module(file: &File) -> Option<&str> {
    let inside = file.path.strip_prefix(SOURCES)?;
    let first = inside.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

/// How many `super` lead from the top of this file to the crate root.
fn depth(file: &File) -> usize {
    let inside = file.path.strip_prefix(SOURCES).unwrap_or(&file.path);
    let parts = inside.split('/').count();
    if inside.ends_with("/mod.rs") {
        parts - 1
    } else {
        parts
    }
}

fn is_root(module: &str) -> bool {
    matches!(module, "lib" | "main")
}

fn rank(module: &str) -> Option<usize> {
    ORDER
        .iter()
        .flat_map(|line| line.iter())
        .position(|name| *name == module)
}

/// One finding for each module that nobody gave a place.
fn strangers(files: &[(&str, &File)]) -> Vec<Finding> {
    let mut strangers = BTreeMap::new();
    for (module, file) in files {
        if rank(module).is_none() && !is_root(module) && !UNRANKED.contains(module) {
            strangers.entry(*module).or_insert(&file.path);
        }
    }
    let finding = |(module, path): (&str, &String)| {
        let message =
            format!("`{module}` has no place in the module order: give it one in ORDER of {HERE}");
        Finding::new(path, 1, message)
    };
    strangers.into_iter().map(finding).collect()
}

/// The names that `lib.rs` exports again, and the module each comes from.
fn exports<'a>(
    files: &[(&'a str, &'a File)],
    modules: &BTreeSet<&'a str>,
    findings: &mut Vec<Finding>,
) -> BTreeMap<&'a str, &'a str> {
    let mut exported = BTreeMap::new();
    for (_, file) in files.iter().filter(|(module, _)| is_root(module)) {
        for (name, import) in imports::leaves(&source::read(&file.text).tokens, CRATE) {
            let Some(from) = modules.get(import.name).copied() else {
                continue;
            };
            if name == GLOB {
                let message = format!(
                    "exports all of `{from}`: name what it exports, so that its users can be ranked"
                );
                findings.push(Finding::new(&file.path, import.line, message));
            } else {
                exported.insert(name, from);
            }
        }
    }
    exported
}

fn judge(edge: &Edge<'_>, edges: &[Edge<'_>]) -> Option<Finding> {
    let own = rank(edge.from)?;
    let message = if let Some(other) = rank(edge.to) {
        let (from, to) = (edge.from, edge.to);
        (other > own).then(|| format!("`{from}` imports `{to}`, which stands above it: move the code, or the module in {HERE}"))
    } else {
        let (reached, through) = highest(edge.to, edges, &mut BTreeSet::new())?;
        let (from, to) = (edge.from, edge.to);
        (reached >= own).then(|| {
            format!("`{from}` imports `{to}`, which leads up to `{through}`: break the circle")
        })
    };
    message.map(|message| Finding::new(edge.path, edge.line, message))
}

/// The highest module that one without a rank reaches, itself or through others without a rank.
fn highest<'a>(
    module: &str,
    edges: &[Edge<'a>],
    seen: &mut BTreeSet<&'a str>,
) -> Option<(usize, &'a str)> {
    let mut best = None;
    for edge in edges.iter().filter(|edge| edge.from == module) {
        if seen.insert(edge.to) {
            let reached = rank(edge.to)
                .map(|rank| (rank, edge.to))
                .or_else(|| highest(edge.to, edges, seen));
            best = best.max(reached);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::fixture;

    fn check(files: &[(&str, &str)], expected: &[(&str, &str)]) {
        let files: Vec<(String, &str)> = files
            .iter()
            .map(|(path, text)| (format!("approvals-core/src/{path}"), *text))
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), *text))
            .collect();
        let expected: Vec<(String, &str)> = expected
            .iter()
            .map(|(place, part)| (format!("approvals-core/src/{place}"), *part))
            .collect();
        let expected: Vec<(&str, &str)> = expected
            .iter()
            .map(|(place, part)| (place.as_str(), *part))
            .collect();
        fixture::check(super::check, &files, &expected);
    }

    #[test]
    fn imports_point_down() {
        check(
            &[
                ("gate.rs", "use crate::policy::Policy;"),
                ("policy.rs", "use crate::error::E;"),
                ("error.rs", ""),
            ],
            &[],
        );
        check(
            &[("policy.rs", "\nuse crate::gate::Gate;"), ("gate.rs", "")],
            &[("policy.rs:2", "`policy` imports `gate`")],
        );
        check(
            &[("clock.rs", "use crate::digest::D;"), ("digest.rs", "")],
            &[("clock.rs:1", "`clock` imports `digest`")],
        );
        check(
            &[("digest.rs", "use crate::clock::C;"), ("clock.rs", "")],
            &[],
        );
        check(
            &[
                ("policy/rule.rs", "fn a() { crate::gate::open() }"),
                ("policy/mod.rs", ""),
                ("gate/mod.rs", ""),
            ],
            &[("policy/rule.rs:1", "`policy` imports `gate`")],
        );
        check(
            &[("policy.rs", "use super::gate::Gate;"), ("gate.rs", "")],
            &[("policy.rs:1", "`gate`")],
        );
        check(
            &[
                ("policy.rs", "use approvals_core::gate::Gate;"),
                ("gate.rs", ""),
            ],
            &[("policy.rs:1", "`gate`")],
        );
    }

    #[test]
    fn tests_and_comments_may_look_up() {
        let policy = "//! See crate::gate::Gate.\n// use crate::gate;\nconst A: &str = \"crate::gate\";\n\
                      #[cfg(test)]\nmod tests { use crate::gate::Gate; }\n#[cfg(test)]\nmod table;";
        check(
            &[
                ("policy/mod.rs", policy),
                ("policy/table.rs", "use crate::gate::Gate;"),
                ("gate.rs", ""),
            ],
            &[],
        );
    }

    #[test]
    fn a_new_export_hides_nothing() {
        let files = |lib| {
            [
                ("lib.rs", lib),
                ("policy.rs", "use crate::Open;"),
                ("gate.rs", ""),
            ]
        };
        check(
            &files("pub use gate::{Gate, Open};"),
            &[("policy.rs:1", "`policy` imports `gate`")],
        );
        check(
            &files("pub use crate::gate::inner::Gate as Open;"),
            &[("policy.rs:1", "`policy` imports `gate`")],
        );
        check(&files("pub use self::gate::Gate;"), &[]);
        check(
            &files("pub use gate::*;"),
            &[("lib.rs:1", "exports all of `gate`")],
        );
        check(&files("pub use approvals_macros::*;"), &[]);
        check(
            &[("policy.rs", "use crate::*;")],
            &[("policy.rs:1", "whole crate root")],
        );
    }

    #[test]
    fn every_module_has_a_place() {
        check(
            &[
                ("attic/mod.rs", ""),
                ("attic/box.rs", ""),
                ("card.rs", ""),
                ("lib.rs", ""),
            ],
            &[("attic/box.rs:1", "`attic` has no place")],
        );
    }

    #[test]
    fn a_module_without_rank_is_no_way_up() {
        let policy = ("policy.rs", "use crate::private::Card;");
        check(
            &[
                policy,
                ("private.rs", "use crate::error::E;"),
                ("error.rs", ""),
            ],
            &[],
        );
        check(
            &[
                policy,
                ("private.rs", "use crate::gate::Gate;"),
                ("gate.rs", ""),
            ],
            &[("policy.rs:1", "up to `gate`")],
        );
        check(
            &[policy, ("private.rs", "use crate::policy::Policy;")],
            &[("policy.rs:1", "up to `policy`")],
        );
        check(
            &[
                policy,
                ("private.rs", "use crate::__private::D;"),
                ("__private.rs", "use crate::gate::G; use crate::private::C;"),
                ("gate.rs", ""),
            ],
            &[("policy.rs:1", "up to `gate`")],
        );
        check(
            &[("private.rs", "use crate::gate::G;"), ("gate.rs", "")],
            &[],
        );
    }
}
