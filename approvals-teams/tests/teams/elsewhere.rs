//! Decisions of other kinds: whoever decides, and wherever, the cards in Teams follow.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use approvals_core::{Agent, ApprovalError, Gate, RequestId, requires_approval};
use approvals_http::{Attached, Channel, Config as Http, Inbox, Server};
use approvals_store::home::{Home, Starter};
use approvals_teams::Teams;

use crate::channel::{redrawn_at, title_of};
use crate::support::bot::{CHAT, added, config, send_to, web};
use crate::support::microsoft::Microsoft;
use crate::support::{POLICY, object, people, program, until};

#[requires_approval(scope = "db.vacuum")]
async fn vacuum(table: String) -> Result<usize, ApprovalError> {
    Ok(table.len())
}

#[requires_approval(scope = "soon.now")]
async fn hurry(table: String) -> Result<usize, ApprovalError> {
    Ok(table.len())
}

/// A server as `approvals serve` makes it: the API, the inbox, and the channel, on one ledger.
struct House {
    scratch: tempfile::TempDir,
    microsoft: Microsoft,
    gate: Gate,
    inbox: Inbox,
    url: String,
}

impl House {
    async fn open() -> Self {
        let (scratch, microsoft) = (tempfile::tempdir().unwrap(), Microsoft::start().await);
        let key = scratch.path().join("key");
        made_key(&key);
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let own = format!(
            "[[person.identity]]\nprovider = \"ssh\"\nkey = \"{}\"\n",
            public.trim()
        );
        let people = people().replace(
            "[[person]]\nid = \"u_2\"",
            &format!("{own}[[person]]\nid = \"u_2\""),
        );
        let policy = format!(
            "{POLICY}\n[[rule]]\nid = \"soon\"\nscope = \"soon.*\"\nrequire = [{{ group = \"oncall\", n = 1 }}]\nttl = \"2s\"\n"
        );
        let starter = Starter::new("test.invalid/teams".parse().unwrap());
        let state = scratch.path().join("state");
        Home::create(&state, starter.policy(policy).people(people)).unwrap();
        let home = Home::open(&state).unwrap();
        let posts = format!(
            "[[post]]\nchat = \"{CHAT}\"\n[[post]]\nchannel = \"19:approvals@thread.tacv2\"\n[[post]]\nperson = \"{}\"\n",
            object(1)
        );
        let config = config(&posts, &state).in_cloud(microsoft.cloud());
        let teams = Teams::open(config, &state).unwrap();
        let builder = home.gate().unwrap();
        let builder = teams
            .notifiers()
            .into_iter()
            .fold(builder, |builder, to| builder.notifier(to));
        let gate = builder.open().await.unwrap();
        let inbox = Inbox::new(home.people().clone());
        let server =
            Server::new(gate.clone(), home.people().clone(), Http::default()).inbox(&inbox);
        let mut routed = Some(teams.clone());
        let server = teams.notifiers().into_iter().fold(server, |server, to| {
            let channel = Channel::new(to);
            server.channel(match routed.take() {
                None => channel,
                Some(teams) => {
                    channel.attach(move |gate, _| Attached::nothing().routes(teams.router(gate)))
                }
            })
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        tokio::spawn(server.serve(listener));
        let house = Self {
            scratch,
            microsoft,
            gate,
            inbox,
            url,
        };
        let service = house.microsoft.service();
        assert_eq!(send_to(&house.url, &service, &added(&service)).await.0, 200);
        house
    }

    /// Asks, and waits until all three conversations have a copy.
    async fn ask(
        &self,
        work: impl Future<Output = Result<usize, ApprovalError>> + Send + 'static,
    ) -> (RequestId, Vec<String>) {
        let agent = Agent::new("runbook-bot")
            .on_behalf_of("u_0")
            .wait(Duration::ZERO);
        let ids = || {
            let world = self.microsoft.world();
            let ids = world.messages.iter().map(|(_, id, _)| id.clone());
            ids.collect::<BTreeSet<_>>()
        };
        let before = ids();
        let error = self.gate.enter(agent, work).await.unwrap_err();
        let copies: Vec<_> = until("three copies are posted", async || {
            let new: Vec<_> = ids().difference(&before).cloned().collect();
            (new.len() == 3).then_some(new)
        })
        .await;
        for copy in &copies {
            assert_eq!(title_of(&self.microsoft, copy), "Approval wanted");
        }
        (error.request().unwrap(), copies)
    }

    /// The program, in another process, on the same ledger.
    async fn command(&self, args: &[&str]) {
        let mut command = Command::new(program("approvals"));
        command
            .env_remove("SSH_AUTH_SOCK")
            .env("HOME", self.scratch.path())
            .args([
                "--state",
                &self.scratch.path().join("state").display().to_string(),
            ])
            .args(args);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
    }

    /// The inbox, as a browser uses it.
    async fn in_the_inbox(&self, person: &str, request: RequestId, vote: &str) {
        let link = self
            .inbox
            .link(&person.parse().unwrap(), self.gate.now())
            .unwrap();
        let form = link.split_once('?').unwrap().1.to_owned();
        let post = |path: &str, form: String| {
            let call = web().post(format!("{}{path}", self.url));
            call.header("content-type", "application/x-www-form-urlencoded")
                .body(form)
        };
        let answer = post("/login", form).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let path = format!("/inbox/r/{request}");
        let page = web()
            .get(format!("{}{path}", self.url))
            .header("cookie", &cookie);
        let page = page.send().await.unwrap().text().await.unwrap();
        let field = |name: &str| {
            let (_, rest) = page
                .split_once(&format!("name=\"{name}\" value=\""))
                .unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        let form = format!(
            "csrf={}&digest={}&policy={}&vote={vote}&reason=seen",
            field("csrf"),
            field("digest"),
            field("policy")
        );
        let answer = post(&path, form)
            .header("cookie", cookie)
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_success() || answer.status().is_redirection(),
            "{answer:?}"
        );
    }

    async fn follows(&self, copies: &[String], title: &str, words: &str) {
        for copy in copies {
            redrawn_at(&self.microsoft, copy, title).await;
            let world = self.microsoft.world();
            let mut drawn = world.messages.iter().rev();
            let last = &drawn.find(|(_, id, _)| id == copy).unwrap().2;
            let text = last.to_string();
            assert!(text.contains(words), "{words}: {text}");
            assert!(
                !text.contains("ActionSet"),
                "nothing to click any more: {text}"
            );
        }
    }
}

fn made_key(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-C", "", "-N", "", "-f"])
        .arg(path);
    assert!(command.status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_decides_elsewhere_the_cards_follow() {
    let house = House::open().await;
    let key = house.scratch.path().join("key").display().to_string();

    let (request, copies) = house.ask(vacuum("a".to_owned())).await;
    house
        .command(&["approve", &request.to_string(), "--key", &key])
        .await;
    house.follows(&copies, "Approved", "u_1").await;

    let (request, copies) = house.ask(vacuum("b".to_owned())).await;
    house
        .command(&[
            "deny",
            &request.to_string(),
            "--reason",
            "not today",
            "--key",
            &key,
        ])
        .await;
    house
        .follows(&copies, "Denied: nothing ran", "not today")
        .await;

    let (request, copies) = house.ask(vacuum("c".to_owned())).await;
    house.in_the_inbox("u_2", request, "approve").await;
    house.follows(&copies, "Approved", "u_2").await;

    let (request, copies) = house.ask(vacuum("d".to_owned())).await;
    house.in_the_inbox("u_3", request, "deny").await;
    house.follows(&copies, "Denied: nothing ran", "seen").await;

    let (request, copies) = house.ask(vacuum("e".to_owned())).await;
    house.command(&["cancel", &request.to_string()]).await;
    house
        .follows(&copies, "Withdrawn: nothing ran", "Withdrawn")
        .await;

    let (_, copies) = house.ask(hurry("f".to_owned())).await;
    house
        .follows(&copies, "Too late: it expired, and nothing ran", "Too late")
        .await;
}
