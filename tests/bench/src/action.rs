//! The one action that everybody guards: a refund of 168 bytes of arguments.

use std::cell::Cell;
use std::fmt::Write as _;
use std::hint::black_box;

use approvals_core::{ApprovalError, requires_approval};

use crate::machine::monotonic;

const WORDS: &str = "item arrived damaged, photos attached to ticket";

tokio::task_local! {
    static BEGAN: Cell<u64>;
}

/// The guarded tool: it returns at once.
#[requires_approval(scope = "pay.refund")]
async fn refund(
    amount_cents: u64,
    currency: &str,
    customer: String,
    order: String,
    reason: &str,
    ticket: String,
) -> Result<bool, ApprovalError> {
    // Absent when the call only asks, and then the body does not run.
    let _ = BEGAN.try_with(|began| began.set(monotonic()));
    black_box((amount_cents, currency, customer, order, reason, ticket));
    Ok(true)
}

/// The guarded call number `i`.
pub(crate) async fn call(i: u64) -> Result<bool, ApprovalError> {
    refund(
        4_200 + i % 1_000,
        "EUR",
        format!("cus_{i:08}"),
        format!("ord_{i:08}"),
        WORDS,
        format!("T-{i:08}"),
    )
    .await
}

/// The guarded call number `i`, and when its first statement ran.
pub(crate) async fn timed(i: u64) -> u64 {
    BEGAN
        .scope(Cell::new(0), async move {
            assert!(call(i).await.expect("approved"), "it ran");
            BEGAN.with(Cell::get)
        })
        .await
}

/// The same arguments as canonical JSON, for those that know no Rust values.
pub(crate) fn canonical(i: u64) -> String {
    let mut text = String::with_capacity(200);
    let amount = 4_200 + i % 1_000;
    let written = write!(
        text,
        "{{\"amount_cents\":{amount},\"currency\":\"EUR\",\"customer\":\"cus_{i:08}\",\"order\":\"ord_{i:08}\",\"reason\":\"{WORDS}\",\"ticket\":\"T-{i:08}\"}}"
    );
    written.expect("memory");
    text
}

/// The tool of the floors.
#[inline(never)]
pub(crate) fn plain(arguments: &str) -> bool {
    black_box(arguments).len() > 10
}
