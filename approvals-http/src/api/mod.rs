//! The API: requesters ask, approvers look and decide.

use axum::Router;

use crate::site::Site;

/// All routes of the API.
pub(crate) fn routes() -> Router<Site> {
    Router::new()
}
