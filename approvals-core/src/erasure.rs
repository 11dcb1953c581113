//! Erasing what people were shown of a request, under two people's approval.
//!
//! A guarded action like any other, of the library's own scope `approvals.erase`: it is asked,
//! shown, decided, used once and recorded through the same gate. A policy says who may decide it,
//! and cannot go below two people. What is erased is what opens the commitments; the log keeps
//! them, still verifies, and says under which authority nothing opens them any more.

use crate::error::{ApprovalError, Code};
use crate::gate::Gate;
use crate::guard::{Approved, approve};
use crate::id::RequestId;
use crate::lifecycle::RequestState;
use crate::principal::Agent;
use crate::text::minute;

/// What two people approve: of which request, what that was, and why.
#[derive(approvals_macros::Action)]
#[action(
    scope = "approvals.erase",
    reason = "erase what people were shown of {request}, for good",
    resource = "{about}"
)]
struct Erase {
    request: RequestId,
    about: String,
    basis: String,
}

/// What was erased, and what says so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erasure {
    /// The request whose values are gone.
    pub request: RequestId,
    /// The request that two people approved for it.
    pub authority: RequestId,
    /// The number of the record `disclosure.erased`; its receipt is proof of it.
    pub record: u64,
    /// Whether the store has overwritten every byte of it that it knows of. When not, somebody
    /// was reading it: [`Gate::scrub`] and [`Gate::sweep`] do it later.
    pub scrubbed: bool,
}

impl Gate {
    /// Erases what people were shown of a settled request: its values, the words around them, and
    /// the reasons that people gave. Waits for two people, who must not stand behind the asking
    /// agent, and who approve exactly this erasure.
    ///
    /// The commitments stay on record, so that the log verifies as before; the ciphertexts and the
    /// key to them are destroyed in the same step that records `disclosure.erased`. Copies that
    /// went out to channels are drawn again without the values; what people have read or a channel
    /// has kept is out of reach. Backups of the store hold the wrapped key until the disclosure
    /// key is replaced: [`Journal::replace_disclosure_key`](crate::Journal::replace_disclosure_key),
    /// which `approvals erase` calls. A request that broke the glass is not settled, and so cannot be
    /// erased, before that was reviewed.
    ///
    /// # Errors
    /// - `NotFound`; `NotErasable` while the request is open, or when it was erased before;
    /// - `NonCanonical` when the basis is empty or longer than 500 characters;
    /// - `PolicyDenied` when a policy would let an erasure through by itself;
    /// - every other no of [`ApprovalGate::authorize`](crate::ApprovalGate::authorize); nothing is
    ///   erased then.
    ///
    /// # Examples
    /// ```
    /// use approvals_core::testing::TestGate;
    /// use approvals_core::{Agent, ApprovalError, requires_approval};
    ///
    /// #[requires_approval(scope = "db.export")]
    /// async fn export(table: String) -> Result<(), ApprovalError> { Ok(()) }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), ApprovalError> {
    /// let gate = TestGate::script().require(2).approve("*").start().await;
    /// let agent = Agent::new("bot").on_behalf_of("u_alice");
    /// gate.enter(agent.clone(), export("users_of_eve".into())).await?;
    /// let request = gate.assert_asked("db.export").request;
    ///
    /// let erased = gate.gate().erase(agent, request, "art. 17 request of the data subject").await?;
    /// let card = gate.gate().card(request).await?;
    /// assert_eq!(card.erased, Some(erased.authority));
    /// assert!(!card.to_text().contains("users_of_eve"));
    /// assert!(gate.gate().journal().verify().await?.passed());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn erase(
        &self,
        agent: Agent,
        request: RequestId,
        basis: &str,
    ) -> Result<Erasure, ApprovalError> {
        let erase = Erase {
            request,
            // Nobody is asked about what cannot be done.
            about: about(&self.erasable(request).await?),
            basis: checked(basis)?,
        };
        self.enter(agent, async {
            let approved: Approved<Erase> = approve(erase).await?;
            let authority = approved.request();
            approved
                .run(|Erase { request, .. }| self.carry_out(request, authority))
                .await
        })
        .await
    }

    async fn carry_out(
        &self,
        request: RequestId,
        authority: RequestId,
    ) -> Result<Erasure, ApprovalError> {
        let answer = self.erase_under(request, authority).await?;
        let scrubbed = self.scrub().await;
        if let Err(error) = &scrubbed {
            tracing::warn!(approval.request = %request, %error, "erased, and bytes of it may still lie in the store");
        }
        Ok(Erasure {
            request,
            authority,
            record: answer.seq,
            scrubbed: scrubbed.is_ok(),
        })
    }
}

/// What the request was, in words that stand in the log in clear anyway.
fn about(state: &RequestState) -> String {
    let action = state.action();
    format!(
        "{} asked by {} at {} UTC, {}",
        action.scope,
        action.agent,
        minute(state.created_at()),
        state.status()
    )
}

fn checked(basis: &str) -> Result<String, ApprovalError> {
    let basis = basis.trim();
    if basis.is_empty() || basis.chars().count() > MAX_BASIS {
        let message = format!(
            "the basis of an erasure has 1 to {MAX_BASIS} characters; name the rule or the case that asks for it"
        );
        return Err(ApprovalError::new(Code::NonCanonical, message));
    }
    Ok(basis.to_owned())
}

/// How many characters the basis of an erasure may have.
const MAX_BASIS: usize = 500;
