//! W1: a look-up, a digest, a round trip through a channel, a signature and its check.

use std::collections::{HashMap, HashSet};
use std::hint::black_box;
use std::time::Instant;

use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, KeyPair as _, UnparsedPublicKey};
use tokio::sync::{mpsc, oneshot};

use super::line;
use crate::action::{canonical, plain};
use crate::line::since;

pub(super) fn measure(n: u64) {
    allowed(n * 20);
    asked(n * 4);
    signed(n);
}

fn allowed(n: u64) {
    let policy = HashMap::from([("refund".to_owned(), true)]);
    let mut samples: Vec<u64> = (0..n)
        .map(|i| {
            let start = Instant::now();
            let arguments = canonical(i);
            if policy.get(black_box("refund")) == Some(&true) {
                black_box(digest(&SHA256, arguments.as_bytes()));
                assert!(plain(&arguments), "it ran");
            }
            since(start)
        })
        .collect();
    line("W1", "allow_canonical_sha256")
        .with("n", n as f64)
        .times("", &mut samples)
        .print();
}

fn asked(n: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut samples = runtime.block_on(async {
        let (ask, mut asked) = mpsc::channel::<(String, oneshot::Sender<bool>)>(64);
        tokio::spawn(async move {
            while let Some((arguments, answer)) = asked.recv().await {
                let _ = answer.send(!arguments.is_empty());
            }
        });
        let mut samples = Vec::new();
        for i in 0..n {
            let start = Instant::now();
            let (answer, answered) = oneshot::channel();
            let arguments = canonical(i);
            ask.send((arguments.clone(), answer)).await.expect("asked");
            assert!(answered.await.expect("answered"), "approved");
            assert!(plain(&arguments), "it ran");
            samples.push(since(start));
        }
        samples
    });
    line("W1", "ask_oneshot")
        .with("n", n as f64)
        .times("", &mut samples)
        .print();
}

fn signed(n: u64) {
    let key = super::log::key();
    let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref().to_vec());
    let mut used = HashSet::new();
    let mut samples: Vec<u64> = (0..n)
        .map(|i| {
            let start = Instant::now();
            let arguments = canonical(i);
            let mut said = i.to_le_bytes().to_vec();
            said.extend_from_slice(digest(&SHA256, arguments.as_bytes()).as_ref());
            let signature = key.sign(&said);
            public.verify(&said, signature.as_ref()).expect("it is");
            assert!(used.insert(i), "used once");
            assert!(plain(&arguments), "it ran");
            since(start)
        })
        .collect();
    line("W1", "sign_verify_once")
        .with("n", n as f64)
        .times("", &mut samples)
        .print();
}
