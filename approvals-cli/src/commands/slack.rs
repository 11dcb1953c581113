//! `approvals slack`: what the channel needs of Slack, and whether it is there.

use approvals_core::Code;
use approvals_slack::{Config, Mode, Secrets, doctor, manifest};
use approvals_store::home::Home;
use serde_json::json;

use crate::answer::Answer;
use crate::args::{Cli, Slack};
use crate::failure::Failure;
use crate::state;

pub(crate) fn run(cli: &Cli, wanted: &Slack) -> Result<Answer, Failure> {
    match wanted {
        Slack::Manifest { url } => draw(url.as_deref()),
        Slack::Doctor => super::wait(examine(cli)),
    }
}

fn draw(url: Option<&str>) -> Result<Answer, Failure> {
    let mode = match url {
        Some(url) if !url.starts_with("https://") => {
            let message = format!(
                "`{url}` is no https address, and Slack posts to no other; write one, or leave `--url` out for Socket Mode"
            );
            return Err(Failure::usage(&message));
        }
        Some(_) => Mode::Http,
        None => Mode::Socket,
    };
    let manifest = manifest(mode, url);
    Ok(Answer::new(format!("{manifest:#}\n"), manifest))
}

async fn examine(cli: &Cli) -> Result<Answer, Failure> {
    let home = state::home(cli)?;
    let slack = open(&home)?.ok_or_else(|| {
        let message = format!(
            "there is no `slack.toml` in `{}`; write one as the README of approvals-slack says",
            home.path().display()
        );
        Failure::new(Code::Misuse, message)
    })?;
    let findings = doctor(&slack).await;
    let text = findings
        .iter()
        .map(|finding| format!("{finding}\n"))
        .collect::<String>();
    let rows = findings
        .iter()
        .map(|finding| json!({ "what": finding.what, "wrong": finding.wrong }));
    let rows: Vec<_> = rows.collect();
    let well = findings.iter().all(|finding| finding.wrong.is_none());
    Ok(Answer::new(text, json!({ "well": well, "findings": rows })).passed(well))
}

/// The channel that a home describes; none when it describes none. What it describes halfway is an
/// error, and never no channel.
pub(crate) fn open(home: &Home) -> Result<Option<approvals_slack::Slack>, Failure> {
    let Some(text) = home.read_private("slack.toml", "Slack configuration")? else {
        return Ok(None);
    };
    let config = Config::parse(&text)?;
    let secrets = Secrets::from_env(config.mode())?;
    Ok(Some(approvals_slack::Slack::new(config, secrets)?))
}

/// The same as channels of a server, one for each route; the first one brings the decisions back.
#[cfg(feature = "serve")]
pub(crate) fn channels(slack: &approvals_slack::Slack) -> Vec<approvals_http::Channel> {
    use approvals_http::{Attached, Channel};

    let mut listening = Some(slack.clone());
    let channel = |notifier| match listening.take() {
        None => Channel::new(notifier),
        Some(slack) => Channel::new(notifier).attach(move |gate, stop| {
            let running = slack.start(gate, stop);
            let attached = Attached::nothing().run(running.work);
            match running.routes {
                Some(routes) => attached.routes(routes),
                None => attached,
            }
        }),
    };
    slack.notifiers().into_iter().map(channel).collect()
}
