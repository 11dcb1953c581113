//! "Verify the log": the whole of it, now, with every verdict.

use approvals_core::Code;
use approvals_core::ledger::{Report, Verdict};
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::Html;
use serde::Deserialize;

use super::html::Literal;
use super::refused::draw;
use super::view::Frame;
use super::{Desk, Refused};
use crate::login::SignedIn;

#[derive(Template)]
#[template(path = "verify.html")]
struct Page {
    frame: Frame,
    report: Option<Shown>,
}

struct Shown {
    passed: bool,
    log: String,
    records: u64,
    root: String,
    verdicts: Vec<(&'static str, &'static str, bool)>,
    counts: Vec<(&'static str, u64)>,
    findings: Vec<Literal>,
    more: u64,
}

impl Shown {
    fn of(report: &Report) -> Self {
        let passed = |verdict: Verdict| verdict == Verdict::Pass;
        let (requests, reviews) = (&report.requests, &report.reviews);
        Self {
            passed: report.passed(),
            log: report.log.clone(),
            records: report.records,
            root: report.root.clone(),
            verdicts: vec![
                (
                    "Integrity",
                    "The bytes are the ones that were signed.",
                    passed(report.integrity),
                ),
                (
                    "Completeness",
                    "Nothing is missing.",
                    passed(report.completeness),
                ),
                (
                    "Authority",
                    "Everything that ran was allowed to run, by people who may allow it.",
                    passed(report.authority),
                ),
                ("Keys", "The right keys signed.", passed(report.keys)),
                (
                    "Disclosures",
                    "The values behind commitments are the ones that were bound.",
                    passed(report.disclosures),
                ),
            ],
            counts: vec![
                ("requests", requests.asked),
                ("approved by people", requests.approved),
                ("let through by a rule", requests.auto_approved),
                ("denied", requests.denied),
                ("used", requests.used),
                ("votes signed with the person's own key", reviews.signed),
                ("votes on a channel's word", reviews.asserted),
            ],
            findings: report
                .findings
                .iter()
                .map(|finding| Literal::of(&finding.to_string()))
                .collect(),
            more: report.more_findings,
        }
    }
}

pub(super) async fn show(
    State(desk): State<Desk>,
    SignedIn { session, .. }: SignedIn,
) -> Result<Html<String>, Refused> {
    let name = desk.people().name(&session.person);
    let frame = Frame::of("/inbox/verify", &session, name);
    draw(&Page {
        frame,
        report: None,
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    csrf: String,
}

pub(super) async fn run(
    State(desk): State<Desk>,
    SignedIn { session, .. }: SignedIn,
    form: Result<Form<Run>, FormRejection>,
) -> Result<Html<String>, Refused> {
    let Form(run) = form.map_err(|_| Refused::form())?;
    session.check(&run.csrf)?;
    // It reads the whole log: one at a time.
    let Ok(_alone) = desk.inbox.verifying.try_lock() else {
        let message = "the log is being verified right now; try again in a moment";
        return Err(Refused::new(Code::RateLimited, message));
    };
    let report = desk.site().gate().journal().verify().await?;
    let name = desk.people().name(&session.person);
    draw(&Page {
        frame: Frame::of("/inbox/verify", &session, name),
        report: Some(Shown::of(&report)),
    })
}
