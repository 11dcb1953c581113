//! Callbacks that have come before: each has its effect once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// The names of the last callbacks. The gate refuses a second decision anyway; this keeps a replay
/// from doing anything at all.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<(HashSet<String>, VecDeque<String>)>);

impl Seen {
    /// Does something once for each name, and gives nothing when it was done before.
    ///
    /// A name counts as seen only when it was done: what nobody could take may come again.
    ///
    /// # Errors
    /// Those of `work`; the name is as unknown as before then.
    pub(crate) fn once<T, E>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (names, order) = &mut *seen;
        if names.contains(name) {
            return Ok(None);
        }
        let done = work()?;
        names.insert(name.to_owned());
        order.push_back(name.to_owned());
        if order.len() > MOST
            && let Some(oldest) = order.pop_front()
        {
            names.remove(&oldest);
        }
        Ok(Some(done))
    }
}

const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_done_once_and_the_memory_is_bounded() {
        let seen = Seen::default();
        let come = |name: &str, done: Result<u8, ()>| seen.once(name, || done);
        assert_eq!(come("a", Err(())), Err(()));
        assert_eq!(come("a", Ok(1)), Ok(Some(1)));
        assert_eq!(come("a", Ok(2)), Ok(None));
        for number in 0..2 * MOST {
            assert_eq!(come(&number.to_string(), Ok(3)), Ok(Some(3)));
        }
        let kept = seen.0.lock().unwrap();
        assert_eq!((kept.0.len(), kept.1.len()), (MOST, MOST));
    }
}
