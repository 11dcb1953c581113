//! What is checked: every rule by its stable name, in sections.

use std::fmt;

use serde::{Serialize, Serializer};

/// What kind of question a rule answers; each has a verdict of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Section {
    /// Whether the bytes are the ones that were signed.
    Integrity,
    /// Whether something is missing, stands twice, or stands in the wrong order.
    Completeness,
    /// Whether everything that ran was allowed to run, by people who may allow it.
    Authority,
    /// Whether the right keys signed.
    Keys,
    /// Whether the values behind commitments are the ones that were bound.
    Disclosures,
}

macro_rules! rules {
    ($($section:ident { $($(#[doc = $doc:literal])* $name:ident = $text:literal,)* })*) => {
        /// Which check found something; its name never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($($(#[doc = $doc])* $name,)*)*
        }

        impl Rule {
            /// Every rule, section by section.
            pub const ALL: &[Self] = &[$($(Self::$name,)*)*];

            /// The stable name, such as `authority.quorum`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$name => $text,)*)*
                }
            }

            /// The section it belongs to.
            #[must_use]
            pub fn section(self) -> Section {
                match self {
                    $($(Self::$name)|* => Section::$section,)*
                }
            }
        }
    };
}

rules! {
    Integrity {
        /// The bytes are not a record of this log.
        Format = "integrity.format",
        /// The bytes are not the ones that were hashed when the record was written.
        Leaf = "integrity.leaf",
        /// A record does not point to the record of the same request in front of it.
        Previous = "integrity.previous",
        /// The records do not hash to the root that was signed.
        Root = "integrity.root",
        /// There is no signed head, or records that it does not cover.
        Unsigned = "integrity.unsigned",
        /// The signed head is no note, or is not signed with the log's key.
        HeadSignature = "integrity.signature",
        /// A head that was kept outside has another root over the same records.
        Fork = "integrity.fork",
        /// A head on record as cosigned does not verify, or is none of this log.
        Anchor = "integrity.anchor",
    }
    Completeness {
        /// The log has no records; an empty log proves nothing.
        Empty = "completeness.empty",
        /// A signed head covers more records than there are.
        Cut = "completeness.cut",
        /// Nobody outside has seen as much of the log as the auditor demands.
        Unanchored = "completeness.unanchored",
        /// The store gives another record in the place of one.
        Gap = "completeness.gap",
        /// A record says that it stands elsewhere.
        Number = "completeness.number",
        /// A record is older than the one in front of it.
        Time = "completeness.time",
        /// A writer's own count has a gap, or counts twice.
        Writer = "completeness.writer",
        /// The log does not begin with its genesis, or has a second one.
        Genesis = "completeness.genesis",
        /// A record is of a kind that this version does not know, so that not everything was checked.
        UnknownKind = "completeness.unknown_kind",
    }
    Authority {
        /// A request did what no request can do.
        Lifecycle = "authority.lifecycle",
        /// The digest is not that of the action on record, or not the one that was approved.
        Digest = "authority.digest",
        /// A policy came into force after one with a higher version.
        PolicyVersion = "authority.policy_version",
        /// A policy took the place of one that says who must approve that, and they did not approve
        /// exactly this.
        PolicyChange = "authority.policy_change",
        /// A policy is not on record with its whole text, or the text is no policy.
        PolicyText = "authority.policy_text",
        /// A request names a policy that was not in force, or rules that did not decide.
        Policy = "authority.policy",
        /// What it takes, as the record says it, is not what the policy says of the action.
        Requirement = "authority.requirement",
        /// The policy was asked for another time than the one at which the request was recorded.
        AskedAt = "authority.asked_at",
        /// A deadline is not the one that the policy sets, or was not kept to.
        Deadline = "authority.deadline",
        /// A rule let something through, and the policy has no such rule.
        Auto = "authority.auto",
        /// More was let through than the ceiling of a rule allows.
        Ceiling = "authority.ceiling",
        /// A vote, an approval or a use came too late.
        Late = "authority.late",
        /// A signature does not verify, or is not there.
        Signature = "authority.signature",
        /// What was signed is another decision than the one on record.
        Statement = "authority.statement",
        /// An account is not linked to the person whose vote it is.
        Identity = "authority.identity",
        /// An account is linked to somebody else than the auditor's own people file says.
        People = "authority.people",
        /// An identity is recorded as better proven than the evidence shows, or not well enough.
        Assurance = "authority.assurance",
        /// Somebody voted who is in no group that may decide.
        Eligibility = "authority.eligibility",
        /// Somebody approved who stands behind the request.
        SelfApproval = "authority.self_approval",
        /// A person or an account voted twice.
        Duplicate = "authority.duplicate",
        /// Something was approved or used without as many distinct people as it takes.
        Quorum = "authority.quorum",
        /// A denial did not end a request, or nobody gave it.
        Denial = "authority.denial",
        /// Something was asked, or let through, while an earlier denial of it was remembered.
        DenialMemory = "authority.denial_memory",
        /// A request was made twice, or an approval used twice.
        SingleUse = "authority.single_use",
        /// The policy at the time of use asked for more than was given.
        PolicyAtUse = "authority.policy_at_use",
        /// A glass was broken without saying so, while another one waited for its review, or its
        /// review does not count.
        BreakGlass = "authority.break_glass",
        /// Values were erased without an approval of exactly that by two people, in use at the time.
        Erasure = "authority.erasure",
    }
    Keys {
        /// The log began with another key, or another record, than the one it is verified with.
        KeyGenesis = "keys.genesis",
        /// The log was handed over to a key that the key in force did not sign in.
        KeyRotation = "keys.rotation",
        /// A key was revoked without the word of the recovery key, or in a way that does not count.
        KeyRevocation = "keys.revocation",
        /// Records rest on a key that was revoked, and nothing else vouches for them.
        KeyRevoked = "keys.revoked",
        /// A head that was kept outside is not signed by the key that was in force at its size.
        KeyHead = "keys.head",
    }
    Disclosures {
        /// A value is not there, and no record says that it was erased.
        Missing = "disclosures.missing",
        /// Values are there that a record says were erased.
        NotErased = "disclosures.not_erased",
        /// What is kept as a value is not what was bound.
        False = "disclosures.false",
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_is_named_once_and_by_its_section() {
        let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            let section = serde_json::to_value(rule.section()).unwrap();
            let (before, _) = rule.as_str().split_once('.').unwrap();
            assert_eq!(section, before, "{rule}");
        }
    }
}
