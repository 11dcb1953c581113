//! Every figure of every round, and what lies in the middle of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// What was measured: the lines, as they were printed.
#[derive(Debug, Default)]
pub(super) struct Results(Vec<Value>);

/// One figure of one peer over all rounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    pub(super) middle: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

/// Whose figure it is: peer, variant, disk; a variant may end in `*`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of {
    pub(super) peer: &'static str,
    pub(super) variant: &'static str,
    pub(super) store: &'static str,
    /// How many there were, where that matters.
    pub(super) n: Option<f64>,
}

impl Results {
    pub(super) fn extend(&mut self, lines: Vec<Value>) {
        self.0.extend(lines);
    }

    /// The figure `key` of this peer.
    pub(super) fn figure(&self, of: Of, key: &str) -> Option<Figure> {
        let fits = |line: &&Value| {
            let is = |key: &str, wanted: &str| line[key].as_str() == Some(wanted);
            let count = line["n"].as_f64().or(line["m"].as_f64());
            is("peer", of.peer)
                && is("variant", of.variant)
                && is("store", of.store)
                && of.n.is_none_or(|n| count == Some(n))
        };
        let values = self.0.iter().filter(fits);
        let mut values: Vec<f64> = values.filter_map(|line| line[key].as_f64()).collect();
        if values.is_empty() {
            return None;
        }
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Figure {
            middle: median(&mut values),
            least,
            most,
        })
    }

    /// Writes everything, with what the machine is.
    pub(super) fn write(&self, path: &Path) -> PathBuf {
        let all = json!({ "machine": machine(), "lines": self.0 });
        std::fs::write(path, format!("{all:#}\n")).expect("written");
        path.to_owned()
    }
}

/// The value in the middle.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// When and on what this was measured.
pub(super) fn machine() -> BTreeMap<&'static str, String> {
    let said = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).output().ok();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.unwrap_or_default()
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    BTreeMap::from([
        ("date", said("date", &["-u", "+%F"])),
        ("commit", said("git", &["rev-parse", "--short", "HEAD"])),
        ("rustc", said("rustc", &["--version"])),
        (
            "processor",
            model.map_or_else(String::new, |(_, name)| name.to_owned()),
        ),
        ("cores", said("nproc", &[])),
    ])
}
