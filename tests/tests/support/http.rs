//! A witness behind HTTP on this machine, which answers as a fake one does, or not at all.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use approvals_core::ports::Witness as _;

use super::witness::FakeWitness;

/// What the network does to an answer of the witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Net {
    /// It goes through.
    Works,
    /// The connection is closed before anything comes back.
    Closes,
    /// Half of the answer comes.
    Cuts,
    /// Nothing comes, and the connection stays open.
    Hangs,
    /// The same address is named as another one to ask.
    Redirects,
    /// There is no end to the answer.
    Floods,
}

/// A server for one witness; it ends with the process.
#[derive(Debug, Clone)]
pub struct Server {
    pub witness: FakeWitness,
    pub url: String,
    net: Arc<Mutex<Net>>,
}

impl Server {
    pub fn start(witness: FakeWitness) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/log", listener.local_addr().unwrap());
        let server = Self {
            witness,
            url,
            net: Arc::new(Mutex::new(Net::Works)),
        };
        let at = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let server = at.clone();
                thread::spawn(move || server.answer(stream.unwrap()));
            }
        });
        server
    }

    pub fn behave(&self, net: Net) {
        *self.net.lock().unwrap() = net;
    }

    /// Its line for a policy.
    pub fn line(&self, name: &str) -> String {
        self.witness.line(name, &self.url)
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let (head, body) = request(&mut stream)?;
        assert!(
            head.starts_with("POST /log/add-checkpoint HTTP/1.1\r\n"),
            "{head}"
        );
        let net = *self.net.lock().unwrap();
        let reply = match net {
            Net::Closes => return None,
            Net::Hangs => {
                let _ = stream.read(&mut [0]);
                return None;
            }
            Net::Redirects => {
                let line = format!(
                    "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}/add-checkpoint\r\nContent-Length: 0\r\n\r\n",
                    self.url
                );
                return stream.write_all(line.as_bytes()).ok();
            }
            Net::Works | Net::Cuts | Net::Floods => self.witness.add_checkpoint(&body).ok()?,
        };
        let length = reply.body.len();
        let head = match net {
            Net::Floods => format!("HTTP/1.1 {} Answer\r\n\r\n", reply.status),
            _ => format!(
                "HTTP/1.1 {} Answer\r\nContent-Length: {length}\r\n\r\n",
                reply.status
            ),
        };
        stream.write_all(head.as_bytes()).ok()?;
        match net {
            Net::Cuts => stream.write_all(reply.body.get(..length / 2)?).ok(),
            Net::Floods => loop {
                stream.write_all(&reply.body).ok()?;
            },
            _ => stream.write_all(&reply.body).ok(),
        }
    }
}

fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let got = stream.read(&mut buffer).ok().filter(|got| *got > 0)?;
        bytes.extend_from_slice(buffer.get(..got)?);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        })?;
        if body.len() >= length {
            return Some((head.to_owned() + "\r\n", body.to_owned()));
        }
    }
}
