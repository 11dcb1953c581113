//! An approval does not travel as data.

use approvals_core::{Action, Approved};

#[derive(Action, serde::Serialize, serde::Deserialize)]
#[action(scope = "db.drop")]
struct DropTable {
    table: String,
}

fn send(approved: &Approved<DropTable>) -> String {
    serde_json::to_string(approved).unwrap_or_default()
}

fn receive(text: &str) -> Option<Approved<DropTable>> {
    serde_json::from_str(text).ok()
}

fn main() {}
