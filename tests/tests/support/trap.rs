//! Fails one step of one port, so that a test can try every one of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::clock::{Clock, Timestamp};

/// Whether a step fails once, or from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// The step works when it is tried again.
    Once,
    /// The step never works again.
    Forever,
}

/// A fault that waits for the nth call of one step; ports ask it before they do anything.
#[derive(Debug, Clone, Default)]
pub struct Trap(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    armed: Option<(&'static str, usize, Lasting)>,
    calls: usize,
    sprung: bool,
}

impl Trap {
    /// The `nth` call of this step fails, counted from 0.
    pub fn arm(&self, step: &'static str, nth: usize, lasting: Lasting) {
        *self.0.lock().unwrap() = State {
            armed: Some((step, nth, lasting)),
            ..State::default()
        };
    }

    /// Nothing fails any more.
    pub fn disarm(&self) {
        self.0.lock().unwrap().armed = None;
    }

    /// Whether anything failed since it was armed.
    pub fn sprung(&self) -> bool {
        self.0.lock().unwrap().sprung
    }

    /// How often the armed step was called since.
    pub fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// Whether this call of this step fails.
    pub fn springs(&self, step: &str) -> bool {
        let mut state = self.0.lock().unwrap();
        let Some((armed, nth, lasting)) = state.armed else {
            return false;
        };
        if armed != step {
            return false;
        }
        let call = state.calls;
        state.calls += 1;
        let springs = call == nth || (call > nth && lasting == Lasting::Forever);
        state.sprung |= springs;
        springs
    }
}

/// A clock that a trap can set wrong.
#[derive(Debug, Clone)]
pub struct WrongClock {
    /// The clock that is right.
    pub right: Arc<dyn Clock>,
    /// What sets it wrong.
    pub trap: Trap,
}

impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        let now = self.right.now();
        match () {
            () if self.trap.springs("clock back") => now.before(Duration::from_secs(3_600)),
            () if self.trap.springs("clock forward") => now.after(Duration::from_secs(86_400)),
            () => now,
        }
    }
}

/// A clock that only moves when it is told to.
#[derive(Debug, Clone)]
pub struct HandClock(Arc<Mutex<Timestamp>>);

impl HandClock {
    /// A clock that stands at some time in 2026.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Timestamp::from_micros(
            1_767_225_600_000_000,
        ))))
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.after(by);
    }

    /// Sets it back.
    pub fn set_back(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.before(by);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}
