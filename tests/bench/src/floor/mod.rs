//! What the same work costs with nothing of ours: tokio, SQLite, PostgreSQL and ring alone.

mod log;
mod memory;
mod pending;
mod postgres;
mod sqlite;

pub(crate) use postgres::{Other, answer};

use crate::line::Line;

/// What the floor is called in the results.
pub(crate) const PEER: &str = "floor";

/// Measures one workload.
pub(crate) fn measure(workload: &str, words: &[&str]) -> bool {
    let n = words.first().and_then(|word| word.parse().ok());
    match workload {
        "W1" => memory::measure(n.unwrap_or(5_000)),
        "W2" => sqlite::measure(n.unwrap_or(500)),
        "W3" => postgres::measure(n.unwrap_or(300)),
        "W3_approver" => postgres::approve(words),
        "W4" => pending::measure(n.unwrap_or(10_000)),
        "W5" => log::measure(n.unwrap_or(10_000)),
        _ => return false,
    }
    true
}

fn line(workload: &str, variant: &str) -> Line {
    Line::new(PEER, workload, variant)
}
