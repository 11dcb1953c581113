//! Logins at an identity provider, and the attacks on them. Numbers are those of the threat model.

use std::collections::BTreeMap;
use std::time::Duration;

use approvals_core::Status;
use approvals_http::Config;
use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::provider::{CLIENT, Provider, SECRET, With, token};
use super::support::{House, field, get, post, scale, text};

fn config(issuer: &str, more: &str) -> Config {
    let text = format!(
        "version = 1\n{more}\n[oidc]\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT}\"\nclient_secret = {{ file = \"oidc.secret\" }}\namr = [\"mfa\", \"hwk\"]\nfresh_s = 600\n"
    );
    let config = Config::parse(&text).unwrap();
    assert_eq!(config.client_secret_file(), Some("oidc.secret"));
    config.with_client_secret(&format!("{SECRET}\n")).unwrap()
}

/// What a provider says differently.
type Change = fn(&mut Value);

/// The entry of somebody's account in the people file.
pub(crate) fn account(issuer: &str, subject: &str) -> String {
    format!(
        "[[person.identity]]\nprovider = \"oidc\"\ntenant = \"{issuer}\"\nsubject = \"{subject}\"\n"
    )
}

async fn open(more: &str) -> (Provider, House) {
    let provider = Provider::open().await;
    let bob = account(&provider.issuer, "bob-1");
    let dana = account(&provider.issuer, "dana-1");
    let house = House::with(
        config(&provider.issuer, more),
        &[("u_bob", &bob), ("u_dana", &dana)],
    )
    .await;
    (provider, house)
}

/// A login that has begun: the browser's cookie, and what the provider was asked.
struct Begun {
    cookie: String,
    asked: BTreeMap<String, String>,
}

impl Begun {
    fn state(&self) -> &str {
        &self.asked["state"]
    }

    /// What an honest provider says of Bob.
    fn claims(&self, provider: &Provider, house: &House) -> Value {
        let now = house.gate.now().as_micros() / 1_000_000;
        json!({
            "iss": provider.issuer, "sub": "bob-1", "aud": CLIENT, "exp": now + 300, "iat": now,
            "nonce": self.asked["nonce"], "auth_time": now, "amr": ["pwd", "mfa"],
        })
    }

    /// Has the provider give out a code for this token.
    fn give(&self, provider: &Provider, code: &str, token: String) {
        provider.gives(code, &self.asked["code_challenge"], token);
    }
}

impl House {
    async fn begin(&self, path: &str) -> Begun {
        let answer = self.send(get(path, None)).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        let place = answer.headers()[header::LOCATION].to_str().unwrap();
        let query = place.split_once('?').unwrap().1;
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
        let asked = pairs
            .map(|(name, value)| (name.to_owned(), percent_decoded(value)))
            .collect();
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
        Begun {
            cookie: cookie.split(';').next().unwrap().to_owned(),
            asked,
        }
    }

    async fn back(&self, cookie: &str, query: &str) -> Response<Body> {
        let path = format!("/login/callback?{query}");
        self.send(get(&path, Some(cookie))).await
    }

    /// An honest login; the answer is the cookie of the session.
    async fn log_in(&self, provider: &Provider, path: &str, change: Change) -> String {
        let begun = self.begin(path).await;
        let mut claims = begun.claims(provider, self);
        change(&mut claims);
        begun.give(provider, "c", token(RS, &claims.to_string(), With::Rsa));
        let answer = self
            .back(&begun.cookie, &format!("code=c&state={}", begun.state()))
            .await;
        session(&answer).expect("a session")
    }
}

/// The cookie of the session that an answer opens.
fn session(answer: &Response<Body>) -> Option<String> {
    let cookies = answer.headers().get_all(header::SET_COOKIE).iter();
    let mut cookies = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    let found = cookies.find(|cookie| cookie.contains("approvals=apr_"));
    found.map(str::to_owned)
}

fn percent_decoded(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('%') {
        out += before;
        out.push(char::from(u8::from_str_radix(&after[..2], 16).unwrap()));
        rest = &after[2..];
    }
    out + rest
}

const RS: &str = r#"{"alg":"RS256","kid":"rsa","typ":"JWT"}"#;
const ES: &str = r#"{"alg":"ES256","kid":"ec"}"#;

/// What a token turns out to be worth.
async fn check(what: &str, header: &str, with: With, change: Change, expected: &str) {
    let (provider, house) = open("").await;
    let begun = house.begin("/login/start").await;
    let mut claims = begun.claims(&provider, &house);
    change(&mut claims);
    let claims = match claims.get("raw") {
        Some(raw) => raw.as_str().unwrap().to_owned(),
        None => claims.to_string(),
    };
    begun.give(&provider, "c", token(header, &claims, with));
    let answer = house
        .back(&begun.cookie, &format!("code=c&state={}", begun.state()))
        .await;
    let opened = session(&answer);
    let page = text(answer).await;
    match expected {
        "" => assert!(opened.is_some(), "{what}: {page}"),
        code => {
            assert!(
                page.contains(&format!("<code>{code}</code>")),
                "{what}: {page}"
            );
            assert!(opened.is_none(), "{what}");
        }
    }
    assert!(!page.contains(SECRET));
}

#[tokio::test]
async fn threat_24_a_token_counts_only_if_the_provider_signed_it() {
    const NO: &str = "Unauthenticated";
    let same: Change = |_| {};
    for (what, header, with, expected) in [
        ("RS256", RS, With::Rsa, ""),
        ("ES256", ES, With::Ec, ""),
        (
            "no name, but one key of the kind",
            r#"{"alg":"ES256"}"#,
            With::Ec,
            "",
        ),
        ("none", r#"{"alg":"none"}"#, With::Nothing, NO),
        ("None", r#"{"alg":"None","kid":"ec"}"#, With::Nothing, NO),
        ("no signature", ES, With::Nothing, NO),
        (
            "HS256, keyed with the public key",
            r#"{"alg":"HS256","kid":"ec"}"#,
            With::Public,
            NO,
        ),
        ("an HMAC where a signature should be", ES, With::Public, NO),
        (
            "HS256 by the shared key's name",
            r#"{"alg":"HS256","kid":"shared"}"#,
            With::Public,
            NO,
        ),
        ("RS384", r#"{"alg":"RS384","kid":"rsa"}"#, With::Rsa384, NO),
        ("another key under a known name", ES, With::Rogue, NO),
        (
            "a key of another kind",
            r#"{"alg":"RS256","kid":"ec"}"#,
            With::Rsa,
            NO,
        ),
        (
            "the key for encryption",
            r#"{"alg":"RS256","kid":"for-encryption"}"#,
            With::Rsa,
            NO,
        ),
        (
            "an unknown key",
            r#"{"alg":"RS256","kid":"new"}"#,
            With::Rsa,
            NO,
        ),
        (
            "an extension",
            r#"{"alg":"ES256","kid":"ec","crit":["b64"],"b64":true}"#,
            With::Ec,
            NO,
        ),
        (
            "two algorithms",
            r#"{"alg":"none","alg":"ES256","kid":"ec"}"#,
            With::Ec,
            NO,
        ),
        ("no algorithm", r#"{"kid":"ec"}"#, With::Ec, NO),
    ] {
        check(what, header, with, same, expected).await;
    }
}

#[tokio::test]
async fn threat_24_a_token_counts_only_for_us_now_and_for_this_login() {
    const NO: &str = "Unauthenticated";
    const LOW: &str = "AssuranceTooLow";
    let cases: [(&str, Change, &str); 25] = [
        ("another nonce", |it| it["nonce"] = json!("apr_x"), NO),
        ("no nonce", |it| it["nonce"] = Value::Null, NO),
        ("another audience", |it| it["aud"] = json!("other"), NO),
        ("others too", |it| it["aud"] = json!([CLIENT, "other"]), NO),
        ("no audience", |it| it["aud"] = json!([]), NO),
        ("a list of us", |it| it["aud"] = json!([CLIENT]), ""),
        ("given to another", |it| it["azp"] = json!("other"), NO),
        ("given to us", |it| it["azp"] = json!(CLIENT), ""),
        (
            "another issuer",
            |it| it["iss"] = json!("https://evil.example"),
            NO,
        ),
        ("expired", |it| later(it, "exp", -400), NO),
        ("no end", |it| it["exp"] = Value::Null, NO),
        ("an end as text", |it| it["exp"] = json!("9999999999"), NO),
        ("of the future", |it| later(it, "iat", 400), NO),
        ("made long ago", |it| later(it, "iat", -4_000), NO),
        (
            "not valid yet",
            |it| {
                it["nbf"] = it["iat"].clone();
                later(it, "nbf", 400);
            },
            NO,
        ),
        ("no time of login", |it| it["auth_time"] = Value::Null, LOW),
        (
            "a login of three hours ago",
            |it| later(it, "auth_time", -10_800),
            LOW,
        ),
        ("a login to come", |it| later(it, "auth_time", 400), LOW),
        ("no methods", |it| it["amr"] = json!([]), LOW),
        (
            "methods left out",
            |it| drop(it.as_object_mut().unwrap().remove("amr")),
            LOW,
        ),
        ("a password alone", |it| it["amr"] = json!(["pwd"]), LOW),
        ("methods as text", |it| it["amr"] = json!("mfa"), NO),
        (
            "a method that only looks like one",
            |it| it["amr"] = json!(["MFA", "mfa "]),
            LOW,
        ),
        (
            "two subjects",
            |it| {
                let raw = it
                    .to_string()
                    .replacen("\"sub\"", "\"sub\":\"dana-1\",\"sub\"", 1);
                *it = json!({ "raw": raw });
            },
            NO,
        ),
        ("no claims", |it| *it = json!({ "raw": "[]" }), NO),
    ];
    for (what, change, expected) in cases {
        check(what, RS, With::Rsa, change, expected).await;
    }
}

fn later(claims: &mut Value, name: &str, seconds: i64) {
    claims[name] = json!(claims[name].as_i64().unwrap() + seconds);
}

#[tokio::test]
async fn threat_16_and_21_an_account_is_somebodys_by_issuer_and_subject_alone() {
    const NOBODY: &str = "IdentityUnresolved";
    let cases: [(&str, Change); 5] = [
        ("a stranger", |it| it["sub"] = json!("mallory-1")),
        ("by e-mail", |it| {
            it["sub"] = json!("mallory-1");
            it["email"] = json!("bob@example.com");
            it["email_verified"] = json!(true);
            it["preferred_username"] = json!("bob-1");
        }),
        ("in capitals", |it| it["sub"] = json!("BOB-1")),
        ("a person's id", |it| it["sub"] = json!("u_bob")),
        ("with a pattern", |it| it["sub"] = json!("*")),
    ];
    for (what, change) in cases {
        check(what, RS, With::Rsa, change, NOBODY).await;
    }
}

#[tokio::test]
async fn threat_39_a_login_belongs_to_the_browser_that_began_it() {
    let (provider, house) = open("").await;
    let honest = |begun: &Begun, code: &str| {
        let claims = begun.claims(&provider, &house).to_string();
        begun.give(&provider, code, token(ES, &claims, With::Ec));
    };
    // Mallory's code and state in somebody else's browser: that one has no login under way, or
    // another one.
    let mallory = house.begin("/login/start").await;
    honest(&mallory, "m");
    let victim = house.begin("/login/start").await;
    let query = format!("code=m&state={}", mallory.state());
    for cookie in ["", "approvals-login=apr_x", &victim.cookie] {
        let answer = house.back(cookie, &query).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{cookie}");
        assert!(session(&answer).is_none());
    }
    // The victim's own login is used up by that: it begins again, and nobody is signed in.
    let answer = house
        .back(&victim.cookie, &format!("code=m&state={}", victim.state()))
        .await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    for state in ["", "apr_x", victim.state()] {
        let begun = house.begin("/login/start").await;
        honest(&begun, "s");
        let answer = house
            .back(&begun.cookie, &format!("code=s&state={state}"))
            .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{state}");
    }
    let begun = house.begin("/login/start").await;
    honest(&begun, "t");
    let twice = format!("code=t&state=x&state={}", begun.state());
    let answer = house.back(&begun.cookie, &twice).await;
    assert!(answer.status().is_client_error() && session(&answer).is_none());
}

#[tokio::test]
async fn threat_39_an_answer_counts_once() {
    let (provider, house) = open("").await;
    let begun = house.begin("/login/start").await;
    let claims = begun.claims(&provider, &house).to_string();
    begun.give(&provider, "c", token(RS, &claims, With::Rsa));
    let query = format!("code=c&state={}", begun.state());
    let first = house.back(&begun.cookie, &query).await;
    assert!(session(&first).is_some());
    let again = house.back(&begun.cookie, &query).await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
    assert!(session(&again).is_none());
    // The same code in a login of somebody's own: PKCE binds it to the one that it was given for.
    begun.give(&provider, "c", token(RS, &claims, With::Rsa));
    let own = house.begin("/login/start").await;
    let answer = house
        .back(&own.cookie, &format!("code=c&state={}", own.state()))
        .await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn threat_20_another_providers_answer_is_not_this_ones() {
    let (provider, house) = open("").await;
    let issuer = provider.issuer.clone();
    let back = async |iss: &str| {
        let begun = house.begin("/login/start").await;
        let claims = begun.claims(&provider, &house).to_string();
        begun.give(&provider, "c", token(RS, &claims, With::Rsa));
        let query = format!("code=c&state={}{iss}", begun.state());
        session(&house.back(&begun.cookie, &query).await).is_some()
    };
    assert!(back("").await);
    assert!(back(&format!("&iss={issuer}")).await);
    assert!(!back("&iss=https://evil.example").await);
    assert!(!back(&format!("&iss={issuer}/")).await);
    // A provider that always says who it is must say so.
    let (provider, house) = open("").await;
    provider.says(
        "authorization_response_iss_parameter_supported",
        json!(true),
    );
    let begun = house.begin("/login/start").await;
    let claims = begun.claims(&provider, &house).to_string();
    begun.give(&provider, "c", token(RS, &claims, With::Rsa));
    let answer = house
        .back(&begun.cookie, &format!("code=c&state={}", begun.state()))
        .await;
    assert!(session(&answer).is_none());
}

#[tokio::test]
async fn a_provider_is_used_only_as_it_must_be() {
    for (name, value) in [
        ("issuer", json!("https://evil.example")),
        ("token_endpoint", json!("http://203.0.113.9/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("token_endpoint", json!(7)),
    ] {
        let (provider, house) = open("").await;
        provider.says(name, value);
        let answer = house.send(get("/login/start", None)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{name}");
        assert!(text(answer).await.contains("IdentityUnresolved"), "{name}");
    }
    // What the provider says of an error is not repeated, whatever it is.
    let (_provider, house) = open("").await;
    let begun = house.begin("/login/start").await;
    let query = format!(
        "error=access_denied%3Cscript%3E&error_description=evil&state={}",
        begun.state()
    );
    let page = text(house.back(&begun.cookie, &query).await).await;
    assert!(
        page.contains("access_deniedscript") && !page.contains("evil"),
        "{page}"
    );
}

#[tokio::test]
async fn threat_60_an_unknown_key_makes_us_look_once_a_minute() {
    let (provider, house) = open("").await;
    house.log_in(&provider, "/login/start", |_| {}).await;
    assert_eq!(provider.looked(), 1);
    for name in 0..5 {
        let begun = house.begin("/login/start").await;
        let header = format!(r#"{{"alg":"RS256","kid":"new-{name}"}}"#);
        let claims = begun.claims(&provider, &house).to_string();
        begun.give(&provider, "c", token(&header, &claims, With::Rsa));
        let query = format!("code=c&state={}", begun.state());
        assert!(session(&house.back(&begun.cookie, &query).await).is_none());
    }
    assert_eq!(provider.looked(), 1);
    // Keys that were renamed before anybody looked are found.
    let (provider, house) = open("").await;
    provider.names("new", "ec");
    let begun = house.begin("/login/start").await;
    let claims = begun.claims(&provider, &house).to_string();
    begun.give(
        &provider,
        "c",
        token(r#"{"alg":"RS256","kid":"new"}"#, &claims, With::Rsa),
    );
    let query = format!("code=c&state={}", begun.state());
    assert!(session(&house.back(&begun.cookie, &query).await).is_some());
}

#[tokio::test]
async fn what_the_provider_is_asked_is_what_the_standard_says() {
    let (provider, house) = open("").await;
    let begun = house.begin("/login/start").await;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", "http://localhost:8087/login/callback"),
        ("scope", "openid"),
        ("code_challenge_method", "S256"),
        ("max_age", "600"),
        ("tenant", "a"),
    ] {
        assert_eq!(begun.asked[name], value, "{name}");
    }
    assert!(!begun.asked.contains_key("prompt"));
    let again = house.begin("/login/start?again=yes").await;
    assert_eq!(
        (&*again.asked["max_age"], &*again.asked["prompt"]),
        ("0", "login")
    );
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(begun.asked[name], again.asked[name], "{name}");
        assert!(begun.asked[name].len() >= 43, "{name}");
    }
    // Somebody whom the provider lets pass without proving themselves anew has not.
    let claims = || {
        let mut claims = again.claims(&provider, &house);
        later(&mut claims, "auth_time", -120);
        claims.to_string()
    };
    again.give(&provider, "c", token(RS, &claims(), With::Rsa));
    let answer = house
        .back(&again.cookie, &format!("code=c&state={}", again.state()))
        .await;
    assert!(session(&answer).is_none());
    assert!(text(answer).await.contains("AssuranceTooLow"));
}

#[tokio::test]
async fn a_login_leads_nowhere_else() {
    let (provider, house) = open("").await;
    let id = house.requests().await[1].1;
    for query in [
        "request=https://evil.example",
        "request=//evil.example",
        "next=https://evil.example",
        "request=",
        "again=no",
        "redirect_uri=https://evil.example",
    ] {
        let answer = house
            .send(get(&format!("/login/start?{query}"), None))
            .await;
        assert!(answer.status().is_client_error(), "{query}");
        assert!(!answer.headers().contains_key(header::LOCATION), "{query}");
    }
    // Under another name nobody is sent anywhere, and under another name of ours to the right one.
    let mut request = get("/login/start", None);
    request
        .headers_mut()
        .insert("host", "evil.example".parse().unwrap());
    assert_eq!(house.send(request).await.status(), StatusCode::NOT_FOUND);
    let mut request = get(&format!("/login/start?request={id}"), None);
    request
        .headers_mut()
        .insert("host", "127.0.0.1:8087".parse().unwrap());
    let answer = house.send(request).await;
    assert_eq!(
        answer.headers()[header::LOCATION],
        format!("http://localhost:8087/login/start?request={id}")
    );
    // Whoever came for a request gets there.
    let page = house.send(get(&format!("/inbox/r/{id}"), None)).await;
    let place = page.headers()[header::LOCATION].to_str().unwrap();
    assert_eq!(place, format!("/login?request={id}"));
    let login = text(house.send(get(place, None)).await).await;
    let start = format!("/login/start?request={id}");
    assert!(login.contains(&start), "{login}");
    let begun = house.begin(&start).await;
    let claims = begun.claims(&provider, &house).to_string();
    begun.give(&provider, "c", token(RS, &claims, With::Rsa));
    let answer = house
        .back(&begun.cookie, &format!("code=c&state={}", begun.state()))
        .await;
    assert_eq!(answer.headers()[header::LOCATION], format!("/inbox/r/{id}"));
}

#[tokio::test]
async fn threat_40_a_session_is_never_one_that_was_brought_along() {
    let (provider, house) = open("").await;
    let fixed = "approvals=apr_fixed";
    let begun = house.begin("/login/start").await;
    let claims = begun.claims(&provider, &house).to_string();
    begun.give(&provider, "c", token(RS, &claims, With::Rsa));
    let both = format!("{}; {fixed}", begun.cookie);
    let answer = house
        .back(&both, &format!("code=c&state={}", begun.state()))
        .await;
    let first = session(&answer).unwrap();
    assert_ne!(first, fixed);
    let signed_in = async |cookie: &str| {
        let answer = house.send(get("/inbox", Some(cookie))).await;
        answer.status() == StatusCode::OK
    };
    assert!(!signed_in(fixed).await && signed_in(&first).await);
    // A new login has a new secret, and the old one is worth nothing.
    let begun = house.begin("/login/start").await;
    let claims = begun.claims(&provider, &house).to_string();
    begun.give(&provider, "c", token(RS, &claims, With::Rsa));
    let both = format!("{}; {first}", begun.cookie);
    let answer = house
        .back(&both, &format!("code=c&state={}", begun.state()))
        .await;
    let second = session(&answer).unwrap();
    assert!(!signed_in(&first).await && signed_in(&second).await);
    // Nor is one that was left.
    let csrf = field(&house.page("/inbox", &second).await, "csrf");
    house
        .send(post("/logout", Some(&second), &format!("csrf={csrf}")))
        .await;
    assert!(!signed_in(&second).await);
}

#[tokio::test]
async fn threat_24_a_fresh_login_is_worth_more_than_an_old_one() {
    let (provider, house) = open("").await;
    let id = house.ask(scale("billing-api".into(), 12)).await;
    let path = format!("/inbox/r/{id}");
    let form = |page: &str| {
        let [csrf, digest, policy] = ["csrf", "digest", "policy"].map(|name| field(page, name));
        format!("csrf={csrf}&digest={digest}&policy={policy}&vote=approve&reason=")
    };
    // A link proves less than is asked for, and nothing newer is offered.
    let link = house.sign_in("u_bob").await;
    let page = house.page(&path, &link).await;
    assert!(!page.contains("value=\"approve\"") && !page.contains("again=yes"));
    // A login that is good, and older than `fresh_s`: it looks, and is told how to prove more.
    let old = house
        .log_in(&provider, "/login/start", |it| later(it, "auth_time", -630))
        .await;
    let page = house.page(&path, &old).await;
    let again = format!("/login/start?again=yes&amp;request={id}");
    let shown = page.replace("&#38;", "&amp;");
    assert!(page.contains("login of a while ago, A1"), "{page}");
    assert!(
        shown.contains(&again) && !page.contains("value=\"approve\""),
        "{page}"
    );
    let answer = house.send(post(&path, Some(&old), &form(&page))).await;
    let refused = text(answer).await.replace("&#38;", "&amp;");
    assert!(
        refused.contains("AssuranceTooLow") && refused.contains(&again),
        "{refused}"
    );
    assert_eq!(house.gate.card(id).await.unwrap().status, Status::Pending);
    // A fresh one decides, and the record says by which account and how it was proven.
    let fresh = house.log_in(&provider, "/login/start", |_| {}).await;
    let page = house.page(&path, &fresh).await;
    assert!(page.contains("fresh login, A2"), "{page}");
    let answer = house.send(post(&path, Some(&fresh), &form(&page))).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(house.gate.card(id).await.unwrap().status, Status::Approved);
    let recorded = house.recorded("review.recorded").await;
    let last = recorded.last().unwrap();
    for part in [
        "\"oidc\"",
        "auth_time",
        "pwd mfa",
        "id_token_sha256",
        "bob-1",
        "\"A2\"",
    ] {
        assert!(last.contains(part), "{part}: {last}");
    }
    assert!(house.gate.journal().verify().await.unwrap().passed());
}

#[tokio::test]
async fn with_tls_cookies_are_of_the_host_alone_and_links_are_nobodys() {
    let (provider, house) = open("public_url = \"https://approvals.example\"").await;
    let call = |path: &str, cookie: Option<&str>| {
        let mut request = get(path, cookie);
        request
            .headers_mut()
            .insert("host", "approvals.example".parse().unwrap());
        request
    };
    let answer = house.send(call("/login/start", None)).await;
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-approvals-login=apr_"),
        "{cookie}"
    );
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let place = answer.headers()[header::LOCATION].to_str().unwrap();
    assert!(place.starts_with(&format!("{}/authorize?", provider.issuer)));
    assert!(place.contains("https%3A%2F%2Fapprovals.example%2Flogin%2Fcallback"));
    // There is no way in by a link, and none is spoken of.
    let login = text(house.send(call("/login", None)).await).await;
    assert!(
        login.contains("/login/start") && !login.contains("--link"),
        "{login}"
    );
    let link = house.link("u_bob");
    let answer = house.send(call(&link, None)).await;
    assert!(text(answer).await.contains("NotEligible"));
}

#[tokio::test]
async fn without_a_provider_nobody_signs_in_at_one() {
    let house = House::open("").await;
    for path in ["/login/start", "/login/callback?code=c&state=s"] {
        let answer = house.send(get(path, None)).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(
        !text(house.send(get("/login", None)).await)
            .await
            .contains("/login/start")
    );
}

#[tokio::test]
async fn threat_22_whoever_has_left_is_signed_out_and_a_session_has_an_end() {
    let (provider, house) = open("[limits]\nidle_s = 0").await;
    let cookie = house.log_in(&provider, "/login/start", |_| {}).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let answer = house.send(get("/inbox", Some(&cookie))).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "idle");
    let (provider, house) = open("").await;
    let cookie = house.log_in(&provider, "/login/start", |_| {}).await;
    house.forget("u_bob");
    let answer = house.send(get("/inbox", Some(&cookie))).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let begun = house.begin("/login/start").await;
    let claims = begun.claims(&provider, &house).to_string();
    begun.give(&provider, "c", token(RS, &claims, With::Rsa));
    let answer = house
        .back(&begun.cookie, &format!("code=c&state={}", begun.state()))
        .await;
    assert!(session(&answer).is_none());
}

impl House {
    /// The bytes of all records of a kind.
    async fn recorded(&self, kind: &'static str) -> Vec<String> {
        let stored = self.gate.journal().read(|reader| reader.records(0, 10_000));
        let stored = stored.await.unwrap();
        let texts = stored
            .into_iter()
            .map(|record| String::from_utf8(record.bytes.to_vec()).unwrap());
        let wanted = format!("\"{kind}\"");
        texts.filter(|text| text.contains(&wanted)).collect()
    }
}
