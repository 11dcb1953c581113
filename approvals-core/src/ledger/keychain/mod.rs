//! Which key must have signed what: followed from the first key, record by record.
//!
//! Whoever pins the key that a log began with needs no other: every later key was signed in by the one before
//! it, or by the recovery key that the first record names. The gate follows the same records as the verifier.

mod change;
mod fault;

use super::note::{Checkpoint, SignedCheckpoint, VerifierKey};
use super::record::LogEvent;
pub use change::{KeyRevocation, KeyRotation};
pub use fault::KeyFault;

/// The keys of one log, in the order in which they signed it; begins with the key that is trusted.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::{KeyChain, KeyRotation, LedgerKey, LogEvent};
///
/// let log = "example.com/log".parse()?;
/// let (first, second) = (LedgerKey::generate()?, LedgerKey::generate()?);
/// let (old_vkey, new_vkey) = (first.vkey(&log), second.vkey(&log));
///
/// let mut keys = KeyChain::new(old_vkey.clone());
/// keys.apply(0, &LogEvent::Genesis { vkey: old_vkey.clone(), recovery: None })?;
/// let endorsement = first.sign(&KeyRotation::statement(&old_vkey, &new_vkey, 7)?).to_vec();
/// let rotation = KeyRotation::new(old_vkey.clone(), new_vkey.clone(), endorsement);
/// assert!(keys.clone().apply(8, &LogEvent::KeyRotated(rotation.clone())).is_err(), "signed for another place");
///
/// keys.apply(7, &LogEvent::KeyRotated(rotation))?;
/// assert_eq!(keys.current(), &new_vkey);
/// assert_eq!(keys.of_record(6), &old_vkey);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChain {
    recovery: Option<VerifierKey>,
    first: KeySpan,
    later: Vec<KeySpan>,
    records: Vec<u64>,
}

/// One key, and the records that heads signed with it cover first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpan {
    vkey: VerifierKey,
    from: u64,
    to: Option<u64>,
    /// Signed in by the recovery key, and so whatever becomes of the keys before it.
    recovered: bool,
    revoked: Option<Revoked>,
}

/// A key that is not trusted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Revoked {
    at: u64,
    /// How many records its heads may cover and still count; none, when a key that was revoked signed it in.
    last_good_size: Option<u64>,
}

/// How the time of a key ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyEnd {
    /// It handed the log over.
    Rotated {
        /// In this record.
        at: u64,
    },
    /// It was revoked.
    Revoked {
        /// In this record.
        at: u64,
        /// Its heads count up to this size.
        last_good_size: u64,
    },
    /// It was signed in by a key that was not trusted any more, and never counted.
    Void {
        /// The record that revoked the key before it.
        at: u64,
    },
}

impl KeySpan {
    fn new(vkey: VerifierKey, from: u64, recovered: bool) -> Self {
        Self {
            vkey,
            from,
            to: None,
            recovered,
            revoked: None,
        }
    }

    /// The key.
    #[must_use]
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// The first record that it signs.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The first record that it does not sign any more; none while it is in force.
    #[must_use]
    pub fn to(&self) -> Option<u64> {
        self.to
    }

    /// Whether the recovery key signed it in, and not the key before it.
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.recovered
    }

    /// How its time ended, or what became of it later; none while it is in force.
    #[must_use]
    pub fn end(&self) -> Option<KeyEnd> {
        match (self.revoked, self.to) {
            (Some(revoked), _) => Some(match revoked.last_good_size {
                Some(last_good_size) => KeyEnd::Revoked {
                    at: revoked.at,
                    last_good_size,
                },
                None => KeyEnd::Void { at: revoked.at },
            }),
            (None, Some(at)) => Some(KeyEnd::Rotated { at }),
            (None, None) => None,
        }
    }

    /// The first record from which on its word does not count; none while all of it does.
    #[must_use]
    pub fn untrusted_from(&self) -> Option<u64> {
        let revoked = self.revoked?;
        let good = revoked.last_good_size.unwrap_or(0).max(self.from);
        self.to.is_none_or(|to| good < to).then_some(good)
    }
}

impl KeyChain {
    /// The keys of a log that begins with this one, before any of its records is read.
    #[must_use]
    pub fn new(genesis: VerifierKey) -> Self {
        Self {
            recovery: None,
            first: KeySpan::new(genesis, 0, false),
            later: Vec::new(),
            records: Vec::new(),
        }
    }

    /// The key that the log began with: what auditors pin.
    #[must_use]
    pub fn genesis(&self) -> &VerifierKey {
        &self.first.vkey
    }

    /// The key that can revoke the others, if the log names one.
    #[must_use]
    pub fn recovery(&self) -> Option<&VerifierKey> {
        self.recovery.as_ref()
    }

    /// The key in force: what signs the next record.
    #[must_use]
    pub fn current(&self) -> &VerifierKey {
        &self.last().vkey
    }

    /// The key that first signed a record.
    #[must_use]
    pub fn of_record(&self, seq: u64) -> &VerifierKey {
        &self.span(seq).vkey
    }

    /// Every key, in order.
    pub fn spans(&self) -> impl Iterator<Item = &KeySpan> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// The records that say which key signs, in order.
    #[must_use]
    pub fn records(&self) -> &[u64] {
        &self.records
    }

    /// Whether a head of this size counts, once the key that was in force has signed it.
    #[must_use]
    pub fn trusts(&self, size: u64) -> bool {
        let last = size.saturating_sub(1);
        self.span(last)
            .untrusted_from()
            .is_none_or(|from| last < from)
    }

    /// The checkpoint, if the key that was in force at its size signed it and is trusted so far.
    ///
    /// # Errors
    /// [`KeyFault::Note`] when that key did not sign it, [`KeyFault::Untrusted`] when that key was revoked and the
    /// checkpoint covers more than what was good.
    pub fn verify(&self, note: &SignedCheckpoint) -> Result<Checkpoint, KeyFault> {
        let span = self.span(note.claim().size.saturating_sub(1));
        let head = note.verify(&span.vkey)?;
        match span.revoked {
            Some(revoked) if !self.trusts(head.size) => Err(KeyFault::Untrusted {
                vkey: span.vkey.id(),
                size: head.size,
                at: revoked.at,
            }),
            _ => Ok(head),
        }
    }

    /// Whether the key in force would fall with this one, if it were revoked now; then another must come into force.
    ///
    /// # Errors
    /// [`KeyFault`] when the key cannot be revoked like that.
    pub fn falls_with(
        &self,
        vkey: &VerifierKey,
        last_good_size: u64,
        size: u64,
    ) -> Result<bool, KeyFault> {
        if self.recovery.is_none() {
            return Err(KeyFault::NoRecovery);
        }
        self.clone().distrust(vkey, last_good_size, size)
    }

    /// Takes the next record that is about keys; other records change nothing.
    ///
    /// # Errors
    /// [`KeyFault`] when the change does not count: the keys are then those of before.
    pub fn apply(&mut self, seq: u64, event: &LogEvent) -> Result<(), KeyFault> {
        match event {
            LogEvent::Genesis { vkey, recovery } => self.begin(vkey, recovery.as_ref())?,
            LogEvent::KeyRotated(rotation) => self.rotate(seq, rotation)?,
            LogEvent::KeyRevoked(revocation) => self.revoke(seq, revocation)?,
            _ => return Ok(()),
        }
        self.records.push(seq);
        Ok(())
    }

    fn begin(
        &mut self,
        vkey: &VerifierKey,
        recovery: Option<&VerifierKey>,
    ) -> Result<(), KeyFault> {
        let pinned = self.genesis();
        if vkey != pinned || !self.records.is_empty() {
            return Err(KeyFault::Genesis {
                pinned: pinned.id(),
                found: vkey.id(),
            });
        }
        if recovery.is_some_and(|key| key == vkey || key.name() != vkey.name()) {
            return Err(KeyFault::Recovery);
        }
        self.recovery = recovery.cloned();
        Ok(())
    }

    fn rotate(&mut self, seq: u64, rotation: &KeyRotation) -> Result<(), KeyFault> {
        let KeyRotation {
            old_vkey, new_vkey, ..
        } = rotation;
        let current = self.current();
        if old_vkey != current {
            return Err(KeyFault::NotInForce {
                old: old_vkey.id(),
                current: current.id(),
            });
        }
        self.fresh(new_vkey)?;
        let statement = KeyRotation::statement(old_vkey, new_vkey, seq)?;
        let endorsed = current.verify(&statement, &rotation.endorsement);
        endorsed.map_err(|_| KeyFault::Endorsement {
            new: new_vkey.id(),
            by: current.id(),
        })?;
        self.follow(KeySpan::new(new_vkey.clone(), seq, false));
        Ok(())
    }

    fn revoke(&mut self, seq: u64, revocation: &KeyRevocation) -> Result<(), KeyFault> {
        let KeyRevocation {
            vkey,
            last_good_size,
            new_vkey,
            ..
        } = revocation;
        let recovery = self.recovery().ok_or(KeyFault::NoRecovery)?;
        let statement = KeyRevocation::statement(vkey, *last_good_size, new_vkey)?;
        let signed = recovery.verify(&statement, &revocation.endorsement);
        signed.map_err(|_| KeyFault::Endorsement {
            new: new_vkey.id(),
            by: recovery.id(),
        })?;
        let mut after = self.clone();
        let falls = after.distrust(vkey, *last_good_size, seq)?;
        if falls {
            self.fresh(new_vkey)?;
            after.follow(KeySpan::new(new_vkey.clone(), seq, true));
        } else if new_vkey != self.current() {
            return Err(KeyFault::Unaffected {
                current: self.current().id(),
            });
        }
        *self = after;
        Ok(())
    }

    /// Takes the trust from a key and from those that it signed in afterwards, and says whether the key in force
    /// is one of them.
    fn distrust(&mut self, vkey: &VerifierKey, good: u64, at: u64) -> Result<bool, KeyFault> {
        let spans = std::iter::once(&mut self.first).chain(&mut self.later);
        let mut rest = spans.skip_while(|span| span.vkey != *vkey);
        let span = rest.next().ok_or(KeyFault::Stranger { vkey: vkey.id() })?;
        let most = span.revoked.map_or(at, |revoked| {
            revoked.last_good_size.unwrap_or(span.from).min(at)
        });
        if !(span.from..=most).contains(&good) {
            return Err(KeyFault::LastGood {
                vkey: vkey.id(),
                from: span.from,
                size: most,
            });
        }
        span.revoked = Some(Revoked {
            at,
            last_good_size: Some(good),
        });
        let mut falls = span.to.is_none();
        for heir in rest {
            // It was signed in by a record that the last good head does not cover.
            if heir.recovered || heir.from < good {
                return Ok(false);
            }
            heir.revoked = Some(Revoked {
                at,
                last_good_size: None,
            });
            falls = heir.to.is_none();
        }
        Ok(falls)
    }

    fn fresh(&self, new: &VerifierKey) -> Result<(), KeyFault> {
        let known = self.spans().any(|span| span.vkey == *new) || self.recovery() == Some(new);
        match known {
            true => Err(KeyFault::Reused { new: new.id() }),
            false => Ok(()),
        }
    }

    fn follow(&mut self, span: KeySpan) {
        let last = self.later.last_mut().unwrap_or(&mut self.first);
        last.to = Some(span.from);
        self.later.push(span);
    }

    fn last(&self) -> &KeySpan {
        self.later.last().unwrap_or(&self.first)
    }

    fn span(&self, seq: u64) -> &KeySpan {
        let later = self.later.iter().rev().find(|span| span.from <= seq);
        later.unwrap_or(&self.first)
    }
}

#[cfg(test)]
mod tests;
