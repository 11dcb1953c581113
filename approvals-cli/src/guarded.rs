//! The inventory of another program, read from its JSON.

use approvals_core::GuardedFn;
use approvals_core::action::{Kind, Param, Treatment};
use serde::Deserialize;

/// One row of `approvals_core::inventory_json()`.
#[derive(Debug, Deserialize)]
struct Row {
    scope: String,
    function: String,
    file: String,
    line: u32,
    version: String,
    params: Vec<ParamRow>,
}

#[derive(Debug, Deserialize)]
struct ParamRow {
    name: String,
    kind: KindText,
    treatment: TreatmentText,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindText {
    Text,
    Integer,
    Number,
    Boolean,
    List,
    Any,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TreatmentText {
    Shown,
    Redacted,
    NotCovered,
    InPart,
}

/// Reads an inventory.
///
/// The policy loader takes what macros make: constants. This process ends when the check does, so
/// the few rows are leaked once instead.
pub(crate) fn read(json: &str) -> Result<Vec<&'static GuardedFn>, serde_json::Error> {
    let rows: Vec<Row> = serde_json::from_str(json)?;
    Ok(rows.into_iter().map(Row::leak).collect())
}

impl Row {
    fn leak(self) -> &'static GuardedFn {
        let params: Vec<Param> = self.params.into_iter().map(ParamRow::into_param).collect();
        Box::leak(Box::new(GuardedFn {
            scope: self.scope.leak(),
            function: self.function.leak(),
            file: self.file.leak(),
            line: self.line,
            version: self.version.leak(),
            // Only the digest of the signature is in the inventory, and no condition needs it.
            signature: "",
            params: params.leak(),
        }))
    }
}

impl ParamRow {
    fn into_param(self) -> Param {
        let kind = match self.kind {
            KindText::Text => Kind::Text,
            KindText::Integer => Kind::Integer,
            KindText::Number => Kind::Number,
            KindText::Boolean => Kind::Boolean,
            KindText::List => Kind::List,
            KindText::Any => Kind::Any,
        };
        let treatment = match self.treatment {
            TreatmentText::Shown => Treatment::Shown,
            TreatmentText::Redacted => Treatment::Redacted,
            TreatmentText::NotCovered => Treatment::NotCovered,
            TreatmentText::InPart => Treatment::InPart,
        };
        Param {
            name: self.name.leak(),
            kind,
            treatment,
        }
    }
}

#[cfg(test)]
mod tests {
    use approvals_core::{ApprovalError, inventory, inventory_json, requires_approval};

    use super::*;

    #[requires_approval(scope = "db.export", redact(token), skip(pool))]
    async fn export(
        pool: u8,
        table: &str,
        rows: u64,
        ratio: f64,
        all: bool,
        ids: Vec<u8>,
        token: Option<u8>,
    ) -> Result<(), ApprovalError> {
        let _ = (pool, table, rows, ratio, all, ids, token);
        Ok(())
    }

    #[test]
    fn an_inventory_reads_back() {
        let _ = export;
        let read = read(&inventory_json()).unwrap();
        let describe = |all: &[&'static GuardedFn]| -> Vec<String> {
            let params = |f: &GuardedFn| {
                f.params
                    .iter()
                    .map(|p| format!("{p:?}"))
                    .collect::<Vec<_>>()
            };
            all.iter()
                .map(|f| format!("{} {} {:?}", f.scope, f.function, params(f)))
                .collect()
        };
        assert!(!read.is_empty());
        assert_eq!(describe(&read), describe(&inventory()));
        assert!(super::read("{}").is_err());
    }
}
