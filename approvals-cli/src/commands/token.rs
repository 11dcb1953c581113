//! `approvals token`: a new bearer token, and what to write down of it.

use approvals_core::PersonId;
use approvals_http::Token;
use serde_json::json;

use crate::answer::Answer;
use crate::args::TokenFor;
use crate::failure::Failure;

pub(crate) fn run(wanted: &TokenFor) -> Result<Answer, Failure> {
    let table = match wanted {
        TokenFor::Agent { id, sponsor, owner } => {
            let row = format!("[[agent]]\nid = \"{id}\"\n");
            row + &behind(sponsor.as_ref(), owner.as_ref())
        }
        TokenFor::Provisioner {
            agents,
            sponsor,
            owner,
        } => {
            let row = format!("[[provisioner]]\nagents = \"{agents}\"\n");
            row + &behind(sponsor.as_ref(), owner.as_ref())
        }
        TokenFor::Reader { person } => format!("[[reader]]\nperson = \"{person}\"\n"),
    };
    let token = Token::generate()?;
    let row = format!("{table}token_sha256 = \"{}\"\n", token.hash());
    let text = format!(
        "{}\n\nThe token is shown this once. Add this to http.toml in the state directory, and start `approvals serve` again:\n\n{row}",
        token.reveal()
    );
    let json =
        json!({ "token": token.reveal(), "token_sha256": token.hash().to_string(), "toml": row });
    Ok(Answer::new(text, json))
}

/// Names have no character that TOML would read otherwise: their types say so.
fn behind(sponsor: Option<&PersonId>, owner: Option<&PersonId>) -> String {
    let person = |name: &str, person: Option<&PersonId>| {
        person.map_or(String::new(), |person| format!("{name} = \"{person}\"\n"))
    };
    person("sponsor", sponsor) + &person("owner", owner)
}
