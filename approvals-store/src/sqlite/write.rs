//! Everything that one transaction writes.

use std::time::Duration;

use approvals_core::clock::Timestamp;
use approvals_core::id::RequestId;
use approvals_core::ledger::StoredRecord;
use approvals_core::ports::{Batch, Due, Head, RequestRow};
use approvals_core::sealed::Disclosure;
use rusqlite::{Connection, Result};

use super::read::{id, list, number, whole};

/// Longer than any window that a policy can count in; older counts are thrown away.
const COUNTED_FOR: Duration = Duration::from_secs(32 * 86_400);

/// How many notices one look takes at most, so that a channel that was away for long does not
/// get all of them at once.
const DUE: usize = 256;

/// Writes a batch, without ending the transaction.
pub(super) fn batch(connection: &Connection, batch: &Batch) -> Result<()> {
    records(connection, &batch.records)?;
    requests(connection, &batch.requests)?;
    disclosures(connection, &batch.disclosures)?;
    counters(connection, &batch.counted)?;
    channels(connection, &batch.channels)?;
    let now = batch.head.last_at.unwrap_or(Timestamp::from_micros(0));
    notices(connection, &batch.notices, now)?;
    delivered(connection, &batch.delivered)?;
    head(connection, &batch.head)
}

fn records(connection: &Connection, records: &[(StoredRecord, Option<RequestId>)]) -> Result<()> {
    let sql = "INSERT INTO records (seq, leaf, request, bytes) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = connection.prepare_cached(sql)?;
    for (stored, request) in records {
        let request = request.as_ref().map(RequestId::as_bytes);
        statement.execute((
            whole(stored.seq),
            stored.leaf.as_bytes(),
            request,
            &stored.bytes,
        ))?;
    }
    Ok(())
}

fn requests(connection: &Connection, rows: &[RequestRow]) -> Result<()> {
    // What never changes in the life of a request is not set again: that would touch its indexes.
    let sql = "INSERT INTO requests (id, scope, agent, status, created_at, deadline, running, key, last_seq) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO UPDATE SET \
        status = ?4, deadline = ?6, running = ?7, last_seq = ?9";
    let mut statement = connection.prepare_cached(sql)?;
    for row in rows {
        statement.execute((
            row.id.as_bytes(),
            row.scope.as_str(),
            row.agent.as_str(),
            row.status.as_str(),
            row.created_at.as_micros(),
            row.deadline.map(Timestamp::as_micros),
            row.running.as_ref().map(|boot| boot.as_bytes()),
            row.key.as_ref().map(|key| key.as_bytes()),
            whole(row.last_seq),
        ))?;
    }
    Ok(())
}

fn disclosures(connection: &Connection, disclosures: &[(RequestId, Disclosure)]) -> Result<()> {
    let sql = "INSERT INTO disclosures (request, commitment, text) VALUES (?1, ?2, ?3)";
    let mut statement = connection.prepare_cached(sql)?;
    for (request, disclosure) in disclosures {
        let commitment = disclosure.commitment.as_str();
        statement.execute((request.as_bytes(), commitment, &disclosure.text))?;
    }
    Ok(())
}

fn counters(connection: &Connection, counted: &[(String, Timestamp)]) -> Result<()> {
    for (counter, at) in counted {
        let sql = "INSERT INTO counters (counter, at, times) VALUES (?1, ?2, 1) \
            ON CONFLICT (counter, at) DO UPDATE SET times = times + 1";
        let at_micros = at.as_micros();
        connection
            .prepare_cached(sql)?
            .execute((counter, at_micros))?;
        let sql = "DELETE FROM counters WHERE counter = ?1 AND at < ?2";
        let stale = at.before(COUNTED_FOR).as_micros();
        connection.prepare_cached(sql)?.execute((counter, stale))?;
    }
    Ok(())
}

fn channels(connection: &Connection, channels: &[String]) -> Result<()> {
    for channel in channels {
        let sql = "INSERT INTO channels (name) VALUES (?1) ON CONFLICT DO NOTHING";
        connection.prepare_cached(sql)?.execute([channel])?;
    }
    Ok(())
}

fn notices(connection: &Connection, notices: &[(u64, RequestId)], due: Timestamp) -> Result<()> {
    for (seq, request) in notices {
        let sql = "INSERT INTO outbox (seq, channel, request, due_at, attempts) \
            SELECT ?1, name, ?2, ?3, 0 FROM channels";
        let row = (whole(*seq), request.as_bytes(), due.as_micros());
        connection.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

fn delivered(connection: &Connection, delivered: &[(u64, String)]) -> Result<()> {
    for (seq, channel) in delivered {
        let sql = "DELETE FROM outbox WHERE seq = ?1 AND channel = ?2";
        connection
            .prepare_cached(sql)?
            .execute((whole(*seq), channel))?;
    }
    Ok(())
}

fn head(connection: &Connection, head: &Head) -> Result<()> {
    let sql = "INSERT INTO head (only, size, peaks, last_at, note, policy_version, policy_digest) \
        VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (only) DO UPDATE SET \
        size = ?1, peaks = ?2, last_at = ?3, note = ?4, policy_version = ?5, policy_digest = ?6";
    connection.prepare_cached(sql)?.execute((
        whole(head.frontier.size()),
        head.frontier.to_bytes(),
        head.last_at.map(Timestamp::as_micros),
        &head.note,
        head.policy.map(|(version, _)| whole(version)),
        head.policy.as_ref().map(|(_, digest)| digest.as_bytes()),
    ))?;
    Ok(())
}

/// Whether anything is due for one of these channels.
pub(super) fn is_due(connection: &Connection, channels: &[String], now: Timestamp) -> Result<bool> {
    let sql = "SELECT 1 FROM outbox WHERE channel = ?1 AND due_at <= ?2";
    let mut statement = connection.prepare_cached(sql)?;
    for channel in channels {
        if statement.exists((channel, now.as_micros()))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes what is due, oldest first, without ending the transaction.
pub(super) fn take_due(
    connection: &Connection,
    channels: &[String],
    now: Timestamp,
    lease: Duration,
) -> Result<Vec<Due>> {
    let mut due = Vec::new();
    for channel in channels {
        let sql = "SELECT seq, request, attempts FROM outbox \
            WHERE channel = ?1 AND due_at <= ?2 ORDER BY due_at, seq LIMIT ?3";
        due.extend(list(
            connection,
            sql,
            (channel, now.as_micros(), whole(DUE)),
            |row| {
                Ok(Due::new(
                    number(row, 0)?,
                    id(row, 1)?,
                    channel.clone(),
                    row.get(2)?,
                ))
            },
        )?);
    }
    due.sort_by_key(|due| due.seq);
    let sql =
        "UPDATE outbox SET due_at = ?3, attempts = attempts + 1 WHERE seq = ?1 AND channel = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    for due in &due {
        let until = now.after(lease).as_micros();
        statement.execute((whole(due.seq), &due.channel, until))?;
    }
    Ok(due)
}
