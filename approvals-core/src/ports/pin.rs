//! The head pin: one signed head, kept where a restored store cannot take it back.

use std::fmt;
use std::time::Duration;

/// Keeps the newest signed head of one log outside the store's rollback domain, and moves it by compare-and-set.
///
/// A store that is put back to yesterday verifies: everything in it was signed. Only somebody who still knows
/// today's head can tell. The journal moves the pin after each durable batch and before anybody hears of it, and
/// refuses a store that the pin does not fit.
///
/// Trusted: who can write the pin and the store can roll both back. Give the pin another volume, account or machine.
///
/// Duties:
/// - what `replace` put there is durable when it returns, and it replaces only what the caller expects, also when
///   several processes call it at once;
/// - what `read` gives is exactly what was put there;
/// - calls end in a bounded time. The journal gives up on a call after its patience and denies everything then, but
///   a call that never ends keeps its thread.
pub trait HeadPin: Send + fmt::Debug + 'static {
    /// What is pinned: the text of a signed note; none when nothing ever was.
    ///
    /// # Errors
    /// [`PinError`] when that cannot be told; it is not taken for an empty pin.
    fn read(&mut self) -> Result<Option<String>, PinError>;

    /// Pins `next`, if what is pinned is `expected` byte for byte.
    ///
    /// # Errors
    /// [`PinError`] when it is not known to be durable.
    fn replace(&mut self, expected: Option<&str>, next: &str) -> Result<Replaced, PinError>;

    /// Keeps what shows that a store and the pin do not fit, and says where; the same text is kept once.
    ///
    /// `name` is a word for what happened, such as `rollback`.
    ///
    /// # Errors
    /// [`PinError`] when it could not be kept; the refusal stands all the same.
    fn keep(&mut self, name: &str, evidence: &str) -> Result<String, PinError>;
}

/// What a compare-and-set of the pin came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it moved or it did not")]
pub enum Replaced {
    /// The pin holds the new head, durably.
    Done,
    /// Nothing was changed: the pin holds this instead of what was expected.
    Holds(Option<String>),
}

/// The pin could not be read or moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PinError(pub String);

/// A head pin, and how long the journal waits for it.
#[derive(Debug)]
pub struct Pinning {
    pub(crate) pin: Box<dyn HeadPin>,
    pub(crate) patience: Duration,
}

impl Pinning {
    /// Two seconds of patience: longer than a slow disk, shorter than people wait.
    pub const PATIENCE: Duration = Duration::from_secs(2);

    /// Waits [`Pinning::PATIENCE`] for each move of the pin, and then denies.
    #[must_use]
    pub fn new(pin: impl HeadPin) -> Self {
        Self {
            pin: Box::new(pin),
            patience: Self::PATIENCE,
        }
    }

    /// Waits this long instead.
    #[must_use]
    pub fn patience(mut self, at_most: Duration) -> Self {
        self.patience = at_most;
        self
    }
}
