//! Webhooks of `approvals serve`, across kills, and the same events as an export.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_peers::Process;
use serde_json::{Value, json};

use crate::serve::write_private;
use crate::support::{Lab, export_users};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver that takes messages, or refuses them for a while.
#[derive(Clone)]
struct Receiver {
    port: u16,
    takes: Arc<AtomicBool>,
    tries: Arc<Mutex<Vec<String>>>,
    got: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            takes: Arc::default(),
            tries: Arc::default(),
            got: Arc::default(),
        };
        let taking = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A caller that was killed in the middle has sent nothing.
                let _ = taking.take(&stream);
            }
        });
        receiver
    }

    fn take(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut id, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(": ") else {
                if line.trim().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "webhook-id" => id = value.to_owned(),
                "content-length" => length = value.parse().unwrap(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        self.tries.lock().unwrap().push(id.clone());
        let status = match self.takes.load(Ordering::SeqCst) {
            true => "204 No Content",
            false => "500 Internal Server Error",
        };
        if status.starts_with("204") {
            let body = serde_json::from_slice(&body).unwrap();
            self.got.lock().unwrap().push((id, body));
        }
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
    }

    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..1_000 {
            if holds(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{what}: {:?}", self.got.lock().unwrap());
    }

    fn count(&self) -> usize {
        let got = self.got.lock().unwrap();
        let ids: std::collections::BTreeSet<&String> = got.iter().map(|(id, _)| id).collect();
        ids.len()
    }
}

fn serve(lab: &Lab) -> Process {
    let mut server = Process::start(lab.command(&["serve", "--listen", "127.0.0.1:0"]));
    server.line_with("listening on ");
    server
}

/// What the log says happened, in its order, copies that channels took aside.
fn on_record(lab: &Lab) -> Vec<(String, u64)> {
    let text = lab.run(&["export", "jsonl"]).ok();
    let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let about = records.filter(|record: &Value| record["subject"].is_object());
    about
        .filter(|record| !record["kind"].as_str().unwrap().starts_with("notice."))
        .map(|record| {
            let kind = record["kind"].as_str().unwrap().to_owned();
            (format!("approvals.{kind}"), record["seq"].as_u64().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn every_event_comes_in_order_across_kills_and_what_happened_meanwhile() {
    let lab = Lab::new();
    let receiver = Receiver::start();
    let toml = format!(
        "version = 1\n[[webhook]]\nname = \"tickets\"\nurl = \"http://127.0.0.1:{}/\"\nnetwork = \"loopback\"\nsecrets = [\"file:tickets.secret\"]\nbegin = \"start\"\n",
        receiver.port
    );
    write_private(&lab.state().join("http.toml"), &toml);
    write_private(&lab.state().join("tickets.secret"), &format!("{SECRET}\n"));
    let first = lab.asked(export_users()).await.to_string();
    let mut server = serve(&lab);
    receiver.until("nothing was tried", |all| {
        !all.tries.lock().unwrap().is_empty()
    });
    // Nothing was taken yet, and the process dies.
    server.kill();
    lab.run(&["approve", &first, "--key", &lab.key("dana")])
        .ok();
    let second = lab.asked(export_users()).await.to_string();
    receiver.takes.store(true, Ordering::SeqCst);
    let mut server = serve(&lab);
    receiver.until("it did not begin", |all| all.count() > 0);
    // Somewhere in the middle: whatever was taken and not yet kept comes once more.
    server.kill();
    let deny = ["deny", &second, "--reason", "no", "--key", &lab.key("dana")];
    lab.run(&deny).ok();
    let expected = on_record(&lab);
    assert!(expected.len() >= 6, "{expected:?}");
    let mut server = serve(&lab);
    receiver.until("not all came", |all| all.count() == expected.len());
    let got = receiver.got.lock().unwrap().clone();
    let mut seen: Vec<(String, Value)> = Vec::new();
    for (id, event) in got {
        match seen.iter().find(|(known, _)| *known == id) {
            Some((_, known)) => assert_eq!(*known, event, "another event under the same id"),
            None => seen.push((id, event)),
        }
    }
    let came: Vec<(String, u64)> = seen
        .iter()
        .map(|(_, event)| {
            let index = event["data"]["log"]["index"].as_u64().unwrap();
            (event["type"].as_str().unwrap().to_owned(), index)
        })
        .collect();
    assert_eq!(came, expected);
    server.kill();
    // The secret is for its owner only, and without it nothing is served.
    std::fs::remove_file(lab.state().join("tickets.secret")).unwrap();
    let refused = lab.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(refused.err.contains("file:tickets.secret"), "{refused:?}");
    assert_eq!(lab.run(&["verify"]).code, 0);
}

#[tokio::test]
async fn the_log_as_ocsf_is_what_the_published_schema_wants() {
    let lab = Lab::new();
    let gate = lab.gate().await;
    let agent = crate::support::bot().provider("p");
    let used = gate.enter(agent, export_users());
    let decided = async {
        let id = crate::support::waiting(&gate).await.to_string();
        lab.beside(&["approve", &id, "--key", &lab.key("omar")])
            .await;
        lab.beside(&["approve", &id, "--key", &lab.key("dana")])
            .await
    };
    let (ran, decided) = tokio::join!(used, decided);
    assert_eq!(decided.code, 0, "{decided:?}");
    ran.unwrap();
    let denied = lab.asked(export_users()).await.to_string();
    lab.run(&["deny", &denied, "--reason", "no", "--key", &lab.key("dana")])
        .ok();
    let text = lab.run(&["export", "ocsf"]).ok();
    let path = lab.path("events.ocsf.jsonl");
    std::fs::write(&path, &text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ocsf/validate.py");
    let output = approvals_peers::python()
        .arg(script)
        .arg(&path)
        .output()
        .unwrap();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{wrong}");
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<Value> = events
        .iter()
        .map(|event| {
            json!([
                event["metadata"]["event_code"],
                event["class_uid"],
                event["disposition_id"]
            ])
        })
        .collect();
    let expected = [
        json!(["request.created", 3004, null]),
        json!(["review.refused", 3004, null]),
        json!(["review.recorded", 3004, null]),
        json!(["request.approved", 3004, 8]),
        json!(["permit.consumed", 6003, 8]),
        json!(["outcome.succeeded", 6003, 8]),
        json!(["request.created", 3004, null]),
        json!(["review.recorded", 3004, null]),
        json!(["request.denied", 3004, 25]),
    ];
    assert_eq!(seen, expected);
    assert_eq!(events[3]["unmapped"]["approved_by"], json!(["u_dana"]));
    assert_eq!(
        events[4]["ai_model"],
        json!({ "ai_provider": "p", "name": "m-1" })
    );
    assert!(
        !text.contains("users") && !text.contains("hunter2"),
        "{text}"
    );
    // From the middle of a request on, its events say the same.
    let from = events[4]["metadata"]["sequence"].to_string();
    let rest = lab.run(&["export", "ocsf", "--from", &from]).ok();
    assert_eq!(rest.lines().count(), 5, "{rest}");
    assert!(text.ends_with(&rest));
}

#[tokio::test]
async fn the_receiver_of_the_page_takes_what_is_sent() {
    let lab = Lab::new();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/webhooks.md");
    let page = std::fs::read_to_string(page).unwrap();
    let example = page.split_once("```python\n").unwrap().1;
    let example = example.split_once("```").unwrap().0;
    std::fs::write(lab.path("receiver.py"), example).unwrap();
    let secret = lab.state().join("tickets.secret");
    write_private(&secret, &format!("{SECRET}\n"));
    let port = approvals_peers::free_port();
    let toml = format!(
        "version = 1\n[[webhook]]\nname = \"tickets\"\nurl = \"http://127.0.0.1:{port}/\"\nnetwork = \"loopback\"\nsecrets = [\"file:tickets.secret\"]\nevents = [\"request.*\"]\nbegin = \"start\"\n"
    );
    write_private(&lab.state().join("http.toml"), &toml);
    let mut python = approvals_peers::python();
    python
        .arg(lab.path("receiver.py"))
        .arg(&secret)
        .arg(port.to_string());
    let mut receiver = Process::start(python);
    let request = lab.asked(export_users()).await.to_string();
    let _server = serve(&lab);
    let line = receiver.line_with("approvals.request.created");
    assert_eq!(
        line,
        format!("approvals.request.created db.export {request}")
    );
    let deny = [
        "deny",
        &request,
        "--reason",
        "no",
        "--key",
        &lab.key("dana"),
    ];
    lab.run(&deny).ok();
    receiver.line_with("approvals.request.denied");
}
