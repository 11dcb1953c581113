//! What is wrong, where, and by which rule.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::rule::{Rule, Section};
use crate::id::RequestId;

/// How many findings a report holds, beside the first of each rule.
const MOST: usize = 100;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule that is broken.
    pub rule: Rule,
    /// The record, when it is one.
    pub seq: Option<u64>,
    /// The request, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// What it means.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            Some(seq) => write!(f, "record {seq}: {}", self.message)?,
            None => f.write_str(&self.message)?,
        }
        match &self.request {
            Some(request) => write!(f, " ({}, {request})", self.rule),
            None => write!(f, " ({})", self.rule),
        }
    }
}

/// Where something was found: a record, a request, both, or neither.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) seq: Option<u64>,
    pub(super) request: Option<RequestId>,
}

impl Place {
    /// The whole log.
    pub(super) const LOG: Self = Self {
        seq: None,
        request: None,
    };

    pub(super) fn record(seq: u64) -> Self {
        Self {
            seq: Some(seq),
            request: None,
        }
    }

    pub(super) fn of(self, request: Option<RequestId>) -> Self {
        Self { request, ..self }
    }
}

/// Collects what is found; bounded, whatever is wrong with the log.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    rules: BTreeSet<Rule>,
    more: u64,
}

impl Findings {
    pub(super) fn add(&mut self, rule: Rule, place: Place, message: impl Into<String>) {
        // The first of each rule is always kept, so that no kind of damage is lost in a flood.
        if self.rules.insert(rule) || self.list.len() < MOST {
            self.list.push(Finding {
                rule,
                seq: place.seq,
                request: place.request,
                message: message.into(),
            });
        } else {
            self.more += 1;
        }
    }

    pub(super) fn failed(&self, section: Section) -> bool {
        self.rules.iter().any(|rule| rule.section() == section)
    }

    /// The findings, and how many more there are.
    pub(super) fn into_parts(self) -> (Vec<Finding>, u64) {
        (self.list, self.more)
    }
}
