//! Finding the request that somebody means.

use approvals_core::ports::{Filter, RequestRow};
use approvals_core::{Code, Gate, RequestId, Untrusted};

use crate::failure::Failure;

/// The request with this id, or the only one that it begins.
///
/// A prefix that fits two requests is refused, so that nobody decides another one than they mean.
pub(crate) async fn find(gate: &Gate, text: &str) -> Result<RequestId, Failure> {
    let start = match read(text)? {
        Wanted::Whole(request) => return Ok(request),
        Wanted::Start(start) => start,
    };
    let rows = gate.journal().read(|reader| reader.requests(&newest()));
    among(rows.await?, &start)
}

/// The same, in a list that somebody else reads.
pub(crate) fn find_in(
    text: &str,
    list: impl FnOnce(&Filter) -> Result<Vec<RequestRow>, Failure>,
) -> Result<RequestId, Failure> {
    match read(text)? {
        Wanted::Whole(request) => Ok(request),
        Wanted::Start(start) => among(list(&newest())?, &start),
    }
}

enum Wanted {
    Whole(RequestId),
    Start(String),
}

fn read(text: &str) -> Result<Wanted, Failure> {
    let body = text.strip_prefix(PREFIX).unwrap_or(text);
    if let Ok(request) = format!("{PREFIX}{body}").parse() {
        return Ok(Wanted::Whole(request));
    }
    if body.len() < SHORTEST || !body.chars().all(|c| c.is_ascii_alphanumeric()) {
        let message = format!(
            "`{}` is too short for a request; give {SHORTEST} or more of its letters and digits after `{PREFIX}`, or copy it whole from `approvals list`",
            Untrusted::new(text)
        );
        return Err(Failure::usage(&message));
    }
    Ok(Wanted::Start(format!("{PREFIX}{body}")))
}

fn newest() -> Filter {
    let mut filter = Filter::all();
    filter.limit = MOST;
    filter
}

fn among(rows: Vec<RequestRow>, start: &str) -> Result<RequestId, Failure> {
    let ids = rows.into_iter().map(|row| row.id);
    let fits: Vec<RequestId> = ids.filter(|id| id.to_string().starts_with(start)).collect();
    only(&fits, start)
}

fn only(fits: &[RequestId], start: &str) -> Result<RequestId, Failure> {
    match fits {
        [one] => Ok(*one),
        [] => Err(Failure::new(
            Code::NotFound,
            format!("no request begins with `{start}`; list them with `approvals list --all`"),
        )),
        several => {
            let shown: Vec<String> = several.iter().take(10).map(ToString::to_string).collect();
            Err(Failure::usage(&format!(
                "`{start}` begins {} requests; give more of it:\n{}",
                several.len(),
                shown.join("\n")
            )))
        }
    }
}

const PREFIX: &str = "req_";

/// 40 bits: chance does not make two of them in one log.
const SHORTEST: usize = 8;

/// How many requests, newest first, a prefix is looked for in.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_31_a_prefix_names_one_request_or_none() {
        let ids = [[1; 16], [1; 16], [2; 16]].map(RequestId::from_bytes);
        assert_eq!(only(&ids[..1], "req_").unwrap(), ids[0]);
        assert!(
            only(&[], "req_0a")
                .unwrap_err()
                .to_string()
                .contains("NotFound")
        );
        let error = only(&ids[1..], "req_0").unwrap_err();
        assert_eq!(error.exit(), 2);
        for id in &ids[1..] {
            assert!(error.to_string().contains(&id.to_string()));
        }
    }
}
