//! Callbacks that have come before: each has its effect once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// The names of the last callbacks. The gate refuses a second decision anyway; this keeps a replay
/// from doing anything at all.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<(HashSet<String>, VecDeque<String>)>);

impl Seen {
    /// Whether this is the first time; from then on it is not.
    pub(crate) fn first(&self, name: &str) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (names, order) = &mut *seen;
        if !names.insert(name.to_owned()) {
            return false;
        }
        order.push_back(name.to_owned());
        if order.len() > MOST
            && let Some(oldest) = order.pop_front()
        {
            names.remove(&oldest);
        }
        true
    }
}

const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_first_once_and_the_memory_is_bounded() {
        let seen = Seen::default();
        assert!(seen.first("a"));
        assert!(!seen.first("a"));
        for number in 0..2 * MOST {
            assert!(seen.first(&number.to_string()));
        }
        let kept = seen.0.lock().unwrap();
        assert_eq!((kept.0.len(), kept.1.len()), (MOST, MOST));
    }
}
