//! A PostgreSQL server for one kind of disk, in a process of its own: what the environment slows
//! down and counts is then the server, and nothing else.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use approvals_scratch::{Cluster, PASSWORD, name};

/// As many as its distribution gives it, with the syncs that it has by itself.
const SETTINGS: &str = "\
    listen_addresses = '127.0.0.1'\n\
    shared_buffers = 128MB\n\
    max_wal_size = 1GB\n";

/// Starts a server, and prints the address of a new database for each line it reads.
pub(crate) fn serve() -> bool {
    let cluster = Cluster::start(SETTINGS);
    for line in std::io::stdin().lines() {
        if line.is_err() {
            break;
        }
        let database = cluster.database();
        let (port, name) = (cluster.port(), name(&database));
        println!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/{name}");
        std::io::stdout().flush().expect("somebody reads");
    }
    true
}

/// That process, seen from the one that measures.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// A server under these variables.
    pub(crate) fn start(variables: &[(String, String)]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg("cluster").envs(variables.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let ask = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        Self {
            process,
            ask,
            answers,
        }
    }

    /// The address of a new database.
    pub(crate) fn database(&mut self) -> Option<String> {
        let ask = self.ask.as_mut()?;
        writeln!(ask, "one").ok()?;
        ask.flush().ok()?;
        let mut url = String::new();
        self.answers.read_line(&mut url).ok()?;
        let url = url.trim();
        (!url.is_empty()).then(|| url.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ask.take();
        let _ = self.process.wait();
    }
}
