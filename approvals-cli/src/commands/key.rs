//! `approvals key`: which keys sign the log, and how they are replaced.

use std::fs;
use std::path::Path;

use approvals_core::Code;
use approvals_core::ledger::{KeyEnd, KeySpan, LedgerKey};
use approvals_store::home::{Home, OldKey, Rekeyed, Revoking};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::args::{Cli, Make, Revoke, Rotate};
use crate::failure::Failure;
use crate::save::NewFile;
use crate::{draw, state};

/// An Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// Prints the keys of the log, in order.
pub(crate) fn list(cli: &Cli) -> Result<Answer, Failure> {
    let home = Home::open(&cli.state)?;
    let keys = home.keys()?;
    let rows: Vec<Vec<String>> = keys
        .spans()
        .map(|span| {
            let place = format!("from record {}", span.from());
            vec![span.vkey().to_string(), place, ended(span)]
        })
        .collect();
    let here = home.paths().recovery_key();
    let exposed = here.exists();
    let mut text = format!(
        "{}\nrevoked by   {}\n",
        draw::table(&rows),
        home.recovery_vkey()
    );
    if exposed {
        text += &format!(
            "warning: `{}` is on this machine, where it protects nothing; move it away\n",
            here.display()
        );
    }
    let unfinished = home.is_replacing_disclosure_key();
    if unfinished {
        text += &format!(
            "warning: a replacement of the disclosure key was interrupted or is under way; finish it with `{}`\n",
            state::command(cli, "key rewrap")
        );
    }
    let spans: Vec<Value> = keys
        .spans()
        .map(|span| {
            json!({
                "vkey": span.vkey().to_string(), "from": span.from(), "to": span.to(),
                "end": span.end(), "untrusted_from": span.untrusted_from(),
            })
        })
        .collect();
    let json = json!({
        "genesis": keys.genesis().to_string(), "current": keys.current().to_string(),
        "recovery": home.recovery_vkey().to_string(), "recovery_key_here": exposed, "keys": spans,
        "replacing_disclosure_key": unfinished,
    });
    Ok(Answer::new(text, json))
}

fn ended(span: &KeySpan) -> String {
    match span.end() {
        Some(KeyEnd::Rotated { at }) => format!("handed over in record {at}"),
        Some(KeyEnd::Revoked { at, last_good_size }) => {
            format!("revoked in record {at}, counts up to size {last_good_size}")
        }
        Some(KeyEnd::Void { at }) => format!("never counted, by record {at}"),
        _ => "in force".to_owned(),
    }
}

/// Makes a key for a log, away from any state directory.
pub(crate) fn make(options: &Make) -> Result<Answer, Failure> {
    let key = LedgerKey::create_file(&options.out);
    let key = key.map_err(|error| Failure::usage(&error.to_string()))?;
    let vkey = key.vkey(&options.origin).to_string();
    let json = json!({ "vkey": vkey, "file": options.out.display().to_string() });
    Ok(Answer::new(format!("{vkey}\n"), json))
}

/// Makes a new ledger key that the old one endorses.
pub(crate) async fn rotate(cli: &Cli, options: &Rotate) -> Result<Answer, Failure> {
    let home = Home::open(&cli.state)?;
    let done = home.rotate_key(old(options.destroy_old)).await?;
    let mut text = changed(&done);
    text += "auditors keep the key that they have: the new one follows from the log\n";
    Ok(Answer::new(text, document(&done)))
}

/// Takes the log back from a key that others may hold.
pub(crate) async fn revoke(cli: &Cli, options: &Revoke) -> Result<Answer, Failure> {
    let home = Home::open(&cli.state)?;
    let saved = options.word.statement.as_deref().map(NewFile::create);
    let saved = saved.transpose()?;
    let revoking = home.prepare_revocation(options.vkey.as_ref(), options.last_good)?;
    if let (Some(file), Some(path)) = (saved, &options.word.statement) {
        file.keep(revoking.statement())?;
        return Ok(to_sign(cli, options, &revoking, path));
    }
    let endorsement = endorsement(options, &revoking)?;
    let vkey = revoking.vkey().clone();
    let done = home
        .revoke_key(revoking, endorsement, old(options.destroy_old))
        .await?;
    let good = options.last_good;
    let mut text = format!(
        "key {} is revoked: its heads count up to size {good}\n{}",
        vkey.id(),
        changed(&done)
    );
    text += &format!(
        "see what was written since with `{}` and the heads that you kept before\n",
        state::command(cli, "verify --checkpoint HEAD")
    );
    let mut json = document(&done);
    if let Some(members) = json.as_object_mut() {
        members.insert("revoked".to_owned(), json!(vkey.to_string()));
        members.insert("last_good_size".to_owned(), json!(good));
    }
    Ok(Answer::new(text, json))
}

/// What is to be signed elsewhere, and how.
fn to_sign(cli: &Cli, options: &Revoke, revoking: &Revoking, path: &Path) -> Answer {
    let (file, good) = (path.display(), options.last_good);
    let vkey = revoking.vkey();
    let again = state::command(
        cli,
        &format!("key revoke --vkey {vkey} --last-good {good} --signature revocation.sig"),
    );
    let text = format!(
        "nothing is revoked yet: `{file}` holds what the recovery key has to sign\n  1. where that key is, run: openssl pkeyutl -sign -inkey recovery.key -rawin -in {file} -out revocation.sig\n  2. here, run: {again}\n"
    );
    let json = json!({
        "statement": path.display().to_string(), "vkey": vkey.to_string(),
        "new_vkey": revoking.new_vkey().to_string(), "last_good_size": good,
    });
    Answer::new(text, json)
}

/// The word of the recovery key, given here or elsewhere.
fn endorsement(options: &Revoke, revoking: &Revoking) -> Result<Vec<u8>, Failure> {
    let Some(path) = &options.word.signature else {
        let path = options
            .word
            .recovery_key
            .as_deref()
            .unwrap_or(Path::new(""));
        let key = LedgerKey::read_file(path);
        let key = key.map_err(|error| Failure::usage(&format!("the recovery key: {error}")))?;
        return Ok(key.sign(revoking.statement()).to_vec());
    };
    let read = fs::read(path).map_err(|error| error.to_string());
    read.and_then(|bytes| match bytes.len() {
        SIGNATURE_BYTES => Ok(bytes),
        length => Err(format!("{length} bytes, and a signature has 64")),
    })
    .map_err(|why| {
        let path = path.display();
        Failure::new(
            Code::SignatureInvalid,
            format!(
                "`{path}` holds no signature of the recovery key ({why}); pass what `openssl pkeyutl -sign` wrote"
            ),
        )
    })
}

fn old(destroy: bool) -> OldKey {
    match destroy {
        true => OldKey::Destroy,
        false => OldKey::Keep,
    }
}

fn changed(done: &Rekeyed) -> String {
    let current = done.keys.current();
    let mut text = match done.finished {
        true => "finished a change that was interrupted\n".to_owned(),
        false => String::new(),
    };
    text += &format!("key {} is in force\n", current.id());
    text += &match &done.kept {
        Some(path) => format!(
            "the old key is kept in `{}` and signs nothing any more\n",
            path.display()
        ),
        None => "no old key is kept\n".to_owned(),
    };
    text
}

fn document(done: &Rekeyed) -> Value {
    json!({
        "current": done.keys.current().to_string(), "genesis": done.keys.genesis().to_string(),
        "kept": done.kept.as_ref().map(|path| path.display().to_string()), "finished": done.finished,
    })
}
