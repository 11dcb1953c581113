//! Rows of figures, for people and as JSON lines.

pub struct Table(Vec<(String, f64, &'static str, String)>);

impl Table {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    pub fn row(&mut self, what: &str, value: f64, unit: &'static str, note: impl Into<String>) {
        self.0.push((what.to_owned(), value, unit, note.into()));
    }

    pub fn print(&self) {
        println!("\n{:<52} {:>14} {:<6} note", "what", "value", "unit");
        for (what, value, unit, note) in &self.0 {
            println!("{what:<52} {value:>14.2} {unit:<6} {note}");
        }
        println!();
        for (what, value, unit, note) in &self.0 {
            println!(
                "{}",
                serde_json::json!({"what": what, "value": (value * 1000.0).round() / 1000.0, "unit": unit, "note": note})
            );
        }
    }
}

/// The value below which this share of the samples lies.
pub fn percentile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let place = (share * (samples.len().saturating_sub(1)) as f64).round() as usize;
    samples.get(place).copied().unwrap_or(f64::NAN)
}
