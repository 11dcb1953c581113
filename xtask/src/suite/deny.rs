//! The dependencies are the ones we chose: none banned, none with a licence we cannot pass on, none from elsewhere.

use super::{House, all};
use crate::command::{Failure, Outcome};

pub(super) fn run(house: &House) -> Result<Outcome, Failure> {
    if house.cargo("deny --version").answer().is_none() {
        return Ok(Outcome::Skipped(
            "cargo-deny is missing: `cargo xtask setup --full` installs it".to_owned(),
        ));
    }
    // The check looks at every platform, and a build has fetched only the packages of this one.
    all(&[
        house.cargo("fetch --locked"),
        house.cargo("deny --offline --locked check --hide-inclusion-graph bans licenses sources"),
    ])
}
