//! What of the log is kept outside of it, as `anchors.toml` and `witness.policy` say it.

use std::path::{Path, PathBuf};

use approvals_core::anchor::Anchoring;
use approvals_core::ledger::{VerifierKey, WitnessPolicy};
use approvals_core::policy::duration;
use approvals_core::ports::Pinning;
use approvals_core::{ApprovalError, Code};
use serde::Deserialize;

use super::{Paths, files};
use crate::FilePin;

/// The head pin and the witnesses of a home; a file that says something else opens nothing.
#[derive(Debug, Clone)]
pub(super) struct Anchors {
    pub(super) pin: Option<PathBuf>,
    pub(super) anchoring: Option<Anchoring>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    pin: Option<PathBuf>,
    witnesses: Witnesses,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Witnesses {
    mode: Mode,
    patience: Option<String>,
    max_unanchored: Option<Most>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    None,
    Async,
    Quorum,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Most {
    records: u64,
    age: String,
}

impl Anchors {
    pub(super) fn load(paths: &Paths, log: &VerifierKey) -> Result<Self, ApprovalError> {
        let path = paths.anchors();
        let text = files::read_guarded(&path, "anchors file", &paths.key())?;
        let document = parse(&text).map_err(|why| refused(&path, &why))?;
        if document
            .pin
            .as_ref()
            .is_some_and(|pin| pin.file_name().is_none())
        {
            let why = "`pin` names no file; write the path of one on another volume, as `/mnt/pins/head.pin`";
            return Err(refused(&path, why));
        }
        let pin = document.pin.map(|pin| paths.directory().join(pin));
        let anchoring = match document.witnesses.mode {
            Mode::None => None,
            _ => Some(document.witnesses.load(paths, log)?),
        };
        Ok(Self { pin, anchoring })
    }

    pub(super) fn pinning(&self) -> Option<Pinning> {
        self.pin
            .as_ref()
            .map(|path| Pinning::new(FilePin::new(path)))
    }
}

impl Witnesses {
    fn load(&self, paths: &Paths, log: &VerifierKey) -> Result<Anchoring, ApprovalError> {
        let (path, anchors) = (paths.witness_policy(), paths.anchors());
        let text = files::read_guarded(&path, "witness policy", &paths.key())?;
        let policy =
            WitnessPolicy::parse(&text).map_err(|error| refused(&path, &error.to_string()))?;
        let listed: Vec<_> = policy.logs().map(VerifierKey::name).collect();
        if !listed.is_empty() && !listed.contains(&log.name()) {
            let name = log.name();
            let why = format!(
                "it lists other logs and not `{name}`; add a `log` line with the key in force"
            );
            return Err(refused(&path, &why));
        }
        let mut anchoring = ask(&path, policy)?;
        if self.mode == Mode::Quorum {
            anchoring = anchoring.quorum();
        }
        let time = |text: &str| {
            let why = || format!("`{text}` is no time; write it as `2s`, `10m` or `1h`");
            duration(text).ok_or_else(|| refused(&anchors, &why()))
        };
        if let Some(patience) = &self.patience {
            anchoring = anchoring.patience(time(patience)?);
        }
        if let Some(most) = &self.max_unanchored {
            anchoring = anchoring.max_unanchored(most.records, time(&most.age)?);
        }
        Ok(anchoring)
    }
}

#[cfg(feature = "witness")]
fn ask(path: &Path, policy: WitnessPolicy) -> Result<Anchoring, ApprovalError> {
    let witnesses = approvals_anchor::witnesses(&policy);
    let witnesses = witnesses.map_err(|error| refused(path, &error.to_string()))?;
    let anchoring = Anchoring::new(policy, witnesses);
    anchoring.map_err(|error| refused(path, error.message()))
}

#[cfg(not(feature = "witness"))]
fn ask(path: &Path, _: WitnessPolicy) -> Result<Anchoring, ApprovalError> {
    let why = "this program cannot ask witnesses; build it with the feature `witness` of `approvals-store`";
    Err(refused(path, why))
}

fn parse(text: &str) -> Result<Document, String> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.split('\n').count());
        let why = error.message().replace('\n', " ");
        format!(
            "line {line}: {why}; write `[witnesses]` as `mode = \"none\"`, `\"async\"` or `\"quorum\"`, and above it, if the head is pinned, `pin = \"PATH\"`"
        )
    })
}

fn refused(path: &Path, why: &str) -> ApprovalError {
    let message = format!("`{}`: {why}", path.display());
    ApprovalError::new(Code::PolicyInvalid, message)
}
