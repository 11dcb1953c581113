//! One thread for each witness: it asks, and reports.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use crate::error::{ApprovalError, Code};
use crate::ports::{Witness, WitnessError, WitnessReply};

/// What one witness said to one letter.
pub(super) struct Said {
    pub(super) witness: usize,
    pub(super) reply: Result<WitnessReply, WitnessError>,
}

/// The way to the witnesses.
pub(super) struct Post {
    slots: Vec<Slot>,
}

struct Slot {
    letters: Sender<String>,
    /// A letter is out and has not been answered.
    busy: bool,
}

impl Post {
    /// Starts a thread for each witness; `told` takes what they say. Nobody waits for the end of these threads: one
    /// whose witness hangs ends when the call does.
    pub(super) fn start(
        witnesses: &[Arc<dyn Witness>],
        told: impl Fn(Said) + Clone + Send + 'static,
    ) -> Result<Self, ApprovalError> {
        let start = |(at, witness): (usize, &Arc<dyn Witness>)| {
            let (letters, inbox) = channel::<String>();
            let (witness, told) = (Arc::clone(witness), told.clone());
            let thread = std::thread::Builder::new().name("approvals-witness".to_owned());
            let run = move || {
                for letter in inbox {
                    let reply = witness.add_checkpoint(&letter);
                    told(Said { witness: at, reply });
                }
            };
            thread.spawn(run).map_err(|error| {
                let message = format!("a thread could not be started: {error}");
                ApprovalError::new(Code::AuditUnavailable, message)
            })?;
            Ok(Slot {
                letters,
                busy: false,
            })
        };
        let slots = witnesses.iter().enumerate().map(start);
        Ok(Self {
            slots: slots.collect::<Result<_, ApprovalError>>()?,
        })
    }

    /// Whether this witness still owes an answer.
    pub(super) fn is_busy(&self, witness: usize) -> bool {
        self.slots.get(witness).is_none_or(|to| to.busy)
    }

    /// Sends a letter to a witness that owes none.
    pub(super) fn send(&mut self, witness: usize, letter: String) {
        if let Some(to) = self.slots.get_mut(witness) {
            // A thread that has ended never answers, and so is never free again.
            to.busy = true;
            let _ = to.letters.send(letter);
        }
    }

    /// The answer has come.
    pub(super) fn answered(&mut self, witness: usize) {
        if let Some(to) = self.slots.get_mut(witness) {
            to.busy = false;
        }
    }
}
