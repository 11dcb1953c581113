//! What the examples share: the demo's state directory, and the incident's real work.

pub mod demo;
pub mod incident;

/// Any error; these are programs, not libraries.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
