//! What changes from one policy text to another, for people to read and for anybody to check.
//!
//! Lines as in other diffs: a space in front of what stays, `-` of what goes, `+` of what comes.
//! Whoever applies it to the old text gets the new one or nothing, so that a diff that leaves
//! something out is found, whatever program made it.

use std::fmt::Write as _;
use std::ops::Range;

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

/// How many lines around a change are shown.
const AROUND: usize = 3;

/// Says from which line of the old text on the lines below it are.
const AT: &str = "@@ line ";

/// What changes from the old text to the new one; empty when nothing does.
pub(crate) fn diff(old: &str, new: &str) -> String {
    let (old, new) = (lines(old), lines(new));
    let changes = capture_diff_slices(Algorithm::Myers, &old, &new);
    let mut text = String::new();
    for group in group_diff_ops(changes, AROUND) {
        let from = group.first().map_or(0, |first| first.old_range().start);
        let _ = writeln!(text, "{AT}{}", from + 1);
        for change in group {
            write_change(&mut text, &change, &old, &new);
        }
    }
    text.truncate(text.trim_end_matches('\n').len());
    text
}

fn write_change(text: &mut String, change: &DiffOp, old: &[&str], new: &[&str]) {
    let mut write = |sign: char, lines: &[&str], range: Range<usize>| {
        for line in lines.get(range).unwrap_or_default() {
            let _ = writeln!(text, "{sign}{line}");
        }
    };
    if change.tag() == DiffTag::Equal {
        return write(' ', old, change.old_range());
    }
    write('-', old, change.old_range());
    write('+', new, change.new_range());
}

/// The text that a diff makes of the old one; none when it is no diff of it.
pub(crate) fn apply(old: &str, diff: &str) -> Option<String> {
    let old = lines(old);
    let (mut new, mut next) = (Vec::with_capacity(old.len()), 0);
    for line in lines(diff).into_iter().filter(|_| !diff.is_empty()) {
        if let Some(at) = line.strip_prefix(AT) {
            let at = at.parse::<usize>().ok()?.checked_sub(1)?;
            new.extend(old.get(next..at)?);
            next = at;
            continue;
        }
        let mut rest = line.chars();
        let sign = rest.next()?;
        let line = rest.as_str();
        if sign != '+' {
            let same = old.get(next).is_some_and(|have| *have == line);
            next = same.then_some(next + 1)?;
        }
        match sign {
            ' ' | '+' => new.push(line),
            '-' => {}
            _ => return None,
        }
    }
    new.extend(old.get(next..)?);
    Some(new.join("\n"))
}

/// The lines of a text; joined by newlines they are the text again, byte for byte.
fn lines(text: &str) -> Vec<&str> {
    text.split('\n').collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_diff_shows_what_changes_and_little_else() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\n";
        let expected = "@@ line 2\n b\n c\n d\n-e\n+E\n f\n g\n h";
        assert_eq!(diff(old, new), expected);
        assert_eq!(apply(old, expected).as_deref(), Some(new));
        assert_eq!(diff(old, old), "");
        assert_eq!(apply(old, "").as_deref(), Some(old));
    }

    #[test]
    fn what_is_no_diff_of_this_text_makes_nothing() {
        let old = "a\nb\nc\n";
        for wrong in [
            "@@ line 0\n a",
            "@@ line x\n a",
            "@@ line 9\n+z",
            "@@ line 1\n-b",
            "@@ line 2\n a",
            "@@ line 3\n c\n@@ line 1\n a",
            "a",
            "\n",
            "@@ line 1\n\n",
            "@@ line 1\n?a",
            "-a\n-b\n-c\n-\n-",
        ] {
            assert_eq!(apply(old, wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn the_old_text_and_the_diff_make_the_new_one(old in "[ab@+ \r\n-]{0,60}", new in "[ab@+ \r\n-]{0,60}") {
            let change = diff(&old, &new);
            prop_assert_eq!(apply(&old, &change), Some(new.clone()));
            prop_assert_eq!(change.is_empty(), old == new);
        }
    }
}
