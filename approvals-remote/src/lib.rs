//! A gate whose store, keys and policy live in another process.
//!
//! Guarded functions run unchanged: they ask `approvals serve`, or any
//! [`approvals_http::Server`](https://docs.rs/approvals-http), wait, use the approval up there, once,
//! and run here. The agent's process holds a bearer token and nothing else: with it one can ask in
//! the agent's name, and neither approve nor change what was recorded.
//!
//! What people see is what runs: every answer is compared with the arguments of the call, sealed
//! once more on this side, before anything counts; and the live arguments once more before the body
//! runs. An answer that is about anything else, or cannot be read, is a no.
//!
//! Trusted: whoever runs the server decides who approved. Whoever stands between can keep an agent
//! from running, and over TLS nothing more.
#![warn(missing_docs)]

mod address;
mod answer;
mod ask;
mod gate;
mod port;
mod token;
mod way;
mod web;
mod worker;

pub use address::Address;
pub use gate::{Builder, RemoteGate};
pub use token::Token;

use approvals_core::{ApprovalError, Code};

/// The program is wired in a way that cannot work.
fn misuse(message: impl Into<String>) -> ApprovalError {
    ApprovalError::new(Code::Misuse, message)
}

/// The README: its code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
