//! What a secret looks like when it leaks.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// The ways in which a secret can stand in a text: as it is, escaped, encoded, or as a digest that
/// anybody could compute from a guess.
pub fn forms(secret: &str) -> Vec<(String, String)> {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    };
    let mut forms = vec![
        ("plain".to_owned(), secret.to_owned()),
        ("its middle".to_owned(), secret[4..16].to_owned()),
        ("hex".to_owned(), hex(secret.as_bytes())),
        (
            "bytes".to_owned(),
            format!("{:?}", secret.as_bytes())
                .trim_matches(['[', ']'])
                .to_owned(),
        ),
    ];
    // In base64 a text looks different at each of three places; the ends depend on the neighbours.
    for shift in 0..3 {
        let padded = [vec![b'.'; shift], secret.as_bytes().to_vec()].concat();
        for (name, text) in [
            ("base64", STANDARD.encode(&padded)),
            ("base64url", URL_SAFE_NO_PAD.encode(&padded)),
        ] {
            let core = text.trim_end_matches('=')[4..text.len() - 6].to_owned();
            forms.push((format!("{name}, shifted by {shift}"), core));
        }
    }
    for (name, text) in [
        ("text", secret.to_owned()),
        ("JSON", format!("\"{secret}\"")),
    ] {
        let digest = approvals_core::digest::sha256(&[text.as_bytes()]);
        forms.push((format!("SHA-256 of the {name}"), hex(&digest)));
        forms.push((
            format!("SHA-256 of the {name}, base64url"),
            URL_SAFE_NO_PAD.encode(digest),
        ));
    }
    forms
}
