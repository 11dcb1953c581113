//! Every question that is asked of the database, on whichever connection.

use approvals_core::clock::Timestamp;
use approvals_core::digest::PolicyDigest;
use approvals_core::envelope::{DisclosureKeyId, Envelope, SealedDisclosure, WrappedKey};
use approvals_core::id::{AgentId, BootId, RequestId};
use approvals_core::ledger::{Frontier, Hash, StoredRecord};
use approvals_core::ports::{Backlog, Filter, Head, RequestRow};
use approvals_core::request::{IdempotencyKey, Status};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::error::Failed;
use super::link::Value;

/// A question with its values.
pub(super) type Question = (&'static str, Vec<Value>);

/// One row of the head, however it was asked for.
pub(super) fn head(row: &Row) -> Result<Head, Failed> {
    let mut head = Head::default();
    let peaks: &[u8] = get(row, "peaks")?;
    let size = number(row, "size")?;
    head.frontier = Frontier::from_bytes(size, peaks).map_err(odd)?;
    head.last_at = get::<Option<i64>>(row, "last_at")?.map(Timestamp::from_micros);
    head.note = get(row, "note")?;
    let version: Option<i64> = get(row, "policy_version")?;
    let version = version.map(|_| number(row, "policy_version")).transpose()?;
    let digest: Option<&[u8]> = get(row, "policy_digest")?;
    let digest = digest
        .map(exactly)
        .transpose()?
        .map(PolicyDigest::from_bytes);
    head.policy = version.zip(digest);
    let keys: &str = get(row, "keys")?;
    let keys = keys.split_whitespace().map(str::parse);
    head.keys = keys.collect::<Result<_, _>>().map_err(odd)?;
    let key: Option<&[u8]> = get(row, "disclosure_key")?;
    head.disclosure_key = key
        .map(exactly)
        .transpose()?
        .map(DisclosureKeyId::from_bytes);
    Ok(head)
}

pub(super) fn records(from: u64, limit: usize) -> Question {
    (RECORDS, vec![whole(from), whole(limit)])
}

pub(super) fn leaves(from: u64, limit: usize) -> Question {
    (LEAVES, vec![whole(from), whole(limit)])
}

pub(super) fn subtrees(level: u8, from: u64, limit: usize) -> Question {
    let level = Value::new(i16::from(level));
    (SUBTREES, vec![level, whole(from), whole(limit)])
}

pub(super) fn records_of(request: RequestId) -> Question {
    (RECORDS_OF, vec![bytes(request.as_bytes())])
}

pub(super) fn log_records(before: u64, limit: usize) -> Question {
    (LOG_RECORDS, vec![whole(before), whole(limit)])
}

pub(super) fn disclosures(request: RequestId) -> Question {
    (DISCLOSURES, vec![bytes(request.as_bytes())])
}

pub(super) fn requests(filter: &Filter) -> Question {
    let agent = filter.agent.as_ref().map(AgentId::as_str);
    let status = filter.status.map(Status::as_str);
    let mut values = vec![whole(filter.limit), Value::new(agent.map(str::to_owned))];
    let by_status = Value::new(status);
    let before = Value::new(filter.before.map(|id| id.as_bytes().to_vec()));
    match status {
        _ if filter.unreviewed => {
            values.extend([by_status, before]);
            (REQUESTS_UNREVIEWED, values)
        }
        None => {
            values.push(before);
            (REQUESTS, values)
        }
        Some(_) => {
            values.extend([by_status, before]);
            (REQUESTS_BY_STATUS, values)
        }
    }
}

pub(super) fn overdue(now: Timestamp, limit: usize) -> Question {
    (OVERDUE, vec![Value::new(now.as_micros()), whole(limit)])
}

pub(super) fn by_key(key: &IdempotencyKey) -> Question {
    (BY_KEY, vec![bytes(key.as_bytes())])
}

pub(super) fn count(counter: &str, since: Timestamp) -> Question {
    let values = vec![
        Value::new(counter.to_owned()),
        Value::new(since.as_micros()),
    ];
    (COUNT, values)
}

pub(super) fn raised(counter: &str, since: Timestamp) -> Question {
    let (_, values) = count(counter, since);
    (RAISED, values)
}

pub(super) fn raise(row: &Row) -> Result<(Timestamp, u64), Failed> {
    Ok((
        Timestamp::from_micros(get(row, "at")?),
        number(row, "amount")?,
    ))
}

pub(super) fn stored(row: &Row) -> Result<StoredRecord, Failed> {
    let leaf = Hash::from_bytes(exactly(get(row, "leaf")?)?);
    let bytes = get::<&[u8]>(row, "bytes")?.to_vec();
    Ok(StoredRecord::new(number(row, "seq")?, leaf, bytes))
}

/// The hash that is alone in its row.
pub(super) fn hash(row: &Row) -> Result<Hash, Failed> {
    Ok(Hash::from_bytes(exactly(row.try_get(0)?)?))
}

/// One part of an envelope.
pub(super) enum Part {
    Key(WrappedKey),
    Disclosure(SealedDisclosure),
}

pub(super) fn part(row: &Row) -> Result<Part, Failed> {
    let ciphertext = get::<&[u8]>(row, "ciphertext")?.to_vec();
    if let Some(by) = get::<Option<&[u8]>>(row, "wrapped_by")? {
        let by = DisclosureKeyId::from_bytes(exactly(by)?);
        return Ok(Part::Key(WrappedKey::new(by, ciphertext)));
    }
    let commitment = get::<&str>(row, "commitment")?.parse().map_err(odd)?;
    Ok(Part::Disclosure(SealedDisclosure::new(
        commitment, ciphertext,
    )))
}

/// The data keys that one disclosure key wraps.
pub(super) fn wrapped_by(key: DisclosureKeyId, limit: usize) -> Question {
    let values = vec![bytes(key.as_bytes()), whole(limit)];
    (WRAPPED_BY, values)
}

/// One of them.
pub(super) fn wrapped(row: &Row) -> Result<(RequestId, WrappedKey), Failed> {
    let by = DisclosureKeyId::from_bytes(exactly(get(row, "wrapped_by")?)?);
    let ciphertext = get::<&[u8]>(row, "ciphertext")?.to_vec();
    Ok((id(row)?, WrappedKey::new(by, ciphertext)))
}

/// Puts an envelope together.
pub(super) fn envelope(parts: Vec<Part>) -> Envelope {
    let mut envelope = Envelope::default();
    for part in parts {
        match part {
            Part::Key(key) => envelope.key = Some(key),
            Part::Disclosure(sealed) => envelope.disclosures.push(sealed),
        }
    }
    envelope
}

pub(super) fn request_row(row: &Row) -> Result<RequestRow, Failed> {
    let text = |name| get::<&str>(row, name);
    let status = text("status")?;
    let status = Status::parse(status).ok_or_else(|| odd(format!("`{status}` is not a status")))?;
    let mut found = RequestRow::new(
        id(row)?,
        text("scope")?.parse().map_err(odd)?,
        text("agent")?.parse().map_err(odd)?,
        status,
        Timestamp::from_micros(get(row, "created_at")?),
        number(row, "last_seq")?,
    );
    found.deadline = get::<Option<i64>>(row, "deadline")?.map(Timestamp::from_micros);
    found.due = get::<Option<i64>>(row, "due")?.map(Timestamp::from_micros);
    let running: Option<&[u8]> = get(row, "running")?;
    found.running = running.map(exactly).transpose()?.map(BootId::from_bytes);
    let key: Option<&[u8]> = get(row, "key")?;
    found.key = key
        .map(exactly)
        .transpose()?
        .map(IdempotencyKey::from_bytes);
    found.unreviewed = get(row, "unreviewed")?;
    Ok(found)
}

pub(super) fn running(row: &Row) -> Result<(RequestId, BootId), Failed> {
    let boot = BootId::from_bytes(exactly(get(row, "running")?)?);
    Ok((id(row)?, boot))
}

/// A request that was touched, and its last record; none in the one row that only has the size.
pub(super) fn touched(row: &Row) -> Result<Option<(RequestId, u64)>, Failed> {
    match get::<Option<i64>>(row, "last")? {
        None => Ok(None),
        Some(_) => Ok(Some((id(row)?, number(row, "last")?))),
    }
}

pub(super) fn backlog(row: &Row) -> Result<Backlog, Failed> {
    let channel: &str = get(row, "name")?;
    let (waiting, next) = (number(row, "waiting")?, number(row, "next")?);
    Ok(Backlog::new(channel, waiting, next))
}

/// The id of the request that a row is about.
pub(super) fn id(row: &Row) -> Result<RequestId, Failed> {
    Ok(RequestId::from_bytes(exactly(get(row, "id")?)?))
}

/// A number that is never negative.
pub(super) fn number(row: &Row, name: &str) -> Result<u64, Failed> {
    let number: i64 = get(row, name)?;
    u64::try_from(number).map_err(|_| odd(format!("{name} is {number}")))
}

/// The nearest number that PostgreSQL can hold.
pub(super) fn whole(number: impl TryInto<i64>) -> Value {
    Value::new(number.try_into().unwrap_or(i64::MAX))
}

pub(super) fn bytes(bytes: &[u8]) -> Value {
    Value::new(bytes.to_vec())
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, name: &str) -> Result<T, Failed> {
    row.try_get(name).map_err(odd)
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Failed> {
    bytes
        .try_into()
        .map_err(|_| odd(format!("{} bytes where {N} should be", bytes.len())))
}

/// What is in a column is not what this library writes there.
pub(super) fn odd(what: impl std::fmt::Display) -> Failed {
    Failed::Odd(what.to_string())
}

pub(super) const HEAD: &str = "SELECT size, peaks, last_at, note, policy_version, policy_digest, disclosure_key, keys \
    FROM approvals.head";

pub(super) const RUNNING: &str = "SELECT (SELECT id FROM approvals.ids WHERE ids.n = requests.n), running \
    FROM approvals.requests WHERE running IS NOT NULL ORDER BY n";

/// The size and what was touched, as they are at one moment.
pub(super) const TOUCHED: &str = "SELECT head.size, \
    (SELECT id FROM approvals.ids WHERE ids.n = touched.request), touched.last \
    FROM approvals.head LEFT JOIN ( \
        SELECT request, max(seq) AS last FROM approvals.records \
        WHERE seq >= $1 AND request IS NOT NULL GROUP BY request \
    ) AS touched ON true";

pub(super) const BACKLOGS: &str = "SELECT name, \
    CASE WHEN next IS NULL THEN (SELECT count(*) FROM approvals.outbox WHERE channel = name) \
        ELSE (SELECT size FROM approvals.head WHERE alone = 0) - next END AS waiting, \
    coalesce(next, (SELECT min(seq) FROM approvals.outbox WHERE channel = name), \
        (SELECT size FROM approvals.head WHERE alone = 0)) AS next \
    FROM approvals.channels ORDER BY name";

const RECORDS: &str =
    "SELECT seq, leaf, bytes FROM approvals.records WHERE seq >= $1 ORDER BY seq LIMIT $2";

const LEAVES: &str = "SELECT leaf FROM approvals.records WHERE seq >= $1 ORDER BY seq LIMIT $2";

const SUBTREES: &str =
    "SELECT hash FROM approvals.subtrees WHERE level = $1 AND n >= $2 ORDER BY n LIMIT $3";

const RECORDS_OF: &str = "SELECT seq, leaf, bytes FROM approvals.records \
    WHERE request = (SELECT n FROM approvals.ids WHERE id = $1) ORDER BY seq";

const LOG_RECORDS: &str = "SELECT seq, leaf, bytes FROM approvals.records \
    WHERE request IS NULL AND seq < $1 ORDER BY seq DESC LIMIT $2";

// One statement, so that key and values are of one moment.
const DISCLOSURES: &str = "SELECT NULL AS commitment, wrapped_by, ciphertext, 0 AS place \
    FROM approvals.data_keys WHERE request = (SELECT n FROM approvals.ids WHERE id = $1) \
    UNION ALL SELECT commitment, NULL, ciphertext, place FROM approvals.disclosures \
    WHERE request = (SELECT n FROM approvals.ids WHERE id = $1) ORDER BY place";

const WRAPPED_BY: &str = "SELECT (SELECT id FROM approvals.ids WHERE ids.n = data_keys.request), \
    wrapped_by, ciphertext FROM approvals.data_keys WHERE wrapped_by = $1 LIMIT $2";

const REQUESTS: &str = "SELECT (SELECT id FROM approvals.ids WHERE ids.n = requests.n), \
    scope, agent, status, created_at, deadline, due, running, key, unreviewed, last_seq \
    FROM approvals.requests WHERE n < CASE WHEN $3::bytea IS NULL THEN 9223372036854775807 \
    ELSE (SELECT ids.n FROM approvals.ids WHERE ids.id = $3) END \
    AND ($2::text IS NULL OR agent = $2) ORDER BY n DESC LIMIT $1";

const REQUESTS_BY_STATUS: &str = "SELECT (SELECT id FROM approvals.ids WHERE ids.n = requests.n), \
    scope, agent, status, created_at, deadline, due, running, key, unreviewed, last_seq \
    FROM approvals.requests WHERE status = $3 AND n < CASE WHEN $4::bytea IS NULL THEN 9223372036854775807 \
    ELSE (SELECT ids.n FROM approvals.ids WHERE ids.id = $4) END \
    AND ($2::text IS NULL OR agent = $2) \
    ORDER BY n DESC LIMIT $1";

const REQUESTS_UNREVIEWED: &str = "SELECT (SELECT id FROM approvals.ids WHERE ids.n = requests.n), \
    scope, agent, status, created_at, deadline, due, running, key, unreviewed, last_seq \
    FROM approvals.requests WHERE unreviewed AND ($2::text IS NULL OR agent = $2) \
    AND n < CASE WHEN $4::bytea IS NULL THEN 9223372036854775807 \
    ELSE (SELECT ids.n FROM approvals.ids WHERE ids.id = $4) END \
    AND ($3::text IS NULL OR status = $3) ORDER BY n DESC LIMIT $1";

const OVERDUE: &str = "SELECT (SELECT id FROM approvals.ids WHERE ids.n = requests.n) \
    FROM approvals.requests WHERE due <= $1 ORDER BY due LIMIT $2";

const BY_KEY: &str = "SELECT (SELECT id FROM approvals.ids WHERE ids.n = requests.n) \
    FROM approvals.requests WHERE key = $1 ORDER BY n DESC LIMIT 1";

const COUNT: &str = "SELECT coalesce(sum(amount), 0)::bigint AS amount FROM approvals.counters \
    WHERE counter = $1 AND at > $2";
const RAISED: &str = "SELECT at, amount FROM approvals.counters \
    WHERE counter = $1 AND at > $2 ORDER BY at";

/// Every question, for the test that none of them reads more than it must.
#[cfg(all(test, unix))]
pub(super) const ALL: &[&str] = &[
    HEAD,
    RUNNING,
    TOUCHED,
    BACKLOGS,
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
    BY_KEY,
    COUNT,
];
