//! Trying again, and leaving alone: whoever is asked too often says so, and is obeyed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Response;

use crate::web::WebError;

/// How long one call may go on trying; the outbox tries again later.
const PATIENCE: Duration = Duration::from_secs(7);

/// How often one call is tried.
const TRIES: u32 = 4;

/// For how long anybody is left alone at most, whatever they ask for.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Who asked to be left alone, and until when.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<BTreeMap<String, Instant>>);

/// The tries of one call.
pub(crate) struct Tries<'a> {
    pace: &'a Pace,
    who: &'static str,
    whom: String,
    until: Instant,
    tried: u32,
}

impl Pace {
    /// Begins a call; `who` is called so in messages, `whom` is what the limit is for.
    ///
    /// An error when they asked not to be called yet: then nothing is sent.
    pub(crate) fn begin(&self, who: &'static str, whom: String) -> Result<Tries<'_>, WebError> {
        let now = Instant::now();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, until| *until > now);
        if let Some(until) = held.get(&whom) {
            let left = until.duration_since(now).as_secs() + 1;
            return Err(WebError::new(format!(
                "{who} asked not to be called for {left} seconds more"
            )));
        }
        Ok(Tries {
            pace: self,
            who,
            whom,
            until: now + PATIENCE,
            tried: 0,
        })
    }

    fn hold(&self, whom: &str, asked: Duration) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(whom.to_owned(), Instant::now() + asked.min(LONGEST));
    }
}

impl Tries<'_> {
    /// The answer, when it is one; none after a pause, when the same is worth another try.
    pub(crate) async fn settled(&mut self, answer: Response) -> Result<Option<Response>, WebError> {
        let status = answer.status();
        if !matches!(status.as_u16(), 412 | 429 | 502 | 503 | 504) {
            return Ok(Some(answer));
        }
        self.tried += 1;
        let asked = asked(&answer);
        let [chance] = approvals_core::id::random().unwrap_or([128]);
        let pause = pause(self.tried, asked, chance);
        if self.tried >= TRIES || Instant::now() + pause >= self.until {
            // What is asked for holds for the calls that the outbox makes later, too.
            asked
                .into_iter()
                .for_each(|asked| self.pace.hold(&self.whom, asked));
            let (who, tried) = (self.who, self.tried);
            return Err(WebError::new(format!(
                "{who} answered with {status}, {tried} times"
            )));
        }
        tokio::time::sleep(pause).await;
        Ok(None)
    }
}

fn asked(answer: &Response) -> Option<Duration> {
    let header = answer.headers().get("retry-after")?;
    header
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// What the server asks for, or a doubled pause; each with some chance on top, so that many callers
/// do not come back at once.
fn pause(tried: u32, asked: Option<Duration>, chance: u8) -> Duration {
    let least = asked
        .unwrap_or(Duration::from_millis(250 << tried.min(4)))
        .min(LONGEST);
    least + least.mul_f32(f32::from(chance) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_what_was_asked_for_or_doubled_and_never_the_same_for_all() {
        let second = Duration::from_secs(1);
        let cases = [
            (1, None, 0, Duration::from_millis(500)),
            (2, None, 0, second),
            (3, None, 0, 2 * second),
            (9, None, 0, 4 * second),
            (1, Some(3 * second), 0, 3 * second),
            (3, Some(3 * second), 128, Duration::from_millis(3750)),
            (1, Some(Duration::MAX), 0, LONGEST),
        ];
        for (tried, asked, chance, expected) in cases {
            assert_eq!(
                pause(tried, asked, chance),
                expected,
                "{tried} {asked:?} {chance}"
            );
        }
        for chance in 0..u8::MAX {
            let (less, more) = (pause(1, None, chance), pause(1, None, chance + 1));
            assert!(less < more && more < second, "{chance}");
        }
    }

    #[test]
    fn whoever_asked_to_be_left_alone_is_not_called_and_others_are() {
        let pace = Pace::default();
        pace.hold("POST conversations/a", Duration::from_secs(90));
        let refused = pace.begin("Teams", "POST conversations/a".to_owned()).err();
        let text = refused.map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("Teams asked not to be called"), "{text}");
        assert!(
            pace.begin("Teams", "POST conversations/b".to_owned())
                .is_ok()
        );
        pace.hold("POST conversations/a", Duration::ZERO);
        assert!(
            pace.begin("Teams", "POST conversations/a".to_owned())
                .is_ok()
        );
    }
}
