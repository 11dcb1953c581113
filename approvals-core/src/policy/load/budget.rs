//! Reads how much an `auto` rule may let through.

use std::num::NonZeroU64;

use super::rule::Loader;
use super::when::arg;
use crate::policy::budget::Budget;
use crate::policy::document::Item;
use crate::policy::rate::{Per, Unit};

impl Loader<'_> {
    pub(super) fn budget(&mut self, item: Item<'_, '_>) -> Option<Budget> {
        let section = item.section(KEYS, self.findings)?;
        let path = section
            .need("arg", EXAMPLE, self.findings)
            .and_then(|item| {
                let path = arg(item.text(self.findings)?);
                path.or_else(|| item.refuse(self.findings, "a parameter, as in \"args.replicas\""))
            });
        let max = section
            .need("max", EXAMPLE, self.findings)
            .and_then(|item| item.integer(1, MOST, self.findings))
            .and_then(|max| u64::try_from(max).ok())
            .and_then(NonZeroU64::new);
        let per = section
            .need("per", EXAMPLE, self.findings)
            .and_then(|item| {
                let unit = Unit::parse(item.text(self.findings)?);
                unit.or_else(|| item.refuse(self.findings, "\"s\", \"m\", \"h\" or \"d\""))
            });
        let by = match section.get("by") {
            None => Some(Per::Agent),
            Some(item) => {
                let by = Per::parse(item.text(self.findings)?);
                by.or_else(|| item.refuse(self.findings, "\"agent\", \"requester\" or \"all\""))
            }
        };
        Some(Budget {
            arg: path?,
            max: max?,
            per: per?,
            by: by?,
            at: item.at,
        })
    }
}

const KEYS: &[&str] = &["arg", "max", "per", "by"];
const EXAMPLE: &str =
    "`budget = { arg = \"args.replicas\", max = 50, per = \"d\", by = \"agent\" }`";
/// What JSON readers hold exactly, and far from where a sum could overflow.
const MOST: i128 = 1 << 53;
