CREATE TABLE approvals.versions (
    version integer PRIMARY KEY,
    since   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION approvals.refuse() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is never allowed on %', lower(TG_OP), TG_TABLE_NAME USING ERRCODE = 'AP002';
END $$;

-- The log itself: the leaf hash and the exact bytes of every record, from 0, without gaps.
-- `request` (see `ids`) only finds the records of one request; the bytes say the same.
CREATE TABLE approvals.records (
    seq     bigint PRIMARY KEY,
    leaf    bytea NOT NULL CHECK (octet_length(leaf) = 32),
    request bigint,
    bytes   bytea NOT NULL
);
CREATE INDEX records_of ON approvals.records (request, seq) WHERE request IS NOT NULL;
CREATE INDEX records_of_log ON approvals.records (seq) WHERE request IS NULL;

-- Where the log ends: one row, written in every transaction that adds anything. Each one raises
-- `epoch` by one, so that no two can follow the same head.
CREATE TABLE approvals.head (
    alone          smallint PRIMARY KEY DEFAULT 0 CHECK (alone = 0),
    epoch          bigint NOT NULL,
    size           bigint NOT NULL,
    peaks          bytea NOT NULL,
    last_at        bigint,
    note           text,
    policy_version bigint,
    policy_digest  bytea,
    disclosure_key bytea,
    keys           text NOT NULL DEFAULT ''
) WITH (fillfactor = 10);
INSERT INTO approvals.head (epoch, size, peaks) VALUES (0, 0, '');

CREATE FUNCTION approvals.at_the_end() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added, approvals.head
        HAVING min(added.seq) <> min(head.size)
            OR max(added.seq) <> min(head.size) + count(*) - 1
    ) THEN
        RAISE EXCEPTION 'records are only added, one after another' USING ERRCODE = 'AP001';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER records_are_added_at_the_end AFTER INSERT ON approvals.records
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION approvals.at_the_end();
CREATE TRIGGER records_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals.records
    FOR EACH STATEMENT EXECUTE FUNCTION approvals.refuse();

CREATE FUNCTION approvals.moves_on() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.epoch <> OLD.epoch + 1 OR NEW.size < OLD.size THEN
        RAISE EXCEPTION 'the head has moved on to epoch %', OLD.epoch USING ERRCODE = 'AP001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER head_moves_on BEFORE UPDATE ON approvals.head
    FOR EACH ROW EXECUTE FUNCTION approvals.moves_on();
CREATE TRIGGER head_stays BEFORE INSERT OR DELETE OR TRUNCATE ON approvals.head
    FOR EACH STATEMENT EXECUTE FUNCTION approvals.refuse();

-- Everything below follows from the records, or is thrown away when it has been used.

-- Roots of complete subtrees: level 8 covers 256 records, level 16 covers 65,536, and so on. With
-- them a proof reads few rows, however long the log is.
CREATE TABLE approvals.subtrees (
    level smallint NOT NULL,
    n     bigint NOT NULL,
    hash  bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, n)
);
CREATE TRIGGER subtrees_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals.subtrees
    FOR EACH STATEMENT EXECUTE FUNCTION approvals.refuse();

-- Requests have random ids; inside they have numbers, in the order of asking, so that what happens
-- at the same time lies in the same pages.
CREATE TABLE approvals.ids (
    n  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id bytea NOT NULL UNIQUE CHECK (octet_length(id) = 16)
);
CREATE TRIGGER ids_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals.ids
    FOR EACH STATEMENT EXECUTE FUNCTION approvals.refuse();

-- Where each request stands. Times are microseconds since 1970.
CREATE TABLE approvals.requests (
    n          bigint PRIMARY KEY,
    scope      text NOT NULL,
    agent      text NOT NULL,
    status     text NOT NULL,
    created_at bigint NOT NULL,
    deadline   bigint,
    due        bigint,
    running    bytea,
    key        bytea,
    unreviewed boolean NOT NULL,
    last_seq   bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX requests_by_status ON approvals.requests (status, n);
CREATE INDEX requests_by_due ON approvals.requests (due) WHERE due IS NOT NULL;
CREATE INDEX requests_running ON approvals.requests (n) WHERE running IS NOT NULL;
CREATE INDEX requests_by_key ON approvals.requests (key, n) WHERE key IS NOT NULL;
CREATE INDEX requests_unreviewed ON approvals.requests (agent, n) WHERE unreviewed;

-- What opens the commitments in the records, as ciphertext under the data key of its request.
-- Erasure deletes rows here and the one data key.
CREATE TABLE approvals.disclosures (
    place      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request    bigint NOT NULL,
    commitment text NOT NULL,
    ciphertext bytea NOT NULL
);
CREATE INDEX disclosures_of ON approvals.disclosures (request, place);

-- The data key of each request, wrapped by a disclosure key, which lies in no database.
CREATE TABLE approvals.data_keys (
    request    bigint PRIMARY KEY,
    wrapped_by bytea NOT NULL,
    ciphertext bytea NOT NULL
);
CREATE INDEX data_keys_by_key ON approvals.data_keys (wrapped_by);

-- By how much a counter was raised, and when.
CREATE TABLE approvals.counters (
    counter text NOT NULL,
    at      bigint NOT NULL,
    amount  bigint NOT NULL,
    PRIMARY KEY (counter, at)
);

-- The channels that draw changes, and the changes they have yet to draw. Whoever follows the log
-- instead has nothing in the outbox, and in `next` the first record that it has not taken.
CREATE TABLE approvals.channels (name text COLLATE "C" PRIMARY KEY, next bigint);
CREATE TABLE approvals.outbox (
    seq      bigint NOT NULL,
    channel  text NOT NULL,
    request  bigint NOT NULL,
    due_at   bigint NOT NULL,
    attempts integer NOT NULL,
    PRIMARY KEY (seq, channel)
);
CREATE INDEX outbox_by_channel ON approvals.outbox (channel, due_at, seq);
