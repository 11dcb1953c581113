//! Changes of the key that signs: alone in their transaction, under a head that the new key signs, too.

use std::sync::Arc;

use super::engine::Engine;
use super::pen::Pen;
use super::stage::Stage;
use crate::error::{ApprovalError, Code};
use crate::ledger::{KeyRevocation, KeyRotation, LogEvent, VerifierKey};
use crate::ports::{Head, Signer};

/// A change of the key that signs.
pub(super) enum Rekey {
    /// The key in force hands over to this one.
    Rotate(Arc<dyn Signer>),
    /// The recovery key puts the key of this journal in the place of another.
    Revoke(KeyRevocation),
}

impl Engine {
    /// Changes the key, and answers when that is durable; before, nothing has changed.
    pub(super) fn rekey(&mut self, change: Rekey) -> Result<(), ApprovalError> {
        let head = self.begin()?;
        let staged = self.stage_rekey(&head, change);
        let (stage, pen) = self.or_rollback(staged)?;
        self.commit(stage)?;
        self.pen = pen;
        Ok(())
    }

    fn stage_rekey(&mut self, head: &Head, change: Rekey) -> Result<(Stage, Pen), ApprovalError> {
        self.follow_keys(head)?;
        let mut stage = self.stage(head);
        let now = self.now(&stage)?;
        let pen = match change {
            Rekey::Rotate(signer) => {
                self.take_up_the_key()?;
                self.preface(&mut stage, now)?;
                let pen = self.pen.with(signer);
                let rotation = self.rotation(pen.vkey(), stage.frontier.size())?;
                self.change(&mut stage, LogEvent::KeyRotated(rotation), now)?;
                self.seal(&mut stage, &[&self.pen, &pen])?;
                pen
            }
            Rekey::Revoke(revocation) => {
                let pen = self.pen.clone();
                if revocation.new_vkey != *pen.vkey() {
                    let (names, holds) = (revocation.new_vkey.id(), pen.vkey().id());
                    return Err(refused(&format!(
                        "the revocation names key {names} and this journal signs with key {holds}; open it with the key that is named"
                    )));
                }
                // First of all: what stands in front of it rests on the key that is revoked.
                self.change(&mut stage, LogEvent::KeyRevoked(revocation), now)?;
                self.preface(&mut stage, now)?;
                self.seal(&mut stage, &[&pen])?;
                pen
            }
        };
        Ok((stage, pen))
    }

    /// The hand-over at this size, endorsed by the key in force.
    fn rotation(&self, new: &VerifierKey, size: u64) -> Result<KeyRotation, ApprovalError> {
        let old = self.pen.vkey();
        let statement = KeyRotation::statement(old, new, size);
        let statement = statement.map_err(|error| refused(&error))?;
        let endorsement = self.pen.sign(&statement)?;
        Ok(KeyRotation::new(old.clone(), new.clone(), endorsement))
    }

    /// Stages a change that every verifier will accept.
    fn change(
        &self,
        stage: &mut Stage,
        event: LogEvent,
        now: crate::clock::Timestamp,
    ) -> Result<(), ApprovalError> {
        let mut after = self.keys.clone();
        if after.records().is_empty() {
            // The log begins in this very batch.
            after
                .apply(0, &self.genesis())
                .map_err(|fault| refused(&fault))?;
        }
        after
            .apply(stage.frontier.size(), &event)
            .map_err(|fault| refused(&fault))?;
        stage.log_event(event, now, &self.log)
    }
}

fn refused(why: &dyn std::fmt::Display) -> ApprovalError {
    ApprovalError::new(
        Code::Misuse,
        format!("the key was not changed and nothing was written: {why}"),
    )
}
