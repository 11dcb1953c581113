//! Reads for how long a person's no is remembered.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::de::DeValue;

use super::rule::Loader;
use crate::policy::document::Section;
use crate::policy::memory::Memory;
use crate::policy::rate::duration;

impl Loader<'_> {
    /// The policy's memory; what it does not name is as usual.
    pub(super) fn memory(&mut self, file: Section<'_, '_>) -> Option<Memory> {
        let usual = Memory::default();
        let Some(item) = file.get("memory") else {
            return Some(usual);
        };
        let section = item.section(KEYS, self.findings)?;
        let freeze_after = match section.get("freeze_after") {
            None => Some(usual.freeze_after),
            Some(item) => item
                .integer(1, MOST, self.findings)
                .and_then(|number| u32::try_from(number).ok())
                .and_then(NonZeroU32::new),
        };
        // A time that cannot be read is a finding of its own.
        Some(Memory {
            deny: self.deny(section).unwrap_or(usual.deny),
            freeze_after: freeze_after?,
            freeze_for: self
                .remembered(section, "freeze_for")
                .unwrap_or(usual.freeze_for),
        })
    }

    /// Zero turns it off: that is said, and never meant by a key that is not there.
    fn deny(&mut self, section: Section<'_, '_>) -> Option<Duration> {
        match section.get("deny")?.value {
            DeValue::String(text) if text == "0s" => Some(Duration::ZERO),
            _ => self.remembered(section, "deny"),
        }
    }

    fn remembered(&mut self, section: Section<'_, '_>, key: &'static str) -> Option<Duration> {
        let item = section.get(key)?;
        let time = duration(item.text(self.findings)?).filter(|time| *time <= Memory::LONGEST);
        if time.is_none() {
            let message =
                format!("`{key}` must be a time from \"1s\" to \"1d\", as in \"10m\" or \"1h\"");
            self.findings.add(item.at, message);
        }
        time
    }
}

const KEYS: &[&str] = &["deny", "freeze_after", "freeze_for"];
const MOST: i128 = 1_000;
