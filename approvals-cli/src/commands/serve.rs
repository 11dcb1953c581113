//! `approvals serve`: the API, and the channels beside it, for as long as the process runs.

use std::net::SocketAddr;

use approvals_core::{ApprovalError, Code, Gate, PersonId};
use approvals_http::{
    Channel, Config, Inbox, Instances, InvalidConfig, SecretPlace, Server, Webhooks,
};
use approvals_store::home::Home;
use serde_json::json;
use tokio::net::TcpListener;

use crate::answer::{Answer, Printer};
use crate::args::{Cli, Serve};
use crate::failure::Failure;
use crate::state;

pub(crate) fn run(cli: &Cli, printer: &Printer, options: &Serve) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        let message = format!("cannot start ({error}); check the limits of this process");
        Failure::new(Code::StoreUnavailable, message)
    })?;
    runtime.block_on(serve(cli, printer, options))
}

async fn serve(cli: &Cli, printer: &Printer, options: &Serve) -> Result<Answer, Failure> {
    let home = state::home(cli)?;
    let config = configuration(&home)?;
    let config = match options.listen {
        Some(address) => config
            .listening_on(address)
            .map_err(|error| Failure::usage(&error.to_string()))?,
        None => config,
    };
    let webhooks = Webhooks::open(&config, |place| secret(&home, place))?;
    let channels = channels(&home)?;
    let mut builder = home.gate()?;
    if let Some(environment) = config.environment() {
        builder = builder.environment(environment);
    }
    for channel in &channels {
        builder = builder.notifier(channel.notifier());
    }
    let gate = builder.open().await?;
    let listener = bind(config.address().listen()).await?;
    let at = listener
        .local_addr()
        .map_err(|error| unbound(config.address().listen(), &error))?;
    let inbox = Inbox::new(home.people().clone());
    let links = links(&inbox, &gate, &options.link, at, &config)?;
    let server = Server::new(gate, home.people().clone(), config);
    let server = server
        .inbox(&inbox)
        .webhooks(webhooks)
        .instances(instances(&home)?)?;
    let server = channels.into_iter().fold(server, Server::channel);
    printer.show(&format!("listening on http://{at}\n{links}"));
    let stop = server.stop();
    let mut serving = std::pin::pin!(server.serve(listener));
    tokio::select! {
        served = &mut serving => served?,
        () = signalled() => {
            stop.cancel();
            serving.await?;
        }
    }
    Ok(Answer::new("stopped\n", json!({ "stopped": true })))
}

/// The instances that provisioners made before.
fn instances(home: &Home) -> Result<Instances, ApprovalError> {
    let text = home.read_private(INSTANCES, "list of instances")?;
    Instances::open(home.path().join(INSTANCES), text.as_deref())
}

const INSTANCES: &str = "instances.json";

/// The secret that signs for a webhook.
pub(super) fn secret(home: &Home, place: &SecretPlace) -> Result<Option<String>, ApprovalError> {
    match place {
        SecretPlace::Variable(name) => Ok(std::env::var(name).ok()),
        SecretPlace::File(name) => home.read_private(name, "secret of a webhook"),
        _ => Ok(None),
    }
}

/// What `http.toml` says, with the secret that it names.
fn configuration(home: &Home) -> Result<Config, Failure> {
    let usage = |error: InvalidConfig| Failure::usage(&error.to_string());
    let Some(text) = home.read_private("http.toml", "HTTP configuration")? else {
        return Ok(Config::default());
    };
    let config = Config::parse(&text).map_err(usage)?;
    let Some(file) = config.client_secret_file() else {
        return Ok(config);
    };
    let Some(secret) = home.read_private(file, "client secret")? else {
        let message = format!(
            "`{file}`, which http.toml names for the client secret, is not in the state directory; put it there, for its owner only"
        );
        return Err(Failure::usage(&message));
    };
    config.with_client_secret(&secret).map_err(usage)
}

/// The lines that let people in on this machine.
fn links(
    inbox: &Inbox,
    gate: &Gate,
    people: &[PersonId],
    at: SocketAddr,
    config: &Config,
) -> Result<String, Failure> {
    let remote = config.address().public_url().starts_with("https://") || !at.ip().is_loopback();
    if remote && !people.is_empty() {
        return Err(Failure::usage(
            "`--link` is for a server on this machine only; listen on 127.0.0.1 and without `public_url`",
        ));
    }
    let mut lines = String::new();
    for person in people {
        // By name: browsers make no passkeys for addresses.
        let path = inbox.link(person, gate.now())?;
        lines += &format!(
            "inbox for {person}, once: http://localhost:{}{path}\n",
            at.port()
        );
    }
    Ok(lines)
}

/// The channels that this build and this state directory have.
fn channels(home: &Home) -> Result<Vec<Channel>, Failure> {
    // A build without channels asks nothing of the home.
    let _ = home;
    let found: Vec<Option<Vec<Channel>>> = Vec::from([
        #[cfg(feature = "slack")]
        super::slack::open(home)?.map(|slack| super::slack::channels(&slack)),
        #[cfg(feature = "teams")]
        super::teams::open(home)?.map(|teams| super::teams::channels(&teams)),
    ]);
    Ok(found.into_iter().flatten().flatten().collect())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| unbound(address, &error))
}

fn unbound(address: SocketAddr, error: &std::io::Error) -> Failure {
    let message = format!(
        "cannot listen on `{address}` ({error}); stop what listens there, or name another with `--listen`"
    );
    Failure::new(Code::StoreUnavailable, message)
}

/// Returns when the operating system asks the process to end.
async fn signalled() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut ended) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = ended.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
