//! What must not compile, one fixture for each rule and named after it, and what must.

#[test]
fn every_rule_has_a_message_that_names_the_fix() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}

#[test]
fn every_form_compiles_under_strict_lints() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}
