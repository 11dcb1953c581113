//! The incident runbook, decided in Microsoft Teams; which tenant and whom it asks is configuration.
//!
//! Run it with `cargo run --example teams` and follow `approvals-teams/README.md`: it says what is
//! missing until Teams can reach it. The export is decided by a click. The purge takes somebody's
//! own key, by the command that is printed, and its cards follow. Arguments: a state directory, and
//! where to listen.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use approvals_store::home::Home;
use approvals_teams::{Cloud, Config, Teams, doctor};
use examples::{Failure, demo, incident};

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    demo::log();
    let mut words = std::env::args().skip(1);
    let dir = words.next().unwrap_or_else(|| "approvals-demo".to_owned());
    let listen = words.next().unwrap_or_else(|| "127.0.0.1:3978".to_owned());
    let home = demo::home(&PathBuf::from(dir))?;

    let teams = Teams::open(config(&home)?, home.path())?;
    let builder = teams
        .notifiers()
        .into_iter()
        .fold(demo::gate(&home)?, |builder, to| builder.notifier(to));
    let gate = builder.open().await?;
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!(
        "listening on http://{}/api/messages",
        listener.local_addr()?
    );
    let routes = teams.router(gate.clone());
    let serving = axum::serve(listener, routes).into_future();

    let work = async {
        ready(&teams, &home).await;
        gate.enter(demo::agent(), incident::runbook(&home)).await
    };
    let ended = tokio::select! {
        ended = work => ended,
        served = serving => Err(served.err().map_or("nobody listens any more".into(), Failure::from)),
        _ = tokio::signal::ctrl_c() => Err("interrupted; what waited is withdrawn".into()),
    };
    // The last change is drawn before the program ends.
    gate.deliver().await?;
    demo::report(&gate, &home, ended).await
}

/// `teams.toml` of the state directory. For a rehearsal two variables name stand-ins of Microsoft's
/// login and keys on this machine; then no other host is reached.
fn config(home: &Home) -> Result<Config, Failure> {
    let text = home.read_private("teams.toml", "Teams configuration")?;
    let text = text.ok_or_else(|| {
        format!(
            "there is no `teams.toml` in `{}`; write one as approvals-teams/README.md says",
            home.path().display()
        )
    })?;
    let config = Config::parse(&text, home.path())?;
    let named = |name| std::env::var(name).ok();
    match named("TEAMS_LOGIN").zip(named("TEAMS_OPENID")) {
        None => Ok(config),
        Some((login, openid)) => {
            let cloud = Cloud::dangerous().loopback(&login, &openid);
            Ok(config.in_cloud(cloud.ok_or("a stand-in has to be on this machine")?))
        }
    }
}

/// Waits until nothing is missing, and says what is.
async fn ready(teams: &Teams, home: &Home) {
    let mut said = Vec::new();
    loop {
        let found = doctor(teams, home.people()).await.into_iter();
        let wrong =
            found.filter_map(|found| Some(format!("not yet: {}: {}", found.what, found.wrong?)));
        let wrong: Vec<_> = wrong.collect();
        if wrong.is_empty() {
            return;
        }
        if wrong != said {
            println!("{}", wrong.join("\n"));
        }
        said = wrong;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}
