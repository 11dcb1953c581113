//! One struct is one action.

use approvals_core::Action;

#[derive(Action)]
#[action(scope = "db.drop")]
enum Drop {
    Table,
}

#[derive(Action)]
#[action(scope = "db.drop")]
struct Pair(String, String);

#[derive(Action)]
#[action(scope = "db.drop")]
union Bits {
    bits: u32,
}

fn main() {}
