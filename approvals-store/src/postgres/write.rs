//! Everything that one transaction writes, as steps that are sent together.

use std::collections::BTreeMap;
use std::time::Duration;

use approvals_core::clock::Timestamp;
use approvals_core::envelope::{DisclosureKeyId, SealedDisclosure, WrappedKey};
use approvals_core::id::{BootId, RequestId};
use approvals_core::ledger::{Hash, StoredRecord};
use approvals_core::ports::{Batch, Counted, Head, RequestRow};
use approvals_core::request::IdempotencyKey;

use super::link::{Step, Value};
use super::read::whole;

/// Longer than any window that a policy can count in; older counts are thrown away.
const COUNTED_FOR: Duration = Duration::from_secs(32 * 86_400);

/// How many notices one look takes at most, so that a channel that was away for long does not
/// get all of them at once.
const DUE: i64 = 256;

/// How often a lease is doubled at most, for a channel that keeps failing.
const DOUBLINGS: i32 = 8;

/// How many requests one ring names at most: its words may have 8,000 bytes.
const NAMED: usize = 200;

/// Writes a batch, all but its head.
pub(super) fn batch(batch: &Batch) -> Vec<Step> {
    let named = named(batch);
    let now = batch.head.last_at.unwrap_or(Timestamp::from_micros(0));
    let parts = [
        ids(&named),
        records(&batch.records),
        subtrees(&batch.subtrees),
        requests(&batch.requests),
        data_keys(&batch.data_keys),
        disclosures(&batch.disclosures),
        erased(ERASED, &batch.erased),
        erased(ERASED_KEYS, &batch.erased),
        counters(&batch.counted),
        forget(&batch.counted),
        channels(&batch.channels),
        followed(&batch.followed),
        notices(&batch.notices, now),
        delivered(&batch.delivered),
        ring(&named),
    ];
    parts.into_iter().flatten().collect()
}

/// Moves the head on; refused when somebody else did.
pub(super) fn head(head: &Head, epoch: i64) -> Step {
    let policy = head.policy.as_ref();
    let keys: Vec<String> = head.keys.iter().map(u64::to_string).collect();
    let values = vec![
        Value::new(epoch),
        whole(head.frontier.size()),
        Value::new(head.frontier.to_bytes()),
        Value::new(head.last_at.map(Timestamp::as_micros)),
        Value::new(head.note.clone()),
        Value::new(policy.map(|(version, _)| i64::try_from(*version).unwrap_or(i64::MAX))),
        Value::new(policy.map(|(_, digest)| digest.as_bytes().to_vec())),
        Value::new(
            head.disclosure_key
                .as_ref()
                .map(|key| DisclosureKeyId::as_bytes(key).to_vec()),
        ),
        Value::new(keys.join(" ")),
    ];
    Step::Ask(HEAD, values)
}

/// Takes what is due, oldest first.
pub(super) fn take_due(channels: &[String], now: Timestamp, lease: Duration) -> Step {
    let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX >> DOUBLINGS);
    let values = vec![
        Value::new(channels.to_vec()),
        Value::new(now.as_micros()),
        Value::new(lease.min(i64::MAX >> (DOUBLINGS + 8))),
        Value::new(DOUBLINGS),
        Value::new(DUE),
    ];
    Step::Ask(TAKE_DUE, values)
}

/// Whether anything is due for one of these channels.
pub(super) fn is_due(channels: &[String], now: Timestamp) -> (&'static str, Vec<Value>) {
    let values = vec![Value::new(channels.to_vec()), Value::new(now.as_micros())];
    (IS_DUE, values)
}

/// The requests of a batch, each once, in the order of their first mention.
fn named(batch: &Batch) -> Vec<RequestId> {
    let mentioned = batch
        .records
        .iter()
        .filter_map(|(_, request)| *request)
        .chain(batch.requests.iter().map(|row| row.id))
        .chain(batch.data_keys.iter().map(|(request, _)| *request))
        .chain(batch.disclosures.iter().map(|(request, _)| *request))
        .chain(batch.notices.iter().map(|(_, request)| *request));
    let mut seen = std::collections::HashSet::new();
    mentioned.filter(|request| seen.insert(*request)).collect()
}

/// Gives a number to every request that has none.
fn ids(named: &[RequestId]) -> Option<Step> {
    let ids = list(named, |request| request.as_bytes().to_vec());
    (!named.is_empty()).then(|| Step::Ask(IDS, vec![ids]))
}

fn records(records: &[(StoredRecord, Option<RequestId>)]) -> Option<Step> {
    let values = vec![
        list(records, |(stored, _)| number(stored.seq)),
        list(records, |(stored, _)| stored.leaf.as_bytes().to_vec()),
        list(records, |(_, request)| {
            request.map(|request| request.as_bytes().to_vec())
        }),
        list(records, |(stored, _)| stored.bytes.clone()),
    ];
    (!records.is_empty()).then_some(Step::Ask(RECORDS, values))
}

fn subtrees(subtrees: &[(u8, u64, Hash)]) -> Option<Step> {
    let values = vec![
        list(subtrees, |(level, _, _)| i16::from(*level)),
        list(subtrees, |(_, index, _)| number(*index)),
        list(subtrees, |(_, _, hash)| hash.as_bytes().to_vec()),
    ];
    (!subtrees.is_empty()).then_some(Step::Ask(SUBTREES, values))
}

fn requests(rows: &[RequestRow]) -> Option<Step> {
    // What never changes in the life of a request is not set again: that would touch its indexes.
    let values = vec![
        list(rows, |row| row.id.as_bytes().to_vec()),
        list(rows, |row| row.scope.as_str().to_owned()),
        list(rows, |row| row.agent.as_str().to_owned()),
        list(rows, |row| row.status.as_str().to_owned()),
        list(rows, |row| row.created_at.as_micros()),
        list(rows, |row| row.deadline.map(Timestamp::as_micros)),
        list(rows, |row| row.due.map(Timestamp::as_micros)),
        list(rows, |row| {
            row.running
                .as_ref()
                .map(|boot| BootId::as_bytes(boot).to_vec())
        }),
        list(rows, |row| {
            row.key
                .as_ref()
                .map(|key| IdempotencyKey::as_bytes(key).to_vec())
        }),
        list(rows, |row| row.unreviewed),
        list(rows, |row| number(row.last_seq)),
    ];
    (!rows.is_empty()).then_some(Step::Ask(REQUESTS, values))
}

fn data_keys(keys: &[(RequestId, WrappedKey)]) -> Option<Step> {
    let values = vec![
        list(keys, |(request, _)| request.as_bytes().to_vec()),
        list(keys, |(_, key)| key.by.as_bytes().to_vec()),
        list(keys, |(_, key)| key.ciphertext.clone()),
    ];
    (!keys.is_empty()).then_some(Step::Ask(DATA_KEYS, values))
}

fn disclosures(disclosures: &[(RequestId, SealedDisclosure)]) -> Option<Step> {
    let values = vec![
        list(disclosures, |(request, _)| request.as_bytes().to_vec()),
        list(disclosures, |(_, sealed)| {
            sealed.commitment.as_str().to_owned()
        }),
        list(disclosures, |(_, sealed)| sealed.ciphertext.clone()),
    ];
    (!disclosures.is_empty()).then_some(Step::Ask(DISCLOSURES, values))
}

/// Deletes what opens these requests; nothing, when there is nothing.
fn erased(sql: &'static str, erased: &[RequestId]) -> Option<Step> {
    let ids = list(erased, |request| request.as_bytes().to_vec());
    (!erased.is_empty()).then(|| Step::Ask(sql, vec![ids]))
}

fn counters(counted: &[Counted]) -> Option<Step> {
    let mut sums: BTreeMap<(&str, Timestamp), u64> = BTreeMap::new();
    for one in counted {
        let sum = sums.entry((&one.counter, one.at)).or_default();
        *sum = sum.saturating_add(one.amount);
    }
    let sums: Vec<_> = sums.into_iter().collect();
    let values = vec![
        list(&sums, |((counter, _), _)| (*counter).to_owned()),
        list(&sums, |((_, at), _)| at.as_micros()),
        list(&sums, |(_, amount)| number(*amount)),
    ];
    (!sums.is_empty()).then_some(Step::Ask(COUNTERS, values))
}

/// Throws away what no window reaches any more.
fn forget(counted: &[Counted]) -> Option<Step> {
    let newest = counted.iter().map(|one| one.at).max()?;
    let values = vec![
        list(counted, |one| one.counter.clone()),
        Value::new(newest.before(COUNTED_FOR).as_micros()),
    ];
    Some(Step::Ask(FORGET, values))
}

fn channels(channels: &[String]) -> Option<Step> {
    let names = vec![Value::new(channels.to_vec())];
    (!channels.is_empty()).then_some(Step::Ask(CHANNELS, names))
}

fn followed(followed: &[(String, u64)]) -> Option<Step> {
    // One row for each: a statement cannot change one twice.
    let mut furthest: BTreeMap<&str, u64> = BTreeMap::new();
    for (follower, next) in followed {
        let come = furthest.entry(follower).or_default();
        *come = (*next).max(*come);
    }
    let furthest: Vec<_> = furthest.into_iter().collect();
    let values = vec![
        list(&furthest, |(follower, _)| (*follower).to_owned()),
        list(&furthest, |(_, next)| number(*next)),
    ];
    (!furthest.is_empty()).then_some(Step::Ask(FOLLOWED, values))
}

fn notices(notices: &[(u64, RequestId)], due: Timestamp) -> Option<Step> {
    let values = vec![
        list(notices, |(seq, _)| number(*seq)),
        list(notices, |(_, request)| request.as_bytes().to_vec()),
        Value::new(due.as_micros()),
    ];
    (!notices.is_empty()).then_some(Step::Ask(NOTICES, values))
}

fn delivered(delivered: &[(u64, String)]) -> Option<Step> {
    let values = vec![
        list(delivered, |(seq, _)| number(*seq)),
        list(delivered, |(_, channel)| channel.clone()),
    ];
    (!delivered.is_empty()).then_some(Step::Ask(DELIVERED, values))
}

/// Tells every process that listens which requests there is something new about.
fn ring(named: &[RequestId]) -> Option<Step> {
    let words = named.chunks(NAMED).map(|some| {
        some.iter()
            .map(|request| format!("{:032x}", u128::from_be_bytes(*request.as_bytes())))
            .collect::<String>()
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| Step::Ask(RING, vec![Value::new(words)]))
}

/// The requests that a ring names; none for what is no ring of ours.
pub(super) fn rung(words: &str) -> Vec<RequestId> {
    let names = words.as_bytes().chunks_exact(32);
    let names = names.filter_map(|name| std::str::from_utf8(name).ok());
    let numbers = names.filter_map(|name| u128::from_str_radix(name, 16).ok());
    numbers
        .map(|number| RequestId::from_bytes(number.to_be_bytes()))
        .collect()
}

/// One column of many rows.
fn list<T, V>(rows: &[T], value: impl Fn(&T) -> V) -> Value
where
    Vec<V>: tokio_postgres::types::ToSql + Send + Sync + 'static,
{
    Value::new(rows.iter().map(value).collect::<Vec<V>>())
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Where rings are heard.
pub(super) const LISTEN: &str = "LISTEN approvals";

const RING: &str = "SELECT pg_notify('approvals', words) FROM unnest($1::text[]) AS words";

const IDS: &str = "INSERT INTO approvals.ids (id) \
    SELECT id FROM unnest($1::bytea[]) WITH ORDINALITY AS named (id, place) \
    WHERE NOT EXISTS (SELECT FROM approvals.ids AS known WHERE known.id = named.id) ORDER BY place";

const RECORDS: &str = "INSERT INTO approvals.records (seq, leaf, request, bytes) \
    SELECT seq, leaf, (SELECT n FROM approvals.ids WHERE id = request), bytes \
    FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[]) AS added (seq, leaf, request, bytes)";

const SUBTREES: &str = "INSERT INTO approvals.subtrees (level, n, hash) \
    SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])";

const REQUESTS: &str = "INSERT INTO approvals.requests \
        (n, scope, agent, status, created_at, deadline, due, running, key, unreviewed, last_seq) \
    SELECT (SELECT n FROM approvals.ids WHERE ids.id = changed.id), \
        scope, agent, status, created_at, deadline, due, running, key, unreviewed, last_seq \
    FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], \
        $7::bigint[], $8::bytea[], $9::bytea[], $10::boolean[], $11::bigint[]) \
        AS changed (id, scope, agent, status, created_at, deadline, due, running, key, unreviewed, last_seq) \
    ON CONFLICT (n) DO UPDATE SET status = excluded.status, deadline = excluded.deadline, \
        due = excluded.due, running = excluded.running, \
        unreviewed = excluded.unreviewed, last_seq = excluded.last_seq";

const DATA_KEYS: &str = "INSERT INTO approvals.data_keys (request, wrapped_by, ciphertext) \
    SELECT (SELECT n FROM approvals.ids WHERE id = request), wrapped_by, ciphertext \
    FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS wrapped (request, wrapped_by, ciphertext) \
    ON CONFLICT (request) DO UPDATE SET wrapped_by = excluded.wrapped_by, \
        ciphertext = excluded.ciphertext";

const DISCLOSURES: &str = "INSERT INTO approvals.disclosures (request, commitment, ciphertext) \
    SELECT (SELECT n FROM approvals.ids WHERE id = request), commitment, ciphertext \
    FROM unnest($1::bytea[], $2::text[], $3::bytea[]) WITH ORDINALITY \
        AS added (request, commitment, ciphertext, place) ORDER BY place";

const ERASED: &str = "DELETE FROM approvals.disclosures USING approvals.ids \
    WHERE ids.id = ANY($1::bytea[]) AND disclosures.request = ids.n";

const ERASED_KEYS: &str = "DELETE FROM approvals.data_keys USING approvals.ids \
    WHERE ids.id = ANY($1::bytea[]) AND data_keys.request = ids.n";

const COUNTERS: &str = "INSERT INTO approvals.counters (counter, at, amount) \
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[]) \
    ON CONFLICT (counter, at) DO UPDATE SET amount = counters.amount + excluded.amount";

const FORGET: &str = "DELETE FROM approvals.counters WHERE counter = ANY($1::text[]) AND at < $2";

const CHANNELS: &str = "INSERT INTO approvals.channels (name) \
    SELECT * FROM unnest($1::text[]) ON CONFLICT DO NOTHING";

const FOLLOWED: &str = "INSERT INTO approvals.channels (name, next) \
    SELECT * FROM unnest($1::text[], $2::bigint[]) \
    ON CONFLICT (name) DO UPDATE SET next = excluded.next WHERE channels.next < excluded.next";

const NOTICES: &str = "INSERT INTO approvals.outbox (seq, channel, request, due_at, attempts) \
    SELECT seq, name, (SELECT n FROM approvals.ids WHERE id = request), $3, 0 \
    FROM unnest($1::bigint[], $2::bytea[]) AS told (seq, request) CROSS JOIN approvals.channels \
    WHERE next IS NULL";

const DELIVERED: &str = "DELETE FROM approvals.outbox \
    USING unnest($1::bigint[], $2::text[]) AS done (seq, channel) \
    WHERE outbox.seq = done.seq AND outbox.channel = done.channel";

const HEAD: &str = "UPDATE approvals.head SET epoch = $1, size = $2, peaks = $3, last_at = $4, \
    note = $5, policy_version = $6, policy_digest = $7, disclosure_key = $8, keys = $9 WHERE alone = 0";

const IS_DUE: &str = "SELECT EXISTS (SELECT FROM approvals.outbox \
    WHERE channel = ANY($1::text[]) AND due_at <= $2) AS due";

const TAKE_DUE: &str = "WITH due AS ( \
        SELECT found.seq, found.channel FROM unnest($1::text[]) AS name CROSS JOIN LATERAL ( \
            SELECT seq, channel FROM approvals.outbox WHERE channel = name AND due_at <= $2 \
            ORDER BY due_at, seq LIMIT $5) AS found) \
    UPDATE approvals.outbox SET attempts = attempts + 1, \
        due_at = $2 + $3::bigint * (1 << least(attempts, $4::int)) \
    FROM due WHERE outbox.seq = due.seq AND outbox.channel = due.channel \
    RETURNING outbox.seq, outbox.channel, outbox.attempts - 1 AS attempts, \
        (SELECT id FROM approvals.ids WHERE ids.n = outbox.request)";

/// Every statement, for the test that none of them reads more than it must.
#[cfg(all(test, unix))]
pub(super) const ALL: &[&str] = &[
    RING,
    IDS,
    RECORDS,
    SUBTREES,
    REQUESTS,
    DATA_KEYS,
    DISCLOSURES,
    COUNTERS,
    ERASED,
    ERASED_KEYS,
    FORGET,
    CHANNELS,
    FOLLOWED,
    NOTICES,
    DELIVERED,
    HEAD,
    IS_DUE,
    TAKE_DUE,
];
