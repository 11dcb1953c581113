//! What records say of a request, and what commands say that has happened.

use super::{Work, tampered};
use crate::error::ApprovalError;
use crate::id::RequestId;
use crate::ledger::{AuditRecord, Entry, Origin, StoredRecord};
use crate::lifecycle::{Command, RequestState};

/// What has happened already, and so must be recorded sooner or later.
pub(super) fn fact(work: &Work) -> Option<&Command> {
    match work {
        Work::Command { command, .. } => match command {
            Command::Finish { .. } | Command::Burn { .. } | Command::Cancel(_) => Some(command),
            _ => None,
        },
        _ => None,
    }
}

/// Where a request stands, by its records.
pub(super) fn fold(
    records: &[StoredRecord],
    request: RequestId,
    log: &Origin,
) -> Result<Option<(RequestState, u64)>, ApprovalError> {
    let mut state: Option<RequestState> = None;
    let mut last = 0;
    for stored in records {
        let record = AuditRecord::decode(&stored.bytes, log)
            .map_err(|error| tampered(stored.seq, &error.to_string()))?;
        if crate::ledger::leaf_hash(&stored.bytes) != stored.leaf {
            return Err(tampered(
                stored.seq,
                "its bytes are not the ones that were written",
            ));
        }
        if record.request().is_some_and(|of| of != request) {
            return Err(tampered(stored.seq, "it is about another request"));
        }
        let Entry::Request(_, event) = &record.entry else {
            // What a newer version wrote could change everything.
            return Err(tampered(
                stored.seq,
                &format!("`{}` is unknown to this version", record.kind()),
            ));
        };
        let applied = match &mut state {
            Some(state) => state.apply(event),
            None => RequestState::begin(event, record.at).map(|begun| state = Some(begun)),
        };
        applied.map_err(|error| tampered(stored.seq, &error.to_string()))?;
        last = stored.seq;
    }
    Ok(state.map(|state| (state, last)))
}
