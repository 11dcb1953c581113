//! Looking through requests from the newest on, a bounded number of them at a time.

use approvals_core::ports::{Filter, RequestRow};
use approvals_core::{ApprovalError, Gate, RequestId};

/// How many rows are read at once.
const READ: usize = 500;

/// How many reads one look takes at most, whatever is found.
const READS: usize = 10;

/// What was found in one look.
pub(crate) struct Found {
    /// The rows, newest first.
    pub(crate) rows: Vec<RequestRow>,
    /// The last row that was looked at, when there are older ones: the next look begins behind it.
    pub(crate) next: Option<RequestId>,
}

/// The first `most` rows that fit, looking at no more than a bounded number. The filter's own limit
/// is not used.
pub(crate) async fn search(
    gate: &Gate,
    mut filter: Filter,
    most: usize,
    fits: impl Fn(&RequestRow) -> bool,
) -> Result<Found, ApprovalError> {
    let mut found = Found {
        rows: Vec::new(),
        next: None,
    };
    // What is out of time is ended before anything is shown, and once is enough.
    gate.sweep().await?;
    for _ in 0..READS {
        filter.limit = READ;
        let asked = filter.clone();
        let rows = gate.journal().read(move |reader| reader.requests(&asked));
        let rows = rows.await?;
        let last = rows.len() < READ;
        for (at, row) in rows.iter().enumerate() {
            if fits(row) {
                found.rows.push(row.clone());
            }
            if found.rows.len() == most {
                let more = !last || at + 1 < rows.len();
                found.next = more.then_some(row.id);
                return Ok(found);
            }
        }
        filter.before = rows.last().map(|row| row.id);
        if last || filter.before.is_none() {
            return Ok(found);
        }
    }
    found.next = filter.before;
    Ok(found)
}
