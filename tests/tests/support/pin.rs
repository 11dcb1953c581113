//! A head pin that can fail, hang and lie.

use std::sync::{Arc, Condvar, Mutex};

use approvals_core::ports::{HeadPin, PinError, Replaced};

use super::trap::Trap;

/// A pin in memory that outlives its gates.
#[derive(Debug, Clone, Default)]
pub struct Pin(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    held: Mutex<Option<String>>,
    evidence: Mutex<Vec<String>>,
    trap: Trap,
    hangs: Mutex<bool>,
    released: Condvar,
}

impl Pin {
    /// A pin that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What makes it fail: `read`, `move refused`, `move unknown`.
    pub fn trap(&self) -> Trap {
        self.0.trap.clone()
    }

    /// What it holds.
    pub fn held(&self) -> Option<String> {
        self.0.held.lock().unwrap().clone()
    }

    /// Makes it hold something else, as somebody with hands on it can.
    pub fn set(&self, text: Option<String>) {
        *self.0.held.lock().unwrap() = text;
    }

    /// How many records the head covers that it holds.
    pub fn size(&self) -> u64 {
        let held = self.held().expect("it holds a head");
        held.lines()
            .nth(1)
            .expect("a size")
            .parse()
            .expect("a size")
    }

    /// What was kept as evidence.
    pub fn evidence(&self) -> Vec<String> {
        self.0.evidence.lock().unwrap().clone()
    }

    /// From now on it answers nobody, until it is released.
    pub fn hang(&self) {
        *self.0.hangs.lock().unwrap() = true;
    }

    /// It answers again.
    pub fn release(&self) {
        *self.0.hangs.lock().unwrap() = false;
        self.0.released.notify_all();
    }

    fn wait(&self) {
        let hangs = self.0.hangs.lock().unwrap();
        drop(self.0.released.wait_while(hangs, |hangs| *hangs).unwrap());
    }
}

impl HeadPin for Pin {
    fn read(&mut self) -> Result<Option<String>, PinError> {
        self.wait();
        if self.0.trap.springs("read") {
            return Err(PinError("the volume is not there".to_owned()));
        }
        Ok(self.held())
    }

    fn replace(&mut self, expected: Option<&str>, next: &str) -> Result<Replaced, PinError> {
        self.wait();
        if self.0.trap.springs("move refused") {
            return Err(PinError("the volume is full".to_owned()));
        }
        let mut held = self.0.held.lock().unwrap();
        if held.as_deref() != expected {
            return Ok(Replaced::Holds(held.clone()));
        }
        *held = Some(next.to_owned());
        if self.0.trap.springs("move unknown") {
            return Err(PinError(
                "the volume did not say whether it is durable".to_owned(),
            ));
        }
        Ok(Replaced::Done)
    }

    fn keep(&mut self, name: &str, evidence: &str) -> Result<String, PinError> {
        self.wait();
        let mut kept = self.0.evidence.lock().unwrap();
        kept.push(format!("{name}\n{evidence}"));
        Ok(format!("evidence {}", kept.len()))
    }
}
