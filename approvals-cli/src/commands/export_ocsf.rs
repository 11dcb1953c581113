//! `approvals export ocsf`: the log in the words of security monitoring.

use std::collections::HashMap;

use approvals_core::ledger::{AuditRecord, Entry, StoredRecord};
use approvals_core::lifecycle::{Created, Event};
use approvals_core::ports::Reader;
use approvals_core::{Code, RequestId};
use approvals_http::events::Happening;

use super::verify::given::key_in;
use crate::answer::{self, Answer};
use crate::args::Cli;
use crate::failure::Failure;
use crate::state;

/// How many records are read at a time.
const PAGE: usize = 256;

/// How many requests are remembered at most; others are read again.
const REMEMBERED: usize = 10_000;

pub(crate) fn run(cli: &Cli, from: u64) -> Result<Answer, Failure> {
    let log = key_in(&state::paths(cli).vkey())?.name().clone();
    let mut reader = state::store(cli)?.reader()?;
    let mut known = HashMap::new();
    let mut next = from;
    loop {
        let page = reader.records(next, PAGE)?;
        let Some(last) = page.last() else { break };
        next = last.seq.saturating_add(1);
        let mut lines = Vec::new();
        for stored in &page {
            let record = decode(stored, &log)?;
            let Some(request) = record.request() else {
                continue;
            };
            let created = created(&mut *reader, &mut known, request, &record, &log)?;
            let event = Happening::of(&log, stored.leaf, &record, &created);
            let event = event.and_then(|happening| happening.ocsf());
            lines.extend(event.map(|event| answer::ascii(&event.to_string()).into_bytes()));
        }
        let more = answer::stream(lines).map_err(|error| {
            let message =
                format!("the events cannot be written ({error}); write them somewhere else");
            Failure::new(Code::StoreUnavailable, message)
        })?;
        if !more {
            break;
        }
    }
    Ok(Answer::silent())
}

type Log = approvals_core::ledger::Origin;

/// The record that made a request: seen before, or read.
fn created(
    reader: &mut dyn Reader,
    known: &mut HashMap<RequestId, Created>,
    request: RequestId,
    record: &AuditRecord,
    log: &Log,
) -> Result<Created, Failure> {
    if let Some(created) = known.get(&request) {
        return Ok(created.clone());
    }
    let found = match made(record) {
        Some(created) => Some(created),
        None => match reader.records_of(request)?.first() {
            Some(first) => made(&decode(first, log)?),
            None => None,
        },
    };
    let Some(created) = found else {
        let message =
            format!("the records of {request} do not begin with its ask; run `approvals verify`");
        return Err(Failure::new(Code::AuditTampered, message));
    };
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(request, created.clone());
    Ok(created)
}

fn made(record: &AuditRecord) -> Option<Created> {
    match &record.entry {
        Entry::Request(_, Event::Created(created)) => Some((**created).clone()),
        _ => None,
    }
}

fn decode(stored: &StoredRecord, log: &Log) -> Result<AuditRecord, Failure> {
    AuditRecord::decode(&stored.bytes, log).map_err(|error| {
        let message = format!("record {}: {error}; run `approvals verify`", stored.seq);
        Failure::new(Code::AuditTampered, message)
    })
}
