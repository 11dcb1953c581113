//! The login with a certificate: a stand-in of Entra's login, whose checks are PyJWT's, takes what
//! we send, and what we send is what Microsoft's own library sends.

use std::path::Path;
use std::process::Command;

use approvals_core::People;
use approvals_peers::{Process, python};
use approvals_teams::{Cloud, Config, Finding, Teams, doctor};

use crate::support::bot::written;
use crate::support::microsoft::Microsoft;
use crate::support::{APP, TENANT, people, script, set_mode};

/// Makes a certificate with its key, `NAME.crt` and `NAME.key`, as an operator would.
pub(crate) fn made(folder: &Path, name: &str, kind: &str) {
    let mut command = Command::new("openssl");
    command
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=approvals",
        ])
        .args(["-newkey", kind, "-keyout"])
        .arg(folder.join(format!("{name}.key")))
        .arg("-out")
        .arg(folder.join(format!("{name}.crt")));
    let output = command.output().expect("openssl runs");
    assert!(output.status.success(), "{output:?}");
    set_mode(&folder.join(format!("{name}.key")), 0o600);
}

/// What the doctor says about the app's token.
async fn token(teams: &Teams) -> Option<String> {
    let crew = People::parse(&people()).unwrap();
    let found = doctor(teams, &crew).await;
    let about = |finding: &Finding| finding.what == "the app's token";
    found.into_iter().find(about).expect("looked at").wrong
}

fn channel(folder: &Path, name: &str, cloud: &Cloud) -> Teams {
    let text = written("", folder).replace(
        "secret = { file = \"app.secret\" }",
        &format!("certificate = {{ file = \"{name}.crt\", key = \"{name}.key\" }}"),
    );
    let config = Config::parse(&text, folder)
        .unwrap()
        .in_cloud(cloud.clone());
    Teams::open(config, folder).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_logs_in_as_microsofts_own_library_does() {
    let folder = tempfile::tempdir().unwrap();
    let microsoft = Microsoft::start().await;
    for name in ["ours", "stranger"] {
        made(folder.path(), name, "rsa:2048");
    }
    let mut entra = python();
    entra
        .arg(script("entra_certificate.py"))
        .arg(folder.path())
        .args([APP, TENANT]);
    let mut entra = Process::start(entra);
    let line = entra.line_with("entra at ");
    let login = line.rsplit(' ').next().unwrap();
    let openid = format!("{}/openid", microsoft.base);
    let cloud = Cloud::dangerous().loopback(login, &openid).unwrap();

    let teams = channel(folder.path(), "ours", &cloud);
    assert_eq!(token(&teams).await, None);
    let line = entra.line_with("logged in");
    assert!(line.ends_with("as msal does"), "{line}");
    // The token is kept: nobody logs in again while it lasts.
    for _ in 0..3 {
        assert_eq!(token(&teams).await, None);
    }
    // Another certificate for the same app is nobody there.
    let stranger = channel(folder.path(), "stranger", &cloud);
    let wrong = token(&stranger).await.expect("refused");
    assert!(
        wrong.contains("401") && wrong.contains("AADSTS700027"),
        "{wrong}"
    );
    entra.line_with("refused");
    let logins = entra
        .printed()
        .iter()
        .filter(|line| line.starts_with("logged in"))
        .count();
    assert_eq!(logins, 1);
}
