//! `approvals list`: what waits.

use approvals_core::ports::{Filter, RequestRow};
use approvals_core::request::Progress;
use approvals_core::{Gate, Status, Timestamp};
use serde_json::json;

use crate::answer::Answer;
use crate::args::{Cli, List};
use crate::draw;
use crate::failure::Failure;
use crate::state;

pub(crate) async fn run(cli: &Cli, list: &List) -> Result<Answer, Failure> {
    let state = state::open(cli).await?;
    let mut filter = if list.break_glass {
        Filter::unreviewed()
    } else if list.all {
        Filter::all()
    } else {
        Filter::pending()
    };
    if let Some(status) = list.status {
        filter.status = Some(status);
    }
    let limit = filter.limit;
    let rows = state.gate.list(filter).await?;
    let now = state.gate.now();
    let mut requests = Vec::with_capacity(rows.len());
    for row in rows {
        let progress = progress(&state.gate, &row).await?;
        requests.push((row, progress));
    }
    let json: Vec<_> = requests.iter().map(|(row, progress)| {
        json!({
            "request": row.id, "scope": row.scope, "agent": row.agent, "status": row.status,
            "created_at": row.created_at, "deadline": row.deadline, "progress": draw::progress_json(progress),
        })
    }).collect();
    let more = if requests.len() == limit {
        format!("only the newest {limit} are shown\n")
    } else {
        String::new()
    };
    let text = if requests.is_empty() {
        nothing(list)
    } else {
        draw::table(&table(&requests, now)) + &more
    };
    Ok(Answer::new(text, json!({ "requests": json })))
}

/// Who has approved so far; only what waits still needs anybody.
async fn progress(gate: &Gate, row: &RequestRow) -> Result<Vec<Progress>, Failure> {
    if row.status != Status::Pending {
        return Ok(Vec::new());
    }
    let state = gate.journal().state(row.id).await?;
    Ok(state.map(|state| state.progress()).unwrap_or_default())
}

fn table(requests: &[(RequestRow, Vec<Progress>)], now: Timestamp) -> Vec<Vec<String>> {
    let head = ["ID", "SCOPE", "AGENT", "STATUS", "AGE", "LEFT", "NEEDS"]
        .map(str::to_owned)
        .to_vec();
    let rows = requests.iter().map(|(row, progress)| {
        vec![
            row.id.to_string(),
            row.scope.to_string(),
            row.agent.to_string(),
            row.status.to_string(),
            draw::span(now.since(row.created_at)),
            row.deadline
                .map_or_else(|| "-".to_owned(), |until| draw::left(until, now)),
            draw::needs_text(progress),
        ]
    });
    std::iter::once(head).chain(rows).collect()
}

fn nothing(list: &List) -> String {
    match list.status {
        _ if list.break_glass => "no broken glass waits for its review\n".to_owned(),
        _ if list.all => "nothing has been asked yet\n".to_owned(),
        Some(status) => format!("no request is {status}\n"),
        None => "nothing waits for you\n".to_owned(),
    }
}
