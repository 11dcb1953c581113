//! A program to be killed: asks, is approved, runs and says what is durable, until it is gone.
//!
//! `crash_victim loop HOME SCRATCH FROM` runs one step after another; `crash_victim once HOME
//! SCRATCH KEY POINT` runs one step and stops for good at a point of its life. In both, what was
//! printed had happened before. It stands on the library alone: no runtime of its own.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use approvals_core::ledger::SignedCheckpoint;
use approvals_core::ports::{Delivery, Notice, Notifier, NotifyError};
use approvals_core::review::Statement;
use approvals_core::{Agent, ApprovalError, Gate, Status, Vote, id, requires_approval, sshsig};
use approvals_store::home::Home;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["loop", home, scratch, from] => go_on(&open(home, scratch, "never")?, from.parse()?),
        ["once", home, scratch, key, point] => {
            let victim = open(home, scratch, point)?;
            let ended = victim.step(key, None);
            victim.world.stop_at("recorded");
            match ended {
                Ok(()) => println!("ok"),
                Err(error) => println!("no {}", error.code()),
            }
            Ok(())
        }
        _ => Err("usage: crash_victim loop HOME SCRATCH FROM | once HOME SCRATCH KEY POINT".into()),
    }
}

/// One step after another, each acknowledged with the signed head that covers it.
fn go_on(victim: &Victim, from: u64) -> Result<(), Box<dyn Error>> {
    for number in from.. {
        let key = format!("step-{number}");
        match victim.step(&key, Some(Duration::from_millis(300))) {
            Ok(()) => {
                let note = block_on(victim.gate.journal().checkpoint())?;
                let head =
                    SignedCheckpoint::parse(note.unwrap_or_default())?.verify(&victim.vkey)?;
                println!("ack {key} {} {}", head.size, head.root);
            }
            Err(error) => println!("no {key} {}", error.code()),
        }
    }
    Ok(())
}

struct Victim {
    gate: Gate,
    vkey: approvals_core::ledger::VerifierKey,
    world: World,
}

/// What the body changes, and where the life of a step ends.
#[derive(Debug, Clone)]
struct World {
    effects: PathBuf,
    point: String,
}

impl World {
    fn stop_at(&self, point: &str) {
        if self.point == point {
            println!("at {point}");
            loop {
                thread::park();
            }
        }
    }
}

fn open(home: &str, scratch: &str, point: &str) -> Result<Victim, Box<dyn Error>> {
    let (home, scratch) = (Home::open(home)?, Path::new(scratch));
    let world = World {
        effects: scratch.join("effects"),
        point: point.to_owned(),
    };
    let dana = Dana {
        gate: Arc::default(),
        key: std::fs::read_to_string(scratch.join("dana"))?,
        world: world.clone(),
    };
    let slot = Arc::clone(&dana.gate);
    let gate = block_on(home.gate()?.notifier(dana).open())?;
    let _ = slot.set(gate.clone());
    Ok(Victim {
        gate,
        vkey: home.vkey().clone(),
        world,
    })
}

impl Victim {
    fn step(&self, key: &str, wait: Option<Duration>) -> Result<(), ApprovalError> {
        let agent = Agent::new("victim").on_behalf_of("u_alice");
        let agent = agent.idempotency_key(key).tool_call(key);
        let agent = match wait {
            Some(wait) => agent.wait(wait),
            None => agent,
        };
        let (world, key) = (self.world.clone(), key.to_owned());
        // Every other step is let through by a rule.
        let odd = key.ends_with(['1', '3', '5', '7', '9']);
        let call = || {
            if odd {
                automatic(world, key)
            } else {
                asked(world, key)
            }
        };
        self.gate.enter_blocking(agent, call)
    }
}

#[requires_approval(scope = "crash.asked", reason = "run {key}", skip(world))]
fn asked(world: World, key: String) -> Result<(), ApprovalError> {
    effect(&world, &key)
}

#[requires_approval(scope = "crash.automatic", reason = "run {key}", skip(world))]
fn automatic(world: World, key: String) -> Result<(), ApprovalError> {
    effect(&world, &key)
}

fn effect(world: &World, key: &str) -> Result<(), ApprovalError> {
    world.stop_at("consumed");
    let opened = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&world.effects);
    let written = opened.and_then(|mut file| file.write_all(format!("{key}\n").as_bytes()));
    written.map_err(|error| ApprovalError::new(approvals_core::Code::Misuse, error.to_string()))?;
    world.stop_at("effect");
    // Long enough to be killed in the middle now and then.
    thread::sleep(Duration::from_millis(2));
    Ok(())
}

/// Dana approves whatever she is shown, with her own key.
#[derive(Debug)]
struct Dana {
    gate: Arc<OnceLock<Gate>>,
    key: String,
    world: World,
}

impl Dana {
    async fn decide(&self, notice: &Notice) -> Result<Delivery, ApprovalError> {
        let (card, delivery) = (&notice.card, Delivery::to("Dana"));
        let Some(gate) = self.gate.get() else {
            return Ok(delivery);
        };
        if card.status != Status::Pending {
            return Ok(delivery);
        }
        if self.world.point == "asked" {
            // Shown, and never answered.
            return Ok(delivery);
        }
        let bound = (card.request, card.digest, card.policy, Vote::Approve);
        let until = gate.now().after(Duration::from_secs(60));
        let nonce = format!("{:032x}", u128::from_be_bytes(id::random()?));
        let dana = "u_dana".parse();
        let dana = dana.map_err(|_| ApprovalError::new(approvals_core::Code::Misuse, "no name"))?;
        let statement = Statement::new(bound, dana, None, nonce, until);
        let signature = sshsig::sign(&statement, &self.key)?;
        let review = sshsig::review(&statement.bytes()?, &signature, None, gate.now())?;
        gate.review(review).await?;
        Ok(delivery)
    }
}

impl Notifier for Dana {
    fn name(&self) -> &str {
        "dana"
    }

    // What `#[async_trait]` writes: this program has no dependency of its own.
    fn notify<'a, 'b, 'c>(
        &'a self,
        notice: &'b Notice,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Delivery>, NotifyError>> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move {
            let decided = self.decide(notice).await;
            let decided = decided.map_err(|error| NotifyError(error.to_string()))?;
            Ok(vec![decided])
        })
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
