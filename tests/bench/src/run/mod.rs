//! One run: everything is measured in turn, so that what the neighbours do falls on all alike.

mod environment;
mod goals;
mod plan;
mod plot;
mod results;
mod rivals;
mod start;
mod table;

use std::path::PathBuf;
use std::rc::Rc;

use environment::Environment;
use plan::Plan;
use results::Results;
use rivals::Rivals;

/// What was asked for on the command line.
#[derive(Debug, Clone)]
struct Wish {
    rounds: usize,
    rivals: bool,
    quick: bool,
    workloads: Vec<String>,
}

impl Wish {
    fn parse(words: &[&str]) -> Option<Self> {
        let mut wish = Self {
            rounds: 3,
            rivals: true,
            quick: false,
            workloads: Vec::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--rounds" => wish.rounds = words.next()?.parse().ok()?,
                "--quick" => (wish.quick, wish.rounds) = (true, 1),
                "--no-rivals" => wish.rivals = false,
                "W1" | "W2" | "W3" | "W4" | "W5" | "W6" => {
                    wish.workloads.push((*word).to_owned());
                }
                _ => return None,
            }
        }
        Some(wish)
    }
}

/// Where everything that is installed and measured lies.
fn scratch() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let scratch = PathBuf::from(target).join("bench");
    std::fs::create_dir_all(&scratch).expect("a folder");
    std::path::absolute(scratch).expect("a folder")
}

/// Measures, prints the table, and writes results and plot beside each other.
pub(crate) fn run(words: &[&str]) -> bool {
    let Some(wish) = Wish::parse(words) else {
        return false;
    };
    let scratch = scratch();
    let mut environment = Environment::new(&scratch);
    let rivals = Rc::new(Rivals::install(&scratch, wish.rivals));
    let plan = Plan::new(&wish, &rivals);
    let mut results = Results::default();
    for round in 1..=wish.rounds {
        for step in plan.steps() {
            println!("round {round}: {step}");
            results.extend(step.measure(&mut environment));
        }
    }
    let table = table::Table::of(&results);
    table.print();
    let written = results.write(&scratch.join("results.json"));
    println!("\nall figures: {}", written.display());
    let drawn = scratch.join("bench.svg");
    std::fs::write(&drawn, plot::svg(&table)).expect("written");
    println!("plot: {}", drawn.display());
    true
}
