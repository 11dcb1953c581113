//! Running another program so that a failure can be repeated by hand.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One run of another program, from the root of the workspace.
#[derive(Debug, Clone)]
pub struct Invocation {
    directory: PathBuf,
    variables: Vec<(&'static str, &'static str)>,
    program: &'static str,
    arguments: Vec<OsString>,
}

impl Invocation {
    /// A run of `program` in `directory`; nothing happens before one of the verbs below.
    #[must_use]
    pub fn new(directory: &Path, program: &'static str) -> Self {
        Self {
            directory: directory.to_owned(),
            variables: Vec::new(),
            program,
            arguments: Vec::new(),
        }
    }

    /// Adds the words of `line`, split at spaces.
    #[must_use]
    pub fn words(mut self, line: &str) -> Self {
        self.arguments
            .extend(line.split_whitespace().map(OsString::from));
        self
    }

    /// Adds arguments as they are, spaces included.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    /// Sets one environment variable of the program.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Runs the program with our own terminal.
    ///
    /// # Errors
    /// The program could not be started, or it did not exit with 0; the failure tells how to repeat it.
    pub fn run(&self) -> Result<(), Failure> {
        match self.command().status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::new(format!("it ended with {status}")).repeat(self)),
            Err(error) => Err(
                Failure::new(format!("`{}` does not start: {error}", self.program)).repeat(self),
            ),
        }
    }

    /// What the program prints, or nothing when it is missing or fails.
    #[must_use]
    pub fn answer(&self) -> Option<String> {
        let output = self.command().stdin(Stdio::null()).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command
            .current_dir(&self.directory)
            .args(&self.arguments)
            .envs(self.variables.iter().copied());
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_run(name)) {
            command.env_remove(name);
        }
        command
    }
}

/// What `cargo run` tells the program it starts about the package `xtask`. A child cargo must not see it: build
/// scripts that watch these variables would run again on every other build.
fn is_of_this_run(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&name.as_ref())
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={value} ")?;
        }
        f.write_str(self.program)?;
        for argument in &self.arguments {
            let argument = argument.to_string_lossy();
            match argument.contains(' ') {
                true => write!(f, " '{argument}'")?,
                false => write!(f, " {argument}")?,
            }
        }
        Ok(())
    }
}

/// How a command or a step ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done and nothing was found.
    Passed,
    /// It could not be done here, for this reason, and that is no failure.
    Skipped(String),
}

/// Why a command or a step failed, and the command that shows it again.
#[derive(Debug, Clone)]
pub struct Failure {
    message: String,
    repeat: Option<String>,
}

impl Failure {
    /// A failure with its reason.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            repeat: None,
        }
    }

    /// Names the command that shows the failure again.
    #[must_use]
    pub fn repeat(self, command: impl fmt::Display) -> Self {
        Self {
            repeat: Some(command.to_string()),
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.repeat {
            Some(command) => write!(f, "\nto repeat it: {command}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(format!("the workspace cannot be read: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_printed_as_it_is_typed() {
        let cases: &[(Invocation, &str)] = &[
            (
                Invocation::new(Path::new("."), "cargo").words("fmt --all --check"),
                "cargo fmt --all --check",
            ),
            (
                Invocation::new(Path::new("."), "cargo")
                    .words("doc")
                    .variable("RUSTDOCFLAGS", "-Dwarnings"),
                "RUSTDOCFLAGS=-Dwarnings cargo doc",
            ),
            (
                Invocation::new(Path::new("."), "cargo")
                    .words("run --")
                    .args(["a b"]),
                "cargo run -- 'a b'",
            ),
        ];
        for (invocation, expected) in cases {
            assert_eq!(&invocation.to_string(), expected);
        }
    }

    #[test]
    fn a_failing_program_names_the_command_that_repeats_it() {
        for program in ["false", "no-such-program-anywhere"] {
            let failure = Invocation::new(Path::new("."), program)
                .words("--now")
                .run()
                .unwrap_err()
                .to_string();
            assert!(
                failure.ends_with(&format!("to repeat it: {program} --now")),
                "{failure}"
            );
        }
    }

    #[test]
    fn only_the_variables_of_this_run_are_taken_away() {
        let cases = [
            ("CARGO_PKG_NAME", true),
            ("CARGO_MANIFEST_DIR", true),
            ("OUT_DIR", true),
            ("CARGO_HOME", false),
            ("CARGO_TARGET_DIR", false),
            ("PATH", false),
        ];
        for (name, expected) in cases {
            assert_eq!(is_of_this_run(OsStr::new(name)), expected, "{name}");
        }
    }
}
