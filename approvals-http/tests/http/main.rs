//! The HTTP surface, over its router and as a program.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

mod bounds;
mod support;
mod surface;
mod threats;
mod webhooks;
