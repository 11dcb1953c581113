//! The housekeeping of the workspace, as a library, so that a test can call what a command calls.
//!
//! Nothing here is published and nothing here depends on anything but the standard library: a fresh machine builds
//! it in a second, and a broken dependency cannot keep the checks from running.

pub mod bench;
pub mod command;
pub mod measure;
pub mod setup;
pub mod source;
pub mod suite;
pub mod tidy;
pub mod workspace;
