//! What is kept outside of the log, as a home says it: wrong, and nothing opens.
#![cfg(all(unix, feature = "sqlite", feature = "witness"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::path::Path;

use approvals_core::Code;
use approvals_core::ledger::{LedgerKey, WitnessKey};
use approvals_store::home::{Home, Starter};
use tempfile::TempDir;

const ORIGIN: &str = "test.invalid/home";

const NONE: &str = "[witnesses]\nmode = \"none\"\n";

fn home() -> (TempDir, std::path::PathBuf) {
    let scratch = TempDir::new().unwrap();
    let directory = scratch.path().join("home");
    Home::create(&directory, Starter::new(ORIGIN.parse().unwrap())).unwrap();
    (scratch, directory)
}

/// A witness policy; `{w1}` to `{w3}` are witnesses, `{own}` is the key of this log and `{other}` one of another.
fn filled(text: &str, directory: &Path) -> String {
    let witness = |n: u8| {
        let name = format!("witness.invalid/w{n}").parse().unwrap();
        let key = LedgerKey::from_seed(&[n; 32]).unwrap();
        WitnessKey::ed25519(name, key.public_key()).to_string()
    };
    let other = LedgerKey::from_seed(&[9; 32]).unwrap();
    let other = other
        .vkey(&"test.invalid/other".parse().unwrap())
        .to_string();
    let own = fs::read_to_string(directory.join("log.vkey")).unwrap();
    text.replace("{w1}", &witness(1))
        .replace("{w2}", &witness(2))
        .replace("{own}", own.trim_end())
        .replace("{other}", &other)
}

/// What `anchors.toml` and `witness.policy` say, which file is wrong, and what to do about it.
#[track_caller]
fn refused(anchors: Option<&str>, witnesses: Option<&str>, file: &str, words: &[&str]) {
    let (_scratch, directory) = home();
    let path = directory.join("anchors.toml");
    match anchors {
        Some(text) => fs::write(&path, text).unwrap(),
        None => fs::remove_file(&path).unwrap(),
    }
    if let Some(text) = witnesses {
        fs::write(directory.join("witness.policy"), filled(text, &directory)).unwrap();
    }
    let error = Home::open(&directory).unwrap_err();
    let said = error.to_string();
    assert_eq!(error.code(), Code::PolicyInvalid, "{said}");
    assert!(
        said.contains(&directory.join(file).display().to_string()),
        "{said}"
    );
    for part in words {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    assert!(!said.ends_with('.') && !said.contains('\n'), "{said}");
}

const SHAPE: &str = "as `mode = \"none\"`, `\"async\"` or `\"quorum\"`";

#[test]
fn a_wrong_anchors_file_opens_nothing_and_says_how_to_write_it() {
    let file = "anchors.toml";
    refused(
        None,
        None,
        file,
        &["there is no anchors file", "restore it"],
    );
    for (text, words) in [
        ("", "line 1: missing field `witnesses`"),
        ("[witnesses]\n", "line 1: missing field `mode`"),
        (
            "pin = 3\n[witnesses]\nmode = \"none\"\n",
            "line 1: invalid type",
        ),
        (
            "pins = \"x\"\n[witnesses]\nmode = \"none\"\n",
            "line 1: unknown field `pins`",
        ),
        (
            "[witnesses]\nmode = \"Quorum\"\n",
            "line 2: unknown variant `Quorum`",
        ),
        (
            "[witnesses]\nmode = \"none\"\nfail_open = true\n",
            "line 3: unknown field `fail_open`",
        ),
        (
            "[witnesses]\nmode = \"none\"\nmode = \"quorum\"\n",
            "line 3: duplicate key",
        ),
        ("[witnesses\nmode = \"none\"\n", "line 1:"),
        (
            "[witnesses]\nmode = \"async\"\n[witnesses.max_unanchored]\nrecords = 5\n",
            "line 3: missing field `age`",
        ),
        (
            "[witnesses]\nmode = \"async\"\nmax_unanchored = { records = -1, age = \"1h\" }\n",
            "line 3: invalid value",
        ),
    ] {
        refused(
            Some(text),
            Some("witness a {w1} https://w.invalid\nquorum a\n"),
            file,
            &[words, SHAPE],
        );
    }
    for pin in ["", ".", "..", "/", "x/.."] {
        let text = format!("pin = \"{pin}\"\n{NONE}");
        refused(
            Some(&text),
            None,
            file,
            &["`pin` names no file; write the path of one"],
        );
    }
    for (key, time) in [
        ("patience = \"{}\"", "soon"),
        ("patience = \"{}\"", "0s"),
        ("patience = \"{}\"", "31d"),
        ("max_unanchored = { records = 5, age = \"{}\" }", "+1h"),
    ] {
        let text = format!(
            "[witnesses]\nmode = \"async\"\n{}\n",
            key.replace("{}", time)
        );
        let says = format!("`{time}` is no time; write it as `2s`, `10m` or `1h`");
        refused(
            Some(&text),
            Some("witness a {w1} https://w.invalid\nquorum a\n"),
            file,
            &[&says],
        );
    }
}

#[test]
fn a_wrong_witness_policy_opens_nothing_and_says_how_to_write_it() {
    let file = "witness.policy";
    for mode in ["async", "quorum"] {
        let anchors = format!("[witnesses]\nmode = \"{mode}\"\n");
        let refused = |text, words: &[&str]| refused(Some(&anchors), text, file, words);
        refused(None, &["there is no witness policy", "restore it"]);
        for (text, words) in [
            ("", ["no `quorum` line", "add"]),
            (
                "quorum none\n",
                ["asks for no cosignature", "name a quorum"],
            ),
            (
                "witness a {w1} https://w.invalid\nquorum b\n",
                [
                    "line 2 of the witness policy: `b` is defined by no line above",
                    "above",
                ],
            ),
            (
                "witness a {own} https://w.invalid\nquorum a\n",
                ["line 1 of the witness policy: ", "not the key of a witness"],
            ),
            // Nobody can ask it.
            (
                "witness a {w1}\nquorum a\n",
                ["no quorum of the witness policy", "give an address"],
            ),
            (
                "witness a {w1} https://w.invalid\nwitness b {w2}\ngroup both all a b\nquorum both\n",
                [
                    "no quorum of the witness policy",
                    "give an address to every witness",
                ],
            ),
            (
                "witness a {w1} ftp://w.invalid\nquorum a\n",
                [
                    "`ftp://w.invalid` is not the address of a witness",
                    "begin it with `https://`",
                ],
            ),
            (
                "witness a {w1} https://u:p@w.invalid\nquorum a\n",
                ["is not the address of a witness", "write it without a user"],
            ),
            (
                "witness a {w1} https://w.invalid?x=1\nquorum a\n",
                ["is not the address of a witness", "without a user, a query"],
            ),
            (
                "log {other}\nwitness a {w1} https://w.invalid\nquorum a\n",
                [
                    "it lists other logs and not `test.invalid/home`",
                    "add a `log` line",
                ],
            ),
        ] {
            refused(Some(text), &words);
        }
    }
}

#[test]
fn what_is_right_opens() {
    for (anchors, witnesses) in [
        (NONE.to_owned(), "not even read"),
        (format!("pin = \"../volume/head.pin\"\n{NONE}"), ""),
        (
            "[witnesses]\nmode = \"async\"\npatience = \"2s\"\n".to_owned(),
            "witness a {w1} http://127.0.0.1:9\nquorum a\n",
        ),
        (
            "[witnesses]\nmode = \"quorum\"\nmax_unanchored = { records = 5, age = \"1h\" }\n"
                .to_owned(),
            "log {own}\nwitness a {w1} https://w.invalid/x\nwitness b {w2}\ngroup one any a b\nquorum one\n",
        ),
    ] {
        let (_scratch, directory) = home();
        fs::write(directory.join("anchors.toml"), &anchors).unwrap();
        fs::write(
            directory.join("witness.policy"),
            filled(witnesses, &directory),
        )
        .unwrap();
        let home = Home::open(&directory).unwrap();
        assert_eq!(
            home.anchoring().is_some(),
            !anchors.contains("none"),
            "{anchors}"
        );
        assert_eq!(
            home.head_pin().is_some(),
            anchors.contains("pin"),
            "{anchors}"
        );
    }
}

#[test]
fn what_others_can_write_decides_nothing() {
    for name in ["anchors.toml", "witness.policy"] {
        let (_scratch, directory) = home();
        fs::write(
            directory.join("anchors.toml"),
            "[witnesses]\nmode = \"async\"\n",
        )
        .unwrap();
        let policy = filled("witness a {w1} https://w.invalid\nquorum a\n", &directory);
        fs::write(directory.join("witness.policy"), policy).unwrap();
        Home::open(&directory).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        fs::set_permissions(directory.join(name), mode).unwrap();
        let error = Home::open(&directory).unwrap_err();
        assert_eq!(error.code(), Code::PolicyInvalid, "{error}");
        assert!(error.to_string().contains("run `chmod go-w"), "{error}");
    }
}
