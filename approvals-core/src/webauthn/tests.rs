//! What a passkey signed, and everything that is not it.

use super::*;
use crate::digest::{ActionDigest, PolicyDigest};
use crate::id::RequestId;
use crate::review::{Vote, commit_reason};
use crate::testing::SoftPasskey;

fn statement(vote: Vote) -> Statement {
    let bound = (
        RequestId::from_bytes([1; 16]),
        ActionDigest::of(b"a"),
        PolicyDigest::of(b"p"),
        vote,
    );
    let until = Timestamp::from_micros(1_000);
    Statement::new(
        bound,
        "u_dana".parse().unwrap(),
        None,
        "nonce".to_owned(),
        until,
    )
}

fn site() -> RpId {
    RpId::new("approvals.example").unwrap()
}

fn both() -> [SoftPasskey; 2] {
    [
        SoftPasskey::p256(site()).unwrap(),
        SoftPasskey::ed25519(site()).unwrap(),
    ]
}

fn verified(
    passkey: &SoftPasskey,
    statement: &[u8],
    assertion: &Assertion,
) -> Result<(Statement, VerifiedApprover), ApprovalError> {
    verify(
        statement,
        assertion,
        passkey.passkey().rp_id(),
        passkey.passkey().key(),
    )
}

#[test]
fn a_passkey_signs_a_decision() {
    for passkey in both() {
        let said = statement(Vote::Approve);
        let bytes = said.bytes().unwrap();
        let assertion = passkey.sign(&bytes).unwrap();
        let (read, approver) = verified(&passkey, &bytes, &assertion).unwrap();
        assert_eq!((read, approver.assurance()), (said.clone(), Assurance::A3));
        let (again, identity) = check(approver.evidence()).unwrap();
        assert_eq!((again, &identity), (said, approver.identity()));
        assert_eq!(
            (identity.provider(), identity.tenant()),
            ("passkey", "approvals.example")
        );
    }
}

/// Whatever byte of whatever part is another one, the decision is refused.
#[test]
fn threat_20_no_byte_of_a_signed_decision_can_be_changed() {
    for passkey in both() {
        let bytes = statement(Vote::Deny).bytes().unwrap();
        let assertion = passkey.sign(&bytes).unwrap();
        assert!(verified(&passkey, &bytes, &assertion).is_ok());
        let parts: [fn(&mut Assertion) -> &mut Vec<u8>; 3] = [
            |a| &mut a.client_data,
            |a| &mut a.authenticator_data,
            |a| &mut a.signature,
        ];
        for (which, part) in parts.into_iter().enumerate() {
            let length = part(&mut assertion.clone()).len();
            for (place, bit) in (0..length).flat_map(|place| [(place, 1), (place, 0x80)]) {
                let mut other = assertion.clone();
                part(&mut other)[place] ^= bit;
                let error = verified(&passkey, &bytes, &other).unwrap_err();
                assert_eq!(
                    error.code(),
                    Code::SignatureInvalid,
                    "part {which}, byte {place}"
                );
            }
            for change in [
                |part: &mut Vec<u8>| part.truncate(part.len() - 1),
                |part: &mut Vec<u8>| part.push(0),
            ] {
                let mut other = assertion.clone();
                change(part(&mut other));
                assert!(verified(&passkey, &bytes, &other).is_err(), "part {which}");
            }
        }
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            assert!(
                verified(&passkey, &other, &assertion).is_err(),
                "byte {place}"
            );
        }
        for stranger in both() {
            assert!(
                verified(&stranger, &bytes, &assertion).is_err(),
                "another key"
            );
        }
        let elsewhere = RpId::new("evil.example").unwrap();
        assert!(verify(&bytes, &assertion, &elsewhere, passkey.passkey().key()).is_err());
    }
}

/// The same over the evidence in a record: no name, no character of it can be another one.
#[test]
fn no_character_of_the_evidence_can_be_changed() {
    let passkey = SoftPasskey::ed25519(site()).unwrap();
    let bytes = statement(Vote::Approve).bytes().unwrap();
    let (_, approver) = verified(&passkey, &bytes, &passkey.sign(&bytes).unwrap()).unwrap();
    let evidence = approver.evidence();
    assert!(check(evidence).is_ok());
    for (name, text) in &evidence.proof {
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(changed).unwrap();
            // Another key verifies nothing; the site is in the digest that was signed.
            let other = evidence.clone().with(name, changed);
            assert!(check(&other).is_err(), "{name}, character {place}");
        }
        let longer = evidence.clone().with(name, format!("{text}="));
        assert!(check(&longer).is_err(), "{name}");
        let mut without = evidence.clone();
        without.proof.remove(name);
        assert!(check(&without).is_err(), "without {name}");
    }
    assert!(check(&evidence.clone().with("seen_by", "the CISO")).is_err());
    let mut other = evidence.clone();
    other.method = "sshsig".to_owned();
    assert!(check(&other).is_err());
}

/// A signature can be right and what it covers wrong: each rule alone refuses.
#[test]
fn what_was_signed_must_be_a_decision_on_this_site_by_a_verified_person() {
    let bytes = statement(Vote::Approve).bytes().unwrap();
    let passkey = SoftPasskey::p256(site()).unwrap();
    let good = passkey.sign(&bytes).unwrap();
    let client = String::from_utf8(good.client_data.clone()).unwrap();
    let signs = |client: &str, seen: &[u8]| {
        let assertion = passkey
            .sign_parts(client.as_bytes().to_vec(), seen.to_vec())
            .unwrap();
        verified(&passkey, &bytes, &assertion).map_err(|error| error.to_string())
    };
    let seen = good.authenticator_data.as_slice();
    signs(&client, seen).unwrap();
    let swaps = [
        ("webauthn.get", "webauthn.create", "something else"),
        ("\"challenge\":\"", "\"challenge\":\"A", "another decision"),
        (
            "https://approvals.example",
            "https://evil.example",
            "another site",
        ),
        (
            "https://approvals.example",
            "http://approvals.example",
            "another site",
        ),
        (
            "https://approvals.example",
            "https://x.approvals.example",
            "another site",
        ),
        (
            "https://approvals.example",
            "https://approvals.example.evil.example",
            "another site",
        ),
        (
            "https://approvals.example",
            "https://approvals.example:x@evil",
            "another site",
        ),
        (
            "https://approvals.example",
            "https://approvals.example/",
            "another site",
        ),
        (
            "https://approvals.example",
            "https://Approvals.example",
            "another site",
        ),
        ("https://approvals.example", "null", "another site"),
        ("false", "true", "inside another site's page"),
        (
            "false",
            "false,\"topOrigin\":\"https://evil.example\"",
            "inside another site's page",
        ),
        (
            "\"type\"",
            "\"type\":\"webauthn.get\",\"type\"",
            "cannot be read",
        ),
        ("{", "[", "cannot be read"),
        ("\"origin\"", "\"origine\"", "cannot be read"),
    ];
    for (from, to, want) in swaps {
        let error = signs(&client.replacen(from, to, 1), seen).unwrap_err();
        assert!(error.contains(want), "{from} to {to}: {error}");
    }
    let long = client.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(4_096)), 1);
    assert!(signs(&long, seen).unwrap_err().contains("too long"));
    for same in [
        "https://approvals.example:8443\"",
        "https://approvals.example\",\"new\":1",
    ] {
        let other = client.replacen("https://approvals.example\"", same, 1);
        signs(&other, seen).unwrap_or_else(|error| panic!("{same}: {error}"));
    }
    let with_flags = |flags: u8| {
        let mut other = seen.to_vec();
        other[32] = flags;
        signs(&client, &other)
    };
    for flags in 0..=u8::MAX {
        let fits = [0b0_0101, 0b0_1101, 0b1_1101].contains(&flags);
        assert_eq!(with_flags(flags).is_ok(), fits, "{flags:08b}");
    }
    let extended = [seen, &[0xa0]].concat();
    assert!(
        signs(&client, &extended)
            .unwrap_err()
            .contains("extensions")
    );
    assert!(signs(&client, &[]).is_err());
}

/// What a person signs of a broken glass is that, in a record, too, and a decision is not.
#[test]
fn threat_49_a_review_after_the_use_is_signed_as_such() {
    let used = (RequestId::from_bytes([1; 16]), ActionDigest::of(b"a"));
    let until = Timestamp::from_micros(1_000);
    for passkey in both() {
        let reason = commit_reason("it was needed").unwrap();
        let person = "u_dana".parse().unwrap();
        let said = PostStatement::new(used, person, &reason, "nonce".to_owned(), until);
        let bytes = said.bytes().unwrap();
        let signed = passkey.sign(&bytes).unwrap();
        let (site, key) = (passkey.passkey().rp_id(), passkey.passkey().key());
        let (read, approver) = verify_post(&bytes, &signed, site, key).unwrap();
        assert_eq!(read, said);
        let (again, identity) = check_post(approver.evidence()).unwrap();
        assert_eq!((again, &identity), (said, approver.identity()));
        assert!(check(approver.evidence()).is_err(), "it is no decision");
        assert!(verified(&passkey, &bytes, &signed).is_err());
        let decision = statement(Vote::Approve).bytes().unwrap();
        let decided = passkey.sign(&decision).unwrap();
        assert!(verify_post(&decision, &decided, site, key).is_err());
        assert!(verify_post(&bytes, &decided, site, key).is_err());
        let (_, decider) = verified(&passkey, &decision, &decided).unwrap();
        assert!(check_post(decider.evidence()).is_err(), "it is no review");
        let at = |now| post_review(&bytes, &signed, passkey.passkey(), reason.clone(), now);
        assert!(at(Timestamp::from_micros(999)).is_ok());
        assert_eq!(at(until).unwrap_err().code(), Code::Expired);
        let other = commit_reason("it was needed").unwrap();
        let error = post_review(
            &bytes,
            &signed,
            passkey.passkey(),
            other,
            Timestamp::from_micros(1),
        );
        assert_eq!(error.unwrap_err().code(), Code::ActionMismatch);
    }
}

#[test]
fn a_signed_decision_is_worth_something_for_a_time_and_with_its_reason() {
    let passkey = SoftPasskey::p256(site()).unwrap();
    let bytes = statement(Vote::Deny).bytes().unwrap();
    let assertion = passkey.sign(&bytes).unwrap();
    let counts = |reason: Option<&str>, at: i64| {
        let reason = reason.map(|reason| commit_reason(reason).unwrap());
        let now = Timestamp::from_micros(at);
        review(&bytes, &assertion, passkey.passkey(), reason, now).map_err(|error| error.code())
    };
    assert!(counts(None, 999).is_ok());
    assert_eq!(counts(None, 1_000).unwrap_err(), Code::Expired);
    assert_eq!(
        counts(Some("another"), 0).unwrap_err(),
        Code::ActionMismatch
    );
}

/// What a real browser and its authenticator signed: `vectors.json` says how it was made.
#[test]
fn what_chromium_signed_verifies() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let text = |vector: &serde_json::Value, name: &str| vector[name].as_str().unwrap().to_owned();
    let bytes = statement(Vote::Approve).bytes().unwrap();
    assert_eq!(base64(&bytes), text(&vectors, "statement"));
    let cases = vectors["assertions"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let decode = |name: &str| URL_SAFE_NO_PAD.decode(text(case, name)).unwrap();
        let rp_id = RpId::new(&text(case, "site")).unwrap();
        let challenge = decode("enrol_challenge").try_into().unwrap();
        let passkey = enrolled(
            text(case, "enrol_client_data").as_bytes(),
            &decode("enrol_authenticator_data"),
            &challenge,
            &rp_id,
        )
        .unwrap();
        assert_eq!(passkey.credential(), decode("credential"));
        let assertion = Assertion {
            client_data: text(case, "client_data").into_bytes(),
            authenticator_data: decode("authenticator_data"),
            signature: decode("signature"),
        };
        let (_, approver) = verify(&bytes, &assertion, &rp_id, passkey.key()).unwrap();
        check(approver.evidence()).unwrap();
        let denial = statement(Vote::Deny).bytes().unwrap();
        assert!(verify(&denial, &assertion, &rp_id, passkey.key()).is_err());
    }
}

#[test]
fn what_is_enrolled_was_made_here_and_now_for_this_site() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let case = &vectors["assertions"][0];
    let text = |name: &str| case[name].as_str().unwrap().to_owned();
    let decode = |name: &str| URL_SAFE_NO_PAD.decode(text(name)).unwrap();
    let client = text("enrol_client_data").into_bytes();
    let seen = decode("enrol_authenticator_data");
    let challenge: [u8; 32] = decode("enrol_challenge").try_into().unwrap();
    let rp_id = RpId::new(&text("site")).unwrap();
    assert!(enrolled(&client, &seen, &challenge, &rp_id).is_ok());
    assert!(enrolled(&client, &seen, &[0; 32], &rp_id).is_err());
    assert!(enrolled(&client, &seen, &challenge, &site()).is_err());
    assert!(enrolled(text("client_data").as_bytes(), &seen, &challenge, &rp_id).is_err());
    assert!(enrolled(&client, &decode("authenticator_data"), &challenge, &rp_id).is_err());
    for cut in 0..seen.len() {
        assert!(
            enrolled(&client, &seen[..cut], &challenge, &rp_id).is_err(),
            "{cut} bytes"
        );
    }
    let mut unverified = seen.clone();
    unverified[32] &= !VERIFIED;
    assert!(enrolled(&client, &unverified, &challenge, &rp_id).is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::with_cases(256)
    })]

    #[test]
    fn any_bytes_are_refused_and_never_a_panic(
        client_data in proptest::collection::vec(0_u8.., 0..200),
        authenticator_data in proptest::collection::vec(0_u8.., 0..200),
        signature in proptest::collection::vec(0_u8.., 0..100),
        challenge in proptest::array::uniform32(0_u8..),
    ) {
        let passkey = SoftPasskey::ed25519(site()).unwrap();
        let bytes = statement(Vote::Approve).bytes().unwrap();
        let _ = enrolled(&client_data, &authenticator_data, &challenge, &site());
        let assertion = Assertion { client_data, authenticator_data, signature };
        proptest::prop_assert!(verified(&passkey, &bytes, &assertion).is_err());
    }
}
