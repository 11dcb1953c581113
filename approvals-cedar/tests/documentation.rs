//! Every policy, case and schema in `docs/policy.md` loads, and says what the page says.

use std::collections::BTreeSet;

use approvals_cedar::CedarEngine;
use approvals_core::policy::Cases;
use approvals_core::{GroupName, Policy};

const PAGE: &str = include_str!("../../docs/policy.md");

/// The blocks of one language, in order.
#[cfg(test)]
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let after = PAGE.split(&fence).skip(1);
    after
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[cfg(test)]
fn groups() -> BTreeSet<GroupName> {
    ["oncall", "sre", "security", "privacy"]
        .map(|name| name.parse().unwrap())
        .into()
}

#[test]
fn every_block_loads_and_every_case_is_met() {
    let toml = blocks("toml");
    let (policies, cases): (Vec<_>, Vec<_>) = toml
        .iter()
        .partition(|text| text.starts_with("# policy.toml"));
    assert!(policies.len() >= 4 && cases.len() == 1, "{toml:?}");
    let read: Vec<Policy> = policies
        .iter()
        .map(|text| {
            Policy::parse(text, &groups(), &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
        })
        .collect();
    for case in Cases::parse(cases[0]).unwrap().iter() {
        let answer = read[0].evaluate(case.proposal(), case.at());
        assert_eq!(case.differs(&answer), None, "{}", case.name());
    }
    let (cedar, schema) = (blocks("cedar"), blocks("cedarschema"));
    let engine = CedarEngine::parse(&cedar[0], &schema[0], &groups(), &[]);
    assert!(engine.is_ok(), "{}", engine.unwrap_err());
}

#[test]
fn the_digest_on_the_page_is_that_of_the_published_policies() {
    let (policies, schema) = (
        include_str!("../policies/six.cedar"),
        include_str!("../policies/six.cedarschema"),
    );
    let engine = CedarEngine::parse(policies, schema, &groups(), &[]).unwrap();
    let digest = approvals_core::policy::PolicyEngine::digest(&engine).to_string();
    assert!(PAGE.contains(&digest), "the page should name {digest}");
}
