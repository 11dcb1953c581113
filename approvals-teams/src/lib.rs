//! The Microsoft Teams channel: one card in a channel, a group chat or a person's chat, decided by
//! a click of somebody who is known.
//!
//! [`Teams`] is the whole of it: [`Teams::notifiers`] carry requests out, and [`Teams::router`]
//! takes what Teams sends back. Nothing here decides anything: a click becomes a
//! [`Review`](approvals_core::Review), and [`Gate::review`](approvals_core::Gate::review) refuses
//! here what it refuses everywhere.
//!
//! Trusted: who can write `teams.toml` says which tenant and which conversations are asked; who
//! has the app's secret can post and change cards, and can decide nothing. Microsoft, which signs
//! what comes in, says who clicked: that is why a click is worth assurance `A1` and no more.
#![warn(missing_docs)]

mod activity;
mod answer;
mod app;
mod cards;
mod click;
mod cloud;
mod config;
mod connector;
mod doctor;
mod inbound;
mod notify;
mod pace;
mod package;
mod places;
mod secret;
mod token;
mod web;
mod workflow;

pub use app::Teams;
pub use cards::{Drawn, Fullness};
pub use cloud::{Cloud, Dangerous, ServiceUrl};
pub use config::{Config, InvalidConfig};
pub use doctor::{Finding, doctor};
pub use inbound::{Claims, Keys, Refused, Verified, verify};
pub use package::package;
pub use secret::{Certificate, Credential};
