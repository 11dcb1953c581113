//! A store reads through the connection that it writes with.

/// Every question of a reader, passed on by the store's own `read`, which sees to what went wrong.
macro_rules! reads {
    ($store:ty) => {
        const _: () = {
            use approvals_core::clock::Timestamp;
            use approvals_core::envelope::Envelope;
            use approvals_core::id::{BootId, RequestId};
            use approvals_core::ledger::{Hash, StoredRecord};
            use approvals_core::ports::{Backlog, Filter, Head, Reader, RequestRow, StoreError};

            impl Reader for $store {
                fn head(&mut self) -> Result<Head, StoreError> {
                    self.read(Reader::head)
                }

                fn records(
                    &mut self,
                    from: u64,
                    limit: usize,
                ) -> Result<Vec<StoredRecord>, StoreError> {
                    self.read(|db| db.records(from, limit))
                }

                fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Hash>, StoreError> {
                    self.read(|db| db.leaves(from, limit))
                }

                fn subtrees(
                    &mut self,
                    level: u8,
                    from: u64,
                    limit: usize,
                ) -> Result<Vec<Hash>, StoreError> {
                    self.read(|db| db.subtrees(level, from, limit))
                }

                fn records_of(
                    &mut self,
                    request: RequestId,
                ) -> Result<Vec<StoredRecord>, StoreError> {
                    self.read(|db| db.records_of(request))
                }

                fn log_records(
                    &mut self,
                    before: u64,
                    limit: usize,
                ) -> Result<Vec<StoredRecord>, StoreError> {
                    self.read(|db| db.log_records(before, limit))
                }

                fn disclosures(&mut self, request: RequestId) -> Result<Envelope, StoreError> {
                    self.read(|db| db.disclosures(request))
                }

                fn requests(&mut self, filter: &Filter) -> Result<Vec<RequestRow>, StoreError> {
                    self.read(|db| db.requests(filter))
                }

                fn overdue(
                    &mut self,
                    now: Timestamp,
                    limit: usize,
                ) -> Result<Vec<RequestId>, StoreError> {
                    self.read(|db| db.overdue(now, limit))
                }

                fn running(&mut self) -> Result<Vec<(RequestId, BootId)>, StoreError> {
                    self.read(Reader::running)
                }

                fn touched(
                    &mut self,
                    from: u64,
                ) -> Result<(Vec<(RequestId, u64)>, u64), StoreError> {
                    self.read(|db| db.touched(from))
                }

                fn backlogs(&mut self) -> Result<Vec<Backlog>, StoreError> {
                    self.read(Reader::backlogs)
                }
            }
        };
    };
}

pub(crate) use reads;
