//! `approvals export`: what is stored, byte for byte.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use approvals_core::{Code, Untrusted};
use approvals_store::tiles;
use serde_json::json;

use super::verify::given::key_in;
use crate::answer::{self, Answer};
use crate::args::Cli;
use crate::failure::Failure;
use crate::state;

/// How many records are read at a time.
const PAGE: usize = 256;

pub(crate) fn run(cli: &Cli, from: u64) -> Result<Answer, Failure> {
    let mut reader = state::store(cli)?.reader()?;
    // A terminal gets no character it could act on; a file or a pipe gets the exact bytes.
    let shown = io::stdout().is_terminal();
    let size = reader.head()?.frontier.size();
    if from > size {
        let message = format!(
            "the log has {size} records, so that there can be none before number {from}; if you have them, the log was cut or rolled back: keep them as evidence"
        );
        return Err(Failure::new(Code::AuditTampered, message));
    }
    let mut next = from;
    loop {
        let page = reader.records(next, PAGE)?;
        let Some(last) = page.last() else { break };
        next = last.seq.saturating_add(1);
        let lines = page.into_iter().map(|record| {
            if shown {
                escaped(&record.bytes)
            } else {
                record.bytes
            }
        });
        let more = answer::stream(lines).map_err(|error| {
            Failure::new(
                Code::StoreUnavailable,
                format!("the records cannot be written ({error}); write them somewhere else"),
            )
        })?;
        if !more {
            break;
        }
    }
    Ok(Answer::silent())
}

/// Prints the signed head.
pub(crate) fn checkpoint(cli: &Cli) -> Result<Answer, Failure> {
    let mut reader = state::store(cli)?.reader()?;
    let Some(note) = reader.head()?.note else {
        let message = "the log has no signed head yet; nothing has been recorded";
        return Err(Failure::new(Code::NotFound, message));
    };
    let json = json!({ "checkpoint": note });
    Ok(Answer::new(note, json))
}

/// Writes the log as static files.
pub(crate) fn tiles(cli: &Cli, directory: &Path) -> Result<Answer, Failure> {
    let paths = state::paths(cli);
    let key = key_in(&paths.vkey())?;
    let mut reader = state::store(cli)?.reader()?;
    let exported = tiles::export(&mut *reader, &key, directory)?;
    let (from, size, files) = (exported.from, exported.size, exported.files);
    let shown = directory.display().to_string();
    let text = format!(
        "{}: {size} records of {}, {} of them new, in {files} new files\n",
        Untrusted::new(&shown),
        key.name(),
        size - from
    );
    let log = key.name().as_str();
    let json =
        json!({ "log": log, "directory": shown, "from": from, "size": size, "files": files });
    Ok(Answer::new(text, json))
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    answer::ascii(&answer::safe(&String::from_utf8_lossy(bytes))).into_bytes()
}
