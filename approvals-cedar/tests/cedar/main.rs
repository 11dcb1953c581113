//! Cedar beside the policy: what loads, what it says, what it never does.

mod caps;
mod judge;
mod loader;
mod six;
mod support;
