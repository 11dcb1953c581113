//! Functions that return a future: the guard waits inside the async block that is their body.

use std::future::Future;
use std::pin::Pin;

use approvals_core::requires_approval;

use crate::support::{Outcome, check, effect};

type Later<'a, T> = Pin<Box<dyn Future<Output = Outcome<T>> + Send + 'a>>;

#[requires_approval(scope = "blocks.opaque", skip(double))]
fn opaque(
    number: u8,
    double: impl Fn(u8) -> u8 + Send,
) -> impl Future<Output = Outcome<u8>> + Send {
    async move {
        effect();
        if number == 0 {
            return Ok(0);
        }
        Ok(double(number))
    }
}

/// The shape that tool macros make of an `async fn`.
#[requires_approval(scope = "blocks.boxed", args(size = list.len()))]
fn boxed<'a>(
    (list, by): (Vec<u8>, u8),
    text: &'a str,
) -> Pin<Box<dyn Future<Output = Outcome<usize>> + Send + 'a>> {
    Box::pin(async move {
        effect();
        let number: usize = text.parse()?;
        Ok(number + list.len() + usize::from(by))
    })
}

#[requires_approval(scope = "blocks.alias", reason = "{text}")]
fn alias(text: &str) -> Later<'_, usize> {
    std::boxed::Box::pin(async move {
        effect();
        Ok(text.len())
    })
}

struct Runbook(u8);

impl Runbook {
    #[requires_approval(scope = "blocks.method", args(count = self.0))]
    fn method(&mut self, by: u8) -> Later<'_, u8> {
        Box::pin(async move {
            effect();
            self.0 += by;
            Ok(self.0)
        })
    }
}

#[test]
fn async_blocks() {
    check(4, || opaque(2, |number| number * 2));
    check(0, || opaque(0, |number| number));
    check(6, || boxed((vec![1, 2], 3), "1"));
    check(5, || alias("users"));
    check(3, || async { Runbook(1).method(2).await });
}
