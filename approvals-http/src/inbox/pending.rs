//! Decisions and reviews that wait for a passkey's signature.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use approvals_core::review::{PostStatement, Statement};
use approvals_core::sealed::Disclosure;
use approvals_core::{ApprovalError, Code, RequestId, Timestamp};

use crate::auth::{Token, TokenHash};

/// What somebody was asked to sign, until they have: good for five minutes, and once.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) said: Said,
    /// Whose session it was.
    pub(super) session: TokenHash,
}

/// What is signed, and the reason that it commits to.
#[derive(Debug)]
pub(super) enum Said {
    /// A vote.
    Decision(Statement, Option<Disclosure>),
    /// A look at how the glass was broken.
    Review(PostStatement, Disclosure),
}

impl Said {
    pub(super) fn request(&self) -> RequestId {
        match self {
            Self::Decision(said, _) => said.request,
            Self::Review(said, _) => said.request,
        }
    }

    /// The bytes that are signed.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, ApprovalError> {
        match self {
            Self::Decision(said, _) => said.bytes(),
            Self::Review(said, _) => said.bytes(),
        }
    }
}

/// Everything that waits for a signature, and the challenges of passkeys that are being made.
#[derive(Debug, Default)]
pub(super) struct Unsigned {
    decisions: Mutex<BTreeMap<TokenHash, (Asked, Timestamp)>>,
    enrolments: Mutex<BTreeMap<TokenHash, ([u8; 32], Timestamp)>>,
}

impl Unsigned {
    /// Keeps a decision; the answer names it.
    pub(super) fn keep(&self, asked: Asked, now: Timestamp) -> Result<Token, ApprovalError> {
        let ticket = Token::generate()?;
        let mut all = self
            .decisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, until)| *until > now);
        if all.len() >= MOST {
            let message = "too many decisions wait for a signature; try again in a few minutes";
            return Err(ApprovalError::new(Code::RateLimited, message));
        }
        all.insert(ticket.hash(), (asked, now.after(LASTS)));
        Ok(ticket)
    }

    /// Takes the decision that this session was asked to sign.
    pub(super) fn take(
        &self,
        ticket: &str,
        session: &TokenHash,
        now: Timestamp,
    ) -> Result<Asked, ApprovalError> {
        let mut all = self
            .decisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match all.remove(&TokenHash::of(ticket)) {
            Some((asked, until)) if until > now && asked.session == *session => Ok(asked),
            _ => {
                let message = "nothing waits for this signature any more; decide again";
                Err(ApprovalError::new(Code::Expired, message))
            }
        }
    }

    /// The challenge of a passkey that this session is about to make.
    pub(super) fn enrol(&self, session: TokenHash, challenge: [u8; 32], now: Timestamp) {
        let mut all = self
            .enrolments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, until)| *until > now);
        all.insert(session, (challenge, now.after(LASTS)));
    }

    /// Takes that challenge.
    pub(super) fn enrolled(&self, session: &TokenHash, now: Timestamp) -> Option<[u8; 32]> {
        let mut all = self
            .enrolments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (challenge, until) = all.remove(session)?;
        (until > now).then_some(challenge)
    }
}

/// How long a signed decision is good for, and so how long it can be waited for.
pub(super) const LASTS: Duration = Duration::from_secs(5 * 60);
const MOST: usize = 10_000;
