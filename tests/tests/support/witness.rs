//! A witness, honest or not.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use approvals_core::clock::Clock;
use approvals_core::ledger::{
    Checkpoint, Hash, LedgerKey, SignedCheckpoint, WitnessKey, signature_line, verify_consistency,
};
use approvals_core::ports::{Witness, WitnessError, WitnessReply};

/// What a witness does with what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As the specification has it.
    Honest,
    /// Does not answer before it is released.
    Hangs,
    /// There is nobody.
    Away,
    /// Answers with this status.
    Status(u16),
    /// Answers 200 with something else than signature lines.
    Garbage,
    /// Answers 200 with more than anybody reads.
    Endless,
    /// Signs with another key under its own name.
    WrongKey,
    /// Signs another head than the one it was shown.
    WrongHead,
    /// Signs for a time so far from now, in seconds.
    Off(i64),
    /// Says that it has seen so many records, whatever it is told.
    Claims(u64),
    /// Says each time that it has seen one record less.
    Dithers,
}

/// A witness with a memory, which may forget its manners.
#[derive(Debug, Clone)]
pub struct FakeWitness(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    key: LedgerKey,
    vkey: WitnessKey,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    head: Option<Checkpoint>,
    asked: Vec<String>,
    cosigned: usize,
}

impl FakeWitness {
    /// An honest witness.
    pub fn new(seed: u8, clock: Arc<dyn Clock>) -> Self {
        let key = LedgerKey::from_seed(&[seed; 32]).unwrap();
        let name = format!("witness.invalid/w{seed}").parse().unwrap();
        Self(Arc::new(Shared {
            vkey: WitnessKey::ed25519(name, key.public_key()),
            key,
            clock,
            state: Mutex::new(State {
                manner: Manner::Honest,
                head: None,
                asked: Vec::new(),
                cosigned: 0,
            }),
            released: Condvar::new(),
        }))
    }

    /// From now on it behaves so.
    pub fn behave(&self, manner: Manner) {
        self.0.state.lock().unwrap().manner = manner;
        self.0.released.notify_all();
    }

    /// The largest head that it has cosigned.
    pub fn head(&self) -> Option<Checkpoint> {
        self.0.state.lock().unwrap().head.clone()
    }

    /// Everything that it was asked, in order.
    pub fn asked(&self) -> Vec<String> {
        self.0.state.lock().unwrap().asked.clone()
    }

    /// How often it cosigned.
    pub fn cosigned(&self) -> usize {
        self.0.state.lock().unwrap().cosigned
    }

    /// Its line for a policy, under the name of its seed.
    pub fn line(&self, name: &str, url: &str) -> String {
        format!("witness {name} {} {url}\n", self.0.vkey)
    }

    /// Its answer to one request; none when there is nobody.
    pub fn answer(&self, request: &str) -> Option<WitnessReply> {
        let mut state = self.0.state.lock().unwrap();
        state.asked.push(request.to_owned());
        while state.manner == Manner::Hangs {
            state = self.0.released.wait(state).unwrap();
        }
        let reply = |status: u16, body: &str| {
            let body = body.as_bytes().to_vec();
            Some(WitnessReply { status, body })
        };
        let Some((old, proof, note)) = parse(request) else {
            return reply(400, "");
        };
        let head = Checkpoint::parse(note.as_str().split("\n\n").next().unwrap().to_owned() + "\n")
            .unwrap();
        match state.manner {
            Manner::Away => None,
            Manner::Status(status) => reply(status, "go elsewhere\n"),
            Manner::Garbage => reply(200, "<html>\u{2014} hello</html>\n"),
            Manner::Endless => reply(200, &"\u{2014} ".repeat(1 << 20)),
            Manner::WrongKey => {
                let other = LedgerKey::from_seed(&[99; 32]).unwrap();
                reply(200, &self.sign(&other, &head, 0))
            }
            Manner::WrongHead => {
                let other = Checkpoint {
                    size: head.size + 1,
                    ..head
                };
                reply(200, &self.sign(&self.0.key, &other, 0))
            }
            Manner::Off(seconds) => reply(200, &self.sign(&self.0.key, &head, seconds)),
            Manner::Claims(size) => reply(409, &format!("{size}\n")),
            Manner::Dithers => reply(
                409,
                &format!("{}\n", if old == 0 { head.size } else { old - 1 }),
            ),
            Manner::Honest | Manner::Hangs => {
                let known = state.head.as_ref().map_or(0, |head| head.size);
                if old > head.size {
                    return reply(400, "");
                }
                if old != known {
                    return reply(409, &format!("{known}\n"));
                }
                if let Some(before) = &state.head
                    && verify_consistency(old, before.root, head.size, head.root, &proof).is_err()
                {
                    let status = if old == head.size { 409 } else { 422 };
                    return reply(status, "");
                }
                state.head = Some(head.clone());
                state.cosigned += 1;
                reply(200, &self.sign(&self.0.key, &head, 0))
            }
        }
    }

    fn sign(&self, key: &LedgerKey, head: &Checkpoint, off: i64) -> String {
        let now = self.0.clock.now().as_micros() / 1_000_000;
        let at = u64::try_from(now + off).unwrap();
        let signature = key.sign(format!("cosignature/v1\ntime {at}\n{}", head.body()).as_bytes());
        let bytes = [&at.to_be_bytes(), signature.as_slice()].concat();
        signature_line(self.0.vkey.name(), self.0.vkey.id(), &bytes)
    }
}

fn parse(request: &str) -> Option<(u64, Vec<Hash>, SignedCheckpoint)> {
    let (before, note) = request.split_once("\n\n")?;
    let mut lines = before.split('\n');
    let old = lines.next()?.strip_prefix("old ")?.parse().ok()?;
    let proof = lines
        .map(|line| Hash::from_base64(line).ok())
        .collect::<Option<_>>()?;
    Some((old, proof, SignedCheckpoint::parse(note).ok()?))
}

impl Witness for FakeWitness {
    fn key(&self) -> &WitnessKey {
        &self.0.vkey
    }

    fn add_checkpoint(&self, request: &str) -> Result<WitnessReply, WitnessError> {
        self.answer(request)
            .ok_or_else(|| WitnessError("nobody answers".to_owned()))
    }
}

/// Waits until something holds, and says so if it never does.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..4_000 {
        if holds() {
            return;
        }
        // By the machine's clock: the threads that are waited for go by no other.
        std::thread::sleep(Duration::from_millis(5));
        tokio::task::yield_now().await;
    }
    panic!("it never came to this: {what}");
}
