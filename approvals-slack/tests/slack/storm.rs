//! Many requests at once, under a clock that a test moves: one summary, and each card in its turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::ledger::LedgerKey;
use approvals_core::testing::TokioClock;
use approvals_core::{ForgetfulStore, Gate, People, Policy, Status, inventory};
use approvals_slack::{Call, Config, Reply, Secrets, Slack, Web};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{bot, drop_table, waiting};

/// A Slack that takes everything and remembers what came when.
#[derive(Debug, Default)]
struct Channel(Mutex<Vec<(Instant, String, Value)>>);

#[async_trait]
impl Web for Channel {
    async fn post(&self, call: Call<'_>) -> Result<Reply, String> {
        let mut all = self.0.lock().unwrap();
        all.push((Instant::now(), call.method.to_owned(), call.body.clone()));
        let answer = json!({ "ok": true, "channel": "C01APPR", "ts": format!("{}.1", all.len()) });
        let mut reply = Reply::default();
        reply.status = 200;
        reply.body = answer.to_string().into_bytes();
        Ok(reply)
    }
}

impl Channel {
    /// When messages that begin so were posted.
    fn posted(&self, beginning: &str) -> Vec<(Instant, String)> {
        let all = self.0.lock().unwrap();
        let posted = all
            .iter()
            .filter(|(_, method, _)| method == "chat.postMessage");
        posted
            .map(|(at, _, body)| (*at, body["text"].as_str().unwrap().to_owned()))
            .filter(|(_, text)| text.starts_with(beginning))
            .collect()
    }
}

async fn gate(channel: &Arc<Channel>) -> Gate {
    let config = "version = 1\nmode = \"http\"\nteam = \"T01ACME\"\napp = \"A01GATE\"\ncards_per_minute = 2\nroute = [{ to = \"C01APPR\" }]";
    let secrets = Secrets::http("xoxb-test-token", "0123456789abcdef").unwrap();
    let web = Arc::clone(channel) as Arc<dyn Web>;
    let slack = Slack::over(Config::parse(config).unwrap(), secrets, web).unwrap();
    let people =
        "version = 1\nperson = [{ id = \"u_alice\" }, { id = \"u_dana\", groups = [\"oncall\"] }]";
    let people = People::parse(people).unwrap();
    let policy =
        "version = 1\ndefault = { require = [{ group = \"oncall\", n = 1 }], ttl = \"2h\" }";
    let policy = Policy::parse(policy, &people.groups(), &inventory()).unwrap();
    let mut builder = Gate::builder()
        .policy(policy)
        .people(people)
        .store(ForgetfulStore::new())
        .ledger_key(
            LedgerKey::from_seed(&[7; 32]).unwrap(),
            &"example.com/log".parse().unwrap(),
        )
        .clock(TokioClock::default());
    for notifier in slack.notifiers() {
        builder = builder.notifier(notifier);
    }
    builder.open().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn threat_60_the_cards_of_a_storm_follow_in_their_turn() {
    let channel = Arc::new(Channel::default());
    let gate = gate(&channel).await;
    let mut requests = Vec::new();
    for number in 0..9 {
        let call = gate
            .enter(bot(), drop_table(format!("table_{number}")))
            .await;
        requests.push(waiting(&call.unwrap_err()));
    }
    // One is decided before it ever had a card: it gets none any more.
    let gone = requests.pop().unwrap();
    gate.cancel(gone).await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3_600) {
        gate.deliver().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let cards = channel.posted("Approval needed");
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for request in &requests {
        let id = request.to_string();
        let of = cards.iter().filter(|(_, text)| text.contains(&id)).count();
        copies.insert(id, of);
        assert_eq!(gate.card(*request).await.unwrap().status, Status::Pending);
    }
    assert!(copies.values().all(|count| *count == 1), "{copies:?}");
    assert_eq!(cards.len(), requests.len());
    // Never more in a minute than was allowed, and a word of it once in a minute.
    let within = |all: &[(Instant, String)], from: Instant| {
        let minute = Duration::from_secs(60);
        let until = from + minute;
        all.iter()
            .filter(|(at, _)| *at >= from && *at < until)
            .count()
    };
    assert!(
        cards.iter().all(|(at, _)| within(&cards, *at) <= 2),
        "{cards:?}"
    );
    let summaries = channel.posted("Many requests");
    assert!(!summaries.is_empty());
    assert!(
        summaries.iter().all(|(at, _)| within(&summaries, *at) == 1),
        "{summaries:?}"
    );
}
