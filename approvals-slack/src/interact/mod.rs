//! Callbacks: from a click to one counted review, or to an answer that says why not.

mod clicker;
mod payload;
mod refused;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use approvals_core::ports::Delivery;
use approvals_core::{ApprovalError, Code, Gate, Review, Vote};
use ring::hmac;
use serde_json::{Value, json};

use clicker::{Spot, check_origin, verify};
use payload::{Click, Origin, Payload, Pressed, Submission};
use refused::No;
pub(crate) use seen::Seen;

use crate::api::Api;
use crate::config::Config;
use crate::names;
use crate::render;
use crate::value::Button;

/// Takes callbacks that a transport has verified, and decides through the gate.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) gate: Gate,
    pub(crate) config: Arc<Config>,
    pub(crate) api: Api,
    pub(crate) key: hmac::Key,
}

impl Desk {
    /// Takes one callback, and gives what Slack is to be answered: nothing, or what is wrong with a
    /// form.
    pub(crate) async fn take(&self, payload: &[u8]) -> Value {
        match serde_json::from_slice(payload) {
            Ok(Payload::BlockActions(click)) => {
                self.click(&click).await;
                Value::Null
            }
            Ok(Payload::ViewSubmission(form)) => self.form(&form).await,
            Ok(Payload::Other) => Value::Null,
            Err(error) => {
                tracing::warn!(%error, "a callback of slack cannot be read; nothing was decided");
                Value::Null
            }
        }
    }

    async fn click(&self, click: &Click) {
        let (channel, user) = (&click.container.channel_id, &click.origin.user.id);
        if let [pressed] = click.actions.as_slice()
            && pressed.action_id == names::VIEW
        {
            return;
        }
        let Err(no) = self.clicked(click).await else {
            return;
        };
        let error = self.refuse(&click.origin, no).await;
        tracing::warn!(code = %error.code(), user, channel, "a click in slack was refused: {}", error.message());
        self.tell(channel, user, &error).await;
    }

    async fn clicked(&self, click: &Click) -> Result<(), No> {
        check_origin(&self.config, &click.origin)?;
        let container = &click.container;
        let [pressed] = click.actions.as_slice() else {
            return Err(forged("it holds not exactly one decision").into());
        };
        if container.kind != "message" || container.is_ephemeral || pressed.kind != "button" {
            return Err(forged("it is no button of a message of ours").into());
        }
        let button = self.open(&pressed.value)?;
        let pressed = self.pressed(click, pressed, &button).await;
        pressed.map_err(|no| no.about(button.request))
    }

    async fn pressed(&self, click: &Click, pressed: &Pressed, button: &Button) -> Result<(), No> {
        let container = &click.container;
        let named = match button.vote {
            Vote::Approve => names::APPROVE,
            Vote::Deny => names::DENY,
        };
        if pressed.action_id != named {
            return Err(forged("the button and its value say different things").into());
        }
        let spot = Spot {
            channel: container.channel_id.clone(),
            ts: container.message_ts.clone(),
            act: pressed.action_ts.clone(),
        };
        match button.vote {
            // The form has to be there within three seconds; it decides nothing, and everything is
            // checked when it comes back.
            Vote::Deny => self.ask_why(click, &pressed.value, button, &spot).await,
            Vote::Approve => self.decide(&click.origin, button, &spot, None).await,
        }
    }

    async fn ask_why(
        &self,
        click: &Click,
        value: &str,
        button: &Button,
        spot: &Spot,
    ) -> Result<(), No> {
        let kept = json!([value, spot.channel, spot.ts]).to_string();
        let modal = render::modal(&click.trigger_id, &button.request.to_string(), &kept);
        let opened = self.api.write("views.open", &modal).await;
        opened.map(drop).map_err(|error| {
            let message = format!(
                "the form for the reason could not be opened ({error}); press the button again"
            );
            No::said(ApprovalError::new(Code::Unauthenticated, message))
        })
    }

    async fn form(&self, form: &Submission) -> Value {
        match self.filled(form).await {
            Ok(()) => json!({}),
            Err(no) => {
                let user = &form.origin.user.id;
                let error = self.refuse(&form.origin, no).await;
                tracing::warn!(code = %error.code(), user, "a form in slack was refused: {}", error.message());
                let text = words(&error);
                json!({ "response_action": "errors", "errors": { names::REASON: text } })
            }
        }
    }

    async fn filled(&self, form: &Submission) -> Result<(), No> {
        check_origin(&self.config, &form.origin)?;
        if form.view.callback_id != names::MODAL {
            return Err(forged("it is no form of ours").into());
        }
        let kept: Result<(String, String, String), _> =
            serde_json::from_str(&form.view.private_metadata);
        let (value, channel, ts) = kept.map_err(|_| forged("the form is not as we made it"))?;
        let button = self.open(&value)?;
        if button.vote != Vote::Deny {
            return Err(
                No::from(forged("the form and its value say different things"))
                    .about(button.request),
            );
        }
        let reason = form.view.written(names::REASON, names::REASON_TEXT).trim();
        if reason.is_empty() {
            let error = ApprovalError::new(Code::NonCanonical, "say why in a few words");
            return Err(No::said(error));
        }
        let act = form.view.id.clone();
        let spot = Spot { channel, ts, act };
        let decided = self
            .decide(&form.origin, &button, &spot, Some(reason))
            .await;
        decided.map_err(|no| no.about(button.request))
    }

    /// Everything that is checked, in the order in which it is cheap, and then the gate's own say.
    async fn decide(
        &self,
        origin: &Origin,
        button: &Button,
        spot: &Spot,
        reason: Option<&str>,
    ) -> Result<(), No> {
        self.check_copy(button, spot).await?;
        let clicker = verify(&self.config, &self.api, origin, spot).await?;
        self.check_whole(button).await?;
        let mut counted = Err(ApprovalError::new(Code::IdentityUnresolved, "no account"));
        for account in clicker.accounts {
            let review = Review::new(
                account,
                button.request,
                button.digest,
                button.policy,
                button.vote,
            );
            let review = match reason {
                Some(reason) => review.because(reason).map_err(No::said)?,
                None => review,
            };
            counted = self.gate.review(review).await;
            // Only an account that is nobody's makes room for the next.
            let nobody = |error: &ApprovalError| error.code() == Code::IdentityUnresolved;
            if !counted.as_ref().is_err_and(nobody) {
                break;
            }
        }
        // What the gate refuses it has recorded.
        let tally = counted.map_err(No::said)?;
        tracing::info!(approval.request = %button.request, user = origin.user.id, status = %tally.status, "decided in slack");
        // Whoever waits draws it too; nobody may be waiting here.
        if let Err(error) = self.gate.deliver().await {
            tracing::warn!(%error, "the cards are drawn again later");
        }
        Ok(())
    }

    /// A decision counts only from a message that we posted for this very request.
    async fn check_copy(&self, button: &Button, spot: &Spot) -> Result<(), ApprovalError> {
        let place = Delivery::to(names::place(&self.config.team, &spot.channel, &spot.ts));
        let channel = names::channel(&button.route);
        for _ in 0..LOOKS {
            let copies = self.gate.copies(button.request, &channel).await?;
            if copies.contains(&place) {
                return Ok(());
            }
            // A click can come before the record of the copy, by a moment.
            tokio::time::sleep(LOOK).await;
        }
        Err(forged(
            "this message is no copy of the request that is on record; use the newest one",
        ))
    }

    /// What was cut in the message, or takes more proof than a chat gives, cannot be approved from it,
    /// whatever a callback says.
    async fn check_whole(&self, button: &Button) -> Result<(), ApprovalError> {
        if button.vote == Vote::Deny {
            return Ok(());
        }
        let card = self.gate.card(button.request).await?;
        let Some(bar) = render::barred(&card) else {
            return Ok(());
        };
        let message = format!(
            "{} Open the full view, or use `approvals approve`",
            bar.why()
        );
        Err(ApprovalError::new(bar.code(), message).with_request(button.request))
    }

    fn open(&self, value: &str) -> Result<Button, ApprovalError> {
        Button::open(&self.key, value)
            .ok_or_else(|| forged("the button is none of ours, or its keys were replaced"))
    }

    /// Says to one person, and to nobody else, why it did not count.
    async fn tell(&self, channel: &str, user: &str, error: &ApprovalError) {
        let text = words(error);
        let body = json!({
            "channel": channel,
            "user": user,
            "text": render::escape(&text),
            "blocks": render::note(&text),
        });
        if let Err(error) = self.api.write("chat.postEphemeral", &body).await {
            tracing::warn!(%error, user, "nobody could be told why a click did not count");
        }
    }
}

fn words(error: &ApprovalError) -> String {
    let text = format!("Not counted ({}): {}", error.code(), error.message());
    text.chars().take(500).collect()
}

fn forged(why: &str) -> ApprovalError {
    let message = format!("the click decides nothing: {why}");
    ApprovalError::new(Code::Unauthenticated, message)
}

/// How often and how long apart the record of a copy is looked for.
const LOOKS: usize = 5;
const LOOK: Duration = Duration::from_millis(150);
