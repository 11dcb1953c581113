//! Passkeys that deny and that review a broken glass, and what is refused of it.

use approvals_core::Status;
use approvals_core::directory::RpId;
use approvals_core::lifecycle::Glass;
use approvals_core::testing::SoftPasskey;
use approvals_core::webauthn::Assertion;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::support::{House, field, post, text};

/// Somebody at a page, whose passkey signs what the page is told to have signed.
struct Signer<'a> {
    house: &'a House,
    key: &'a SoftPasskey,
    cookie: String,
    path: String,
    csrf: String,
    digest: String,
    policy: String,
}

impl<'a> Signer<'a> {
    async fn at(house: &'a House, key: &'a SoftPasskey, person: &str, path: &str) -> Self {
        let cookie = house.sign_in(person).await;
        let page = house.page(path, &cookie).await;
        let [csrf, digest, policy] =
            [("csrf", 0), ("digest", 0), ("policy", 1)].map(|(name, may)| {
                match may == 1 && !page.contains("name=\"policy\"") {
                    true => String::new(),
                    false => field(&page, name),
                }
            });
        Self {
            house,
            key,
            cookie,
            path: path.to_owned(),
            csrf,
            digest,
            policy,
        }
    }

    async fn send(&self, to: &str, form: &str) -> (StatusCode, Value) {
        let path = format!("{}/{to}", self.path);
        let answer = self.house.send(post(&path, Some(&self.cookie), form)).await;
        let status = answer.status();
        (status, serde_json::from_str(&text(answer).await).unwrap())
    }

    /// Asks for a challenge, and signs it.
    async fn sign(&self, to: &str, more: &str) -> (StatusCode, Value) {
        let form = format!("csrf={}&digest={}{more}", self.csrf, self.digest);
        let (status, asked) = self.send(to, &form).await;
        if status != StatusCode::OK {
            return (status, asked);
        }
        let signed = signed(self.key, asked["challenge"].as_str().unwrap());
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let form = format!(
            "csrf={}&ticket={}&credential={}&client_data={}&authenticator_data={}&signature={}",
            self.csrf,
            asked["ticket"].as_str().unwrap(),
            part(self.key.passkey().credential()),
            part(&signed.client_data),
            part(&signed.authenticator_data),
            part(&signed.signature),
        );
        self.send("signed", &form).await
    }

    async fn deny(&self, reason: &str) -> (StatusCode, Value) {
        let more = format!("&policy={}&vote=deny&reason={reason}", self.policy);
        self.sign("challenge", &more).await
    }

    async fn review(&self, reason: &str) -> (StatusCode, Value) {
        self.sign("review", &format!("&reason={reason}")).await
    }
}

/// What a browser on `localhost` would have the passkey sign.
fn signed(key: &SoftPasskey, challenge: &str) -> Assertion {
    let client_data = format!(
        r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"http://localhost:8087","crossOrigin":false}}"#
    );
    let site = approvals_core::digest::sha256(&[b"localhost"]);
    let seen = [&site[..], &[0b101, 0, 0, 0, 1]].concat();
    key.sign_parts(client_data.into_bytes(), seen).unwrap()
}

async fn house() -> (House, SoftPasskey, SoftPasskey) {
    let site = || RpId::new("localhost").unwrap();
    let (bob, dana) = (
        SoftPasskey::p256(site()).unwrap(),
        SoftPasskey::ed25519(site()).unwrap(),
    );
    let entries = [
        ("u_bob", bob.passkey().entry()),
        ("u_alice", dana.passkey().entry()),
    ];
    let entries = entries
        .each_ref()
        .map(|(person, entry)| (*person, entry.as_str()));
    let house = House::with(approvals_http::Config::default(), &entries).await;
    (house, bob, dana)
}

#[tokio::test]
async fn a_passkey_denies_with_a_reason_and_the_log_holds_its_signature() {
    let (house, bob, _) = house().await;
    let id = house.requests().await[3].1;
    let signer = Signer::at(&house, &bob, "u_bob", &format!("/inbox/r/{id}")).await;
    let (status, answer) = signer.deny("").await;
    assert_eq!(
        (status.as_u16(), &answer["code"]),
        (400, &"NonCanonical".into()),
        "{answer}"
    );
    let (status, answer) = signer.deny("not+today").await;
    assert_eq!(
        (status, &answer["status"]),
        (StatusCode::OK, &"denied".into()),
        "{answer}"
    );
    let card = house.gate.card(id).await.unwrap();
    assert_eq!(card.status, Status::Denied);
    assert_eq!(card.denial.unwrap().raw(), "not today");
    let report = house.gate.journal().verify().await.unwrap();
    assert!(
        report.passed() && report.reviews.signed == 3,
        "{:?}",
        report.findings
    );
}

#[tokio::test]
async fn threat_49_a_broken_glass_is_reviewed_by_somebody_elses_passkey() {
    let (house, bob, alice) = house().await;
    let id = house.broken_glass().await;
    let path = format!("/inbox/r/{id}");
    // Whoever stands behind it is not asked, and is refused; so is a review that says nothing.
    let cookie = house.sign_in("u_alice").await;
    assert!(!house.page(&path, &cookie).await.contains("id=\"review\""));
    let cookie = house.sign_in("u_carol").await;
    assert!(
        !house.page(&path, &cookie).await.contains("id=\"review\""),
        "she approved it"
    );
    let signer = Signer::at(&house, &bob, "u_bob", &path).await;
    assert_eq!(signer.review("").await.0, StatusCode::BAD_REQUEST);
    let own = Signer {
        key: &alice,
        cookie: house.sign_in("u_alice").await,
        path: path.clone(),
        ..Signer::at(&house, &bob, "u_bob", &path).await
    };
    let csrf = field(&house.page("/inbox", &own.cookie).await, "csrf");
    let own = Signer { csrf, ..own };
    let (_, answer) = own.review("all+good").await;
    assert_eq!(answer["code"], "SelfApproval", "{answer}");
    // A signature over a review is no vote, and the other way round.
    let (_, answer) = signer.deny("no").await;
    assert!(answer["code"].is_string(), "{answer}");
    assert_eq!(house.gate.card(id).await.unwrap().glass, Glass::Open);
    let (status, answer) = signer.review("it+was+needed").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let bob = "u_bob".parse().unwrap();
    assert_eq!(
        house.gate.card(id).await.unwrap().glass,
        Glass::Reviewed(bob)
    );
    let (_, answer) = signer.review("again").await;
    assert_eq!(answer["code"], "DuplicateVote", "{answer}");
    let report = house.gate.journal().verify().await.unwrap();
    assert!(report.passed(), "{:?}", report.findings);
    assert!(report.unreviewed.is_empty());
}
