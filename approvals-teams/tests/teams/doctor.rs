//! The doctor: each thing that is wrong is named, and nothing else.

use approvals_core::People;
use approvals_teams::{Config, Teams, doctor};
use serde_json::{Value, json};

use crate::support::bot::{CHAT, Shifted, added, config, gate, send_to, serve, written};
use crate::support::microsoft::{Microsoft, World};
use crate::support::sign::KEYS;
use crate::support::{APP, SECRET, TENANT, people, write_private};

/// What is wrong with the world, with who posts where, or with the people; and what is said of what.
struct Case {
    world: fn(&mut World),
    posts: &'static str,
    secret: &'static str,
    people: fn(String) -> String,
    what: &'static str,
    wanted: &'static str,
}

const WELL: Case = Case {
    world: |_| {},
    posts: "[[post]]\nchat = \"19:group-1@thread.v2\"\n",
    secret: SECRET,
    people: |people| people,
    what: "",
    wanted: "",
};

const TOKEN: &str = "the app's token";
const THEIR_KEYS: &str = "the Bot Connector's keys";
const POSTS: &str = "where requests are posted";
const INSTALLED: &str = "where the app is installed";
const DECIDERS: &str = "who can decide";

fn openid(issuer: &str, keys: &str) -> Option<Value> {
    Some(json!({"issuer": issuer, "jwks_uri": keys}))
}

fn cases() -> Vec<Case> {
    vec![
        WELL,
        Case {
            secret: "canary-another",
            what: TOKEN,
            wanted: "AADSTS7000215",
            ..WELL
        },
        Case {
            world: |world| world.openid = openid("https://evil.example", "http://127.0.0.1:1/keys"),
            what: THEIR_KEYS,
            wanted: "another issuer",
            ..WELL
        },
        Case {
            world: |world| {
                world.openid = openid("https://api.botframework.com", "https://evil.example/keys")
            },
            what: THEIR_KEYS,
            wanted: "none of this cloud's",
            ..WELL
        },
        Case {
            world: |world| {
                world.openid = openid("https://api.botframework.com", "http://127.0.0.1:9/keys")
            },
            what: THEIR_KEYS,
            wanted: "no connection",
            ..WELL
        },
        Case {
            world: |world| world.openid = Some(json!([])),
            what: THEIR_KEYS,
            wanted: "not the JSON",
            ..WELL
        },
        Case {
            world: |world| world.published = Some(vec![KEYS[1].jwk(), KEYS[2].jwk()]),
            what: THEIR_KEYS,
            wanted: "no key is endorsed for Teams",
            ..WELL
        },
        Case {
            posts: "",
            what: POSTS,
            wanted: "add a `[[post]]`",
            ..WELL
        },
        Case {
            posts: "[[post]]\nchat = \"19:another@thread.v2\"\n",
            what: INSTALLED,
            wanted: "`19:another@thread.v2`",
            ..WELL
        },
        Case {
            people: |people| people.replace("\"entra\"", "\"other\""),
            what: DECIDERS,
            wanted: TENANT,
            ..WELL
        },
        Case {
            people: |people| people.replace(TENANT, APP),
            what: DECIDERS,
            wanted: TENANT,
            ..WELL
        },
        Case {
            people: |people| people.replace("\"active\"", "\"disabled\""),
            what: DECIDERS,
            wanted: "`provider = \"entra\"`",
            ..WELL
        },
    ]
}

async fn check(case: Case) {
    let (microsoft, folder) = (Microsoft::start().await, tempfile::tempdir().unwrap());
    let text = written(case.posts, folder.path());
    write_private(&folder.path().join("app.secret"), case.secret);
    let config = Config::parse(&text, folder.path()).unwrap();
    // Where it was added outlives a restart.
    let place = json!({"version": 1, "conversations": {CHAT: {"service": microsoft.service()}}});
    std::fs::write(folder.path().join("teams.places.json"), place.to_string()).unwrap();
    let teams = Teams::open(config.in_cloud(microsoft.cloud()), folder.path()).unwrap();
    (case.world)(&mut microsoft.world());
    let crew = People::parse(&(case.people)(people())).unwrap();
    let found = doctor(&teams, &crew).await;
    let about: Vec<_> = found.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(about, [TOKEN, THEIR_KEYS, POSTS, INSTALLED, DECIDERS]);
    for finding in found {
        let wrong = finding.wrong.unwrap_or_default();
        match finding.what == case.what {
            true => assert!(wrong.contains(case.wanted), "{}: {wrong}", case.what),
            false => assert_eq!(wrong, "", "{} and {}", case.what, finding.what),
        }
        assert!(!wrong.contains("canary"), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_thing_is_named_and_nothing_else() {
    for case in cases() {
        check(case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_installed_nowhere_is_told_what_to_do() {
    let (microsoft, folder) = (Microsoft::start().await, tempfile::tempdir().unwrap());
    let config = config(WELL.posts, folder.path()).in_cloud(microsoft.cloud());
    let teams = Teams::open(config, folder.path()).unwrap();
    let crew = People::parse(&people()).unwrap();
    let installed = async || {
        let found = doctor(&teams, &crew).await;
        found
            .into_iter()
            .find(|finding| finding.what == INSTALLED)
            .unwrap()
            .wrong
    };
    let wrong = installed().await.unwrap_or_default();
    assert!(wrong.contains("`approvals teams package`"), "{wrong}");
    // Then it is added there, and removed again.
    let gate = gate(&teams, Shifted::default()).await;
    let url = serve(&teams, &gate, 0).await;
    let tell = async |action: &str| {
        let mut activity = added(&microsoft.service());
        activity["action"] = json!(action);
        send_to(&url, &microsoft.service(), &activity).await.0
    };
    assert_eq!(tell("add").await, 200);
    assert_eq!(installed().await, None);
    assert_eq!(tell("remove").await, 200);
    assert!(installed().await.is_some());
}
