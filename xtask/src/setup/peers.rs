//! What the tests run against from npm and PyPI: pinned, in `target/peers`, installed once for each list.

use std::fs;
use std::io;
use std::path::Path;

use crate::command::{Failure, Invocation};
use crate::suite::House;

const LISTS: &[&str] = &["package.json", "package-lock.json", "requirements.txt"];

pub(super) fn install(house: &House) -> Result<(), Failure> {
    let lists = house.root().join("tests/peers");
    let folder = house.root().join("target/peers");
    let missing = wanted(&lists).map_err(|error| unreadable(&lists, &error))?;
    let stamp = folder.join("installed");
    if fs::read(&stamp).is_ok_and(|stamp| stamp == missing) {
        return Ok(());
    }
    println!(
        "installing the peers of our tests into {}",
        folder.display()
    );
    copy(&lists, &folder).map_err(|error| unreadable(&folder, &error))?;
    let at = |program| Invocation::new(&folder, program);
    at("npm").words("ci --no-audit --no-fund").run()?;
    at("python3").words("-m venv --clear python").run()?;
    at("python/bin/python")
        .words("-m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python -r requirements.txt")
        .run()?;
    fs::write(&stamp, missing).map_err(|error| unreadable(&stamp, &error))
}

fn wanted(lists: &Path) -> io::Result<Vec<u8>> {
    let texts = LISTS.iter().map(|list| fs::read(lists.join(list)));
    Ok(texts.collect::<io::Result<Vec<_>>>()?.concat())
}

fn copy(lists: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    LISTS
        .iter()
        .try_for_each(|list| fs::copy(lists.join(list), folder.join(list)).map(drop))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("`{}`: {error}", path.display()))
}
