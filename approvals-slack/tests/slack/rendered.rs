//! Cards in pixels: what a person sees is the text we sent, all of it and nothing else.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use approvals_peers::node;
use serde_json::{Value, json};

/// Draws these cards and looks at them; each with the name of a picture, where one is wanted.
pub(crate) fn look_at(cards: &[(Value, Option<&str>)]) {
    let folder = std::env::var_os("APPROVALS_DOC_IMAGES").map(PathBuf::from);
    let cards: Vec<_> = cards
        .iter()
        .map(|(card, name)| {
            let shot = folder
                .as_ref()
                .zip(*name)
                .map(|(folder, name)| folder.join(name));
            json!({ "blocks": card["blocks"], "shot": shot })
        })
        .collect();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/slack/render.mjs");
    let mut child = node(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(json!({ "cards": cards }).to_string().as_bytes())
        .unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let seen = String::from_utf8(output.stdout).unwrap();
    assert_eq!(seen.trim(), cards.len().to_string());
}
