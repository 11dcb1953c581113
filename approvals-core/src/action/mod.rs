//! Actions: what is guarded, the values of one call, and the one record that binds them all.

mod binder;
mod guarded;

pub use binder::{Binder, Bound, BoundParam, Shown, bind};
pub use guarded::{GuardedFn, Kind, Listed, Param, Treatment, inventory, inventory_json};

use crate::digest::SchemaDigest;
use crate::scope::Scope;

/// One concrete action: scope, named parameters, resource and environment.
///
/// What a guard bound of one call; the policy looks at it, people see it, its record is digested.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Action {
    /// Selects the policy.
    pub scope: Scope,
    /// The guarded function, by its path.
    pub function: String,
    /// The exact signature of the guarded function.
    pub schema: SchemaDigest,
    /// The parameters, in the order of the signature.
    pub params: Vec<BoundParam>,
    /// What the approval does not cover, by name.
    pub not_covered: Vec<String>,
    /// What is acted upon, in the author's words.
    pub resource: Option<String>,
    /// Where: `prod`, `staging`.
    pub environment: Option<String>,
    /// For whom, where one deployment serves several.
    pub tenant: Option<String>,
}

impl Action {
    /// An action of nothing but a scope, for whoever judges without a guard: fill in what it has.
    /// Only what a guard bound can be asked for.
    #[must_use]
    pub fn new(scope: Scope, function: impl Into<String>, schema: SchemaDigest) -> Self {
        Self {
            scope,
            function: function.into(),
            schema,
            params: Vec::new(),
            not_covered: Vec::new(),
            resource: None,
            environment: None,
            tenant: None,
        }
    }

    /// The value of a shown parameter; redacted values are never given out.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&crate::canonical::Value> {
        let found = self.params.iter().find(|param| param.name() == name)?;
        found.shown()
    }
}
