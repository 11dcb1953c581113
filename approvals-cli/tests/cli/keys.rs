//! Keys of every kind that OpenSSH can sign with.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{Lab, Outcome, check_refused, export_users};

/// An agent of this test alone; it ends with it.
struct SshAgent {
    child: Child,
    socket: PathBuf,
}

impl SshAgent {
    fn start(lab: &Lab) -> Self {
        let socket = lab.path("agent");
        let mut command = Command::new("ssh-agent");
        command
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().unwrap();
        while !socket.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Self { child, socket }
    }

    fn add(&self, key: &Path, passphrase: &str, lab: &Lab) {
        let ask = lab.path("ask");
        let mut script = fs::File::create(&ask).unwrap();
        writeln!(script, "#!/bin/sh\necho '{passphrase}'").unwrap();
        drop(script);
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&ask, mode).unwrap();
        let mut add = Command::new("ssh-add");
        add.arg(key)
            .env("SSH_AUTH_SOCK", &self.socket)
            .env("SSH_ASKPASS", &ask)
            .env("SSH_ASKPASS_REQUIRE", "force");
        assert!(add.stderr(Stdio::null()).status().unwrap().success());
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Adds another key to Dana's.
fn link(lab: &Lab, key: &Path) {
    let path = lab.state().join("people.toml");
    let text = fs::read_to_string(&path).unwrap();
    let identity = format!(
        "identity = [{{ provider = \"ssh\", key = \"{}\" }}, ",
        crate::support::public(key)
    );
    let (before, after) = text.split_once("u_dana").unwrap();
    fs::write(
        &path,
        format!(
            "{before}u_dana{}",
            after.replacen("identity = [", &identity, 1)
        ),
    )
    .unwrap();
}

#[tokio::test]
async fn plain_keys_of_both_kinds_sign() {
    let lab = Lab::new();
    let ecdsa = lab.make_key("ecdsa", "ecdsa", "");
    link(&lab, &ecdsa);
    for key in ["dana", "ecdsa"] {
        let id = lab.asked(export_users()).await.to_string();
        let said = lab.run(&["approve", &id, "--key", &lab.key(key)]).ok();
        assert!(said.contains("approved by u_dana"), "{key}: {said}");
    }
}

#[tokio::test]
async fn the_key_is_found_in_the_environment_and_in_its_usual_place() {
    let lab = Lab::new();
    let id = lab.asked(export_users()).await.to_string();
    let mut command = lab.command(&["approve", &id]);
    command.env("APPROVALS_KEY", lab.key("dana"));
    assert!(Outcome::of(command).ok().contains("approved by u_dana"));

    let id = lab.asked(export_users()).await.to_string();
    assert!(check_refused(&lab, &["approve", &id], "Misuse", 2).contains("`--key`"));
    let folder = lab.path("home").join(".ssh");
    fs::create_dir(&folder).unwrap();
    fs::copy(lab.key("erin"), folder.join("id_ecdsa")).unwrap();
    assert!(
        lab.run(&["approve", &id])
            .ok()
            .contains("approved by u_erin")
    );
}

#[tokio::test]
async fn a_key_in_an_agent_signs_by_its_public_half() {
    let lab = Lab::new();
    let agent = SshAgent::start(&lab);
    let locked = lab.make_key("locked", "ed25519", "open sesame");
    link(&lab, &locked);
    agent.add(&locked, "open sesame", &lab);
    let public = format!("{}.pub", lab.key("locked"));
    for key in [public, lab.key("locked")] {
        let id = lab.asked(export_users()).await.to_string();
        let mut command = lab.command(&["approve", &id, "--key", &key]);
        command.env("SSH_AUTH_SOCK", &agent.socket);
        let said = Outcome::of(command).ok();
        assert!(said.contains("approved by u_dana"), "{said}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_sign_says_what_to_do() {
    let lab = Lab::new();
    let locked = lab.make_key("locked", "ed25519", "open sesame");
    link(&lab, &locked);
    let id = lab.asked(export_users()).await.to_string();
    let said = check_refused(
        &lab,
        &["approve", &id, "--key", &lab.key("locked")],
        "SignatureInvalid",
        1,
    );
    assert!(said.contains("`ssh-add`"), "{said}");
    fs::remove_file(lab.key("locked")).unwrap();
    let public = format!("{}.pub", lab.key("locked"));
    check_refused(
        &lab,
        &["approve", &id, "--key", &public],
        "SignatureInvalid",
        1,
    );

    let mut command = lab.command(&["approve", &id, "--key", &public]);
    command.env("PATH", "");
    let said = Outcome::of(command);
    assert!(
        said.code == 1 && said.err.contains("not installed"),
        "{said:?}"
    );

    fs::write(lab.path("words"), "not a key").unwrap();
    let said = check_refused(
        &lab,
        &["approve", &id, "--key", &lab.key("words")],
        "Misuse",
        2,
    );
    assert!(said.contains("`--key`"), "{said}");
    assert!(lab.run(&["list"]).ok().contains(&id), "it still waits");
}
