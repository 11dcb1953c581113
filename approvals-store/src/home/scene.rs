//! What the tests of a state directory begin with.

use tempfile::TempDir;

use super::{Home, Starter};

/// A new home of two people, where reading is allowed and all else needs an approver.
pub(super) fn lived_in(log: &str) -> (TempDir, Home) {
    let directory = TempDir::new().unwrap();
    let policy = "version = 1\ndefault = { require = [{ group = \"approvers\" }] }\n\
        [[rule]]\nid = \"read\"\nscope = \"app.read\"\neffect = \"auto\"\n";
    let people = "version = 1\n[[person]]\nid = \"u_alice\"\n[[person]]\nid = \"u_dana\"\ngroups = [\"approvers\"]\n";
    let starter = Starter::new(log.parse().unwrap());
    let starter = starter.policy(policy).people(people);
    let home = Home::create(directory.path().join("home"), starter).unwrap();
    (directory, home)
}
