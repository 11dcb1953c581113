//! Reading a ledger while others write to it.

use approvals_core::clock::Timestamp;
use approvals_core::envelope::Envelope;
use approvals_core::id::{BootId, RequestId};
use approvals_core::ledger::{Hash, StoredRecord};
use approvals_core::ports::{Backlog, Filter, Head, Reader, RequestRow, StoreError};
use tokio_postgres::Row;

use super::error::Failed;
use super::read::{self, Question};
use super::schema::{self, Kind};
use super::session::{Purpose, Session};
use super::target::Target;

/// Reads a ledger and cannot write to it: for auditors, exports and waiting processes.
///
/// Sees what is committed and nothing else, from a session that is read only for the server, too.
/// A connection that was lost is made again by the next question. It may be a standby: then it sees
/// what has arrived there.
#[derive(Debug)]
pub struct PostgresReader {
    pub(super) session: Session,
}

impl PostgresReader {
    /// Opens a ledger to read it, as a role that may.
    ///
    /// Waits for the server at most some seconds, on this thread.
    ///
    /// # Errors
    /// [`StoreError`] when the address is none, when the database cannot be reached, when it holds
    /// no ledger or one of another version, or when this role may not read it.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        Self::at(&Target::parse(url)?)
    }

    pub(super) fn at(target: &Target) -> Result<Self, StoreError> {
        let mut session = Session::open(target, Purpose::Read)?;
        let version = match schema::look(&mut session)? {
            Kind::Fresh => return Err(empty(target)),
            Kind::Ledger(version) => i32::try_from(version).unwrap_or(i32::MAX),
        };
        match schema::same_version(version) {
            Ok(()) => Ok(Self { session }),
            Err(why) => Err(StoreError::unavailable(format!("`{target}` {why}"))),
        }
    }

    /// Asks one question and reads every row of the answer.
    pub(super) fn ask<T>(
        &mut self,
        (sql, values): Question,
        decode: impl Fn(&Row) -> Result<T, Failed>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.session.rows(sql, values)?;
        let decoded: Result<_, Failed> = rows.iter().map(decode).collect();
        decoded.map_err(|failed| failed.explain(self.session.target()))
    }
}

/// What is said of a database without a ledger.
pub(super) fn empty(target: &Target) -> StoreError {
    StoreError::unavailable(format!(
        "there is no ledger in `{target}`; make one with `PostgresStore::migrate`, or restore the one that was there"
    ))
}

impl Reader for PostgresReader {
    fn head(&mut self) -> Result<Head, StoreError> {
        let found = self.ask((read::HEAD, Vec::new()), read::head)?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn records(&mut self, from: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        self.ask(read::records(from, limit), read::stored)
    }

    fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Hash>, StoreError> {
        self.ask(read::leaves(from, limit), read::hash)
    }

    fn subtrees(&mut self, level: u8, from: u64, limit: usize) -> Result<Vec<Hash>, StoreError> {
        self.ask(read::subtrees(level, from, limit), read::hash)
    }

    fn records_of(&mut self, request: RequestId) -> Result<Vec<StoredRecord>, StoreError> {
        self.ask(read::records_of(request), read::stored)
    }

    fn log_records(&mut self, before: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        self.ask(read::log_records(before, limit), read::stored)
    }

    fn disclosures(&mut self, request: RequestId) -> Result<Envelope, StoreError> {
        self.ask(read::disclosures(request), read::part)
            .map(read::envelope)
    }

    fn requests(&mut self, filter: &Filter) -> Result<Vec<RequestRow>, StoreError> {
        self.ask(read::requests(filter), read::request_row)
    }

    fn overdue(&mut self, now: Timestamp, limit: usize) -> Result<Vec<RequestId>, StoreError> {
        self.ask(read::overdue(now, limit), read::id)
    }

    fn running(&mut self) -> Result<Vec<(RequestId, BootId)>, StoreError> {
        self.ask((read::RUNNING, Vec::new()), read::running)
    }

    fn touched(&mut self, from: u64) -> Result<(Vec<(RequestId, u64)>, u64), StoreError> {
        let question = (read::TOUCHED, vec![read::whole(from)]);
        let found = self.ask(question, |row| {
            Ok((read::touched(row)?, read::number(row, "size")?))
        })?;
        let size = found.first().map_or(0, |(_, size)| *size);
        Ok((found.into_iter().filter_map(|(one, _)| one).collect(), size))
    }

    fn backlogs(&mut self) -> Result<Vec<Backlog>, StoreError> {
        self.ask((read::BACKLOGS, Vec::new()), read::backlog)
    }
}
