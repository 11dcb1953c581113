//! One round of asking: one head, every witness that is free, and what they say.

use std::time::{Duration, Instant};

use super::post::Said;
use super::survey::Newest;
use crate::clock::Timestamp;
use crate::ledger::{
    AddCheckpoint, AskError, Checkpoint, Hash, SignedCheckpoint, WitnessAnswer, WitnessKey,
    WitnessPolicy, Witnessed,
};

/// A witness's clock may differ from ours by this much: what it signed before is no news, and what it signs for
/// later would count when nobody can ask it any more.
const SKEW: Duration = Duration::from_secs(300);

/// How often one witness is asked in one round: it may have to say first where it stands.
const TRIES: u8 = 4;

/// A head that is being shown around.
pub(super) struct Round {
    shown: Newest,
    /// Cosignature lines, in the order in which they came.
    lines: String,
    asked: Vec<Asked>,
    pub(super) ends: Instant,
    began: Timestamp,
}

#[derive(Default)]
struct Asked {
    request: Option<AddCheckpoint>,
    tries: u8,
}

/// What is to be done after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The witness cosigned.
    Cosigned,
    /// The witness stands at another size: ask again from there.
    Again(u64),
    /// The witness has seen more than this head.
    Ahead(u64),
    /// The witness says that this is another history.
    Fork,
    /// It said no, or nothing that makes sense, or nothing.
    Trouble(String),
    /// An answer to a question of an earlier round.
    Late,
}

impl Round {
    pub(super) fn new(shown: Newest, witnesses: usize, ends: Instant, began: Timestamp) -> Self {
        Self {
            shown,
            lines: String::new(),
            asked: (0..witnesses).map(|_| Asked::default()).collect(),
            ends,
            began,
        }
    }

    /// The head that is shown.
    pub(super) fn head(&self) -> &Checkpoint {
        &self.shown.head
    }

    /// What to send to a witness that has seen so much of the log.
    pub(super) fn request(&self, old: u64, proof: &[Hash]) -> Result<AddCheckpoint, AskError> {
        AddCheckpoint::new(&self.shown.note, &self.shown.key, old, proof)
    }

    /// Whether this witness may be asked once more; counts it.
    pub(super) fn ask(&mut self, witness: usize, request: AddCheckpoint) -> bool {
        let Some(asked) = self.asked.get_mut(witness) else {
            return false;
        };
        asked.tries += 1;
        let may = asked.tries <= TRIES;
        asked.request = may.then_some(request);
        may
    }

    /// Whether nobody owes an answer of this round.
    pub(super) fn is_over(&self) -> bool {
        self.asked.iter().all(|asked| asked.request.is_none())
    }

    /// Whether this witness owes an answer of this round.
    pub(super) fn awaits(&self, witness: usize) -> bool {
        self.asked
            .get(witness)
            .is_some_and(|asked| asked.request.is_some())
    }

    /// Whether this witness has not been asked in this round.
    pub(super) fn is_new_to(&self, witness: usize) -> bool {
        self.asked
            .get(witness)
            .is_some_and(|asked| asked.tries == 0)
    }

    /// Reads an answer.
    pub(super) fn read(&mut self, key: &WitnessKey, said: Said, now: Timestamp) -> Next {
        let asked = self.asked.get_mut(said.witness);
        let Some(request) = asked.and_then(|asked| asked.request.take()) else {
            return Next::Late;
        };
        let reply = match said.reply {
            Ok(reply) => reply,
            Err(error) => return Next::Trouble(error.to_string()),
        };
        match request.read(key, reply.status, &reply.body) {
            WitnessAnswer::Cosigned(cosignature, line) => {
                let at = cosignature.at();
                if at < self.began.before(SKEW) || at > now.after(SKEW) {
                    return Next::Trouble(format!(
                        "it cosigned for {at}, and it is {now}; set its clock right"
                    ));
                }
                self.lines += &line;
                Next::Cosigned
            }
            WitnessAnswer::Other(size) => Next::Again(size),
            WitnessAnswer::Ahead(size) => Next::Ahead(size),
            WitnessAnswer::Fork => Next::Fork,
            WitnessAnswer::Refused(what) => Next::Trouble(what),
            WitnessAnswer::Nonsense(what) => {
                Next::Trouble(format!("its answer makes no sense: {what}"))
            }
        }
    }

    /// The head with everybody's cosignature, if they are a quorum.
    pub(super) fn enough(&self, policy: &WitnessPolicy) -> Option<(SignedCheckpoint, Witnessed)> {
        let note = format!("{}{}", self.shown.note.as_str(), self.lines);
        let note = SignedCheckpoint::parse(note).ok()?;
        let seen = policy.satisfied_by(&note, &self.shown.key).ok()?;
        seen.is_enough().then_some((note, seen))
    }
}
