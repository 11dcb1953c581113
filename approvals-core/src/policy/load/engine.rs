//! Reads which engines must judge beside the policy.

use super::rule::Loader;
use crate::policy::document::{Item, Section};
use crate::policy::engine::WantedEngine;

impl Loader<'_> {
    /// The engines that the policy names; empty without `[[engine]]`.
    pub(super) fn engines(&mut self, file: Section<'_, '_>) -> Option<Vec<WantedEngine>> {
        let items = match file.get("engine") {
            Some(item) => item.list(self.findings)?,
            None => Vec::new(),
        };
        let mut engines: Vec<WantedEngine> = Vec::with_capacity(items.len());
        for item in items {
            let wanted = self.engine(item)?;
            if engines.iter().any(|have| have.name == wanted.name) {
                let message = format!("the engine `{}` stands twice; keep one", wanted.name);
                self.findings.add(item.at, message);
            }
            engines.push(wanted);
        }
        Some(engines)
    }

    fn engine(&mut self, item: Item<'_, '_>) -> Option<WantedEngine> {
        let section = item.section(KEYS, self.findings)?;
        let name = section.need("name", "`name = \"cedar\"`", self.findings);
        let name = name.and_then(|item| item.parsed(self.findings));
        let example = "`digest = \"sha256:…\"`, as `approvals policy check` prints it";
        let digest = section.need("digest", example, self.findings);
        let digest = digest.and_then(|item| item.parsed(self.findings));
        Some(WantedEngine {
            name: name?,
            digest: digest?,
        })
    }
}

const KEYS: &[&str] = &["name", "digest"];
