//! The export as files: it grows and never changes, refuses what is not its own log, and every edit is found.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use approvals_core::ledger::{Tiler, Verifier};
use approvals_core::ports::Reader as _;
use approvals_core::{ApprovalError, Code};
use approvals_store::tiles::{Exported, Tiles, TilesReport, export};
use support::written::Written;
use tempfile::TempDir;

/// Every file under a directory but the lock, by its path in it.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if name != ".lock" {
                files.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn tiles(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = files(root);
    files.retain(|name, _| name.starts_with("tile/"));
    files
}

/// What an export of the first `size` records holds.
fn expected(log: &mut Written, size: u64) -> BTreeMap<String, Vec<u8>> {
    let (mut tiler, mut files) = (Tiler::new(), BTreeMap::new());
    for stored in log.store.records(0, size as usize).unwrap() {
        let full = tiler.push(&stored.bytes).unwrap();
        files.extend(full.into_iter().map(|(tile, bytes)| (tile.path(), bytes)));
    }
    let partial = tiler.partial().into_iter();
    files.extend(partial.map(|(tile, bytes)| (tile.path(), bytes)));
    files
}

fn out(log: &mut Written, root: &Path) -> Result<Exported, ApprovalError> {
    export(&mut log.store, &log.vkey, root)
}

fn read(log: &Written, root: &Path) -> TilesReport {
    let verifier = Verifier::new(log.vkey.clone());
    Tiles::open(root).unwrap().verify(verifier).unwrap()
}

#[test]
fn an_export_only_ever_gains_files() {
    let directory = TempDir::new().unwrap();
    let mut log = Written::new("example.com/written", "1.0");
    let mut before: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut size = 0;
    for next in [1, 5, 255, 256, 257, 300, 511, 512, 513, 520, 1_100] {
        log.grow(next);
        let exported = out(&mut log, directory.path()).unwrap();
        assert_eq!((exported.from, exported.size), (size, next));
        let now = tiles(directory.path());
        assert_eq!(
            exported.files,
            now.keys()
                .filter(|name| !before.contains_key(*name))
                .count() as u64
        );
        for (name, bytes) in expected(&mut log, next) {
            assert_eq!(now.get(&name), Some(&bytes), "{name} at {next}");
        }
        for (name, bytes) in &before {
            // A partial tile goes when the full one is there, and nothing else ever goes.
            let full = name.split_once(".p/").map(|(full, _)| full);
            let replaced = full.is_some_and(|full| now.contains_key(full));
            let kept = now.get(name) == Some(bytes);
            assert!(kept != replaced, "{name} at {next}");
        }
        assert!(read(&log, directory.path()).passed());
        let names: Vec<_> = files(directory.path())
            .into_keys()
            .filter(|name| !name.starts_with("tile/"))
            .collect();
        assert_eq!(names, ["checkpoint", "log.vkey"]);
        // Again, and nothing is new.
        let modified = |name: &str| {
            fs::metadata(directory.path().join(name))
                .unwrap()
                .modified()
                .unwrap()
        };
        let times: Vec<_> = files(directory.path())
            .keys()
            .map(|name| modified(name))
            .collect();
        let again = out(&mut log, directory.path()).unwrap();
        assert_eq!((again.from, again.files), (next, 0));
        let still: Vec<_> = files(directory.path())
            .keys()
            .map(|name| modified(name))
            .collect();
        assert_eq!(times, still, "nothing is written again");
        (before, size) = (now, next);
    }
}

#[test]
fn an_export_in_one_go_is_the_same() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut log = Written::of(900);
    out(&mut log, one.path()).unwrap();
    assert_eq!(tiles(one.path()), expected(&mut log, 900));
    let mut log = Written::of(400);
    out(&mut log, two.path()).unwrap();
    log.grow(900);
    out(&mut log, two.path()).unwrap();
    let mut two = files(two.path());
    // What the head over 400 records called for, and no full tile has replaced.
    two.remove("tile/1/000.p/1");
    assert_eq!(files(one.path()), two);
}

/// Expects a refusal that leaves every file as it was.
#[track_caller]
fn check_refused(log: &mut Written, root: &Path, code: Code, part: &str) {
    let before = files(root);
    let error = out(log, root).unwrap_err();
    assert!(
        error.code() == code && error.to_string().contains(part),
        "{error}"
    );
    assert!(error.to_string().contains(part), "{error}");
    assert_eq!(files(root), before, "{part}");
}

#[test]
fn threat_57_58_what_is_not_the_same_log_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("export");
    let mut log = Written::of(300);
    out(&mut log, &root).unwrap();
    let mut cut = Written::of(299);
    check_refused(&mut cut, &root, Code::AuditTampered, "cut or rolled back");
    for (size, what) in [
        (300, "of the same length"),
        (301, "longer"),
        (900, "much longer"),
    ] {
        let mut fork = Written::new("example.com/written", "2.0").grown(size);
        let error = out(&mut fork, &root).unwrap_err();
        assert_eq!(error.code(), Code::AuditTampered, "{what}");
        check_refused(&mut fork, &root, Code::AuditTampered, "forked or rewritten");
    }
    let mut other = Written::new("example.com/other", "1.0").grown(300);
    check_refused(
        &mut other,
        &root,
        Code::Misuse,
        "holds the log `example.com/written`",
    );
    log.grow(301);
    out(&mut log, &root).unwrap();
    assert!(read(&log, &root).passed());
}

#[test]
fn directories_of_something_else_are_refused() {
    let mut log = Written::of(3);
    for (name, text, code, part) in [
        ("checkpoint", "words", Code::Misuse, "not known whose it is"),
        ("tile/0/000", "words", Code::Misuse, "not known whose it is"),
        ("log.vkey", "words", Code::Misuse, "is no verifier key"),
    ] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        check_refused(&mut log, directory.path(), code, part);
    }
    // Files of others are no obstacle, and stay.
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("index.html"), "hello").unwrap();
    out(&mut log, directory.path()).unwrap();
    assert_eq!(files(directory.path())["index.html"], b"hello");
    // With a checkpoint that is none, nothing is known.
    fs::write(directory.path().join("checkpoint"), "words").unwrap();
    check_refused(
        &mut log,
        directory.path(),
        Code::AuditTampered,
        "is no checkpoint",
    );
    let mut empty = Written::new("example.com/written", "1.0");
    let root = directory.path().join("new");
    assert_eq!(out(&mut empty, &root).unwrap_err().code(), Code::NotFound);
    assert!(!root.exists());
    // A file where the directory should be.
    fs::write(&root, "").unwrap();
    assert_eq!(
        out(&mut log, &root).unwrap_err().code(),
        Code::StoreUnavailable
    );
}

#[test]
fn a_file_in_the_way_is_evidence_and_not_written_over() {
    let directory = TempDir::new().unwrap();
    let mut log = Written::of(300);
    out(&mut log, directory.path()).unwrap();
    log.grow(600);
    let planted = directory.path().join("tile/0/001");
    fs::write(&planted, "planted").unwrap();
    let error = out(&mut log, directory.path()).unwrap_err();
    assert!(
        error.code() == Code::AuditTampered && error.to_string().contains("tile/0/001"),
        "{error}"
    );
    assert_eq!(fs::read(&planted).unwrap(), b"planted");
    // The checkpoint still points to what is whole, and with the file gone the export goes on.
    assert_eq!(read(&log, directory.path()).report.records, 300);
    assert!(read(&log, directory.path()).passed());
    fs::remove_file(&planted).unwrap();
    out(&mut log, directory.path()).unwrap();
    assert!(read(&log, directory.path()).passed());
    assert_eq!(read(&log, directory.path()).report.records, 600);
}

#[test]
fn what_a_crash_leaves_is_completed() {
    let (whole, mut log) = (TempDir::new().unwrap(), Written::of(300));
    let first = TempDir::new().unwrap();
    out(&mut log, first.path()).unwrap();
    let first = files(first.path());
    log.grow(600);
    out(&mut log, whole.path()).unwrap();
    let whole = files(whole.path());
    let added: Vec<_> = whole
        .iter()
        .filter(|(name, _)| name.starts_with("tile/") && !first.contains_key(*name))
        .collect();
    assert!(added.len() > 4);
    for crashed in 0..=added.len() {
        let directory = TempDir::new().unwrap();
        let half = (".new".to_owned(), b"half a fi".to_vec());
        let there = first.iter().chain(added[..crashed].iter().copied());
        for (name, bytes) in there.chain([(&half.0, &half.1)]) {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        assert!(
            read(&log, directory.path()).passed(),
            "the old checkpoint holds"
        );
        out(&mut log, directory.path()).unwrap();
        let mut now = files(directory.path());
        now.retain(|name, _| whole.contains_key(name));
        assert_eq!(now, whole, "after {crashed} files");
        assert!(read(&log, directory.path()).passed());
    }
}

#[test]
fn one_export_at_a_time() {
    let (directory, mut log) = (TempDir::new().unwrap(), Written::of(3));
    out(&mut log, directory.path()).unwrap();
    let lock = fs::File::open(directory.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    check_refused(
        &mut log,
        directory.path(),
        Code::StoreUnavailable,
        "another export",
    );
    drop(lock);
    out(&mut log, directory.path()).unwrap();
}

#[test]
fn threat_56_a_log_that_does_not_verify_is_not_exported() {
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("export");
    for size in [10, 300] {
        let mut log = Written::of(size);
        let mut head = approvals_core::ports::Batch::default();
        head.head = log.store.head().unwrap();
        // A record that the signed head does not cover, under a head that says it does.
        let forged = Written::new("example.com/written", "2.0")
            .grown(size)
            .store
            .head()
            .unwrap();
        head.head.note = forged.note;
        approvals_core::ports::Store::commit(&mut log.store, &head).unwrap();
        let error = out(&mut log, &root).unwrap_err();
        assert_eq!(error.code(), Code::AuditTampered, "{error}");
        assert!(!root.join("checkpoint").exists() && !root.join("tile").exists());
    }
}

/// Changes one file of an export, expects the verifier to name the file or the record, and puts it back.
#[track_caller]
fn check_found(log: &Written, root: &Path, name: &str, how: &str, file: Option<&[u8]>) {
    let path = root.join(name);
    let whole = fs::read(&path).unwrap();
    match file {
        Some(bytes) => fs::write(&path, bytes).unwrap(),
        None => fs::remove_file(&path).unwrap(),
    }
    let found =
        Tiles::open(root).map(|tiles| tiles.verify(Verifier::new(log.vkey.clone())).unwrap());
    fs::write(&path, whole).unwrap();
    match found {
        Ok(found) => {
            assert!(!found.passed(), "{name}, {how}");
            let (report, damaged) = (&found.report, &found.damaged);
            let named = damaged.iter().any(|damage| damage.file == name);
            let located = report.findings.iter().any(|finding| finding.seq.is_some());
            let of_the_head = name == "checkpoint" && !report.passed();
            assert!(named || located || of_the_head, "{name}, {how}: {found:?}");
        }
        Err(error) => {
            let refused = [Code::AuditTampered, Code::NotFound].contains(&error.code());
            assert!(name == "checkpoint" && refused, "{name}, {how}: {error}");
        }
    }
}

#[test]
fn threat_56_every_edit_of_an_export_is_found() {
    for size in [1, 256, 300] {
        let (directory, mut log) = (TempDir::new().unwrap(), Written::of(size));
        let root = directory.path();
        out(&mut log, root).unwrap();
        let mut whole = files(root);
        whole.remove("log.vkey");
        for (name, bytes) in &whole {
            let check = |how: &str, file: Option<&[u8]>| check_found(&log, root, name, how, file);
            for at in (0..bytes.len()).step_by(1 + bytes.len() / 5) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1;
                check("flipped", Some(&flipped));
                check("cut", Some(&bytes[..at]));
            }
            check("cut by one", Some(&bytes[..bytes.len() - 1]));
            check("longer by one", Some(&[bytes, &b"\0"[..]].concat()));
            check("gone", None);
        }
        assert!(read(&log, root).passed(), "everything is back in its place");
    }
}

#[test]
fn threat_56_records_that_change_places_are_found() {
    let (directory, mut log) = (TempDir::new().unwrap(), Written::of(300));
    out(&mut log, directory.path()).unwrap();
    // Each is whole, and neither stands where it was signed.
    let mut records = log.store.records(0, 256).unwrap();
    records.swap(7, 8);
    let framed = records.iter().flat_map(|stored| {
        let length = u16::try_from(stored.bytes.len()).unwrap();
        [&length.to_be_bytes()[..], &stored.bytes].concat()
    });
    let framed: Vec<u8> = framed.collect();
    check_found(
        &log,
        directory.path(),
        "tile/entries/000",
        "swapped",
        Some(&framed),
    );
}

#[test]
fn a_record_is_read_from_its_tile() {
    let (directory, mut log) = (TempDir::new().unwrap(), Written::of(300));
    out(&mut log, directory.path()).unwrap();
    let tiles = Tiles::open(directory.path()).unwrap();
    for stored in log.store.records(0, 300).unwrap() {
        assert_eq!(tiles.record(stored.seq).unwrap(), Some(stored.bytes));
    }
    for beyond in [300, 512, u64::MAX] {
        assert_eq!(tiles.record(beyond).unwrap(), None);
    }
}
