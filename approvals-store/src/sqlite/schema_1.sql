-- The log itself: the leaf hash and the exact bytes of every record, from 0, without gaps.
-- `request` (see `ids`) only finds the records of one request; the bytes say the same.
CREATE TABLE records (
    seq     INTEGER PRIMARY KEY CHECK (seq >= 0),
    leaf    BLOB NOT NULL,
    request INTEGER,
    bytes   BLOB NOT NULL
) STRICT;
CREATE INDEX records_of ON records (request) WHERE request IS NOT NULL;
CREATE INDEX records_of_log ON records (seq) WHERE request IS NULL;

CREATE TRIGGER records_are_added_at_the_end BEFORE INSERT ON records
WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM records)
BEGIN SELECT RAISE(ABORT, 'records are only added, one after another'); END;
CREATE TRIGGER records_are_never_changed BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'records are never changed'); END;
CREATE TRIGGER records_are_never_deleted BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'records are never deleted'); END;

-- Where the log ends: one row, written in every transaction that adds records.
CREATE TABLE head (
    only           INTEGER PRIMARY KEY CHECK (only = 0),
    size           INTEGER NOT NULL,
    peaks          BLOB NOT NULL,
    last_at        INTEGER,
    note           TEXT,
    policy_version INTEGER,
    policy_digest  BLOB,
    disclosure_key BLOB,
    keys           TEXT NOT NULL
) STRICT;

-- Everything below follows from the records, or is thrown away when it has been used.

-- Roots of complete subtrees: level 8 covers 256 records, level 16 covers 65,536, and so on. With
-- them a proof reads few rows, however long the log is.
CREATE TABLE subtrees (
    level INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    hash  BLOB NOT NULL,
    PRIMARY KEY (level, n)
) STRICT, WITHOUT ROWID;

-- Requests have random ids; inside they have numbers, in the order of asking. What happens at the
-- same time then lies in the same pages, and a commit writes few of them however long the log is.
CREATE TABLE ids (
    n  INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE
) STRICT;

-- Where each request stands. Times are microseconds since 1970.
CREATE TABLE requests (
    n          INTEGER PRIMARY KEY,
    scope      TEXT NOT NULL,
    agent      TEXT NOT NULL,
    status     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    deadline   INTEGER,
    due        INTEGER,
    running    BLOB,
    key        BLOB,
    unreviewed INTEGER NOT NULL,
    last_seq   INTEGER NOT NULL
) STRICT;
CREATE INDEX requests_by_status ON requests (status);
CREATE INDEX requests_by_due ON requests (due) WHERE due IS NOT NULL;
CREATE INDEX requests_running ON requests (running) WHERE running IS NOT NULL;
CREATE INDEX requests_unreviewed ON requests (agent) WHERE unreviewed;
CREATE INDEX requests_by_key ON requests (key) WHERE key IS NOT NULL;

-- What opens the commitments in the records, as ciphertext under the data key of its request.
-- Rows are only added at the end, and erased by overwriting their bytes where they lie with zeros:
-- a deletion, or a row in between, would make SQLite move its neighbours and leave copies behind.
CREATE TABLE disclosures (
    request    INTEGER NOT NULL,
    commitment TEXT NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT;
CREATE INDEX disclosures_of ON disclosures (request);

-- The data key of each request, wrapped by a disclosure key, which lies in no database. Erased and
-- wrapped anew in place, for the same reason.
CREATE TABLE data_keys (
    request    INTEGER NOT NULL UNIQUE,
    wrapped_by BLOB NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT;
CREATE INDEX data_keys_by_key ON data_keys (wrapped_by);

-- By how much a counter was raised, and when.
CREATE TABLE counters (
    counter TEXT NOT NULL,
    at      INTEGER NOT NULL,
    amount  INTEGER NOT NULL,
    PRIMARY KEY (counter, at)
) STRICT, WITHOUT ROWID;

-- The channels that draw changes, and the changes they have yet to draw. Whoever follows the log
-- instead has nothing in the outbox, and in `next` the first record that it has not taken.
CREATE TABLE channels (name TEXT PRIMARY KEY, next INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    seq      INTEGER NOT NULL,
    channel  TEXT NOT NULL,
    request  INTEGER NOT NULL,
    due_at   INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (seq, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_channel ON outbox (channel, due_at);
