//! PostgreSQL as it meets the world: the published suite, other programs, roles, settings.
#![cfg(all(unix, feature = "postgres"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::OnceLock;

use approvals_core::clock::Timestamp;
use approvals_core::id::BootId;
use approvals_core::ports::{Counted, Filter, Reader, Store, StoreError};
use approvals_core::request::IdempotencyKey;
use approvals_core::testing::conformance;
use approvals_scratch::{Cluster, name};
use approvals_store::postgres::{PostgresReader, PostgresStore, ROLES};
use support::{add, one_more, size};

#[test]
fn postgres_keeps_every_promise() {
    let cluster = Cluster::shared();
    conformance::check(|| PostgresStore::open(&cluster.database()).unwrap());
}

#[test]
fn postgres_keeps_every_promise_to_processes_that_share_it() {
    let cluster = Cluster::shared();
    conformance::check_shared(|| {
        let url = cluster.database();
        (
            PostgresStore::open(&url).unwrap(),
            PostgresStore::open(&url).unwrap(),
        )
    });
}

/// A refusal that can be tried again, in these words.
fn refused<T>(opened: Result<T, StoreError>, words: &str) {
    let error = opened.map(drop).unwrap_err();
    assert!(
        !error.is_fatal() && error.to_string().contains(words),
        "{error}"
    );
}

#[test]
fn other_databases_are_refused_and_left_as_they_are() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    cluster.sql(
        name(&url),
        "CREATE SCHEMA approvals; CREATE TABLE approvals.mail (text text)",
    );
    refused(PostgresStore::open(&url), "another program");
    refused(PostgresStore::open_existing(&url), "another program");
    refused(PostgresReader::open(&url), "another program");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'approvals'::regnamespace AND relkind = 'r'";
    assert_eq!(cluster.sql(name(&url), tables), "1");

    let url = cluster.database();
    PostgresStore::migrate(&url).unwrap();
    let mut open = PostgresStore::open(&url).unwrap();
    add(&mut open, b"kept");
    cluster.sql(name(&url), "INSERT INTO approvals.versions VALUES (99)");
    refused(PostgresStore::open(&url), "upgrade this program");
    refused(PostgresReader::open(&url), "upgrade this program");
    // Whoever had it open before stops, too.
    refused(open.begin(), "upgrade this program");

    let nowhere = cluster.url("postgres", "nowhere");
    refused(PostgresStore::open(&nowhere), "does not exist");
}

#[test]
fn a_lost_database_is_not_mistaken_for_a_new_ledger() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    refused(PostgresStore::open_existing(&url), "there is no ledger");
    refused(PostgresReader::open(&url), "there is no ledger");
    let mut store = PostgresStore::open(&url).unwrap();
    add(&mut store, b"kept");
    assert_eq!(size(&mut PostgresStore::open_existing(&url).unwrap()), 1);
    assert_eq!(size(&mut PostgresReader::open(&url).unwrap()), 1);
}

#[test]
fn everybody_may_start_at_once() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| add_one(&mut PostgresStore::open(&url).unwrap()));
        }
    });
    assert_eq!(size(&mut PostgresReader::open(&url).unwrap()), 8);
    let versions = "SELECT count(*) FROM approvals.versions";
    assert_eq!(cluster.sql(name(&url), versions), "1");
}

/// Adds one record, however many others do the same.
fn add_one(store: &mut PostgresStore) {
    let head = store.begin().unwrap();
    store.commit(&one_more(&head, b"one")).unwrap();
}

#[test]
fn it_can_be_opened_and_dropped_wherever_a_program_stands() {
    let url = Cluster::shared().database();
    let work = || {
        let mut store = PostgresStore::open(&url).unwrap();
        store.announce(BootId::random().unwrap()).unwrap();
        add(&mut store, b"one");
        let reader = store.reader().unwrap();
        drop((store, reader));
    };
    work();
    let mut one = tokio::runtime::Builder::new_current_thread();
    one.enable_all().build().unwrap().block_on(async { work() });
    let mut many = tokio::runtime::Builder::new_multi_thread();
    let many = many.worker_threads(2).enable_all().build().unwrap();
    many.block_on(async { work() });
    assert_eq!(size(&mut PostgresReader::open(&url).unwrap()), 3);
}

#[test]
fn a_server_that_may_lose_what_it_acknowledged_is_refused() {
    let cluster = Cluster::start("");
    let url = cluster.database();
    let mut store = PostgresStore::open(&url).unwrap();
    add(&mut store, b"kept");

    cluster.sql(
        "postgres",
        "ALTER ROLE postgres SET synchronous_commit = off",
    );
    refused(PostgresStore::open(&url), "ALTER ROLE");
    cluster.sql("postgres", "ALTER ROLE postgres RESET synchronous_commit");

    // What was found to be durable stays so, whatever is configured later.
    let set = |what: &str| {
        cluster.sql("postgres", &format!("ALTER SYSTEM {what}"));
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        std::thread::sleep(std::time::Duration::from_millis(300));
    };
    set("SET synchronous_commit = off");
    refused(PostgresStore::open(&url), "synchronous_commit");
    add(&mut store, b"kept, too");
    let asked =
        "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_commit' AND setting = 'on'";
    assert_eq!(cluster.sql("postgres", asked), "0");
    set("RESET synchronous_commit");

    set("SET fsync = off");
    refused(PostgresStore::open(&url), "set `fsync = on`");
    refused(store.begin(), "set `fsync = on`");
    set("RESET fsync");
    add(&mut store, b"kept again");
    assert_eq!(size(&mut store), 3);
}

/// A ledger with its roles: an owner who made it, a gate, and an auditor.
fn with_roles(cluster: &Cluster) -> String {
    static ROLES_MADE: OnceLock<()> = OnceLock::new();
    ROLES_MADE.get_or_init(|| {
        cluster.sql("postgres", ROLES);
        let logins = "CREATE ROLE owner LOGIN; CREATE ROLE gate LOGIN IN ROLE approvals_app; \
            CREATE ROLE auditor LOGIN IN ROLE approvals_auditor; CREATE ROLE stranger LOGIN";
        cluster.sql("postgres", logins);
    });
    let url = cluster.database();
    let database = name(&url);
    cluster.sql(
        "postgres",
        &format!("ALTER DATABASE {database} OWNER TO owner"),
    );
    database.to_owned()
}

#[test]
fn a_gate_adds_to_the_log_and_cannot_change_it() {
    let cluster = Cluster::shared();
    let database = with_roles(cluster);
    let gate = cluster.url("gate", &database);
    // It may not make a ledger, and so it does not.
    refused(PostgresStore::open(&gate), "roles");
    PostgresStore::migrate(&cluster.url("owner", &database)).unwrap();

    let mut store = PostgresStore::open(&gate).unwrap();
    use_everything(&mut store);
    for table in ["records", "subtrees", "ids", "head", "versions"] {
        let changes = [
            format!("DELETE FROM approvals.{table}"),
            format!("TRUNCATE approvals.{table}"),
            format!("DROP TABLE approvals.{table}"),
            format!("ALTER TABLE approvals.{table} DISABLE TRIGGER ALL"),
        ];
        for change in changes {
            let error = cluster.try_sql("gate", &database, &change).unwrap_err();
            let no = ["permission denied", "must be owner"];
            assert!(no.iter().any(|no| error.contains(no)), "{change}: {error}");
        }
    }
    for change in [
        "UPDATE approvals.records SET bytes = ''",
        "UPDATE approvals.subtrees SET n = 9",
        "UPDATE approvals.ids SET id = id",
        "INSERT INTO approvals.versions VALUES (99)",
        "INSERT INTO approvals.head (epoch, size, peaks) VALUES (0, 0, '')",
        "CREATE TABLE approvals.mine ()",
    ] {
        let error = cluster.try_sql("gate", &database, change).unwrap_err();
        assert!(error.contains("permission denied"), "{change}: {error}");
    }
    let seen = cluster.try_sql("stranger", &database, "SELECT * FROM approvals.records");
    assert!(seen.unwrap_err().contains("permission denied"));
    assert_eq!(size(&mut store), 1);
}

#[test]
fn an_auditor_reads_the_log_and_nothing_that_people_were_shown() {
    let cluster = Cluster::shared();
    let database = with_roles(cluster);
    PostgresStore::migrate(&cluster.url("owner", &database)).unwrap();
    add(
        &mut PostgresStore::open(&cluster.url("gate", &database)).unwrap(),
        b"kept",
    );
    let auditor = cluster.url("auditor", &database);
    let mut reader = PostgresReader::open(&auditor).unwrap();
    assert_eq!(size(&mut reader), 1);
    assert_eq!(reader.records(0, 9).unwrap().len(), 1);
    assert_eq!(reader.leaves(0, 9).unwrap().len(), 1);
    assert!(reader.requests(&Filter::all()).unwrap().is_empty());
    refused(
        reader.disclosures(approvals_core::RequestId::from_bytes([1; 16])),
        "roles",
    );
    for table in ["disclosures", "data_keys"] {
        let peek = format!("SELECT * FROM approvals.{table}");
        let error = cluster.try_sql("auditor", &database, &peek).unwrap_err();
        assert!(error.contains("permission denied"), "{error}");
    }
    let mut store = PostgresStore::open(&auditor).unwrap();
    let head = store.begin().unwrap();
    refused(store.commit(&one_more(&head, b"forged")), "roles");
    assert_eq!(size(&mut reader), 1);
}

/// Everything that a gate does with a store.
fn use_everything(store: &mut PostgresStore) {
    let boot = BootId::random().unwrap();
    store.announce(boot).unwrap();
    assert!(!store.is_gone(boot));
    let head = store.begin().unwrap();
    let mut batch = one_more(&head, b"everything");
    let request = approvals_core::RequestId::from_bytes([1; 16]);
    let now = Timestamp::from_micros(1_790_000_000_000_000);
    for (stored, about) in &mut batch.records {
        *about = Some(request);
        batch.subtrees.push((8, 0, stored.leaf));
    }
    batch.requests = vec![approvals_core::ports::RequestRow::new(
        request,
        "db.drop".parse().unwrap(),
        "bot".parse().unwrap(),
        approvals_core::Status::Pending,
        now,
        0,
    )];
    batch.channels = vec!["web".to_owned()];
    batch.notices = vec![(0, request)];
    batch.counted = vec![Counted::new("calls", now, 1)];
    store.commit(&batch).unwrap();
    let due = store.take_due(&["web".to_owned()], now, std::time::Duration::from_secs(9));
    assert_eq!(due.unwrap().len(), 1);
    assert_eq!(
        store
            .count("calls", now.before(std::time::Duration::from_secs(1)))
            .unwrap(),
        1
    );
    assert_eq!(
        store.by_key(&IdempotencyKey::from_bytes([1; 32])).unwrap(),
        None
    );
    assert_eq!(store.records_of(request).unwrap().len(), 1);
    assert_eq!(store.running().unwrap(), []);
    assert_eq!(store.overdue(now, 9).unwrap(), []);
}

#[test]
fn triggers_stop_the_mistakes_of_those_who_may_do_anything() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let mut store = PostgresStore::open(&url).unwrap();
    add(&mut store, b"kept");
    for (mistake, words) in [
        ("UPDATE approvals.records SET bytes = ''", "never allowed"),
        ("DELETE FROM approvals.records", "never allowed"),
        ("TRUNCATE approvals.records", "never allowed"),
        ("DELETE FROM approvals.subtrees", "never allowed"),
        ("TRUNCATE approvals.ids", "never allowed"),
        ("DELETE FROM approvals.head", "never allowed"),
        (
            "INSERT INTO approvals.records SELECT 5, leaf, NULL, bytes FROM approvals.records",
            "one after another",
        ),
        (
            "INSERT INTO approvals.records SELECT seq + s, leaf, NULL, bytes FROM approvals.records, (VALUES (1), (3)) AS at (s)",
            "one after another",
        ),
        (
            "UPDATE approvals.head SET size = 0, epoch = epoch + 1",
            "moved on",
        ),
        ("UPDATE approvals.head SET size = 9", "moved on"),
    ] {
        let error = cluster
            .try_sql("postgres", name(&url), mistake)
            .unwrap_err();
        assert!(error.contains(words), "{mistake}: {error}");
    }
    add(&mut store, b"kept, too");
    assert_eq!(size(&mut store), 2);
}
