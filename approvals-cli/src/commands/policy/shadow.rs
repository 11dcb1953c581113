//! `approvals policy shadow`: where another policy would answer new requests differently.

use std::time::Duration;

use approvals_core::policy::Strictness;
use approvals_core::ports::Filter;
use approvals_core::rehearse::{Asked, Rehearsal, Rehearsed};
use approvals_core::{Clock as _, SystemClock};
use serde_json::json;
use tokio::time::Instant;

use super::judges::Judges;
use super::past::{Log, Totals, Walk, both, change, word};
use crate::answer::{Answer, Printer};
use crate::args::{Cli, Shadow};
use crate::failure::Failure;

/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) async fn run(cli: &Cli, printer: &Printer, shadow: &Shadow) -> Result<Answer, Failure> {
    let judges = Judges::load(cli, Some(&shadow.file), &shadow.beside)?;
    let mut log = Log::open(cli)?;
    let rehearsal = Rehearsal::new(judges.policy.clone(), judges.engines()?);
    let mut walk = Walk::from(&mut log, rehearsal, SystemClock.now()).await?;
    let mut teller = Teller {
        printer,
        totals: Totals::default(),
    };
    let reads = teller
        .printer
        .line(&judges.text(), &json!({ "policy": judges.json() }));
    if reads && shadow.once {
        once(&mut log, &mut walk, &mut teller).await?;
    } else if reads {
        follow(&mut log, &mut walk, &mut teller, shadow.duration).await?;
    }
    let totals = &teller.totals;
    teller
        .printer
        .line(&totals.text(), &json!({ "totals": totals.json() }));
    Ok(Answer::silent())
}

/// What waits for people now.
async fn once(log: &mut Log, walk: &mut Walk, teller: &mut Teller<'_>) -> Result<(), Failure> {
    for row in log.requests(&Filter::pending())?.into_iter().rev() {
        if let Some(asked) = log.asked(row.id)? {
            let recorded = log.recorded(&asked)?;
            let rehearsed = walk.rehearsal.judge(&asked, &recorded).await;
            teller.tell(&asked, &rehearsed);
        }
    }
    Ok(())
}

/// What is asked from now on, until the time is over or nobody reads any more.
async fn follow(
    log: &mut Log,
    walk: &mut Walk,
    teller: &mut Teller<'_>,
    time: Option<Duration>,
) -> Result<(), Failure> {
    let end = time.map(|time| Instant::now() + time);
    loop {
        let size = log.size()?;
        while walk.next < size {
            for (asked, rehearsed) in walk.page(log, size).await? {
                if !teller.tell(&asked, &rehearsed) {
                    return Ok(());
                }
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Tells of asks that would be answered differently, and counts them all.
struct Teller<'p> {
    printer: &'p Printer,
    totals: Totals,
}

impl Teller<'_> {
    /// Whether anybody still reads.
    fn tell(&mut self, asked: &Asked, rehearsed: &Rehearsed) -> bool {
        self.totals.add(rehearsed);
        if rehearsed.how == Some(Strictness::Same) {
            return true;
        }
        let (was, would) = both(rehearsed);
        let how = word(rehearsed.how);
        let text = format!(
            "{how:<8} {}  {}: {was} -> {would}\n",
            asked.request, asked.action.scope
        );
        self.printer.line(&text, &change(asked, rehearsed))
    }
}
