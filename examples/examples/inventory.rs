//! Lists every guarded function of this program, for an auditor to keep and diff.
//!
//! Run it with `cargo run --example inventory > inventory.json`, and check a policy against it with
//! `approvals policy check policy.toml --people people.toml --inventory inventory.json`.

// What a program does not use is not linked into it, and so not listed.
use examples as _;

fn main() {
    println!("{}", app());
}

fn app() -> String {
    approvals_core::inventory_json()
}
