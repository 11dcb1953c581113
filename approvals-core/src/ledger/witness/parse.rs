//! Reads a policy file, line by line; the first thing that is wrong ends it.

use std::collections::HashMap;

use super::policy::{Group, Member};
use super::{WitnessKey, WitnessPolicy};
use crate::ledger::VerifierKey;

/// The longest policy that is read, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The most logs, witnesses and groups, each; the specification asks for 32.
const MOST: usize = 64;

/// Why a text is no witness policy: nothing is anchored, and nothing verified, by half a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", place(*.line))]
pub struct WitnessPolicyError {
    line: Option<usize>,
    what: String,
}

impl WitnessPolicyError {
    /// The number of the line, from 1; none when it is about the whole file.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line
    }
}

fn place(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| {
        format!("line {line} of the witness policy: ")
    })
}

pub(super) fn parse(text: &[u8]) -> Result<WitnessPolicy, WitnessPolicyError> {
    let whole = |what: &str| WitnessPolicyError {
        line: None,
        what: what.to_owned(),
    };
    if text.len() > MAX_BYTES {
        return Err(whole(
            "the witness policy is longer than 256 KiB; pass the policy alone",
        ));
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        return Err(whole(
            "the witness policy does not end with a newline, so its end may be missing; add one if it is whole",
        ));
    }
    let mut draft = Draft::default();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        draft.line(line).map_err(|what| WitnessPolicyError {
            line: Some(number),
            what,
        })?;
    }
    let quorum = draft.quorum.ok_or_else(|| {
        whole("the witness policy has no `quorum` line; add `quorum NAME`, or `quorum none` to ask for nobody")
    })?;
    Ok(WitnessPolicy {
        logs: draft.logs,
        witnesses: draft.witnesses,
        groups: draft.groups,
        quorum,
    })
}

/// The policy so far.
#[derive(Default)]
struct Draft {
    logs: Vec<VerifierKey>,
    witnesses: Vec<(WitnessKey, Option<String>)>,
    groups: Vec<Group>,
    quorum: Option<Option<Member>>,
    /// What each name stands for, and whether it is in a group already.
    names: HashMap<Vec<u8>, (Member, bool)>,
}

impl Draft {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if line
            .iter()
            .any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f)
        {
            return Err("a control character; write plain text with newlines and tabs".to_owned());
        }
        let words: Vec<&[u8]> = line
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            // The address is for those who read the log; here it is only known to be well formed.
            [b"log", key, rest @ ..] => url(rest).and_then(|_| self.log(key)),
            [b"witness", name, key, rest @ ..] => self.witness(name, key, url(rest)?),
            [b"group", name, need, members @ ..] => self.group(name, need, members),
            [b"quorum", name] => self.quorum(name),
            [word, ..] => Err(format!(
                "`{}` begins no line of this form; write `log KEY [URL]`, `witness NAME KEY [URL]`, \
                 `group NAME all|any|K MEMBER...` or `quorum NAME`",
                shown(word)
            )),
        }
    }

    fn log(&mut self, key: &[u8]) -> Result<(), String> {
        let key: VerifierKey = text(key)?.parse().map_err(|error| format!("{error}"))?;
        if self
            .logs
            .iter()
            .any(|log| log.public_key() == key.public_key())
        {
            return Err("this log is listed already; list each key once".to_owned());
        }
        room(self.logs.len(), "logs")?;
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: Option<String>) -> Result<(), String> {
        let key: WitnessKey = text(key)?.parse().map_err(|error| format!("{error}"))?;
        let known = |(other, _): &(WitnessKey, _)| other.public_key() == key.public_key();
        if self.witnesses.iter().any(known) {
            return Err("a witness with this key is listed already; list each key once".to_owned());
        }
        room(self.witnesses.len(), "witnesses")?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push((key, url));
        Ok(())
    }

    fn group(&mut self, name: &[u8], need: &[u8], members: &[&[u8]]) -> Result<(), String> {
        let count = members.len();
        let need = match need {
            b"all" => Some(count),
            b"any" => Some(1),
            number => text(number)?
                .parse()
                .ok()
                .filter(|need: &usize| need.to_string().as_bytes() == number),
        };
        let need = need.filter(|need| (1..=count).contains(need)).ok_or_else(|| {
            format!("a group of {count} members takes `all`, `any`, or a number from 1 to {count} of them")
        })?;
        room(self.groups.len(), "groups")?;
        let members = members
            .iter()
            .map(|member| self.take(member))
            .collect::<Result<_, _>>()?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { need, members });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("a second `quorum` line; keep one".to_owned());
        }
        self.quorum = Some(if name == NOBODY {
            None
        } else {
            Some(self.find(name)?.0)
        });
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), String> {
        if name == NOBODY {
            return Err(
                "`none` means nobody and cannot be defined; choose another name".to_owned(),
            );
        }
        match self.names.insert(name.to_owned(), (member, false)) {
            None => Ok(()),
            Some(_) => Err(format!(
                "`{}` is defined already; choose another name",
                shown(name)
            )),
        }
    }

    /// A member of a group: nobody counts in two ways.
    fn take(&mut self, name: &[u8]) -> Result<Member, String> {
        let (member, taken) = self.find(name)?;
        if std::mem::replace(taken, true) {
            return Err(format!(
                "`{}` is a member of a group already; each name may be a member once",
                shown(name)
            ));
        }
        Ok(member)
    }

    fn find(&mut self, name: &[u8]) -> Result<(Member, &mut bool), String> {
        match self.names.get_mut(name) {
            Some((member, taken)) => Ok((*member, taken)),
            None => Err(format!(
                "`{}` is defined by no line above; name a witness or a group that is",
                shown(name)
            )),
        }
    }
}

fn url(rest: &[&[u8]]) -> Result<Option<String>, String> {
    match rest {
        [] => Ok(None),
        [url] => text(url).map(|url| Some(url.to_owned())),
        [_, word, ..] => Err(format!(
            "nothing may follow the address; delete `{}`",
            shown(word)
        )),
    }
}

fn text(word: &[u8]) -> Result<&str, String> {
    str::from_utf8(word).map_err(|_| {
        format!(
            "`{}` is not UTF-8; write keys and addresses in UTF-8",
            shown(word)
        )
    })
}

fn room(count: usize, what: &str) -> Result<(), String> {
    if count < MOST {
        Ok(())
    } else {
        Err(format!("more than {MOST} {what}; use fewer"))
    }
}

/// A word as it may stand in a message: short, and without anything that a terminal could act on.
fn shown(word: &[u8]) -> String {
    word.get(..60).unwrap_or(word).escape_ascii().to_string()
}

/// The quorum that asks for no cosignature.
const NOBODY: &[u8] = b"none";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::LedgerKey;

    fn witness(n: u8) -> WitnessKey {
        WitnessKey::ed25519(format!("w{n}.example").parse().unwrap(), [n; 32])
    }

    fn log(n: u8) -> VerifierKey {
        let key = LedgerKey::from_seed(&[n; 32]).unwrap();
        key.vkey(&format!("log{n}.example").parse().unwrap())
    }

    /// Writes keys out: `{w1}` is a witness's key, `{l1}` a log's.
    fn fill(text: &str) -> String {
        (1..=9).fold(text.to_owned(), |text, n| {
            let text = text.replace(&format!("{{w{n}}}"), &witness(n).to_string());
            text.replace(&format!("{{l{n}}}"), &log(n).to_string())
        })
    }

    #[test]
    fn policies_that_are_read() {
        for (text, logs, witnesses, groups) in [
            ("quorum none\n", 0, 0, 0),
            ("# words\n\n \t \n\t# more\nquorum none\n", 0, 0, 0),
            (
                "log {l1}\nlog {l2} https://log.example/\nquorum none\n",
                2,
                0,
                0,
            ),
            ("witness a {w1}\nquorum a\n", 0, 1, 0),
            (
                "\twitness \t a  {w1}\thttp://[::1]:80/x \n quorum a \n",
                0,
                1,
                0,
            ),
            ("quorum none\nlog {l1}\nwitness a {w1}\n", 1, 1, 0),
            (
                "witness a {w1}\nwitness b {w2}\ngroup g any a b\nquorum g\n",
                0,
                2,
                1,
            ),
            (
                "witness a {w1}\nwitness b {w2}\ngroup g 2 a b\nquorum a\n",
                0,
                2,
                1,
            ),
            (
                "witness a {w1}\ngroup g all a\ngroup h 1 g\nquorum h\n",
                0,
                1,
                2,
            ),
            (
                "witness all {w1}\nwitness any {w2}\ngroup 2 2 all any\nquorum 2\n",
                0,
                2,
                1,
            ),
            ("witness quorum {w1}\nquorum quorum\n", 0, 1, 0),
            ("witness K {w1}\nwitness \u{212a} {w2}\nquorum K\n", 0, 2, 0),
        ] {
            let policy = WitnessPolicy::parse(fill(text));
            let policy = policy.unwrap_or_else(|error| panic!("{text}: {error}"));
            let found = (
                policy.logs.len(),
                policy.witnesses.len(),
                policy.groups.len(),
            );
            assert_eq!(found, (logs, witnesses, groups), "{text}");
        }
    }

    #[test]
    fn names_are_octets_and_addresses_are_text() {
        let key = witness(1).to_string();
        let line = [
            b"witness \xff\xfe ".as_slice(),
            key.as_bytes(),
            b"\nquorum \xff\xfe\n",
        ];
        assert!(WitnessPolicy::parse(line.concat()).is_ok());
        let line = [
            b"witness a ".as_slice(),
            key.as_bytes(),
            b" http://\xff\nquorum a\n",
        ];
        let error = WitnessPolicy::parse(line.concat()).unwrap_err();
        assert_eq!(error.line(), Some(1));
        assert!(error.to_string().contains("is not UTF-8"), "{error}");
    }

    #[test]
    fn policies_that_are_refused() {
        let many = |line: &dyn Fn(u8) -> String| (0..65).map(line).collect::<String>();
        let witnesses = many(&|n| format!("witness a{n} {}\n", witness(n)));
        let logs = many(&|n| format!("log {}\n", log(n)));
        let groups = witnesses.replace("witness a64", "#")
            + &many(&|n| {
                format!(
                    "group g{n} any {}\n",
                    if n == 0 {
                        "a0".into()
                    } else {
                        format!("g{}", n - 1)
                    }
                )
            });
        for (text, line, part) in [
            ("", None, "no `quorum` line"),
            ("witness a {w1}\n", None, "no `quorum` line"),
            ("quorum none", None, "does not end with a newline"),
            ("quorum none\r\n", Some(1), "control character"),
            ("quorum none\n\0\n", Some(2), "control character"),
            ("quorum \x7f\n", Some(1), "control character"),
            ("quorum\u{a0}none\n", Some(1), "begins no line"),
            ("quorum none\nquorum none\n", Some(2), "second `quorum`"),
            (
                "witness a {w1}\nquorum a\nquorum a\n",
                Some(3),
                "second `quorum`",
            ),
            (
                "quorum a\nwitness a {w1}\n",
                Some(1),
                "`a` is defined by no line above",
            ),
            ("quorum a b\n", Some(1), "begins no line"),
            ("quorum\n", Some(1), "begins no line"),
            ("QUORUM none\n", Some(1), "`QUORUM` begins no line"),
            ("log\nquorum none\n", Some(1), "begins no line"),
            ("log {w1}\nquorum none\n", Some(1), "not a verifier key"),
            ("log {l1} u v\nquorum none\n", Some(1), "delete `v`"),
            (
                "log {l1}\nlog {l1}\nquorum none\n",
                Some(2),
                "listed already",
            ),
            ("witness a\nquorum none\n", Some(1), "begins no line"),
            (
                "witness a {l1}\nquorum a\n",
                Some(1),
                "not the key of a witness",
            ),
            ("witness a {w1} u v\nquorum a\n", Some(1), "delete `v`"),
            (
                "witness a {w1}\nwitness b {w1}\nquorum a\n",
                Some(2),
                "listed already",
            ),
            (
                "witness a {w1}\nwitness a {w2}\nquorum a\n",
                Some(2),
                "`a` is defined already",
            ),
            (
                "witness none {w1}\nquorum none\n",
                Some(1),
                "cannot be defined",
            ),
            (
                "witness a {w1}\ngroup none any a\nquorum none\n",
                Some(2),
                "cannot be defined",
            ),
            (
                "witness a {w1}\ngroup a any a\nquorum a\n",
                Some(2),
                "`a` is defined already",
            ),
            ("group g any\nquorum g\n", Some(1), "a group of 0 members"),
            ("group g all\nquorum g\n", Some(1), "a group of 0 members"),
            (
                "witness a {w1}\ngroup g 0 a\nquorum g\n",
                Some(2),
                "from 1 to 1",
            ),
            (
                "witness a {w1}\ngroup g 2 a\nquorum g\n",
                Some(2),
                "from 1 to 1",
            ),
            (
                "witness a {w1}\ngroup g 01 a\nquorum g\n",
                Some(2),
                "from 1 to 1",
            ),
            (
                "witness a {w1}\ngroup g +1 a\nquorum g\n",
                Some(2),
                "from 1 to 1",
            ),
            (
                "witness a {w1}\ngroup g a\nquorum g\n",
                Some(2),
                "a group of 0 members",
            ),
            (
                "witness a {w1}\ngroup g 18446744073709551617 a\nquorum g\n",
                Some(2),
                "from 1 to 1",
            ),
            (
                "witness a {w1}\ngroup g any none\nquorum g\n",
                Some(2),
                "`none` is defined by no line",
            ),
            (
                "witness a {w1}\ngroup g any a a\nquorum g\n",
                Some(2),
                "a member of a group already",
            ),
            (
                "group g any g\nquorum g\n",
                Some(1),
                "`g` is defined by no line",
            ),
            (
                "witness a {w1}\ngroup g any a\ngroup h any a\nquorum g\n",
                Some(3),
                "a member of a group already",
            ),
            (
                &(witnesses.clone() + "quorum none\n"),
                Some(65),
                "more than 64 witnesses",
            ),
            (&(logs + "quorum none\n"), Some(65), "more than 64 logs"),
            (
                &(groups + "quorum none\n"),
                Some(130),
                "more than 64 groups",
            ),
            (&"#".repeat(MAX_BYTES + 1), None, "longer than 256 KiB"),
        ] {
            let error = WitnessPolicy::parse(fill(text)).unwrap_err();
            assert_eq!(error.line(), line, "{text}: {error}");
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(!error.to_string().ends_with('.'), "{error}");
        }
    }

    #[test]
    fn a_message_shows_no_control_characters() {
        let error = WitnessPolicy::parse("quorum \u{202e}\u{9b}x\n").unwrap_err();
        assert!(error.to_string().is_ascii(), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = WitnessPolicy::parse(&bytes);
        }

        /// Lines of plausible words in any order: what is read names only what is there, whatever is cut off it.
        #[test]
        fn no_words_panic(
            lines in proptest::collection::vec(
                proptest::collection::vec(
                    prop_oneof![
                        Just("log"), Just("witness"), Just("group"), Just("quorum"), Just("none"), Just("any"),
                        Just("all"), Just("1"), Just("2"), Just("a"), Just("b"), Just("g"), Just("{w1}"),
                        Just("{w2}"), Just("{l1}"), Just("#"),
                    ],
                    0..6,
                ),
                0..8,
            ),
        ) {
            let text: String = lines.iter().map(|words| words.join(" ") + "\n").collect();
            if let Ok(policy) = WitnessPolicy::parse(fill(&text)) {
                for (at, group) in policy.groups.iter().enumerate() {
                    prop_assert!((1..=group.members.len()).contains(&group.need));
                    for member in &group.members {
                        match member {
                            Member::Witness(witness) => prop_assert!(*witness < policy.witnesses.len()),
                            Member::Group(inner) => prop_assert!(*inner < at),
                        }
                    }
                }
                prop_assert_eq!(text.matches("quorum ").count() >= 1, true);
            }
        }
    }
}
