//! What follows from the wish to erase.

use std::collections::BTreeSet;

use crate::canonical::Value;
use crate::digest::Commitment;
use crate::error::Code;
use crate::lifecycle::authority::{Wanted, no};
use crate::lifecycle::command::{EraseFacts, Refusal, Step};
use crate::lifecycle::event::{Erased, Event, Reviewed};
use crate::lifecycle::state::RequestState;
use crate::policy::{ERASE, ERASE_NEEDS};
use crate::review::Vote;
use crate::sealed::{Disclosure, param_name};

pub(super) fn erase(state: &RequestState, wish: &EraseFacts) -> Step {
    match erasable(state).and_then(|()| under_authority(wish)) {
        Ok((authority, basis)) => {
            let bound = (authority.id(), authority.digest());
            let erased = Erased::new(state.disclosed(), basis, bound, wish.opened.clone());
            Step::accept(vec![Event::Erased(Box::new(erased))])
        }
        // Nothing happened to the request, so that nothing stands in its records: the refusal
        // shows as the outcome of the authority.
        Err(refusal) => Step::refuse(Vec::new(), refusal.code, refusal.message),
    }
}

/// Whether what people were shown of a request can be erased: it is settled, and still there.
///
/// # Errors
/// `NotErasable` as a [`Refusal`], with what stands in the way.
pub fn erasable(state: &RequestState) -> Result<(), Refusal> {
    let no = |message: String| {
        Err(Refusal {
            code: Code::NotErasable,
            message,
        })
    };
    if let Some(authority) = state.erased() {
        let message = format!("it was erased before, under authority of {authority}");
        return no(message);
    }
    if !state.is_settled() {
        let message = "people may still have to see its values: only what is settled can be erased; wait until it is decided, has ended and is reviewed, or withdraw it with `approvals cancel`";
        return no(message.to_owned());
    }
    Ok(())
}

/// The authority, if it is a run that two people approved for exactly this, and what binds why.
pub(crate) fn under_authority(wish: &EraseFacts) -> Result<(&RequestState, Commitment), Refusal> {
    let authority = WANTED.in_use(wish.authority.as_deref(), wish.boot)?;
    let action = authority.action();
    let asking = authority.requesters();
    let gave =
        |review: &&Reviewed| review.vote == Vote::Approve && !asking.contains(&review.person);
    let people: BTreeSet<_> = authority
        .reviews()
        .iter()
        .filter(gave)
        .map(|review| &review.person)
        .collect();
    if people.len() < usize::from(ERASE_NEEDS) {
        return no("erasing takes two people who did not ask for it, whatever a policy says");
    }
    let opened = Disclosure::from_text(wish.opened.clone());
    let bound = |name: &str| {
        let mut params = action.params.iter().filter(|param| !param.redacted);
        params
            .find(|param| param.name == name)
            .map(|param| &param.sd)
    };
    let names_it = opened.open().is_some_and(|(_, name, value)| {
        name == param_name("request") && value == Value::Text(wish.request.to_string())
    });
    match (bound("request"), bound("basis")) {
        (Some(request), Some(basis)) if names_it && *request == opened.commitment => {
            Ok((authority, basis.clone()))
        }
        _ => no("what was approved is not the erasure of this request"),
    }
}

const WANTED: Wanted = Wanted {
    scope: ERASE,
    missing: "there is no request that approves it; ask with `approvals erase REQUEST`, or `Gate::erase`",
    unused: "its approval is not in use, so nothing may be erased under it",
};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::action::{Action, BoundParam};
    use crate::clock::Timestamp;
    use crate::digest::{ActionDigest, PolicyDigest, RedactionKey, SchemaDigest};
    use crate::id::{BootId, RecordId, RequestId};
    use crate::lifecycle::event::{Approved, Attempt, Consumed, Created};
    use crate::lifecycle::{Command, decide};
    use crate::principal::{Agent, Assurance};
    use crate::proposal::Proposal;
    use crate::request::PolicyRef;
    use crate::review::Evidence;
    use crate::sealed::{AgentClaims, Salts, SealedAction};

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn request(number: u8) -> RequestId {
        RequestId::from_bytes([number; 16])
    }

    fn boot(number: u8) -> BootId {
        BootId::from_bytes([number; 16])
    }

    /// A request for an action with these parameters, and what opens it.
    fn asked(number: u8, scope: &str, params: Vec<BoundParam>) -> (RequestState, Vec<Disclosure>) {
        let action = Action {
            scope: scope.parse().unwrap(),
            function: "f".to_owned(),
            schema: SchemaDigest::of(b""),
            params,
            not_covered: Vec::new(),
            resource: None,
            environment: None,
            tenant: None,
        };
        let agent = Agent::new("bot").on_behalf_of("u_alice");
        let sealed = SealedAction::seal(
            &Proposal::new(agent.requester().unwrap(), action),
            AgentClaims::of(&agent).unwrap(),
            request(number),
            NOW,
            &mut Salts::fresh().unwrap(),
            &RedactionKey::from_bytes(&[0; 32]),
        );
        let sealed = sealed.unwrap();
        let created = Created {
            action: sealed.record().clone(),
            digest: sealed.digest(),
            policy: PolicyRef::new(1, PolicyDigest::of(b""), Vec::new()),
            requirement: Some(
                crate::policy::Requirement::new(
                    vec![crate::policy::Quorum::new(
                        "ops".parse().unwrap(),
                        1.try_into().unwrap(),
                        Assurance::A1,
                    )],
                    std::time::Duration::from_secs(60),
                    std::time::Duration::from_secs(60),
                    Vec::new(),
                )
                .unwrap(),
            ),
            asked_at: NOW,
            use_within_s: 60,
            key: None,
            content: crate::request::ContentKey::from_bytes([0; 32]),
        };
        let created = Event::Created(Box::new(created));
        let state = RequestState::begin(&created, NOW).unwrap();
        (state, sealed.disclosures().to_vec())
    }

    fn then(mut state: RequestState, events: impl IntoIterator<Item = Event>) -> RequestState {
        for event in events {
            state.apply(&event).unwrap();
        }
        state
    }

    fn voted(who: &str, vote: Vote, digest: ActionDigest) -> Event {
        Event::Reviewed(Box::new(Reviewed {
            person: who.parse().unwrap(),
            identity: format!("test::{who}"),
            vote,
            digest,
            assurance: Assurance::A3,
            groups: BTreeSet::new(),
            evidence: Evidence::new("test"),
            reason: None,
        }))
    }

    fn approved() -> Event {
        let (by, until) = (Vec::new(), NOW);
        Event::Approved(Approved { by, until })
    }

    fn used(digest: ActionDigest) -> Event {
        let record = RecordId::from_bytes([1; 16]);
        let by = Attempt {
            boot: boot(1),
            record,
        };
        Event::Consumed(Consumed { digest, by })
    }

    fn params(target: u8) -> Vec<BoundParam> {
        let text = |text: String| Value::Text(text);
        vec![
            BoundParam::new("request", text(request(target).to_string())),
            BoundParam::new("basis", text("why".to_owned())),
        ]
    }

    /// What follows from an erasure of request 1 under an authority with these parameters, approved
    /// by these people, by process 1.
    fn under(scope: &str, params: Vec<BoundParam>, people: &[&str], in_use: bool) -> Option<Code> {
        let (authority, opened) = asked(2, scope, params);
        let digest = authority.digest();
        let votes = people.iter().map(|who| voted(who, Vote::Approve, digest));
        let mut authority = then(authority, votes.chain([approved()]));
        if in_use {
            authority = then(authority, [used(digest)]);
        }
        let opened = opened.first().map(|one| one.text.clone());
        erased(Some(authority), boot(1), opened.unwrap_or_default())
    }

    fn erased(authority: Option<RequestState>, by: BootId, opened: String) -> Option<Code> {
        let (target, _) = asked(1, "db.drop", params(9));
        let target = then(target, [Event::Cancelled]);
        let wish = EraseFacts::new(request(1), authority.map(Arc::new), by, opened);
        let step = decide(Some(&target), &Command::Erase(Box::new(wish)), NOW);
        if step.refusal.is_none() {
            assert!(then(target, step.events).erased() == Some(request(2)));
        }
        step.refusal.map(|refusal| refusal.code)
    }

    #[test]
    fn only_a_run_that_two_people_approved_for_exactly_this_erases() {
        let no = Some(Code::NotEligible);
        let two = ["u_1", "u_2"];
        assert_eq!(under(ERASE, params(1), &two, true), None);
        assert_eq!(under(ERASE, params(1), &["u_1", "u_2", "u_3"], true), None);
        for (scope, params, people, in_use) in [
            ("db.drop", params(1), &two[..], true),
            (ERASE, params(3), &two[..], true),
            (ERASE, params(1), &two[..], false),
            (ERASE, params(1), &[][..], true),
            (ERASE, params(1), &["u_1"][..], true),
            (ERASE, params(1), &["u_1", "u_1"][..], true),
            (ERASE, params(1), &["u_1", "u_alice"][..], true),
            (
                ERASE,
                params(1).into_iter().take(1).collect(),
                &two[..],
                true,
            ),
            (ERASE, params(1).into_iter().rev().collect(), &two[..], true),
            (ERASE, Vec::new(), &two[..], true),
            (
                ERASE,
                vec![
                    BoundParam::redacted("request", Value::Text(request(1).to_string())),
                    BoundParam::new("basis", Value::Text("why".to_owned())),
                ],
                &two[..],
                true,
            ),
        ] {
            assert_eq!(
                under(scope, params.clone(), people, in_use),
                no,
                "{scope} {params:?} {people:?}"
            );
        }
        assert_eq!(erased(None, boot(1), String::new()), no);
    }

    #[test]
    fn the_run_of_another_process_and_a_borrowed_opening_erase_nothing() {
        let (authority, opened) = asked(2, ERASE, params(1));
        let digest = authority.digest();
        let votes = ["u_1", "u_2"].map(|who| voted(who, Vote::Approve, digest));
        let running = then(
            authority,
            votes.into_iter().chain([approved(), used(digest)]),
        );
        let own = opened[0].text.clone();
        assert_eq!(erased(Some(running.clone()), boot(1), own.clone()), None);
        assert_eq!(
            erased(Some(running.clone()), boot(2), own),
            Some(Code::NotEligible)
        );
        let (_, other) = asked(3, ERASE, params(1));
        for opened in [
            other[0].text.clone(),
            opened[1].text.clone(),
            String::new(),
            "x".to_owned(),
        ] {
            let refused = erased(Some(running.clone()), boot(1), opened);
            assert_eq!(refused, Some(Code::NotEligible));
        }
    }

    #[test]
    fn what_is_open_or_erased_is_not_erased() {
        let (open, _) = asked(1, "db.drop", params(9));
        let digest = open.digest();
        let ready = then(
            open.clone(),
            [voted("u_1", Vote::Approve, digest), approved()],
        );
        let running = then(ready.clone(), [used(digest)]);
        for state in [&open, &ready, &running] {
            let refusal = erasable(state).unwrap_err();
            assert_eq!(refusal.code, Code::NotErasable, "{:?}", state.phase());
        }
        let settled = then(open, [Event::Expired]);
        assert!(erasable(&settled).is_ok());
        let bound = (request(2), digest);
        let basis = settled.disclosed()[0].clone();
        let all = Erased::new(settled.disclosed(), basis.clone(), bound, String::new());
        let part = Erased::new(vec![basis.clone()], basis, bound, String::new());
        assert!(
            settled
                .clone()
                .apply(&Event::Erased(Box::new(part)))
                .is_err()
        );
        let gone = then(settled, [Event::Erased(Box::new(all.clone()))]);
        assert!(erasable(&gone).unwrap_err().message.contains("before"));
        assert!(gone.clone().apply(&Event::Erased(Box::new(all))).is_err());
    }
}
