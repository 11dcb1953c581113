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
mod channel;
mod jwt;
mod playground;
mod support;
mod threats;
