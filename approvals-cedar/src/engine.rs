//! The engine: two evaluations, one answer, and no error that lets anything through.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use approvals_core::id::EngineName;
use approvals_core::policy::{EngineError, Opinion, PolicyEngine};
use approvals_core::{
    GroupName, GuardedFn, PolicyDigest, Proposal, Requirement, RuleId, Timestamp,
};
use async_trait::async_trait;
use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Entities, EntityId, EntityUid, PolicySet, Request,
    Response,
};

use crate::context::context;
use crate::error::CedarError;
use crate::load::{self, AGENT, Kind, Loaded, NO_PERMIT, NO_RESOURCE, RESOURCE};

/// Judges by Cedar policies beside the policy, and can only tighten it.
///
/// | Cedar says | the engine's opinion |
/// |---|---|
/// | no `permit` matches | denied: Cedar's default |
/// | a `forbid` matches | denied; no approval can lift it |
/// | a `forbid` with `@require("sre:2")` matches | so many people must approve, beside the policy's |
/// | a `permit` matches and no `forbid` | no objection: what the policy says stands |
/// | a policy errs, or an argument does not fit the schema | denied |
///
/// Cedar itself skips a policy that errs, a `forbid` as well: here any error denies.
///
/// Immutable, and cheap to clone and share. Another text is another engine.
///
/// # Examples
/// ```
/// use approvals_cedar::CedarEngine;
/// use approvals_core::inventory;
/// use approvals_core::policy::PolicyEngine;
///
/// let schema = r#"
///     entity Agent;
///     entity Resource;
///     entity NoResource;
///     action "k8s.scale" appliesTo {
///         principal: [Agent],
///         resource: [Resource, NoResource],
///         context: { args: { replicas: Long }, env: String },
///     };
/// "#;
/// let policies = r#"
///     @id("scale") permit(principal, action == Action::"k8s.scale", resource);
///     @id("big") @require("sre:2")
///     forbid(principal, action == Action::"k8s.scale", resource) when { context.args.replicas > 10 };
/// "#;
/// let groups = ["sre".parse()?].into();
/// let engine = CedarEngine::parse(policies, schema, &groups, &inventory())?;
/// assert_eq!(engine.name().as_str(), "cedar");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CedarEngine {
    name: EngineName,
    inner: Arc<Inner>,
}

struct Inner {
    digest: PolicyDigest,
    loaded: Loaded,
}

/// One Cedar policy in words, for people who review it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CedarRule {
    /// Its `@id`.
    pub id: RuleId,
    /// `permit`, `forbid` or `require`.
    pub effect: &'static str,
    /// Whom it asks when it matches.
    pub requirement: Option<Requirement>,
}

impl CedarEngine {
    /// Reads policies and the schema they are validated against.
    ///
    /// `groups` are the groups that the directory knows; `guarded` are the guarded functions of
    /// this program (see [`inventory`](approvals_core::inventory)), with which the schema must
    /// agree.
    ///
    /// # Errors
    /// [`CedarError`], with everything that is wrong at once: what Cedar's strict validation finds,
    /// its warnings included; a policy without `@id`; an annotation, group, entity type or member
    /// of the context that the engine does not know; an action that a group of its own name misses;
    /// a text beyond a size limit.
    pub fn parse(
        policies: &str,
        schema: &str,
        groups: &BTreeSet<GroupName>,
        guarded: &[&'static GuardedFn],
    ) -> Result<Self, CedarError> {
        let loaded = deep(|| load::load(policies, schema, groups, guarded))?;
        let digest = digest(policies, schema);
        let name = loaded.name.clone();
        let inner = Arc::new(Inner { digest, loaded });
        Ok(Self { name, inner })
    }

    /// The same engine under another name, for programs that have two.
    #[must_use]
    pub fn named(mut self, name: EngineName) -> Self {
        self.name = name;
        self
    }

    /// Every policy, in the order of the text.
    #[must_use]
    pub fn rules(&self) -> Vec<CedarRule> {
        let rule = |(id, kind): &(RuleId, Kind)| {
            let (effect, requirement) = match kind {
                Kind::Permit => ("permit", None),
                Kind::Forbid => ("forbid", None),
                Kind::Ask(requirement) => ("require", Some(requirement.clone())),
            };
            let id = id.clone();
            CedarRule {
                id,
                effect,
                requirement,
            }
        };
        self.inner.loaded.policies.rules.iter().map(rule).collect()
    }
}

#[async_trait]
impl PolicyEngine for CedarEngine {
    fn name(&self) -> &EngineName {
        &self.name
    }

    fn digest(&self) -> PolicyDigest {
        self.inner.digest
    }

    async fn judge(&self, proposal: &Proposal, at: Timestamp) -> Result<Opinion, EngineError> {
        deep(|| self.inner.judge(proposal, at))
    }
}

impl Inner {
    fn judge(&self, proposal: &Proposal, at: Timestamp) -> Result<Opinion, EngineError> {
        let request = self.request(proposal, at)?;
        let policies = &self.loaded.policies;
        let hard = self.ask(&request, &policies.hard)?;
        let asking = self.ask(&request, &policies.asking)?;
        if hard.decision() != Decision::Allow {
            let rules: Vec<RuleId> = self.named(&hard);
            let default = || NO_PERMIT.parse().into_iter().collect();
            return Ok(Opinion::Deny(if rules.is_empty() {
                default()
            } else {
                rules
            }));
        }
        let mut asked: Option<Requirement> = None;
        for id in asking.diagnostics().reason() {
            // What forbids and asks nobody could not be lifted by anybody.
            let Some(more) = policies.asks.get(id) else {
                return Ok(Opinion::Deny(self.named(&asking)));
            };
            asked = Some(asked.map_or_else(|| more.clone(), |have| have.merge(more)));
        }
        Ok(asked.map_or(Opinion::NoObjection, Opinion::Require))
    }

    fn request(&self, proposal: &Proposal, at: Timestamp) -> Result<Request, EngineError> {
        let scope = &proposal.action.scope;
        let schema = &self.loaded.schema;
        let Some(action) = schema.actions.get(scope.as_str()) else {
            return Err(EngineError::new(format!(
                "the schema declares no action `{scope}`"
            )));
        };
        let resource = match &proposal.action.resource {
            Some(name) if action.named => entity(RESOURCE, name)?,
            None if action.unnamed => entity(NO_RESOURCE, "")?,
            Some(_) => {
                return Err(EngineError::new(format!(
                    "the action names a resource, and the schema gives `{scope}` none"
                )));
            }
            None => {
                return Err(EngineError::new(format!(
                    "the action names no resource, and the schema gives `{scope}` one"
                )));
            }
        };
        let principal = entity(AGENT, proposal.requester.agent().as_str())?;
        let context = context(action, proposal, at)?;
        // Cedar's own words hold the values, which must reach no log.
        Request::new(
            principal,
            entity("Action", scope.as_str())?,
            resource,
            context,
            Some(&schema.schema),
        )
        .map_err(|_| {
            EngineError::new(format!(
                "what is asked does not fit what the schema declares for `{scope}`"
            ))
        })
    }

    /// One evaluation; an error in any policy is an error, because Cedar skips what errs.
    fn ask(&self, request: &Request, policies: &PolicySet) -> Result<Response, EngineError> {
        let entities: &Entities = &self.loaded.schema.entities;
        let response = Authorizer::new().is_authorized(request, policies, entities);
        let failed: BTreeSet<String> = response
            .diagnostics()
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| {
                format!("`{}`", error.policy_id())
            })
            .collect();
        if failed.is_empty() {
            return Ok(response);
        }
        let failed: Vec<String> = failed.into_iter().collect();
        Err(EngineError::new(format!(
            "the policy {} failed when it was evaluated",
            failed.join(", ")
        )))
    }

    fn named(&self, response: &Response) -> Vec<RuleId> {
        let ids = response.diagnostics().reason();
        let mut rules: Vec<RuleId> = ids
            .filter_map(|id| AsRef::<str>::as_ref(id).parse().ok())
            .collect();
        rules.sort();
        rules
    }
}

impl fmt::Debug for CedarEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.inner.loaded.policies.rules.len();
        write!(
            f,
            "CedarEngine({}, {count} policies, {})",
            self.name, self.inner.digest
        )
    }
}

fn entity(of: &str, id: &str) -> Result<EntityUid, EngineError> {
    let of = load::entity_type(of)
        .ok_or_else(|| EngineError::new("a type of the engine cannot be named"))?;
    Ok(EntityUid::from_type_name_and_id(of, EntityId::new(id)))
}

/// Names exactly these two texts: where the first ends is part of what is digested.
fn digest(policies: &str, schema: &str) -> PolicyDigest {
    let length = u64::try_from(policies.len())
        .unwrap_or(u64::MAX)
        .to_be_bytes();
    let framed = [
        b"approvals/cedar/v1\0".as_slice(),
        &length,
        policies.as_bytes(),
        schema.as_bytes(),
    ];
    PolicyDigest::of(&framed.concat())
}

/// Runs Cedar on a stack that is deep enough for every text that the loader takes. On a shallow one
/// its parser would end the process, and its evaluator gives up.
fn deep<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK, STACK, work)
}

/// How deep that is; only what is used of it takes memory.
const STACK: usize = 32 << 20;
