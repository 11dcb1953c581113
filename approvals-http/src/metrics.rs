//! Counters for Prometheus. They count from the start of the process, and name no request and nobody.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use approvals_core::ledger::{Entry, LogEvent};
use approvals_core::lifecycle::Event;
use approvals_core::ports::Filter;
use approvals_core::{ApprovalError, RequestId, Timestamp};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Mutex;

use crate::auth::Reading;
use crate::feed;
use crate::problem::{Problem, Refused};
use crate::site::Site;
use crate::webhook::FOLLOWER;

/// What has happened since the process began, as far as the log has been followed.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    log: Mutex<Tally>,
    /// Refusals of calls by code: most of them leave no record.
    calls: std::sync::Mutex<BTreeMap<&'static str, u64>>,
}

/// Counts the calls that are refused.
pub(crate) async fn count(State(site): State<Site>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if let Some(Refused(code)) = response.extensions().get() {
        *site.counters().calls().entry(code).or_default() += 1;
    }
    response
}

#[derive(Debug, Default)]
struct Tally {
    /// The first record that is not counted yet; none before the first look.
    next: Option<u64>,
    /// Records by kind.
    kinds: BTreeMap<String, u64>,
    /// Refusals by code: reviews, uses, and what channels refuse by themselves.
    refused: BTreeMap<(&'static str, &'static str), u64>,
    /// When what still waits was asked.
    waiting: HashMap<RequestId, Timestamp>,
    /// From ask to decision: how many within each bound.
    within: [u64; BOUNDS.len()],
    /// How requests were decided, or ended without a decision.
    ended: BTreeMap<&'static str, u64>,
    decided: u64,
    seconds: f64,
}

/// Upper bounds of the time to decide, in seconds.
const BOUNDS: [u32; 8] = [1, 5, 30, 60, 300, 900, 3600, 86_400];

impl Counters {
    /// Begins to count at the end of the log.
    pub(crate) async fn begin(&self, site: &Site) -> Result<(), ApprovalError> {
        let mut tally = self.log.lock().await;
        if tally.next.is_none() {
            tally.next = Some(feed::end(site.gate()).await?);
        }
        Ok(())
    }

    fn refusals(&self, out: &mut String) {
        *out += "# TYPE approvals_calls_refused_total counter\n";
        for (code, count) in &*self.calls() {
            let _ = writeln!(
                out,
                "approvals_calls_refused_total{{code=\"{code}\"}} {count}"
            );
        }
    }

    fn calls(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn text(&self, site: &Site) -> Result<String, ApprovalError> {
        self.begin(site).await?;
        let mut tally = self.log.lock().await;
        tally.follow(site).await?;
        let mut pending = Filter::pending();
        pending.limit = MOST;
        let pending = site.gate().list(pending).await?.len();
        let mut text = tally.print(pending, feed::end(site.gate()).await?, unanchored(site));
        self.refusals(&mut text);
        outbox(site, &mut text).await?;
        webhooks(site, &mut text);
        Ok(text)
    }
}

impl Tally {
    async fn follow(&mut self, site: &Site) -> Result<(), ApprovalError> {
        let mut from = self.next.unwrap_or_default();
        loop {
            let (records, next) = feed::page(site.gate(), from).await?;
            for record in &records {
                match &record.entry {
                    Entry::Request(id, event) => {
                        *self.kinds.entry(record.kind().to_owned()).or_default() += 1;
                        self.count(*id, event, record.at);
                    }
                    Entry::Log(LogEvent::ChannelRefused(refused)) => {
                        *self.kinds.entry(record.kind().to_owned()).or_default() += 1;
                        self.refuse("channel", refused.code.as_str());
                    }
                    _ => {}
                }
            }
            self.next = Some(next);
            if next == from {
                return Ok(());
            }
            from = next;
        }
    }

    fn count(&mut self, id: RequestId, event: &Event, at: Timestamp) {
        match event {
            Event::Created(_) => {
                self.waiting.insert(id, at);
            }
            Event::ReviewRefused(refused) => self.refuse("review", refused.code.as_str()),
            Event::PermitRefused(refused) => self.refuse("permit", refused.code.as_str()),
            Event::Approved(_) => self.decide(id, "approved", at),
            Event::Denied(_) => self.decide(id, "denied", at),
            Event::AutoApproved(_) => self.end(id, "allowed"),
            Event::Expired => self.end(id, "expired"),
            Event::Cancelled => self.end(id, "cancelled"),
            _ => {}
        }
    }

    fn decide(&mut self, id: RequestId, how: &'static str, at: Timestamp) {
        if let Some(asked) = self.waiting.get(&id) {
            self.took(at.since(*asked));
        }
        self.end(id, how);
    }

    fn end(&mut self, id: RequestId, how: &'static str) {
        self.waiting.remove(&id);
        *self.ended.entry(how).or_default() += 1;
    }

    fn refuse(&mut self, what: &'static str, code: &'static str) {
        *self.refused.entry((what, code)).or_default() += 1;
    }

    fn took(&mut self, time: Duration) {
        self.decided += 1;
        self.seconds += time.as_secs_f64();
        for (count, bound) in self.within.iter_mut().zip(BOUNDS) {
            *count += u64::from(time <= Duration::from_secs(u64::from(bound)));
        }
    }

    fn print(&self, pending: usize, size: u64, unanchored: Option<u64>) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "# TYPE approvals_pending gauge\napprovals_pending {pending}"
        );
        let _ = writeln!(
            out,
            "# TYPE approvals_log_records gauge\napprovals_log_records {size}"
        );
        if let Some(unanchored) = unanchored {
            let _ = writeln!(
                out,
                "# TYPE approvals_unanchored_records gauge\napprovals_unanchored_records {unanchored}"
            );
        }
        out += "# TYPE approvals_records_total counter\n";
        for (kind, count) in &self.kinds {
            let _ = writeln!(out, "approvals_records_total{{kind=\"{kind}\"}} {count}");
        }
        out += "# TYPE approvals_decided_total counter\n";
        for (how, count) in &self.ended {
            let _ = writeln!(out, "approvals_decided_total{{how=\"{how}\"}} {count}");
        }
        out += "# TYPE approvals_refused_total counter\n";
        for ((what, code), count) in &self.refused {
            let _ = writeln!(
                out,
                "approvals_refused_total{{what=\"{what}\",code=\"{code}\"}} {count}"
            );
        }
        out += "# TYPE approvals_decision_seconds histogram\n";
        for (bound, count) in BOUNDS.iter().zip(self.within) {
            let _ = writeln!(
                out,
                "approvals_decision_seconds_bucket{{le=\"{bound}\"}} {count}"
            );
        }
        let (decided, seconds) = (self.decided, self.seconds);
        let _ = writeln!(
            out,
            "approvals_decision_seconds_bucket{{le=\"+Inf\"}} {decided}"
        );
        let _ = writeln!(out, "approvals_decision_seconds_sum {seconds}");
        let _ = writeln!(out, "approvals_decision_seconds_count {decided}");
        out
    }
}

/// What each channel, and each follower of the log, has yet to take, and for how long the oldest of
/// it has been waiting.
async fn outbox(site: &Site, out: &mut String) -> Result<(), ApprovalError> {
    let backlogs = site.gate().journal().backlogs().await?;
    let mut lags = String::new();
    *out += "# TYPE approvals_outbox_waiting gauge\n";
    for backlog in backlogs {
        // A receiver that was taken out of the configuration is behind for ever, and nobody minds.
        if backlog.channel.starts_with(FOLLOWER) && !site.hooks().has(&backlog.channel) {
            continue;
        }
        let (channel, waiting) = (label(&backlog.channel), backlog.waiting);
        let _ = writeln!(
            out,
            "approvals_outbox_waiting{{channel=\"{channel}\"}} {waiting}"
        );
        let oldest = match waiting {
            0 => None,
            _ => feed::time(site.gate(), backlog.next).await?,
        };
        let lag = oldest.map_or(Duration::ZERO, |at| site.now().since(at));
        let _ = writeln!(
            lags,
            "approvals_outbox_lag_seconds{{channel=\"{channel}\"}} {}",
            lag.as_secs_f64()
        );
    }
    *out += "# TYPE approvals_outbox_lag_seconds gauge\n";
    *out += &lags;
    Ok(())
}

/// How it goes with each receiver.
fn webhooks(site: &Site, out: &mut String) {
    let hooks = site.hooks().all();
    *out += "# TYPE approvals_webhook_up gauge\n";
    for hook in &hooks {
        let (name, up) = (label(&hook.name), u8::from(hook.status.is_up()));
        let _ = writeln!(out, "approvals_webhook_up{{webhook=\"{name}\"}} {up}");
    }
    *out += "# TYPE approvals_webhook_messages_total counter\n";
    for hook in &hooks {
        let name = label(&hook.name);
        for (result, count) in [
            ("taken", hook.status.taken()),
            ("failed", hook.status.failed()),
        ] {
            let _ = writeln!(
                out,
                "approvals_webhook_messages_total{{webhook=\"{name}\",result=\"{result}\"}} {count}"
            );
        }
    }
}

/// A name as the value of a label: nothing in it ends the label or the line.
fn label(name: &str) -> String {
    let plain = |letter: char| !letter.is_control() && letter != '"' && letter != '\\';
    let letters = name.chars();
    letters
        .map(|letter| if plain(letter) { letter } else { '_' })
        .collect()
}

fn unanchored(site: &Site) -> Option<u64> {
    site.gate().anchoring().map(|status| status.unanchored)
}

/// More requests than this are not counted.
const MOST: usize = 1_000_000;

/// The counters, for whoever may look.
#[utoipa::path(
    get, path = "/metrics", tag = "operator", security(("reader" = [])),
    responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain"), crate::api::Refusals),
)]
pub(crate) async fn metrics(
    State(site): State<Site>,
    _reading: Reading,
) -> Result<impl IntoResponse, Problem> {
    let text = site.counters().text(&site).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
