//! The rows of the table, and what we want of each.

use super::results::Of;
use super::table::{Better, Goal, Row};

const OURS: &str = crate::ours::PEER;
const FLOOR: &str = crate::floor::PEER;

const fn of(peer: &'static str, variant: &'static str, store: &'static str) -> Of {
    Of {
        peer,
        variant,
        store,
        n: None,
    }
}

const fn many(of: Of, n: f64) -> Of {
    Of { n: Some(n), ..of }
}

const SLOW: &str = "sim1ms";
const FREE: &str = "tmpfs";
const MEMORY: &str = "memory";

type Key = (Of, &'static str);

/// A row without a floor and without rivals, to which they are added.
const fn row(
    what: &'static str,
    unit: &'static str,
    (ours, key): Key,
    better: Better,
    goal: Goal,
) -> Row {
    Row {
        what,
        unit,
        key,
        better,
        ours,
        floor: None,
        rivals: &[],
        goal,
    }
}

impl Row {
    const fn floor(mut self, key: Key) -> Self {
        self.floor = Some(key);
        self
    }

    const fn rivals(mut self, rivals: &'static [Key]) -> Self {
        self.rivals = rivals;
        self
    }
}

/// All rows.
pub(super) const ROWS: &[&[Row]] = &[GUARD, SQLITE, POSTGRES, PENDING, LOG, START];

const GUARD: &[Row] = &[
    row(
        "W1 allowed call, p50",
        "µs",
        (of(OURS, "allow", MEMORY), "p50_us"),
        Better::Less,
        Goal::Rival(1.0),
    )
    .floor((of(FLOOR, "allow_canonical_sha256", MEMORY), "p50_us"))
    .rivals(&[
        (of("agentmesh", "allow", MEMORY), "p50_us"),
        (of("langgraph", "allow", MEMORY), "p50_us"),
        (of("openai_agents", "allow", MEMORY), "p50_us"),
    ]),
    row(
        "W1 allowed call past 100k records, p50",
        "µs",
        (of(OURS, "allow_after_100k_records", MEMORY), "p50_us"),
        Better::Less,
        Goal::Rival(1.0),
    )
    .rivals(&[(
        of("agentmesh", "allow_after_100k_entries", MEMORY),
        "p50_us",
    )]),
    row(
        "W1 ask, instant yes, unsigned, p50",
        "µs",
        (of(OURS, "ask_immediate", MEMORY), "p50_us"),
        Better::Less,
        Goal::Rival(1.0),
    )
    .floor((of(FLOOR, "ask_oneshot", MEMORY), "p50_us"))
    .rivals(&[
        (of("agentmesh", "ask_immediate_host_glue", MEMORY), "p50_us"),
        (of("langgraph", "ask_immediate", MEMORY), "p50_us"),
        (of("openai_agents", "ask_immediate", MEMORY), "p50_us"),
    ]),
    row(
        "W1 ask, instant yes, signed, p50",
        "µs",
        (of(OURS, "ask_immediate_signed", MEMORY), "p50_us"),
        Better::Less,
        Goal::Floor(1.5),
    )
    .floor((of(FLOOR, "sign_verify_once", MEMORY), "p50_us")),
];

const SQLITE: &[Row] = &[
    row(
        "W2 SQLite, one by one, 1 ms sync",
        "/s",
        (of(OURS, "sqlite", SLOW), "per_s"),
        Better::More,
        Goal::Floor(0.85),
    )
    .floor((of(FLOOR, "sqlite_4_commits", SLOW), "per_s"))
    .rivals(&[
        (of("pyledgers", "gate_blocking", SLOW), "per_s"),
        (of("langgraph", "seq_sync", SLOW), "per_s"),
        (of("dbos", "sqlite_tuned", SLOW), "per_s"),
        (of("openai_agents", "seq_runstate_sqlite", SLOW), "per_s"),
    ]),
    row(
        "W2 syncs an approval, one by one",
        "",
        (of(OURS, "sqlite", SLOW), "syncs_per"),
        Better::Less,
        Goal::Floor(1.02),
    )
    .floor((of(FLOOR, "sqlite_4_commits", SLOW), "syncs_per")),
    row(
        "W2 wake, 1 ms sync, p50",
        "µs",
        (of(OURS, "sqlite", SLOW), "wake_p50_us"),
        Better::Less,
        Goal::Value(2_500.0),
    )
    .floor((of(FLOOR, "sqlite_4_commits", SLOW), "wake_p50_us")),
    row(
        "W2 wake, free sync, p50",
        "µs",
        (of(OURS, "sqlite", FREE), "wake_p50_us"),
        Better::Less,
        Goal::Value(250.0),
    )
    .floor((of(FLOOR, "sqlite_4_commits", FREE), "wake_p50_us"))
    .rivals(&[
        (of("restate_ts", "seq", FREE), "wake_p50_us"),
        (of("dbos", "sqlite_tuned", FREE), "wake_p50_us"),
    ]),
    row(
        "W2 SQLite, 64 waiting, 1 ms sync",
        "/s",
        (of(OURS, "sqlite_conc64", SLOW), "per_s"),
        Better::More,
        Goal::Value(5_000.0),
    )
    .floor((of(FLOOR, "sqlite_group_commit_64", SLOW), "per_s")),
    row(
        "W2 syncs an approval, 64 waiting",
        "",
        (of(OURS, "sqlite_conc64", SLOW), "syncs_per"),
        Better::Less,
        Goal::Value(0.3),
    )
    .floor((of(FLOOR, "sqlite_group_commit_64", SLOW), "syncs_per")),
    row(
        "W2 SQLite, 64 waiting, free sync",
        "/s",
        (of(OURS, "sqlite_conc64", FREE), "per_s"),
        Better::More,
        Goal::Rival(5.0),
    )
    .floor((of(FLOOR, "sqlite_group_commit_64", FREE), "per_s"))
    .rivals(&[(of("restate_ts", "conc64", FREE), "per_s")]),
    row(
        "W2 bytes an approval, log included",
        "B",
        (of(OURS, "sqlite", SLOW), "bytes_per"),
        Better::Less,
        Goal::Value(1_500.0),
    )
    .floor((of(FLOOR, "sqlite_4_commits", SLOW), "bytes_per"))
    .rivals(&[
        (of("dbos", "sqlite_tuned", SLOW), "bytes_per"),
        (of("langgraph", "seq_sync", SLOW), "bytes_per"),
        (of("pyledgers", "gate_blocking", SLOW), "bytes_per"),
    ]),
    row(
        "W2 peak memory",
        "MB",
        (of(OURS, "sqlite", SLOW), "rss_mb"),
        Better::Less,
        Goal::Value(15.0),
    )
    .floor((of(FLOOR, "sqlite_4_commits", SLOW), "rss_mb"))
    .rivals(&[
        (of("dbos", "sqlite_tuned", SLOW), "rss_mb"),
        (of("langgraph", "seq_sync", SLOW), "rss_mb"),
    ]),
];

const POSTGRES: &[Row] = &[
    row(
        "W3 PostgreSQL wake, 1 ms sync, p50",
        "µs",
        (of(OURS, "postgres", SLOW), "wake_p50_us"),
        Better::Less,
        Goal::Floor(1.2),
    )
    .floor((of(FLOOR, "pg_listen_notify", SLOW), "wake_p50_us"))
    .rivals(&[
        (of("dbos_rs", "listen_notify", SLOW), "wake_p50_us"),
        (of("dbos", "listen_notify", SLOW), "wake_p50_us"),
    ]),
    row(
        "W3 PostgreSQL wake, free sync, p50",
        "µs",
        (of(OURS, "postgres", FREE), "wake_p50_us"),
        Better::Less,
        Goal::Floor(3.0),
    )
    .floor((of(FLOOR, "pg_listen_notify", FREE), "wake_p50_us"))
    .rivals(&[
        (of("dbos_rs", "listen_notify", FREE), "wake_p50_us"),
        (of("dbos", "listen_notify", FREE), "wake_p50_us"),
    ]),
    row(
        "W3 PostgreSQL, 64 waiting, 1 ms sync",
        "/s",
        (of(OURS, "postgres_conc64", SLOW), "per_s"),
        Better::More,
        Goal::Rival(5.0),
    )
    .floor((of(FLOOR, "pg_listen_notify", SLOW), "per_s"))
    .rivals(&[
        (of("dbos_rs", "listen_notify", SLOW), "per_s"),
        (of("dbos", "listen_notify", SLOW), "per_s"),
    ]),
    row(
        "W3 PostgreSQL, 64 waiting, free sync",
        "/s",
        (of(OURS, "postgres_conc64", FREE), "per_s"),
        Better::More,
        Goal::Rival(5.0),
    )
    .floor((of(FLOOR, "pg_listen_notify", FREE), "per_s"))
    .rivals(&[
        (of("dbos_rs", "listen_notify", FREE), "per_s"),
        (of("dbos", "listen_notify", FREE), "per_s"),
    ]),
];

const PENDING: &[Row] = &[
    row(
        "W4 memory of a pending request, 10k",
        "B",
        (many(of(OURS, "sqlite_signed", FREE), 1e4), "rss_bytes_per"),
        Better::Less,
        Goal::Value(1_500.0),
    )
    .floor((many(of(FLOOR, "tokio_tasks", MEMORY), 1e4), "rss_bytes_per"))
    .rivals(&[
        (of("langgraph", "memory", MEMORY), "rss_bytes_per"),
        (of("dbos_rs", "postgres", FREE), "rss_bytes_per"),
        (of("restate_ts", "conc64", FREE), "rss_bytes_per"),
    ]),
    row(
        "W4 decide 10k, signed",
        "s",
        (many(of(OURS, "sqlite_signed", FREE), 1e4), "decide_all_s"),
        Better::Less,
        Goal::Value(2.0),
    )
    .floor((
        many(of(FLOOR, "tokio_plus_sqlite_group_commit", FREE), 1e4),
        "decide_all_s",
    ))
    .rivals(&[
        (of("langgraph", "memory", MEMORY), "decide_all_s"),
        (of("dbos_rs", "postgres", FREE), "decide_all_s"),
        (of("restate_ts", "conc64", FREE), "decide_all_s"),
    ]),
    row(
        "W4 memory of a pending request, 100k",
        "B",
        (many(of(OURS, "sqlite_signed", FREE), 1e5), "rss_bytes_per"),
        Better::Less,
        Goal::Value(1_500.0),
    )
    .floor((many(of(FLOOR, "tokio_tasks", MEMORY), 1e5), "rss_bytes_per")),
];

const LOG: &[Row] = &[
    row(
        "W5 records durable, one caller, 1 ms sync",
        "/s",
        (of(OURS, "append_1_caller", SLOW), "append_per_s"),
        Better::More,
        Goal::Rival(1.0),
    )
    .floor((of(FLOOR, "sign_each_fdatasync_each", SLOW), "append_per_s"))
    .rivals(&[
        (of("pyledgers", "agentguard", SLOW), "append_per_s"),
        (of("pyledgers", "pymerkle_sqlite", SLOW), "append_per_s"),
    ]),
    row(
        "W5 records durable, 64 callers, 1 ms sync",
        "/s",
        (of(OURS, "append_64_callers", SLOW), "append_per_s"),
        Better::More,
        Goal::Floor(0.72),
    )
    .floor((of(FLOOR, "sign_each_fdatasync_64", SLOW), "append_per_s")),
    row(
        "W5 verify, integrity",
        "/s",
        (of(OURS, "append_64_callers", SLOW), "verify_per_s"),
        Better::More,
        Goal::Value(300_000.0),
    )
    .floor((of(FLOOR, "sign_64_fdatasync_64", SLOW), "verify_per_s"))
    .rivals(&[
        (of("pyledgers", "agentguard", SLOW), "verify_per_s"),
        (
            of("agentmesh", "audit_hash_chain_memory", MEMORY),
            "verify_per_s",
        ),
    ]),
    row(
        "W5 make a proof at 1M, p50",
        "µs",
        (many(of(OURS, "proofs", MEMORY), 1e6), "prove_p50_us"),
        Better::Less,
        Goal::Value(5.0),
    )
    .rivals(&[
        (
            many(of("tlog_tiles", "memory", MEMORY), 1e6),
            "prove_p50_us",
        ),
        (many(of("ct_merkle", "memory", MEMORY), 1e6), "prove_p50_us"),
    ]),
    row(
        "W5 check a proof at 1M, p50",
        "µs",
        (many(of(OURS, "proofs", MEMORY), 1e6), "verify_proof_p50_us"),
        Better::Less,
        Goal::Value(5.0),
    )
    .rivals(&[
        (
            many(of("tlog_tiles", "memory", MEMORY), 1e6),
            "verify_proof_p50_us",
        ),
        (
            many(of("ct_merkle", "memory", MEMORY), 1e6),
            "verify_proof_p50_us",
        ),
    ]),
];

const START: &[Row] = &[
    start("W6 start to first guarded call", "ms", "start_ms", 5.0).rivals(&[
        (of("agentmesh", "first_call", FREE), "start_ms"),
        (of("langgraph", "first_call", FREE), "start_ms"),
        (of("dbos", "first_call", FREE), "start_ms"),
        (of("openai_agents", "first_call", FREE), "start_ms"),
        (of("pyledgers", "first_call", FREE), "start_ms"),
    ]),
    start("W6 peak memory", "MB", "rss_mb", 10.0),
    start("W6 program", "MB", "binary_mb", 8.0),
];

const fn start(what: &'static str, unit: &'static str, key: &'static str, goal: f64) -> Row {
    row(
        what,
        unit,
        (of(OURS, "first_call", FREE), key),
        Better::Less,
        Goal::Value(goal),
    )
    .floor((of(FLOOR, "first_call", FREE), key))
}
