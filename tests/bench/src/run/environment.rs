//! The kinds of disk: one whose syncs are free, and one whose syncs cost 1 ms each.
//!
//! A real disk is not among them: what its syncs cost drifts from minute to minute, and the figures with it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::Server;
use crate::machine::{SERVER_SYNCS, SYNCS};

/// What a store lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Disk {
    /// Memory: a sync costs nothing.
    Memory,
    /// Memory, and each sync takes 1 ms more and is counted.
    Slow,
}

impl Disk {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Memory => "tmpfs",
            Self::Slow => "sim1ms",
        }
    }
}

/// The folders, the counters and the servers of a run.
#[derive(Debug)]
pub(super) struct Environment {
    memory: tempfile::TempDir,
    slow: Option<PathBuf>,
    servers: BTreeMap<Disk, Server>,
}

impl Environment {
    pub(super) fn new(scratch: &Path) -> Self {
        let mut memory = tempfile::Builder::new();
        let memory = memory.prefix("approvals-bench-").tempdir_in("/dev/shm");
        let memory = memory.expect("a folder in memory");
        // The server is not root, and has its folder in here, too.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(memory.path(), open).expect("its own folder");
        Self {
            memory,
            slow: shim(scratch),
            servers: BTreeMap::new(),
        }
    }

    /// Whether this kind of disk can be had here.
    pub(super) fn has(&self, disk: Disk) -> bool {
        disk != Disk::Slow || self.slow.is_some()
    }

    /// A program that is to be measured on this kind of disk.
    pub(super) fn prepare(&mut self, command: &mut Command, disk: Disk, server: bool) {
        command.env("BENCH_FOLDER", self.memory.path());
        command.env("STORE_LABEL", disk.label());
        command.envs(self.syncs(disk, "program", SYNCS));
        if server {
            let url = self.database(disk);
            command.env("PGURL", url);
            if disk == Disk::Slow {
                command.env(SERVER_SYNCS, self.counter("server"));
            }
        }
    }

    /// A new folder in memory.
    pub(super) fn fresh(&self) -> PathBuf {
        let folder = tempfile::tempdir_in(self.memory.path());
        folder.expect("a folder").keep()
    }

    /// The variables under which syncs are slow and counted, the counter set to zero.
    fn syncs(&self, disk: Disk, who: &str, variable: &str) -> Vec<(String, String)> {
        let (Disk::Slow, Some(shim)) = (disk, &self.slow) else {
            return Vec::new();
        };
        let counter = self.counter(who);
        if !(who == "server" && counter.exists()) {
            fs::write(&counter, 0u64.to_le_bytes()).expect("written");
            // The server counts as another user.
            fs::set_permissions(&counter, fs::Permissions::from_mode(0o666)).expect("its own file");
        }
        let text = |path: &Path| path.display().to_string();
        vec![
            ("LD_PRELOAD".to_owned(), text(shim)),
            ("FSYNC_US".to_owned(), "1000".to_owned()),
            (variable.to_owned(), text(&counter)),
        ]
    }

    fn counter(&self, who: &str) -> PathBuf {
        self.memory.path().join(format!("{who}.syncs"))
    }

    /// A new database on this kind of disk.
    fn database(&mut self, disk: Disk) -> String {
        if !self.servers.contains_key(&disk) {
            let mut variables = self.syncs(disk, "server", SYNCS);
            let folder = self.memory.path().display().to_string();
            variables.push(("TMPDIR".to_owned(), folder));
            self.servers.insert(disk, Server::start(&variables));
        }
        let server = self.servers.get_mut(&disk).expect("it was started");
        server.database().expect("a database")
    }
}

/// What makes syncs slow, if this machine has a C compiler.
fn shim(scratch: &Path) -> Option<PathBuf> {
    let (source, made) = (scratch.join("slowsync.c"), scratch.join("slowsync.so"));
    fs::write(&source, include_str!("../slowsync.c")).expect("written");
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", "-o"]);
    cc.arg(&made).arg(&source).arg("-ldl");
    let compiled = cc.status().is_ok_and(|status| status.success());
    if !compiled {
        eprintln!("no C compiler: `sim1ms` is left out");
    }
    compiled.then_some(made)
}
