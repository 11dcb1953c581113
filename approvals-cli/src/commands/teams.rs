//! `approvals teams`: the app to upload, and the doctor.

use approvals_http::{Attached, Channel};
use approvals_store::home::Home;
use approvals_teams::{Config, InvalidConfig, Teams, doctor, package};
use serde_json::json;

use crate::answer::Answer;
use crate::args::{self, Cli};
use crate::failure::Failure;
use crate::save::NewFile;
use crate::state;

pub(crate) async fn run(cli: &Cli, wanted: &args::Teams) -> Result<Answer, Failure> {
    let home = state::home(cli)?;
    let config = config(&home)?.ok_or_else(|| {
        let directory = home.paths().directory().display();
        Failure::usage(&format!(
            "there is no `teams.toml` in `{directory}`; write one"
        ))
    })?;
    match wanted {
        args::Teams::Package { file } => {
            let bytes = package(&config).map_err(|error| wrong(&error))?;
            NewFile::create(file)?.keep(bytes)?;
            let file = file.display().to_string();
            Ok(Answer::new(
                format!("wrote {file}\n"),
                json!({ "file": file }),
            ))
        }
        args::Teams::Doctor => looked(&home, config).await,
    }
}

/// The channel of this state directory, if it has one.
pub(crate) fn open(home: &Home) -> Result<Option<Teams>, Failure> {
    let open = |config| Teams::open(config, home.paths().directory());
    let teams = config(home)?.map(open).transpose();
    teams.map_err(|error| wrong(&error))
}

/// The same as channels of a server, one for each conversation; the routes are the app's, however
/// many there are.
pub(crate) fn channels(teams: &Teams) -> Vec<Channel> {
    let mut routed = Some(teams.clone());
    let channel = |notifier| match routed.take() {
        None => Channel::new(notifier),
        Some(teams) => Channel::new(notifier)
            .attach(move |gate, _| Attached::nothing().routes(teams.router(gate))),
    };
    teams.notifiers().into_iter().map(channel).collect()
}

fn config(home: &Home) -> Result<Option<Config>, Failure> {
    let text = home.read_private("teams.toml", "Teams configuration")?;
    let parse = |text: String| Config::parse(&text, home.paths().directory());
    text.map(parse).transpose().map_err(|error| wrong(&error))
}

async fn looked(home: &Home, config: Config) -> Result<Answer, Failure> {
    let teams = Teams::open(config, home.paths().directory()).map_err(|error| wrong(&error))?;
    let findings = doctor(&teams, home.people()).await;
    let line = |what: &str, wrong: Option<&str>| match wrong {
        None => format!("ok      {what}\n"),
        Some(wrong) => format!("WRONG   {what}: {wrong}\n"),
    };
    let text: String = findings
        .iter()
        .map(|found| line(&found.what, found.wrong.as_deref()))
        .collect();
    let json: Vec<_> = findings
        .iter()
        .map(|found| json!({ "what": found.what, "wrong": found.wrong }))
        .collect();
    let well = findings.iter().all(|found| found.wrong.is_none());
    Ok(Answer::new(text, json!({ "findings": json })).passed(well))
}

fn wrong(error: &InvalidConfig) -> Failure {
    Failure::usage(&error.to_string())
}
