//! A PostgreSQL server for tests: from the distribution's package, in a directory of its own, gone
//! when the test is.
//!
//! Nothing has to be configured and nothing is shared with a server that runs on the machine: this
//! one listens on a socket in its directory, and over TCP only when a test asks for it. A shell
//! that waits for the test to end, however it ends, stops the server and removes the directory.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test that cannot go on stops"
)]

mod proxy;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use proxy::{Cut, Proxy};

/// What the server is told; its data is worth nothing, and still every commit is synced.
const SETTINGS: &str = "\
    listen_addresses = ''\n\
    shared_buffers = 32MB\n\
    max_wal_size = 256MB\n\
    autovacuum_naptime = 5s\n\
    max_connections = 100\n\
    log_min_messages = warning\n";

/// The password of the user `postgres`, for connections over TCP.
pub const PASSWORD: &str = "scratch";

/// A server, running.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
    user: Option<String>,
    port: u16,
    made: AtomicU32,
    _guard: Guard,
}

/// A shell that cleans up when its standard input ends: with this value, or with the process.
#[derive(Debug)]
struct Guard {
    shell: Child,
    open: Option<ChildStdin>,
}

impl Cluster {
    /// The server that all tests of this process share.
    ///
    /// # Panics
    /// When PostgreSQL is not installed; the message says what to install.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(""))
    }

    /// A server of its own, with these lines in its configuration.
    ///
    /// # Panics
    /// When PostgreSQL is not installed; the message says what to install.
    #[must_use]
    pub fn start(settings: &str) -> Self {
        Self::prepared(settings, |_| {})
    }

    /// As [`Cluster::start`], after something was put into its directory.
    ///
    /// # Panics
    /// When PostgreSQL is not installed; the message says what to install.
    #[must_use]
    pub fn prepared(settings: &str, prepare: impl FnOnce(&Self)) -> Self {
        let programs = programs();
        let user = other_user();
        let made = tempfile::Builder::new().prefix("approvals-pg-").tempdir();
        let directory = made.expect("a directory for the server").keep();
        if let Some(user) = &user {
            run(Command::new("chown").arg(user).arg(&directory));
        }
        let guard = Guard::over(&directory);
        let cluster = Self {
            programs,
            directory,
            user,
            port: free_port(),
            made: AtomicU32::new(0),
            _guard: guard,
        };
        cluster.init(settings);
        prepare(&cluster);
        cluster.ctl(&["start"]);
        cluster
    }

    fn init(&self, settings: &str) {
        let password = self.directory.join("password");
        fs::write(&password, PASSWORD).expect("a file");
        let mut initdb = self.command("initdb");
        initdb
            .args([
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256"])
            .arg(format!("--pwfile={}", password.display()))
            .arg("--pgdata")
            .arg(self.data());
        run(&mut initdb);
        let socket = self.directory.display();
        let port = self.port;
        let own = format!("port = {port}\nunix_socket_directories = '{socket}'\n");
        let settings = format!("{SETTINGS}{own}{settings}");
        let own = self.data().join("scratch.conf");
        fs::write(&own, settings).expect("a file");
        let mut include = fs::read_to_string(self.data().join("postgresql.conf")).expect("a file");
        include.push_str("\ninclude 'scratch.conf'\n");
        fs::write(self.data().join("postgresql.conf"), include).expect("a file");
        self.give(&own);
    }

    /// Gives a file to the user that the server runs as.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn give(&self, path: &Path) {
        if let Some(user) = &self.user {
            run(Command::new("chown").arg(user).arg(path));
        }
    }

    /// Stops or starts the server: `restart -m immediate` is as good as a power cut to it.
    ///
    /// # Panics
    /// When the server does not obey.
    pub fn ctl(&self, words: &[&str]) {
        let mut ctl = self.command("pg_ctl");
        ctl.args(words).arg("--wait").arg("--silent");
        ctl.arg("--pgdata").arg(self.data());
        ctl.arg("--log").arg(self.directory.join("log"));
        // Whoever starts a server hands it its own outputs: none that somebody waits for.
        ctl.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let done = ctl.status().is_ok_and(|status| status.success());
        assert!(done, "`pg_ctl {}` failed: {}", words.join(" "), self.log());
    }

    /// What the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// The address of a new, empty database.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("db{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.sql(
            "postgres",
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        );
        self.url("postgres", &name)
    }

    /// The address of a database, through the socket, for this user.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        let directory = self.directory.display().to_string().replace('/', "%2F");
        format!("postgres://{user}@{directory}:{}/{database}", self.port)
    }

    /// Where the socket is.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join(format!(".s.PGSQL.{}", self.port))
    }

    /// The port of the socket, and of TCP where a test asks for it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory of its data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Runs some SQL as the superuser, and gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        match self.try_sql("postgres", database, sql) {
            Ok(answer) => answer,
            Err(error) => panic!("`{sql}` failed: {error}"),
        }
    }

    /// Runs some SQL as this user, and gives what it prints.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn try_sql(&self, user: &str, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        let port = self.port.to_string();
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", user, "-d", database, "-p", &port, "-h"])
            .arg(&self.directory)
            .args(["-c", sql]);
        let output = psql.output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    /// One of the server's programs, as the user it runs as.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match &self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--regid", user, "--clear-groups", "--"]);
                command.arg(program);
                command
            }
        };
        command.current_dir(&self.directory).env("LC_ALL", "C");
        command
    }
}

/// The name of the database that an address leads to.
#[must_use]
pub fn name(url: &str) -> &str {
    let name = url.rsplit('/').next().unwrap_or(url);
    name.split('?').next().unwrap_or(name)
}

impl Guard {
    fn over(directory: &Path) -> Self {
        let script = "trap '' INT TERM HUP; cat >/dev/null; \
            pid=$(head -n 1 \"$1/data/postmaster.pid\" 2>/dev/null); \
            if [ -n \"$pid\" ]; then kill -QUIT \"$pid\"; \
            while kill -0 \"$pid\" 2>/dev/null; do sleep 0.05; done; fi; rm -rf \"$1\"";
        let shell = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut shell = shell.expect("a shell");
        let open = shell.stdin.take();
        Self { shell, open }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.open.take();
        let _ = self.shell.wait();
    }
}

/// Where the server's programs are.
fn programs() -> PathBuf {
    let installed = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let newest_first = versions.into_iter().rev().map(|(_, path)| path);
    let found = newest_first
        .chain(std::env::split_paths(&path))
        .find(|directory| {
            ["initdb", "pg_ctl", "postgres", "psql"]
                .iter()
                .all(|program| directory.join(program).is_file())
        });
    found.unwrap_or_else(|| {
        panic!(
            "this test needs PostgreSQL: install the package `postgresql`, or run `cargo xtask setup` as root"
        )
    })
}

/// A port that nobody uses now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("a port").port()
}

/// Whom to be, because the server refuses to be root; nobody else unless this is root.
fn other_user() -> Option<String> {
    let own = fs::metadata("/proc/self").map(|meta| meta.uid());
    if own.is_ok_and(|uid| uid != 0) {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = |name: &&str| {
        users
            .lines()
            .any(|line| line.starts_with(&format!("{name}:")))
    };
    let user = ["postgres", "daemon"].into_iter().find(known);
    user.map(str::to_owned)
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let failed = |why: &dyn std::fmt::Display| panic!("{command:?} failed: {why}");
    let output: io::Result<_> = output;
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => failed(&String::from_utf8_lossy(&output.stderr)),
        Err(error) => failed(&error),
    }
}
