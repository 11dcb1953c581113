//! One-time links: how a newcomer gets in on the machine itself, without an identity provider.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use approvals_core::{ApprovalError, PersonId, Timestamp};

use crate::auth::{Token, TokenHash};

/// The links that nobody has used yet, by the hash of their secret.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<BTreeMap<TokenHash, (PersonId, Timestamp)>>);

impl Links {
    /// A new link for this person: its secret.
    pub(crate) fn make(&self, person: PersonId, now: Timestamp) -> Result<Token, ApprovalError> {
        let secret = Token::generate()?;
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, (_, until)| *until > now);
        links.insert(secret.hash(), (person, now.after(LASTS)));
        Ok(secret)
    }

    /// Who a link is for; it can still be used.
    pub(crate) fn look(&self, secret: &str, now: Timestamp) -> Option<PersonId> {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (person, until) = links.get(&TokenHash::of(secret))?;
        (*until > now).then(|| person.clone())
    }

    /// Uses a link up.
    pub(crate) fn take(&self, secret: &str, now: Timestamp) -> Option<PersonId> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (person, until) = links.remove(&TokenHash::of(secret))?;
        (until > now).then_some(person)
    }
}

const LASTS: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_once_and_for_a_time() {
        let (links, now) = (Links::default(), Timestamp::from_micros(1));
        let dana: PersonId = "u_dana".parse().unwrap();
        let one = links.make(dana.clone(), now).unwrap();
        assert_eq!(links.look(one.reveal(), now), Some(dana.clone()));
        assert_eq!(links.take(one.reveal(), now), Some(dana.clone()));
        assert_eq!(links.take(one.reveal(), now), None);
        let late = links.make(dana, now).unwrap();
        assert_eq!(links.look(late.reveal(), now.after(LASTS)), None);
        assert_eq!(links.take(late.reveal(), now.after(LASTS)), None);
        assert_eq!(links.take("apr_x", now), None);
    }
}
