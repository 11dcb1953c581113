//! The Teams channel against stand-ins of Microsoft, official libraries, and a real client.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests act as applications do: they spawn tasks"
)]

mod cards;
mod certificate;
mod channel;
mod config;
mod doctor;
mod elsewhere;
mod jwt;
mod package;
mod playground;
mod readme;
mod support;
mod threats;
mod workflow;
