//! Everything that one transaction writes.

use std::collections::HashMap;
use std::time::Duration;

use approvals_core::clock::Timestamp;
use approvals_core::envelope::{DisclosureKeyId, SealedDisclosure, WrappedKey};
use approvals_core::id::{BootId, RequestId};
use approvals_core::ledger::{Hash, StoredRecord};
use approvals_core::ports::{Batch, Counted, Due, Head, RequestRow};
use approvals_core::request::IdempotencyKey;
use rusqlite::{Connection, OptionalExtension as _, Result};

use super::read::{id, list, number, whole};

/// Longer than any window that a policy can count in; older counts are thrown away.
const COUNTED_FOR: Duration = Duration::from_secs(32 * 86_400);

/// How many notices one look takes at most, so that a channel that was away for long does not
/// get all of them at once.
const DUE: usize = 256;

/// How often a lease is doubled at most, for a channel that keeps failing.
const DOUBLINGS: u32 = 8;

/// Writes a batch, without ending the transaction.
pub(super) fn batch(connection: &Connection, batch: &Batch) -> Result<()> {
    let numbers = &mut Numbers::new(connection);
    records(connection, numbers, &batch.records)?;
    subtrees(connection, &batch.subtrees)?;
    requests(connection, numbers, &batch.requests)?;
    data_keys(connection, numbers, &batch.data_keys)?;
    disclosures(connection, numbers, &batch.disclosures)?;
    erased(connection, numbers, &batch.erased)?;
    counters(connection, &batch.counted)?;
    channels(connection, &batch.channels)?;
    followed(connection, &batch.followed)?;
    let now = batch.head.last_at.unwrap_or(Timestamp::from_micros(0));
    notices(connection, numbers, &batch.notices, now)?;
    delivered(connection, &batch.delivered)?;
    head(connection, &batch.head)
}

/// The numbers that requests have inside; whoever has none is given the next one.
struct Numbers<'a> {
    connection: &'a Connection,
    known: HashMap<RequestId, i64>,
}

impl<'a> Numbers<'a> {
    fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            known: HashMap::new(),
        }
    }

    fn of(&mut self, request: RequestId) -> Result<i64> {
        if let Some(number) = self.known.get(&request) {
            return Ok(*number);
        }
        let sql = "SELECT n FROM ids WHERE id = ?1";
        let mut find = self.connection.prepare_cached(sql)?;
        let found = find.query_row([request.as_bytes()], |row| row.get(0));
        let number = match found.optional()? {
            Some(number) => number,
            None => {
                let sql = "INSERT INTO ids (id) VALUES (?1)";
                let mut give = self.connection.prepare_cached(sql)?;
                give.insert([request.as_bytes()])?
            }
        };
        self.known.insert(request, number);
        Ok(number)
    }
}

fn records(
    connection: &Connection,
    numbers: &mut Numbers<'_>,
    records: &[(StoredRecord, Option<RequestId>)],
) -> Result<()> {
    let sql = "INSERT INTO records (seq, leaf, request, bytes) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = connection.prepare_cached(sql)?;
    for (stored, request) in records {
        let request = request.map(|request| numbers.of(request)).transpose()?;
        let seq = whole(stored.seq);
        statement.execute((seq, stored.leaf.as_bytes(), request, &stored.bytes))?;
    }
    Ok(())
}

fn subtrees(connection: &Connection, subtrees: &[(u8, u64, Hash)]) -> Result<()> {
    for (level, index, hash) in subtrees {
        let sql = "INSERT INTO subtrees (level, n, hash) VALUES (?1, ?2, ?3)";
        let row = (level, whole(*index), hash.as_bytes());
        connection.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

fn requests(connection: &Connection, numbers: &mut Numbers<'_>, rows: &[RequestRow]) -> Result<()> {
    // What never changes in the life of a request is not set again: that would touch its indexes.
    let sql = "INSERT INTO requests (n, scope, agent, status, created_at, deadline, due, running, key, unreviewed, last_seq) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (n) DO UPDATE SET \
        status = ?4, deadline = ?6, due = ?7, running = ?8, unreviewed = ?10, last_seq = ?11";
    let mut statement = connection.prepare_cached(sql)?;
    for row in rows {
        statement.execute((
            numbers.of(row.id)?,
            row.scope.as_str(),
            row.agent.as_str(),
            row.status.as_str(),
            row.created_at.as_micros(),
            row.deadline.map(Timestamp::as_micros),
            row.due.map(Timestamp::as_micros),
            row.running.as_ref().map(BootId::as_bytes),
            row.key.as_ref().map(IdempotencyKey::as_bytes),
            row.unreviewed,
            whole(row.last_seq),
        ))?;
    }
    Ok(())
}

fn data_keys(
    connection: &Connection,
    numbers: &mut Numbers<'_>,
    keys: &[(RequestId, WrappedKey)],
) -> Result<()> {
    let sql = "INSERT INTO data_keys (request, wrapped_by, ciphertext) VALUES (?1, ?2, ?3) \
        ON CONFLICT (request) DO UPDATE SET wrapped_by = ?2, ciphertext = ?3";
    let mut statement = connection.prepare_cached(sql)?;
    for (request, key) in keys {
        statement.execute((numbers.of(*request)?, key.by.as_bytes(), &key.ciphertext))?;
    }
    Ok(())
}

fn disclosures(
    connection: &Connection,
    numbers: &mut Numbers<'_>,
    disclosures: &[(RequestId, SealedDisclosure)],
) -> Result<()> {
    let sql = "INSERT INTO disclosures (request, commitment, ciphertext) VALUES (?1, ?2, ?3)";
    let mut statement = connection.prepare_cached(sql)?;
    for (request, sealed) in disclosures {
        let commitment = sealed.commitment.as_str();
        statement.execute((numbers.of(*request)?, commitment, &sealed.ciphertext))?;
    }
    Ok(())
}

/// Overwrites, and deletes nothing: the bytes lie where they lay, so that no copy of them stays.
fn erased(connection: &Connection, numbers: &mut Numbers<'_>, erased: &[RequestId]) -> Result<()> {
    for sql in [
        "UPDATE disclosures SET ciphertext = zeroblob(length(ciphertext)) WHERE request = ?1",
        "UPDATE data_keys SET wrapped_by = zeroblob(8), ciphertext = zeroblob(length(ciphertext)) \
            WHERE request = ?1",
    ] {
        let mut statement = connection.prepare_cached(sql)?;
        for request in erased {
            statement.execute([numbers.of(*request)?])?;
        }
    }
    Ok(())
}

fn counters(connection: &Connection, counted: &[Counted]) -> Result<()> {
    for Counted {
        counter,
        at,
        amount,
        ..
    } in counted
    {
        let sql = "INSERT INTO counters (counter, at, amount) VALUES (?1, ?2, ?3) \
            ON CONFLICT (counter, at) DO UPDATE SET amount = amount + ?3";
        let at_micros = at.as_micros();
        connection
            .prepare_cached(sql)?
            .execute((counter, at_micros, whole(*amount)))?;
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

fn followed(connection: &Connection, followed: &[(String, u64)]) -> Result<()> {
    for (follower, next) in followed {
        let sql = "INSERT INTO channels (name, next) VALUES (?1, ?2) \
            ON CONFLICT (name) DO UPDATE SET next = excluded.next WHERE next < excluded.next";
        connection
            .prepare_cached(sql)?
            .execute((follower, whole(*next)))?;
    }
    Ok(())
}

fn notices(
    connection: &Connection,
    numbers: &mut Numbers<'_>,
    notices: &[(u64, RequestId)],
    due: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO outbox (seq, channel, request, due_at, attempts) \
        SELECT ?1, name, ?2, ?3, 0 FROM channels WHERE next IS NULL";
    let mut statement = connection.prepare_cached(sql)?;
    for (seq, request) in notices {
        statement.execute((whole(*seq), numbers.of(*request)?, due.as_micros()))?;
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
    let sql = "INSERT INTO head \
        (only, size, peaks, last_at, note, policy_version, policy_digest, disclosure_key, keys) \
        VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (only) DO UPDATE SET \
        size = ?1, peaks = ?2, last_at = ?3, note = ?4, policy_version = ?5, policy_digest = ?6, \
        disclosure_key = ?7, keys = ?8";
    let keys: Vec<String> = head.keys.iter().map(u64::to_string).collect();
    connection.prepare_cached(sql)?.execute((
        whole(head.frontier.size()),
        head.frontier.to_bytes(),
        head.last_at.map(Timestamp::as_micros),
        &head.note,
        head.policy.map(|(version, _)| whole(version)),
        head.policy.as_ref().map(|(_, digest)| digest.as_bytes()),
        head.disclosure_key.as_ref().map(DisclosureKeyId::as_bytes),
        keys.join(" "),
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
        let sql = "SELECT seq, id, attempts FROM outbox JOIN ids ON n = request \
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
        let longer = 1_u32 << due.attempts.min(DOUBLINGS);
        let until = now.after(lease.saturating_mul(longer)).as_micros();
        statement.execute((whole(due.seq), &due.channel, until))?;
    }
    Ok(due)
}
