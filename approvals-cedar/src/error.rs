//! What keeps Cedar texts from being used.

use std::fmt;

use approvals_core::{ApprovalError, Code, Untrusted};
use miette::Diagnostic;

/// Everything that keeps a policy set and its schema from being loaded; always `PolicyInvalid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CedarError(Vec<CedarFinding>);

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CedarFinding {
    text: CedarText,
    line: usize,
    message: String,
}

/// Which of the two texts a finding is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "an engine has these two texts")]
pub enum CedarText {
    /// The schema.
    Schema,
    /// The policies.
    Policies,
}

impl CedarError {
    /// What is wrong, the schema first; never empty.
    #[must_use]
    pub fn findings(&self) -> &[CedarFinding] {
        &self.0
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::PolicyInvalid
    }
}

impl CedarFinding {
    /// The text it is in.
    #[must_use]
    pub fn text(&self) -> CedarText {
        self.text
    }

    /// The line it stands on, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for CedarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, finding) in self.0.iter().enumerate() {
            let newline = if place > 0 { "\n" } else { "" };
            write!(f, "{newline}{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CedarFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.text {
            CedarText::Schema => "schema",
            CedarText::Policies => "policies",
        };
        write!(f, "{text}, line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for CedarError {}

impl From<CedarError> for ApprovalError {
    fn from(error: CedarError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// Collects what is wrong with one text.
pub(crate) struct Findings<'t> {
    text: CedarText,
    source: &'t str,
    list: Vec<CedarFinding>,
}

impl<'t> Findings<'t> {
    pub(crate) fn of(text: CedarText, source: &'t str) -> Self {
        Self {
            text,
            source,
            list: Vec::new(),
        }
    }

    /// Adds what is wrong at a byte offset.
    pub(crate) fn add(&mut self, at: usize, message: impl fmt::Display) {
        let before = self.source.as_bytes().iter().take(at);
        let finding = CedarFinding {
            text: self.text,
            line: before.filter(|byte| **byte == b'\n').count() + 1,
            // The text may hold what a terminal would act on, and so may a message about it.
            message: Untrusted::new(&message.to_string()).to_string(),
        };
        if self.list.len() < MOST && !self.list.contains(&finding) {
            self.list.push(finding);
        }
    }

    /// Adds what is wrong with a word: it is looked for in the text.
    pub(crate) fn about(&mut self, word: &str, message: impl fmt::Display) {
        let at = self.source.find(word).unwrap_or(0);
        self.add(at, message);
    }

    /// Adds what Cedar says.
    pub(crate) fn diagnostic(&mut self, error: &(impl Diagnostic + ?Sized)) {
        let label = error.labels().and_then(|mut labels| labels.next());
        let help = error.help().map(|help| format!(" ({help})"));
        let message = format!("{error}{}", help.unwrap_or_default());
        self.add(label.map_or(0, |label| label.offset()), message);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// What was read, when nothing at all is wrong with either text.
pub(crate) fn finish<T>(
    schema: Findings<'_>,
    policies: Findings<'_>,
    read: Option<T>,
) -> Result<T, CedarError> {
    let mut list = schema.list;
    list.extend(policies.list);
    match read {
        Some(read) if list.is_empty() => Ok(read),
        _ => {
            if list.is_empty() {
                list.push(CedarFinding {
                    text: CedarText::Policies,
                    line: 1,
                    message: "the texts cannot be read".to_owned(),
                });
            }
            list.sort_by_key(|finding| (finding.text, finding.line));
            Err(CedarError(list))
        }
    }
}

/// More findings than anybody reads are no help.
const MOST: usize = 200;
