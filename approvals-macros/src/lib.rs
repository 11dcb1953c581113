//! The macros of `approvals-core`. Use them through that crate: `approvals_core::requires_approval`
//! and `approvals_core::Action`; nobody needs to name this one.
//!
//! Trusted: who can modify this crate can write a guard that does not ask.

mod action;
mod common;
mod guard;
mod kind;
mod list;
mod mistakes;
mod scope;
mod text;
mod tokens;

use proc_macro::TokenStream;

/// Makes a function unreachable except through the gate.
///
/// The function must return `Result<_, E>` with `E: From<ApprovalError>`. Before its body runs, the
/// gate is asked; the arguments are bound by a digest, and bound again right before the first line
/// of the body. Nothing else can name the body.
///
/// # Arguments
/// - `scope = "db.export"`: what policy selects on. Required, checked at compile time.
/// - `reason`, `resource`, `environment = "export of {table}"`: format strings over the arguments.
/// - `redact(token)`: the value is bound, and drawn as `[redacted]` everywhere.
/// - `skip(pool)`: the value is not bound, and the card says so.
/// - `args(env = &query.env)`: names a part of an argument to bind and show. The expression is
///   evaluated each time the arguments are bound, so it must not have side effects. `redact(env)`
///   redacts the part.
/// - `gate = expr`: asks this gate and not the ambient one.
/// - `crate = path`: where `approvals-core` is, if it was renamed.
///
/// Every other parameter is shown, and so must be `serde::Serialize`. `self` is never covered as a
/// whole.
///
/// # Where it works
/// `async fn`, methods with any receiver, generics, `impl Trait` arguments, patterns,
/// `#[async_trait]`, `#[tracing::instrument]` above or below, functions whose whole body is `async
/// move { .. }` or `Box::pin(async move { .. })`, and plain `fn`, which blocks where that is safe
/// and fails where it is not.
///
/// # Errors
/// All mistakes are reported at once, each on its token. The function is then replaced by a stub of
/// the same signature; its body is never compiled without its guard.
#[proc_macro_attribute]
pub fn requires_approval(arguments: TokenStream, item: TokenStream) -> TokenStream {
    guard::guard(arguments.into(), item.into()).into()
}

/// Makes a struct an action that only an approval can hand out again.
///
/// `#[action(scope = "db.drop")]` on the struct takes `scope`, `reason`, `resource`, `environment`
/// and `crate` as `#[requires_approval]` does; the texts are format strings over the fields. Fields
/// are shown, or marked `#[action(redact)]` or `#[action(skip)]`.
///
/// # Errors
/// Anything but a struct with named fields or none is refused, and so are unknown attributes; all
/// mistakes are reported at once.
#[proc_macro_derive(Action, attributes(action))]
pub fn derive_action(item: TokenStream) -> TokenStream {
    action::derive(item.into()).into()
}
