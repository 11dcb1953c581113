//! The doctor: what would keep the channel from working, found before somebody waits for it.

use approvals_core::{IdentityKey, People};

use crate::app::{Inner, Teams};
use crate::config::Post;
use crate::inbound;

/// One thing that was looked at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// What is wrong and what mends it; none when it is well.
    pub wrong: Option<String>,
}

/// Looks at everything the channel depends on: our token, Microsoft's keys, the conversations, and
/// whether anybody in the people file could decide there.
pub async fn doctor(teams: &Teams, people: &People) -> Vec<Finding> {
    let inner = teams.inner();
    let (config, connector) = (&inner.config, &inner.connector);
    let finding = |what: &str, wrong: Option<String>| Finding {
        what: what.to_owned(),
        wrong,
    };
    let token = connector.tokens.get(&connector.web, &connector.cloud).await;
    let keys = inbound::fetch(&connector.web, &connector.cloud).await;
    let keys = match keys {
        Ok(keys) if keys.count() > 0 => None,
        Ok(_) => Some("no key is endorsed for Teams; check `cloud`".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    let mut found = vec![
        finding(
            "the app's token",
            token.err().map(|error| error.to_string()),
        ),
        finding("the Bot Connector's keys", keys),
    ];
    let posts = config.posts.is_empty() && config.workflows.is_empty();
    let posts = posts.then(|| "nobody is asked; add a `[[post]]` to teams.toml".to_owned());
    found.push(finding("where requests are posted", posts));
    found.push(finding("where the app is installed", not_installed(inner)));
    let ours = |key: &IdentityKey| key.provider() == "entra" && key.tenant() == config.tenant;
    let mut active = people.people().filter(|person| person.active);
    let nobody = !active.any(|person| person.identities.iter().any(ours));
    let nobody = nobody.then(|| {
        format!("nobody has an account there; add `provider = \"entra\"`, `tenant = \"{}\"` and the object id as `subject` to people.toml", config.tenant)
    });
    found.push(finding("who can decide", nobody));
    found
}

/// What is missing of the installations that posts need.
fn not_installed(inner: &Inner) -> Option<String> {
    let posts = &inner.config.posts;
    if inner.places.count() == 0 && !posts.is_empty() {
        return Some("it was added nowhere that this server heard of; upload `approvals teams package`, and add the app to a team or chat while the server runs".to_owned());
    }
    // A channel is known by its team, and the chat with a person can be made; a group chat has to
    // be the very one.
    let missing = posts.iter().find_map(|post| match post {
        Post::Chat(chat) => (!inner.places.knows(chat)).then_some(chat),
        Post::Channel(_) | Post::Person(_) => None,
    });
    missing.map(|chat| {
        format!("it was not added to the chat `{chat}`; add it there while the server runs")
    })
}
