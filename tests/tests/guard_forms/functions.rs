//! Plain async functions: arguments, patterns, generics and return types.

use std::fmt::Debug;

use approvals_core::testing::TestGate;
use approvals_core::{ApprovalError, requires_approval};
use serde::Serialize;

use crate::support::{Outcome, RunbookError, agent, check, effect, ran};

struct Pool;

struct Parameters<T>(T);

struct Query {
    table: String,
    env: String,
    rows: u64,
}

fn query() -> Query {
    Query {
        table: "users".to_owned(),
        env: "prod".to_owned(),
        rows: 3,
    }
}

#[requires_approval(
    scope = "forms.plain",
    reason = "export of {table}",
    redact(token),
    skip(pool)
)]
async fn plain(pool: &Pool, table: String, token: String) -> Result<usize, RunbookError> {
    let Pool = pool;
    effect();
    Ok(table.len() + token.len())
}

#[test]
fn shown_redacted_and_skipped() {
    check(8, || plain(&Pool, "users".to_owned(), "abc".to_owned()));
}

#[requires_approval(scope = "forms.early")]
async fn leaves_early(text: &str) -> Result<u8, RunbookError> {
    effect();
    let number: u8 = text.parse()?;
    if number > 9 {
        return Err(RunbookError::Other("too large".to_owned()));
    }
    Ok(number)
}

#[test]
fn question_mark_and_return_leave_only_the_body() {
    check(7, || leaves_early("7"));
    check("invalid digit found in string".to_owned(), || async {
        match leaves_early("x").await {
            Err(RunbookError::Other(why)) => Ok(why),
            other => other.map(|number| number.to_string()),
        }
    });
    check("too large".to_owned(), || async {
        match leaves_early("10").await {
            Err(RunbookError::Other(why)) => Ok(why),
            other => other.map(|number| number.to_string()),
        }
    });
}

#[requires_approval(scope = "forms.generic", reason = "{value:?} of {name}")]
async fn generic<'a, T, const N: usize>(
    value: &'a T,
    name: &str,
    items: [u8; 2],
) -> Outcome<(&'a T, usize)>
where
    T: Serialize + Debug + Sync,
{
    effect();
    Ok((value, N + name.len() + usize::from(items[0])))
}

#[test]
fn generics_lifetimes_and_const_generics() {
    check(("x".to_owned(), 9), || async {
        let value = "x".to_owned();
        let (value, sum) = generic::<_, 4>(&value, "name", [1, 2]).await?;
        Ok::<_, RunbookError>((value.clone(), sum))
    });
}

#[requires_approval(scope = "forms.arguments", skip(visit, numbers))]
async fn arguments(
    mut name: String,
    list: &mut Vec<u8>,
    label: impl Serialize + AsRef<str>,
    numbers: impl Iterator<Item = u8>,
    mut visit: impl FnMut(u8),
) -> Outcome<String> {
    effect();
    name.push_str(label.as_ref());
    for number in numbers {
        visit(number);
        list.push(number);
    }
    Ok(name)
}

#[test]
fn impl_trait_and_mutable_arguments() {
    check(("ab".to_owned(), vec![1, 2], 3), || async {
        let (mut list, mut sum) = (Vec::new(), 0);
        let name = arguments(
            "a".to_owned(),
            &mut list,
            "b",
            [1, 2].into_iter(),
            |number| sum += number,
        )
        .await?;
        Ok::<_, RunbookError>((name, list, sum))
    });
}

#[requires_approval(
    scope = "forms.patterns",
    reason = "{rows} rows of {table}",
    environment = "{env}",
    args(env = &query.env, table = query.table.to_uppercase(), rows = query.rows),
)]
async fn patterns(
    Parameters(query): Parameters<Query>,
    (from, to): (u8, u8),
    _unused: u8,
) -> Outcome<String> {
    effect();
    Ok(format!("{}.{} {from}-{to}", query.env, query.table))
}

#[test]
fn destructured_arguments() {
    check("prod.users 1-2".to_owned(), || {
        patterns(Parameters(query()), (1, 2), 0)
    });
}

#[requires_approval(scope = "forms.raw", reason = "{type}")]
async fn r#match(r#type: u8, #[cfg(any())] gone: Pool) -> Outcome<u8> {
    effect();
    Ok(r#type)
}

#[test]
fn raw_names_and_conditional_parameters() {
    check(1, || r#match(1));
}

#[requires_approval(scope = "forms.opaque")]
async fn opaque(count: u8) -> Result<impl Iterator<Item = u8>, ApprovalError> {
    effect();
    if count == 0 {
        return Ok(0..1);
    }
    Ok(0..count)
}

#[requires_approval(scope = "forms.opaque")]
async fn maybe_opaque(count: u8) -> anyhow::Result<Option<impl Iterator<Item = u8>>> {
    effect();
    anyhow::ensure!(count < 9, "too many");
    Ok(Some(0..count))
}

#[test]
fn opaque_return_types() {
    check(vec![0, 1], || async {
        opaque(2).await.map(Iterator::collect::<Vec<u8>>)
    });
    check(Some(3), || async {
        Ok::<_, anyhow::Error>(maybe_opaque(3).await?.map(Iterator::count))
    });
}

#[requires_approval(scope = "forms.anyhow")]
async fn with_anyhow(number: u8) -> anyhow::Result<u8> {
    effect();
    anyhow::ensure!(number > 0, "zero");
    Ok(number)
}

#[requires_approval(scope = "forms.boxed_error")]
async fn with_boxed_error(
    text: &str,
) -> Result<Box<dyn Debug + Send>, Box<dyn std::error::Error + Send + Sync>> {
    effect();
    let number: u8 = text.parse()?;
    if number == 0 {
        return Ok(Box::new("zero"));
    }
    Ok(Box::new(number))
}

#[test]
fn return_types() {
    check(4, || with_anyhow(4));
    check("4".to_owned(), || async {
        with_boxed_error("4")
            .await
            .map(|value| format!("{value:?}"))
    });
}

#[requires_approval(scope = "forms.recursion")]
async fn countdown(from: u8) -> Outcome<u8> {
    if from == 0 {
        effect();
        return Ok(0);
    }
    Box::pin(countdown(from - 1)).await
}

#[tokio::test(start_paused = true)]
async fn recursion_asks_each_time() {
    let gate = TestGate::approving();
    assert_eq!(gate.enter(agent(), countdown(2)).await.unwrap(), 0);
    assert_eq!((gate.asked().len(), ran()), (3, 1));
}

#[test]
fn guarded_futures_can_be_sent() {
    fn sent<T: Send>(_: &T) {}
    sent(&plain(&Pool, String::new(), String::new()));
    sent(&patterns(Parameters(query()), (1, 2), 0));
    sent(&with_boxed_error(""));
    sent(&countdown(1));
    sent(&local_state(std::cell::Cell::new(1), 2));
}

#[requires_approval(scope = "forms.cell", skip(state))]
async fn local_state(state: std::cell::Cell<u8>, add: u8) -> Outcome<u8> {
    effect();
    state.set(state.get() + add);
    Ok(state.get())
}

#[test]
fn an_argument_need_not_be_sync() {
    check(3, || local_state(std::cell::Cell::new(1), 2));
}
