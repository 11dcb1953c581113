//! Reads a people file whole or not at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use ssh_key::PublicKey;

use super::passkey::{self, Passkey, passkey_identity};
use super::people::{People, Person};
use super::{key, local};
use crate::canonical::clip;
use crate::error::{ApprovalError, Code};
use crate::id::{GroupName, PersonId};
use crate::policy::Finding;
use crate::policy::document::{self, Findings, Item, Section};
use crate::principal::IdentityKey;

impl People {
    /// Reads the text of a people file.
    ///
    /// # Errors
    /// [`PeopleError`], with everything that is wrong at once: broken TOML, an unknown key, a
    /// person or an account that stands twice, a pattern where an exact id belongs, a key that is
    /// not accepted, a declared group with nobody in it.
    ///
    /// # Examples
    /// ```
    /// use approvals_core::IdentityKey;
    /// use approvals_core::directory::People;
    ///
    /// let people = People::parse(r#"
    ///     version = 1
    ///     [[person]]
    ///     id = "u_dana"
    ///     groups = ["oncall"]
    ///     identity = [{ provider = "slack", tenant = "T0123", subject = "U0123" }]
    /// "#)?;
    /// let dana = people.resolve(&IdentityKey::new("slack", "T0123", "U0123")?);
    /// assert_eq!(dana.map(|person| person.as_str()), Some("u_dana"));
    /// assert!(people.resolve(&IdentityKey::new("slack", "T9999", "U0123")?).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, PeopleError> {
        let mut findings = Findings::of(text);
        let people = read(text, &mut findings);
        findings.finish(people).map_err(PeopleError)
    }
}

/// Everything that keeps a people file from being loaded; its code is `PolicyInvalid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleError(Vec<Finding>);

impl PeopleError {
    /// What is wrong, in the order of the file; never empty.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::PolicyInvalid
    }
}

impl fmt::Display for PeopleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, finding) in self.0.iter().enumerate() {
            let newline = if place > 0 { "\n" } else { "" };
            write!(f, "{newline}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PeopleError {}

impl From<PeopleError> for ApprovalError {
    fn from(error: PeopleError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

fn read(text: &str, findings: &mut Findings) -> Option<People> {
    let document = document::parse(text, MAX_BYTES, findings)?;
    let file = Section::new(document.get_ref(), 0, KEYS, findings);
    let version = file
        .need("version", "`version = 1`", findings)
        .and_then(|item| item.integer(1, i128::from(i64::MAX), findings));
    let mut loader = Loader {
        findings,
        people: BTreeMap::new(),
        owners: HashMap::new(),
    };
    loader.people(file);
    let declared = loader.groups(file);
    let version = u64::try_from(version?).ok()?;
    Some(People::new(text, version, loader.people, declared))
}

struct Loader<'a> {
    findings: &'a mut Findings,
    people: BTreeMap<PersonId, Person>,
    owners: HashMap<IdentityKey, String>,
}

impl Loader<'_> {
    fn people(&mut self, file: Section<'_, '_>) {
        let example = "a `[[person]]` table: without people nobody can approve anything";
        let item = file.need("person", example, self.findings);
        let items = item.and_then(|item| Some((item, item.list(self.findings)?)));
        for (place, entry) in items.iter().flat_map(|(_, entries)| entries).enumerate() {
            let id = id_text(*entry).map_or_else(|| format!("#{}", place + 1), str::to_owned);
            self.findings.about("person", &id);
            self.person(*entry, &id);
        }
        self.findings.about_the_file();
        if let Some((item, entries)) = items
            && entries.is_empty()
        {
            let message = format!("there is nobody here; write {example}");
            self.findings.add(item.at, message);
        }
    }

    fn person(&mut self, entry: Item<'_, '_>, label: &str) {
        let Some(section) = entry.section(PERSON_KEYS, self.findings) else {
            return;
        };
        let id: Option<PersonId> = section
            .need(
                "id",
                "`id = \"u_dana\"`, which never changes",
                self.findings,
            )
            .and_then(|item| item.parsed(self.findings));
        let name = section
            .get("name")
            .and_then(|item| short_text(item, self.findings));
        let active = self.status(section);
        let groups = self.groups_of(section);
        let accounts = self.accounts(section, label);
        let Some(id) = id else { return };
        if self.people.contains_key(&id) {
            let message =
                "this person stands in the file already; put all groups and accounts in one place";
            self.findings.add(entry.at, message);
            return;
        }
        let person = Person {
            id: id.clone(),
            name,
            active,
            groups,
            identities: accounts.identities,
            ssh_keys: accounts.ssh_keys,
            passkeys: accounts.passkeys,
        };
        self.people.insert(id, person);
    }

    fn status(&mut self, person: Section<'_, '_>) -> bool {
        let Some(item) = person.get("status") else {
            return true;
        };
        match item.text(self.findings) {
            Some("active") => true,
            Some("disabled") | None => false,
            Some(_) => {
                let wanted = "\"active\" or \"disabled\"";
                item.refuse::<()>(self.findings, wanted).is_some()
            }
        }
    }

    fn groups_of(&mut self, person: Section<'_, '_>) -> BTreeSet<GroupName> {
        let items = person
            .get("groups")
            .and_then(|item| item.list(self.findings));
        items
            .into_iter()
            .flatten()
            .filter_map(|item| item.parsed(self.findings))
            .collect()
    }

    fn accounts(&mut self, person: Section<'_, '_>, label: &str) -> Accounts {
        let items = person
            .get("identity")
            .and_then(|item| item.list(self.findings));
        let mut accounts = Accounts::default();
        for item in items.into_iter().flatten() {
            let Some((identity, key)) = identity(item, self.findings) else {
                continue;
            };
            if let Some(owner) = self.owners.insert(identity.clone(), label.to_owned()) {
                let message = format!(
                    "the account `{}` belongs to `{}` already; one account is one person's",
                    identity.to_string().escape_default(),
                    clip(&owner)
                );
                self.findings.add(item.at, message);
            }
            accounts.identities.push(identity);
            match key {
                Key::Ssh(key) => accounts.ssh_keys.push(*key),
                Key::Passkey(key) => accounts.passkeys.push(key),
                Key::Elsewhere => {}
            }
        }
        accounts
    }

    fn groups(&mut self, file: Section<'_, '_>) -> BTreeSet<GroupName> {
        let mut declared = BTreeSet::new();
        let items = file.get("group").and_then(|item| item.list(self.findings));
        for entry in items.into_iter().flatten() {
            let Some(group) = self.group(entry) else {
                continue;
            };
            if !self
                .people
                .values()
                .any(|person| person.groups.contains(&group))
            {
                let message = format!(
                    "nobody is in the group `{group}`, so that nothing it must approve could ever run; add it to the `groups` of somebody, or remove it"
                );
                self.findings.add(entry.at, message);
            }
            if !declared.insert(group) {
                let message = "this group is declared already; remove one of the two";
                self.findings.add(entry.at, message);
            }
        }
        declared
    }

    fn group(&mut self, entry: Item<'_, '_>) -> Option<GroupName> {
        let section = entry.section(GROUP_KEYS, self.findings)?;
        if let Some(item) = section.get("description") {
            short_text(item, self.findings);
        }
        section
            .need("id", "`id = \"oncall\"`", self.findings)?
            .parsed(self.findings)
    }
}

/// The accounts of one person.
#[derive(Default)]
struct Accounts {
    identities: Vec<IdentityKey>,
    ssh_keys: Vec<PublicKey>,
    passkeys: Vec<Passkey>,
}

/// What is behind an account.
enum Key {
    Ssh(Box<PublicKey>),
    Passkey(Passkey),
    /// Whatever its provider asks for.
    Elsewhere,
}

fn identity(item: Item<'_, '_>, findings: &mut Findings) -> Option<(IdentityKey, Key)> {
    let section = item.section(IDENTITY_KEYS, findings)?;
    let example = "`provider = \"ssh\"`, `\"passkey\"`, `\"slack\"`, `\"entra\"` or `\"oidc\"`";
    let provider_item = section.need("provider", example, findings)?;
    let provider = provider_item.text(findings)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if provider.is_empty() || !provider.bytes().all(plain) {
        return provider_item.refuse(findings, "a lower-case name, such as \"ssh\" or \"slack\"");
    }
    match provider {
        key::PROVIDER => ssh(section, findings),
        passkey::PROVIDER => passkey(section, findings),
        local::PROVIDER => provider_item.refuse(
            findings,
            "another one: everybody has the account `local` already, which one-time links are for",
        ),
        _ => Some((account(section, provider, findings)?, Key::Elsewhere)),
    }
}

/// Finds keys of an entry that its provider has no use for.
fn not_for(
    section: Section<'_, '_>,
    keys: &[&'static str],
    why: impl Fn(&str) -> String,
    findings: &mut Findings,
) {
    for item in keys.iter().filter_map(|key| section.get(key)) {
        findings.add(item.at, why(item.name));
    }
}

fn ssh(section: Section<'_, '_>, findings: &mut Findings) -> Option<(IdentityKey, Key)> {
    let why =
        |name: &str| format!("`{name}` is not for `ssh`, whose account is its `key`; remove it");
    not_for(section, &["tenant", "subject", "credential"], why, findings);
    let item = section.need("key", "`key = \"ssh-ed25519 AAAA…\"`", findings)?;
    let read = key::read(item.text(findings)?).and_then(|key| {
        let identity = key::ssh_identity(&key).map_err(|_| "the key has no fingerprint")?;
        Ok((identity, Key::Ssh(Box::new(key))))
    });
    read.map_err(|message| findings.add(item.at, message)).ok()
}

fn passkey(section: Section<'_, '_>, findings: &mut Findings) -> Option<(IdentityKey, Key)> {
    let why = |name: &str| {
        format!("`{name}` is not for `passkey`, whose account is its `key`; remove it")
    };
    not_for(section, &["subject"], why, findings);
    let mut part = |name: &'static str, example: &str| {
        let item = section.need(name, example, findings)?;
        Some((item.text(findings)?, item.at))
    };
    let site = part(
        "tenant",
        "the host name of the site that the passkey is for",
    );
    let credential = part("credential", "the credential id that enrolling shows");
    let key = part("key", "the key that enrolling shows");
    let ((site, _), (credential, _), (key, at)) = (site?, credential?, key?);
    let read = Passkey::read(site, credential, key).map_err(passkey::InvalidPasskey::message);
    let read = read.and_then(|passkey| {
        let identity = passkey_identity(passkey.rp_id(), passkey.key());
        let identity = identity.map_err(|_| "the key has no digest")?;
        Ok((identity, Key::Passkey(passkey)))
    });
    read.map_err(|message| findings.add(at, message)).ok()
}

fn account(
    section: Section<'_, '_>,
    provider: &str,
    findings: &mut Findings,
) -> Option<IdentityKey> {
    let why = |name: &str| {
        format!("`{name}` is only for the providers `ssh` and `passkey`; write `subject`")
    };
    not_for(section, &["key", "credential"], why, findings);
    let tenant = match section.get("tenant") {
        Some(item) => item.text(findings)?,
        // The same subject exists in every workspace, directory or issuer of these.
        None if ["slack", "entra", "oidc"].contains(&provider) => {
            let example = "the workspace, directory or issuer the account lives in";
            section.need("tenant", example, findings)?.text(findings)?
        }
        None => "",
    };
    let example = "the account's id at the provider, which never changes hands";
    let item = section.need("subject", example, findings)?;
    let subject = item.text(findings)?;
    if subject.contains('@') && ["slack", "entra"].contains(&provider) {
        findings.add(
            item.at,
            "an e-mail address can be given to somebody else; write the immutable id of the account",
        );
        return None;
    }
    IdentityKey::new(provider, tenant, subject)
        .map_err(|error| findings.add(item.at, error.to_string()))
        .ok()
}

fn short_text(item: Item<'_, '_>, findings: &mut Findings) -> Option<String> {
    let text = item.text(findings)?;
    if text.chars().count() > MAX_NAME {
        return item.refuse(findings, &format!("at most {MAX_NAME} characters"));
    }
    Some(text.to_owned())
}

fn id_text<'d>(item: Item<'d, '_>) -> Option<&'d str> {
    item.value.get("id")?.get_ref().as_str()
}

const KEYS: &[&str] = &["version", "group", "person"];
const GROUP_KEYS: &[&str] = &["id", "description"];
const PERSON_KEYS: &[&str] = &["id", "name", "groups", "status", "identity"];
const IDENTITY_KEYS: &[&str] = &["provider", "tenant", "subject", "credential", "key"];
const MAX_NAME: usize = 200;
const MAX_BYTES: usize = 1 << 22;
