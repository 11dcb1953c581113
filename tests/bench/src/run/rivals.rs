//! Installing the rivals: pinned versions, into a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders of rivals, each written against one toolchain.
const PYTHON: &[&str] = &["langgraph", "dbos", "openai_agents", "pyledgers"];

/// Those that could be installed.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    folder: PathBuf,
    installed: Vec<&'static str>,
}

impl Rivals {
    /// Installs what is missing; what cannot be had is left out, with a word.
    pub(super) fn install(scratch: &Path, wanted: bool) -> Self {
        let mut rivals = Self {
            folder: scratch.join("rivals"),
            installed: Vec::new(),
        };
        if !wanted {
            return rivals;
        }
        let sources = sources();
        let mut try_one = |name: &'static str, install: &dyn Fn() -> Result<(), String>| {
            println!("installing {name}, unless it is there");
            match install() {
                Ok(()) => rivals.installed.push(name),
                Err(why) => println!("left out: {name}: {why}"),
            }
        };
        let folder = scratch.join("rivals");
        for name in PYTHON {
            try_one(name, &|| python(&sources, &folder, name));
        }
        try_one("restate", &|| node(&sources, &folder));
        try_one("rust", &|| rust(&sources, &folder));
        rivals
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.installed.contains(&name)
    }

    /// The program of a rival, with its words.
    pub(super) fn command(&self, name: &str, words: &[&str]) -> Command {
        let at = |path: &str| self.folder.join(path);
        let mut command = match name {
            "agentmesh" | "dbos_rs" | "merkle" => {
                let program = if name == "dbos_rs" { "dbos" } else { name };
                Command::new(at("rust/release").join(program))
            }
            "restate" => {
                // Its server looks for updates when it starts: it gets a network that is only loopback.
                let mut command = Command::new("bash");
                command
                    .arg(at("lib/lo.sh"))
                    .arg("node")
                    .arg(at("restate/bench.mjs"));
                command
            }
            python => {
                let mut command = Command::new(at(python).join("venv/bin/python"));
                command.arg(at(python).join("bench.py")).env("PEER", python);
                command
            }
        };
        command.args(words);
        command
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals")
}

fn python(sources: &Path, folder: &Path, name: &str) -> Result<(), String> {
    let to = copy(&sources.join(name), &folder.join(name))?;
    copy(&sources.join("lib"), &folder.join("lib"))?;
    let list = to.join("requirements.txt");
    once(&to, &list, || {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(to.join("venv")))?;
        let mut pip = Command::new(to.join("venv/bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ]);
        run(pip.arg(&list))
    })
}

fn node(sources: &Path, folder: &Path) -> Result<(), String> {
    let to = copy(&sources.join("restate"), &folder.join("restate"))?;
    copy(&sources.join("lib"), &folder.join("lib"))?;
    once(&to, &to.join("package-lock.json"), || {
        let mut npm = Command::new("npm");
        npm.args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--silent",
        ]);
        run(npm.current_dir(&to))
    })
}

fn rust(sources: &Path, folder: &Path) -> Result<(), String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]);
    cargo
        .arg(folder.join("rust"))
        .current_dir(sources.join("rust"));
    run(&mut cargo)
}

/// Does it unless it was done for this list.
fn once(
    folder: &Path,
    list: &Path,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let stamp = folder.join("installed");
    let text = fs::read(list).map_err(|error| error.to_string())?;
    if fs::read(&stamp).is_ok_and(|installed| installed == text) {
        return Ok(());
    }
    work()?;
    fs::write(stamp, text).map_err(|error| error.to_string())
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) -> Result<PathBuf, String> {
    let copied = fs::create_dir_all(to).and_then(|()| {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
        Ok(())
    });
    copied
        .map(|()| to.to_owned())
        .map_err(|error| format!("`{}`: {error}", from.display()))
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!(
            "`{}` ended with {status}",
            command.get_program().display()
        )),
        Err(error) => Err(format!("`{}`: {error}", command.get_program().display())),
    }
}
