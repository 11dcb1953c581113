//! Whose cosignatures are believed, and how many of them it takes.

use crate::clock::Timestamp;
use crate::ledger::{Checkpoint, NoteError, SignedCheckpoint, VerifierKey};

use super::parse::{self, WitnessPolicyError};
use super::{Cosignature, WitnessKey};

/// Says how many of which witnesses must have cosigned a head before it counts as seen by others.
///
/// Trusted: who writes it decides whose word is believed. Auditors keep their own copy.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::{WitnessKey, WitnessPolicy};
///
/// let key = |n: u8| WitnessKey::ed25519(format!("w{n}.example").parse().unwrap(), [n; 32]);
/// let text = format!("witness a {}\nwitness b {}\ngroup both all a b\nquorum both\n", key(1), key(2));
/// let policy = WitnessPolicy::parse(&text)?;
/// assert_eq!(policy.witnesses().count(), 2);
/// assert!(WitnessPolicy::parse("quorum nobody\n").is_err(), "a name must be defined above");
/// # Ok::<(), approvals_core::ledger::WitnessPolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessPolicy {
    pub(super) logs: Vec<VerifierKey>,
    pub(super) witnesses: Vec<(WitnessKey, Option<String>)>,
    pub(super) groups: Vec<Group>,
    /// Nobody for `quorum none`.
    pub(super) quorum: Option<Member>,
}

/// Counts as one cosigner when enough of its members do.
// INVARIANT: members are defined before the group, so that one pass over the groups decides all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) need: usize,
    pub(super) members: Vec<Member>,
}

/// What a group or the quorum counts, by its place among the witnesses or the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Witness(usize),
    Group(usize),
}

impl WitnessPolicy {
    /// Reads a policy in [tlog-policy](https://c2sp.org/tlog-policy) syntax; nothing is assumed for what it leaves out.
    ///
    /// Logs have Ed25519 keys (type 0x01) and witnesses timestamped Ed25519 keys (type 0x04); a policy with
    /// keys of other types is refused, for their signatures could not be checked.
    ///
    /// # Errors
    ///
    /// [`WitnessPolicyError`] names the first line that is wrong, and what to write instead.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, WitnessPolicyError> {
        parse::parse(text.as_ref())
    }

    /// The logs that the policy is for; none when that is known from elsewhere.
    pub fn logs(&self) -> impl Iterator<Item = &VerifierKey> {
        self.logs.iter()
    }

    /// The witnesses, each with the address its cosignatures are asked at, if the policy gives one.
    pub fn witnesses(&self) -> impl Iterator<Item = (&WitnessKey, Option<&str>)> {
        self.witnesses
            .iter()
            .map(|(key, url)| (key, url.as_deref()))
    }

    /// Whether the policy is content without a single cosignature: `quorum none`.
    #[must_use]
    pub fn needs_nobody(&self) -> bool {
        self.quorum.is_none()
    }

    /// Whether these witnesses, all of them together, are a quorum.
    #[must_use]
    pub fn can_be_met_by(&self, keys: &[&WitnessKey]) -> bool {
        let has = |(key, _): &(WitnessKey, _)| keys.contains(&key);
        let all: Vec<bool> = self.witnesses.iter().map(has).collect();
        self.needs_nobody() || self.is_met(&all)
    }

    /// Who cosigned this head, and whether that is enough; the head comes out only when the log signed it.
    ///
    /// Lines of unknown keys are passed over. A witness that signs with the log's own key counts for nothing.
    ///
    /// # Errors
    ///
    /// - As [`SignedCheckpoint::verify`] for the log's own signature.
    /// - [`NoteError::UnlistedLog`] when the policy lists logs and not this one.
    /// - [`NoteError::Signature`] when a line says that it is from a witness of the policy and does not verify,
    ///   even beside good ones: such a note was tampered with.
    pub fn satisfied_by(
        &self,
        note: &SignedCheckpoint,
        log: &VerifierKey,
    ) -> Result<Witnessed, NoteError> {
        if !self.logs.is_empty() && !self.logs.contains(log) {
            let (name, id) = (log.name().clone(), log.id());
            return Err(NoteError::UnlistedLog { name, id });
        }
        let head = note.verify(log)?;
        let mut found = Vec::with_capacity(self.witnesses.len());
        for (key, _) in &self.witnesses {
            let first = earliest(key, note, &head)?;
            found.push(first.filter(|_| key.public_key() != log.public_key()));
        }
        let since = self.reached(&found);
        Ok(Witnessed {
            head,
            enough: since.is_some() || self.needs_nobody(),
            since,
            cosignatures: found.into_iter().flatten().collect(),
        })
    }

    /// The earliest time by which the quorum had cosigned.
    fn reached(&self, found: &[Option<Cosignature>]) -> Option<Timestamp> {
        let mut times: Vec<_> = found.iter().flatten().map(Cosignature::at).collect();
        times.sort_unstable();
        let by = |at: &Timestamp| {
            let cosigned =
                |one: &Option<Cosignature>| one.as_ref().is_some_and(|it| it.at() <= *at);
            let cosigned: Vec<bool> = found.iter().map(cosigned).collect();
            self.is_met(&cosigned)
        };
        times.into_iter().find(by)
    }

    /// Whether these witnesses are a quorum.
    fn is_met(&self, cosigned: &[bool]) -> bool {
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let count = group
                .members
                .iter()
                .filter(|member| holds(**member, cosigned, &groups));
            groups.push(count.count() >= group.need);
        }
        self.quorum
            .is_some_and(|member| holds(member, cosigned, &groups))
    }
}

/// A head with everybody of a policy who cosigned it; only [`WitnessPolicy::satisfied_by`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "whether the cosignatures are enough is yet to be asked"]
pub struct Witnessed {
    head: Checkpoint,
    cosignatures: Vec<Cosignature>,
    since: Option<Timestamp>,
    enough: bool,
}

impl Witnessed {
    /// The head, which the log has signed.
    #[must_use]
    pub const fn head(&self) -> &Checkpoint {
        &self.head
    }

    /// Who cosigned it and when, in the policy's order, each witness once with its earliest word.
    #[must_use]
    pub fn cosignatures(&self) -> &[Cosignature] {
        &self.cosignatures
    }

    /// Whether the policy's quorum is met.
    #[must_use]
    pub const fn is_enough(&self) -> bool {
        self.enough
    }

    /// The time by which a quorum had seen the head; none without one, and none for `quorum none`.
    #[must_use]
    pub const fn since(&self) -> Option<Timestamp> {
        self.since
    }
}

/// The earliest of a witness's cosignatures, all of which must verify.
fn earliest(
    key: &WitnessKey,
    note: &SignedCheckpoint,
    head: &Checkpoint,
) -> Result<Option<Cosignature>, NoteError> {
    let own = note
        .signatures()
        .iter()
        .filter(|line| key.is_named_by(line));
    let all: Vec<Cosignature> = own
        .map(|line| key.verify(head, line))
        .collect::<Result<_, _>>()?;
    Ok(all.into_iter().min_by_key(Cosignature::at))
}

fn holds(member: Member, witnesses: &[bool], groups: &[bool]) -> bool {
    match member {
        Member::Witness(at) => witnesses.get(at).copied().unwrap_or(false),
        Member::Group(at) => groups.get(at).copied().unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cosignature::tests::{Signing, head};
    use super::*;
    use crate::ledger::{LedgerKey, sign_note};

    fn log_key() -> LedgerKey {
        LedgerKey::from_seed(&[9; 32]).unwrap()
    }

    fn log() -> VerifierKey {
        log_key().vkey(&head(0).origin)
    }

    fn note(size: u64, lines: &[String]) -> SignedCheckpoint {
        let (body, vkey) = (head(size).body(), log());
        let signature = log_key().sign(body.as_bytes());
        let own = sign_note(&body, vkey.name(), vkey.id(), &signature);
        SignedCheckpoint::parse(own + &lines.concat()).unwrap()
    }

    /// The policy of the specification: two of three, and one of three others.
    fn policy() -> WitnessPolicy {
        let mut text = format!("log {}\n", log());
        for n in 1..=6 {
            text += &format!("witness w{n} {}\n", Signing::new(n).key);
        }
        text += "group X 2 w1 w2 w3\ngroup Y any w4 w5 w6\ngroup both all X Y\nquorum both\n";
        WitnessPolicy::parse(text).unwrap()
    }

    #[test]
    fn two_levels_of_groups() {
        for (who, enough) in [
            (&[][..], false),
            (&[1, 2], false),
            (&[4, 5, 6], false),
            (&[1, 4], false),
            (&[1, 4, 5], false),
            (&[1, 2, 4], true),
            (&[2, 3, 6], true),
            (&[1, 2, 3, 4, 5, 6], true),
        ] {
            let lines: Vec<_> = who
                .iter()
                .map(|n| Signing::new(*n).line(&head(7), 100))
                .collect();
            let seen = policy().satisfied_by(&note(7, &lines), &log()).unwrap();
            assert_eq!(seen.is_enough(), enough, "{who:?}");
            assert_eq!(seen.since().is_some(), enough, "{who:?}");
            assert_eq!(seen.cosignatures().len(), who.len());
            assert_eq!(*seen.head(), head(7));
        }
    }

    #[test]
    fn the_time_is_that_of_the_last_witness_it_took() {
        let at = |n: u8, seconds| Signing::new(n).line(&head(7), seconds);
        for (lines, since) in [
            (vec![at(1, 10), at(2, 20), at(4, 5)], Some(20)),
            (vec![at(1, 10), at(2, 20), at(4, 50)], Some(50)),
            (vec![at(1, 10), at(2, 20), at(3, 15), at(4, 5)], Some(15)),
            (vec![at(1, 90), at(1, 10), at(2, 20), at(4, 5)], Some(20)),
            (vec![at(1, 10), at(2, 20)], None),
        ] {
            let seen = policy().satisfied_by(&note(7, &lines), &log()).unwrap();
            let since = since.map(|seconds: i64| Timestamp::from_micros(seconds * 1_000_000));
            assert_eq!(seen.since(), since, "{lines:?}");
        }
    }

    #[test]
    fn what_does_not_count() {
        let good = |n: u8| Signing::new(n).line(&head(7), 100);
        let enough = |lines: &[String]| {
            let seen = policy().satisfied_by(&note(7, lines), &log());
            seen.map(|seen| seen.is_enough())
        };
        assert_eq!(enough(&[good(1), good(2), good(4)]), Ok(true));
        assert_eq!(
            enough(&[good(1), good(1), good(4)]),
            Ok(false),
            "one witness twice"
        );
        assert_eq!(
            enough(&[good(1), good(7), good(4)]),
            Ok(false),
            "a stranger"
        );
        for lines in [
            vec![good(1), good(2), Signing::new(4).line(&head(8), 100)],
            vec![
                good(1),
                good(2),
                good(4),
                Signing::new(5).line(&head(8), 100),
            ],
            vec![
                good(1),
                good(2),
                good(4),
                Signing::new(4).line(&head(8), 100),
            ],
        ] {
            let answer = enough(&lines);
            assert!(
                matches!(answer, Err(NoteError::Signature { .. })),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn only_a_head_that_the_log_signed_and_the_policy_is_for() {
        let other = LedgerKey::from_seed(&[8; 32])
            .unwrap()
            .vkey(&head(0).origin);
        let lines = [1, 2, 4].map(|n| Signing::new(n).line(&head(7), 100));
        let seen = policy().satisfied_by(&note(7, &lines), &other);
        assert!(
            matches!(seen, Err(NoteError::UnlistedLog { .. })),
            "{seen:?}"
        );
        let text = format!("witness w1 {}\nquorum w1\n", Signing::new(1).key);
        let anywhere = WitnessPolicy::parse(text).unwrap();
        let seen = anywhere.satisfied_by(&note(7, &lines), &other);
        assert!(
            matches!(seen, Err(NoteError::NotSignedBy { .. })),
            "{seen:?}"
        );
        assert!(
            anywhere
                .satisfied_by(&note(7, &lines), &log())
                .unwrap()
                .is_enough()
        );
    }

    #[test]
    fn the_logs_own_key_is_no_witness() {
        let own = Signing::new(9);
        assert_eq!(own.key.public_key(), log().public_key());
        let policy =
            WitnessPolicy::parse(format!("witness own {}\nquorum own\n", own.key)).unwrap();
        let seen = policy
            .satisfied_by(&note(7, &[own.line(&head(7), 1)]), &log())
            .unwrap();
        assert!(!seen.is_enough() && seen.cosignatures().is_empty());
    }

    #[test]
    fn nobody_is_needed_only_when_the_policy_says_so() {
        let policy = WitnessPolicy::parse("quorum none\n").unwrap();
        let seen = policy.satisfied_by(&note(7, &[]), &log()).unwrap();
        assert!(policy.needs_nobody() && seen.is_enough() && seen.since().is_none());
    }
}
