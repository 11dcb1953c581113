//! A session: a connection that is made again when it was lost, and set up so that a commit that
//! is acknowledged is on the disk.

use std::future::Future;
use std::time::{Duration, Instant};

use approvals_core::ports::StoreError;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_postgres::Row;

use super::error::Failed;
use super::link::{Link, Step, Value};
use super::read::get;
use super::target::Target;

/// How long the server may take over anything that is asked.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);

/// The oldest server that has everything that is used.
const OLDEST: i32 = 130_000;

/// A way to ask the database, on a thread of its owner.
#[derive(Debug)]
pub(super) struct Session {
    target: Target,
    purpose: Purpose,
    /// Present while there is a connection.
    line: Option<Line>,
    /// How many connections there were.
    number: u64,
    /// Whether a transaction is open, which another connection would not know of.
    pinned: bool,
    runtime: Shelter,
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It cannot change anything.
    Read,
    /// It adds to the log.
    Write,
}

/// A connection, and who it is for the server.
#[derive(Debug)]
struct Line {
    link: Link,
    backend: Backend,
}

/// A connection as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    /// Its process, which may be another one's tomorrow.
    pub(super) pid: i32,
    /// When it began.
    pub(super) since: String,
}

impl Session {
    /// Connects.
    pub(super) fn open(target: &Target, purpose: Purpose) -> Result<Self, StoreError> {
        let mut session = Self {
            target: target.clone(),
            purpose,
            line: None,
            number: 0,
            pinned: false,
            runtime: Shelter::new()?,
        };
        session.connect()?;
        Ok(session)
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Connects, unless it is.
    pub(super) fn connect(&mut self) -> Result<(), StoreError> {
        if self.line.is_none() {
            let (target, purpose) = (&self.target, self.purpose);
            let opened = self.runtime.run(open(target, purpose));
            self.line = Some(opened.map_err(|refused| refused.explain(target))?);
            self.number += 1;
        }
        Ok(())
    }

    /// Which connection this is, counted from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// From here on, everything belongs to the transaction that is open on this connection.
    pub(super) fn pin(&mut self) {
        self.pinned = true;
    }

    /// The transaction is about to end.
    pub(super) fn unpin(&mut self) {
        self.pinned = false;
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// The present connection as the server knows it.
    pub(super) fn backend(&self) -> Option<&Backend> {
        self.line.as_ref().map(|line| &line.backend)
    }

    /// Whether the server warned of anything when it was asked last.
    pub(super) fn warned(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.link.warned())
    }

    /// Hangs up: whatever was going on there ends without a commit.
    pub(super) fn hang_up(&mut self) {
        self.line = None;
    }

    /// Sends everything at once, on this connection and no other.
    pub(super) fn send(&mut self, steps: &[Step]) -> Result<Vec<Vec<Row>>, Failed> {
        let Some(line) = &mut self.line else {
            return Err(Failed::Lost("there is no connection".to_owned()));
        };
        let answers = self.runtime.run(line.link.ask(steps, PATIENCE));
        if answers
            .as_ref()
            .is_err_and(|failed| !failed.spares_the_link())
        {
            self.hang_up();
        }
        answers
    }

    /// Sends what may be sent twice: a connection that was lost since it was last used is replaced,
    /// unless a transaction was lost with it.
    pub(super) fn send_anew(&mut self, steps: &[Step]) -> Result<Vec<Vec<Row>>, StoreError> {
        let began = Instant::now();
        if self.line.is_some() {
            match self.send(steps) {
                // Only what fails at once: somebody waits for the answer.
                Err(Failed::Lost(_) | Failed::Refused { hung_up: true, .. })
                    if !self.pinned && began.elapsed() < PATIENCE / 2 => {}
                other => return other.map_err(|failed| failed.explain(&self.target)),
            }
        }
        if !self.pinned {
            self.connect()?;
        }
        self.send(steps)
            .map_err(|failed| failed.explain(&self.target))
    }

    /// The rows of one question that changes nothing.
    pub(super) fn rows(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let answers = self.send_anew(&[Step::Ask(sql, values)])?;
        Ok(answers.into_iter().flatten().collect())
    }
}

/// Why a session cannot be used.
pub(super) enum Refused {
    /// It could not be made.
    Failed(Failed),
    /// It could, and the server is not fit for a ledger.
    Unfit(String),
}

impl Refused {
    pub(super) fn explain(&self, target: &Target) -> StoreError {
        match self {
            Self::Failed(failed) => failed.explain(target),
            Self::Unfit(why) => StoreError::unavailable(format!("`{target}` {why}")),
        }
    }
}

impl From<Failed> for Refused {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

/// Connects and sets up a session.
async fn open(target: &Target, purpose: Purpose) -> Result<Line, Refused> {
    let (link, backend) = set_up(target, purpose).await?;
    Ok(Line { link, backend })
}

/// A connection that is set up, for whoever needs no session.
pub(super) async fn connected(target: &Target, purpose: Purpose) -> Result<Link, Refused> {
    set_up(target, purpose).await.map(|(link, _)| link)
}

async fn set_up(target: &Target, purpose: Purpose) -> Result<(Link, Backend), Refused> {
    let mut link = Link::open(target).await?;
    let access = match purpose {
        Purpose::Read => "SET default_transaction_read_only = on",
        Purpose::Write => "SET default_transaction_read_only = off",
    };
    let steps = [
        Step::Say(SETTINGS),
        Step::Say(access),
        Step::Ask(FACTS, Vec::new()),
    ];
    let answers = link.ask(&steps, PATIENCE).await?;
    let row = answers.iter().flatten().next();
    let row = row.ok_or_else(|| Failed::Odd("it says nothing about itself".to_owned()))?;
    if let Some(why) = unfit(row, purpose)? {
        return Err(Refused::Unfit(why));
    }
    let backend = Backend {
        pid: get(row, "pid")?,
        since: get(row, "since")?,
    };
    Ok((link, backend))
}

/// Why a ledger cannot be kept there.
fn unfit(row: &Row, purpose: Purpose) -> Result<Option<String>, Failed> {
    let text = |name: &str| get::<String>(row, name);
    let version: i32 = get(row, "version")?;
    if version < OLDEST {
        return Ok(Some(format!(
            "is PostgreSQL {}, and 13 is the oldest that will do; upgrade it",
            version / 10_000
        )));
    }
    let encoding = text("encoding")?;
    if encoding != "UTF8" {
        return Ok(Some(format!(
            "keeps text as {encoding}; make a database with `createdb --encoding=UTF8 --template=template0`"
        )));
    }
    if purpose == Purpose::Read {
        return Ok(None);
    }
    if get(row, "standby")? {
        return Ok(Some(
            "is a standby, which cannot be written; name the primary server".to_owned(),
        ));
    }
    Ok(careless(&text("fsync")?, &text("commits")?))
}

/// Why a commit that was acknowledged could be lost there.
pub(super) fn careless(fsync: &str, commits: &str) -> Option<String> {
    if fsync != "on" {
        return Some(
            "runs with `fsync` off and may lose what it acknowledged; set `fsync = on` in its configuration".to_owned(),
        );
    }
    (commits == "off").then(|| {
        "acknowledges commits before they are on the disk; set `synchronous_commit = on`, for the server or with `ALTER ROLE .. SET`".to_owned()
    })
}

/// How every session is set up.
///
/// No question needs to read a whole table, however wrong the statistics are, and what was found
/// to be durable stays so whatever the server's configuration says next. A process that hangs
/// while it holds the lock is thrown out.
pub(super) const SETTINGS: &str = "\
    SET search_path = pg_catalog, pg_temp; \
    SET client_min_messages = warning; \
    SET lock_timeout = 2000; \
    SET statement_timeout = 10000; \
    SET idle_in_transaction_session_timeout = 10000; \
    SET enable_seqscan = off; \
    SET plan_cache_mode = force_generic_plan; \
    SET jit = off; \
    SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false)";

const FACTS: &str = "SELECT \
    current_setting('server_version_num')::int AS version, \
    current_setting('server_encoding') AS encoding, \
    current_setting('fsync') AS fsync, \
    current_setting('synchronous_commit') AS commits, \
    pg_is_in_recovery() AS standby, \
    pg_backend_pid() AS pid, \
    (SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()) AS since";

/// A runtime for the connections of one owner, which may itself live inside another runtime.
#[derive(Debug)]
pub(super) struct Shelter(Option<Runtime>);

impl Shelter {
    pub(super) fn new() -> Result<Self, StoreError> {
        let made = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build();
        made.map(|runtime| Self(Some(runtime))).map_err(|error| {
            StoreError::unavailable(format!(
                "a connection to the database needs resources that this process has not got ({error}); check its limits"
            ))
        })
    }

    /// Does some work here, holding this thread meanwhile.
    pub(super) fn run<T: Send, E: Send + From<Failed>>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let Some(runtime) = &self.0 else {
            return Err(Failed::Lost("it was closed".to_owned()).into());
        };
        if Handle::try_current().is_err() {
            return runtime.block_on(work);
        }
        // Whoever opens a store may do so from within a runtime, on a thread that must not drive
        // another one.
        let other = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join());
        other.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Shelter {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Never waits, so that a store can be dropped anywhere.
            runtime.shutdown_background();
        }
    }
}
