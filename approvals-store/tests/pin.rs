//! The head pin in a file: its promises, and what it refuses to be.

use std::fs;
#[cfg(unix)]
use std::path::Path;

use approvals_core::ports::{HeadPin as _, Replaced};
use approvals_core::testing::conformance;
use approvals_store::FilePin;
use tempfile::TempDir;

#[test]
fn a_file_keeps_every_promise() {
    let directory = TempDir::new().unwrap();
    conformance::check_pin(|| FilePin::new(directory.path().join("head.pin")));
}

#[test]
fn what_a_killed_process_left_is_in_nobodys_way() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("head.pin");
    for left in ["head.pin.new", "head.pin.lock"] {
        fs::write(directory.path().join(left), "half a te").unwrap();
    }
    let mut pin = FilePin::new(&path);
    assert_eq!(pin.read(), Ok(None));
    assert_eq!(pin.replace(None, "one\n"), Ok(Replaced::Done));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    assert!(!directory.path().join("head.pin.new").exists());
}

#[test]
fn a_volume_that_is_not_there_is_no_empty_pin() {
    let directory = TempDir::new().unwrap();
    let mut pin = FilePin::new(directory.path().join("volume/head.pin"));
    let words = "the directory of the pin";
    assert!(pin.read().unwrap_err().to_string().contains(words));
    assert!(
        pin.replace(None, "one\n")
            .unwrap_err()
            .to_string()
            .contains(words)
    );
    assert!(
        !directory.path().join("volume").exists(),
        "it makes no directory"
    );
}

/// Does something to the directory and the pin in it.
#[cfg(unix)]
type Spoil<'a> = &'a dyn Fn(&Path, &Path);

#[cfg(unix)]
#[test]
fn what_others_could_have_written_is_refused() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let cases: &[(&str, Spoil<'_>)] = &[
        ("others can open", &|_, pin| mode(pin, 0o640)),
        ("others can open", &|_, pin| mode(pin, 0o602)),
        ("others can write", &|directory, _| mode(directory, 0o777)),
        ("others can write", &|directory, _| mode(directory, 0o720)),
        ("has 2 names", &|directory, pin| {
            fs::hard_link(pin, directory.join("second")).unwrap();
        }),
        ("is a link", &|directory, pin| {
            fs::rename(pin, directory.join("elsewhere")).unwrap();
            symlink(directory.join("elsewhere"), pin).unwrap();
        }),
        ("is not a file", &|_, pin| {
            fs::remove_file(pin).unwrap();
            fs::create_dir(pin).unwrap();
        }),
        ("cannot read", &|_, pin| {
            fs::write(pin, [0xff, 0xfe]).unwrap()
        }),
    ];
    for (words, spoil) in cases {
        let directory = TempDir::new().unwrap();
        mode(directory.path(), 0o700);
        let path = directory.path().join("head.pin");
        let mut pin = FilePin::new(&path);
        pin.replace(None, "one\n").unwrap();
        spoil(directory.path(), &path);
        let error = pin.read().unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
        let error = pin.replace(Some("one\n"), "two\n").unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_what_it_makes() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TempDir::new().unwrap();
    let mut pin = FilePin::new(directory.path().join("head.pin"));
    pin.replace(None, "one\n").unwrap();
    let kept = pin.keep("fork", "two heads\n").unwrap();
    assert_eq!(fs::read_to_string(&kept).unwrap(), "two heads\n");
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn a_lock_that_another_process_keeps_ends_in_an_error() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("head.pin");
    let mut pin = FilePin::new(&path);
    pin.replace(None, "one\n").unwrap();
    let lock = fs::File::options()
        .write(true)
        .open(directory.path().join("head.pin.lock"))
        .unwrap();
    lock.lock().unwrap();
    let error = pin.replace(Some("one\n"), "two\n").unwrap_err().to_string();
    assert!(error.contains("has held the lock"), "{error}");
    assert_eq!(pin.read(), Ok(Some("one\n".to_owned())));
    drop(lock);
    assert_eq!(pin.replace(Some("one\n"), "two\n"), Ok(Replaced::Done));
}
