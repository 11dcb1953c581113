//! The table of the goals: ours beside the floor and the best rival of the same run.

use super::goals::ROWS;
use super::results::{Figure, Of, Results, machine};

/// Which way a figure gets better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Better {
    Less,
    More,
}

/// What we want of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// A value of its own.
    Value(f64),
    /// A multiple of the floor.
    Floor(f64),
    /// A multiple of the best rival.
    Rival(f64),
}

/// One row: what is compared with what.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) key: &'static str,
    pub(super) better: Better,
    pub(super) ours: Of,
    pub(super) floor: Option<(Of, &'static str)>,
    pub(super) rivals: &'static [(Of, &'static str)],
    pub(super) goal: Goal,
}

/// One row, filled in.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) better: Better,
    pub(super) ours: Figure,
    pub(super) floor: Option<Figure>,
    pub(super) rival: Option<(&'static str, Figure)>,
    wanted: Option<f64>,
    goal: String,
}

#[derive(Debug)]
pub(super) struct Table(Vec<Filled>);

impl Table {
    pub(super) fn of(results: &Results) -> Self {
        let rows = ROWS.iter().copied().flatten();
        Self(rows.filter_map(|row| row.fill(results)).collect())
    }

    pub(super) fn rows(&self) -> &[Filled] {
        &self.0
    }

    /// Prints it as Markdown.
    pub(super) fn print(&self) {
        println!();
        for (name, value) in machine() {
            println!("{name}: {value}");
        }
        println!(
            "\n| workload | unit | ours [least..most] | floor | ours / floor | best rival | ours / rival | goal | met |\n|---|---|---|---|---|---|---|---|---|"
        );
        for row in &self.0 {
            println!("{}", row.line());
        }
    }
}

impl Filled {
    fn line(&self) -> String {
        let ours = self.ours;
        let ratio =
            |other: Option<f64>| other.map_or_else(String::new, |other| short(ours.middle / other));
        let floor = self.floor.map(|floor| floor.middle);
        let rival = self.rival.map(|(_, rival)| rival.middle);
        let named = self.rival.map_or_else(String::new, |(name, rival)| {
            format!("{} ({name})", short(rival.middle))
        });
        let met = match self.wanted {
            None => "not known",
            Some(wanted) if self.better == Better::Less && ours.middle <= wanted => "yes",
            Some(wanted) if self.better == Better::More && ours.middle >= wanted => "yes",
            Some(_) => "no",
        };
        format!(
            "| {} | {} | {} [{}..{}] | {} | {} | {} | {} | {} | {} |",
            self.what,
            self.unit,
            short(ours.middle),
            short(ours.least),
            short(ours.most),
            floor.map_or_else(String::new, short),
            ratio(floor),
            named,
            ratio(rival),
            self.goal,
            met
        )
    }
}

/// Three digits that count.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

impl Row {
    fn fill(&self, results: &Results) -> Option<Filled> {
        let ours = results.figure(self.ours, self.key)?;
        let floor = self.floor.and_then(|(of, key)| results.figure(of, key));
        let rival = self.best(results);
        let sign = if self.better == Better::Less {
            "≤"
        } else {
            "≥"
        };
        let (wanted, goal) = match self.goal {
            Goal::Value(value) => (Some(value), format!("{sign} {}", short(value))),
            Goal::Floor(times) => (
                floor.map(|floor| floor.middle * times),
                format!("{sign} {times} × floor"),
            ),
            Goal::Rival(times) => (
                rival.map(|(_, rival)| rival.middle * times),
                format!("{sign} {times} × rival"),
            ),
        };
        Some(Filled {
            what: self.what,
            unit: self.unit,
            better: self.better,
            ours,
            floor,
            rival,
            wanted,
            goal,
        })
    }

    fn best(&self, results: &Results) -> Option<(&'static str, Figure)> {
        let figures = self.rivals.iter();
        let figures = figures.filter_map(|(of, key)| Some((of.peer, results.figure(*of, key)?)));
        let order =
            |one: &(&str, Figure), other: &(&str, Figure)| one.1.middle.total_cmp(&other.1.middle);
        match self.better {
            Better::Less => figures.min_by(order),
            Better::More => figures.max_by(order),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn line(peer: &str, variant: &str, p50: f64) -> Value {
        json!({"peer": peer, "workload": "W1", "variant": variant, "store": "memory", "p50_us": p50})
    }

    fn check(lines: &[Value], expected: &str) {
        let mut results = Results::default();
        results.extend(lines.to_vec());
        let table = Table::of(&results);
        let [row] = table.rows() else {
            panic!("one row: {table:?}");
        };
        assert_eq!(row.line(), expected);
    }

    #[test]
    fn a_row_compares_the_middle_of_all_rounds_with_the_floor_and_the_best_rival() {
        let ours = [5.0, 2.0, 9.0].map(|p50| line("approvals", "allow", p50));
        check(
            &ours,
            "| W1 allowed call, p50 | µs | 5.00 [2.00..9.00] |  |  |  |  | ≤ 1 × rival | not known |",
        );
        let mut all = ours.to_vec();
        all.push(line("floor", "allow_canonical_sha256", 0.5));
        all.push(line("langgraph", "allow", 50.0));
        all.push(line("agentmesh", "allow", 2.5));
        check(
            &all,
            "| W1 allowed call, p50 | µs | 5.00 [2.00..9.00] | 0.50 | 10.0 | 2.50 (agentmesh) | 2.00 | ≤ 1 × rival | no |",
        );
        all.push(line("agentmesh", "allow", 60.0));
        check(
            &all,
            "| W1 allowed call, p50 | µs | 5.00 [2.00..9.00] | 0.50 | 10.0 | 50.0 (langgraph) | 0.10 | ≤ 1 × rival | yes |",
        );
    }

    #[test]
    fn a_figure_has_three_digits_that_count() {
        for (value, text) in [
            (1234.5, "1234"),
            (12.34, "12.3"),
            (1.234, "1.23"),
            (0.0123, "0.0123"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
