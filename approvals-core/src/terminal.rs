//! The terminal as a channel: prints who asks for what, and the command that decides it.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::card::Card;
use crate::ports::{Delivery, Notice, Notifier, NotifyError};
use crate::request::Status;

/// The longest card that is printed whole; a longer one is cut and carries no approve command.
const MOST: usize = 8_000;

/// Gives the command line for a verb on a card.
type Command = Box<dyn Fn(&Card, &str) -> String + Send + Sync>;

/// Prints every new request to a terminal, with the exact command that decides it elsewhere.
///
/// It takes no decision itself: whoever sits at this terminal may be the requester.
pub struct Terminal {
    command: Command,
    out: Mutex<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Terminal")
    }
}

impl Terminal {
    /// Prints to standard error; `command` gives the command line for a verb on a card:
    /// `approve`, `deny` or `show`.
    #[must_use]
    pub fn new(command: impl Fn(&Card, &str) -> String + Send + Sync + 'static) -> Self {
        Self::to(std::io::stderr(), command)
    }

    /// Prints somewhere else.
    #[must_use]
    pub fn to(
        out: impl Write + Send + 'static,
        command: impl Fn(&Card, &str) -> String + Send + Sync + 'static,
    ) -> Self {
        Self {
            command: Box::new(command),
            out: Mutex::new(Box::new(out)),
        }
    }

    fn page(&self, card: &Card) -> String {
        let command = |verb| (self.command)(card, verb);
        let text = card.to_text();
        let head = format!("\n── approval needed: {} ──\n", card.request);
        if text.len() > MOST {
            let start: String = text.chars().take(MOST / 4).collect();
            let cut = "\n  CUT HERE      the request is longer than this; read it whole before you decide:";
            return format!("{head}{start}{cut}\n  read it       {}\n", command("show"));
        }
        format!(
            "{head}{text}  approve it    {}\n  deny it       {}\n",
            command("approve"),
            command("deny")
        )
    }
}

#[async_trait]
impl Notifier for Terminal {
    fn name(&self) -> &str {
        "terminal"
    }

    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        // What is decided is told by whoever waited for it; old lines cannot be redrawn.
        if notice.card.status == Status::Pending {
            let page = self.page(&notice.card);
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            let written = out.write_all(page.as_bytes()).and_then(|()| out.flush());
            written
                .map_err(|error| NotifyError(format!("the terminal cannot be written: {error}")))?;
        }
        Ok(vec![Delivery::to("terminal")])
    }
}
