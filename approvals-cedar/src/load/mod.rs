//! The loader: reads policies and their schema whole or not at all.

mod caps;
mod policies;
mod schema;

use std::collections::BTreeSet;

use approvals_core::id::EngineName;
use approvals_core::{GroupName, GuardedFn};

pub(crate) use policies::{Kind, NO_PERMIT, ReadPolicies};
pub(crate) use schema::{AGENT, NO_RESOURCE, RESOURCE, ReadSchema, entity_type};

use crate::error::{CedarError, CedarText, Findings, finish};

/// Everything an engine judges by.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What the engine is called unless somebody says otherwise.
    pub(crate) name: EngineName,
    pub(crate) schema: ReadSchema,
    pub(crate) policies: ReadPolicies,
}

/// Reads both texts, and reports everything that is wrong with either.
pub(crate) fn load(
    policies: &str,
    schema: &str,
    groups: &BTreeSet<GroupName>,
    guarded: &[&'static GuardedFn],
) -> Result<Loaded, CedarError> {
    let mut of_schema = Findings::of(CedarText::Schema, schema);
    let mut of_policies = Findings::of(CedarText::Policies, policies);
    let read = schema::read(schema, &mut of_schema).and_then(|schema| {
        crate::typing::check(&schema.actions, guarded, &mut of_schema);
        let policies = policies::read(policies, &schema.schema, groups, &mut of_policies)?;
        let name = NAME.parse().ok()?;
        Some(Loaded {
            name,
            schema,
            policies,
        })
    });
    finish(of_schema, of_policies, read)
}

const NAME: &str = "cedar";
