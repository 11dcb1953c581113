//! `approvals export`: what is stored, byte for byte.

use std::io::{self, IsTerminal as _};

use approvals_core::Code;
use approvals_core::ports::Reader as _;
use approvals_store::sqlite::SqliteReader;

use crate::answer::{self, Answer};
use crate::args::Cli;
use crate::failure::Failure;
use crate::state;

/// How many records are read at a time.
const PAGE: usize = 256;

pub(crate) fn run(cli: &Cli, from: u64) -> Result<Answer, Failure> {
    let mut reader = SqliteReader::open(state::paths(cli).database())?;
    // A terminal gets no character it could act on; a file or a pipe gets the exact bytes.
    let shown = io::stdout().is_terminal();
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
    let mut reader = SqliteReader::open(state::paths(cli).database())?;
    let Some(note) = reader.head()?.note else {
        let message = "the log has no signed head yet; nothing has been recorded";
        return Err(Failure::new(Code::NotFound, message));
    };
    let json = serde_json::json!({ "checkpoint": note });
    Ok(Answer::new(note, json))
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    answer::ascii(&answer::safe(&String::from_utf8_lossy(bytes))).into_bytes()
}
