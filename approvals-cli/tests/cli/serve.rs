//! `approvals serve` as a program, and the official client of the Agent Approval Protocol in front of it.

use std::path::Path;

use approvals_http::{Token, TokenHash};

use crate::support::Lab;

/// A lab that knows two agents and somebody who looks, with their tokens.
fn served() -> (Lab, [String; 4]) {
    let lab = Lab::new();
    let tokens = [(); 4].map(|()| Token::generate().unwrap().reveal().to_owned());
    let mut text = "version = 1\n[limits]\nasks_per_minute = 100000\nagent_per_minute = 100000\nperson_per_minute = 100000\n".to_owned();
    for (name, token) in ["bot", "other-bot"].iter().zip(&tokens) {
        let hash = TokenHash::of(token);
        text += &format!(
            "[[agent]]\nid = \"{name}\"\nsponsor = \"u_alice\"\ntoken_sha256 = \"{hash}\"\n"
        );
    }
    let hash = TokenHash::of(&tokens[2]);
    text += &format!("[[reader]]\nperson = \"u_dana\"\ntoken_sha256 = \"{hash}\"\n");
    let hash = TokenHash::of(&tokens[3]);
    text += &format!(
        "[[provisioner]]\nagents = \"idle\"\nowner = \"u_alice\"\ntoken_sha256 = \"{hash}\"\n"
    );
    write_private(&lab.state().join("http.toml"), &text);
    (lab, tokens)
}

pub(crate) fn write_private(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn the_official_client_asks_waits_and_uses_an_approval_once_across_kills() {
    let (lab, [token, other, ..]) = served();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aap/requester.py");
    let port = approvals_peers::free_port().to_string();
    let mut command = approvals_peers::python();
    command
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_approvals"))
        .arg(lab.state())
        .args([&lab.key("dana"), &token, &other, &port])
        .env("HOME", lab.path("home"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{wrong}");
    // Every use the agents made stands up to an auditor.
    let verified = lab.run(&["verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[test]
fn the_official_receiver_is_provisioned_and_wakes_runs_across_kills() {
    let (lab, _) = served();
    let [port, mine] = [(); 2].map(|()| approvals_peers::free_port().to_string());
    let token = Token::generate().unwrap();
    let path = lab.state().join("http.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = format!(
        "{text}[[provisioner]]\nagents = \"ci\"\nsponsor = \"u_alice\"\ntoken_sha256 = \"{}\"\nreceivers = [\"http://127.0.0.1:{mine}/aap/events\"]\nnetwork = \"loopback\"\n",
        token.hash()
    );
    write_private(&path, &text);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aap/receiver.py");
    let mut command = approvals_peers::python();
    command
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_approvals"))
        .arg(lab.state())
        .args([&lab.key("dana"), token.reveal(), &port, &mine])
        .env("HOME", lab.path("home"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{wrong}");
    assert_eq!(lab.run(&["verify"]).code, 0);
    // Secrets of receivers and hashes of tokens are for the owner only.
    use std::os::unix::fs::PermissionsExt as _;
    let kept = lab.state().join("instances.json");
    let mode = std::fs::metadata(kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn schemathesis_finds_no_500_and_nothing_undocumented() {
    let (lab, [token, _, reader, provisioner]) = served();
    let mut serve = lab.command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("APPROVALS_STATE", lab.state());
    let mut server = approvals_peers::Process::start(serve);
    let line = server.line_with("listening on ");
    let base = line.rsplit(' ').next().unwrap().trim().to_owned();
    for (token, tag) in [
        (&token, "requester"),
        (&reader, "approver"),
        (&reader, "operator"),
        (&provisioner, "provisioner"),
    ] {
        let mut command = std::process::Command::new(approvals_peers::program("schemathesis"));
        command
            .current_dir(lab.path("home"))
            .env("HOME", lab.path("home"))
            .args(["run", &format!("{base}/openapi.json"), "--seed", "1", "--max-examples", "40"])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args(["--include-tag", tag, "--exclude-path", "/v1/events", "--request-timeout", "70"])
            .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{tag}:\n{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        // A description that points nowhere would be checked against nothing.
        assert!(!said.contains("nresolvable"), "{tag}:\n{said}");
    }
    assert!(server.ended().is_none());
}

#[test]
fn a_token_is_printed_once_and_only_its_hash_is_written_down() {
    let lab = Lab::new();
    for (kind, name) in [("agent", "bot"), ("provisioner", "ci")] {
        let made = lab.run(&["token", kind, name, "--sponsor", "u_alice", "--json"]);
        let json = made.json();
        let (token, toml) = (
            json["token"].as_str().unwrap(),
            json["toml"].as_str().unwrap(),
        );
        assert!(!toml.contains(token), "{toml}");
        approvals_http::Config::parse(&format!("version = 1\n{toml}")).unwrap();
        // Nobody behind it: nothing is made.
        assert_eq!(lab.run(&["token", kind, name]).code, 2);
    }
}

#[test]
fn a_configuration_that_others_can_write_or_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (lab, _) = served();
    let path = lab.state().join("http.toml");
    for mode in [0o620, 0o644] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = lab.run(&["serve", "--listen", "127.0.0.1:0"]);
        assert_ne!(refused.code, 0, "{mode:o}: {refused:?}");
        assert!(refused.err.contains("chmod"), "{mode:o}: {refused:?}");
    }
}

#[test]
fn a_client_secret_is_read_from_a_file_of_its_own_that_nobody_else_can_open() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new();
    let config = "version = 1\n[oidc]\nissuer = \"http://localhost:1\"\nclient_id = \"a\"\nclient_secret = { file = \"oidc.secret\" }\namr = [\"mfa\"]\n";
    write_private(&lab.state().join("http.toml"), config);
    let serve = || lab.run(&["serve", "--listen", "127.0.0.1:0"]);
    let missing = serve();
    assert!(
        missing.code == 2 && missing.err.contains("oidc.secret"),
        "{missing:?}"
    );
    let path = lab.state().join("oidc.secret");
    write_private(&path, "\n");
    assert!(serve().err.contains("is empty"));
    write_private(&path, "s3cr3t-canary\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let open = serve();
    assert!(open.code != 0 && open.err.contains("chmod 600"), "{open:?}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut server =
        approvals_peers::Process::start(lab.command(&["serve", "--listen", "127.0.0.1:0"]));
    server.line_with("listening on");
    assert!(!server.printed().concat().contains("s3cr3t-canary"));
}

#[test]
fn a_printed_link_leads_its_person_into_the_inbox() {
    let lab = Lab::new();
    let port = approvals_peers::free_port();
    let at = format!("127.0.0.1:{port}");
    let serve = lab.command(&["serve", "--listen", &at, "--link", "u_dana"]);
    let mut server = approvals_peers::Process::start(serve);
    let line = server.line_with("inbox for u_dana, once: ");
    let path = line
        .split_once(&format!("http://localhost:{port}"))
        .unwrap()
        .1;
    let mut stream = std::net::TcpStream::connect(&at).unwrap();
    let call =
        format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, call.as_bytes()).unwrap();
    let page = std::io::read_to_string(stream).unwrap();
    assert!(page.contains("Continue as u_dana?"), "{page}");
    // Nobody gets a link who is nobody, or for a server that others reach.
    let unknown = lab.run(&["serve", "--listen", "127.0.0.1:0", "--link", "u_mallory"]);
    assert!(
        unknown.code == 1 && unknown.err.contains("u_mallory"),
        "{unknown:?}"
    );
}
