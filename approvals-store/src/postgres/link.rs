//! One connection: what is asked, in which order, and what became of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio_postgres::error::Severity;
use tokio_postgres::types::{IsNull, ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, Row, Socket, Statement};

use super::error::Failed;
use super::target::{CONNECT, Target};
use super::tls::Encrypted;

/// A connection to a database.
pub(super) struct Link {
    client: Client,
    wire: Wire,
    statements: HashMap<&'static str, Statement>,
}

/// One of the things that are sent together: the server carries them out in their order.
pub(super) enum Step {
    /// A command, in its own words.
    Say(&'static str),
    /// A statement with its values.
    Ask(&'static str, Vec<Value>),
}

/// A value on its way to the server, which stays out of the client's own log.
pub(super) struct Value(Box<dyn ToSql + Sync + Send>);

impl Value {
    pub(super) fn new(value: impl ToSql + Sync + Send + 'static) -> Self {
        Self(Box::new(value))
    }
}

impl Link {
    /// Connects and logs in.
    pub(super) async fn open(target: &Target) -> Result<Self, Failed> {
        let opening = target.config().connect(target.tls());
        // The time that the client knows is that of the socket alone, for each address.
        let opened = tokio::time::timeout(CONNECT, opening).await;
        let (client, connection) = opened.map_err(|_| Failed::Slow(CONNECT))??;
        Ok(Self {
            client,
            wire: Wire {
                connection: Some(connection),
                closed: None,
                warned: false,
                rings: Vec::new(),
            },
            statements: HashMap::new(),
        })
    }

    /// Asks everything at once, and gives the rows of each step, or the first failure.
    ///
    /// Whatever fails, every step has been answered when this returns, unless the connection is
    /// lost or too slow: then nobody knows what the server did.
    pub(super) async fn ask(
        &mut self,
        steps: &[Step],
        at_most: Duration,
    ) -> Result<Vec<Vec<Row>>, Failed> {
        self.wire.warned = false;
        let work = tokio::time::timeout(at_most, self.answers(steps));
        work.await.map_err(|_| Failed::Slow(at_most))?
    }

    async fn answers(&mut self, steps: &[Step]) -> Result<Vec<Vec<Row>>, Failed> {
        self.prepare(steps).await?;
        let Self {
            client,
            wire,
            statements,
        } = self;
        let answers = steps.iter().map(|step| answer(client, statements, step));
        let answers = wire.drive(in_order(answers)).await;
        answers.map_err(|failed| match failed {
            // The wire knows better why it was closed than those who waited for it.
            Failed::Lost(_) => wire.closed.clone().unwrap_or(failed),
            failed => failed,
        })
    }

    /// Prepares what was never asked before.
    async fn prepare(&mut self, steps: &[Step]) -> Result<(), Failed> {
        let asked = steps.iter().filter_map(|step| match step {
            Step::Say(_) => None,
            Step::Ask(sql, _) => Some(*sql),
        });
        let mut new: Vec<&'static str> = asked
            .filter(|sql| !self.statements.contains_key(sql))
            .collect();
        new.sort_unstable();
        new.dedup();
        if new.is_empty() {
            return Ok(());
        }
        let client = &self.client;
        let prepared = new
            .iter()
            .map(|sql| async { Ok(client.prepare(sql).await?) });
        let prepared = self.wire.drive(in_order(prepared)).await?;
        for (sql, statement) in new.into_iter().zip(prepared) {
            if let Entry::Vacant(place) = self.statements.entry(sql) {
                place.insert(statement);
            }
        }
        Ok(())
    }

    /// Whether the server warned of anything while it answered last.
    pub(super) fn warned(&self) -> bool {
        self.wire.warned
    }

    /// Waits for what others have to tell, and gives who told it and their words.
    pub(super) async fn rings(&mut self) -> Result<Vec<(i32, String)>, Failed> {
        poll_fn(|cx| {
            self.wire.read(cx);
            match &self.wire.closed {
                _ if !self.wire.rings.is_empty() => {
                    Poll::Ready(Ok(std::mem::take(&mut self.wire.rings)))
                }
                Some(why) => Poll::Ready(Err(why.clone())),
                None => Poll::Pending,
            }
        })
        .await
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

async fn answer(
    client: &Client,
    statements: &HashMap<&'static str, Statement>,
    step: &Step,
) -> Result<Vec<Row>, Failed> {
    match step {
        Step::Say(command) => {
            client.batch_execute(command).await?;
            Ok(Vec::new())
        }
        Step::Ask(sql, values) => {
            let Some(statement) = statements.get(sql) else {
                return Err(Failed::Odd("a statement was not prepared".to_owned()));
            };
            let values: Vec<&(dyn ToSql + Sync)> = values
                .iter()
                .map(|value| value as &(dyn ToSql + Sync))
                .collect();
            Ok(client.query(statement, &values).await?)
        }
    }
}

/// Sends all of it in its order, nothing after what could not be sent, and then gathers all answers.
///
/// INVARIANT: a commit that is sent with what it commits must not overtake it, or go alone.
async fn in_order<T>(
    works: impl Iterator<Item = impl Future<Output = Result<T, Failed>>>,
) -> Result<Vec<T>, Failed> {
    let mut under_way = Vec::new();
    for work in works {
        let mut work = Box::pin(work);
        // Polled once, it is on its way to the socket.
        match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
            Poll::Ready(early) => under_way.push((Some(early?), None)),
            Poll::Pending => under_way.push((None, Some(work))),
        }
    }
    let mut answers = Vec::with_capacity(under_way.len());
    for (early, work) in under_way {
        answers.extend(early.map(Ok));
        if let Some(work) = work {
            answers.push(work.await);
        }
    }
    answers.into_iter().collect()
}

/// The socket, and what came through it unasked.
struct Wire {
    /// Present until it is closed: with it go those who still wait for an answer.
    connection: Option<Connection<Socket, Encrypted<Socket>>>,
    closed: Option<Failed>,
    warned: bool,
    rings: Vec<(i32, String)>,
}

impl Wire {
    /// Does some work that talks through this wire.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            // First what it wants to send, then the socket, then what the socket brought.
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            self.read(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    fn close(&mut self, why: Failed) {
        self.closed = Some(why);
        self.connection = None;
    }

    /// Sends and receives as much as there is.
    fn read(&mut self, cx: &mut Context<'_>) {
        while let Some(connection) = &mut self.connection {
            match connection.poll_message(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => {
                    self.warned |= notice.parsed_severity() == Some(Severity::Warning);
                }
                Poll::Ready(Some(Ok(AsyncMessage::Notification(ring)))) => {
                    self.rings
                        .push((ring.process_id(), ring.payload().to_owned()));
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => self.close(Failed::from(error)),
                Poll::Ready(None) => self.close(Failed::Lost("the server closed it".to_owned())),
            }
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // INVARIANT: the client writes the values of a statement to its log; these are not shown.
        f.write_str("_")
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.0.to_sql_checked(ty, out)
    }

    fn accepts(_: &Type) -> bool {
        // The value inside says whether it fits.
        true
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.0.to_sql_checked(ty, out)
    }
}
