//! The HTTP channel: agents in any language ask here, people see the whole request and decide,
//! other systems listen.
//!
//! [`Server`] is the whole of it: a program of its own with `approvals serve`, or an axum router to
//! mount in a service of yours. Nothing here decides anything: every ask and every decision goes to
//! the [`Gate`](approvals_core::Gate), which refuses here what it refuses everywhere.
//!
//! Trusted: who can write `http.toml` says which token is which agent; who can read a token can ask
//! in that agent's name, and can never approve.
#![warn(missing_docs)]

mod api;
mod auth;
mod channel;
mod config;
pub mod events;
mod feed;
mod health;
mod inbox;
mod instances;
mod login;
mod metrics;
mod problem;
mod search;
mod server;
mod site;
mod slots;
mod webhook;

pub use auth::{Caller, Reading, Token, TokenHash};
pub use channel::{Attached, Background, Channel};
pub use config::{Address, Config, InvalidConfig};
pub use inbox::Inbox;
pub use instances::Instances;
pub use problem::Problem;
pub use server::Server;
pub use site::Site;
pub use webhook::{SecretPlace, Webhooks};
