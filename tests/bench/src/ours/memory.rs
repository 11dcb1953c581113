//! W1: a guarded call that policy allows, and one that is asked and approved at once, in memory.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use approvals_core::ports::{Delivery, Notice, Notifier, NotifyError};
use approvals_core::request::Status;
use approvals_core::{ForgetfulStore, Gate};
use async_trait::async_trait;

use super::{ASK, Approver, builder, gate, line, new_key};
use crate::action::call;
use crate::line::since;
use crate::machine;

const ALLOW: &str = "version = 1\ndefault = { require = [{ group = \"ops\" }] }\n[[rule]]\nid = \"refunds\"\nscope = \"pay.refund\"\neffect = \"auto\"\n";

pub(super) fn measure(n: u64) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let allowing = gate(ALLOW, ForgetfulStore::new(), new_key()).await;
        time("allow", &allowing, n * 4).await;
        time("allow_after_100k_records", &grown(&allowing).await, n).await;
        for (variant, approver) in [
            ("ask_immediate", Approver::believed()),
            ("ask_immediate_signed", Approver::signing()),
        ] {
            time(variant, &answering(approver).await, n).await;
        }
    });
}

/// The same gate, when its log is long.
async fn grown(gate: &Gate) -> Gate {
    let size = async || {
        let head = gate.journal().read(|reader| reader.head()).await;
        head.expect("readable").frontier.size()
    };
    let mut i = 0;
    while size().await < 100_000 {
        for _ in 0..1_000 {
            i += 1;
            let done = gate.enter(super::agent(i), call(i)).await;
            assert!(done.expect("approved"), "it ran");
        }
    }
    gate.clone()
}

async fn time(variant: &str, gate: &Gate, n: u64) {
    let mut samples = Vec::with_capacity(n as usize);
    let processor = machine::processor_us();
    for i in 0..n {
        let start = Instant::now();
        let agent = super::agent(1_000_000 + i);
        let done = gate.enter(agent, call(i)).await;
        assert!(done.expect("approved"), "it ran");
        samples.push(since(start));
    }
    let processor = machine::processor_us() - processor;
    line("W1", variant)
        .with("n", n as f64)
        .with("cpu_us", processor / n as f64)
        .times("", &mut samples)
        .print();
}

/// A gate whose approver says yes as soon as a card is there.
async fn answering(approver: Approver) -> Gate {
    let shared = Arc::new(OnceLock::new());
    let desk = Desk {
        gate: Arc::clone(&shared),
        approver,
    };
    let gate = builder(ASK, ForgetfulStore::new(), new_key()).notifier(desk);
    let gate = gate.open().await.expect("a gate");
    assert!(shared.set(gate.clone()).is_ok(), "set once");
    gate
}

#[derive(Debug)]
struct Desk {
    gate: Arc<OnceLock<Gate>>,
    approver: Approver,
}

#[async_trait]
impl Notifier for Desk {
    fn name(&self) -> &str {
        "desk"
    }

    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        if notice.card.status == Status::Pending
            && let Some(gate) = self.gate.get()
        {
            let review = self.approver.approve(gate, &notice.card);
            gate.review(review).await.expect("counted");
        }
        Ok(Vec::new())
    }
}
