//! An agent whose gate is in another process: it holds a token, and neither store nor keys nor policy.
//!
//! Run it with `cargo run --example remote`. It starts the other process itself, in which somebody
//! approves after a second. Against a real one, started with `approvals serve`:
//! `APPROVALS_URL=http://127.0.0.1:8087 APPROVALS_TOKEN_FILE=token cargo run --example remote`.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use approvals_core::testing::{Everybody, TestGate};
use approvals_core::{Agent, ApprovalError, requires_approval};
use approvals_http::{Caller, Config, Server, TokenHash};
use approvals_remote::{RemoteGate, Token};
use tokio::net::TcpListener;

#[requires_approval(scope = "db.export", reason = "export {table}", redact(password))]
async fn export(table: String, password: String) -> Result<String, ApprovalError> {
    Ok(format!(
        "{table} exported with {} secret characters",
        password.len()
    ))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(token) => serve(token.parse()?).await,
        None => agent().await,
    }
}

/// The agent: all of it that is about approval.
async fn agent() -> Result<(), Box<dyn Error>> {
    let (url, token, _other) = match std::env::var("APPROVALS_URL") {
        Ok(url) => (
            url,
            Token::from_file(std::env::var("APPROVALS_TOKEN_FILE")?)?,
            None,
        ),
        Err(_) => start()?,
    };
    let gate = RemoteGate::builder(url.parse()?, token).open()?;
    let agent = Agent::new("runbook-bot")
        .on_behalf_of("u_alice")
        .rationale("the auditors asked");
    println!("asking {url} ..");
    println!(
        "{}",
        gate.enter(agent, export("users".into(), "s3cr3t".into()))
            .await?
    );
    Ok(())
}

/// The other process: policy, people, log and keys. Here it forgets, and a script decides.
async fn serve(token: TokenHash) -> Result<(), Box<dyn Error>> {
    let script = TestGate::script().approve_after("db.*", Duration::from_secs(1));
    let gate = script.start().await.gate().clone();
    let caller = Caller::new("runbook-bot".parse()?, Some("u_alice".parse()?), None);
    let config = Config::default().with_agent(token, caller);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    Ok(Server::new(gate, Everybody::new(), config)
        .serve(listener)
        .await?)
}

/// Starts this program once more, as the other process; it ends with this one.
fn start() -> Result<(String, Token, Option<Other>), Box<dyn Error>> {
    let token = approvals_http::Token::generate()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(token.hash().to_string()).stdout(Stdio::piped());
    let mut other = Other(command.spawn()?);
    let mut url = String::new();
    BufReader::new(other.0.stdout.take().ok_or("no output")?).read_line(&mut url)?;
    Ok((
        url.trim().to_owned(),
        Token::new(token.reveal())?,
        Some(other),
    ))
}

struct Other(std::process::Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}
