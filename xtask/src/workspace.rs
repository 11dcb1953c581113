//! The files of the workspace, read once; every rule is a function over them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::source;

/// Larger files are data, not text that somebody wrote.
const LARGEST_TEXT: u64 = 1024 * 1024;

/// Every text file that belongs to the project, sorted by path.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    files: Vec<File>,
}

/// One text file.
#[derive(Debug, Clone)]
pub struct File {
    /// From the root of the workspace, with `/` between the parts.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Workspace {
    /// Reads everything under `root` that `.gitignore` does not name; files that are not UTF-8 are left out.
    ///
    /// # Errors
    /// A folder or a file could not be read.
    pub fn load(root: &Path) -> io::Result<Self> {
        let ignored = Ignored::read(root)?;
        let mut files = Vec::new();
        collect(root, "", &ignored, &mut files)?;
        Ok(Self::new(files))
    }

    /// A workspace of these files; tests build theirs with it.
    #[must_use]
    pub fn new(mut files: Vec<File>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// All Rust files, tests and fixtures included.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.path.ends_with(".rs"))
    }

    /// The Rust files of `<crate>/src` and of `examples/examples`, without those that are modules of tests only.
    #[must_use]
    pub fn production(&self) -> Vec<&File> {
        let sources = || self.rust().filter(|file| file.is_source());
        let tests: Vec<String> = sources().flat_map(File::test_modules).collect();
        let is_test = |path: &str| {
            tests.iter().any(|module| {
                path.strip_prefix(module.as_str())
                    .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            })
        };
        sources().filter(|file| !is_test(&file.path)).collect()
    }
}

impl File {
    /// The crate's folder: the first part of the path.
    #[must_use]
    pub fn package(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    fn is_source(&self) -> bool {
        let folder = self.path.split('/').nth(1);
        folder == Some("src") || (self.package() == "examples" && folder == Some("examples"))
    }

    /// The paths, without ending, of the modules this file declares for tests only.
    fn test_modules(&self) -> Vec<String> {
        let whole = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let (folder, name) = whole.rsplit_once('/').unwrap_or(("", whole));
        let children = if matches!(name, "lib" | "main" | "mod") {
            folder
        } else {
            whole
        };
        let declared = source::read(&self.text).test_modules;
        declared
            .iter()
            .map(|module| format!("{children}/{module}"))
            .collect()
    }
}

/// The root of the workspace that the current directory lies in.
///
/// # Errors
/// No folder from here upwards is the root of this workspace.
pub fn root() -> io::Result<PathBuf> {
    let here = std::env::current_dir()?;
    let is_root = |folder: &&Path| {
        folder.join("xtask").is_dir()
            && fs::read_to_string(folder.join("Cargo.toml"))
                .is_ok_and(|text| text.contains("[workspace]"))
    };
    let found = here.ancestors().find(is_root).map(Path::to_owned);
    found.ok_or_else(|| {
        io::Error::other(format!("`{}` is not inside the workspace", here.display()))
    })
}

fn collect(root: &Path, folder: &str, ignored: &Ignored, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() {
            name.clone()
        } else {
            format!("{folder}/{name}")
        };
        if ignored.covers(&path, &name) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(root, &path, ignored, files)?;
        } else if kind.is_file() && entry.metadata()?.len() <= LARGEST_TEXT {
            // What is not UTF-8 is data.
            files.extend(
                String::from_utf8(fs::read(entry.path())?)
                    .ok()
                    .map(|text| File { path, text }),
            );
        }
    }
    Ok(())
}

/// The lines of `.gitignore` in the three shapes the project uses: `/at-the-root`, `name`, `*.ending`.
struct Ignored(Vec<String>);

impl Ignored {
    fn read(root: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(root.join(".gitignore")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(Self(
            lines
                .map(|line| line.trim_end_matches('/').to_owned())
                .collect(),
        ))
    }

    fn covers(&self, path: &str, name: &str) -> bool {
        let matches =
            |pattern: &String| match (pattern.strip_prefix('/'), pattern.strip_prefix('*')) {
                (Some(at_root), _) => path == at_root,
                (None, Some(ending)) => name.ends_with(ending),
                (None, None) => name == pattern,
            };
        name == ".git" || name == "target" || self.0.iter().any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_leaves_out_tests_and_their_files() {
        let files = [
            ("core/src/lib.rs", "mod a;\n#[cfg(test)]\nmod fixtures;"),
            ("core/src/a.rs", "#[cfg(test)]\nmod tests;"),
            ("core/src/a/tests.rs", ""),
            ("core/src/a/tests/more.rs", ""),
            ("core/src/a/testsuite.rs", ""),
            ("core/src/fixtures.rs", ""),
            ("core/src/tests.rs", ""),
            ("core/tests/outsider.rs", ""),
            ("examples/examples/runbook.rs", ""),
            ("core/src/notes.md", ""),
        ];
        let files = files.map(|(path, text)| File {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        let workspace = Workspace::new(files.to_vec());
        let paths: Vec<&str> = workspace
            .production()
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        let expected = [
            "core/src/a.rs",
            "core/src/a/testsuite.rs",
            "core/src/lib.rs",
            "core/src/tests.rs",
        ];
        assert_eq!(
            paths,
            [expected.as_slice(), &["examples/examples/runbook.rs"]].concat()
        );
    }

    #[test]
    fn gitignore_is_followed() {
        let ignored = Ignored(vec![
            "/demo".to_owned(),
            "*.profraw".to_owned(),
            "scratch".to_owned(),
        ]);
        let cases = [
            ("demo", true),
            ("core/demo", false),
            ("core/a.profraw", true),
            ("core/scratch", true),
            ("core/target", true),
            (".git", true),
            (".github", false),
        ];
        for (path, expected) in cases {
            let name = path.rsplit('/').next().unwrap();
            assert_eq!(ignored.covers(path, name), expected, "{path}");
        }
    }
}
