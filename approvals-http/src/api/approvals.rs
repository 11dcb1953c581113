//! For people who look and decide. A token lets them look; a decision takes a signature of their own
//! key over exactly what was shown.

use std::time::Duration;

use approvals_core::ports::{Filter, RequestRow};
use approvals_core::review::{Statement, commit_reason};
use approvals_core::sealed::Disclosure;
use approvals_core::{AgentId, ApprovalError, Status, Vote, id, sshsig};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State as Shared};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::card::{CardView, RowView, TallyView};
use super::requests::whole;
use super::view::request_id;
use crate::auth::Reading;
use crate::problem::Problem;
use crate::search::search;
use crate::site::Site;

/// How long a prepared statement may be signed and sent.
const GOOD_FOR: Duration = Duration::from_secs(300);

/// Which requests to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only those that stand so: `pending` unless given, `any` for all.
    #[param(pattern = "^(any|pending|approved|denied|expired|cancelled|failed)$")]
    status: Option<String>,
    /// Only those of this agent.
    agent: Option<String>,
    /// Only those of this scope.
    scope: Option<String>,
    /// How many at most, newest first; 200 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only those asked before this one: the `next` of the page before.
    before: Option<String>,
}

/// Requests, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Listing {
    /// The requests.
    requests: Vec<RowView>,
    /// Where the next page begins, when there may be one: to be given as `before`. A page may hold
    /// fewer requests than were asked for, or none: one call looks at a bounded number of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What waits for people, or what was decided.
#[utoipa::path(
    get, path = "/v1/approvals", tag = "approver", security(("reader" = [])), params(Wanted),
    responses((status = 200, description = "Newest first", body = Listing), super::Refusals),
)]
pub(super) async fn list(
    Shared(site): Shared<Site>,
    _reading: Reading,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Listing>, Problem> {
    let Query(wanted) = wanted.map_err(|error| Problem::malformed(error.body_text()))?;
    let mut filter = Filter::pending();
    filter.status = match wanted.status.as_deref() {
        None => Some(Status::Pending),
        Some("any") => None,
        Some(text) => Some(Status::parse(text).ok_or_else(|| {
            Problem::malformed("`status` is none; write one of pending, approved, denied, expired, cancelled, failed, any")
        })?),
    };
    let agent = wanted
        .agent
        .as_deref()
        .map(str::parse::<AgentId>)
        .transpose();
    filter.agent = agent.map_err(|error| Problem::malformed(error.to_string()))?;
    let before = wanted.before.as_deref().map(request_id).transpose();
    filter.before = before?;
    let most = match wanted.limit.unwrap_or(200) {
        limit @ 1..=1000 => limit,
        _ => {
            return Err(Problem::malformed(
                "`limit` is not a number from 1 to 1000; ask for a page",
            ));
        }
    };
    let scope = wanted.scope.as_deref();
    let fits = |row: &RequestRow| scope.is_none_or(|wanted| wanted == row.scope.as_str());
    let found = search(site.gate(), filter, most, fits).await?;
    Ok(Json(Listing {
        requests: found.rows.iter().map(RowView::from).collect(),
        next: found.next.map(|next| next.to_string()),
    }))
}

/// One request, whole: what is shown here is what is signed.
#[utoipa::path(
    get, path = "/v1/approvals/{id}", tag = "approver", security(("reader" = [])),
    params(("id" = String, Path, description = "The request")),
    responses((status = 200, description = "The request", body = CardView), super::Refusals),
)]
pub(super) async fn show(
    Shared(site): Shared<Site>,
    _reading: Reading,
    Path(id): Path<String>,
) -> Result<Json<CardView>, Problem> {
    let id = request_id(&id)?;
    let card = site.gate().card(id).await?;
    let history = site.gate().journal().history(id).await?;
    Ok(Json(CardView::of(&card, &history)))
}

/// What somebody wants to decide.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// Yes or no.
    vote: VoteText,
    /// Why; needed to deny.
    #[serde(default)]
    #[schema(nullable = false, max_length = 4000)]
    reason: Option<String>,
}

/// Yes or no.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum VoteText {
    /// It may run.
    Approve,
    /// It may not.
    Deny,
}

/// What is to be signed: with `ssh-keygen -Y sign -n approvals-decision@v1`, over exactly these bytes.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Prepared {
    /// The decision bytes, in base64. They name request, action, policy, vote and person: look at them before you sign.
    statement: String,
    /// What opens the commitment to the reason; sent back with the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// Prepares a decision for its signature. It changes nothing.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/statement", tag = "approver", security(("reader" = [])),
    params(("id" = String, Path, description = "The request")),
    request_body(content = Wish, content_type = "application/json"),
    responses((status = 200, description = "To be signed within five minutes", body = Prepared), super::Refusals),
)]
pub(super) async fn prepare(
    Shared(site): Shared<Site>,
    reading: Reading,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Prepared>, Problem> {
    let id = request_id(&id)?;
    let wish: Wish = super::read(&whole(body)?)?;
    let reason = wish.reason.filter(|reason| !reason.trim().is_empty());
    let vote = match (wish.vote, &reason) {
        (VoteText::Deny, None) => {
            return Err(Problem::malformed(
                "a denial has no reason; say why in a few words",
            ));
        }
        (VoteText::Deny, Some(_)) => Vote::Deny,
        (VoteText::Approve, _) => Vote::Approve,
    };
    // No card, no decision: what cannot be shown whole cannot be signed.
    let card = site.gate().card(id).await?;
    let reason = reason.as_deref().map(commit_reason).transpose()?;
    let nonce = id::random::<16>().map_err(ApprovalError::from)?;
    let nonce = format!("{:032x}", u128::from_be_bytes(nonce));
    let decided = (card.request, card.digest, card.policy, vote);
    let until = site.now().after(GOOD_FOR);
    let statement = Statement::new(decided, reading.person, reason.as_ref(), nonce, until);
    Ok(Json(Prepared {
        statement: STANDARD.encode(statement.bytes()?),
        reason: reason.map(|reason| reason.text),
    }))
}

/// A signed decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    /// The decision bytes, in base64, exactly as they were signed.
    statement: String,
    /// What opens the commitment to the reason, as it was prepared.
    #[serde(default)]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// The signature, as `ssh-keygen` writes it.
    signature: String,
}

/// Takes a signed decision in. Who decides is what the signature says, and nothing else.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/decisions", tag = "approver", security(("reader" = [])),
    params(("id" = String, Path, description = "The request")),
    request_body(content = Signed, content_type = "application/json"),
    responses((status = 200, description = "Counted", body = TallyView), super::Refusals),
)]
pub(super) async fn decide(
    Shared(site): Shared<Site>,
    _reading: Reading,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<TallyView>, Problem> {
    let id = request_id(&id)?;
    let signed: Signed = super::read(&whole(body)?)?;
    let statement = STANDARD
        .decode(&signed.statement)
        .map_err(|_| Problem::malformed("`statement` is not base64; send what was prepared"))?;
    let reason = signed.reason.map(Disclosure::from_text);
    let review = sshsig::review(&statement, &signed.signature, reason, site.now())?;
    // The address must not say one thing and the signature another.
    if review.request() != id {
        let message = "the signed decision is about another request; send it there";
        return Err(Problem::new(approvals_core::Code::ActionMismatch, message).about(id));
    }
    let tally = site.gate().review(review).await?;
    Ok(Json(TallyView::of(
        tally.status,
        &tally.progress,
        tally.record,
    )))
}
