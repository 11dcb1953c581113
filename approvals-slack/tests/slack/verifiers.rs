//! Signatures judged beside everybody else's verifiers: what ours accepts, every one of them accepts.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use approvals_core::ledger::{Entry, LedgerKey, LogEvent};
use approvals_core::{Clock, Code, ForgetfulStore, Gate, People, Policy, SystemClock, Timestamp};
use approvals_peers::{node, python};
use approvals_slack::{Config, Secrets, Slack};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use slack_morphism::SlackSigningSecret;
use slack_morphism::signature_verifier::SlackEventSignatureVerifier;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::support::proxy::Callback;
use crate::support::{SIGNING, records};

/// The time at which everybody judges.
#[derive(Debug, Clone)]
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A request, and what was done to it.
struct Made {
    how: String,
    sent: Callback,
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 1).unwrap() % sides
    }
}

/// A form as Slack sends it, with texts that are hard on whoever reads it.
fn body(dice: &mut Dice) -> Vec<u8> {
    const TEXTS: &[&str] = &[
        "plain",
        "a+b c",
        "é ü 語",
        "\u{202e}rtl",
        "=&%",
        "\"quoted\"",
        "",
        "ſß",
        "🎉",
        "\u{0}",
    ];
    let texts: Vec<_> = (0..dice.roll(4))
        .map(|_| TEXTS[dice.roll(TEXTS.len())])
        .collect();
    let payload = json!({ "type": "block_actions", "texts": texts, "n": dice.roll(1_000) });
    let encoded = percent_encoding::utf8_percent_encode(
        &payload.to_string(),
        percent_encoding::NON_ALPHANUMERIC,
    )
    .to_string();
    match dice.roll(3) {
        0 => format!("payload={}", encoded.replace("%20", "+")).into_bytes(),
        1 => format!("payload={payload}").into_bytes(),
        _ => format!("payload={encoded}").into_bytes(),
    }
}

type Change = fn(&mut Dice, &mut Callback);

/// What becomes of a request on its way; none of these can be signed anew.
const CHANGES: &[(&str, Change)] = &[
    ("a byte of the body", |dice, sent| {
        let at = dice.roll(sent.body.len());
        sent.body[at] ^= 1 << dice.roll(7);
    }),
    ("a byte more", |_, sent| sent.body.push(b' ')),
    ("a byte less", |_, sent| {
        sent.body.truncate(sent.body.len() - 1)
    }),
    ("no body", |_, sent| sent.body.clear()),
    ("a byte that is no text", |dice, sent| {
        let at = dice.roll(sent.body.len());
        sent.body[at] = 0xff;
    }),
    ("a digit of the signature", |dice, sent| {
        let at = 3 + dice.roll(64);
        let other = if sent.signature.as_bytes()[at] == b'0' {
            "1"
        } else {
            "0"
        };
        sent.signature.replace_range(at..=at, other);
    }),
    ("capitals", |_, sent| {
        sent.signature = sent.signature.replace("v0=", "").to_uppercase()
    }),
    ("capital digits", |_, sent| {
        let digits = sent.signature.split_off(3).to_uppercase();
        sent.signature.push_str(&digits);
    }),
    ("cut", |dice, sent| sent.signature.truncate(dice.roll(67))),
    ("more of it", |_, sent| sent.signature.push('0')),
    ("another part", |_, sent| sent.signature.push_str("=x")),
    ("twice", |_, sent| {
        sent.signature = format!("{0},{0}", sent.signature)
    }),
    ("another version", |_, sent| {
        sent.signature.replace_range(..2, "v1")
    }),
    ("no version", |_, sent| drop(sent.signature.drain(..3))),
    ("a space in front", |_, sent| sent.signature.insert(0, ' ')),
    ("a space behind", |_, sent| sent.signature.push(' ')),
    ("no signature", |_, sent| sent.signature.clear()),
    ("the time of another", |_, sent| {
        let at: i64 = sent.timestamp.parse().unwrap();
        sent.timestamp = (at - 1).to_string();
    }),
    ("no time", |_, sent| sent.timestamp.clear()),
];

/// Ways to write a time that is not one, or is one to some; signed as they stand.
fn spellings(now: i64) -> Vec<String> {
    let mut all: Vec<String> = [
        "abc",
        "",
        "NaN",
        "Infinity",
        "-1",
        "0",
        "0x6b49d200",
        "1e10",
        "٣",
        "１",
        "null",
        "true",
    ]
    .map(str::to_owned)
    .to_vec();
    all.extend([
        format!("+{now}"),
        format!(" {now}"),
        format!("{now} "),
        format!("0{now}"),
        format!("{now}.0"),
        format!("{now}.5"),
        format!("{now}e0"),
        format!("{now}000"),
        format!("-{now}"),
        format!("{now},{now}"),
        format!("{}_{}", now / 1_000, now % 1_000),
        format!("{now}n"),
    ]);
    all
}

fn generated(now: i64) -> Vec<Made> {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut all = Vec::new();
    for _ in 0..24 {
        let sent = Callback::signed(SIGNING, &now.to_string(), body(&mut dice));
        for (how, change) in CHANGES {
            let mut changed = sent.clone();
            change(&mut dice, &mut changed);
            let how = (*how).to_owned();
            all.push(Made { how, sent: changed });
        }
        let how = "as it is".to_owned();
        all.push(Made { how, sent });
        let secret = Callback::signed("another secret entirely", &now.to_string(), body(&mut dice));
        let how = "another secret".to_owned();
        all.push(Made { how, sent: secret });
        let offset = i64::try_from(dice.roll(1_200)).unwrap() - 600;
        let sent = Callback::signed(SIGNING, &(now + offset).to_string(), body(&mut dice));
        let how = format!("{offset} s from now");
        all.push(Made { how, sent });
    }
    for offset in [-301, -300, -299, 299, 300, 301, 305, 315_360_000, -now] {
        let sent = Callback::signed(SIGNING, &(now + offset).to_string(), body(&mut dice));
        let how = format!("{offset} s from now");
        all.push(Made { how, sent });
    }
    for spelled in spellings(now) {
        let sent = Callback::signed(SIGNING, &spelled, body(&mut dice));
        let how = format!("the time is `{spelled}`");
        all.push(Made { how, sent });
    }
    all
}

/// The route that Slack posts to, and its gate.
async fn ours(at: Timestamp) -> (Router, Gate) {
    let config = "version = 1\nmode = \"http\"\nteam = \"T01ACME\"\napp = \"A01GATE\"\nroute = [{ to = \"C01APPR\" }]";
    let secrets = Secrets::http("xoxb-test-token", SIGNING).unwrap();
    let slack = Slack::new(Config::parse(config).unwrap(), secrets).unwrap();
    let people =
        People::parse("version = 1\nperson = [{ id = \"u_dana\", groups = [\"oncall\"] }]")
            .unwrap();
    let policy =
        "version = 1\ndefault = { require = [{ group = \"oncall\", n = 1 }], ttl = \"15m\" }";
    let policy = Policy::parse(policy, &people.groups(), &approvals_core::inventory()).unwrap();
    let gate = Gate::builder()
        .policy(policy)
        .people(people)
        .store(ForgetfulStore::new())
        .ledger_key(
            LedgerKey::from_seed(&[7; 32]).unwrap(),
            &"example.com/log".parse().unwrap(),
        )
        .clock(Standing(at))
        .open()
        .await
        .unwrap();
    // Nothing works on what is accepted: only the signature is judged here.
    let running = slack.start(gate.clone(), CancellationToken::new());
    (running.routes.unwrap(), gate)
}

/// Whether ours takes the signature; what it thinks of the rest is not asked.
async fn accepts(routes: &Router, sent: &Callback) -> bool {
    let (Ok(timestamp), Ok(signature)) = (
        HeaderValue::from_bytes(sent.timestamp.as_bytes()),
        HeaderValue::from_bytes(sent.signature.as_bytes()),
    ) else {
        return false;
    };
    let request = Request::post("/slack/interactions")
        .header("x-slack-request-timestamp", timestamp)
        .header("x-slack-signature", signature)
        .body(Body::from(sent.body.clone()))
        .unwrap();
    let answer = tokio::time::timeout(
        std::time::Duration::from_secs(30),
        routes.clone().oneshot(request),
    );
    answer.await.unwrap().unwrap().status() != 401
}

/// What a program of others says, one line for each request.
fn judged(mut command: Command, now: i64, all: &[Made]) -> Vec<Value> {
    let mut child = command
        .args([&now.to_string(), SIGNING])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = all
        .iter()
        .map(|Made { sent, .. }| {
            let body = STANDARD.encode(&sent.body);
            json!({ "body": body, "timestamp": sent.timestamp, "signature": sent.signature })
                .to_string()
                + "\n"
        })
        .collect();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), all.len());
    answers
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/slack")
        .join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_36_what_ours_accepts_every_other_verifier_accepts() {
    let at = SystemClock.now();
    let now = at.as_micros() / 1_000_000;
    let all = Arc::new(generated(now));
    let beside = |command: Command| {
        let all = Arc::clone(&all);
        tokio::task::spawn_blocking(move || judged(command, now, &all))
    };
    let mut by_python = python();
    by_python.arg(script("verifiers.py"));
    let (by_node, by_python) = (beside(node(&script("verifiers.mjs"))), beside(by_python));
    let (by_node, by_python) = (by_node.await.unwrap(), by_python.await.unwrap());
    let morphism = SlackEventSignatureVerifier::new(&SlackSigningSecret(SIGNING.to_owned()));
    let (routes, gate) = ours(at).await;

    // Whether each of them, ours first, took it.
    let mut table: Vec<(&str, [bool; 5])> = Vec::new();
    for (place, Made { how, sent }) in all.iter().enumerate() {
        let own = accepts(&routes, sent).await;
        let text = std::str::from_utf8(&sent.body);
        // This one reads the system's clock: at the very edges it may be a second further.
        let edge = sent
            .timestamp
            .parse::<i64>()
            .is_ok_and(|at| at.abs_diff(now) > 240);
        let rust = text.is_ok_and(|text| {
            morphism
                .verify(&sent.signature, text, &sent.timestamp)
                .is_ok()
        });
        let others = [
            by_node[place][0] == true,
            by_node[place][1] == true,
            by_python[place] == true,
            rust || (edge && own),
        ];
        assert!(
            !own || others.iter().all(|other| *other),
            "{how}: ours accepts what another does not: {others:?} {sent:?}"
        );
        let [bolt, events, python, rust] = others;
        table.push((how, [own, bolt, events, python, rust]));
    }
    // Ours is no wall, and each of them judges: all take what is as Slack signs it, none what is not.
    let of = |wanted: &str| -> Vec<[bool; 5]> {
        let rows = table.iter().filter(|(how, _)| *how == wanted);
        rows.map(|(_, row)| *row).collect()
    };
    assert!(of("as it is") == vec![[true; 5]; 24]);
    assert!(of("another secret") == vec![[false; 5]; 24]);
    assert!(of("a byte of the body") == vec![[false; 5]; 24]);
    assert!(of("capital digits") == vec![[false; 5]; 24]);
    assert_eq!(of("299 s from now").last(), Some(&[true; 5]));
    // Where they differ ours is with the strict: these are known of the others.
    let lax = |how: &str, place: usize| {
        let row = *of(how).last().unwrap();
        assert!(!row[0] && row[place], "{how}: {row:?}");
    };
    lax("315360000 s from now", 1);
    lax("315360000 s from now", 2);
    lax("another part", 1);
    lax(&format!("the time is `{now}.5`"), 1);
    lax(&format!("the time is `+{now}`"), 3);
    lax(&format!("the time is `+{now}`"), 4);

    // Some hundreds were refused, and the log tells of it in few records.
    let refused = table.iter().filter(|(_, row)| !row[0]).count();
    assert!(refused > 400, "{refused}");
    let written: Vec<_> = records(&gate).await;
    let written: Vec<_> = written
        .into_iter()
        .filter_map(|record| match record.entry {
            Entry::Log(LogEvent::ChannelRefused(refused)) => Some(refused),
            _ => None,
        })
        .collect();
    assert_eq!(written.len(), 10);
    for one in written {
        assert_eq!(
            (one.channel.as_str(), one.code),
            ("slack", Code::SignatureInvalid)
        );
        assert_eq!((one.identity, one.request), (None, None));
    }
}
