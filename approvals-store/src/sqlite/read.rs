//! Every question that is asked of the database, on whichever connection.

use approvals_core::clock::Timestamp;
use approvals_core::digest::PolicyDigest;
use approvals_core::envelope::{DisclosureKeyId, Envelope, SealedDisclosure, WrappedKey};
use approvals_core::id::{AgentId, BootId, RequestId};
use approvals_core::ledger::{Frontier, Hash, StoredRecord};
use approvals_core::ports::{Backlog, Filter, Head, RequestRow};
use approvals_core::request::{IdempotencyKey, Status};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension as _, Params, Result, Row};

pub(super) fn head(connection: &Connection) -> Result<Head> {
    let sql = "SELECT size, peaks, last_at, note, policy_version, policy_digest, disclosure_key, keys FROM head";
    let mut statement = connection.prepare_cached(sql)?;
    let head = statement.query_row([], |row| {
        let mut head = Head::default();
        let peaks = row.get_ref(1)?.as_blob()?;
        head.frontier = Frontier::from_bytes(number(row, 0)?, peaks).map_err(|e| odd(1, e))?;
        head.last_at = row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros);
        head.note = row.get(3)?;
        let version = row
            .get::<_, Option<i64>>(4)?
            .map(|_| number(row, 4))
            .transpose()?;
        let digest = row
            .get::<_, Option<[u8; 32]>>(5)?
            .map(PolicyDigest::from_bytes);
        head.policy = version.zip(digest);
        head.disclosure_key = row
            .get::<_, Option<[u8; 8]>>(6)?
            .map(DisclosureKeyId::from_bytes);
        let keys = row.get_ref(7)?.as_str().map_err(|error| odd(7, error))?;
        let keys = keys.split_whitespace().map(str::parse);
        head.keys = keys
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| odd(7, error))?;
        Ok(head)
    });
    Ok(head.optional()?.unwrap_or_default())
}

/// The size alone, for those who ask many times a second.
pub(super) fn size(connection: &Connection) -> Result<u64> {
    let mut statement = connection.prepare_cached("SELECT size FROM head")?;
    Ok(statement
        .query_row([], |row| number(row, 0))
        .optional()?
        .unwrap_or(0))
}

pub(super) fn records(
    connection: &Connection,
    from: u64,
    limit: usize,
) -> Result<Vec<StoredRecord>> {
    list(connection, RECORDS, (whole(from), whole(limit)), stored)
}

pub(super) fn leaves(connection: &Connection, from: u64, limit: usize) -> Result<Vec<Hash>> {
    list(connection, LEAVES, (whole(from), whole(limit)), hash)
}

pub(super) fn subtrees(
    connection: &Connection,
    level: u8,
    from: u64,
    limit: usize,
) -> Result<Vec<Hash>> {
    let params = (level, whole(from), whole(limit));
    list(connection, SUBTREES, params, hash)
}

pub(super) fn records_of(connection: &Connection, request: RequestId) -> Result<Vec<StoredRecord>> {
    list(connection, RECORDS_OF, [request.as_bytes()], stored)
}

pub(super) fn log_records(
    connection: &Connection,
    before: u64,
    limit: usize,
) -> Result<Vec<StoredRecord>> {
    list(
        connection,
        LOG_RECORDS,
        (whole(before), whole(limit)),
        stored,
    )
}

pub(super) fn wrapped_by(
    connection: &Connection,
    key: DisclosureKeyId,
    limit: usize,
) -> Result<Vec<(RequestId, WrappedKey)>> {
    list(
        connection,
        WRAPPED_BY,
        (key.as_bytes(), whole(limit)),
        |row| {
            let wrapped = WrappedKey::new(key, row.get(1)?);
            Ok((id(row, 0)?, wrapped))
        },
    )
}

pub(super) fn disclosures(connection: &Connection, request: RequestId) -> Result<Envelope> {
    let mut envelope = Envelope::default();
    let mut statement = connection.prepare_cached(DISCLOSURES)?;
    let mut rows = statement.query([request.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let ciphertext = row.get(2)?;
        match row.get::<_, Option<[u8; 8]>>(1)? {
            Some(by) => {
                let by = DisclosureKeyId::from_bytes(by);
                envelope.key = Some(WrappedKey::new(by, ciphertext));
            }
            None => {
                let commitment = row.get_ref(0)?.as_str()?;
                let commitment = commitment.parse().map_err(|error| odd(0, error))?;
                let sealed = SealedDisclosure::new(commitment, ciphertext);
                envelope.disclosures.push(sealed);
            }
        }
    }
    Ok(envelope)
}

pub(super) fn requests(connection: &Connection, filter: &Filter) -> Result<Vec<RequestRow>> {
    let limit = whole(filter.limit);
    let (status, agent) = (filter.status.map(Status::as_str), filter.agent.as_ref());
    let agent = agent.map(AgentId::as_str);
    let before = filter.before.map(|id| *id.as_bytes());
    match status {
        _ if filter.unreviewed => list(
            connection,
            REQUESTS_UNREVIEWED,
            (limit, agent, status, before),
            request_row,
        ),
        None => list(connection, REQUESTS, (limit, agent, before), request_row),
        Some(status) => list(
            connection,
            REQUESTS_BY_STATUS,
            (limit, agent, status, before),
            request_row,
        ),
    }
}

pub(super) fn overdue(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<RequestId>> {
    list(
        connection,
        OVERDUE,
        (now.as_micros(), whole(limit)),
        |row| id(row, 0),
    )
}

pub(super) fn running(connection: &Connection) -> Result<Vec<(RequestId, BootId)>> {
    list(connection, RUNNING, [], |row| {
        Ok((id(row, 0)?, BootId::from_bytes(row.get(1)?)))
    })
}

pub(super) fn touched(connection: &Connection, from: u64) -> Result<Vec<(RequestId, u64)>> {
    list(connection, TOUCHED, [whole(from)], |row| {
        Ok((id(row, 0)?, number(row, 1)?))
    })
}

pub(super) fn by_key(connection: &Connection, key: &IdempotencyKey) -> Result<Option<RequestId>> {
    let mut statement = connection.prepare_cached(BY_KEY)?;
    statement
        .query_row([key.as_bytes()], |row| id(row, 0))
        .optional()
}

pub(super) fn count(connection: &Connection, counter: &str, since: Timestamp) -> Result<u64> {
    // A sum that is too large to hold is an error, and an error is a no.
    let sql = "SELECT coalesce(sum(amount), 0) FROM counters WHERE counter = ?1 AND at > ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row((counter, since.as_micros()), |row| number(row, 0))
}

pub(super) fn raised(
    connection: &Connection,
    counter: &str,
    since: Timestamp,
) -> Result<Vec<(Timestamp, u64)>> {
    let sql = "SELECT at, amount FROM counters WHERE counter = ?1 AND at > ?2 ORDER BY at";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((counter, since.as_micros()), |row| {
        Ok((Timestamp::from_micros(row.get(0)?), number(row, 1)?))
    })?;
    rows.collect()
}

pub(super) fn backlogs(connection: &Connection) -> Result<Vec<Backlog>> {
    list(connection, BACKLOGS, [], |row| {
        Ok(Backlog::new(
            row.get::<_, String>(0)?,
            number(row, 1)?,
            number(row, 2)?,
        ))
    })
}

/// Changes when another connection, of this process or another, has committed something.
pub(super) fn data_version(connection: &Connection) -> Result<i64> {
    let mut statement = connection.prepare_cached("PRAGMA data_version")?;
    statement.query_row([], |row| row.get(0))
}

pub(super) fn list<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params, read)?.collect()
}

pub(super) fn id(row: &Row<'_>, column: usize) -> Result<RequestId> {
    row.get(column).map(RequestId::from_bytes)
}

/// A number that is never negative.
pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| Error::IntegralValueOutOfRange(column, number))
}

/// The nearest number that SQLite can hold.
pub(super) fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn hash(row: &Row<'_>) -> Result<Hash> {
    row.get(0).map(Hash::from_bytes)
}

fn stored(row: &Row<'_>) -> Result<StoredRecord> {
    let leaf = Hash::from_bytes(row.get(1)?);
    Ok(StoredRecord::new(number(row, 0)?, leaf, row.get(2)?))
}

fn request_row(row: &Row<'_>) -> Result<RequestRow> {
    let text = |column: usize| {
        row.get_ref(column)?
            .as_str()
            .map_err(|error| odd(column, error))
    };
    let scope = text(1)?.parse().map_err(|error| odd(1, error))?;
    let agent = text(2)?.parse().map_err(|error| odd(2, error))?;
    let status = text(3)?;
    let status =
        Status::parse(status).ok_or_else(|| odd(3, format!("`{status}` is not a status")))?;
    let created_at = Timestamp::from_micros(row.get(4)?);
    let mut found = RequestRow::new(
        id(row, 0)?,
        scope,
        agent,
        status,
        created_at,
        number(row, 10)?,
    );
    found.deadline = row.get::<_, Option<i64>>(5)?.map(Timestamp::from_micros);
    found.due = row.get::<_, Option<i64>>(6)?.map(Timestamp::from_micros);
    found.running = row.get::<_, Option<[u8; 16]>>(7)?.map(BootId::from_bytes);
    found.key = row
        .get::<_, Option<[u8; 32]>>(8)?
        .map(IdempotencyKey::from_bytes);
    found.unreviewed = row.get(9)?;
    Ok(found)
}

/// What is in a column is not what this library writes there.
fn odd(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(column, Type::Blob, error.into())
}

const RECORDS: &str = "SELECT seq, leaf, bytes FROM records WHERE seq >= ?1 ORDER BY seq LIMIT ?2";

const LEAVES: &str = "SELECT leaf FROM records WHERE seq >= ?1 ORDER BY seq LIMIT ?2";

const SUBTREES: &str = "SELECT hash FROM subtrees WHERE level = ?1 AND n >= ?2 ORDER BY n LIMIT ?3";

const RECORDS_OF: &str = "SELECT seq, leaf, bytes FROM records \
    WHERE request = (SELECT n FROM ids WHERE id = ?1) ORDER BY seq";

const LOG_RECORDS: &str = "SELECT seq, leaf, bytes FROM records \
    INDEXED BY records_of_log \
    WHERE request IS NULL AND seq < ?1 ORDER BY seq DESC LIMIT ?2";

// One statement, so that key and values are of one moment. What is all zeros was erased.
const DISCLOSURES: &str = "SELECT NULL, wrapped_by, ciphertext, 0 AS place FROM data_keys \
    WHERE request = (SELECT n FROM ids WHERE id = ?1) \
    AND ciphertext <> zeroblob(length(ciphertext)) \
    UNION ALL SELECT commitment, NULL, ciphertext, rowid FROM disclosures \
    WHERE request = (SELECT n FROM ids WHERE id = ?1) \
    AND ciphertext <> zeroblob(length(ciphertext)) ORDER BY place";

const WRAPPED_BY: &str = "SELECT (SELECT id FROM ids WHERE ids.n = data_keys.request), ciphertext \
    FROM data_keys WHERE wrapped_by = ?1 LIMIT ?2";

const REQUESTS: &str = "SELECT (SELECT id FROM ids WHERE ids.n = requests.n), \
    scope, agent, status, created_at, deadline, due, running, key, unreviewed, last_seq \
    FROM requests WHERE n < CASE WHEN ?3 IS NULL THEN 9223372036854775807 \
    ELSE (SELECT n FROM ids WHERE id = ?3) END \
    AND (?2 IS NULL OR agent = ?2) ORDER BY n DESC LIMIT ?1";

const REQUESTS_BY_STATUS: &str = "SELECT (SELECT id FROM ids WHERE ids.n = requests.n), \
    scope, agent, status, created_at, deadline, due, running, key, unreviewed, last_seq \
    FROM requests WHERE status = ?3 AND n < CASE WHEN ?4 IS NULL THEN 9223372036854775807 \
    ELSE (SELECT n FROM ids WHERE id = ?4) END \
    AND (?2 IS NULL OR agent = ?2) ORDER BY n DESC LIMIT ?1";

const REQUESTS_UNREVIEWED: &str = "SELECT (SELECT id FROM ids WHERE ids.n = requests.n), \
    scope, agent, status, created_at, deadline, due, running, key, unreviewed, last_seq \
    FROM requests WHERE unreviewed AND (?2 IS NULL OR agent = ?2) \
    AND n < CASE WHEN ?4 IS NULL THEN 9223372036854775807 \
    ELSE (SELECT n FROM ids WHERE id = ?4) END \
    AND (?3 IS NULL OR status = ?3) ORDER BY n DESC LIMIT ?1";

const OVERDUE: &str = "SELECT (SELECT id FROM ids WHERE ids.n = requests.n) \
    FROM requests WHERE due <= ?1 ORDER BY due LIMIT ?2";

const RUNNING: &str = "SELECT (SELECT id FROM ids WHERE ids.n = requests.n), running \
    FROM requests WHERE running IS NOT NULL ORDER BY n";

// Without the index, which would be read from end to end to find the last few records.
const TOUCHED: &str = "SELECT (SELECT id FROM ids WHERE n = request), max(seq) \
    FROM records NOT INDEXED WHERE seq >= ?1 AND request IS NOT NULL GROUP BY request";

const BACKLOGS: &str = "SELECT name, \
    CASE WHEN next IS NULL THEN (SELECT count(*) FROM outbox WHERE channel = name) \
        ELSE coalesce((SELECT size FROM head WHERE only = 0), 0) - next END, \
    coalesce(next, (SELECT min(seq) FROM outbox WHERE channel = name), \
        (SELECT size FROM head WHERE only = 0), 0) \
    FROM channels ORDER BY name";

const BY_KEY: &str = "SELECT (SELECT id FROM ids WHERE ids.n = requests.n) \
    FROM requests WHERE key = ?1 ORDER BY n DESC LIMIT 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_question_takes_longer_because_the_log_is_long() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("schema_1.sql"))
            .unwrap();
        for sql in [
            RECORDS,
            LEAVES,
            SUBTREES,
            RECORDS_OF,
            LOG_RECORDS,
            DISCLOSURES,
            WRAPPED_BY,
            REQUESTS,
            REQUESTS_BY_STATUS,
            REQUESTS_UNREVIEWED,
            OVERDUE,
            RUNNING,
            TOUCHED,
            BACKLOGS,
            BY_KEY,
        ] {
            let plan = format!("EXPLAIN QUERY PLAN {sql}");
            let mut plan = connection.prepare(&plan).unwrap();
            for step in plan.raw_query().mapped(|row| row.get::<_, String>(3)) {
                let step = step.unwrap();
                // The newest first, up to a limit; and an index of what is running now.
                let bounded = [
                    "SCAN requests",
                    // The few channels that there are.
                    "SCAN channels",
                    "SCAN requests USING INDEX requests_running",
                    "SCAN requests USING INDEX requests_unreviewed",
                    "USE TEMP B-TREE FOR GROUP BY",
                    "USE TEMP B-TREE FOR ORDER BY",
                    // Both halves are searched, which their own steps say.
                    "MERGE (UNION ALL)",
                    "LEFT",
                    "RIGHT",
                ];
                let quick = step.starts_with("SEARCH ")
                    || step.starts_with("CORRELATED SCALAR SUBQUERY")
                    || step.starts_with("SCALAR SUBQUERY")
                    || bounded.contains(&step.as_str());
                assert!(quick, "{step}\n{sql}");
            }
        }
    }
}
