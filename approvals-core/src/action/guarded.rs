//! What the macros say about a guarded function, and the inventory of all of them.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use crate::digest::SchemaDigest;

/// One guarded function, as the compiler saw it.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "generated code builds it as a constant"
)]
pub struct GuardedFn {
    /// The scope in the attribute.
    pub scope: &'static str,
    /// The path of the function.
    pub function: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
    /// The version of the crate the function is in.
    pub version: &'static str,
    /// The signature, token by token.
    pub signature: &'static str,
    /// Every parameter, accounted for.
    pub params: &'static [Param],
}

/// One parameter of a guarded function.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "generated code builds it as a constant"
)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What kind of value it holds, as far as its type tells.
    pub kind: Kind,
    /// How the approval treats it.
    pub treatment: Treatment,
}

/// What kind of value a parameter holds, as far as its type tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "generated code names every variant"
)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A fraction.
    Number,
    /// True or false.
    Boolean,
    /// Values in order.
    List,
    /// The type does not tell.
    Any,
}

/// How the approval treats a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "generated code names every variant"
)]
pub enum Treatment {
    /// Shown to people and bound by the digest.
    Shown,
    /// Bound by the digest, shown to nobody, stored nowhere.
    Redacted,
    /// Neither shown nor bound; named on the card as not covered.
    NotCovered,
    /// Only the named expressions over it are shown and bound.
    InPart,
}

/// A guarded function's entry in the inventory of the program.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "generated code builds it as a constant"
)]
pub struct Listed(pub &'static GuardedFn);

inventory::collect!(Listed);

impl GuardedFn {
    /// Names exactly this signature: another scope, path, version, type or treatment differs.
    #[must_use]
    pub fn schema(&'static self) -> SchemaDigest {
        // Digested once per function and process: the text cannot change while the program runs.
        static KNOWN: RwLock<BTreeMap<usize, SchemaDigest>> = RwLock::new(BTreeMap::new());
        let place = std::ptr::from_ref(self).addr();
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known.get(&place) {
            return *schema;
        }
        drop(known);
        let schema = self.digest();
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        *known.entry(place).or_insert(schema)
    }

    fn digest(&self) -> SchemaDigest {
        let mut text = format!(
            "{}\n{}\n{}\n{}:{}\n{}",
            self.scope, self.function, self.version, self.file, self.line, self.signature
        );
        for param in self.params {
            let Param {
                name,
                kind,
                treatment,
            } = param;
            text.push_str(&format!("\n{name}:{kind:?}:{treatment:?}"));
        }
        SchemaDigest::of(text.as_bytes())
    }

    /// The parameters that the approval does not bind, by name.
    pub fn not_covered(&self) -> impl Iterator<Item = &'static str> {
        let open =
            |param: &&Param| matches!(param.treatment, Treatment::NotCovered | Treatment::InPart);
        self.params.iter().filter(open).map(|param| param.name)
    }
}

/// Every guarded function linked into this program, sorted by scope, path and place.
///
/// An auditor can keep the list and diff it from release to release.
///
/// # Examples
/// ```
/// for guarded in approvals_core::inventory() {
///     println!("{} {} {}:{}", guarded.scope, guarded.function, guarded.file, guarded.line);
/// }
/// ```
#[must_use]
pub fn inventory() -> Vec<&'static GuardedFn> {
    let mut all: Vec<&'static GuardedFn> =
        inventory::iter::<Listed>().map(|listed| listed.0).collect();
    all.sort_by_key(|guarded| (guarded.scope, guarded.function, guarded.file, guarded.line));
    // A guard inside a generic item is linked once per instance.
    all.dedup_by_key(|guarded| (guarded.scope, guarded.function, guarded.file, guarded.line));
    all
}

/// The inventory as JSON, one object per guarded function, stable from build to build.
#[must_use]
pub fn inventory_json() -> String {
    let rows: Vec<Row> = inventory().into_iter().map(Row::of).collect();
    serde_json::to_string_pretty(&rows).unwrap_or_else(|_| "[]".to_owned())
}

/// A guarded function in the inventory: members in the order of the alphabet, whatever features of
/// the JSON library some other crate of the program turned on.
#[derive(serde::Serialize)]
struct Row {
    file: &'static str,
    function: &'static str,
    line: u32,
    params: Vec<ParamRow>,
    schema: String,
    scope: &'static str,
    version: &'static str,
}

#[derive(serde::Serialize)]
struct ParamRow {
    kind: Kind,
    name: &'static str,
    treatment: Treatment,
}

impl Row {
    fn of(guarded: &'static GuardedFn) -> Self {
        let param = |param: &Param| ParamRow {
            kind: param.kind,
            name: param.name,
            treatment: param.treatment,
        };
        Self {
            file: guarded.file,
            function: guarded.function,
            line: guarded.line,
            params: guarded.params.iter().map(param).collect(),
            schema: guarded.schema().to_string(),
            scope: guarded.scope,
            version: guarded.version,
        }
    }
}
