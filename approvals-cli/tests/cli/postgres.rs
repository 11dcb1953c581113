//! The binary on a database that several processes share.

use std::fs;

use approvals_core::Code;
use approvals_scratch::{Cluster, name};
use approvals_store::home::Home;

use crate::support::{Lab, bot, check_refused, export_users, scale, waiting};

/// A lab whose ledger is in a database, and the address of that.
fn lab() -> (Lab, String) {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let lab = Lab::with(|starter| starter.store(url.parse().unwrap()));
    (lab, url)
}

#[tokio::test]
async fn an_approval_from_another_process_resumes_the_call() {
    let (lab, _) = lab();
    let gate = lab.gate().await;
    let work = gate.enter(bot(), export_users());
    let (result, ()) = tokio::join!(work, async {
        let id = waiting(&gate).await.to_string();
        let approve = ["approve", &id, "--key", &lab.key("dana")];
        let approved = lab.beside(&approve).await.ok();
        assert!(approved.contains("approved by u_dana"), "{approved}");
    });
    assert_eq!(result.unwrap(), "users:7");
    let work = gate.enter(bot(), scale(9));
    let (result, ()) = tokio::join!(work, async {
        let id = waiting(&gate).await.to_string();
        let deny = [
            "deny",
            &id,
            "--key",
            &lab.key("erin"),
            "--reason",
            "not now",
        ];
        lab.beside(&deny).await.ok();
    });
    assert_eq!(result.unwrap_err().code(), Code::Denied);
    gate.flush().await.unwrap();
    let verified = lab.run(&["verify"]).ok();
    assert!(verified.contains("PASS"), "{verified}");
    assert_eq!(lab.run(&["list"]).ok(), "nothing waits for you\n");
    assert!(lab.run(&["export", "jsonl"]).ok().lines().count() > 8);
    assert!(!lab.state().join("approvals.db").exists());
}

#[tokio::test]
async fn the_store_is_one_address() {
    let (lab, url) = lab();
    lab.asked(export_users()).await;
    // An auditor has an address and a key, and no home.
    let vkey = fs::read_to_string(lab.state().join("log.vkey")).unwrap();
    let home = lab.path("home").display().to_string();
    let verify = [
        "--state",
        &home,
        "verify",
        "--vkey",
        vkey.trim(),
        "--store",
        &url,
    ];
    assert!(lab.run(&verify).ok().contains("PASS"));
    let mut by_variable = lab.command(&["--state", &home, "export", "checkpoint"]);
    by_variable.env("APPROVALS_STORE", &url);
    assert!(by_variable.output().unwrap().status.success());

    // Another store than the one in the home.
    let other = Cluster::shared().database();
    check_refused(&lab, &["list", "--store", &other], "StoreUnavailable", 3);
    check_refused(
        &lab,
        &["list", "--store", "mysql://a:s3cr3t@b/c"],
        "Misuse",
        2,
    );
    let secret = "postgres://a:s3cr3t@127.0.0.1:1/b";
    let refused = check_refused(&lab, &["list", "--store", secret], "StoreUnavailable", 3);
    assert!(!refused.contains("s3cr3t"), "{refused}");
    let mut help = lab.command(&["--help"]);
    let help = help.env("APPROVALS_STORE", secret).output().unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("s3cr3t"));
}

#[test]
fn a_home_is_made_for_a_database_that_has_no_ledger_yet() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let lab = Lab::new();
    let fresh = lab.path("fresh").display().to_string();
    let init = [
        "--state",
        &fresh,
        "init",
        "--origin",
        "test.example/other",
        "--store",
        &url,
    ];
    let made = lab.run(&init).ok();
    assert!(made.contains("store.url"), "{made}");
    let home = Home::open(&fresh).unwrap();
    let shown = home.store_url().to_string();
    assert!(shown.starts_with("postgres://postgres@") && home.store_url().file().is_none());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { home.gate().unwrap().open().await.unwrap() });

    // Whoever makes another home on the same database would sign with another key.
    let second = lab.path("second").display().to_string();
    let again = ["--state", &second, "init", "--store", &url];
    check_refused(&lab, &again, "Misuse", 2);
    assert_eq!(fs::read_dir(&second).unwrap().count(), 0);

    // A password may be in it.
    let address = lab.path("fresh").join("store.url");
    fs::set_permissions(
        &address,
        std::os::unix::fs::PermissionsExt::from_mode(0o640),
    )
    .unwrap();
    let error = Home::open(&fresh).unwrap_err();
    assert!(error.to_string().contains("run `chmod 600"), "{error}");
}

#[test]
fn the_owner_makes_the_tables_and_a_gate_uses_them() {
    let cluster = Cluster::start("");
    let lab = Lab::new();
    let roles = lab.run(&["migrate", "--roles"]).ok();
    cluster.sql("postgres", &roles);
    cluster.sql(
        "postgres",
        "CREATE ROLE owner LOGIN; CREATE ROLE gate LOGIN IN ROLE approvals_app",
    );
    let url = cluster.database();
    let database = name(&url);
    cluster.sql(
        "postgres",
        &format!("ALTER DATABASE {database} OWNER TO owner"),
    );
    let (owner, gate) = (
        cluster.url("owner", database),
        cluster.url("gate", database),
    );
    let fresh = lab.path("fresh").display().to_string();
    let init = ["--state", &fresh, "init", "--store", &gate];
    check_refused(&lab, &init, "StoreUnavailable", 3);
    for _ in 0..2 {
        lab.run(&["migrate", "--store", &owner]).ok();
    }
    lab.run(&init).ok();
    assert!(
        lab.run(&["--state", &fresh, "list"])
            .ok()
            .contains("nothing waits")
    );
}
