//! Reads a people file whole or not at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use ssh_key::PublicKey;

use super::key;
use super::people::{People, Person};
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
        let (identities, ssh_keys) = self.identities(section, label);
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
            identities,
            ssh_keys,
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

    fn identities(
        &mut self,
        person: Section<'_, '_>,
        label: &str,
    ) -> (Vec<IdentityKey>, Vec<PublicKey>) {
        let items = person
            .get("identity")
            .and_then(|item| item.list(self.findings));
        let (mut identities, mut keys) = (Vec::new(), Vec::new());
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
            identities.push(identity);
            keys.extend(key);
        }
        (identities, keys)
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

fn identity(
    item: Item<'_, '_>,
    findings: &mut Findings,
) -> Option<(IdentityKey, Option<PublicKey>)> {
    let section = item.section(IDENTITY_KEYS, findings)?;
    let example = "`provider = \"ssh\"`, `\"slack\"`, `\"entra\"` or `\"oidc\"`";
    let provider_item = section.need("provider", example, findings)?;
    let provider = provider_item.text(findings)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if provider.is_empty() || !provider.bytes().all(plain) {
        return provider_item.refuse(findings, "a lower-case name, such as \"ssh\" or \"slack\"");
    }
    if provider == key::PROVIDER {
        let (identity, key) = ssh(section, findings)?;
        return Some((identity, Some(key)));
    }
    Some((account(section, provider, findings)?, None))
}

fn ssh(section: Section<'_, '_>, findings: &mut Findings) -> Option<(IdentityKey, PublicKey)> {
    for item in ["tenant", "subject"]
        .iter()
        .filter_map(|key| section.get(key))
    {
        let message = format!(
            "`{}` is not for `ssh`, whose account is its `key`; remove it",
            item.name
        );
        findings.add(item.at, message);
    }
    let item = section.need("key", "`key = \"ssh-ed25519 AAAA…\"`", findings)?;
    let read = key::read(item.text(findings)?).and_then(|key| {
        let identity = key::ssh_identity(&key).map_err(|_| "the key has no fingerprint")?;
        Ok((identity, key))
    });
    read.map_err(|message| findings.add(item.at, message)).ok()
}

fn account(
    section: Section<'_, '_>,
    provider: &str,
    findings: &mut Findings,
) -> Option<IdentityKey> {
    if let Some(item) = section.get("key") {
        findings.add(
            item.at,
            "`key` is only for the provider `ssh`; write `subject`",
        );
    }
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
const IDENTITY_KEYS: &[&str] = &["provider", "tenant", "subject", "key"];
const MAX_NAME: usize = 200;
const MAX_BYTES: usize = 1 << 22;
