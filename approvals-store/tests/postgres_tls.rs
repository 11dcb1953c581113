//! Encrypted connections: only to a server that proves who it is.
#![cfg(all(unix, feature = "postgres"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use approvals_scratch::{Cluster, PASSWORD, name};
use approvals_store::postgres::PostgresStore;
use support::add;
use tempfile::TempDir;

fn openssl(directory: &Path, line: &str) {
    let mut openssl = Command::new("openssl");
    let done = openssl
        .args(line.split(' '))
        .current_dir(directory)
        .output();
    let done = done.unwrap();
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "openssl {line}: {words}");
}

/// An authority, and a certificate of it for `localhost` and nothing else.
fn certificates(directory: &Path) {
    fs::write(
        directory.join("names"),
        "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for authority in ["ca", "other"] {
        openssl(
            directory,
            &format!(
                "req -x509 {new} -days 2 -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"
            ),
        );
    }
    openssl(
        directory,
        &format!("req {new} -subj /CN=localhost -keyout server.key -out server.csr"),
    );
    openssl(
        directory,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
}

/// A server that speaks TLS, and the directory of the authorities.
fn server(tls: &str) -> (Cluster, TempDir) {
    let directory = TempDir::new().unwrap();
    certificates(directory.path());
    let settings = format!(
        "listen_addresses = 'localhost'\nssl = {tls}\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n"
    );
    let cluster = Cluster::prepared(&settings, |cluster| {
        for file in ["server.pem", "server.key"] {
            let there = cluster.data().join(file);
            fs::copy(directory.path().join(file), &there).unwrap();
            fs::set_permissions(&there, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
            cluster.give(&there);
        }
    });
    (cluster, directory)
}

#[test]
fn a_server_that_does_not_prove_its_name_is_refused() {
    let (cluster, authorities) = server("on");
    let database = cluster.database();
    let (database, port) = (name(&database), cluster.port());
    let url = |host: &str, options: &str| {
        let roots = authorities.path().display();
        let options = options.replace('@', &format!("sslrootcert={roots}/"));
        format!("postgres://postgres:{PASSWORD}@{host}:{port}/{database}?{options}")
    };
    let mut store = PostgresStore::open(&url("localhost", "@ca.pem")).unwrap();
    add(&mut store, b"kept");
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE ssl AND application_name = 'approvals'";
    assert_eq!(cluster.sql("postgres", encrypted), "1");

    for (host, options, words) in [
        ("localhost", "@other.pem", "certificate"),
        ("localhost", "sslmode=require", "certificate"),
        ("127.0.0.1", "@ca.pem", "certificate"),
        (
            "localhost",
            "@server.key",
            "no certificate that can be used",
        ),
    ] {
        let error = PostgresStore::open(&url(host, options)).unwrap_err();
        assert!(
            error.to_string().contains(words),
            "{host} {options}: {error}"
        );
        assert!(!error.to_string().contains(PASSWORD), "{error}");
    }
    let url = url("localhost", "@ca.pem").replace(PASSWORD, "wrong");
    let error = PostgresStore::open(&url).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("check the name and the password"),
        "{error}"
    );
}

#[test]
fn a_server_without_encryption_is_not_told_the_password() {
    let (cluster, authorities) = server("off");
    let database = cluster.database();
    let (database, port) = (name(&database), cluster.port());
    let url = format!("postgres://postgres:{PASSWORD}@localhost:{port}/{database}");
    let roots = authorities.path().display();
    let error = PostgresStore::open(&format!("{url}?sslrootcert={roots}/ca.pem")).unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
    // On this machine nothing is overheard.
    PostgresStore::open(&url).unwrap();
}
