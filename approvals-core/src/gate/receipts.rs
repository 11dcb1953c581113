//! Receipts for whoever asked and whoever decided: proof that nobody has to ask the owner for later.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Gate, Inner};
use crate::error::{ApprovalError, Code};
use crate::id::RequestId;
use crate::ledger::{AuditRecord, Entry, Receipt};
use crate::lifecycle::Event;
use crate::principal::Agent;

tokio::task_local! {
    static ASKED: Arc<Asked>;
}

/// The requests made inside one [`Gate::enter_with_receipts`].
struct Asked {
    gate: Arc<Inner>,
    requests: Mutex<Vec<RequestId>>,
    around: Option<Arc<Asked>>,
}

impl Gate {
    /// The receipt of the record that says where a request stands: its newest one, but for those
    /// that only say that a copy went out.
    ///
    /// # Errors
    /// `NotFound`; `AuditTampered` when the store does not prove it; `AuditUnavailable` when the
    /// key cannot sign; `StoreUnavailable` when the store cannot be read.
    pub async fn receipt(&self, request: RequestId) -> Result<Receipt, ApprovalError> {
        let history = self.0.history(request).await?;
        let newest = history.iter().rfind(|record| !is_notice(record));
        self.0.receipt(request, newest).await
    }

    /// The receipt of one record of a request, by its number in the log: for an approver, of
    /// exactly their review.
    ///
    /// # Errors
    /// As [`Gate::receipt`], and `NotFound` when the record is not one of this request.
    ///
    /// # Examples
    /// ```
    /// # use approvals_core::testing::TestGate;
    /// # use approvals_core::{Agent, ApprovalError, Vote, requires_approval};
    /// # #[requires_approval(scope = "db.drop")]
    /// # async fn drop_table(table: String) -> Result<(), ApprovalError> { Ok(()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let gate = TestGate::script().stall("db.drop").start().await;
    /// # let agent = Agent::new("bot").on_behalf_of("u_alice").wait(std::time::Duration::ZERO);
    /// # let request = gate.enter(agent, drop_table("users".into())).await.unwrap_err().request().unwrap();
    /// // `review` gives the number of the record that holds the vote ..
    /// let tally = gate.decide("u_tester_1", request, Vote::Approve, None).await?;
    /// // .. and the approver keeps the proof of it.
    /// let receipt = gate.gate().receipt_of(request, tally.record).await?;
    /// let proven = receipt.verify(gate.gate().journal().vkey())?;
    /// assert_eq!(proven.record().kind(), "review.recorded");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn receipt_of(
        &self,
        request: RequestId,
        record: u64,
    ) -> Result<Receipt, ApprovalError> {
        let history = self.0.history(request).await?;
        let found = history.iter().find(|one| one.seq == record);
        self.0.receipt(request, found).await
    }

    /// Like [`Gate::enter`], and gives the [`receipt`](Gate::receipt) of each request that was made
    /// inside, in the order of asking, whatever became of it: for a run, of its outcome.
    ///
    /// The output is there even when the receipts are not. Work that is spawned as a task of its
    /// own is outside.
    ///
    /// # Examples
    /// ```
    /// # use approvals_core::testing::TestGate;
    /// # use approvals_core::{Agent, ApprovalError, requires_approval};
    /// # #[requires_approval(scope = "db.export")]
    /// # async fn export(table: String) -> Result<usize, ApprovalError> { Ok(table.len()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let gate = TestGate::approving();
    /// let agent = Agent::new("bot").on_behalf_of("u_alice");
    /// let work = export("users".into());
    /// let (rows, receipts) = gate.gate().enter_with_receipts(agent, work).await;
    /// assert_eq!(rows?, 5);
    /// for receipt in receipts? {
    ///     let proven = receipt.verify(gate.gate().journal().vkey())?;
    ///     assert_eq!(proven.record().kind(), "outcome.succeeded");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn enter_with_receipts<F: Future>(
        &self,
        agent: Agent,
        work: F,
    ) -> (F::Output, Result<Vec<Receipt>, ApprovalError>) {
        let asked = Arc::new(Asked {
            gate: Arc::clone(&self.0),
            requests: Mutex::default(),
            around: ASKED.try_with(Arc::clone).ok(),
        });
        let output = ASKED
            .scope(Arc::clone(&asked), self.enter(agent, work))
            .await;
        (output, self.receipts(&asked).await)
    }

    async fn receipts(&self, asked: &Asked) -> Result<Vec<Receipt>, ApprovalError> {
        // What was dropped inside was only queued.
        self.flush().await?;
        let mut receipts = Vec::new();
        for request in asked.take() {
            receipts.push(self.receipt(request).await?);
        }
        Ok(receipts)
    }
}

impl Inner {
    /// Tells whoever collects receipts around this call of its request.
    pub(super) fn note_for_receipt(self: &Arc<Self>, request: RequestId) {
        let mut around = ASKED.try_with(Arc::clone).ok();
        while let Some(asked) = around {
            if Arc::ptr_eq(&asked.gate, self) {
                asked.add(request);
            }
            around = asked.around.clone();
        }
    }

    async fn history(&self, request: RequestId) -> Result<Vec<AuditRecord>, ApprovalError> {
        let history = self.patient(self.journal.history(request)).await;
        history.map_err(|error| error.with_request(request))
    }

    async fn receipt(
        &self,
        request: RequestId,
        record: Option<&AuditRecord>,
    ) -> Result<Receipt, ApprovalError> {
        let record = record.ok_or_else(|| {
            let message = "there is no such record of this request; see `approvals show`";
            ApprovalError::new(Code::NotFound, message).with_request(request)
        })?;
        let receipt = self.patient(self.journal.receipt(record.seq)).await;
        receipt.map_err(|error| error.with_request(request))
    }
}

fn is_notice(record: &AuditRecord) -> bool {
    matches!(record.entry, Entry::Request(_, Event::Notice(_)))
}

impl Asked {
    fn add(&self, request: RequestId) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        // The same call may attach to a request that this very run has made.
        if !requests.contains(&request) {
            requests.push(request);
        }
    }

    fn take(&self) -> Vec<RequestId> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut requests)
    }
}
