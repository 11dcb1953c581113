//! The server: its router, its limits, and what it does beside answering.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::ports::Directory;
use approvals_core::{ApprovalError, Code, Gate};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use crate::channel::{Background, Channel};
use crate::config::Config;
use crate::inbox::Inbox;
use crate::instances::Instances;
use crate::problem::Problem;
use crate::site::Site;
use crate::webhook::{self, Hook, Webhooks};
use crate::{api, health};

/// The HTTP channel of one gate: mount its [`router`](Server::router), or let it
/// [`serve`](Server::serve).
///
/// # Examples
/// ```
/// use approvals_core::People;
/// use approvals_core::testing::TestGate;
/// use approvals_http::{Config, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gate = TestGate::approving();
/// # let people = People::parse("version = 1\n[[person]]\nid = \"u_bob\"\ngroups = [\"oncall\"]")?;
/// let server = Server::new(gate.gate().clone(), people, Config::default());
/// let app: axum::Router = axum::Router::new().nest("/approvals", server.router());
/// # drop(app);
/// # Ok(())
/// # }
/// ```
pub struct Server {
    site: Site,
    mounted: Router,
    background: Vec<Background>,
}

impl Server {
    /// A server for this gate. `people` must be those that the gate was opened with.
    #[must_use]
    pub fn new(gate: Gate, people: impl Directory + 'static, config: Config) -> Self {
        Self {
            site: Site::new(gate, Arc::new(people), config),
            mounted: Router::new(),
            background: Vec::new(),
        }
    }

    /// Mounts one more channel: its routes beside the API, its work beside the server's.
    ///
    /// Its notifier must have been given to the gate's builder before.
    #[must_use]
    pub fn channel(mut self, channel: Channel) -> Self {
        let attached = channel.mount(self.site.gate().clone(), self.site.stop().clone());
        if let Some(routes) = attached.routes {
            self.mounted = self.mounted.merge(routes);
        }
        self.background.extend(attached.run);
        self
    }

    /// Mounts the inbox: the pages on which people read, decide and verify.
    #[must_use]
    pub fn inbox(mut self, inbox: &Inbox) -> Self {
        self.mounted = self.mounted.merge(inbox.routes(self.site.clone()));
        self
    }

    /// Sends events to these receivers for as long as the server [`serve`](Self::serve)s.
    #[must_use]
    pub fn webhooks(self, webhooks: Webhooks) -> Self {
        self.site.hooks().add(webhooks);
        self
    }

    /// Lets provisioners make instances, which are kept in a file.
    ///
    /// # Errors
    /// `Misuse` when the receiver of one that was made before cannot be reached as it was.
    pub fn instances(self, instances: Instances) -> Result<Self, ApprovalError> {
        self.site.keep_instances(instances);
        for instance in self.site.instances().all(self.site.config()) {
            let by = instance.provisioner(self.site.config());
            if let (Some(by), Some(_)) = (by, &instance.delivery) {
                self.site.hooks().push(Hook::of_instance(&instance, by)?);
            }
        }
        Ok(self)
    }

    /// Ends everything that waits or streams; a server that [`serve`](Self::serve)s then ends.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.site.stop().clone()
    }

    /// Every route, with its limits: to mount in a service of one's own, which then has to call
    /// [`Gate::deliver`] and [`Gate::sweep`] itself.
    pub fn router(&self) -> Router {
        let limits = self.site.config().limits;
        let ours = Router::new()
            .route("/healthz", health::live())
            .route("/readyz", health::ready())
            .merge(api::routes())
            .fallback(nowhere)
            .method_not_allowed_fallback(not_so)
            .layer(DefaultBodyLimit::max(limits.body))
            .layer(axum::middleware::from_fn_with_state(
                self.site.clone(),
                crate::metrics::count,
            ))
            .with_state(self.site.clone());
        ours.merge(self.mounted.clone())
            .layer(TimeoutLayer::with_status_code(
                StatusCode::SERVICE_UNAVAILABLE,
                limits.patience.saturating_add(LONGEST_WAIT),
            ))
            .layer(always(header::CACHE_CONTROL, "no-store"))
            .layer(always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .layer(always(header::REFERRER_POLICY, "no-referrer"))
            .layer(always(header::X_FRAME_OPTIONS, "DENY"))
            .layer(always(
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; frame-ancestors 'none'",
            ))
    }

    /// Serves until [`stop`](Self::stop) is cancelled, and then ends what is under way.
    ///
    /// Delivers notices and ends what is out of time meanwhile.
    ///
    /// # Errors
    /// `StoreUnavailable` when the listener fails.
    pub async fn serve(self, listener: TcpListener) -> Result<(), ApprovalError> {
        let app = self.router();
        self.site.counters().begin(&self.site).await?;
        let (site, stop) = (self.site.clone(), self.stop());
        let mut beside = tokio::task::JoinSet::new();
        for work in self.background {
            beside.spawn(work);
        }
        beside.spawn(deliver(site.clone()));
        beside.spawn(sweep(site.clone()));
        beside.spawn(webhook::run(site.clone()));
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        let until = stop.clone().cancelled_owned();
        let served = axum::serve(listener, service).with_graceful_shutdown(until);
        // A client that never finishes must not keep the server from ending.
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let ended = tokio::select! {
            ended = served => ended,
            () = late => Ok(()),
        };
        stop.cancel();
        let _ = tokio::time::timeout(GRACE, beside.join_all()).await;
        let flushed = site.gate().flush().await;
        ended.map_err(|error| {
            ApprovalError::new(
                Code::StoreUnavailable,
                format!("the listener failed ({error}); start the server again"),
            )
        })?;
        flushed
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

/// Carries notices out until the server stops.
async fn deliver(site: Site) {
    while !site.stop().is_cancelled() {
        if let Err(error) = site.gate().deliver().await {
            tracing::warn!(%error, "notices could not be read");
        }
        pause(&site, DELIVERIES).await;
    }
}

/// Ends what is out of time until the server stops.
async fn sweep(site: Site) {
    while !site.stop().is_cancelled() {
        if let Err(error) = site.gate().sweep().await {
            tracing::warn!(%error, "what is out of time could not be ended");
        }
        webhook::withdraw_late(&site).await;
        pause(&site, SWEEPS).await;
    }
}

async fn pause(site: &Site, pause: Duration) {
    tokio::select! {
        () = site.stop().cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

async fn nowhere(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(100).collect();
    Problem::new(
        Code::NotFound,
        format!("there is nothing at `{path}`; see /openapi.json"),
    )
}

async fn not_so(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(100).collect();
    let message = format!("`{path}` does not take {method}; see /openapi.json");
    Problem::new(Code::Misuse, message).with_status(StatusCode::METHOD_NOT_ALLOWED)
}

fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// How often notices are looked for.
const DELIVERIES: Duration = Duration::from_secs(1);

/// How often what is out of time is ended.
const SWEEPS: Duration = Duration::from_secs(10);

/// How long what is under way may take once the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// How long a caller may wait for people in one call.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);
