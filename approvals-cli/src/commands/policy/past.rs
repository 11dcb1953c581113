//! What was asked, read from the store beside whoever writes it: nothing is changed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use approvals_core::envelope::Vault;
use approvals_core::ledger::{AuditRecord, Entry, Origin, PolicyTexts};
use approvals_core::policy::{Evaluation, Policy, Recorded, Requirement, Strictness};
use approvals_core::ports::Reader as _;
use approvals_core::rehearse::{Asked, Past, Rehearsal, Rehearsed};
use approvals_core::{Clock as _, Code, PolicyDigest, RequestId, SystemClock, Timestamp};
use approvals_store::home::Home;
use approvals_store::sqlite::SqliteReader;
use serde_json::{Value, json};

use crate::args::Cli;
use crate::draw;
use crate::failure::Failure;

/// How many records are read at a time.
const PAGE: usize = 1_000;

/// A log and its values, to be looked at.
pub(super) struct Log {
    reader: SqliteReader,
    vault: Vault,
    name: Origin,
}

impl Log {
    /// The log of the state directory. Writes nothing, not even what a gate writes when it opens.
    pub(super) fn open(cli: &Cli) -> Result<Self, Failure> {
        let home = Home::open(&cli.state)?;
        let path: PathBuf = home.paths().database();
        if !path.exists() {
            let path = path.display();
            let message = format!("there is no log at `{path}`; restore it from a backup");
            return Err(Failure::new(Code::StoreUnavailable, message));
        }
        let name = home.origin().clone();
        let vault = home.paths().vault(&name)?;
        let reader = SqliteReader::open(path)?;
        Ok(Self {
            reader,
            vault,
            name,
        })
    }

    /// How many records there are.
    pub(super) fn size(&mut self) -> Result<u64, Failure> {
        Ok(self.reader.head()?.frontier.size())
    }

    /// At most a page of records from a number on.
    pub(super) fn page(&mut self, from: u64) -> Result<Vec<AuditRecord>, Failure> {
        let stored = self.reader.records(from, PAGE)?;
        let read = stored.iter().map(|stored| {
            AuditRecord::decode(&stored.bytes, &self.name).map_err(|error| {
                let message = format!("record {}: {error}; run `approvals verify`", stored.seq);
                Failure::new(Code::AuditTampered, message)
            })
        });
        read.collect()
    }

    /// The number of the first record that is not before a time; times only go up.
    pub(super) fn first_at(&mut self, at: Timestamp) -> Result<u64, Failure> {
        let (mut low, mut high) = (0, self.size()?);
        while low < high {
            let middle = low + (high - low) / 2;
            let stored = self.reader.records(middle, 1)?;
            let read = stored
                .first()
                .and_then(|stored| AuditRecord::decode(&stored.bytes, &self.name).ok());
            match read {
                Some(record) if record.at < at => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The one request, as it was asked; none when there is no such request.
    pub(super) fn asked(&mut self, request: RequestId) -> Result<Option<Asked>, Failure> {
        let mut past = Past::default();
        for stored in self.reader.records_of(request)? {
            let record = AuditRecord::decode(&stored.bytes, &self.name).map_err(|error| {
                let message = format!("record {}: {error}; run `approvals verify`", stored.seq);
                Failure::new(Code::AuditTampered, message).about(request)
            })?;
            if let Some(asked) = past.look(&record) {
                return Ok(Some(asked));
            }
        }
        Ok(None)
    }

    /// Which requests begin with a text, newest first, or wait for people.
    pub(super) fn requests(
        &mut self,
        filter: &approvals_core::ports::Filter,
    ) -> Result<Vec<approvals_core::ports::RequestRow>, Failure> {
        Ok(self.reader.requests(filter)?)
    }

    /// What was asked, with the values that are still there.
    pub(super) fn recorded(&mut self, asked: &Asked) -> Result<Recorded, Failure> {
        let envelope = self.reader.disclosures(asked.request)?;
        let opened = self.vault.open(asked.request, &envelope).map_err(|error| {
            let message = format!("the values of this request cannot be opened: {error}");
            Failure::new(Code::Unrenderable, message).about(asked.request)
        })?;
        let recorded = Recorded::of(&asked.action, &opened);
        recorded.map_err(|error| Failure::from(error).about(asked.request))
    }

    /// The policy with this digest, from the log itself.
    pub(super) fn policy(&mut self, digest: PolicyDigest) -> Result<Option<Policy>, Failure> {
        let (mut texts, mut from) = (PolicyTexts::default(), 0);
        loop {
            let page = self.page(from)?;
            let Some(last) = page.last() else {
                return Ok(None);
            };
            from = last.seq + 1;
            for record in &page {
                let Entry::Log(event) = &record.entry else {
                    continue;
                };
                if let Some(Ok(text)) = texts.look(event)
                    && PolicyDigest::of(text.as_bytes()) == digest
                {
                    return Ok(Some(
                        Policy::on_record(&text).map_err(approvals_core::ApprovalError::from)?,
                    ));
                }
            }
        }
    }
}

/// Goes through a log, ask by ask, and says what would have been answered.
pub(super) struct Walk {
    pub(super) rehearsal: Rehearsal,
    past: Past,
    /// The next record.
    pub(super) next: u64,
}

impl Walk {
    /// A walk from a time on. Asks of the day before it count towards rates, and are not told.
    pub(super) async fn from(
        log: &mut Log,
        rehearsal: Rehearsal,
        start: Timestamp,
    ) -> Result<Self, Failure> {
        let next = log.first_at(start.before(Rehearsal::LONGEST_RATE))?;
        let mut walk = Self {
            rehearsal,
            past: Past::default(),
            next,
        };
        let until = log.first_at(start)?;
        while walk.next < until {
            walk.page(log, until).await?;
        }
        Ok(walk)
    }

    /// The asks of the next page, up to a record; empty when there are no more records, or when a
    /// page holds none.
    pub(super) async fn page(
        &mut self,
        log: &mut Log,
        until: u64,
    ) -> Result<Vec<(Asked, Rehearsed)>, Failure> {
        let page = log.page(self.next)?;
        let mut told = Vec::new();
        for record in page.iter().filter(|record| record.seq < until) {
            self.next = record.seq + 1;
            if let Some(asked) = self.past.look(record) {
                let recorded = log.recorded(&asked)?;
                let rehearsed = self.rehearsal.judge(&asked, &recorded).await;
                told.push((asked, rehearsed));
            }
        }
        Ok(told)
    }
}

/// How many asks there were of each kind.
#[derive(Debug, Default)]
pub(super) struct Totals(BTreeMap<&'static str, u64>);

impl Totals {
    pub(super) fn add(&mut self, of: &Rehearsed) {
        *self.0.entry(word(of.how)).or_default() += 1;
    }

    pub(super) fn json(&self) -> Value {
        let count = |word: &str| self.0.get(word).copied().unwrap_or_default();
        let all: u64 = self.0.values().sum();
        json!({
            "asked": all, "same": count("same"), "stricter": count("stricter"), "weaker": count("weaker"),
            "other": count("other"), "unknown": count("unknown"),
        })
    }

    pub(super) fn text(&self) -> String {
        let count = |word: &str| self.0.get(word).copied().unwrap_or_default();
        let all: u64 = self.0.values().sum();
        let mut text = format!(
            "{all} asked: {} the same, {} stricter, {} weaker, {} other\n",
            count("same"),
            count("stricter"),
            count("weaker"),
            count("other"),
        );
        if count("unknown") > 0 {
            text.push_str(&format!(
                "{} unknown: a value that decides is not disclosed, or not policy alone refused it\n",
                count("unknown")
            ));
        }
        text
    }
}

/// How an answer would have stood to the one that was given, in a word.
pub(super) fn word(how: Option<Strictness>) -> &'static str {
    how.map_or("unknown", Strictness::as_str)
}

/// Both answers, so that one can see how they differ.
pub(super) fn both(of: &Rehearsed) -> (String, String) {
    let (was, would) = (of.was.in_words(), of.would.in_words());
    let same = was == would && of.how != Some(Strictness::Same);
    match (&of.was, &of.would) {
        (Evaluation::Require(was), Evaluation::Require(would)) if same => {
            (whole(was), whole(would))
        }
        _ if of.past_rate => (was, format!("{would}, past a rate")),
        _ => (was, would),
    }
}

fn whole(requirement: &Requirement) -> String {
    let (decide, usable) = (requirement.decide_within(), requirement.use_within());
    format!(
        "{requirement}; {} to decide, {} to use it",
        draw::span(decide),
        draw::span(usable)
    )
}

/// One ask and both answers, for programs.
pub(super) fn change(asked: &Asked, of: &Rehearsed) -> Value {
    let (was, would) = both(of);
    json!({
        "request": asked.request, "at": asked.at, "scope": asked.action.scope, "how": word(of.how),
        "was": was, "would": would, "rules": of.would.rules(), "past_rate": of.past_rate,
    })
}

/// The time that long ago.
pub(super) fn ago(time: Duration) -> Timestamp {
    SystemClock.now().before(time)
}
