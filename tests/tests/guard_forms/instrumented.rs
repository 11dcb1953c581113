//! Together with `#[tracing::instrument]`, above and below the guard.

use approvals_core::{ApprovalError, requires_approval};
use async_trait::async_trait;

use crate::support::{Outcome, check, effect};

#[tracing::instrument(skip(token))]
#[requires_approval(scope = "traced.above", redact(token))]
async fn above(table: &str, token: String) -> Outcome<usize> {
    effect();
    Ok(table.len() + token.len())
}

#[requires_approval(scope = "traced.below", redact(token))]
#[tracing::instrument(skip_all, fields(table), err(Debug))]
async fn below(table: &str, token: String) -> Outcome<usize> {
    effect();
    Ok(table.len() + token.len())
}

#[derive(Debug)]
struct Runbook {
    name: String,
}

impl Runbook {
    #[tracing::instrument(ret)]
    #[requires_approval(scope = "traced.method", args(name = &self.name))]
    async fn above(&self, (from, to): (u8, u8)) -> Result<u8, ApprovalError> {
        effect();
        Ok(from + to)
    }
}

#[async_trait]
trait Run {
    async fn above(&mut self, count: u8) -> Outcome<usize>;
    async fn below(&mut self, pair: (u8, u8)) -> Outcome<usize>;
}

#[async_trait]
impl Run for Runbook {
    #[tracing::instrument]
    #[requires_approval(scope = "traced.trait_above", args(name = &self.name))]
    async fn above(&mut self, mut count: u8) -> Outcome<usize> {
        effect();
        count += 1;
        self.name.push('x');
        Ok(self.name.len() + usize::from(count))
    }

    #[requires_approval(scope = "traced.trait_below", args(name = &self.name))]
    #[tracing::instrument(skip(self))]
    async fn below(&mut self, (from, to): (u8, u8)) -> Outcome<usize> {
        effect();
        self.name.push('x');
        Ok(self.name.len() + usize::from(from + to))
    }
}

fn runbook() -> Runbook {
    Runbook {
        name: "disk".to_owned(),
    }
}

#[test]
fn functions_and_methods() {
    check(8, || above("users", "abc".to_owned()));
    check(8, || below("users", "abc".to_owned()));
    check(3, || async { runbook().above((1, 2)).await });
}

#[test]
fn under_async_trait() {
    check(7, || async { Run::above(&mut runbook(), 1).await });
    check(8, || async { runbook().below((1, 2)).await });
}
