//! Tokens: what ours takes, every official library takes that has a say in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use approvals_core::Timestamp;
use approvals_teams::{Cloud, Keys, verify};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::microsoft::{Microsoft, now};
use crate::support::sign::{KEYS, claims, unsigned};
use crate::support::{APP, TENANT, script};

const SERVICE: &str = "https://smba.trafficmanager.net/emea/";

/// Every token, and whether ours takes it.
fn tokens() -> Vec<(&'static str, String, bool)> {
    let (teams, good) = (&KEYS[0], claims(SERVICE));
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        teams.token(&claims)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        teams.token(&claims)
    };
    let header = |alg: &str| json!({"alg": alg, "typ": "JWT", "kid": "k-teams"});
    let valid = teams.token(&good);
    let hmac = || {
        let signed = unsigned(&header("HS256"), &good);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, teams.pem.as_bytes());
        format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()))
        )
    };
    let twice = || {
        let body = good.to_string().replacen('{', "{\"aud\":\"other\",", 1);
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header("RS256").to_string()),
            URL_SAFE_NO_PAD.encode(body)
        );
        teams.signed(&signed)
    };
    let critical = json!({"alg": "RS256", "kid": "k-teams", "crit": ["exp2"], "exp2": 1});
    vec![
        ("valid", valid.clone(), true),
        ("valid, without nbf", without("nbf"), true),
        (
            "expired 4 minutes ago, within the skew",
            with("exp", json!(now() - 240)),
            true,
        ),
        (
            "not valid for 4 minutes, within the skew",
            with("nbf", json!(now() + 240)),
            true,
        ),
        (
            "service URL without its slash",
            with("serviceurl", json!(SERVICE.trim_end_matches('/'))),
            true,
        ),
        (
            "service URL in capitals",
            with("serviceurl", json!(SERVICE.to_uppercase())),
            true,
        ),
        ("another app", with("aud", json!(TENANT)), false),
        ("an empty app", with("aud", json!("")), false),
        ("a list of apps", with("aud", json!([APP])), false),
        (
            "another issuer",
            with("iss", json!("https://api.botframework.com.evil")),
            false,
        ),
        (
            "Entra's issuer",
            with(
                "iss",
                json!("https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/"),
            ),
            false,
        ),
        ("expired", with("exp", json!(now() - 600)), false),
        ("no exp", without("exp"), false),
        (
            "exp as a text",
            with("exp", json!((now() + 600).to_string())),
            false,
        ),
        ("exp with a fraction", with("exp", json!(0.5)), false),
        ("not valid yet", with("nbf", json!(now() + 600)), false),
        ("nbf as a text", with("nbf", json!("0")), false),
        (
            "another service URL",
            with("serviceurl", json!("https://evil.example/")),
            false,
        ),
        ("no service URL", without("serviceurl"), false),
        (
            "two slashes",
            with("serviceurl", json!(format!("{SERVICE}/"))),
            false,
        ),
        (
            "no algorithm",
            format!("{}.", unsigned(&header("none"), &good)),
            false,
        ),
        ("HS256 with the public key", hmac(), false),
        ("RS512", teams.sign(&header("RS512"), &good), false),
        ("PS256", teams.sign(&header("PS256"), &good), false),
        ("no kid", teams.sign(&json!({"alg": "RS256"}), &good), false),
        ("an unknown extension", teams.sign(&critical, &good), false),
        ("an unknown key", KEYS[3].token(&good), false),
        (
            "a rogue key under a known name",
            KEYS[3].sign(&header("RS256"), &good),
            false,
        ),
        ("a key for Skype only", KEYS[1].token(&good), false),
        ("a key for nothing", KEYS[2].token(&good), false),
        ("a claim twice", twice(), false),
        ("a changed claim", tampered(&valid), false),
        ("padding", format!("{valid}="), false),
        ("four parts", format!("{valid}.x"), false),
        ("nothing", String::new(), false),
    ]
}

fn tampered(token: &str) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let mut other = claims(SERVICE);
    other["exp"] = json!(now() + 9_999);
    format!(
        "{header}.{}.{signature}",
        URL_SAFE_NO_PAD.encode(other.to_string())
    )
}

fn ours(token: &str, keys: &Keys) -> bool {
    let header = format!("Bearer {token}");
    let cloud = Cloud::public();
    let time = Timestamp::from_micros(now() * 1_000_000);
    let claims = verify(&[header.as_bytes()], keys, APP, &cloud, time);
    claims
        .and_then(|claims| claims.of(SERVICE, "msteams", &cloud))
        .is_ok()
}

fn published() -> Keys {
    let keys: Vec<_> = KEYS
        .iter()
        .take(3)
        .map(crate::support::sign::Key::jwk)
        .collect();
    Keys::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

#[test]
fn tokens_are_taken_and_refused_as_the_rules_say() {
    let keys = published();
    assert_eq!(keys.count(), 1);
    for (name, token, expected) in tokens() {
        assert_eq!(ours(&token, &keys), expected, "{name}");
    }
    let (token, time) = (
        KEYS[0].token(&claims(SERVICE)),
        Timestamp::from_micros(now() * 1_000_000),
    );
    let header = format!("Bearer {token}");
    for app in ["", TENANT] {
        assert!(verify(&[header.as_bytes()], &keys, app, &Cloud::public(), time).is_err());
    }
    let foreign = verify(&[header.as_bytes()], &keys, APP, &Cloud::china(), time);
    assert!(
        foreign.is_err(),
        "a token of the public cloud is none in another"
    );
}

async fn verdicts(mut oracle: Command) -> BTreeMap<String, bool> {
    let output = tokio::task::spawn_blocking(move || oracle.output().expect("it runs"))
        .await
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    let last = out.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ours_takes_every_official_library_takes() {
    let microsoft = Microsoft::start().await;
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("tokens.json");
    let tokens = tokens();
    let listed: BTreeMap<_, _> = tokens
        .iter()
        .map(|(name, token, _)| (*name, token))
        .collect();
    let text = json!({"app": APP, "tenant": TENANT, "service": SERVICE, "base": microsoft.base, "tokens": listed});
    std::fs::write(&cases, text.to_string()).unwrap();
    let node = |name: &str| run(approvals_peers::node(&script(name)), &cases);
    let mut python = approvals_peers::python();
    python.arg(script("oracle_connector.py"));
    let oracles = [
        (
            "botframework-connector of npm",
            verdicts(node("oracle-connector.cjs")).await,
        ),
        (
            "botframework-connector of PyPI",
            verdicts(run(python, &cases)).await,
        ),
        ("agents-hosting", verdicts(node("oracle-agents.cjs")).await),
        ("teams.apps", verdicts(node("oracle-teams.cjs")).await),
    ];
    let keys = published();
    // Lower or upper case and the slash at the end are one address for some libraries only.
    let spelled = ["service URL in capitals", "service URL without its slash"];
    for (oracle, verdicts) in &oracles {
        assert_eq!(verdicts.len(), tokens.len(), "{oracle}");
        assert!(
            verdicts.values().any(|taken| !taken),
            "{oracle} refuses something"
        );
        for (name, token, _) in tokens.iter().filter(|(name, ..)| !spelled.contains(name)) {
            assert!(
                !ours(token, &keys) || verdicts[*name],
                "{oracle} refuses what ours takes: {name}"
            );
        }
    }
    // What we refuse and some of them take is why our rules are their intersection, and more.
    let laxer = |name: &str| oracles.iter().any(|(_, verdicts)| verdicts[name]);
    for name in [
        "no exp",
        "another service URL",
        "a key for Skype only",
        "a key for nothing",
        "RS512",
    ] {
        assert!(laxer(name), "{name}: no library takes it any more");
    }
}

fn run(mut command: Command, cases: &Path) -> Command {
    command.arg(cases);
    command
}
