//! Methods of traits: native, and rewritten by `#[async_trait]` before the guard sees them.

use std::sync::Arc;

use approvals_core::requires_approval;
use async_trait::async_trait;

use crate::support::{Outcome, check, effect};

#[derive(Debug, Clone)]
struct Runbook<'a> {
    name: &'a str,
    steps: u8,
}

fn runbook() -> Runbook<'static> {
    Runbook {
        name: "disk-full",
        steps: 1,
    }
}

struct Step {
    name: String,
    host: String,
}

fn step() -> Step {
    Step {
        name: "clean".to_owned(),
        host: "db1".to_owned(),
    }
}

#[async_trait]
trait Run<X> {
    fn steps(&self) -> u8;

    async fn shared(&self, mut count: u8, step: Step, pair: &(u8, u8), unit: X) -> Outcome<String>;
    async fn exclusive(&mut self, by: u8) -> Outcome<u8>;
    async fn owned(self, by: u8) -> Outcome<u8>
    where
        Self: Sized;
    async fn arc(self: Arc<Self>, by: u8) -> Outcome<u8>;
    async fn boxed(self: Box<Self>, list: &mut Vec<u8>) -> Outcome<u8>;
    async fn associated(by: u8) -> Outcome<u8>
    where
        Self: Sized;

    #[requires_approval(scope = "traits.provided", reason = "{steps} steps", args(steps = self.steps()))]
    async fn provided(&mut self, mut by: u8, (from, to): (u8, u8)) -> Outcome<u8>
    where
        X: 'static,
    {
        effect();
        by += self.steps();
        Ok(by + from + to)
    }
}

#[async_trait]
#[expect(
    clippy::elidable_lifetime_names,
    reason = "a named lifetime is one of the forms"
)]
impl<'r, X: Send + Sync + Clone + serde::Serialize + 'static> Run<X> for Runbook<'r> {
    fn steps(&self) -> u8 {
        self.steps
    }

    #[requires_approval(scope = "traits.shared", reason = "{host} for {name}", args(name = self.name))]
    async fn shared(
        &self,
        mut count: u8,
        Step { name: step, host }: Step,
        &(a, b): &(u8, u8),
        unit: X,
    ) -> Outcome<String> {
        effect();
        drop(unit);
        count += a + b;
        if count > 100 {
            return Ok("many".to_owned());
        }
        Ok(format!("{} {step} {host} {count}", self.name))
    }

    #[requires_approval(scope = "traits.exclusive", args(steps = self.steps))]
    async fn exclusive(&mut self, by: u8) -> Outcome<u8> {
        effect();
        self.steps += by;
        Ok(self.steps)
    }

    #[requires_approval(scope = "traits.owned")]
    async fn owned(mut self, by: u8) -> Outcome<u8> {
        effect();
        self.steps += by;
        Ok(self.steps)
    }

    #[requires_approval(scope = "traits.arc", args(name = self.name))]
    async fn arc(self: Arc<Self>, by: u8) -> Outcome<u8> {
        effect();
        Ok(self.steps + by)
    }

    #[requires_approval(scope = "traits.boxed")]
    async fn boxed(self: Box<Self>, list: &mut Vec<u8>) -> Outcome<u8> {
        effect();
        list.push(self.steps);
        Ok(self.steps)
    }

    #[requires_approval(scope = "traits.associated")]
    async fn associated(by: u8) -> Outcome<u8> {
        effect();
        Ok(by)
    }
}

#[test]
fn async_trait_implementations() {
    check("disk-full clean db1 6".to_owned(), || async {
        runbook().shared(1, step(), &(2, 3), "unit").await
    });
    check("many".to_owned(), || async {
        runbook().shared(100, step(), &(2, 3), 0).await
    });
    check(3, || async {
        Run::<u8>::exclusive(&mut runbook(), 2).await
    });
    check(3, || Run::<u8>::owned(runbook(), 2));
    check(3, || Run::<u8>::arc(Arc::new(runbook()), 2));
    check(1, || async {
        Run::<u8>::boxed(Box::new(runbook()), &mut Vec::new()).await
    });
    check(3, || <Runbook<'_> as Run<u8>>::associated(3));
}

#[test]
fn async_trait_default_bodies() {
    check(9, || async {
        Run::<u8>::provided(&mut runbook(), 5, (1, 2)).await
    });
}

#[test]
fn behind_a_trait_object() {
    check(3, || async {
        let mut object: Box<dyn Run<u8>> = Box::new(runbook());
        object.exclusive(2).await
    });
}

#[async_trait(?Send)]
trait Local {
    #[requires_approval(scope = "traits.local", skip(shared))]
    async fn local(&self, shared: std::rc::Rc<u8>) -> Outcome<u8> {
        effect();
        Ok(*shared)
    }
}

impl Local for Runbook<'_> {}

#[test]
fn async_trait_without_send() {
    check(2, || async { runbook().local(std::rc::Rc::new(2)).await });
}

trait Native {
    #[requires_approval(scope = "traits.native")]
    async fn native(&self, by: u8) -> Outcome<u8> {
        effect();
        Ok(by)
    }
}

impl Native for Runbook<'_> {}

#[test]
fn async_fn_in_a_trait() {
    check(2, || async { runbook().native(2).await });
}
