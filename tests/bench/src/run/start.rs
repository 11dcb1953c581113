//! W6: from the start of a process to its first guarded call, and what it weighs.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use approvals_core::ledger::LedgerKey;
use serde_json::{Value, json};

use super::environment::Environment;
use crate::machine::monotonic;

/// How often a process is started; the first time only warms the machine up.
const STARTS: usize = 10;

/// Starts it again and again.
pub(super) fn measure(who: &str, mut command: impl FnMut() -> Command) -> Vec<Value> {
    let peer = if who == "ours" {
        crate::ours::PEER
    } else {
        who
    };
    let (mut took, mut memory, mut program) = (Vec::new(), Vec::new(), PathBuf::new());
    for turn in 0..=STARTS {
        let mut command = command();
        program = PathBuf::from(command.get_program());
        let started = monotonic();
        let Ok(output) = command.stderr(Stdio::null()).output() else {
            return Vec::new();
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        let Ok(answer) = serde_json::from_str::<Value>(last) else {
            println!("left out: {who} W6: it printed `{last}`");
            return Vec::new();
        };
        if turn > 0 {
            let ready = answer
                .get("ready")
                .and_then(Value::as_u64)
                .unwrap_or(started);
            took.push(ready.saturating_sub(started) as f64 / 1e6);
            memory.push(
                answer
                    .get("rss_mb")
                    .and_then(Value::as_f64)
                    .unwrap_or(f64::NAN),
            );
        }
    }
    let weight = fs::metadata(program).map_or(f64::NAN, |meta| meta.len() as f64 / 1_048_576.0);
    let median = |values: &mut Vec<f64>| super::results::median(values);
    vec![json!({
        "peer": peer, "workload": "W6", "variant": "first_call", "store": "tmpfs", "n": STARTS,
        "start_ms": median(&mut took), "rss_mb": median(&mut memory), "binary_mb": weight,
    })]
}

/// Our program, or the floor's, in a folder that holds a key.
pub(super) fn own(side: &str, environment: &Environment) -> Command {
    let folder = environment.fresh();
    LedgerKey::create_file(folder.join("ledger.key")).expect("a key");
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program.with_file_name("first_call"));
    command.arg(side).arg(folder);
    command
}
