//! The disclosure key of a home, in a file of its own, and its replacement.
//!
//! An erasure destroys the data key of a request in the store. A backup of the store still has it, wrapped by the
//! disclosure key: only when that is replaced and destroyed, too, does nothing open what was erased.
//!
//! The new key is made beside the old one, seals from then on, and takes over every data key that is left; then the
//! old one is overwritten and the new one put in its place. Both are looked for by everybody who has the store open,
//! so that nobody has to stop. Each step is durable before the next one begins:
//!
//! | interrupted after | the store is sealed under | `disclosure.key` | what a re-run does |
//! |---|---|---|---|
//! | making the new key | the old key | the old key | makes another one |
//! | the first step of wrapping | the new key, some data keys the old one | the old key | wraps the rest |
//! | the last one | the new key | the old key | overwrites the old key |
//! | overwriting the old key | the new key | zeros | puts the new key in its place |
//!
//! A re-run finishes what was interrupted and then replaces the key once more: what was erased meanwhile may lie in
//! a copy of the store that the interrupted key still opens.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use approvals_core::envelope::{
    DisclosureKey, DisclosureKeyId, DisclosureKeys, EnvelopeError, Vault,
};
use approvals_core::files::sync_parent;
use approvals_core::ledger::{KeyError, Origin};
use approvals_core::{ApprovalError, Code, Journal};

use super::rekey::{beside, overwrite, remove};
use super::{Home, Paths, damaged_key, files};

/// The disclosure key of a home, and the one that is about to take its place.
///
/// Trusted: who can read the file and the store, or a backup of it, reads what people were shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisclosureFiles {
    place: PathBuf,
    next: PathBuf,
}

impl DisclosureFiles {
    fn look(path: &Path) -> Result<Option<DisclosureKey>, EnvelopeError> {
        match read(path) {
            Ok(key) => Ok(key),
            Err(error) => Err(EnvelopeError::Unreadable(error.to_string())),
        }
    }
}

impl DisclosureKeys for DisclosureFiles {
    fn first(&self) -> Result<DisclosureKey, EnvelopeError> {
        if let Some(key) = Self::look(&self.place)? {
            return Ok(key);
        }
        let next = Self::look(&self.next)?;
        // The file itself says what is wrong with it, when nothing is about to take its place.
        next.map_or_else(
            || {
                DisclosureKey::read_file(&self.place)
                    .map_err(|error| EnvelopeError::Unreadable(error.to_string()))
            },
            Ok,
        )
    }

    fn find(&self, id: DisclosureKeyId) -> Result<Option<DisclosureKey>, EnvelopeError> {
        // The first one once more: the second may have moved there in between.
        for path in [&self.place, &self.next, &self.place] {
            if let Some(key) = Self::look(path)?.filter(|key| key.id() == id) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}

impl Paths {
    /// The key that wraps the data keys of what people were shown.
    #[must_use]
    pub fn disclosure(&self) -> PathBuf {
        self.directory().join("disclosure.key")
    }

    /// Where that key is looked for, and its successor while it is replaced.
    #[must_use]
    pub fn disclosure_keys(&self) -> DisclosureFiles {
        let place = self.disclosure();
        DisclosureFiles {
            next: beside(&place, "next"),
            place,
        }
    }

    /// What opens the values in the log of this name.
    ///
    /// # Errors
    /// `AuditUnavailable` when the disclosure key is missing, open to others or none.
    pub fn vault(&self, log: &Origin) -> Result<Vault, ApprovalError> {
        let vault = Vault::with_keys(log.as_str(), Arc::new(self.disclosure_keys()));
        vault.map_err(|error| ApprovalError::new(Code::AuditUnavailable, error.to_string()))
    }
}

impl Home {
    /// Replaces the disclosure key and destroys the old one, so that no backup of the store opens what was erased
    /// before. Gives how many data keys were wrapped anew.
    ///
    /// The journal is one of this home; others may have the ledger open and go on. A backup from before can no longer
    /// be opened at all, so make a new one. The old key is overwritten where it lies, as far as the file system lets
    /// anybody do so; it does not reach backups of the key file: keep such a backup apart from those of the store, and
    /// replace it.
    ///
    /// # Errors
    /// - `StoreUnavailable` when another process is changing a key, or a file or the ledger cannot be written;
    /// - `AuditUnavailable` when the key in the file is not the one that seals the ledger;
    /// - `Unrenderable` when a data key cannot be unwrapped. Whatever happens, run it again to finish it.
    pub async fn replace_disclosure_key(&self, journal: &Journal) -> Result<u64, ApprovalError> {
        let _alone = self.alone()?;
        self.finish_replacement(journal).await?;
        let files = self.paths().disclosure_keys();
        let old = self.disclosure_key()?;
        let new = DisclosureKey::create_file(&files.next).map_err(|error| damaged_key(&error))?;
        let wrapped = journal.replace_disclosure_key(old.id(), new.id()).await?;
        files.put_in_place()?;
        Ok(wrapped)
    }

    /// Whether the disclosure key was about to be replaced, and that was interrupted.
    #[must_use]
    pub fn is_replacing_disclosure_key(&self) -> bool {
        self.paths().disclosure_keys().next.exists()
    }

    /// Finishes a replacement that was interrupted, or forgets one that had not begun.
    async fn finish_replacement(&self, journal: &Journal) -> Result<(), ApprovalError> {
        let files = self.paths().disclosure_keys();
        let head = journal.read(|reader| reader.head()).await?;
        let next = read(&files.next).map_err(|error| damaged_key(&error))?;
        let Some(next) = next.filter(|next| head.disclosure_key == Some(next.id())) else {
            // Half-written, or nothing was ever sealed under it.
            return remove(&files.next);
        };
        let old = read(&files.place).map_err(|error| damaged_key(&error))?;
        if let Some(old) = old {
            journal.replace_disclosure_key(old.id(), next.id()).await?;
        }
        files.put_in_place()
    }

    fn disclosure_key(&self) -> Result<DisclosureKey, ApprovalError> {
        let key = DisclosureKey::read_file(self.paths().disclosure());
        key.map_err(|error| damaged_key(&error))
    }
}

impl DisclosureFiles {
    /// Destroys the old key and puts the new one in its place, all at once.
    fn put_in_place(&self) -> Result<(), ApprovalError> {
        overwrite(&self.place)?;
        let swapped = fs::rename(&self.next, &self.place).and_then(|()| sync_parent(&self.place));
        swapped.map_err(|error| files::unavailable("put the new key into", &self.place, &error))
    }
}

/// The key in a file; none when it is not there, or was overwritten or half-written.
fn read(path: &Path) -> Result<Option<DisclosureKey>, KeyError> {
    match DisclosureKey::read_file(path) {
        Ok(key) => Ok(Some(key)),
        Err(KeyError::Missing { .. } | KeyError::File { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use approvals_core::{Agent, ApprovalError, Gate, RequestId, requires_approval};
    use tempfile::TempDir;
    use tokio::task::JoinSet;

    use super::super::scene::lived_in;
    use super::*;
    use crate::sqlite::SqliteReader;

    const CANARY: &str = "c4nary~of-the-disclosure=key";

    #[requires_approval(scope = "app.read")]
    async fn read_it(table: String) -> Result<(), ApprovalError> {
        let _ = table;
        Ok(())
    }

    fn home() -> (TempDir, Home) {
        lived_in("test.invalid/disclosure")
    }

    async fn open(home: &Home) -> Gate {
        home.gate().unwrap().open().await.unwrap()
    }

    async fn call(gate: &Gate) -> Result<(), ApprovalError> {
        let agent = Agent::new("bot").on_behalf_of("u_alice");
        gate.enter(agent, read_it(CANARY.to_owned())).await
    }

    async fn newest(gate: &Gate) -> RequestId {
        let filter = approvals_core::ports::Filter::all();
        gate.list(filter).await.unwrap()[0].id
    }

    /// Whether the values of this request can be opened with what the home has.
    fn opens(home: &Home, database: &Path, request: RequestId) -> Result<bool, EnvelopeError> {
        use approvals_core::ports::Reader as _;
        let envelope = SqliteReader::open(database).unwrap();
        let envelope = { envelope }.disclosures(request).unwrap();
        let vault = home.paths().vault(home.origin()).unwrap();
        let opened = vault.open(request, &envelope)?;
        Ok(!opened.is_empty())
    }

    fn names(home: &Home) -> Vec<String> {
        let entries = fs::read_dir(home.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("disclosure"))
            .collect()
    }

    fn backup(home: &Home, directory: &TempDir, name: &str) -> PathBuf {
        let path = directory.path().join(name);
        let database = rusqlite::Connection::open(home.paths().database()).unwrap();
        let sql = format!("VACUUM INTO '{}'", path.display());
        database.execute_batch(&sql).unwrap();
        path
    }

    /// Takes the first steps of a replacement, and is interrupted then.
    async fn interrupted(home: &Home, gate: &Gate, steps: usize) {
        let files = home.paths().disclosure_keys();
        let old = home.disclosure_key().unwrap().id();
        if steps > 0 {
            let next = DisclosureKey::create_file(&files.next).unwrap().id();
            if steps > 1 {
                let journal = gate.journal();
                journal.replace_disclosure_key(old, next).await.unwrap();
            }
        }
        if steps > 2 {
            overwrite(&files.place).unwrap();
        }
        if steps > 3 {
            files.put_in_place().unwrap();
        }
    }

    #[tokio::test]
    async fn a_replacement_that_is_interrupted_anywhere_stops_nobody_and_is_finished() {
        for steps in 0..=4 {
            let (directory, home) = home();
            let (gate, other) = (open(&home).await, open(&home).await);
            call(&gate).await.unwrap();
            let request = newest(&gate).await;
            let old = backup(&home, &directory, "old.db");
            assert_eq!(opens(&home, &old, request), Ok(true), "step {steps}");

            interrupted(&home, &gate, steps).await;
            let halfway = backup(&home, &directory, "halfway.db");
            // Whoever has the store open goes on, and whoever opens it now, too.
            for gate in [&gate, &other, &open(&home).await] {
                call(gate).await.unwrap();
                let text = gate.card(request).await.unwrap().to_text();
                assert!(text.contains(CANARY), "step {steps}: {text}");
            }
            let unfinished = (1..=3).contains(&steps);
            assert_eq!(home.is_replacing_disclosure_key(), unfinished);

            let wrapped = home.replace_disclosure_key(gate.journal()).await.unwrap();
            assert_eq!(wrapped, 4, "step {steps}");
            assert_eq!(names(&home), ["disclosure.key"], "step {steps}");
            for gate in [&gate, &other, &open(&home).await] {
                call(gate).await.unwrap();
                let text = gate.card(request).await.unwrap().to_text();
                assert!(text.contains(CANARY), "step {steps}: {text}");
            }
            // Neither backup opens with the key that is there now.
            for backup in [&old, &halfway] {
                let opened = opens(&home, backup, request);
                let unknown = matches!(opened, Err(EnvelopeError::UnknownKey(_)));
                assert!(unknown, "step {steps}: {opened:?}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn others_write_while_many_keys_are_wrapped_anew() {
        let (_directory, home) = home();
        let gate = open(&home).await;
        let calls = |count: usize| {
            let mut calls = JoinSet::new();
            for _ in 0..count {
                let gate = gate.clone();
                calls.spawn(async move { call(&gate).await.unwrap() });
            }
            calls
        };
        calls(1_100).join_all().await;
        let other = open(&home).await;
        let meanwhile = calls(50);
        let wrapped = home.replace_disclosure_key(gate.journal()).await.unwrap();
        meanwhile.join_all().await;
        assert!((1_100..=1_150).contains(&wrapped), "{wrapped}");
        call(&other).await.unwrap();
        for row in gate
            .list(approvals_core::ports::Filter::all())
            .await
            .unwrap()
        {
            let text = other.card(row.id).await.unwrap().to_text();
            assert!(text.contains(CANARY), "{text}");
        }
        assert!(gate.journal().verify().await.unwrap().passed());
    }

    #[tokio::test]
    async fn a_key_that_is_lost_or_of_another_store_seals_nothing() {
        let (_directory, home) = home();
        call(&open(&home).await).await.unwrap();
        let place = home.paths().disclosure();
        let text = fs::read(&place).unwrap();
        fs::remove_file(&place).unwrap();
        let missing = home.gate().unwrap().open().await.unwrap_err();
        assert_eq!(missing.code(), Code::AuditUnavailable);
        assert!(
            missing.to_string().contains("there is no disclosure key"),
            "{missing}"
        );
        DisclosureKey::create_file(&place).unwrap();
        let other = home.gate().unwrap().open().await.unwrap_err();
        assert!(
            other.to_string().contains("is sealed under disclosure key"),
            "{other}"
        );
        fs::write(&place, text).unwrap();
        call(&open(&home).await).await.unwrap();
    }

    #[tokio::test]
    async fn a_process_without_the_new_key_stops_instead_of_sealing_under_the_old_one() {
        let (directory, home) = home();
        let gate = open(&home).await;
        call(&gate).await.unwrap();
        // Another machine, which has its own copies of the keys.
        let away = directory.path().join("away");
        fs::create_dir(&away).unwrap();
        for entry in fs::read_dir(home.path()).unwrap() {
            let entry = entry.unwrap();
            if !entry
                .file_name()
                .to_str()
                .unwrap()
                .starts_with("approvals.db")
            {
                fs::copy(entry.path(), away.join(entry.file_name())).unwrap();
            }
        }
        let url = format!("sqlite:{}", home.paths().database().display());
        let elsewhere = Home::open(&away).unwrap().with_store(url.parse().unwrap());
        let other = open(&elsewhere).await;
        call(&other).await.unwrap();
        home.replace_disclosure_key(gate.journal()).await.unwrap();
        let refused = call(&other).await.unwrap_err();
        assert_eq!(refused.code(), Code::AuditUnavailable, "{refused}");
        assert!(refused.to_string().contains("is not here"), "{refused}");
        fs::copy(home.paths().disclosure(), elsewhere.paths().disclosure()).unwrap();
        call(&other).await.unwrap();
    }
}
