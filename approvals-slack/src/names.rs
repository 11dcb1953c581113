//! The names under which Slack gives things back.

pub(crate) const APPROVE: &str = "approvals.approve";
pub(crate) const DENY: &str = "approvals.deny";
pub(crate) const VIEW: &str = "approvals.view";
pub(crate) const DECIDE: &str = "approvals.decide";
pub(crate) const MODAL: &str = "approvals.deny.reason";
pub(crate) const REASON: &str = "approvals.reason";
pub(crate) const REASON_TEXT: &str = "text";

/// The provider of accounts in the people file.
pub(crate) const PROVIDER: &str = "slack";
/// The provider of accounts that are known by an address, where that is switched on.
pub(crate) const EMAIL: &str = "slack-email";

/// What the channel of a route is called in the log.
pub(crate) fn channel(route: &str) -> String {
    format!("slack:{route}")
}

/// Where one copy is, as it stands in the log.
pub(crate) fn place(team: &str, channel: &str, ts: &str) -> String {
    format!("{team}/{channel}/{ts}")
}

/// The channel and time of a copy.
pub(crate) fn of_place(place: &str) -> Option<(&str, &str)> {
    let (_, rest) = place.split_once('/')?;
    rest.split_once('/')
}
