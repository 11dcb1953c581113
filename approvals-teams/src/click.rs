//! Clicks: from a verified call to one person's decision, or to a refusal.
//!
//! This is the only file of the crate that makes a [`VerifiedApprover`].

use approvals_core::review::Evidence;
use approvals_core::{
    ActionDigest, ApprovalError, Assurance, Code, Gate, IdentityKey, PolicyDigest, RequestId,
    Review, VerifiedApprover, Vote,
};
use serde::Deserialize;

use crate::activity::{Account, Activity};
use crate::answer::Answer;
use crate::app::Inner;
use crate::cards::{Drawn, Fullness};
use crate::config::is_guid;
use crate::connector::Member;
use crate::inbound::Verified;
use crate::notify::copy;

/// The provider that accounts of Teams have in the people file.
const PROVIDER: &str = "entra";

#[derive(Deserialize)]
struct Invoke {
    action: Pressed,
    trigger: Option<String>,
}

#[derive(Deserialize)]
struct Pressed {
    #[serde(rename = "type")]
    kind: String,
    verb: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    request: String,
    digest: String,
    policy: String,
    reason: Option<String>,
}

enum Verb {
    Decide(Vote),
    Refresh,
}

/// A button of a card that this app posted, and what was on it.
struct Button {
    verb: Verb,
    request: RequestId,
    digest: ActionDigest,
    policy: PolicyDigest,
    reason: Option<String>,
}

impl Inner {
    /// Answers a click.
    pub(crate) async fn click(&self, gate: &Gate, from: &Verified, activity: &Activity) -> Answer {
        let button = match Button::of(activity) {
            Ok(button) => button,
            Err(why) => return Answer::Refused(why),
        };
        match self.is_ours(gate, button.request, activity).await {
            Ok(true) => {}
            Ok(false) => {
                return Answer::Refused(
                    "this card is not one of the copies on record; use the newest one",
                );
            }
            Err(error) => return refused(&error),
        }
        let done = match button.verb {
            // INVARIANT: a refresh reads, and nothing else: clients send it by themselves.
            Verb::Refresh => Ok(()),
            Verb::Decide(vote) => self.decide(gate, from, activity, &button, vote).await,
        };
        match done {
            Ok(()) => match gate.card(button.request).await {
                Ok(card) => Answer::Card(Drawn::of(&card)),
                Err(error) => refused(&error),
            },
            Err(error) => {
                tracing::info!(approval.request = %button.request, code = %error.code(), "a click in Teams does not count");
                refused(&error)
            }
        }
    }

    async fn decide(
        &self,
        gate: &Gate,
        from: &Verified,
        activity: &Activity,
        button: &Button,
        vote: Vote,
    ) -> Result<(), ApprovalError> {
        let named = |error: ApprovalError| error.with_request(button.request);
        let approver = self.approver(from, activity).await.map_err(named)?;
        if vote == Vote::Approve {
            let card = gate.card(button.request).await?;
            if Drawn::of(&card).fullness == Fullness::Cut {
                let message = "the card is cut, so it cannot be approved here; read all of it with `approvals show`";
                return Err(named(ApprovalError::new(Code::Unrenderable, message)));
            }
        }
        let mut review = Review::new(approver, button.request, button.digest, button.policy, vote);
        if let Some(reason) = &button.reason {
            review = review.because(reason)?;
        }
        gate.review(review).await.map(drop)
    }

    /// Whether the card that was clicked is one that the records say was posted.
    async fn is_ours(
        &self,
        gate: &Gate,
        request: RequestId,
        activity: &Activity,
    ) -> Result<bool, ApprovalError> {
        let Some(message) = &activity.reply_to_id else {
            return Ok(false);
        };
        let here = copy(&activity.conversation.id, message);
        for channel in self.posts() {
            let copies = gate.copies(request, &channel).await?;
            if copies.iter().any(|copy| copy.place == here) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The person who clicked, as proven: a token of the Bot Connector brought an Entra account of
    /// our tenant, which is a human member of the conversation by the connector's own list.
    async fn approver(
        &self,
        from: &Verified,
        activity: &Activity,
    ) -> Result<VerifiedApprover, ApprovalError> {
        let object = object_of(&activity.from)?;
        let member = self
            .connector
            .member(from.service(), activity.roster(), &activity.from.id)
            .await;
        let member = member.map_err(|error| {
            let message = format!("who clicked could not be looked up ({error}); try again");
            ApprovalError::new(Code::StoreUnavailable, message)
        })?;
        let member =
            member.ok_or_else(|| unresolved("Teams knows no such member of this conversation"))?;
        check_member(&member, &object, &self.config.tenant)?;
        let identity = IdentityKey::new(PROVIDER, &self.config.tenant, &object)
            .map_err(|error| unresolved(&error.to_string()))?;
        let evidence = Evidence::new("teams")
            .with(
                "activity",
                clipped(activity.id.as_deref().unwrap_or_default()),
            )
            .with("conversation", clipped(&activity.conversation.id));
        Ok(VerifiedApprover::assertion(
            identity,
            Assurance::A1,
            evidence,
        ))
    }
}

impl Button {
    fn of(activity: &Activity) -> Result<Self, &'static str> {
        let value = activity
            .value
            .clone()
            .ok_or("there is no action in this call")?;
        let invoke: Invoke =
            serde_json::from_value(value).map_err(|_| "this is no action of our cards")?;
        let (pressed, data) = (&invoke.action, &invoke.action.data);
        if pressed.kind != "Action.Execute" {
            return Err("only `Action.Execute` is taken");
        }
        let verb = match (pressed.verb.as_str(), invoke.trigger.as_deref()) {
            ("refresh", None | Some("manual" | "automatic")) => Verb::Refresh,
            (_, Some(trigger)) if trigger != "manual" => {
                return Err(
                    "a decision takes a click; what a client sends by itself does not count",
                );
            }
            ("approve", _) => Verb::Decide(Vote::Approve),
            ("deny", _) => Verb::Decide(Vote::Deny),
            _ => return Err("this verb is not known"),
        };
        let reason = data
            .reason
            .as_deref()
            .map(str::trim)
            .filter(|reason| !reason.is_empty());
        if matches!(verb, Verb::Decide(Vote::Deny)) && reason.is_none() {
            return Err("a denial takes a reason; say why in a few words");
        }
        const UNREADABLE: &str = "this is no action of our cards";
        Ok(Self {
            request: data.request.parse().map_err(|_| UNREADABLE)?,
            digest: data.digest.parse().map_err(|_| UNREADABLE)?,
            policy: data.policy.parse().map_err(|_| UNREADABLE)?,
            // An approval's card has no field for one.
            reason: reason
                .filter(|_| matches!(verb, Verb::Decide(Vote::Deny)))
                .map(str::to_owned),
            verb,
        })
    }
}

/// The Entra object id of a human account.
fn object_of(from: &Account) -> Result<String, ApprovalError> {
    let robot = from
        .role
        .as_deref()
        .is_some_and(|role| !role.eq_ignore_ascii_case("user"));
    if robot || from.agentic_user_id.is_some() || from.agentic_app_id.is_some() {
        return Err(not_human());
    }
    let object = from
        .aad_object_id
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match is_guid(&object) {
        true => Ok(object),
        false => Err(unresolved("the click came without an Entra account")),
    }
}

/// The list of members is only used to refuse: that somebody is on it gives no right.
fn check_member(member: &Member, object: &str, tenant: &str) -> Result<(), ApprovalError> {
    let ids = [&member.aad_object_id, &member.object_id];
    let mut ids = ids.into_iter().flatten().peekable();
    if ids.peek().is_none() || !ids.all(|id| id.eq_ignore_ascii_case(object)) {
        return Err(unresolved(
            "the member's Entra account is not the one that clicked",
        ));
    }
    let other = member.tenant_id.as_deref();
    if other.is_some_and(|other| !other.eq_ignore_ascii_case(tenant)) {
        return Err(unresolved("the member is of another tenant"));
    }
    if member.agentic_user_id.is_some() || member.agentic_app_id.is_some() {
        return Err(not_human());
    }
    let roles = [&member.user_role, &member.role];
    let mut roles = roles.into_iter().flatten();
    match roles
        .find(|role| !["user", "owner", "admin"].contains(&role.to_ascii_lowercase().as_str()))
    {
        None => Ok(()),
        Some(role)
            if ["bot", "skill", "agenticuser", "agenticidentity"]
                .contains(&role.to_ascii_lowercase().as_str()) =>
        {
            Err(not_human())
        }
        Some(_) => Err(ApprovalError::new(
            Code::NotEligible,
            "guests and anonymous users may not decide; ask a member of the tenant",
        )),
    }
}

fn not_human() -> ApprovalError {
    ApprovalError::new(
        Code::NotEligible,
        "bots and agents may not decide; ask a person",
    )
}

fn unresolved(what: &str) -> ApprovalError {
    ApprovalError::new(
        Code::IdentityUnresolved,
        format!("{what}; decide it with another account or another channel"),
    )
}

fn refused(error: &ApprovalError) -> Answer {
    match error.code() {
        Code::StoreUnavailable | Code::AuditUnavailable => Answer::Broken,
        Code::Expired => {
            Answer::Message("Too late: the request expired, and nothing ran".to_owned())
        }
        code => Answer::Message(format!("Not counted ({code}): {}", error.message())),
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(256).collect()
}
