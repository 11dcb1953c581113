//! The table as a picture: how many times better or worse ours is than the best rival.

use std::fmt::Write as _;

use super::table::{Better, Filled, Table, short};

const ROW: usize = 26;
const LEFT: usize = 290;
const WIDTH: usize = 900;

/// A bar for each row that has a rival, on a scale of powers of ten.
pub(super) fn svg(table: &Table) -> String {
    let rows: Vec<_> = table.rows().iter().filter_map(gain).collect();
    let height = ROW * (rows.len() + 2);
    let middle = LEFT + (WIDTH - LEFT) / 3;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n<text x=\"10\" y=\"18\" font-weight=\"bold\">times better than the best rival of the same run (left of the line: worse)</text>\n"
    );
    for (number, (row, gain, rival)) in rows.iter().enumerate() {
        let top = ROW * (number + 1) + 4;
        let length = (gain.log10().clamp(-2.0, 4.0) * 90.0).round();
        let (start, color) = if length >= 0.0 {
            (middle as f64, "#2a7")
        } else {
            (middle as f64 + length, "#c54")
        };
        let (text, from, label) = (
            top + 15,
            middle as f64 + length.max(0.0) + 6.0,
            short(*gain),
        );
        let written = writeln!(
            svg,
            "<text x=\"10\" y=\"{text}\">{}</text><rect x=\"{start}\" y=\"{top}\" width=\"{}\" height=\"18\" fill=\"{color}\"/><text x=\"{from}\" y=\"{text}\">{label} × {rival}</text>",
            row.what,
            length.abs().max(1.0),
        );
        written.expect("memory");
    }
    let bottom = height - ROW / 2;
    let line = writeln!(
        svg,
        "<line x1=\"{middle}\" x2=\"{middle}\" y1=\"{ROW}\" y2=\"{bottom}\" stroke=\"#333\"/>\n</svg>"
    );
    line.expect("memory");
    svg
}

fn gain(row: &Filled) -> Option<(&Filled, f64, &'static str)> {
    let (name, rival) = row.rival?;
    let gain = match row.better {
        Better::Less => rival.middle / row.ours.middle,
        Better::More => row.ours.middle / rival.middle,
    };
    (gain.is_finite() && gain > 0.0).then_some((row, gain, name))
}
