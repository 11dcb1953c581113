//! Functions of every form, guarded.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use approvals_core::{Action, ApprovalError, Approved, Code, approve, requires_approval};

use crate::executor::Task;
use crate::{Answer, Form};

/// The error of this program.
#[derive(Debug)]
pub(crate) enum ProgramError {
    Refused(Code),
    NoNumber,
}

impl From<ApprovalError> for ProgramError {
    fn from(error: ApprovalError) -> Self {
        Self::Refused(error.code())
    }
}

impl From<std::num::ParseIntError> for ProgramError {
    fn from(_: std::num::ParseIntError) -> Self {
        Self::NoNumber
    }
}

type Boxed<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

struct Pool;

struct Parameters<T>(T);

struct Query {
    table: String,
    rows: u64,
}

#[requires_approval(
    scope = "form.function",
    reason = "export of {table}",
    redact(token),
    skip(pool)
)]
async fn function(pool: &Pool, table: String, token: String) -> Result<u64, ProgramError> {
    let Pool = pool;
    if token.is_empty() {
        return Ok(0);
    }
    Ok(table.parse::<u64>()? + 1)
}

#[requires_approval(scope = "form.generic", skip(value, count))]
async fn generic<'a, T, const N: usize>(
    value: &'a T,
    count: impl Fn(&'a T) -> u64,
    name: &str,
) -> Answer
where
    T: ?Sized + Sync,
{
    Ok(count(value) + N as u64 + name.len() as u64)
}

#[requires_approval(scope = "form.pattern", resource = "{table}", args(table = &query.table, rows = query.rows))]
async fn pattern(Parameters(query): Parameters<Query>, (from, to): (u64, u64)) -> Answer {
    Ok(query.rows + from + to)
}

#[requires_approval(scope = "form.opaque")]
async fn opaque(count: u64) -> Result<impl Iterator<Item = u64>, ApprovalError> {
    Ok(0..count)
}

#[requires_approval(scope = "form.future")]
fn future(number: u64) -> impl Future<Output = Answer> + Send {
    async move { Ok(number) }
}

#[requires_approval(scope = "form.boxed", reason = "{text}")]
fn boxed(text: &str) -> Boxed<'_> {
    Box::pin(async move { Ok(text.parse::<u64>()?) })
}

struct Runbook {
    step: u64,
}

impl Runbook {
    #[requires_approval(scope = "method.shared", args(step = self.step))]
    async fn shared(&self, _by: u64) -> Result<&u64, ApprovalError> {
        Ok(&self.step)
    }

    #[requires_approval(scope = "method.exclusive", args(step = self.step))]
    async fn exclusive(&mut self, by: u64) -> Result<&mut u64, ApprovalError> {
        self.step += by;
        Ok(&mut self.step)
    }

    #[requires_approval(scope = "method.owned")]
    async fn owned(self, by: u64) -> Result<Self, ApprovalError> {
        Ok(Self {
            step: self.step + by,
        })
    }

    #[requires_approval(scope = "method.arc")]
    async fn arc(self: Arc<Self>, by: u64) -> Answer {
        Ok(self.step + by)
    }

    #[requires_approval(scope = "method.blocking", args(step = self.step))]
    fn blocking(&mut self, by: u64) -> Result<&mut u64, ApprovalError> {
        self.step += by;
        Ok(&mut self.step)
    }
}

trait Steps {
    #[requires_approval(scope = "method.provided")]
    async fn provided(&self, by: u64) -> Answer {
        Ok(by)
    }

    /// As `#[async_trait]` and tool macros write it.
    fn required(&mut self, by: u64) -> Boxed<'_>;
}

impl Steps for Runbook {
    #[requires_approval(scope = "method.required", args(step = self.step))]
    fn required(&mut self, by: u64) -> Boxed<'_> {
        Box::pin(async move {
            self.step += by;
            Ok(self.step)
        })
    }
}

#[requires_approval(scope = "form.blocking", reason = "parse {text:?}")]
fn blocking_function(text: &str) -> Answer {
    let number: u64 = text.parse()?;
    Ok(number)
}

#[derive(Action)]
#[action(scope = "typed.drop", reason = "drop {table}")]
struct DropTable {
    table: String,
    #[action(redact)]
    token: String,
    #[action(skip)]
    pool: Pool,
}

async fn typed(command: Approved<DropTable>) -> Answer {
    let dropped = command.run(
        |DropTable {
             table,
             token,
             pool: Pool,
         }| async move { Ok((table.len() + token.len()) as u64) },
    );
    dropped.await
}

/// The forms that wait without blocking.
pub(crate) fn asynchronous() -> Vec<Form<fn() -> Task<Answer>>> {
    vec![
        Form {
            name: "function",
            want: 8,
            call: || Box::pin(function(&Pool, "7".to_owned(), "t".to_owned())),
        },
        Form {
            name: "generic",
            want: 9,
            call: || Box::pin(generic::<str, 4>("abc", |text| text.len() as u64, "xy")),
        },
        Form {
            name: "pattern",
            want: 6,
            call: || {
                Box::pin(pattern(
                    Parameters(Query {
                        table: "users".to_owned(),
                        rows: 3,
                    }),
                    (1, 2),
                ))
            },
        },
        Form {
            name: "opaque",
            want: 3,
            call: || Box::pin(async { Ok(opaque(3).await?.count() as u64) }),
        },
        Form {
            name: "future",
            want: 5,
            call: || Box::pin(future(5)),
        },
        Form {
            name: "boxed",
            want: 6,
            call: || boxed("6"),
        },
        Form {
            name: "shared",
            want: 1,
            call: || Box::pin(async { Ok(*Runbook { step: 1 }.shared(2).await?) }),
        },
        Form {
            name: "exclusive",
            want: 3,
            call: || Box::pin(async { Ok(*Runbook { step: 1 }.exclusive(2).await?) }),
        },
        Form {
            name: "owned",
            want: 3,
            call: || Box::pin(async { Ok(Runbook { step: 1 }.owned(2).await?.step) }),
        },
        Form {
            name: "arc",
            want: 3,
            call: || Box::pin(Arc::new(Runbook { step: 1 }).arc(2)),
        },
        Form {
            name: "provided",
            want: 2,
            call: || Box::pin(async { Runbook { step: 1 }.provided(2).await }),
        },
        Form {
            name: "required",
            want: 3,
            call: || Box::pin(async { Runbook { step: 1 }.required(2).await }),
        },
        Form {
            name: "typed",
            want: 8,
            call: || Box::pin(drop_users()),
        },
    ]
}

/// The forms that block.
pub(crate) fn blocking() -> Vec<Form<fn() -> Answer>> {
    vec![
        Form {
            name: "blocking function",
            want: 7,
            call: || blocking_function("7"),
        },
        Form {
            name: "blocking method",
            want: 3,
            call: || Ok(*Runbook { step: 1 }.blocking(2)?),
        },
    ]
}

async fn drop_users() -> Answer {
    let action = DropTable {
        table: "users".to_owned(),
        token: "abc".to_owned(),
        pool: Pool,
    };
    typed(approve(action).await?).await
}
