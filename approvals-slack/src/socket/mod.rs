//! Socket Mode: a socket to Slack that is always there. A new one is open before the old one
//! closes, a silent one is given up, and each envelope has its effect once.

mod frame;
mod link;

use std::sync::Arc;
use std::time::Duration;

use approvals_core::id::random;
use approvals_core::secret::Secret;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::api::{Api, ApiError};
use crate::interact::Seen;
use crate::queue::Inbox;
use link::{Ended, Link};

/// Keeps the socket.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) api: Api,
    pub(crate) token: Secret,
    /// The app that a socket must be for.
    pub(crate) app: String,
    pub(crate) inbox: Inbox,
    pub(crate) seen: Seen,
}

impl Keeper {
    /// Runs until it is told to stop, or until Slack says that Socket Mode is switched off.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let keeper = Arc::new(self);
        let mut links = FuturesUnordered::new();
        let mut failures = 0_u32;
        links.push(keeper.link(Duration::ZERO));
        while let Some(ended) = tokio::select! {
            () = stop.cancelled() => None,
            ended = links.next() => ended,
        } {
            match ended {
                // It goes on reading, as the old one, while the new one opens.
                Step::Refresh(link) => {
                    failures = 0;
                    links.push(keeper.link(Duration::ZERO));
                    links.push(keeper.serve_out(link));
                }
                Step::Gone => {}
                Step::Lost { why, greeted } => {
                    failures = if greeted {
                        0
                    } else {
                        failures.saturating_add(1)
                    };
                    let wait = pause(failures);
                    tracing::warn!(
                        why,
                        wait_ms = u64::try_from(wait.as_millis()).unwrap_or(0),
                        "the socket to slack is gone and is opened again"
                    );
                    links.push(keeper.link(wait));
                }
                Step::Off(why) => {
                    tracing::error!(
                        why,
                        "slack takes no socket of this app; nobody can decide in slack until that is mended and this is started again"
                    );
                    stop.cancelled().await;
                }
            }
        }
    }

    /// Boxed, so that both kinds of work are one type in the list.
    fn link(self: &Arc<Self>, wait: Duration) -> Work {
        let keeper = Arc::clone(self);
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            match keeper.open().await {
                Ok(link) => keeper.serve(link).await,
                Err(step) => step,
            }
        })
    }

    fn serve_out(self: &Arc<Self>, mut link: Box<Link>) -> Work {
        let keeper = Arc::clone(self);
        Box::pin(async move {
            // Slack closes it; should it not, we do.
            let rest = link.serve(&keeper.inbox, &keeper.seen);
            let _ = tokio::time::timeout(OVERLAP, rest).await;
            link.close().await;
            Step::Gone
        })
    }

    async fn open(&self) -> Result<Link, Step> {
        let lost = |why: String| Step::Lost {
            why,
            greeted: false,
        };
        let url = match self.api.open_socket(&self.token).await {
            Ok(url) => url,
            Err(ApiError::Refused(code)) if HOPELESS.contains(&code.as_str()) => {
                return Err(Step::Off(code));
            }
            Err(ApiError::Limited(wait)) => {
                tokio::time::sleep(wait).await;
                return Err(lost("slack asked to wait".to_owned()));
            }
            Err(error) => return Err(lost(error.to_string())),
        };
        Link::open(&url, &self.app)
            .await
            .map_err(|ended| match ended {
                Ended::Off(why) => Step::Off(why),
                ended => lost(ended.to_string()),
            })
    }

    async fn serve(&self, mut link: Link) -> Step {
        match link.serve(&self.inbox, &self.seen).await {
            Ended::Refresh => Step::Refresh(Box::new(link)),
            Ended::Off(why) => Step::Off(why),
            ended => Step::Lost {
                why: ended.to_string(),
                greeted: true,
            },
        }
    }
}

type Work = std::pin::Pin<Box<dyn Future<Output = Step> + Send>>;

/// What follows when a link ended.
enum Step {
    Refresh(Box<Link>),
    /// An old link is closed; a newer one is there.
    Gone,
    Lost {
        why: String,
        greeted: bool,
    },
    Off(String),
}

/// Longer with every failure, and never the same for two processes.
fn pause(failures: u32) -> Duration {
    let base = Duration::from_millis(500).saturating_mul(1 << failures.min(6));
    let [jitter] = random::<1>().unwrap_or([128]);
    base.min(LONGEST).mul_f64(0.5 + f64::from(jitter) / 512.0)
}

/// How long an old socket is still read after a new one was asked for.
const OVERLAP: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(30);

/// What no second try can mend.
const HOPELESS: &[&str] = &[
    "invalid_auth",
    "not_authed",
    "not_allowed_token_type",
    "account_inactive",
    "token_revoked",
    "forbidden_team",
    "socket_mode_disabled",
    "missing_scope",
];
