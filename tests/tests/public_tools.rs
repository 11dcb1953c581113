//! What an auditor finds who has none of our code: the script of OpenSSL, sha256sum and coreutils accepts what is
//! whole, and refuses every class of change.
#![cfg(unix)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use approvals_core::ports::Reader as _;
use approvals_core::receipt;
use approvals_store::tiles::export;
use support::written::Written;
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/audit/verify.sh");

/// A directory for an auditor: tiles, a receipt, an older head, and the key.
struct Desk {
    directory: TempDir,
    log: Written,
}

impl Desk {
    /// The export of a log of so many records, with a receipt and a head from when it had `old`.
    fn of(old: u64, size: u64, index: u64) -> Self {
        let (directory, mut log) = (TempDir::new().unwrap(), Written::of(old));
        let desk = |name: &str| directory.path().join(name);
        let kept = receipt(&mut log.store, &log.vkey, index).unwrap();
        fs::write(desk("kept"), kept.to_string()).unwrap();
        fs::write(desk("head"), log.store.head().unwrap().note.unwrap()).unwrap();
        fs::write(desk("key"), format!("{}\n", log.vkey)).unwrap();
        log.grow(size);
        export(&mut log.store, &log.vkey, desk("tiles")).unwrap();
        Self { directory, log }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The exit code and what the script says of everything on the desk.
    fn verify(&self) -> (i32, String) {
        let args = [
            "--vkey",
            "key",
            "--tiles",
            "tiles",
            "--receipt",
            "kept",
            "--checkpoint",
            "head",
        ];
        run(self.directory.path(), &args)
    }

    /// Changes one file, expects to hear of it, and puts it back.
    #[track_caller]
    fn refuses(&self, name: &str, what: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let whole = fs::read(self.path(name)).unwrap();
        let mut changed = whole.clone();
        change(&mut changed);
        assert_ne!(changed, whole, "{what}: nothing was changed");
        fs::write(self.path(name), changed).unwrap();
        let args = match name {
            "head" => ["--checkpoint", "head"],
            "kept" | "key" => ["--receipt", "kept"],
            _ => ["--tiles", "tiles"],
        };
        let args = [&["--vkey", "key"], &args[..]].concat();
        let (code, said) = run(self.directory.path(), &args);
        fs::write(self.path(name), whole).unwrap();
        assert_eq!(code, 1, "{what} of {name}: {said}");
        assert!(
            said.contains("FAIL ") && !said.contains("PASS"),
            "{what} of {name}: {said}"
        );
    }
}

fn run(directory: &Path, args: &[&str]) -> (i32, String) {
    let mut script = Command::new("bash");
    let run = script
        .arg(SCRIPT)
        .args(args)
        .current_dir(directory)
        .output();
    let run = run.expect("`bash` must be installed for this test");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(
        run.status.code() == Some(2) || complaints.is_empty(),
        "{complaints}"
    );
    (run.status.code().unwrap(), said)
}

/// Replaces text that is there.
fn text(from: &'static str, to: &'static str) -> impl FnOnce(&mut Vec<u8>) {
    move |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replacen(from, to, 1).into_bytes();
    }
}

/// Replaces a line by what becomes of it.
fn line(number: usize, change: impl Fn(&str) -> String) -> impl FnOnce(&mut Vec<u8>) {
    move |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let lines = text.lines().enumerate();
        let lines = lines.map(|(at, line)| {
            if at == number {
                change(line)
            } else {
                line.to_owned()
            }
        });
        *bytes = (lines.collect::<Vec<_>>().join("\n") + "\n").into_bytes();
    }
}

fn flip(at: usize) -> impl FnOnce(&mut Vec<u8>) {
    move |bytes| bytes[at] ^= 1
}

/// The same base64 but for one letter in the middle.
fn other_letter(text: &str) -> String {
    let (start, end) = text.split_at(text.len() / 2);
    let other = if end.starts_with('A') { "B" } else { "A" };
    format!("{start}{other}{}", &end[1..])
}

#[test]
fn public_tools_accept_what_is_whole() {
    for (old, size, index) in [
        (1, 1, 0),
        (2, 3, 1),
        (5, 7, 4),
        (255, 256, 0),
        (256, 257, 255),
        (300, 530, 131),
    ] {
        let (code, said) = Desk::of(old, size, index).verify();
        let lines: Vec<_> = said.lines().collect();
        let expected = [
            "log        example.com/written".to_owned(),
            format!("tiles      pass, {size} records hash to the signed root"),
            format!("checkpoint pass, head, of {old} records"),
            format!("receipt    pass, kept, record {index} under a head of {old} records"),
            "result     PASS".to_owned(),
        ];
        assert_eq!(
            (code, lines),
            (0, expected.iter().map(String::as_str).collect()),
            "{size}"
        );
    }
}

/// One log that grows to 300 records, at each size on the way: everything is hashed up to the signed root, each
/// record is proven once as the newest and once more under a later head, and older heads are prefixes.
///
/// `APPROVALS_EVERY_SIZE=1 cargo test -p approvals-tests --test public_tools every_size` takes all sizes, which
/// is minutes; otherwise those around the edges of the tree.
#[test]
fn public_tools_accept_a_log_at_every_size() {
    let every = std::env::var_os("APPROVALS_EVERY_SIZE").is_some();
    let edges = [1, 2, 3, 4, 6, 16, 33, 63, 128, 255, 256, 257, 300];
    let (directory, mut log) = (TempDir::new().unwrap(), Written::of(1));
    let at = |name: &str| directory.path().join(name);
    fs::write(at("key"), format!("{}\n", log.vkey)).unwrap();
    for size in (1..=300_u64).filter(|size| every || edges.contains(size)) {
        log.grow(size);
        export(&mut log.store, &log.vkey, at("tiles")).unwrap();
        fs::write(
            at(&format!("head-{size}")),
            log.store.head().unwrap().note.unwrap(),
        )
        .unwrap();
        let mut args = ["--vkey", "key", "--tiles", "tiles"]
            .map(str::to_owned)
            .to_vec();
        let mut expected = vec![
            "log        example.com/written".to_owned(),
            format!("tiles      pass, {size} records hash to the signed root"),
        ];
        // Heads of this size and of older ones, in whatever way the two are apart.
        let kept = |old: &u64| at(&format!("head-{old}")).exists();
        let mut olds = vec![
            size,
            size.saturating_sub(1),
            size / 2,
            size * 2 / 3,
            size % 17,
        ];
        olds.retain(kept);
        olds.dedup();
        for old in olds {
            args.extend(["--checkpoint".to_owned(), format!("head-{old}")]);
            expected.push(format!("checkpoint pass, head-{old}, of {old} records"));
        }
        for index in [size - 1, size * size % 7919 % size] {
            let name = format!("proof-{index}");
            let proof = receipt(&mut log.store, &log.vkey, index).unwrap();
            fs::write(at(&name), proof.to_string()).unwrap();
            args.extend(["--receipt".to_owned(), name]);
            expected.push(format!(
                "receipt    pass, proof-{index}, record {index} under a head of {size} records"
            ));
        }
        expected.push("result     PASS".to_owned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, said) = run(directory.path(), &args);
        assert_eq!((code, said), (0, expected.join("\n") + "\n"), "{size}");
    }
}

#[test]
fn threat_56_public_tools_refuse_every_class_of_change() {
    let mut desk = Desk::of(257, 300, 256);
    assert_eq!(desk.verify().0, 0);
    let (full, partial) = ("tiles/tile/entries/000", "tiles/tile/entries/001.p/44");
    let checkpoint = "tiles/checkpoint";
    desk.refuses(full, "a bit in a record", flip(1_000));
    desk.refuses(full, "the length of a record", flip(1));
    desk.refuses(full, "the last byte", |bytes| {
        bytes.truncate(bytes.len() - 1)
    });
    desk.refuses(full, "everything", Vec::clear);
    desk.refuses(partial, "a record more", |bytes| bytes.extend([0, 1, b'x']));
    desk.refuses(partial, "half a length more", |bytes| bytes.push(0));
    let records = desk.log.store.records(256, 44).unwrap();
    let framed = |order: &[usize]| {
        let records = order.iter().map(|at| &records[*at].bytes);
        let framed =
            records.flat_map(|bytes| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat());
        framed.collect::<Vec<u8>>()
    };
    let order: Vec<usize> = (0..44).collect();
    assert_eq!(fs::read(desk.path(partial)).unwrap(), framed(&order));
    let mut swapped = order.clone();
    swapped.swap(3, 4);
    desk.refuses(partial, "the order", |bytes| *bytes = framed(&swapped));
    desk.refuses(partial, "a record less", |bytes| {
        *bytes = framed(&order[1..])
    });
    for (name, at) in [
        (checkpoint, 0),
        ("head", 0),
        ("kept", note_starts(&desk.path("kept"))),
    ] {
        desk.refuses(
            name,
            "the name",
            line(at, |_| "example.com/other".to_owned()),
        );
        desk.refuses(name, "the size", line(at + 1, |size| format!("1{size}")));
        desk.refuses(name, "a smaller size", line(at + 1, |_| "256".to_owned()));
        desk.refuses(
            name,
            "a zero in front",
            line(at + 1, |size| format!("0{size}")),
        );
        desk.refuses(name, "the root", line(at + 2, other_letter));
        desk.refuses(name, "the signature", line(at + 4, other_letter));
        desk.refuses(name, "the end", |bytes| bytes.truncate(bytes.len() - 4));
        desk.refuses(name, "the line end", text("\n", "\r\n"));
        desk.refuses(name, "a zero byte", |bytes| bytes.push(0));
        desk.refuses(name, "everything", Vec::clear);
    }
    desk.refuses(
        "kept",
        "the first line",
        line(0, |_| "c2sp.org/tlog-proof@v2".to_owned()),
    );
    desk.refuses("kept", "the record", line(1, other_letter));
    desk.refuses("kept", "no record", text("extra ", "other "));
    desk.refuses("kept", "the place", line(2, |_| "index 255".to_owned()));
    desk.refuses(
        "kept",
        "a place beyond",
        line(2, |_| "index 257".to_owned()),
    );
    desk.refuses("kept", "a hash", line(3, other_letter));
    desk.refuses("kept", "a hash less", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let hash = text.lines().nth(3).unwrap().to_owned();
        *bytes = text.replacen(&format!("{hash}\n"), "", 1).into_bytes();
    });
    desk.refuses(
        "kept",
        "a hash more",
        line(3, |hash| format!("{hash}\n{hash}")),
    );
    desk.refuses("key", "another key", |bytes| {
        let other = Written::new("example.com/written", "1.0").signed_by([8; 32]);
        *bytes = format!("{}\n", other.vkey).into_bytes();
    });
    desk.refuses("key", "the id of the key", |bytes| {
        let at = bytes.iter().position(|byte| *byte == b'+').unwrap() + 1;
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    });
    fs::remove_file(desk.path(full)).unwrap();
    let (code, said) = desk.verify();
    assert!(
        code == 1 && said.contains("tile/entries/000 is missing"),
        "{said}"
    );
}

/// The line of a receipt on which its note begins.
fn note_starts(receipt: &Path) -> usize {
    let text = fs::read_to_string(receipt).unwrap();
    text.lines().position(str::is_empty).unwrap() + 1
}

#[test]
fn threat_57_58_public_tools_find_rollback_and_fork() {
    let desk = Desk::of(280, 300, 270);
    for (mut log, part) in [
        (Written::of(279), "cut or rolled back"),
        (
            Written::new("example.com/written", "2.0").grown(300),
            "forked or rewritten",
        ),
        (
            Written::new("example.com/written", "2.0").grown(280),
            "forked or rewritten",
        ),
    ] {
        fs::remove_dir_all(desk.path("tiles")).unwrap();
        export(&mut log.store, &log.vkey, desk.path("tiles")).unwrap();
        let alone = ["--vkey", "key", "--tiles", "tiles"];
        assert_eq!(
            run(desk.directory.path(), &alone).0,
            0,
            "by itself it verifies"
        );
        for kept in [["--receipt", "kept"], ["--checkpoint", "head"]] {
            let args = [&alone[..], &kept].concat();
            let (code, said) = run(desk.directory.path(), &args);
            assert!(code == 1 && said.contains(part), "{said}");
        }
    }
}

#[test]
fn what_is_not_asked_is_not_passed() {
    let desk = Desk::of(3, 3, 1);
    for args in [
        &[][..],
        &["--vkey", "key"],
        &["--tiles", "tiles"],
        &["--vkey", "key", "--tiles"],
        &["--vkey", "key", "--sure", "yes"],
    ] {
        assert_eq!(
            run(desk.directory.path(), args),
            (2, String::new()),
            "{args:?}"
        );
    }
    for args in [
        ["--tiles", "nowhere"],
        ["--receipt", "nothing"],
        ["--checkpoint", "."],
    ] {
        let (code, said) = run(
            desk.directory.path(),
            &[&["--vkey", "key"], &args[..]].concat(),
        );
        assert!(code == 1 && said.contains("FAIL "), "{args:?}: {said}");
    }
    let vkey = desk.log.vkey.to_string();
    let args = ["--vkey", &vkey, "--receipt", "kept"];
    assert_eq!(
        run(desk.directory.path(), &args).0,
        0,
        "a key can be typed, and a receipt stands alone"
    );
}
