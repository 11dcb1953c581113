//! The API: requesters ask, approvers look and decide.

mod approvals;
mod card;
mod events;
mod guarded;
mod instances;
mod page;
mod requests;
mod submission;
mod view;

use axum::Router;
use axum::routing::get;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::Problem;
use crate::site::Site;

/// All routes of the API, their description at `/openapi.json`, and a page to try them at
/// `/openapi`.
pub(crate) fn routes() -> Router<Site> {
    let (router, described) = description();
    router
        .merge(page::routes(&described))
        .route("/openapi.json", get(async || axum::Json(described)))
}

fn description() -> (Router<Site>, OpenApi) {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(requests::ask))
        .routes(routes!(requests::look, requests::cancel))
        .routes(routes!(requests::consume))
        .routes(routes!(requests::outcome))
        .routes(routes!(instances::provision))
        .routes(routes!(instances::show, instances::delete))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::show))
        .routes(routes!(approvals::prepare))
        .routes(routes!(approvals::decide))
        .routes(routes!(events::follow))
        .routes(routes!(crate::metrics::metrics))
        .split_for_parts()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "approvals",
        description = "Agents ask, people decide, and every step is on record. A status is never a right: only `consume` is, once."
    ),
    tags(
        (name = "requester", description = "The Agent Approval Protocol v1, for agents"),
        (name = "provisioner", description = "For whoever makes instances of agents"),
        (name = "approver", description = "For people who look and decide"),
        (name = "operator", description = "For whoever runs it")
    ),
    components(schemas(Problem)),
    modifiers(&Schemes),
)]
struct Description;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, described: &mut OpenApi) {
        let components = described.components.get_or_insert_with(Components::new);
        let bearer = || SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("agent", bearer());
        components.add_security_scheme("reader", bearer());
        components.add_security_scheme("provisioner", bearer());
    }
}

/// What any route may answer instead, each as a problem with the stable code.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "only the description is used")]
pub(crate) enum Refusals {
    /// What was sent cannot be understood, or has no single form.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// There is no proof of who calls.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// A rule forbids it, or whoever stands behind it is not known.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// There is no such thing, or it is not yours to see.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// Where it stands forbids it.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// Faster than is allowed here, or more open at once.
    #[response(status = 429, content_type = "application/problem+json")]
    TooFast(Problem),
    /// It cannot be recorded now, and so did not happen.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

pub(crate) use requests::withdraw_late;
pub(crate) use view::uuid;

/// Reads a body that has one known form.
fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|_| Problem::malformed("the body is not what this route takes; see /openapi.json"))
}
