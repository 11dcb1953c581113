//! What stays open holds a slot: a person's streams, an agent's waits.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use approvals_core::Code;

use crate::problem::Problem;

/// How much each of many may hold open at once.
pub(crate) struct Slots<K> {
    most: u32,
    what: &'static str,
    open: Arc<Mutex<HashMap<K, u32>>>,
}

impl<K: Clone + Eq + Hash + std::fmt::Display> Slots<K> {
    /// `what` is named in refusals.
    pub(crate) fn new(what: &'static str, most: u32) -> Self {
        Self {
            most,
            what,
            open: Arc::default(),
        }
    }

    /// Takes a slot, which is free again once the value is gone.
    ///
    /// # Errors
    /// `RateLimited` when all are taken.
    pub(crate) fn take(&self, who: &K) -> Result<Slot<K>, Problem> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let held = open.entry(who.clone()).or_default();
        if *held >= self.most {
            let message = format!(
                "`{who}` has {} {} open already, which is as many as are allowed here; close one first",
                self.most, self.what
            );
            return Err(Problem::new(Code::RateLimited, message).retry_after(1));
        }
        *held += 1;
        Ok(Slot {
            who: who.clone(),
            open: Arc::clone(&self.open),
        })
    }
}

/// One thing that is open.
pub(crate) struct Slot<K: Eq + Hash> {
    who: K,
    open: Arc<Mutex<HashMap<K, u32>>>,
}

impl<K: Eq + Hash> Drop for Slot<K> {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = open.get_mut(&self.who) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                open.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_once_it_is_left() {
        let slots: Slots<String> = Slots::new("streams", 2);
        let (alice, bob) = ("alice".to_owned(), "bob".to_owned());
        let (first, second) = (slots.take(&alice), slots.take(&alice));
        assert!(first.is_ok() && second.is_ok());
        let refused = slots.take(&alice).err().unwrap();
        assert_eq!((refused.status(), refused.code()), (429, "RateLimited"));
        assert!(slots.take(&bob).is_ok());
        drop(first);
        assert!(slots.take(&alice).is_ok());
        drop(second);
        assert!(slots.open.lock().unwrap().is_empty());
    }
}
