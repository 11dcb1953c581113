//! The Agent Approval Protocol: agents in any language ask here, wait, and use an approval once.

use std::time::Duration;

use approvals_core::digest::sha256;
use approvals_core::id::RecordId;
use approvals_core::ports::Filter;
use approvals_core::{ActionDigest, AgentId, Code, RequestId};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::guarded::Guarded;
use super::submission::Submission;
use super::view::{EndView, RequestView, State, request_id};
use crate::auth::Caller;
use crate::problem::Problem;
use crate::server::LONGEST_WAIT;
use crate::site::Site;

/// What an agent asks for; who asks is what the token says.
#[derive(ToSchema)]
#[schema(as = Submission)]
#[expect(
    dead_code,
    reason = "only the description is used: bodies are read strictly by hand"
)]
pub(super) struct SubmissionBody {
    /// The tool: a scope such as `db.export`, a plain name, or one that `[tools]` of the configuration names.
    #[schema(max_length = 128)]
    tool: String,
    /// The server that has the tool.
    #[schema(nullable = false)]
    server: Option<String>,
    /// The arguments, all of them: this is what people see, and what may run.
    #[schema(value_type = Object)]
    arguments: String,
    /// How long people have, at most: `10m`, `24h`. Policy can only shorten it. Needed without `guard`.
    #[schema(nullable = false, pattern = "^[0-9]{1,7}[smhd]$")]
    timeout: Option<String>,
    /// The agent's own words for why: shown apart, as its claim.
    #[schema(nullable = false)]
    agent_reasoning: Option<String>,
    /// What the agent's runtime wants back.
    #[schema(value_type = Option<Object>, nullable = false)]
    context: Option<String>,
    /// The call of a guarded function, as `approvals-remote` sends it; instead of `timeout` and `context`.
    #[schema(nullable = false)]
    guard: Option<Guarded>,
}

/// Asks people for one tool call. Asked again with the same key, it is the same request.
#[utoipa::path(
    post, path = "/v1/requests", tag = "requester", security(("agent" = [])),
    params(("Idempotency-Key" = String, Header, description = "Names this one call")),
    request_body(content = SubmissionBody, content_type = "application/json"),
    responses((status = 201, description = "Asked, or asked before", body = RequestView), super::Refusals),
)]
pub(super) async fn ask(
    Shared(site): Shared<Site>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RequestView>), Problem> {
    let key = idempotency_key(&headers)?;
    let submission = Submission::parse(&whole(body)?)?;
    site.count_ask(&caller.id)?;
    let config = site.config();
    let call = submission.into_call(&caller, &key, &config.tools, config.environment())?;
    let request = site.gate().ask(call).await?;
    let view = current(&site, &caller, request).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// How long to wait for a decision.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Waiting {
    /// Waits so long for a decision, `60s` at most.
    #[param(pattern = "^[0-9]{1,4}s$")]
    wait: Option<String>,
}

/// One request of this agent; with `wait`, answers once it is decided or the time is over.
#[utoipa::path(
    get, path = "/v1/requests/{id}", tag = "requester", security(("agent" = [])),
    params(("id" = String, Path, description = "The request"), Waiting),
    responses((status = 200, description = "Where it stands", body = RequestView), super::Refusals),
)]
pub(super) async fn look(
    Shared(site): Shared<Site>,
    caller: Caller,
    Path(id): Path<String>,
    waiting: Result<Query<Waiting>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<RequestView>, Problem> {
    let id = request_id(&id)?;
    let Query(waiting) = waiting.map_err(|error| Problem::malformed(error.body_text()))?;
    let wait = waiting.wait.as_deref().map(seconds).transpose()?;
    let _slot = wait.map(|_| site.begin_wait(&caller.id)).transpose()?;
    let until = site.now().after(wait.unwrap_or_default());
    loop {
        let view = current(&site, &caller, id).await?;
        let left = until.min(view.deadline_at.0).since(site.now());
        if view.status != State::Pending || left.is_zero() || site.stop().is_cancelled() {
            return Ok(Json(view));
        }
        tokio::select! {
            changed = site.gate().changed(id, view.seq, left) => { changed?; }
            () = site.stop().cancelled() => {}
        }
    }
}

/// Withdraws a request that has not been used.
#[utoipa::path(
    delete, path = "/v1/requests/{id}", tag = "requester", security(("agent" = [])),
    params(("id" = String, Path, description = "The request")),
    responses((status = 200, description = "Withdrawn, or settled before", body = RequestView), super::Refusals),
)]
pub(super) async fn cancel(
    Shared(site): Shared<Site>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RequestView>, Problem> {
    let id = request_id(&id)?;
    current(&site, &caller, id).await?;
    site.gate().cancel(id).await?;
    Ok(Json(current(&site, &caller, id).await?))
}

/// What a guarded function is about to run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Using {
    /// The digest of the action, as the agent computed it from its own arguments.
    #[schema(value_type = String, pattern = "^sha256:[0-9a-f]{64}$")]
    digest: ActionDigest,
}

/// Uses an approval up: the one answer after which the tool may run, once.
#[utoipa::path(
    post, path = "/v1/requests/{id}/consume", tag = "requester", security(("agent" = [])),
    params(
        ("id" = String, Path, description = "The request"),
        ("Idempotency-Key" = String, Header, description = "Names this one try"),
    ),
    request_body(content = Option<Using>, description = "Needed for a guarded call", content_type = "application/json"),
    responses((status = 200, description = "It may run now", body = RequestView), super::Refusals),
)]
pub(super) async fn consume(
    Shared(site): Shared<Site>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RequestView>, Problem> {
    let id = request_id(&id)?;
    let key = idempotency_key(&headers)?;
    let seen = current(&site, &caller, id).await?;
    let digest = match seen.guard {
        // Whoever runs a guarded function says what, and the gate compares.
        Some(_) => super::read::<Using>(&whole(body)?)?.digest,
        None => seen.digest,
    };
    let redeemed = site.gate().redeem(id, attempt(id, &key), digest).await;
    redeemed.map_err(|error| in_conflict(Problem::from(error)))?;
    Ok(Json(current(&site, &caller, id).await?))
}

/// How a run ended, as the agent says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ending {
    /// How.
    status: EndView,
    /// What was about to run, when it was not what was approved: with `not_run`, and only then.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false, pattern = "^sha256:[0-9a-f]{64}$")]
    digest: Option<ActionDigest>,
    /// More about it; not kept, because it could hold a secret.
    #[serde(default)]
    #[schema(nullable = false)]
    #[expect(dead_code, reason = "the protocol has it, and the log must not")]
    note: Option<String>,
}

/// Says how the run of a used approval has ended.
#[utoipa::path(
    post, path = "/v1/requests/{id}/outcome", tag = "requester", security(("agent" = [])),
    params(("id" = String, Path, description = "The request")),
    request_body(content = Ending, content_type = "application/json"),
    responses((status = 200, description = "Recorded", body = RequestView), super::Refusals),
)]
pub(super) async fn outcome(
    Shared(site): Shared<Site>,
    caller: Caller,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RequestView>, Problem> {
    let id = request_id(&id)?;
    let ending: Ending = super::read(&whole(body)?)?;
    current(&site, &caller, id).await?;
    let reported = match (ending.status.outcome(), ending.digest) {
        (Some(outcome), None) => site.gate().report(id, outcome).await,
        (None, Some(got)) => site.gate().renounce(id, got).await,
        _ => {
            return Err(Problem::malformed(
                "`digest` belongs to `not_run` and to nothing else; say what was about to run",
            ));
        }
    };
    reported.map_err(|error| in_conflict(Problem::from(error)))?;
    Ok(Json(current(&site, &caller, id).await?))
}

/// The agent's own request as it stands now. When the agent's time for people is over, it is
/// withdrawn first.
async fn current(site: &Site, caller: &Caller, id: RequestId) -> Result<RequestView, Problem> {
    let view = RequestView::of(site.gate(), id, &caller.id).await?;
    if !view.is_late(site.now()) {
        return Ok(view);
    }
    site.gate().cancel(id).await?;
    RequestView::of(site.gate(), id, &caller.id).await
}

/// Withdraws what an agent's own time is over for, of those agents that wait for a message instead of
/// looking again.
pub(crate) async fn withdraw_late(site: &Site, agent: &AgentId) -> Result<(), Problem> {
    let mut waiting = Filter::pending();
    waiting.agent = Some(agent.clone());
    let journal = site.gate().journal();
    let waiting = journal.read(move |reader| reader.requests(&waiting));
    for row in waiting.await? {
        let view = RequestView::of(site.gate(), row.id, agent).await;
        if view.is_ok_and(|view| view.is_late(site.now())) {
            site.gate().cancel(row.id).await?;
        }
    }
    Ok(())
}

/// What a request's state forbids is a conflict to this protocol, whatever the reason.
fn in_conflict(problem: Problem) -> Problem {
    match problem.status() {
        400..=499 if problem.code() != Code::NotFound.as_str() => {
            problem.with_status(StatusCode::CONFLICT)
        }
        202 => problem.with_status(StatusCode::CONFLICT),
        500 => problem.with_status(StatusCode::CONFLICT),
        _ => problem,
    }
}

/// The name of one try: from the request and the caller's own key, so that a retry is the same try.
fn attempt(id: RequestId, key: &str) -> RecordId {
    let digest = sha256(&[
        b"approvals/http/attempt/v1\0",
        id.as_bytes(),
        key.as_bytes(),
    ]);
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    RecordId::from_bytes(bytes)
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let key = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    match key {
        Some(key) if (1..=255).contains(&key.len()) => Ok(key.to_owned()),
        _ => Err(Problem::malformed(
            "there is no one `Idempotency-Key` of 1 to 255 visible characters; name the call with one",
        )),
    }
}

fn seconds(text: &str) -> Result<Duration, Problem> {
    let digits = text.strip_suffix('s').filter(|digits| {
        (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let seconds = digits.and_then(|digits| digits.parse().ok());
    let wrong = || Problem::malformed("`wait` is not a number of seconds; write it as `25s`");
    Ok(Duration::from_secs(seconds.ok_or_else(wrong)?).min(LONGEST_WAIT))
}

/// The whole body, within the limit.
pub(super) fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|error| Problem::malformed(error.body_text()).with_status(error.status()))
}
