//! One socket: opened in a bounded time, read until it ends, given up when it is silent.

use std::fmt;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::Uri;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::frame::Frame;
use crate::api::tls;
use crate::config::{CALL, is_safe};
use crate::interact::Seen;
use crate::queue::Inbox;

/// An open socket on which Slack has said hello.
pub(super) struct Link {
    socket: WebSocketStream<Box<dyn Wire>>,
    pending: FuturesUnordered<Acknowledging>,
}

/// Why a socket came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Slack wants a new one in its place.
    Refresh,
    /// Slack wants none at all.
    Off(String),
    /// It broke, went silent, or was closed.
    Lost(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refresh => f.write_str("slack replaces it"),
            Self::Off(why) | Self::Lost(why) => f.write_str(why),
        }
    }
}

/// The bytes under a socket, encrypted or within this machine.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

type Acknowledging = std::pin::Pin<Box<dyn Future<Output = Option<Value>> + Send>>;

impl Link {
    pub(super) async fn open(url: &str, app: &str) -> Result<Self, Ended> {
        let opening = timeout(OPENING, connect(url)).await;
        let socket = opening
            .map_err(|_| lost("it did not open in time"))?
            .map_err(lost)?;
        let mut link = Self {
            socket,
            pending: FuturesUnordered::new(),
        };
        match timeout(OPENING, link.greeting(app)).await {
            Ok(greeted) => greeted.map(|()| link),
            Err(_) => Err(lost("slack did not say hello")),
        }
    }

    async fn greeting(&mut self, app: &str) -> Result<(), Ended> {
        loop {
            let Some(frame) = self.frame().await? else {
                continue;
            };
            if frame.kind == "disconnect" {
                return Err(disconnected(frame.reason));
            }
            if frame.kind == "hello" {
                let named = frame.connection_info.and_then(|info| info.app_id);
                return match named {
                    Some(named) if named != app => Err(Ended::Off(format!(
                        "the app-level token is of the app `{named}` and not of `{app}`; set the one that belongs to `app` in slack.toml"
                    ))),
                    _ => Ok(()),
                };
            }
        }
    }

    /// Reads until it ends; every callback is acknowledged once it is worked on.
    pub(super) async fn serve(&mut self, inbox: &Inbox, seen: &Seen) -> Ended {
        let mut heard = Instant::now();
        let mut pulse = tokio::time::interval(PULSE);
        loop {
            let step = tokio::select! {
                Some(ack) = self.pending.next(), if !self.pending.is_empty() => match ack {
                    Some(ack) => self.send(Message::text(ack.to_string())).await,
                    None => Ok(()),
                },
                _ = pulse.tick() => match heard.elapsed() > SILENCE {
                    true => Err(lost("it went silent")),
                    false => self.send(Message::Ping(Vec::new().into())).await,
                },
                frame = next(&mut self.socket) => {
                    heard = Instant::now();
                    match frame {
                        Ok(Some(frame)) => self.take(frame, inbox, seen),
                        Ok(None) => Ok(()),
                        Err(ended) => Err(ended),
                    }
                }
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    fn take(&mut self, frame: Frame, inbox: &Inbox, seen: &Seen) -> Result<(), Ended> {
        if frame.kind == "disconnect" {
            return Err(disconnected(frame.reason));
        }
        let Some(envelope) = frame.envelope_id else {
            return Ok(());
        };
        let payload = frame
            .payload
            .map(|payload| payload.get().as_bytes().to_vec());
        let work = payload.filter(|_| frame.kind == "interactive");
        let taken = match work {
            // A redelivery is acknowledged again and does nothing.
            Some(payload) => seen.once(&envelope, || inbox.put(payload)),
            None => Ok(None),
        };
        // Not acknowledged when nobody takes it, and not seen: Slack sends it again.
        let Ok(taken) = taken else {
            tracing::warn!("a click in slack was not taken, because too many wait");
            return Ok(());
        };
        self.pending.push(Box::pin(async move {
            let answer = match taken {
                Some(taken) => taken.answer().await.ok()?,
                None => Value::Null,
            };
            Some(match answer {
                Value::Null => json!({ "envelope_id": envelope }),
                answer => json!({ "envelope_id": envelope, "payload": answer }),
            })
        }));
        Ok(())
    }

    pub(super) async fn close(&mut self) {
        let _ = timeout(CALL, self.socket.close(None)).await;
    }

    async fn frame(&mut self) -> Result<Option<Frame>, Ended> {
        next(&mut self.socket).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        let sent = timeout(CALL, self.socket.send(message)).await;
        sent.map_err(|_| lost("it takes nothing any more"))?
            .map_err(lost)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

/// The next frame that says something.
async fn next(socket: &mut WebSocketStream<Box<dyn Wire>>) -> Result<Option<Frame>, Ended> {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => Ok(serde_json::from_str(&text).ok()),
        Some(Ok(Message::Close(_))) | None => Err(lost("slack closed it")),
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(lost(error)),
    }
}

fn disconnected(reason: Option<String>) -> Ended {
    match reason.as_deref() {
        Some("link_disabled") => Ended::Off("Socket Mode is switched off for the app".to_owned()),
        Some("too_many_websockets") => lost("the app has too many sockets open"),
        _ => Ended::Refresh,
    }
}

fn lost(why: impl fmt::Display) -> Ended {
    Ended::Lost(why.to_string())
}

async fn connect(url: &str) -> Result<WebSocketStream<Box<dyn Wire>>, String> {
    let uri: Uri = url.parse().map_err(|_| "slack names no address")?;
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let secure = uri.scheme_str() == Some("wss");
    // The ticket in the address is a secret: it goes to Slack, or stays within this machine.
    if !is_safe(url) || (secure && !is_slack(&host)) {
        return Err("the address is not one of slack's".to_owned());
    }
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port))
        .await
        .map_err(|error| error.to_string())?;
    let wire: Box<dyn Wire> = match secure {
        false => Box::new(stream),
        true => {
            let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
            let encrypted = TlsConnector::from(tls()?).connect(name, stream).await;
            Box::new(encrypted.map_err(|error| error.to_string())?)
        }
    };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MOST))
        .max_frame_size(Some(MOST));
    let opened = client_async_with_config(url, wire, Some(limits)).await;
    opened
        .map(|(socket, _)| socket)
        .map_err(|error| error.to_string())
}

fn is_slack(host: &str) -> bool {
    host.ends_with(".slack.com") || host.ends_with(".slack-gov.com")
}

const OPENING: Duration = Duration::from_secs(10);
const PULSE: Duration = Duration::from_secs(15);
/// Longer than three pulses: nothing at all was heard, not even answers to our own.
const SILENCE: Duration = Duration::from_secs(50);
const MOST: usize = 1024 * 1024;
