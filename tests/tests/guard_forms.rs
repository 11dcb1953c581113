//! Every form that a guarded function can take runs through a gate: approved it runs once, and
//! denied or without a gate it does not run.
#![forbid(unsafe_code)]
#![deny(unused, clippy::all, clippy::pedantic)]

#[path = "guard_forms/support.rs"]
mod support;

#[path = "guard_forms/blocking.rs"]
mod blocking;
#[path = "guard_forms/blocks.rs"]
mod blocks;
#[path = "guard_forms/functions.rs"]
mod functions;
#[path = "guard_forms/generated.rs"]
mod generated;
#[path = "guard_forms/instrumented.rs"]
mod instrumented;
#[path = "guard_forms/methods.rs"]
mod methods;
#[path = "guard_forms/traits.rs"]
mod traits;
#[path = "guard_forms/values.rs"]
mod values;
