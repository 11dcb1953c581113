//! Promises about the outbox: who hears of what, and who is trying already.

use std::time::Duration;

use crate::ports::{Backlog, Batch, Due, Store};

use super::Promise;
use super::log::{Log, at, request};

pub(super) const LEASE: Duration = Duration::from_secs(60);

pub(super) fn promises<S: Store>() -> Vec<Promise<S>> {
    vec![
        ("the outbox keeps what channels have yet to draw", outbox),
        (
            "what channels and followers have yet to take is known",
            backlogs,
        ),
    ]
}

fn backlogs<S: Store>(mut log: Log<S>) {
    behind(&mut log, &[]);
    tell(&mut log, 1, |batch| {
        batch.channels = vec!["slack".to_owned(), "web".to_owned()];
        batch.followed = vec![("siem".to_owned(), 0)];
    });
    tell(&mut log, 2, |_| {});
    behind(&mut log, &[("siem", 2, 0), ("slack", 2, 0), ("web", 2, 0)]);
    let mut batch = log.batch(&[]);
    batch.delivered = vec![(0, "slack".to_owned()), (0, "web".to_owned())];
    batch.delivered.push((1, "web".to_owned()));
    batch.followed = vec![("siem".to_owned(), 1)];
    log.commit(&batch);
    behind(&mut log, &[("siem", 1, 1), ("slack", 1, 1), ("web", 0, 2)]);
    // Nobody is taken back, and whoever follows draws nothing.
    tell(&mut log, 3, |batch| {
        batch.followed = vec![("siem".to_owned(), 0), ("new".to_owned(), 3)];
    });
    behind(
        &mut log,
        &[
            ("new", 0, 3),
            ("siem", 2, 1),
            ("slack", 2, 1),
            ("web", 1, 2),
        ],
    );
    due(&mut log, &["new", "siem"], 9_000, &[]);
}

fn behind<S: Store>(log: &mut Log<S>, want: &[(&str, u64, u64)]) {
    let want: Vec<Backlog> = want
        .iter()
        .map(|(channel, waiting, next)| Backlog::new(*channel, *waiting, *next))
        .collect();
    log.expect("`backlogs`", |store| store.backlogs(), &want);
}

fn outbox<S: Store>(mut log: Log<S>) {
    // Before anybody listens, a change is told to nobody, then or later.
    tell(&mut log, 1, |_| {});
    tell(&mut log, 2, |batch| {
        batch.channels = vec!["slack".to_owned()]
    });
    tell(&mut log, 3, |batch| {
        batch.channels = vec!["slack".to_owned(), "web".to_owned()]
    });
    due(
        &mut log,
        &["slack", "web", "mail"],
        100,
        &[(1, 2, "slack", 0), (2, 3, "slack", 0), (2, 3, "web", 0)],
    );
    due(&mut log, &["slack", "web"], 159, &[]);
    due(&mut log, &["web"], 160, &[(2, 3, "web", 1)]);
    let mut batch = log.batch(&[]);
    batch.delivered = vec![
        (2, "slack".to_owned()),
        (9, "slack".to_owned()),
        (1, "web".to_owned()),
    ];
    log.commit(&batch);
    // What failed once is left alone for twice as long.
    due(&mut log, &["slack", "web"], 161, &[(1, 2, "slack", 1)]);
    due(&mut log, &["slack", "web"], 279, &[]);
    due(
        &mut log,
        &["slack", "web"],
        281,
        &[(1, 2, "slack", 2), (2, 3, "web", 2)],
    );
    // A notice that is told and delivered in one step is done.
    tell(&mut log, 4, |batch| {
        batch.delivered = vec![(3, "slack".to_owned())]
    });
    due(&mut log, &["slack"], 282, &[]);
    due(&mut log, &["web"], 282, &[(3, 4, "web", 0)]);
    due(&mut log, &[], 9_000, &[]);
}

/// One more record, with a notice.
pub(super) fn tell<S: Store>(log: &mut Log<S>, number: u8, more: impl FnOnce(&mut Batch)) {
    let mut batch = log.batch(&[(b"changed", Some(request(number)))]);
    batch.notices = vec![(log.size(), request(number))];
    more(&mut batch);
    log.commit(&batch);
}

fn due<S: Store>(log: &mut Log<S>, channels: &[&str], second: u64, want: &[(u64, u8, &str, u32)]) {
    let channels: Vec<String> = channels
        .iter()
        .map(|channel| (*channel).to_owned())
        .collect();
    let want: Vec<Due> = want
        .iter()
        .map(|(seq, number, channel, attempts)| {
            Due::new(*seq, request(*number), (*channel).to_owned(), *attempts)
        })
        .collect();
    let take = |store: &mut S| {
        store.take_due(&channels, at(second), LEASE).map(|mut due| {
            due.sort_by(|a, b| (a.seq, &a.channel).cmp(&(b.seq, &b.channel)));
            due
        })
    };
    log.expect(&format!("`take_due` at second {second}"), take, &want);
}
