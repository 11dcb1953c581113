//! Changes of the ledger key, and of the file it is in.
//!
//! The new key is made beside the old one, recorded in the log, and only then put in its place. Each step is
//! durable before the next one begins, and each can be told from what is there: whatever is interrupted is finished
//! by doing it again.
//!
//! | interrupted after | the log says | `ledger.key` | what a re-run does |
//! |---|---|---|---|
//! | making the new key | the old key signs | the old key | records that same new key |
//! | recording it | the new key signs | the old key | puts the new key in its place |
//! | putting the old key away | the new key signs | the old key, or zeros | puts the new key in its place |
//! | putting the new key in its place | the new key signs | the new key | nothing is left to do |

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use approvals_core::files::sync_parent;
use approvals_core::gate::LocalSigner;
use approvals_core::ledger::{KeyChain, KeyError, KeyRevocation, LedgerKey, VerifierKey};
use approvals_core::ports::Signer as _;
use approvals_core::{ApprovalError, Code, Journal, Opening, key_chain};

use super::{Home, damaged_key, files};
use crate::failure::store_error;

/// What becomes of the file of a key that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a file is kept or it is not")]
pub enum OldKey {
    /// It is kept beside the new one, under another name: it signs nothing any more.
    Keep,
    /// It is overwritten and deleted, as far as the file system lets anybody do so.
    Destroy,
}

/// A change of the ledger key that is recorded and in place.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rekeyed {
    /// The keys of the log from here on.
    pub keys: KeyChain,
    /// Where the old key is kept, when it is.
    pub kept: Option<PathBuf>,
    /// Whether this only finished a change that was interrupted.
    pub finished: bool,
}

/// A revocation that waits for the word of the recovery key.
#[derive(Debug, Clone)]
pub struct Revoking {
    vkey: VerifierKey,
    last_good_size: u64,
    new_vkey: VerifierKey,
    statement: Vec<u8>,
}

impl Revoking {
    /// The key that is revoked.
    #[must_use]
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// The key in force afterwards.
    #[must_use]
    pub fn new_vkey(&self) -> &VerifierKey {
        &self.new_vkey
    }

    /// The exact bytes that the recovery key has to sign, here or on a machine that never sees the log.
    #[must_use]
    pub fn statement(&self) -> &[u8] {
        &self.statement
    }
}

impl Home {
    /// The keys of the log, followed from the one that auditors pin.
    ///
    /// # Errors
    /// `AuditTampered` when the records about keys do not hold together, `StoreUnavailable` when the ledger cannot be
    /// read.
    pub fn keys(&self) -> Result<KeyChain, ApprovalError> {
        key_chain(&mut *self.reader()?, &self.vkey)
    }

    /// Replaces the ledger key by a new one that the old one endorses, on record and in its file.
    ///
    /// Gates that are open go on: they find the new key in its file. Run it again when it was interrupted.
    ///
    /// # Errors
    /// - `AuditUnavailable` when the key in the file is not the one in force, or cannot be read or made;
    /// - `AuditTampered` when the end of the log does not verify;
    /// - `StoreUnavailable` when the ledger or a file cannot be written, or another process changes the key.
    pub async fn rotate_key(&self, old: OldKey) -> Result<Rekeyed, ApprovalError> {
        let _alone = self.alone()?;
        if let Some(finished) = self.settle(old)? {
            return Ok(finished);
        }
        let staged = Staged::rotation(self);
        let new = staged.make(&self.keys()?)?;
        let journal = Journal::open(self.store()?, self.opening(self.signer()?)?)?;
        journal.rotate_key(new).await?;
        drop(journal);
        self.put_in_place(&staged, old, false)
    }

    /// Says what the recovery key has to sign so that another key comes into force, and makes that key.
    ///
    /// `vkey` is the key that is not trusted any more; unless it is named, it is the one that was in force at
    /// `last_good_size`. Heads of that key count up to this size.
    ///
    /// # Errors
    /// - `Misuse` when the revocation would not count, with the reason;
    /// - as [`Home::rotate_key`].
    pub fn prepare_revocation(
        &self,
        vkey: Option<&VerifierKey>,
        last_good_size: u64,
    ) -> Result<Revoking, ApprovalError> {
        let _alone = self.alone()?;
        let (keys, size) = self.keys_and_size()?;
        let last = last_good_size.saturating_sub(1);
        let vkey = vkey.unwrap_or_else(|| keys.of_record(last)).clone();
        let falls = keys.falls_with(&vkey, last_good_size, size);
        let falls = falls.map_err(|fault| refused(&fault))?;
        let new_vkey = match falls {
            true => Staged::revocation(self).make(&keys)?.vkey().clone(),
            false => keys.current().clone(),
        };
        let statement = KeyRevocation::statement(&vkey, last_good_size, &new_vkey);
        let statement = statement.map_err(|fault| refused(&fault))?;
        Ok(Revoking {
            vkey,
            last_good_size,
            new_vkey,
            statement,
        })
    }

    /// Revokes a key with the signature of the recovery key, and puts the new key in its place.
    ///
    /// The revoked key need not be there. Run it again when it was interrupted.
    ///
    /// # Errors
    /// As [`Home::prepare_revocation`]; `Misuse` when the recovery key of this log did not sign.
    pub async fn revoke_key(
        &self,
        revoking: Revoking,
        endorsement: Vec<u8>,
        old: OldKey,
    ) -> Result<Rekeyed, ApprovalError> {
        let _alone = self.alone()?;
        if let Some(finished) = self.settle(old)? {
            return Ok(finished);
        }
        let staged = Staged::revocation(self);
        let new = match staged.key()? {
            Some(key) if key.vkey(self.origin()) == revoking.new_vkey => {
                LocalSigner::new(key, self.origin())
            }
            _ => self.signer()?,
        };
        let is_new = *new.vkey() != *self.keys()?.current();
        let opening = self.opening(new)?;
        let revocation = KeyRevocation::new(
            revoking.vkey,
            revoking.last_good_size,
            revoking.new_vkey,
            endorsement,
        );
        let journal = Journal::open(self.store()?, opening)?;
        journal.revoke_key(revocation).await?;
        drop(journal);
        if is_new {
            return self.put_in_place(&staged, old, false);
        }
        Ok(Rekeyed {
            keys: self.keys()?,
            kept: None,
            finished: false,
        })
    }

    /// Refuses to go on with a key file that a recorded change has not reached yet.
    pub(super) fn check_settled(&self) -> Result<(), ApprovalError> {
        match self.unsettled()? {
            None => Ok(()),
            Some(_) => Err(ApprovalError::new(
                Code::AuditUnavailable,
                "a change of the ledger key was recorded and then interrupted; run `approvals key rotate` to finish it",
            )),
        }
    }

    /// Finishes a change that was recorded and then interrupted, if there is one.
    fn settle(&self, old: OldKey) -> Result<Option<Rekeyed>, ApprovalError> {
        let staged = self.unsettled()?;
        staged
            .map(|staged| self.put_in_place(&staged, old, true))
            .transpose()
    }

    /// The new key that is in force and not in its place, if there is one.
    fn unsettled(&self) -> Result<Option<Staged>, ApprovalError> {
        for staged in [Staged::rotation(self), Staged::revocation(self)] {
            if let Some(key) = staged.key()?
                && key.vkey(self.origin()) == *self.keys()?.current()
            {
                return Ok(Some(staged));
            }
        }
        Ok(None)
    }

    fn put_in_place(
        &self,
        staged: &Staged,
        old: OldKey,
        finished: bool,
    ) -> Result<Rekeyed, ApprovalError> {
        let keys = self.keys()?;
        let kept = staged.put_away(&keys, old)?;
        staged.swap()?;
        Ok(Rekeyed {
            keys,
            kept,
            finished,
        })
    }

    fn opening(&self, signer: LocalSigner) -> Result<Opening, ApprovalError> {
        let opening = Opening::new(signer, self.secrets()?);
        let opening = opening
            .disclosure_keys(Arc::new(self.paths.disclosure_keys()))
            .genesis_vkey(self.vkey.clone())
            .recovery_vkey(self.recovery.clone());
        Ok(match self.anchors.pinning() {
            Some(pinning) => opening.head_pin(pinning),
            None => opening,
        })
    }

    fn keys_and_size(&self) -> Result<(KeyChain, u64), ApprovalError> {
        let mut reader = self.reader()?;
        let keys = key_chain(&mut *reader, &self.vkey)?;
        let head = reader.head().map_err(store_error)?;
        Ok((keys, head.frontier.size()))
    }

    /// Keeps other processes from changing the key meanwhile; ends with this process, however that ends.
    pub(super) fn alone(&self) -> Result<File, ApprovalError> {
        files::alone(
            &self.paths.vkey(),
            "another process is changing a key; wait until it is done and do this again",
        )
    }
}

/// A new key on its way into the place of the ledger key.
struct Staged {
    path: PathBuf,
    place: PathBuf,
    log: approvals_core::ledger::Origin,
    /// What the old key is called from then on.
    old: &'static str,
}

impl Staged {
    fn rotation(home: &Home) -> Self {
        Self::at(home, "next", "retired")
    }

    fn revocation(home: &Home) -> Self {
        Self::at(home, "recovered", "revoked")
    }

    fn at(home: &Home, name: &str, old: &'static str) -> Self {
        let place = home.paths.key();
        Self {
            path: beside(&place, name),
            place,
            log: home.origin().clone(),
            old,
        }
    }

    /// The new key, if it was made.
    fn key(&self) -> Result<Option<LedgerKey>, ApprovalError> {
        match LedgerKey::read_file(&self.path) {
            Ok(key) => Ok(Some(key)),
            // Half-written, and so never recorded: it is made again.
            Err(KeyError::Missing { .. } | KeyError::File { .. }) => Ok(None),
            Err(error) => Err(damaged_key(&error)),
        }
    }

    /// The new key: the one that was made before, as long as it can still come into force.
    fn make(&self, keys: &KeyChain) -> Result<LocalSigner, ApprovalError> {
        let signer = |key| LocalSigner::new(key, &self.log);
        let spent = |key: &LedgerKey| {
            let vkey = key.vkey(&self.log);
            keys.spans().any(|span| *span.vkey() == vkey)
        };
        match self.key()? {
            Some(key) if !spent(&key) => return Ok(signer(key)),
            _ => remove(&self.path)?,
        }
        let made = LedgerKey::create_file(&self.path);
        made.map(signer).map_err(|error| damaged_key(&error))
    }

    /// Keeps the old key under another name, or destroys it.
    fn put_away(&self, keys: &KeyChain, old: OldKey) -> Result<Option<PathBuf>, ApprovalError> {
        let number = keys.spans().count().saturating_sub(1);
        let name = beside(&self.place, &format!("{}-{number}", self.old));
        if old == OldKey::Destroy {
            overwrite(&self.place)?;
            remove(&name)?;
            return Ok(None);
        }
        // One that was overwritten before the interruption, or is not there, cannot be kept.
        if LedgerKey::read_file(&self.place).is_err() {
            return Ok(None);
        }
        let linked = fs::hard_link(&self.place, &name).and_then(|()| sync_parent(&name));
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(files::unavailable("keep the old key as", &name, &error))
            }
            _ => Ok(Some(name)),
        }
    }

    /// Puts the new key in its place, all at once.
    fn swap(&self) -> Result<(), ApprovalError> {
        let swapped = fs::rename(&self.path, &self.place).and_then(|()| sync_parent(&self.place));
        swapped.map_err(|error| files::unavailable("put the new key into", &self.place, &error))
    }
}

pub(super) fn beside(place: &Path, name: &str) -> PathBuf {
    place.with_extension(format!("key.{name}"))
}

pub(super) fn remove(path: &Path) -> Result<(), ApprovalError> {
    match fs::remove_file(path).and_then(|()| sync_parent(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(files::unavailable("delete", path, &error))
        }
        _ => Ok(()),
    }
}

/// Overwrites a file where it lies, under all of its names.
pub(super) fn overwrite(path: &Path) -> Result<(), ApprovalError> {
    let write = || {
        let mut file = File::options().write(true).open(path)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        file.write_all(&vec![0; length])?;
        file.sync_all()
    };
    match write() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(files::unavailable("overwrite", path, &error))
        }
        _ => Ok(()),
    }
}

fn refused(why: &dyn std::fmt::Display) -> ApprovalError {
    ApprovalError::new(
        Code::Misuse,
        format!("the revocation would not count: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use approvals_core::ledger::Verifier;
    use approvals_core::{Agent, ApprovalError, Gate, requires_approval, verify};
    use tempfile::TempDir;

    use super::super::scene::lived_in;
    use super::*;

    #[requires_approval(scope = "app.read")]
    async fn read() -> Result<(), ApprovalError> {
        Ok(())
    }

    fn home() -> (TempDir, Home) {
        lived_in("test.invalid/rekey")
    }

    async fn open(home: &Home) -> Result<Gate, ApprovalError> {
        home.gate()?.open().await
    }

    async fn call(gate: &Gate) -> Result<(), ApprovalError> {
        let agent = Agent::new("bot").on_behalf_of("u_alice");
        gate.enter(agent, read()).await
    }

    fn names(home: &Home) -> Vec<String> {
        let entries = fs::read_dir(home.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names
            .filter(|name| name.starts_with("ledger.key"))
            .collect();
        names.sort();
        names
    }

    /// Takes the first steps of a change, and is interrupted then.
    async fn interrupted(home: &Home, steps: usize, old: OldKey, revokes: bool) {
        let staged = match revokes {
            true => Staged::revocation(home),
            false => Staged::rotation(home),
        };
        if steps > 0 {
            staged.make(&home.keys().unwrap()).unwrap();
        }
        if steps > 1 {
            record(home, &staged, revokes).await;
        }
        if steps > 2 {
            staged.put_away(&home.keys().unwrap(), old).unwrap();
        }
        if steps > 3 {
            staged.swap().unwrap();
        }
    }

    async fn record(home: &Home, staged: &Staged, revokes: bool) {
        let new = LocalSigner::new(staged.key().unwrap().unwrap(), home.origin());
        if revokes {
            let (good, new_vkey) = (good(home), new.vkey().clone());
            let vkey = home.vkey().clone();
            let statement = KeyRevocation::statement(&vkey, good, &new_vkey).unwrap();
            let revocation = KeyRevocation::new(vkey, good, new_vkey, recovery(home, &statement));
            let journal = Journal::open(home.store().unwrap(), home.opening(new).unwrap());
            journal.unwrap().revoke_key(revocation).await.unwrap();
        } else {
            let opening = home.opening(home.signer().unwrap()).unwrap();
            let journal = Journal::open(home.store().unwrap(), opening).unwrap();
            journal.rotate_key(new).await.unwrap();
        }
    }

    /// Everything that was there before the change.
    fn good(home: &Home) -> u64 {
        let (keys, size) = home.keys_and_size().unwrap();
        let changed = keys.spans().nth(1).map(|span| span.from());
        changed.unwrap_or(size)
    }

    fn recovery(home: &Home, statement: &[u8]) -> Vec<u8> {
        let key = LedgerKey::read_file(home.paths().recovery_key()).unwrap();
        key.sign(statement).to_vec()
    }

    async fn again(home: &Home, old: OldKey, revokes: bool) -> Rekeyed {
        if !revokes {
            return home.rotate_key(old).await.unwrap();
        }
        let revoking = home.prepare_revocation(None, good(home)).unwrap();
        let endorsement = recovery(home, revoking.statement());
        home.revoke_key(revoking, endorsement, old).await.unwrap()
    }

    /// Interrupts a change after so many steps, and does it again.
    async fn check(steps: usize, first: OldKey, second: OldKey, revokes: bool) {
        let what = format!("{steps} steps, {first:?}, {second:?}, revokes {revokes}");
        let (_directory, home) = home();
        let gate = open(&home).await.unwrap();
        call(&gate).await.unwrap();
        let kept = gate.journal().checkpoint().await.unwrap().unwrap();
        let before = good(&home);
        interrupted(&home, steps, first, revokes).await;

        // A gate that was open goes on, unless the new key is on record and not in its place; none opens then.
        let recorded = steps > 1;
        assert_eq!(call(&gate).await.is_ok(), !recorded, "{what}");
        let opened = open(&home).await.map(drop);
        assert_eq!(opened.is_ok(), !recorded, "{what}: {opened:?}");
        if let Err(error) = opened {
            assert!(
                error.to_string().contains("approvals key rotate"),
                "{what}: {error}"
            );
        }

        let done = again(&home, second, revokes).await;
        assert_eq!(done.finished, recorded, "{what}");
        assert_eq!(done.keys.spans().count(), 2, "{what}");
        assert_eq!(home.signer().unwrap().vkey(), done.keys.current(), "{what}");
        let gone = second == OldKey::Destroy || (steps > 2 && first == OldKey::Destroy);
        let name = if revokes {
            "ledger.key.revoked-1"
        } else {
            "ledger.key.retired-1"
        };
        let expected = if gone {
            vec!["ledger.key"]
        } else {
            vec!["ledger.key", name]
        };
        assert_eq!(names(&home), expected, "{what}");
        if let Some(kept) = &done.kept {
            let old = LedgerKey::read_file(kept).unwrap().vkey(home.origin());
            assert_eq!(&old, home.vkey(), "{what}");
        }

        // The gate that was open all the time finds the new key by itself.
        call(&gate).await.unwrap();
        drop(gate);
        call(&open(&home).await.unwrap()).await.unwrap();
        let mut reader = home.reader().unwrap();
        let kept = approvals_core::ledger::SignedCheckpoint::parse(kept).unwrap();
        let verifier = Verifier::new(home.vkey().clone()).knowing(kept);
        let report = verify(&mut *reader, verifier).unwrap();
        // What was written between the last good head and the revocation rests on the revoked key.
        let wrote = revokes && good(&home) > before;
        assert_eq!(report.passed(), !wrote, "{what}: {:?}", report.findings);
    }

    #[tokio::test]
    async fn a_change_that_is_interrupted_anywhere_is_finished_by_doing_it_again() {
        for steps in 0..=3 {
            for first in [OldKey::Keep, OldKey::Destroy] {
                for second in [OldKey::Keep, OldKey::Destroy] {
                    check(steps, first, second, false).await;
                    check(steps, first, second, true).await;
                }
            }
        }
    }

    #[tokio::test]
    async fn a_key_that_was_half_written_or_is_spent_is_made_again() {
        let (_directory, home) = home();
        call(&open(&home).await.unwrap()).await.unwrap();
        let staged = Staged::rotation(&home);
        files::create(&staged.path, "-----BEGIN PRIVATE").unwrap();
        home.rotate_key(OldKey::Keep).await.unwrap();
        fs::hard_link(beside(&home.paths().key(), "retired-1"), &staged.path).unwrap();
        let done = home.rotate_key(OldKey::Destroy).await.unwrap();
        assert_eq!((done.keys.spans().count(), done.finished), (3, false));
        assert_eq!(names(&home), ["ledger.key", "ledger.key.retired-1"]);
    }

    #[tokio::test]
    async fn two_changes_at_once_are_one() {
        let (_directory, home) = home();
        call(&open(&home).await.unwrap()).await.unwrap();
        let alone = home.alone().unwrap();
        for error in [
            home.rotate_key(OldKey::Keep).await.unwrap_err(),
            home.prepare_revocation(None, 1).unwrap_err(),
        ] {
            assert!(error.to_string().contains("another process"), "{error}");
        }
        drop(alone);
        home.rotate_key(OldKey::Keep).await.unwrap();
    }

    #[tokio::test]
    async fn a_revocation_that_would_not_count_makes_nothing() {
        let (_directory, home) = home();
        call(&open(&home).await.unwrap()).await.unwrap();
        let (_, size) = home.keys_and_size().unwrap();
        let stranger = LedgerKey::generate().unwrap().vkey(home.origin());
        for (vkey, good, words) in [
            (None, size + 1, "the last good size"),
            (Some(&stranger), 1, "never signed this log"),
        ] {
            let error = home.prepare_revocation(vkey, good).unwrap_err();
            assert_eq!(error.code(), Code::Misuse);
            assert!(error.to_string().contains(words), "{error}");
        }
        assert_eq!(names(&home), ["ledger.key"]);
        let revoking = home.prepare_revocation(None, 1).unwrap();
        let forged = LedgerKey::read_file(home.paths().key()).unwrap();
        let forged = forged.sign(revoking.statement()).to_vec();
        let refused = home.revoke_key(revoking, forged, OldKey::Keep).await;
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("is not signed by key")
        );
        assert_eq!(home.keys_and_size().unwrap().1, size, "nothing was written");
        call(&open(&home).await.unwrap()).await.unwrap();
    }
}
