//! Microsoft, as far as an app can tell: a login, published keys, and a connector that remembers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use approvals_core::{Clock as _, SystemClock};
use approvals_teams::Cloud;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Form, Json, Router};
use serde_json::{Value, json};

use super::sign::KEYS;
use super::{APP, SECRET, object};

pub(crate) fn now() -> i64 {
    SystemClock.now().as_micros() / 1_000_000
}

/// What the connector saw and what it answers.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Every message: (conversation, activity, content), in order; an update is a new entry.
    pub(crate) messages: Vec<(String, String, Value)>,
    /// Statuses that the next calls fail with.
    pub(crate) failures: VecDeque<u16>,
    /// How many seconds failing calls are asked to wait.
    pub(crate) retry_after: Option<u64>,
    /// When we were called, and how: connectors and webhooks, with the app's token or without one.
    pub(crate) called: Vec<(Instant, String)>,
    /// What the webhook got.
    pub(crate) hooked: Vec<Value>,
    /// What the OpenID document says in place of the usual.
    pub(crate) openid: Option<Value>,
    /// The keys that are published in place of the usual.
    pub(crate) published: Option<Vec<Value>>,
    /// What a member looks like in place of the usual.
    pub(crate) member: Option<Value>,
    /// Bodies that the login saw.
    pub(crate) logins: Vec<Vec<(String, String)>>,
    /// How often the keys were asked for.
    pub(crate) keys_asked: usize,
    /// Everything that was wrong with calls of ours.
    pub(crate) wrong: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Microsoft {
    pub(crate) base: String,
    pub(crate) world: Arc<Mutex<World>>,
}

impl Microsoft {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let it = Self {
            base,
            world: Arc::default(),
        };
        let routes = Router::new()
            .route("/openid", get(openid))
            .route("/openidconfiguration", get(openid))
            .route("/keys", get(keys))
            .route("/hook/{secret}", post(hook))
            .route("/{tenant}/oauth2/v2.0/token", post(login))
            .route("/amer/v3/conversations", post(create))
            .route(
                "/amer/v3/conversations/{conversation}/activities",
                post(send),
            )
            .route(
                "/amer/v3/conversations/{conversation}/activities/{activity}",
                put(update),
            )
            .route(
                "/amer/v3/conversations/{conversation}/members/{member}",
                get(member),
            )
            .with_state(it.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        it
    }

    pub(crate) fn cloud(&self) -> Cloud {
        let cloud = Cloud::dangerous().loopback(&self.base, &format!("{}/openid", self.base));
        cloud.expect("loopback")
    }

    pub(crate) fn service(&self) -> String {
        format!("{}/amer/", self.base)
    }

    pub(crate) fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().expect("no test holds it while it fails")
    }

    fn call(
        &self,
        what: &str,
        headers: &HeaderMap,
    ) -> Result<std::sync::MutexGuard<'_, World>, Failed> {
        let mut world = self.world();
        world.called.push((Instant::now(), what.to_owned()));
        if headers
            .get("authorization")
            .is_none_or(|value| value != "Bearer app-token")
        {
            world
                .wrong
                .push("a call without the app's token".to_owned());
            return Err(Failed(StatusCode::UNAUTHORIZED, None));
        }
        world.fails()?;
        Ok(world)
    }
}

/// An answer that is none, and for how many seconds it asks to be left alone.
struct Failed(StatusCode, Option<u64>);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Self(status, wait) = self;
        match wait {
            Some(wait) => (status, [("retry-after", wait.to_string())]).into_response(),
            None => status.into_response(),
        }
    }
}

impl World {
    /// The next failure, if one is wanted.
    fn fails(&mut self) -> Result<(), Failed> {
        let Some(status) = self.failures.pop_front() else {
            return Ok(());
        };
        let status = StatusCode::from_u16(status).expect("a status");
        Err(Failed(status, self.retry_after))
    }
}

async fn hook(
    State(it): State<Microsoft>,
    Path(secret): Path<String>,
    Json(body): Json<Value>,
) -> Result<StatusCode, Failed> {
    let mut world = it.world();
    world.called.push((Instant::now(), "hook".to_owned()));
    if secret != super::HOOK {
        world.wrong.push(format!("another webhook: {secret}"));
    }
    world.fails()?;
    world.hooked.push(body);
    Ok(StatusCode::ACCEPTED)
}

async fn openid(State(it): State<Microsoft>) -> Json<Value> {
    let usual = json!({"issuer": "https://api.botframework.com", "authorization_endpoint": "https://invalid.botframework.com", "jwks_uri": format!("{}/keys", it.base), "id_token_signing_alg_values_supported": ["RS256"], "token_endpoint_auth_methods_supported": ["private_key_jwt"]});
    let other = it.world().openid.clone();
    Json(other.unwrap_or(usual))
}

async fn keys(State(it): State<Microsoft>) -> Json<Value> {
    let mut world = it.world();
    world.keys_asked += 1;
    let usual = || KEYS.iter().take(3).map(super::sign::Key::jwk).collect();
    let published = world.published.clone().unwrap_or_else(usual);
    Json(json!({"keys": published}))
}

async fn login(State(it): State<Microsoft>, Form(form): Form<Vec<(String, String)>>) -> Response {
    let has = |name: &str, value: &str| form.iter().any(|(n, v)| n == name && v == value);
    let known = has("client_id", APP)
        && has("grant_type", "client_credentials")
        && has("scope", "https://api.botframework.com/.default")
        && (has("client_secret", SECRET)
            || form.iter().any(|(name, _)| name == "client_assertion"));
    it.world().logins.push(form);
    match known {
        true => {
            Json(json!({"token_type": "Bearer", "access_token": "app-token", "expires_in": 3600}))
                .into_response()
        }
        false => {
            let error = json!({"error": "invalid_client", "error_codes": [7_000_215], "error_description": "Invalid client secret provided: canary-secret-of-the-app"});
            (StatusCode::UNAUTHORIZED, Json(error)).into_response()
        }
    }
}

async fn create(
    State(it): State<Microsoft>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failed> {
    let mut world = it.call("create", &headers)?;
    if body["members"].is_array() {
        return Ok(Json(json!({"id": "a:personal"})));
    }
    let activity = format!("act-{}", world.messages.len());
    let channel = body["channelData"]["channel"]["id"]
        .as_str()
        .unwrap_or_default();
    let conversation = format!("{channel};messageid={activity}");
    world.messages.push((
        conversation.clone(),
        activity.clone(),
        body["activity"].clone(),
    ));
    Ok(Json(json!({"id": conversation, "activityId": activity})))
}

async fn send(
    State(it): State<Microsoft>,
    Path(conversation): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failed> {
    let mut world = it.call("post", &headers)?;
    let activity = format!("act-{}", world.messages.len());
    world.messages.push((conversation, activity.clone(), body));
    Ok(Json(json!({"id": activity})))
}

async fn update(
    State(it): State<Microsoft>,
    Path((conversation, activity)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failed> {
    let mut world = it.call("put", &headers)?;
    let known = world
        .messages
        .iter()
        .any(|(at, id, _)| *at == conversation && *id == activity);
    if !known {
        return Err(Failed(StatusCode::NOT_FOUND, None));
    }
    world.messages.push((conversation, activity.clone(), body));
    Ok(Json(json!({"id": activity})))
}

async fn member(
    State(it): State<Microsoft>,
    Path((_, member)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Failed> {
    let world = it.call("member", &headers)?;
    let number = member
        .strip_prefix("29:user-")
        .and_then(|number| number.parse().ok());
    let Some(number) = number else {
        return Err(Failed(StatusCode::NOT_FOUND, None));
    };
    let usual = json!({"id": member, "aadObjectId": object(number), "objectId": object(number), "tenantId": super::TENANT, "userRole": "user", "name": "Person"});
    Ok(Json(world.member.clone().unwrap_or(usual)))
}
