//! An identity provider of this machine that says whatever a test has it say, truly signed or not.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};

use approvals_core::digest::sha256;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RsaKeyPair, RsaPublicKeyComponents,
};
use ring::{hmac, rand};
use serde_json::{Value, json};

pub(crate) const CLIENT: &str = "approvals";
pub(crate) const SECRET: &str = "s3cr3t & canary+1";

/// The provider's two keys, and one that it never published.
pub(crate) struct Keys {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    rogue: EcdsaKeyPair,
}

pub(crate) static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let made = Command::new("openssl")
        .args([
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
        ])
        .output()
        .expect("openssl runs");
    let pem = String::from_utf8(made.stdout).unwrap();
    let der: String = pem
        .lines()
        .filter(|line| !line.starts_with("---"))
        .collect();
    let ec = || {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).unwrap()
    };
    Keys {
        rsa: RsaKeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap(),
        ec: ec(),
        rogue: ec(),
    }
});

/// With what a token is signed, whatever its header says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum With {
    Rsa,
    Rsa384,
    Ec,
    Rogue,
    /// An HMAC keyed with the public key, which everybody has.
    Public,
    Nothing,
}

/// A token of these parts, each as text.
pub(crate) fn token(header: &str, claims: &str, with: With) -> String {
    let part = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(header.as_bytes()), part(claims.as_bytes()));
    let (message, random) = (signed.as_bytes(), rand::SystemRandom::new());
    let rsa = |encoding| {
        let mut signature = vec![0; KEYS.rsa.public().modulus_len()];
        KEYS.rsa
            .sign(encoding, &random, message, &mut signature)
            .unwrap();
        signature
    };
    let signature = match with {
        With::Rsa => rsa(&RSA_PKCS1_SHA256),
        With::Rsa384 => rsa(&RSA_PKCS1_SHA384),
        With::Ec => KEYS.ec.sign(&random, message).unwrap().as_ref().to_vec(),
        With::Rogue => KEYS.rogue.sign(&random, message).unwrap().as_ref().to_vec(),
        With::Public => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, KEYS.ec.public_key().as_ref());
            hmac::sign(&key, message).as_ref().to_vec()
        }
        With::Nothing => Vec::new(),
    };
    format!("{signed}.{}", part(&signature))
}

/// The provider: its address, and what it says next.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) issuer: String,
    said: Arc<Mutex<Said>>,
}

struct Said {
    document: Value,
    keys: Value,
    /// What a code is good for: the challenge it was given for, and the token.
    codes: BTreeMap<String, (String, String)>,
    looked: u32,
}

impl Provider {
    pub(crate) async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize?tenant=a"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        let provider = Self {
            issuer,
            said: Arc::new(Mutex::new(Said {
                document,
                keys: published("rsa", "ec"),
                codes: BTreeMap::new(),
                looked: 0,
            })),
        };
        let routes = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async |State(it): State<Self>| Json(it.said.lock().unwrap().document.clone())),
            )
            .route("/jwks", get(jwks))
            .route("/token", post(exchange))
            .with_state(provider.clone());
        tokio::spawn(async { axum::serve(listener, routes).await });
        provider
    }

    /// Says this of itself from here on.
    pub(crate) fn says(&self, name: &str, value: Value) {
        self.said.lock().unwrap().document[name] = value;
    }

    /// Publishes its keys under other names.
    pub(crate) fn names(&self, rsa: &str, ec: &str) {
        self.said.lock().unwrap().keys = published(rsa, ec);
    }

    /// How often its keys were asked for.
    pub(crate) fn looked(&self) -> u32 {
        self.said.lock().unwrap().looked
    }

    /// Gives out this code, for this token.
    pub(crate) fn gives(&self, code: &str, challenge: &str, token: String) {
        let mut said = self.said.lock().unwrap();
        said.codes
            .insert(code.to_owned(), (challenge.to_owned(), token));
    }
}

/// The keys as a JWK set, among others that must be passed over.
fn published(rsa: &str, ec: &str) -> Value {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(KEYS.rsa.public());
    let (x, y) = KEYS.ec.public_key().as_ref()[1..].split_at(32);
    json!({ "keys": [
        { "kty": "RSA", "kid": rsa, "use": "sig", "n": part(&public.n), "e": part(&public.e) },
        { "kty": "EC", "kid": ec, "crv": "P-256", "alg": "ES256", "x": part(x), "y": part(y) },
        { "kty": "RSA", "kid": "for-encryption", "use": "enc", "n": part(&public.n), "e": part(&public.e) },
        { "kty": "oct", "kid": "shared", "k": part(b"a shared secret") },
        { "kty": 7 },
    ] })
}

async fn jwks(State(it): State<Provider>) -> Json<Value> {
    let mut said = it.said.lock().unwrap();
    said.looked += 1;
    Json(said.keys.clone())
}

/// A code is good once, for whoever knows the secret, the verifier, and where it was to be sent.
async fn exchange(
    State(it): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> impl IntoResponse {
    let has = |name: &str| form.get(name).cloned().unwrap_or_default();
    let encoded = SECRET.replace(' ', "+").replace('&', "%26");
    let encoded = encoded.replacen("canary+1", "canary%2B1", 1);
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{encoded}")));
    let known = headers
        .get("authorization")
        .is_some_and(|sent| sent.to_str().unwrap() == basic);
    let taken = it.said.lock().unwrap().codes.remove(&has("code"));
    let fits = taken.filter(|(challenge, _)| {
        let digest = sha256(&[has("code_verifier").as_bytes()]);
        known
            && *challenge == URL_SAFE_NO_PAD.encode(digest)
            && has("redirect_uri") == "http://localhost:8087/login/callback"
            && has("grant_type") == "authorization_code"
    });
    match fits {
        Some((_, token)) => Json(json!({ "id_token": token, "access_token": "a" })).into_response(),
        None => (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": "invalid_grant" })),
        )
            .into_response(),
    }
}
