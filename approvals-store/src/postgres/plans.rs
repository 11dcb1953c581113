//! No statement takes longer because the log is long.

use approvals_scratch::{Cluster, name};

use super::{PostgresStore, read, session, turn, write};

#[test]
fn no_statement_reads_a_whole_table() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    PostgresStore::migrate(&url).unwrap();
    let all = [read::ALL, write::ALL, &[turn::HEAD]];
    for sql in all.into_iter().flatten() {
        let values = (1..20).take_while(|place| sql.contains(&format!("${place}")));
        let values: Vec<&str> = values.map(|_| "NULL").collect();
        let values = match values.as_slice() {
            [] => String::new(),
            values => format!("({})", values.join(", ")),
        };
        let explain = format!(
            "{}; PREPARE asked AS {sql}; EXPLAIN EXECUTE asked{values}",
            session::SETTINGS
        );
        let plan = cluster.sql(name(&url), &explain);
        for step in plan.lines().filter(|line| line.contains("Seq Scan on")) {
            // One row; and the few channels that there are.
            let small = ["Seq Scan on head", "Seq Scan on channels"];
            assert!(
                small.iter().any(|small| step.contains(small)),
                "{sql}\n{plan}"
            );
        }
    }
}
