//! `teams.toml`: what is wrong in it starts nothing, and is named.

use approvals_teams::{Certificate, Config};

use crate::certificate::made;
use crate::support::bot::written;
use crate::support::{APP, HOOK, SECRET, TENANT, set_mode, write_private};

const GOOD: &str = r#"
[[post]]
channel = "19:approvals@thread.tacv2"
[[post]]
chat = "19:group-1@thread.v2"
[[post]]
person = "00000000-0000-4000-8000-000000000021"
[[workflow]]
name = "ops"
url = { file = "hook.url" }
link = "https://approvals.example.com/inbox"
"#;

/// What is written in place of what, and what has to be said about it.
const WRONG: &[(&str, &str, &str)] = &[
    ("version = 1", "version = 2", "`version = 1`"),
    (
        "version = 1",
        "version = 1\nsecrets = 1",
        "unknown field `secrets`",
    ),
    (APP, "", "cannot be `app_id`"),
    (
        APP,
        "00000000-0000-0000-0000-000000000000",
        "cannot be `app_id`",
    ),
    (APP, "my-app", "`my-app` cannot be `app_id`"),
    (TENANT, "", "cannot be `tenant`"),
    (TENANT, "common", "`common` cannot be `tenant`"),
    (TENANT, "botframework.com", "cannot be `tenant`"),
    (
        "version = 1",
        "version = 1\ncloud = \"loopback\"",
        "no cloud `loopback`",
    ),
    (
        "version = 1",
        "version = 1\ncloud = \"\"",
        "`us_government`",
    ),
    ("\"app.secret\"", "\"nowhere\"", "nowhere"),
    ("\"app.secret\"", "\"empty\"", "it is empty"),
    ("\"app.secret\"", "\"open.secret\"", "run `chmod 600"),
    (
        "{ file = \"app.secret\" }",
        "\"canary\"",
        "and not the secret",
    ),
    (
        "{ file = \"app.secret\" }",
        "{ canary = \"canary\" }",
        "and not the secret",
    ),
    ("{ file = \"app.secret\" }", "{}", "one of them"),
    (
        "{ file = \"app.secret\" }",
        "{ env = \"A\", file = \"b\" }",
        "one of them",
    ),
    (
        "{ file = \"app.secret\" }",
        "{ env = \"APPROVALS_NO_SUCH\" }",
        "`APPROVALS_NO_SUCH`",
    ),
    ("secret = { file = \"app.secret\" }", "", "one of them"),
    (
        "version = 1",
        "version = 1\ncertificate = { file = \"a.crt\", key = \"a.key\" }",
        "one of them",
    ),
    ("19:approvals@thread.tacv2", "approvals", "no thread id"),
    ("19:group-1@thread.v2", "19:group-1", "no thread id"),
    ("19:group-1@thread.v2", "19:../x@thread.v2", "no thread id"),
    (
        "00000000-0000-4000-8000-000000000021",
        "alex@example.com",
        "cannot be `person`",
    ),
    (
        "chat = \"19:group-1@thread.v2\"",
        "chat = \"19:approvals@thread.tacv2\"",
        "twice",
    ),
    ("chat =", "room =", "room"),
    ("name = \"ops\"", "name = \"\"", "name of a workflow"),
    ("name = \"ops\"", "name = \"a b\"", "name of a workflow"),
    (
        "https://approvals.example.com/inbox",
        "http://approvals.example.com/",
        "the link of",
    ),
    (
        "https://approvals.example.com/inbox",
        "javascript:alert(1)",
        "the link of",
    ),
    ("\"hook.url\"", "\"plain.url\"", "the url of workflow `ops`"),
];

#[test]
fn everything_wrong_is_refused_and_named_and_no_secret_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_private(
        &at("hook.url"),
        &format!("https://flows.example.com/{HOOK}"),
    );
    write_private(
        &at("plain.url"),
        &format!("http://flows.example.com/{HOOK}"),
    );
    write_private(&at("empty"), " \n");
    write_private(&at("open.secret"), SECRET);
    set_mode(&at("open.secret"), 0o640);
    let good = written(GOOD, folder.path());
    assert!(Config::parse(&good, folder.path()).is_ok());
    for (from, to, wanted) in WRONG {
        assert!(good.contains(from), "{from}");
        let wrong = Config::parse(&good.replace(from, to), folder.path()).unwrap_err();
        let wrong = wrong.to_string();
        assert!(wrong.contains(wanted), "{from} => {to}: {wrong}");
        assert!(!wrong.contains("canary"), "{from} => {to}: {wrong}");
    }
    let shown = format!("{:?}", Config::parse(&good, folder.path()).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_certificate_needs_its_own_key_which_nobody_else_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, kind) in [("a", "rsa:2048"), ("b", "rsa:2048"), ("weak", "rsa:1024")] {
        made(folder.path(), name, kind);
    }
    write_private(
        &at("junk.key"),
        "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----",
    );
    let certificate = std::fs::read_to_string(at("a.crt")).unwrap();
    write_private(&at("crt.key"), &certificate);
    let text = written("", folder.path()).replace("secret = { file = \"app.secret\" }", "");
    let check = |certificate: &str, key: &str, wanted: &str| {
        let with = format!("certificate = {{ file = \"{certificate}\", key = \"{key}\" }}");
        let found = Config::parse(&format!("{text}\n{with}"), folder.path());
        let said = found.map_or_else(|error| error.to_string(), |config| format!("{config:?}"));
        assert!(said.contains(wanted), "{certificate} {key}: {said}");
        assert!(!said.contains("PRIVATE"), "{said}");
    };
    check("a.crt", "a.key", "Credential::Certificate(..)");
    check("a.crt", "b.key", "not that of its key");
    check("weak.crt", "weak.key", "no RSA key of 2048 bits");
    check("a.crt", "junk.key", "no RSA key");
    check("a.crt", "crt.key", "key cannot be read");
    check("a.key", "a.key", "the certificate cannot be read");
    check("nowhere", "a.key", "nowhere");
    set_mode(&at("a.key"), 0o644);
    check("a.crt", "a.key", "run `chmod 600");
    let certificate = std::fs::read_to_string(at("b.crt")).unwrap();
    let key = std::fs::read_to_string(at("b.key")).unwrap();
    let shown = format!("{:?}", Certificate::from_pem(&certificate, &key).unwrap());
    assert!(
        shown.contains("thumbprint") && !shown.contains("key"),
        "{shown}"
    );
}
