//! Reads a TOML file strictly, and reports everything that is wrong with it at once.

use std::fmt;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::canonical::clip;

/// One thing that keeps a file from being used, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    line: usize,
    about: Option<String>,
    message: String,
}

impl Finding {
    /// The line it stands on, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// What it is about, such as ``rule `big-scale` ``; `None` when it is about the whole file.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// What is wrong, and how to fix it.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(about) = &self.about {
            write!(f, ", {about}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Collects findings while a file is read.
#[derive(Debug)]
pub(crate) struct Findings {
    line_starts: Vec<usize>,
    about: Option<String>,
    list: Vec<Finding>,
}

impl Findings {
    pub(crate) fn of(text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = newlines.map(|(place, _)| place + 1).collect();
        Self {
            line_starts,
            about: None,
            list: Vec::new(),
        }
    }

    /// Says what the following findings are about.
    pub(crate) fn about(&mut self, what: &str, id: &str) {
        self.about = Some(format!("{what} `{}`", clip(id)));
    }

    /// What the following findings are about.
    pub(crate) fn subject(&self) -> &str {
        self.about.as_deref().unwrap_or("the file")
    }

    pub(crate) fn about_the_file(&mut self) {
        self.about = None;
    }

    /// The line of a byte offset, counted from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at) + 1
    }

    /// Adds what is wrong at a byte offset of the text.
    pub(crate) fn add(&mut self, at: usize, message: impl Into<String>) {
        self.list.push(Finding {
            line: self.line(at),
            about: self.about.clone(),
            message: message.into(),
        });
    }

    /// What was read, when nothing at all is wrong with it.
    pub(crate) fn finish<T>(mut self, read: Option<T>) -> Result<T, Vec<Finding>> {
        match read {
            Some(read) if self.list.is_empty() => Ok(read),
            _ => {
                if self.list.is_empty() {
                    self.about_the_file();
                    self.add(0, "the file cannot be read");
                }
                self.list.sort_by_key(|finding| finding.line);
                Err(self.list)
            }
        }
    }
}

/// Reads the TOML, up to a size; a file with broken syntax is not looked into any further.
pub(crate) fn parse<'i>(
    text: &'i str,
    max_bytes: usize,
    findings: &mut Findings,
) -> Option<Spanned<DeTable<'i>>> {
    if text.len() > max_bytes {
        findings.add(
            0,
            format!("the file is longer than {max_bytes} bytes; split or shorten it"),
        );
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        findings.add(at, format!("not TOML: {}", error.message()));
    }
    errors.is_empty().then_some(table)
}

/// One value of the file, by the name it stands under.
#[derive(Clone, Copy)]
pub(crate) struct Item<'d, 'i> {
    pub(crate) name: &'d str,
    pub(crate) at: usize,
    pub(crate) value: &'d DeValue<'i>,
}

impl<'d, 'i> Item<'d, 'i> {
    pub(crate) fn text(self, findings: &mut Findings) -> Option<&'d str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => self.refuse(findings, "a text in quotes"),
        }
    }

    /// The text, read as a name or id of some kind.
    pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(
        self,
        findings: &mut Findings,
    ) -> Option<T> {
        let read = self.text(findings)?.parse();
        read.map_err(|error: T::Err| findings.add(self.at, error.to_string()))
            .ok()
    }

    /// A whole number within these bounds, both included.
    pub(crate) fn integer(self, from: i128, to: i128, findings: &mut Findings) -> Option<i128> {
        match self.value {
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|number| (from..=to).contains(number)),
            _ => None,
        }
        .or_else(|| self.refuse(findings, &format!("a whole number from {from} to {to}")))
    }

    pub(crate) fn list(self, findings: &mut Findings) -> Option<Vec<Item<'d, 'i>>> {
        match self.value {
            DeValue::Array(items) => Some(items.iter().map(|item| self.within(item)).collect()),
            _ => self.refuse(findings, "a list in square brackets"),
        }
    }

    /// A table that may hold these keys and no others.
    pub(crate) fn section(
        self,
        keys: &'static [&'static str],
        findings: &mut Findings,
    ) -> Option<Section<'d, 'i>> {
        match self.value {
            DeValue::Table(table) => Some(Section::new(table, self.at, keys, findings)),
            _ => self.refuse(findings, "a table in curly brackets"),
        }
    }

    pub(crate) fn refuse<T>(self, findings: &mut Findings, wanted: &str) -> Option<T> {
        let message = format!("`{}` must be {wanted}", clip(self.name));
        findings.add(self.at, message);
        None
    }

    fn within(self, value: &'d Spanned<DeValue<'i>>) -> Self {
        Self {
            name: self.name,
            at: value.span().start,
            value: value.get_ref(),
        }
    }
}

/// A table of the file.
#[derive(Clone, Copy)]
pub(crate) struct Section<'d, 'i> {
    table: &'d DeTable<'i>,
    pub(crate) at: usize,
}

impl<'d, 'i> Section<'d, 'i> {
    /// The table; every key that is not one of `keys` is a finding.
    pub(crate) fn new(
        table: &'d DeTable<'i>,
        at: usize,
        keys: &'static [&'static str],
        findings: &mut Findings,
    ) -> Self {
        for key in table.keys() {
            if !keys.contains(&key.get_ref().as_ref()) {
                findings.add(
                    key.span().start,
                    format!(
                        "`{}` is not known here; use {}",
                        clip(key.get_ref()),
                        quoted(keys)
                    ),
                );
            }
        }
        Self { table, at }
    }

    pub(crate) fn get(self, name: &'static str) -> Option<Item<'d, 'i>> {
        let value = self.table.get(name)?;
        Some(Item {
            name,
            at: value.span().start,
            value: value.get_ref(),
        })
    }

    /// The value under a key that must be there.
    pub(crate) fn need(
        self,
        name: &'static str,
        example: &str,
        findings: &mut Findings,
    ) -> Option<Item<'d, 'i>> {
        let found = self.get(name);
        if found.is_none() {
            findings.add(self.at, format!("`{name}` is missing; write {example}"));
        }
        found
    }
}

/// The entries of a table whose keys are not known beforehand, each at the place of its key.
pub(crate) fn entries<'d, 'i>(table: &'d DeTable<'i>) -> impl Iterator<Item = Item<'d, 'i>> {
    table.iter().map(|(key, value)| Item {
        name: key.get_ref(),
        at: key.span().start,
        value: value.get_ref(),
    })
}

/// Names for a message: `` `a`, `b` ``.
pub(crate) fn quoted<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names
        .into_iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}
