//! Provisioning of the Agent Approval Protocol: instances of agents, each with a token of its own.

use std::time::Duration;

use approvals_core::Code;
use approvals_core::digest::{hex, sha256};
use approvals_core::id;
use approvals_core::ports::Filter;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::requests::{idempotency_key, whole};
use super::view::uuid;
use crate::auth::TokenHash;
use crate::feed;
use crate::instances::{self, Delivery, Instance, Provisioning};
use crate::problem::Problem;
use crate::site::Site;
use crate::webhook::{Answer, Client, Hook, Message, Secret};

/// What is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What it is called: 1 to 60 letters, digits, `-`, `_` or `.`.
    #[serde(default)]
    #[schema(nullable = false, pattern = "^[A-Za-z0-9_.-]{1,60}$")]
    instance_name: Option<String>,
    /// The receiver that is told when a request of it is decided.
    #[serde(default)]
    #[schema(nullable = false)]
    delivery: Option<Receiver>,
}

/// Where a receiver is, and what it will know its messages by.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Receiver {
    /// How messages get there.
    r#type: Way,
    /// An address under one that http.toml allows.
    url: String,
    /// Names this registration to the receiver.
    #[schema(min_length = 1, max_length = 64)]
    registration_id: String,
    /// `whsec_` and random bytes in base64: signs what is sent there.
    signing_secret: String,
}

/// How messages get to a receiver.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Way {
    /// Standard Webhooks.
    Webhook,
}

/// An instance and, to whoever made it, its token.
#[derive(Serialize, ToSchema)]
pub(super) struct Provisioned {
    /// The instance.
    instance: InstanceView,
    /// What it calls with.
    credential: Credential,
}

/// One instance.
#[derive(Serialize, ToSchema)]
pub(super) struct InstanceView {
    /// Names it.
    id: String,
    /// What it is called.
    name: String,
    /// The agent that it is, in policies and on cards.
    agent: String,
    /// Its receiver, without what signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<ReceiverView>,
}

/// A receiver, without what signs.
#[derive(Serialize, ToSchema)]
struct ReceiverView {
    /// How messages get there.
    r#type: Way,
    /// Its address.
    url: String,
    /// Names the registration to the receiver.
    registration_id: String,
}

/// What an instance calls with.
#[derive(Serialize, ToSchema)]
struct Credential {
    /// The bearer token: a secret.
    token: String,
}

impl From<&Instance> for InstanceView {
    fn from(instance: &Instance) -> Self {
        Self {
            id: instance.id.clone(),
            name: instance.name.clone(),
            agent: instance.agent.to_string(),
            delivery: instance.delivery.as_ref().map(|delivery| ReceiverView {
                r#type: Way::Webhook,
                url: delivery.url.clone(),
                registration_id: delivery.registration_id.clone(),
            }),
        }
    }
}

/// Makes an instance: an agent of its own. With the same key and body, it is the same instance.
#[utoipa::path(
    post, path = "/v1/instances", tag = "provisioner", security(("provisioner" = [])),
    params(("Idempotency-Key" = String, Header, description = "Names this one call")),
    request_body(content = Wanted, content_type = "application/json"),
    responses(
        (status = 201, description = "Made", body = Provisioned),
        (status = 200, description = "Made before", body = Provisioned),
        (status = 422, description = "The receiver did not answer as it must", body = Problem, content_type = "application/problem+json"),
        super::Refusals
    ),
)]
pub(super) async fn provision(
    Shared(site): Shared<Site>,
    provisioning: Provisioning,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Provisioned>), Problem> {
    let made_by = provisioning.call(&idempotency_key(&headers)?);
    let body = whole(body)?;
    let made_of = hex(&sha256(&[b"approvals/http/instance/v1\0", &body]));
    // One at a time: the same call twice at once must not make two.
    let _turn = site.instances_turn().await;
    let all = site.instances().all(site.config());
    if let Some(known) = all.iter().find(|one| one.made_by == made_by) {
        return match known.made_of == made_of {
            true => Ok((StatusCode::OK, Json(answer(&provisioning, known)))),
            false => Err(Problem::new(
                Code::ActionMismatch,
                "this `Idempotency-Key` has made another instance; use a new one",
            )
            .with_status(StatusCode::CONFLICT)
            .in_words("idempotency_conflict")),
        };
    }
    let by = &provisioning.by;
    let mine = all
        .iter()
        .filter(|one| one.agent.as_str().starts_with(&format!("{}/", by.agents)));
    if mine.count() >= by.most {
        let message = "this provisioner has made as many instances as it may; delete some, or raise `most` in http.toml";
        return Err(Problem::new(Code::PolicyDenied, message));
    }
    let instance = wanted(&provisioning, super::read(&body)?, made_by, made_of)?;
    let hook = match &instance.delivery {
        None => None,
        Some(_) => Some(verified(&site, &provisioning, &instance).await?),
    };
    if let Some(hook) = &hook {
        // From here on nothing is missed, whatever happens before its first message.
        let end = feed::end(site.gate()).await?;
        site.gate().journal().followed(&hook.follower, end).await?;
    }
    let told = answer(&provisioning, &instance);
    site.instances().add(instance)?;
    if let Some(hook) = hook {
        site.hooks().push(hook);
    }
    Ok((StatusCode::CREATED, Json(told)))
}

/// Ends an instance: its token is worth nothing, what it waits for is withdrawn, nobody is told.
#[utoipa::path(
    delete, path = "/v1/instances/{id}", tag = "provisioner", security(("provisioner" = [])),
    params(("id" = String, Path, description = "The instance")),
    responses((status = 204, description = "Ended"), super::Refusals),
)]
pub(super) async fn delete(
    Shared(site): Shared<Site>,
    provisioning: Provisioning,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let _turn = site.instances_turn().await;
    let instance = own(&site, &provisioning, &id)?;
    site.instances().remove(&instance.id)?;
    site.hooks().remove(&Hook::follower_of(&instance.id));
    let mut waiting = Filter::pending();
    waiting.agent = Some(instance.agent);
    for row in site.gate().list(waiting).await? {
        site.gate().cancel(row.id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// One instance of this provisioner.
#[utoipa::path(
    get, path = "/v1/instances/{id}", tag = "provisioner", security(("provisioner" = [])),
    params(("id" = String, Path, description = "The instance")),
    responses((status = 200, description = "The instance", body = InstanceView), super::Refusals),
)]
pub(super) async fn show(
    Shared(site): Shared<Site>,
    provisioning: Provisioning,
    Path(id): Path<String>,
) -> Result<Json<InstanceView>, Problem> {
    Ok(Json(InstanceView::from(&own(&site, &provisioning, &id)?)))
}

fn own(site: &Site, provisioning: &Provisioning, id: &str) -> Result<Instance, Problem> {
    let prefix = format!("{}/", provisioning.by.agents);
    let all = site.instances().all(site.config()).into_iter();
    let mut found = all.filter(|one| one.id == id && one.agent.as_str().starts_with(&prefix));
    found.next().ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            "there is no such instance of this provisioner",
        )
    })
}

fn answer(provisioning: &Provisioning, instance: &Instance) -> Provisioned {
    Provisioned {
        instance: InstanceView::from(instance),
        credential: Credential {
            token: provisioning.token(&instance.id),
        },
    }
}

/// The instance that is to be made, within what its provisioner may make.
fn wanted(
    provisioning: &Provisioning,
    wanted: Wanted,
    made_by: String,
    made_of: String,
) -> Result<Instance, Problem> {
    let id = uuid(&random()?);
    let name = wanted
        .instance_name
        .unwrap_or_else(|| "instance".to_owned());
    let agent = instances::agent(&provisioning.by.agents, &name, &id).ok_or_else(|| {
        Problem::malformed("`instance_name` is not 1 to 60 letters, digits, `-`, `_` or `.`")
    })?;
    let delivery = wanted
        .delivery
        .map(|receiver| delivery(provisioning, receiver))
        .transpose()?;
    Ok(Instance::new(
        (id.clone(), name),
        (agent, provisioning.by.agents.clone()),
        (made_by, made_of),
        TokenHash::of(&provisioning.token(&id)),
        delivery,
    ))
}

fn delivery(provisioning: &Provisioning, receiver: Receiver) -> Result<Delivery, Problem> {
    let Receiver {
        r#type: Way::Webhook,
        url,
        registration_id,
        signing_secret,
    } = receiver;
    if provisioning.by.receiver(&url).is_none() {
        let message = "the receiver is not under an address that http.toml allows this provisioner; add it to `receivers`";
        return Err(Problem::new(Code::PolicyDenied, message));
    }
    let plain = (1..=64).contains(&registration_id.len())
        && registration_id.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain {
        return Err(Problem::malformed(
            "`registration_id` is not 1 to 64 visible characters",
        ));
    }
    Secret::parse(&signing_secret).map_err(|_| {
        Problem::malformed("`signing_secret` is not `whsec_` and 24 to 64 bytes in base64")
    })?;
    Ok(Delivery {
        url,
        registration_id,
        signing_secret,
    })
}

/// Asks the receiver whether it expects this registration, once; without its word nothing is made.
async fn verified(
    site: &Site,
    provisioning: &Provisioning,
    instance: &Instance,
) -> Result<Hook, Problem> {
    let failed = || {
        Problem::new(
            Code::Misuse,
            "the receiver did not answer the challenge of this registration in time; start it first, with the same secret and registration",
        )
        .with_status(StatusCode::UNPROCESSABLE_ENTITY)
        .in_words("webhook_verification_failed")
    };
    let hook = Hook::of_instance(instance, &provisioning.by).map_err(|_| failed())?;
    let registration = instance
        .delivery
        .as_ref()
        .map(|delivery| &delivery.registration_id);
    let (message_id, challenge) = (uuid(&random()?), uuid(&random()?));
    let now = site.now();
    let body = json!({
        "id": message_id,
        "type": "webhook.verification",
        "registration_id": registration,
        "instance_id": instance.id,
        "created_at": now.to_string(),
        "challenge": challenge,
    });
    let message = Message {
        id: message_id,
        kind: "application/json",
        body: body.to_string().into(),
    };
    let client: &Client = hook.client();
    let asked = tokio::time::timeout(VERIFYING, client.post(&message, now, MOST));
    let Ok(Answer::Taken(StatusCode::OK, body)) = asked.await else {
        return Err(failed());
    };
    let told: Option<Challenge> = serde_json::from_slice(&body).ok();
    match told {
        Some(told) if told.challenge == challenge => Ok(hook),
        _ => Err(failed()),
    }
}

#[derive(Deserialize)]
struct Challenge {
    challenge: String,
}

fn random() -> Result<[u8; 16], Problem> {
    id::random().map_err(|error| approvals_core::ApprovalError::from(error).into())
}

/// How long a receiver may take over its verification.
const VERIFYING: Duration = Duration::from_secs(10);

/// How much of a receiver's answer is read.
const MOST: usize = 4096;
