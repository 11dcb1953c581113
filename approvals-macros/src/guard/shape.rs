//! How a guarded function waits: as an `async fn`, inside the async block that it returns, or by
//! blocking.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::{ReturnType, Signature, Type};

use crate::guard::rebind::{self, Rebound};
use crate::guard::returned;
use crate::mistakes::Mistakes;
use crate::tokens::{ident, punct};

/// The shape of a guarded function.
pub(crate) enum Shape {
    /// An `async fn`: the guard waits in its body.
    Async,
    /// A plain `fn`: the guard blocks.
    Blocking,
    /// A `fn` whose body is one async block: the guard waits inside that block.
    Block(Box<Block>),
}

/// The async block that is the whole body of a function.
pub(crate) struct Block {
    /// What wraps the block, such as `Box::pin`; empty for a bare block.
    pub(crate) wrapper: TokenStream,
    pub(crate) wrapper_group: Option<Group>,
    /// What `#[async_trait]` put before the user's statements.
    pub(crate) rebound: Rebound,
    /// The user's statements.
    pub(crate) rest: TokenStream,
    /// The type that the block resolves to, where it is written down.
    pub(crate) output: Option<Type>,
}

impl Shape {
    /// Decides the shape, noting every body that cannot be guarded as a whole.
    pub(crate) fn of(sig: &Signature, body: &TokenStream, mistakes: &mut Mistakes) -> Self {
        if sig.asyncness.is_some() {
            return Self::Async;
        }
        let (future, at) = match &sig.output {
            ReturnType::Type(_, ty) => (returned::future(ty), ty.span()),
            ReturnType::Default => (None, sig.ident.span()),
        };
        let Some(tail) = Tail::of(body) else {
            if future.is_some() {
                mistakes.note(at, NO_BLOCK);
            }
            return Self::Blocking;
        };
        if let Some(first) = tail.before.first() {
            mistakes.note(first.span(), STATEMENTS_BEFORE);
        }
        if let Some(at) = tail.borrows {
            mistakes.note(at, NOT_MOVE);
        }
        let (rebound, rest) = rebind::split(tail.block, sig);
        let output = future.and_then(|future| future.output);
        Self::Block(Box::new(Block {
            wrapper: tail.wrapper,
            wrapper_group: tail.wrapper_group,
            rebound,
            rest,
            output,
        }))
    }
}

/// The last expression of a body, if it is an async block or `Box::pin` around one.
struct Tail {
    before: Vec<TokenTree>,
    wrapper: TokenStream,
    wrapper_group: Option<Group>,
    block: TokenStream,
    /// Where the block begins if it is not a `move` block.
    borrows: Option<Span>,
}

impl Tail {
    fn of(body: &TokenStream) -> Option<Self> {
        let mut tokens: Vec<TokenTree> = body.clone().into_iter().collect();
        if let Some((block, borrows, start)) = async_block(&tokens) {
            tokens.truncate(start);
            let wrapper = TokenStream::new();
            return Some(Self {
                before: tokens,
                wrapper,
                wrapper_group: None,
                block,
                borrows,
            });
        }
        let Some(TokenTree::Group(group)) = tokens.pop() else {
            return None;
        };
        let mut inside: Vec<TokenTree> = group.stream().into_iter().collect();
        if punct(inside.last(), ',') {
            inside.pop();
        }
        let (block, borrows, 0) = async_block(&inside)? else {
            return None;
        };
        let start = box_pin(&tokens)?;
        let wrapper = tokens.split_off(start).into_iter().collect();
        Some(Self {
            before: tokens,
            wrapper,
            wrapper_group: Some(group),
            block,
            borrows,
        })
    }
}

/// An `async { .. }` or `async move { .. }` at the end: its inside, where it lacks `move`, and its
/// first index.
fn async_block(tokens: &[TokenTree]) -> Option<(TokenStream, Option<Span>, usize)> {
    let (TokenTree::Group(group), before) = tokens.split_last()? else {
        return None;
    };
    if group.delimiter() != Delimiter::Brace {
        return None;
    }
    let (last, before) = before.split_last()?;
    if ident(Some(last), "async") {
        return Some((group.stream(), Some(last.span()), before.len()));
    }
    let (first, before) = before.split_last()?;
    (ident(Some(last), "move") && ident(Some(first), "async"))
        .then(|| (group.stream(), None, before.len()))
}

/// Where a trailing `Box::pin` begins, its leading path included.
fn box_pin(tokens: &[TokenTree]) -> Option<usize> {
    let mut start = tokens.len();
    for (back, name) in ["pin", "Box", "boxed", "std"].into_iter().enumerate() {
        if !start
            .checked_sub(1)
            .is_some_and(|at| ident(tokens.get(at), name))
        {
            return (back >= 2).then_some(start);
        }
        start -= 1;
        if colons_end_at(tokens, start) {
            start -= 2;
        } else {
            return (back >= 1).then_some(start);
        }
    }
    Some(start)
}

fn colons_end_at(tokens: &[TokenTree], end: usize) -> bool {
    let colon = |back: usize| {
        end.checked_sub(back)
            .is_some_and(|at| punct(tokens.get(at), ':'))
    };
    colon(1) && colon(2)
}

const NO_BLOCK: &str = "this function returns a future, and the guard cannot see where its work begins: make it an \
                        `async fn`, or let its whole body be one `async move { .. }` block or `Box::pin(async move { .. })`";
const STATEMENTS_BEFORE: &str = "this would run without an approval: move everything before the `async move` block into it, or make the function an `async fn`";
const NOT_MOVE: &str =
    "the guarded block must own the arguments that were approved: write `async move`";

#[cfg(test)]
mod tests {
    use super::Shape;
    use crate::mistakes::Mistakes;
    use crate::tokens::write;

    fn check(source: &str, shape: &str, messages: &[&str]) {
        let function: syn::ItemFn = syn::parse_str(source).unwrap();
        let body = function
            .block
            .stmts
            .iter()
            .map(quote::ToTokens::to_token_stream)
            .collect();
        let mut mistakes = Mistakes::default();
        let found = match Shape::of(&function.sig, &body, &mut mistakes) {
            Shape::Async => "async".to_owned(),
            Shape::Blocking => "blocking".to_owned(),
            Shape::Block(block) => format!("{}({})", write(&block.wrapper), write(&block.rest)),
        };
        assert_eq!(found, shape, "{source}");
        let found = mistakes.messages();
        assert_eq!(found.len(), messages.len(), "{source}: {found:?}");
        for (message, part) in found.iter().zip(messages) {
            assert!(message.contains(part), "{source}: {message}");
        }
    }

    #[test]
    fn shapes() {
        check("async fn f() -> R { work() }", "async", &[]);
        check("fn f() -> R { work() }", "blocking", &[]);
        check(
            "fn f() -> impl Future<Output = R> { async move { work } }",
            "(work)",
            &[],
        );
        check(
            "fn f() -> Fut { Box::pin(async move { work },) }",
            "Box :: pin(work)",
            &[],
        );
        check(
            "fn f() -> Fut { ::std::boxed::Box::pin(async move { work }) }",
            ":: std :: boxed :: Box :: pin(work)",
            &[],
        );
        check(
            "fn f() -> Fut { std::boxed::Box::pin(async move { work }) }",
            "std :: boxed :: Box :: pin(work)",
            &[],
        );
        check("fn f() -> R { side(async move { work }) }", "blocking", &[]);
        check(
            "fn f() -> R { x.pin(async move { work }) }",
            "blocking",
            &[],
        );
    }

    #[test]
    fn what_would_escape_the_guard_is_refused() {
        check(
            "fn f() -> impl Future<Output = R> { inner() }",
            "blocking",
            &["cannot see where its work begins"],
        );
        check(
            "fn f() -> BoxFuture<'_, R> { inner().boxed() }",
            "blocking",
            &["cannot see where its work begins"],
        );
        check(
            "fn f() -> Fut { drop_all(); Box::pin(async move { work }) }",
            "Box :: pin(work)",
            &["without an approval"],
        );
        check(
            "fn f() -> Fut { drop_all(); async { work } }",
            "(work)",
            &["without an approval", "write `async move`"],
        );
    }
}
