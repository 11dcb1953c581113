//! Anchoring: the heads of the log are shown to witnesses, and what they cosigned goes on record.
//!
//! One thread per gate looks for heads that nobody outside has seen, asks the witnesses of a policy, and records
//! `anchor.recorded` when a quorum cosigned. Each witness is asked on a thread of its own, so that one that hangs
//! keeps nobody from asking the others.

mod config;
mod handle;
mod post;
mod round;
mod status;
mod survey;
mod worker;

pub use config::{AnchorMode, Anchoring};
pub(crate) use handle::Anchors;
pub use status::AnchorStatus;
