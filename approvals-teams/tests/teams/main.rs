//! The Teams channel against stand-ins of Microsoft, official libraries, and a real client.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on stops"
)]

mod cards;
mod channel;
mod jwt;
mod playground;
mod support;
mod threats;
