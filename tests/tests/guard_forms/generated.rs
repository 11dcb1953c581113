//! Functions that a `macro_rules!` macro writes.

use approvals_core::requires_approval;

use crate::support::{Outcome, check, effect};

macro_rules! runbook {
    ($name:ident($argument:ident: $type:ty) -> $output:ty $body:block) => {
        #[requires_approval(scope = "generated.step", reason = "on {it:?}", args(it = &$argument))]
        async fn $name($argument: $type) -> $output $body
    };
}

runbook!(restart(host: String) -> Outcome<usize> {
    effect();
    if host.is_empty() {
        return Ok(0);
    }
    Ok(host.len())
});

runbook!(drain(hosts: &[u8]) -> anyhow::Result<usize> {
    effect();
    anyhow::ensure!(!hosts.is_empty(), "no hosts");
    Ok(hosts.len())
});

#[test]
fn the_names_of_a_macro_are_found() {
    check(3, || restart("db1".to_owned()));
    check(2, || drain(&[1, 2]));
}
