//! Who clicked: an account of this workspace, of a person, alive at this moment; or a no.

use approvals_core::review::Evidence;
use approvals_core::{ApprovalError, Assurance, Code, IdentityKey, VerifiedApprover};
use serde_json::{Value, json};

use super::payload::Origin;
use crate::api::{Api, text};
use crate::config::Config;
use crate::names;

/// Where a decision was made, for the record.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub(crate) channel: String,
    pub(crate) ts: String,
    /// Slack's name for this one click or form.
    pub(crate) act: String,
}

/// A person of this workspace, as Slack says now.
#[derive(Debug)]
pub(crate) struct Clicker {
    /// The account, and the same person by address where that is switched on.
    pub(crate) accounts: Vec<VerifiedApprover>,
}

/// Whether a callback comes through our app and from our workspace; looks nowhere else.
pub(crate) fn check_origin(config: &Config, origin: &Origin) -> Result<(), ApprovalError> {
    if origin.api_app_id.as_deref() != Some(config.app.as_str()) {
        return Err(refuse(
            "the click came through another app; nothing was decided",
        ));
    }
    let team = origin.team.as_ref().map(|team| team.id.as_str());
    let enterprise = origin
        .enterprise
        .as_ref()
        .map(|enterprise| enterprise.id.as_str());
    let ours = match team {
        Some(team) => team == config.team,
        // An installation for a whole organization names no team.
        None => enterprise.is_some() && enterprise == config.enterprise.as_deref(),
    };
    let strange = enterprise.is_some()
        && config.enterprise.is_some()
        && enterprise != config.enterprise.as_deref();
    if !ours || strange {
        return Err(refuse(
            "the click came from another workspace; nothing was decided",
        ));
    }
    match &origin.user.team_id {
        Some(home) if !is_home(config, home) => Err(refuse(
            "your account belongs to another organization, which may not decide here",
        )),
        _ => Ok(()),
    }
}

/// Asks Slack, now, who this is. What cannot be asked is refused.
pub(crate) async fn verify(
    config: &Config,
    api: &Api,
    origin: &Origin,
    spot: &Spot,
) -> Result<Clicker, ApprovalError> {
    check_origin(config, origin)?;
    let asked = json!({ "user": origin.user.id });
    let answer = api.read("users.info", &asked).await;
    let answer = answer.map_err(|error| {
        let message = format!("who you are could not be checked ({error}); try again in a moment");
        ApprovalError::new(Code::NotEligible, message)
    })?;
    let user = answer.get("user").unwrap_or(&Value::Null);
    check_user(config, user, &origin.user.id)?;
    let mut accounts = vec![account(
        config,
        names::PROVIDER,
        &origin.user.id,
        origin,
        spot,
    )?];
    if config.email_match {
        accounts.extend(by_address(config, user, origin, spot));
    }
    Ok(Clicker { accounts })
}

fn check_user(config: &Config, user: &Value, id: &str) -> Result<(), ApprovalError> {
    if text(user, "id").as_deref() != Some(id) {
        return Err(refuse(
            "slack does not know your account; nothing was decided",
        ));
    }
    if !text(user, "team_id").is_some_and(|team| is_home(config, &team)) {
        let message = "your account belongs to another organization, which may not decide here";
        return Err(refuse(message));
    }
    for (flag, why) in BARRED {
        // Whatever is not plainly absent or false bars.
        if !matches!(
            user.get(flag),
            None | Some(Value::Bool(false) | Value::Null)
        ) {
            return Err(refuse(&format!("your account {why}, which may not decide")));
        }
    }
    if user.get("is_email_confirmed") == Some(&Value::Bool(false)) {
        return Err(refuse(
            "the e-mail address of your account is not confirmed; confirm it in slack",
        ));
    }
    Ok(())
}

/// What bars an account, with our words for it.
const BARRED: &[(&str, &str)] = &[
    ("deleted", "is deactivated"),
    ("is_bot", "is a bot"),
    ("is_workflow_bot", "is a workflow"),
    ("is_app_user", "is an app"),
    ("is_restricted", "is a guest"),
    ("is_ultra_restricted", "is a guest of one channel"),
    ("is_stranger", "is a stranger to this workspace"),
    ("is_invited_user", "has not accepted its invitation"),
];

pub(super) fn is_home(config: &Config, team: &str) -> bool {
    team == config.team || config.enterprise.as_deref() == Some(team)
}

fn account(
    config: &Config,
    provider: &str,
    subject: &str,
    origin: &Origin,
    spot: &Spot,
) -> Result<VerifiedApprover, ApprovalError> {
    let identity = IdentityKey::new(provider, &config.team, subject)
        .map_err(|error| refuse(&error.to_string()))?;
    let evidence = Evidence::new("slack")
        .with("app", &config.app)
        .with("team", &config.team)
        .with("user", &origin.user.id)
        .with("channel", &spot.channel)
        .with("message", &spot.ts)
        .with("act", &spot.act);
    Ok(VerifiedApprover::assertion(
        identity,
        Assurance::A1,
        evidence,
    ))
}

/// Weak, and only where it is switched on: whoever can change the address in Slack becomes its owner.
fn by_address(
    config: &Config,
    user: &Value,
    origin: &Origin,
    spot: &Spot,
) -> Option<VerifiedApprover> {
    let address = user
        .pointer("/profile/email")?
        .as_str()?
        .to_ascii_lowercase();
    account(config, names::EMAIL, &address, origin, spot).ok()
}

fn refuse(message: &str) -> ApprovalError {
    ApprovalError::new(Code::NotEligible, message)
}
