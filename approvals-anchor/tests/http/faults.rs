//! What a network and the far end of it can do to a request: it ends in time, with a bounded answer or none.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use approvals_anchor::HttpWitness;
use approvals_core::ledger::{WitnessAnswer, WitnessKey};
use approvals_core::ports::{Witness as _, WitnessError, WitnessReply};

const REQUEST: &str = "old 0\n\nexample.com/log\n1\nAAAA\n\n\u{2014} example.com/log BBBB\n";

/// Longer than anything here takes, unless it hangs.
const LONG: Duration = Duration::from_secs(60);

const SHORT: Duration = Duration::from_millis(300);

/// What the far end does once it has read a request.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// Sends this, and closes.
    Says(&'static str),
    /// Sends this over and over, until nobody reads it any more.
    Repeats(&'static str, &'static str, Duration),
    /// Nothing at all.
    Hangs,
}

/// Serves one connection on a free port; the receiver gets what was asked.
fn serve(does: Does) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, seen) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        asked.send(read(&mut stream)).unwrap();
        match does {
            Does::Says(text) => stream.write_all(text.as_bytes()).unwrap(),
            Does::Repeats(first, then, pause) => {
                stream.write_all(first.as_bytes()).unwrap();
                while stream.write_all(then.as_bytes()).is_ok() {
                    thread::sleep(pause);
                }
            }
            // Until the other side gives up.
            Does::Hangs => drop(stream.read(&mut [0])),
        }
    });
    (port, seen)
}

fn read(stream: &mut TcpStream) -> String {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    while !text.ends_with(REQUEST.as_bytes()) {
        let got = stream.read(&mut buffer).unwrap();
        if got == 0 {
            break;
        }
        text.extend_from_slice(&buffer[..got]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn key() -> WitnessKey {
    WitnessKey::ed25519("witness.invalid/w1".parse().unwrap(), [7; 32])
}

fn ask(prefix: &str, patience: Duration) -> Result<WitnessReply, WitnessError> {
    let witness = HttpWitness::new(key(), prefix).unwrap().patience(patience);
    witness.add_checkpoint(REQUEST)
}

#[test]
fn the_exact_bytes_go_to_the_prefix_and_the_answer_comes_back() {
    for (answer, status, body) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes",
            200,
            "yes",
        ),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end"),
        (
            "HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 3\r\n\r\n12\n",
            409,
            "12\n",
        ),
        (
            "HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 0\r\n\r\n",
            422,
            "",
        ),
        (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy",
            503,
            "busy",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            200,
            "ab",
        ),
    ] {
        let (port, asked) = serve(Does::Says(answer));
        let reply = ask(&format!("http://127.0.0.1:{port}/log/w1/"), LONG).unwrap();
        assert_eq!(
            (reply.status, reply.body.as_slice()),
            (status, body.as_bytes())
        );
        let asked = asked.recv().unwrap();
        assert!(
            asked.starts_with("POST /log/w1/add-checkpoint HTTP/1.1\r\n"),
            "{asked}"
        );
        let (_, sent) = asked.split_once("\r\n\r\n").unwrap();
        assert_eq!(sent, REQUEST);
    }
}

#[test]
fn no_redirection_is_followed() {
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = elsewhere.local_addr().unwrap();
        let answer =
            format!("HTTP/1.1 {status}\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n");
        let (port, _asked) = serve(Does::Says(answer.leak()));
        let reply = ask(&format!("http://127.0.0.1:{port}"), LONG).unwrap();
        assert!(status.starts_with(&reply.status.to_string()), "{reply:?}");
        elsewhere.set_nonblocking(true).unwrap();
        assert!(elsewhere.accept().is_err(), "{status} was followed");
    }
}

#[test]
fn an_answer_without_end_is_read_to_the_limit_and_no_further() {
    let chunk: &str = format!("400\r\n{}\r\n", ".".repeat(0x400)).leak();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (port, _asked) = serve(Does::Repeats(head, chunk, Duration::ZERO));
    let reply = ask(&format!("http://127.0.0.1:{port}"), LONG).unwrap();
    assert_eq!(reply.body.len(), WitnessAnswer::MAX_BYTES + 1);
}

#[test]
fn whatever_is_no_answer_ends_in_time_and_is_an_error() {
    for (does, patience, what) in [
        (Does::Hangs, SHORT, "silence"),
        (Does::Says(""), LONG, "closed at once"),
        (
            Does::Says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
            LONG,
            "closed in the middle",
        ),
        (Does::Says("HTTP/1.1 200"), LONG, "half a head"),
        (
            Does::Says("SSH-2.0-OpenSSH_9.2\r\n"),
            LONG,
            "another protocol",
        ),
        (
            Does::Repeats(
                "HTTP/1.1 200 OK\r\n",
                "X-More: and more\r\n",
                Duration::ZERO,
            ),
            LONG,
            "a head without end",
        ),
        (
            Does::Repeats(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "1\r\n.\r\n",
                Duration::from_millis(5),
            ),
            SHORT,
            "a body that drips",
        ),
        (
            Does::Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            LONG,
            "a broken body",
        ),
    ] {
        let (port, _asked) = serve(does);
        let error = ask(&format!("http://127.0.0.1:{port}"), patience).expect_err(what);
        let text = error.to_string();
        assert!(
            text.starts_with(&format!(
                "no answer from `http://127.0.0.1:{port}/add-checkpoint`"
            )),
            "{text}"
        );
    }
}

#[test]
fn nobody_there_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert!(ask(&format!("http://127.0.0.1:{port}"), LONG).is_err());
}

#[test]
fn tls_is_not_given_up_for_whoever_does_not_speak_it() {
    let (port, asked) = serve(Does::Says(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes",
    ));
    assert!(ask(&format!("https://127.0.0.1:{port}"), SHORT).is_err());
    if let Ok(asked) = asked.try_recv() {
        assert!(
            !asked.contains("old 0"),
            "the request went out in clear: {asked}"
        );
    }
}
