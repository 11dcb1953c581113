//! What a guard costs, and what a durable approval costs, beside raw floors of the same run.
//!
//! `cargo xtask bench [overhead|pending|durable|http|verify]`: ratios are the result; absolute figures belong to the
//! machine. Nothing here passes or fails a test, but for G6, which is a promise and not a speed.

mod durable;
mod floor;
mod http;
mod overhead;
mod pending;
#[path = "../../tests/support/mod.rs"]
mod support;
mod table;
mod verify;

fn main() {
    if verify::read_if_asked() {
        return;
    }
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let wants = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    let mut table = table::Table::new();
    if wants("overhead") {
        overhead::measure(&mut table);
    }
    if wants("pending") {
        pending::measure(&mut table);
    }
    if wants("durable") {
        durable::measure(&mut table);
    }
    if wants("http") {
        http::measure(&mut table);
    }
    if wants("verify") {
        verify::measure(&mut table);
    }
    table.print();
}
