//! Reads the schema: which actions there are, and what each may carry.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use approvals_core::Scope;
use cedar_policy::{Entities, EntityTypeName, EntityUid, Schema, SchemaFragment};
use serde_json::{Map, Value};

use super::caps;
use crate::error::Findings;
use crate::shape::{ActionShape, Extension, Fact, Field, Fields, Shape};

/// A schema, and what it says in terms of this engine.
#[derive(Debug)]
pub(crate) struct ReadSchema {
    pub(crate) schema: Schema,
    /// The actions and their groups.
    pub(crate) entities: Entities,
    /// What each scope may carry.
    pub(crate) actions: HashMap<String, ActionShape>,
}

/// Reads a schema whole, or says what is wrong with it.
pub(super) fn read(text: &str, findings: &mut Findings<'_>) -> Option<ReadSchema> {
    if !caps::check(text, findings) {
        return None;
    }
    let (fragment, warnings) = match SchemaFragment::from_cedarschema_str(text) {
        Ok((fragment, warnings)) => (fragment, warnings),
        Err(error) => {
            findings.diagnostic(&error);
            return None;
        }
    };
    warnings.for_each(|warning| findings.diagnostic(&warning));
    let json = match fragment.clone().to_json_value() {
        Ok(json) => json,
        Err(error) => {
            findings.diagnostic(&error);
            return None;
        }
    };
    // Before Cedar resolves the types: a few short ones can stand for more than memory holds.
    let mut reader = Reader::new(&json, findings)?;
    let actions = reader.actions();
    if !findings.is_empty() {
        return None;
    }
    let schema = match Schema::from_schema_fragments([fragment]) {
        Ok(schema) if schema.is_complete() => schema,
        Ok(_) => {
            findings.add(
                0,
                "`external` declarations leave the schema open; declare everything",
            );
            return None;
        }
        Err(error) => {
            findings.diagnostic(&error);
            return None;
        }
    };
    let entities = match schema.action_entities() {
        Ok(entities) => entities,
        Err(error) => {
            findings.diagnostic(&error);
            return None;
        }
    };
    let read = ReadSchema {
        schema,
        entities,
        actions,
    };
    check_groups(&read, findings);
    Some(read)
}

/// A group that is called as the beginning of a scope is meant for every such scope: one that is
/// left out would slip past rules for the group.
fn check_groups(read: &ReadSchema, findings: &mut Findings<'_>) {
    let name = |uid: &EntityUid| uid.id().unescaped().to_owned();
    let mut groups: BTreeSet<String> = read.schema.action_groups().map(name).collect();
    // What nobody can ask for is a group, too, even if it has no member yet.
    let all = read.schema.actions().map(name);
    groups.extend(all.filter(|action| !read.actions.contains_key(action)));
    for action in read.schema.actions() {
        let own = name(action);
        let within: BTreeSet<String> = read
            .entities
            .ancestors(action)
            .map(|groups| groups.map(name).collect())
            .unwrap_or_default();
        let prefixes = own.match_indices('.').filter_map(|(dot, _)| own.get(..dot));
        for group in prefixes.filter(|prefix| groups.contains(*prefix)) {
            if !within.contains(group) {
                let message = format!(
                    "`{own}` is not in the group `{group}`, so that rules for the group miss it; write `action \"{own}\" in [\"{group}\"]`"
                );
                findings.about(&format!("\"{own}\""), message);
            }
        }
    }
}

/// The types of this engine.
pub(crate) const AGENT: &str = "Agent";
pub(crate) const RESOURCE: &str = "Resource";
pub(crate) const NO_RESOURCE: &str = "NoResource";

/// How many types may stand in each other, and how many there may be once every name is resolved.
const MAX_DEPTH: usize = 64;
const MAX_TYPES: usize = 100_000;

struct Reader<'s, 'f, 't> {
    commons: BTreeMap<&'s str, &'s Value>,
    entities: BTreeMap<&'s str, &'s Value>,
    actions: BTreeMap<&'s str, &'s Value>,
    findings: &'f mut Findings<'t>,
    types: usize,
}

impl<'s, 'f, 't> Reader<'s, 'f, 't> {
    fn new(json: &'s Value, findings: &'f mut Findings<'t>) -> Option<Self> {
        let namespaces = members(Some(json));
        if let Some(name) = namespaces.keys().find(|name| !name.is_empty()) {
            let message =
                format!("`namespace {name}` is not known here; declare without a namespace");
            findings.about(name, message);
            return None;
        }
        let Some(all) = namespaces.get("") else {
            findings.add(0, "the schema is empty; declare `entity Agent;`, `entity Resource;` and an action for every scope");
            return None;
        };
        Some(Self {
            commons: members(all.get("commonTypes")),
            entities: members(all.get("entityTypes")),
            actions: members(all.get("actions")),
            findings,
            types: 0,
        })
    }

    fn actions(&mut self) -> HashMap<String, ActionShape> {
        self.check_entities();
        // What no action uses is resolved by Cedar all the same.
        for (name, common) in self.commons.clone() {
            let _ = self.shape(common, name, 0);
        }
        let mut read = HashMap::new();
        for (name, action) in self.actions.clone() {
            let Some(applies) = action.get("appliesTo") else {
                continue;
            };
            if texts(applies.get("principalTypes")).is_empty() {
                // A group: nobody asks for it.
                continue;
            }
            if let Some(shape) = self.action(name, applies) {
                read.insert(name.to_owned(), shape);
            }
        }
        read
    }

    fn check_entities(&mut self) {
        for (name, entity) in self.entities.clone() {
            if ![AGENT, RESOURCE, NO_RESOURCE].contains(&name) {
                let message = format!(
                    "the engine knows no `{name}`; it has `{AGENT}`, `{RESOURCE}` and `{NO_RESOURCE}`"
                );
                self.findings.about(name, message);
            } else if members(Some(entity))
                .keys()
                .any(|key| *key != "annotations")
            {
                let message =
                    format!("`{name}` has a name and nothing else; write `entity {name};`");
                self.findings.about(name, message);
            }
        }
    }

    fn action(&mut self, name: &str, applies: &Value) -> Option<ActionShape> {
        let mut shape = ActionShape::default();
        if let Err(error) = name.parse::<Scope>() {
            self.findings.about(name, error);
        }
        for principal in texts(applies.get("principalTypes")) {
            if principal != AGENT {
                let message =
                    format!("`{name}` is asked for by `{principal}`; only an `{AGENT}` asks");
                self.findings.about(name, message);
            }
        }
        for resource in texts(applies.get("resourceTypes")) {
            match resource {
                RESOURCE => shape.named = true,
                NO_RESOURCE => shape.unnamed = true,
                other => {
                    let message = format!(
                        "`{name}` acts upon `{other}`; write `{RESOURCE}` when the guard names a resource, `{NO_RESOURCE}` when it names none, or both"
                    );
                    self.findings.about(name, message);
                }
            }
        }
        let context = match applies.get("context") {
            Some(context) => self.shape(context, name, 0)?,
            None => Shape::Record(Fields::new()),
        };
        let Shape::Record(members) = context else {
            let message = format!("the context of `{name}` must be a record");
            self.findings.about(name, message);
            return None;
        };
        for (member, field) in members {
            self.member(&mut shape, name, &member, field);
        }
        Some(shape)
    }

    fn member(&mut self, action: &mut ActionShape, name: &str, member: &str, field: Field) {
        let fact = Fact::ALL.into_iter().find(|fact| fact.name() == member);
        match (fact, field.shape) {
            (Some(fact), shape) if shape == fact.shape() => {
                action.facts.insert(fact, field.required);
            }
            (Some(fact), _) => {
                let message = format!(
                    "`{member}` in the context of `{name}` must be `{}`",
                    fact.declared()
                );
                self.findings.about(name, message);
            }
            (None, Shape::Record(args)) if member == "args" && field.required => action.args = args,
            (None, _) if member == "args" => {
                let message = format!(
                    "the arguments of `{name}` are a record that is always there: `args: {{ … }}`"
                );
                self.findings.about(name, message);
            }
            (None, _) => {
                let facts: Vec<_> = Fact::ALL
                    .iter()
                    .map(|fact| format!("`{}`", fact.name()))
                    .collect();
                let message = format!(
                    "the engine knows no `{member}` in the context of `{name}`; it has `args`, {}",
                    facts.join(", ")
                );
                self.findings.about(name, message);
            }
        }
    }

    /// The type, with every name in it resolved.
    fn shape(&mut self, json: &Value, within: &str, depth: usize) -> Option<Shape> {
        self.types += 1;
        if depth > MAX_DEPTH || self.types > MAX_TYPES {
            if self.types <= MAX_TYPES || self.findings.is_empty() {
                let message = format!(
                    "the types in `{within}` nest deeper than {MAX_DEPTH} levels, in themselves, or stand for too many"
                );
                self.findings.about(within, message);
            }
            return None;
        }
        match json.get("type").and_then(Value::as_str)? {
            "Record" => self.record(json, within, depth),
            "Set" => {
                let element = self.shape(json.get("element")?, within, depth + 1)?;
                Some(Shape::Set(Box::new(element)))
            }
            "EntityOrCommon" | "Entity" | "Extension" => {
                let name = json.get("name").and_then(Value::as_str)?;
                self.named(name, within, depth)
            }
            name => self.named(name, within, depth),
        }
    }

    fn record(&mut self, json: &Value, within: &str, depth: usize) -> Option<Shape> {
        if json.get("additionalAttributes").and_then(Value::as_bool) == Some(true) {
            self.findings.about(
                within,
                format!("a record in `{within}` is open; declare every member"),
            );
            return None;
        }
        let mut fields = Fields::new();
        for (name, member) in members(json.get("attributes")) {
            let shape = self.shape(member, within, depth + 1)?;
            let required = member.get("required").and_then(Value::as_bool) != Some(false);
            fields.insert(name.to_owned(), Field { shape, required });
        }
        Some(Shape::Record(fields))
    }

    fn named(&mut self, name: &str, within: &str, depth: usize) -> Option<Shape> {
        if let Some(common) = self.commons.get(name).copied() {
            return self.shape(common, within, depth + 1);
        }
        let shape = match name.strip_prefix("__cedar::").unwrap_or(name) {
            "String" => Shape::Text,
            "Long" => Shape::Long,
            "Bool" | "Boolean" => Shape::Bool,
            "ipaddr" => Shape::Extension(Extension::Ip),
            "decimal" => Shape::Extension(Extension::Decimal),
            "datetime" => Shape::Extension(Extension::Datetime),
            "duration" => Shape::Extension(Extension::Duration),
            other => {
                let message = format!(
                    "the context of `{within}` cannot hold a `{other}`; use `String`, `Long`, `Bool`, `Set<…>`, a record, `ipaddr`, `decimal`, `datetime` or `duration`"
                );
                self.findings.about(within, message);
                return None;
            }
        };
        Some(shape)
    }
}

fn members(json: Option<&Value>) -> BTreeMap<&str, &Value> {
    let members = json
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter);
    members
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

fn texts(json: Option<&Value>) -> Vec<&str> {
    let list = json.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}

/// The name of one of the engine's own types.
pub(crate) fn entity_type(name: &str) -> Option<EntityTypeName> {
    name.parse().ok()
}
