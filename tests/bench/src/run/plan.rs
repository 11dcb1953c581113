//! What is measured, in which order.

use std::fmt;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::environment::{Disk, Environment};
use super::rivals::Rivals;
use super::{Wish, start};

/// One program that measures something on one kind of disk.
#[derive(Debug, Clone)]
pub(super) struct Step {
    who: Who,
    workload: &'static str,
    words: Vec<&'static str>,
    disk: Disk,
    program: Program,
}

/// How to start it.
#[derive(Debug, Clone)]
enum Program {
    /// This program, with these words in front.
    Own(&'static str),
    /// A rival, and where it is.
    Rival(std::rc::Rc<Rivals>),
}

type Who = &'static str;

/// A rival's workload: who, the folder it is installed with, the workload, its words, and on which disks.
type Entry = (
    Who,
    Who,
    &'static str,
    &'static [&'static str],
    &'static [Disk],
);

const BOTH: &[Disk] = &[Disk::Slow, Disk::Memory];
const FREE: &[Disk] = &[Disk::Memory];
const RIVALS: &[Entry] = &[
    ("agentmesh", "rust", "W1", &["W1", "20000"], FREE),
    ("langgraph", "langgraph", "W1", &["w1", "800"], FREE),
    ("openai_agents", "openai_agents", "W1", &["w1", "200"], FREE),
    (
        "pyledgers",
        "pyledgers",
        "W1",
        &["agentguard_w1", "80"],
        FREE,
    ),
    ("langgraph", "langgraph", "W2", &["w2", "200", "sync"], BOTH),
    ("dbos", "dbos", "W2", &["w2", "150", "tuned"], BOTH),
    ("openai_agents", "openai_agents", "W2", &["w2", "150"], BOTH),
    ("pyledgers", "pyledgers", "W2", &["gate_w2", "300"], BOTH),
    ("pyledgers", "pyledgers", "W2", &["ledger_w2", "300"], BOTH),
    (
        "pyledgers",
        "pyledgers",
        "W2",
        &["agentguard_w2", "80"],
        BOTH,
    ),
    ("restate", "restate", "W2", &["w2", "250"], FREE),
    ("dbos_rs", "rust", "W3", &["W3", "200"], BOTH),
    ("dbos", "dbos", "W3", &["w3", "150"], BOTH),
    ("langgraph", "langgraph", "W3", &["w3", "150"], BOTH),
    ("dbos_rs", "rust", "W4", &["W4", "10000"], FREE),
    (
        "langgraph",
        "langgraph",
        "W4",
        &["w4", "10000", "memory"],
        FREE,
    ),
    ("restate", "restate", "W4", &["w4", "10000"], FREE),
    ("agentmesh", "rust", "W5", &["W5", "10000"], FREE),
    ("merkle", "rust", "W5", &["W5", "1000000"], FREE),
    (
        "pyledgers",
        "pyledgers",
        "W5",
        &["agentguard_w5", "500"],
        BOTH,
    ),
    (
        "pyledgers",
        "pyledgers",
        "W5",
        &["pymerkle_w5", "1000", "sqlite"],
        BOTH,
    ),
    ("agentmesh", "rust", "W6", &["W6"], FREE),
    ("langgraph", "langgraph", "W6", &["w6"], FREE),
    ("dbos", "dbos", "W6", &["w6"], FREE),
    ("openai_agents", "openai_agents", "W6", &["w6"], FREE),
    ("pyledgers", "pyledgers", "W6", &["agentguard_w6"], FREE),
];

/// Our side and the floors.
const OWN: &[(&str, &[&str], &[Disk])] = &[
    ("W1", &["W1"], FREE),
    ("W2", &["W2"], BOTH),
    ("W3", &["W3"], BOTH),
    ("W4", &["W4", "10000"], FREE),
    ("W5", &["W5", "10000"], BOTH),
    ("W6", &["W6"], FREE),
];

/// With more patience: what only a long run shows.
const LONG: &[(&str, &[&str], &[Disk])] = &[
    ("W4", &["W4", "100000"], FREE),
    ("W5", &["W5", "1000000"], FREE),
];

#[derive(Debug)]
pub(super) struct Plan(Vec<Step>);

impl Plan {
    pub(super) fn new(wish: &Wish, rivals: &std::rc::Rc<Rivals>) -> Self {
        let mut steps = Vec::new();
        let long = if wish.quick { &[] } else { LONG };
        for (workload, words, disks) in OWN.iter().chain(long) {
            for disk in *disks {
                for who in ["ours", "floor"] {
                    steps.push(Step {
                        who,
                        workload,
                        words: words.to_vec(),
                        disk: *disk,
                        program: Program::Own(who),
                    });
                }
            }
        }
        for (who, folder, workload, words, disks) in RIVALS {
            let disks = disks.iter().filter(|_| rivals.has(folder));
            steps.extend(disks.map(|disk| Step {
                who,
                workload,
                words: words.to_vec(),
                disk: *disk,
                program: Program::Rival(std::rc::Rc::clone(rivals)),
            }));
        }
        let named = |step: &Step| {
            wish.workloads.is_empty() || wish.workloads.iter().any(|name| name == step.workload)
        };
        steps.retain(named);
        // Side by side: what is compared is measured within the same minute.
        steps.sort_by_key(|step| (step.workload, step.disk));
        Self(steps)
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.0.iter()
    }
}

impl Step {
    /// Runs it; what it printed, or nothing and a word why.
    pub(super) fn measure(&self, environment: &mut Environment) -> Vec<Value> {
        if !environment.has(self.disk) {
            return Vec::new();
        }
        if self.workload == "W6" {
            return start::measure(self.who, || self.command(environment));
        }
        let mut command = self.command(environment);
        let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
        match output {
            Ok(output) if output.status.success() => lines(&output.stdout),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last: Vec<_> = said.lines().rev().take(3).collect();
                println!("left out: {self}: {}: {}", output.status, last.join(" / "));
                Vec::new()
            }
            Err(error) => {
                println!("left out: {self}: {error}");
                Vec::new()
            }
        }
    }

    fn command(&self, environment: &mut Environment) -> Command {
        let mut command = match &self.program {
            Program::Own(_) if self.workload == "W6" => start::own(self.who, environment),
            Program::Own(side) => {
                let mut command = Command::new(std::env::current_exe().expect("this program"));
                command.arg(side).args(&self.words);
                command
            }
            Program::Rival(rivals) => rivals.command(self.who, &self.words),
        };
        environment.prepare(
            &mut command,
            self.disk,
            self.workload == "W3" || self.server(),
        );
        command
    }

    fn server(&self) -> bool {
        self.who == "dbos_rs"
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words.join(" ");
        write!(f, "{} {words} on {}", self.who, self.disk.label())
    }
}

fn lines(output: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(output);
    let read = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    read.filter(Value::is_object).collect()
}
