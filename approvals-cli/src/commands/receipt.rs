//! `approvals receipt`: the proof of one record, for whoever asked or decided.

use approvals_core::ledger::{AuditRecord, Receipt};
use approvals_core::{Code, Gate, RequestId, Untrusted};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::args::{Cli, Proof};
use crate::failure::Failure;
use crate::save::NewFile;
use crate::{request, state};

pub(crate) async fn run(cli: &Cli, proof: &Proof) -> Result<Answer, Failure> {
    let file = proof.out.as_deref().map(NewFile::create).transpose()?;
    let state = state::open(cli).await?;
    let id = request::find(&state.gate, &proof.one.id).await?;
    let receipt = match proof.record {
        Some(record) => state.gate.receipt_of(id, record).await?,
        None => state.gate.receipt(id).await?,
    };
    let record = proven(&state.gate, id, &receipt).await?;
    let text = match (file, &proof.out) {
        (Some(file), Some(path)) => {
            file.keep(receipt.to_string())?;
            format!(
                "{}, in {}\n",
                what(&record),
                Untrusted::new(&path.display().to_string())
            )
        }
        _ => receipt.to_string(),
    };
    Ok(Answer::new(text, json(&receipt, &record)))
}

/// Saves the receipt of a decision that was just counted.
pub(super) async fn save(
    gate: &Gate,
    id: RequestId,
    record: u64,
    file: NewFile,
) -> Result<Value, Failure> {
    let made = async {
        let receipt = gate.receipt_of(id, record).await?;
        let record = proven(gate, id, &receipt).await?;
        file.keep(receipt.to_string())?;
        Ok(json(&receipt, &record))
    };
    made.await.map_err(|failure: Failure| {
        let message = format!(
            "the decision is counted, and its receipt could not be saved ({failure}); get it with `approvals receipt {id} --record {record}`"
        );
        Failure::new(Code::StoreUnavailable, message).about(id)
    })
}

/// What the record says; a receipt that was just made verifies.
async fn proven(gate: &Gate, id: RequestId, receipt: &Receipt) -> Result<AuditRecord, Failure> {
    let keys = gate.journal().keys().await?;
    let proven = receipt
        .verify_by(&keys)
        .map_err(|error| Failure::new(Code::AuditTampered, error.to_string()).about(id))?;
    Ok(proven.record().clone())
}

fn what(record: &AuditRecord) -> String {
    format!(
        "receipt of record {}, {}",
        record.seq,
        Untrusted::new(record.kind())
    )
}

fn json(receipt: &Receipt, record: &AuditRecord) -> Value {
    json!({
        "record": { "seq": record.seq, "kind": record.kind(), "request": record.request() },
        "receipt": receipt.to_string(),
    })
}
