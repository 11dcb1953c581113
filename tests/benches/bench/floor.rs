//! Raw floors: the same disk and the same database, with nothing of ours.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};

use crate::table::percentile;

const RECORD: [u8; 500] = [7; 500];

/// Milliseconds of one append and fdatasync, at the median.
pub fn sync_ms(dir: &Path) -> f64 {
    let path = dir.join("probe");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("a file");
    let mut samples = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        file.write_all(&RECORD).expect("written");
        file.sync_data().expect("synced");
        samples.push(start.elapsed().as_secs_f64() * 1e3);
    }
    percentile(&mut samples, 0.5)
}

/// Records a second that plain SQLite takes, so many to a commit, WAL and `synchronous=FULL`.
pub fn sqlite_per_second(dir: &Path, per_commit: usize, commits: usize) -> f64 {
    let path = dir.join(format!("floor-{per_commit}.db"));
    let mut connection = Connection::open(path).expect("a database");
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE r(seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL);").expect("a table");
    let start = Instant::now();
    for _ in 0..commits {
        let transaction = connection.transaction().expect("begun");
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO r(bytes) VALUES (?1)")
                .expect("prepared");
            for _ in 0..per_commit {
                insert.execute(params![&RECORD[..]]).expect("inserted");
            }
        }
        transaction.commit().expect("committed");
    }
    (per_commit * commits) as f64 / start.elapsed().as_secs_f64()
}
