//! What a head pin promises.

use std::sync::Barrier;

use crate::ports::{HeadPin, Replaced};

/// Checks every promise of the [`HeadPin`] port.
///
/// `open` gives a way into one and the same pin each time it is called; it holds nothing at first.
///
/// # Panics
/// When the pin breaks a promise; the message names it.
pub fn check_pin<P: HeadPin>(open: impl Fn() -> P + Sync) {
    first(&open);
    expected(&open);
    evidence(&mut open());
    race(&open);
}

fn text(n: usize) -> String {
    let signature = "x".repeat(n);
    format!("log.example\n{n}\nAAAA=\n\n\u{2014} log.example {signature}\n")
}

fn held<P: HeadPin>(pin: &mut P) -> Option<String> {
    pin.read()
        .unwrap_or_else(|error| panic!("it can be read: {error}"))
}

fn set<P: HeadPin>(pin: &mut P, expected: Option<&str>, next: &str) -> Replaced {
    pin.replace(expected, next)
        .unwrap_or_else(|error| panic!("it can be moved: {error}"))
}

fn first<P: HeadPin>(open: &impl Fn() -> P) {
    let (mut pin, one, two) = (open(), text(1), text(2));
    assert_eq!(held(&mut pin), None, "it holds nothing at first");
    let moved = set(&mut pin, Some(&one), &two);
    assert_eq!(moved, Replaced::Holds(None), "nothing is not something");
    assert_eq!(held(&mut pin), None, "what is refused changes nothing");
    let moved = set(&mut pin, None, &one);
    assert_eq!(moved, Replaced::Done, "the first text is put there");
    assert_eq!(held(&mut pin), Some(one), "what was put there comes back");
}

fn expected<P: HeadPin>(open: &impl Fn() -> P) {
    let (mut pin, one, two, long) = (open(), text(1), text(2), text(30_000));
    let holds = Replaced::Holds(Some(one.clone()));
    assert_eq!(held(&mut pin), Some(one.clone()), "it comes back to all");
    for (expected, why) in [
        (None, "something is not nothing"),
        (Some(&*two), "another text is expected"),
        (Some(one.trim_end()), "every byte counts"),
    ] {
        assert_eq!(set(&mut pin, expected, &two), holds, "{why}");
        assert_eq!(held(&mut open()), Some(one.clone()), "{why}");
    }
    let moved = set(&mut open(), Some(&one), &two);
    assert_eq!(moved, Replaced::Done, "anybody may move it");
    let moved = set(&mut pin, Some(&two), &long);
    assert_eq!(moved, Replaced::Done, "long notes fit");
    assert_eq!(held(&mut pin), Some(long), "and come back whole");
}

fn evidence<P: HeadPin>(pin: &mut P) {
    let mut keep = |name: &str, text: &str| {
        pin.keep(name, text)
            .unwrap_or_else(|error| panic!("evidence can be kept: {error}"))
    };
    let first = keep("rollback", "two heads\n");
    let again = keep("rollback", "two heads\n");
    assert_eq!(again, first, "the same evidence is kept once");
    let other = keep("rollback", "two other heads\n");
    assert_ne!(other, first, "no evidence takes the place of other");
}

/// Of several who move it at once from the same place, one does.
fn race<P: HeadPin>(open: &(impl Fn() -> P + Sync)) {
    const RACERS: usize = 4;
    let mut from = text(30_000);
    for round in 0..20 {
        let barrier = Barrier::new(RACERS);
        let run = |racer: usize| {
            let (mut pin, next) = (open(), format!("round {round} racer {racer}\n"));
            barrier.wait();
            (set(&mut pin, Some(&from), &next) == Replaced::Done).then_some(next)
        };
        let won: Vec<String> = std::thread::scope(|scope| {
            let racer = |racer| scope.spawn(move || run(racer));
            let racers: Vec<_> = (0..RACERS).map(racer).collect();
            let ended = racers.into_iter().map(|racer| racer.join());
            ended
                .filter_map(|end| end.unwrap_or_else(|_| panic!("others may move it meanwhile")))
                .collect()
        });
        assert_eq!(won.len(), 1, "one of several moves it: {won:?}");
        from = won.concat();
        let now = held(&mut open());
        assert_eq!(now.as_deref(), Some(&*from), "it holds what the winner put");
    }
}
