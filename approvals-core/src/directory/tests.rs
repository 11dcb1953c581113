//! People files that load, people files that do not, and what an answer rests on.

use super::*;
use crate::error::Code;
use crate::id::GroupName;

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICaVVE9HmDFmj4b2jvvxmodxtji7+q5P+F6YIKAI7xXv";
const ED25519_PRINT: &str = "SHA256:jMsKiGl4KAlL4zgFBiG9bcYVXyyiHlUoxR2twBbbWtk";
const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJib7sDw0GrF48IsWguckSMkW3F7/Hoy6IqJPjqRGSo82bjxqxUV5knwfD+2BmZRKJtj03l+MIX3AVmit48tCk4=";
const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAICaVVE9HmDFmj4b2jvvxmodxtji7+q5P+F6YIKAI7xXvAAAABHNzaDo=";
const SK_P256: &str = "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBJib7sDw0GrF48IsWguckSMkW3F7/Hoy6IqJPjqRGSo82bjxqxUV5knwfD+2BmZRKJtj03l+MIX3AVmit48tCk4AAAAEc3NoOg==";

fn two_people() -> String {
    format!(
        r#"version = 4
[[group]]
id = "oncall"
description = "whoever carries the pager"
[[person]]
id = "u_dana"
name = "Dana Example"
groups = ["oncall", "sre"]
[[person.identity]]
provider = "ssh"
key = "{ED25519} dana@laptop, her *own*"
[[person.identity]]
provider = "slack"
tenant = "T0123"
subject = "U0123"
[[person]]
id = "u_eve"
groups = ["oncall"]
status = "disabled"
identity = [{{ provider = "ssh", key = "{SK_ED25519}" }}, {{ provider = "oidc", tenant = "https://idp.example/", subject = "eve@idp" }}]
"#
    )
}

fn person(id: &str) -> PersonId {
    id.parse().unwrap()
}

fn identity(provider: &str, tenant: &str, subject: &str) -> IdentityKey {
    IdentityKey::new(provider, tenant, subject).unwrap()
}

#[test]
fn a_file_answers_who_is_who() {
    let text = two_people();
    let people = People::parse(&text).unwrap();
    let dana = person("u_dana");
    for account in [
        identity("ssh", "", ED25519_PRINT),
        identity("slack", "T0123", "U0123"),
    ] {
        assert_eq!(people.resolve(&account), Some(&dana), "{account}");
    }
    let groups: Vec<GroupName> = ["oncall", "sre"].map(|name| name.parse().unwrap()).into();
    assert_eq!(people.groups(), groups.iter().cloned().collect());
    assert_eq!(
        people.standing(&dana),
        Some(Standing::active(dana.clone(), groups))
    );
    assert_eq!(people.name(&dana), Some("Dana Example"));
    assert_eq!(people.name(&person("u_eve")), None);
    assert_eq!(people.people().count(), 2);
    assert_eq!(people.version(), 4);
    assert_eq!(people.digest(), crate::digest::sha256(&[text.as_bytes()]));
    let keys: Vec<_> = people
        .ssh_keys()
        .map(|(person, key)| (person.as_str(), key.algorithm().as_str().to_owned()))
        .collect();
    assert_eq!(
        keys,
        [
            ("u_dana", "ssh-ed25519".to_owned()),
            ("u_eve", "sk-ssh-ed25519@openssh.com".to_owned())
        ]
    );
}

#[test]
fn threat_19_who_is_disabled_or_unknown_is_in_no_group() {
    let people = People::parse(&two_people()).unwrap();
    let eve = person("u_eve");
    // The account still resolves, so that a refusal can name the person.
    let account = identity("oidc", "https://idp.example/", "eve@idp");
    assert_eq!(people.resolve(&account), Some(&eve));
    let standing = people.standing(&eve).unwrap();
    assert!(!standing.active && standing.groups.is_empty());
    assert_eq!(people.standing(&person("u_nobody")), None);
}

#[test]
fn threat_21_accounts_match_byte_for_byte() {
    let people = People::parse(&two_people()).unwrap();
    for (provider, tenant, subject) in [
        ("slack", "T0123", "u0123"),
        ("slack", "T9999", "U0123"),
        ("slack", "", "U0123"),
        ("Slack", "T0123", "U0123"),
        ("teams", "T0123", "U0123"),
        ("ssh", "T0123", ED25519_PRINT),
        ("oidc", "https://idp.example", "eve@idp"),
        ("oidc", "https://evil.example/", "eve@idp"),
    ] {
        let account = identity(provider, tenant, subject);
        assert_eq!(people.resolve(&account), None, "{account}");
    }
}

#[test]
fn threat_16_an_account_nobody_linked_is_nobodys() {
    let people = People::parse(&two_people()).unwrap();
    let second = key::read(P256).unwrap();
    assert_eq!(people.resolve(&ssh_identity(&second).unwrap()), None);
}

#[tokio::test]
async fn the_port_answers_as_the_file_does() {
    let people = People::parse(&two_people()).unwrap();
    let port: &dyn Directory = &people;
    let account = identity("slack", "T0123", "U0123");
    let found = port.resolve(&account).await.unwrap();
    assert_eq!(found, Some(person("u_dana")));
    assert_eq!(port.standing(&person("u_nobody")).await.unwrap(), None);
    let standing = port.standing(&person("u_dana")).await.unwrap();
    assert_eq!(standing, people.standing(&person("u_dana")));
}

#[test]
fn keys_are_of_four_kinds_and_nothing_more() {
    let check = |line: &str, want: &str| match key::read(line) {
        Ok(key) => assert_eq!(want, "", "accepted {} {line}", key.algorithm()),
        Err(message) => {
            assert!(!want.is_empty(), "{message}: {line}");
            assert!(message.contains(want), "{message}: {line}");
        }
    };
    for good in [ED25519, P256, SK_ED25519, SK_P256] {
        check(good, "");
        check(&format!("{good} somebody@somewhere, *?!"), "");
        check(
            &format!("cert-authority {good}"),
            "options such as `cert-authority`",
        );
        check(&format!("namespaces=\"x\" {good}"), "options");
        check(&format!("* {good}"), "patterns");
        check(&format!("*@example.com {good}"), "patterns");
        check(&format!("dana@example.com,!eve {good}"), "patterns");
        check(&format!("{good}\n{good}"), "a key is one line");
        check(&format!("{good}\tx"), "a key is one line");
        check(good.get(..good.len() - 8).unwrap(), "the key is damaged");
        check(&good.replace("AAAA", "AAAB"), "the key is damaged");
        check(&good.replace("AAAA", "*AAA"), "the key is damaged");
    }
    check(
        &ED25519.replace("ssh-ed25519 ", "sk-ssh-ed25519@openssh.com "),
        "the key is damaged",
    );
    check("ssh-ed25519", "the key is damaged");
    check("", "write the key as in its `.pub` file");
    check(
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDP",
        "RSA and DSA keys are not accepted",
    );
    check(
        "ssh-dss AAAAB3NzaC1kc3MAAACB",
        "RSA and DSA keys are not accepted",
    );
    check("ecdsa-sha2-nistp384 AAAA", "only nistp256 is accepted");
    check("ssh-ed25519-cert-v01@openssh.com AAAA", "certificates");
    check(
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "write the key as in its `.pub` file",
    );
}

#[test]
fn a_key_is_the_same_account_whatever_its_comment() {
    let plain = ssh_identity(&key::read(ED25519).unwrap()).unwrap();
    let named = ssh_identity(&key::read(&format!("{ED25519} x y")).unwrap()).unwrap();
    assert_eq!(plain, named);
    assert_eq!(plain.to_string(), format!("ssh::{ED25519_PRINT}"));
    // A hardware key over the same point is another key.
    let hardware = ssh_identity(&key::read(SK_ED25519).unwrap()).unwrap();
    assert_ne!(plain, hardware);
}

/// The one finding of a file.
fn check(text: &str, want: &str) {
    let error = People::parse(text)
        .err()
        .unwrap_or_else(|| panic!("accepted: {text}"));
    assert_eq!(error.findings().len(), 1, "{error}\n{text}");
    assert!(error.to_string().contains(want), "{error}\n{text}");
    assert_eq!(error.code(), Code::PolicyInvalid);
}

/// The one finding of a file with one person with these keys.
fn check_person(keys: &str, want: &str) {
    check(
        &format!("version = 1\n[[person]]\nid = \"u_dana\"\n{keys}"),
        want,
    );
}

#[test]
fn files_are_whole() {
    let dana = "[[person]]\nid = \"u_dana\"";
    check(dana, "`version` is missing");
    check(
        &format!("version = 0\n{dana}"),
        "`version` must be a whole number from 1",
    );
    check(
        &format!("version = 1\nadmins = []\n{dana}"),
        "`admins` is not known here; use `version`, `group`, `person`",
    );
    check("version = 1", "`person` is missing");
    check("version = 1\nperson = []", "there is nobody here");
    check(
        "version = 1\nperson = \"u_dana\"",
        "`person` must be a list",
    );
    check(
        "version = 1\n[[person]]\nname = \"Dana\"",
        "person `#1`: `id` is missing",
    );
    check(
        &format!("version = 1\n{dana}\n{dana}"),
        "line 4, person `u_dana`: this person stands in the file already",
    );
    check(
        "version = 1\n[[person]]\nid = \"u_*\"",
        "`u_*` is not a person id",
    );
    check(
        "version = 1\n[[person]]\nid = \"u dana\"",
        "is not a person id",
    );
    check("version = 1\n[[person]", "not TOML");
    check(
        &format!("version = 1\n{dana}\n#{}", "x".repeat(1 << 22)),
        "the file is longer than",
    );
    check_person("email = \"dana@example.com\"", "`email` is not known here");
    check_person(
        "status = \"Active\"",
        "`status` must be \"active\" or \"disabled\"",
    );
    check_person("status = false", "`status` must be a text");
    check_person("groups = \"oncall\"", "`groups` must be a list");
    check_person(
        "groups = [\"on call\"]",
        "is not a group name; use 1 to 128",
    );
    check_person("groups = [\"*\"]", "`*` is not a group name");
    check_person(
        &format!("name = \"{}\"", "ä".repeat(201)),
        "`name` must be at most 200 characters",
    );
    let name = "ä\\u202e\\n".repeat(66);
    assert!(People::parse(&format!("version = 1\n{dana}\nname = \"{name}\"")).is_ok());
}

#[test]
fn threat_19_a_declared_group_has_somebody_in_it() {
    let text = |group: &str| {
        format!(
            "version = 1\n{group}\n[[person]]\nid = \"u_dana\"\ngroups = [\"oncall\"]\nstatus = \"disabled\""
        )
    };
    check(
        &text("[[group]]\nid = \"sre\""),
        "line 2: nobody is in the group `sre`",
    );
    check(
        &text("[[group]]\nid = \"ONCALL\""),
        "nobody is in the group `ONCALL`",
    );
    check(
        &text("[[group]]\nid = \"oncall\"\n[[group]]\nid = \"oncall\""),
        "line 4: this group is declared already",
    );
    check(
        &text("[[group]]\nname = \"oncall\"\nid = \"oncall\""),
        "`name` is not known here; use `id`, `description`",
    );
    check(&text("[[group]]\ndescription = \"x\""), "`id` is missing");
    // To disable the last member must stay possible: refusing the file would keep the old one.
    assert!(People::parse(&text("[[group]]\nid = \"oncall\"")).is_ok());
}

#[test]
fn threat_16_one_account_is_one_persons() {
    let eve = format!(
        "[[person]]\nid = \"u_eve\"\nidentity = [{{ provider = \"ssh\", key = \"{ED25519} other\" }}]"
    );
    check_person(
        &format!("identity = [{{ provider = \"ssh\", key = \"{ED25519}\" }}]\n{eve}"),
        "line 7, person `u_eve`: the account `ssh::SHA256:jMsKiGl4KAlL4zgFBiG9bcYVXyyiHlUoxR2twBbbWtk` belongs to `u_dana` already",
    );
    let slack = "{ provider = \"slack\", tenant = \"T1\", subject = \"U1\" }";
    check_person(
        &format!("identity = [{slack}, {slack}]"),
        "belongs to `u_dana` already",
    );
}

#[test]
fn threat_21_accounts_are_exact_and_immutable() {
    let check =
        |entry: &str, want: &str| check_person(&format!("identity = [{{ {entry} }}]"), want);
    check("subject = \"U1\"", "`provider` is missing");
    for provider in ["SSH", "Slack", "*", "", "slack "] {
        check(
            &format!("provider = \"{provider}\", tenant = \"T\", subject = \"U1\""),
            "`provider` must be a lower-case name",
        );
    }
    check(
        "provider = \"slack\", subject = \"U1\"",
        "`tenant` is missing; write the workspace",
    );
    check(
        "provider = \"oidc\", subject = \"U1\"",
        "`tenant` is missing",
    );
    check(
        "provider = \"slack\", tenant = \"T1\"",
        "`subject` is missing",
    );
    for subject in ["*", "U?", "!U1", "U1,U2", "U1 ", " U1", "", "U\\u00071"] {
        check(
            &format!("provider = \"slack\", tenant = \"T1\", subject = \"{subject}\""),
            "cannot be the subject of an identity",
        );
    }
    check(
        "provider = \"entra\", tenant = \"*\", subject = \"U1\"",
        "cannot be the tenant of an identity",
    );
    check(
        "provider = \"slack\", tenant = \"T1\", subject = \"dana@example.com\"",
        "an e-mail address can be given to somebody else",
    );
    check(
        "provider = \"slack\", tenant = \"T1\", subject = \"U1\", login = \"dana\"",
        "`login` is not known here",
    );
    check(
        &format!("provider = \"slack\", tenant = \"T1\", subject = \"U1\", key = \"{ED25519}\""),
        "`key` is only for the providers `ssh` and `passkey`",
    );
    check("provider = \"ssh\"", "`key` is missing");
    check(
        "provider = \"ssh\", key = \"ssh-rsa AAAA\"",
        "RSA and DSA keys are not accepted",
    );
    check(
        &format!("provider = \"ssh\", key = \"{ED25519}\", subject = \"u\""),
        "`subject` is not for `ssh`",
    );
    check(
        &format!("provider = \"ssh\", key = \"{ED25519}\", tenant = \"t\""),
        "`tenant` is not for `ssh`",
    );
}

#[test]
fn everybody_has_the_account_that_an_operator_vouches_for() {
    let people = People::parse(&two_people()).unwrap();
    for id in ["u_dana", "u_eve"] {
        let account = local_identity(&person(id)).unwrap();
        assert_eq!(account.to_string(), format!("local::{id}"));
        assert_eq!(people.resolve(&account), Some(&person(id)));
    }
    let nobody = local_identity(&person("u_nobody")).unwrap();
    assert_eq!(people.resolve(&nobody), None);
    check_person(
        "identity = [{ provider = \"local\", subject = \"u_eve\" }]",
        "everybody has the account `local` already",
    );
}

#[test]
fn a_passkey_is_an_account_by_its_key_and_site() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../webauthn/vectors.json")).unwrap();
    let credential = vectors["assertions"][0]["credential"].as_str().unwrap();
    let key = PasskeyKey::from_cose(
        &[
            &[0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32][..],
            &[7; 32],
        ]
        .concat(),
    )
    .unwrap();
    let entry = |site: &str| {
        format!(
            "provider = \"passkey\", tenant = \"{site}\", credential = \"{credential}\", key = \"{key}\""
        )
    };
    let dana =
        |entries: &str| format!("version = 1\n[[person]]\nid = \"u_dana\"\nidentity = [{entries}]");
    let people = People::parse(&dana(&format!("{{ {} }}", entry("a.example")))).unwrap();
    let found = people.passkeys(&person("u_dana"));
    assert_eq!((found.len(), found[0].key()), (1, &key));
    let account = passkey_identity(found[0].rp_id(), &key).unwrap();
    assert_eq!(people.resolve(&account), Some(&person("u_dana")));
    let elsewhere = passkey_identity(&RpId::new("b.example").unwrap(), &key).unwrap();
    assert_eq!(people.resolve(&elsewhere), None);
    assert!(people.passkeys(&person("u_nobody")).is_empty());
    // The entry that enrolling shows loads, and is the same passkey.
    let shown = format!(
        "version = 1\n[[person]]\nid = \"u_dana\"\n{}",
        found[0].entry()
    );
    let again = People::parse(&shown).unwrap();
    assert_eq!(again.passkeys(&person("u_dana")), found);

    let check =
        |entry: &str, want: &str| check_person(&format!("identity = [{{ {entry} }}]"), want);
    let good = entry("a.example");
    check(
        &entry("https://a.example"),
        "write it without scheme and port",
    );
    check(&good.replace(&key.to_string(), "AAAA"), "not the COSE form");
    check(&good.replace(credential, "AAAA"), "16 to 1023 bytes");
    check(
        &good.replace(credential, "a b"),
        "base64url without padding",
    );
    check(
        &format!("{good}, subject = \"u\""),
        "`subject` is not for `passkey`",
    );
    check(
        "provider = \"slack\", tenant = \"T1\", subject = \"U1\", credential = \"x\"",
        "`credential` is only for the providers `ssh` and `passkey`",
    );
    check(
        &format!("{good} }}, {{ {good}"),
        "belongs to `u_dana` already",
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::with_cases(512)
    })]

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}", cut in 0..900_usize, insert in ".{0,4}") {
        let _ = People::parse(&text);
        let whole = two_people();
        let (head, tail) = whole.split_at(whole.floor_char_boundary(cut.min(whole.len())));
        let _ = People::parse(head);
        if let Ok(people) = People::parse(&format!("{head}{insert}{tail}")) {
            // Whatever was read, one account leads to one person who exists.
            for person in people.people() {
                for identity in &person.identities {
                    proptest::prop_assert_eq!(people.resolve(identity), Some(&person.id));
                }
            }
        }
    }
}

#[test]
fn all_findings_come_at_once_in_the_order_of_the_file() {
    let text = "version = 1\nroot = true\n[[group]]\nid = \"empty\"\n[[person]]\nid = \"a b\"\nstatus = \"x\"\n[[person]]\nid = \"u_x\"\nidentity = [{ provider = \"ssh\", key = \"\\u001b[31m\" }, { provider = \"slack\" }]\n";
    let error = People::parse(text).unwrap_err();
    let lines: Vec<usize> = error
        .findings()
        .iter()
        .map(|finding| finding.line())
        .collect();
    assert_eq!(lines, [2, 3, 6, 7, 10, 10], "{error}");
    assert_eq!(error.to_string().lines().count(), 6);
    assert!(!error.to_string().contains('\u{1b}'));
}
