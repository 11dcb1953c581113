//! Scopes: dotted names that select policy, parsed once.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of one kind of privileged action, such as `db.export`.
///
/// At least two segments of `[a-z][a-z0-9_]*` joined by dots, at most 128 bytes. A scope is never
/// a pattern, so that nothing can be asked for by wildcard.
///
/// # Examples
/// ```
/// use approvals_core::Scope;
///
/// assert!("db.export".parse::<Scope>().is_ok());
/// assert!("db.*".parse::<Scope>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

impl Scope {
    /// The scope as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if text.len() <= MAX && text.split('.').count() >= 2 && text.split('.').all(is_segment) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidScope::new("scope", text))
        }
    }
}

/// Which scopes a rule is for: one scope, everything under a prefix (`deploy.*`), or all (`*`).
///
/// `deploy.*` is for `deploy.web` and `deploy.web.eu`, and never for `deployer.web`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopePattern(Arc<str>);

impl ScopePattern {
    /// Whether the rule is for this scope.
    #[must_use]
    pub fn matches(&self, scope: &Scope) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => scope.as_str().starts_with(prefix),
            None => *self.0 == *scope.0,
        }
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ScopePattern {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        // The star stands for whole segments only: the prefix keeps its dot.
        let prefix_ok = |prefix: &str| prefix.split('.').all(is_segment);
        let ok = text == "*"
            || text.parse::<Scope>().is_ok()
            || text.len() <= MAX && text.strip_suffix(".*").is_some_and(prefix_ok);
        if ok {
            Ok(Self(text.into()))
        } else {
            Err(InvalidScope::new("scope pattern", text))
        }
    }
}

/// A text that is not a scope or scope pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a {what}; write lower-case segments joined by dots, as in `db.export`{more}"
)]
pub struct InvalidScope {
    what: &'static str,
    text: String,
    more: &'static str,
}

impl InvalidScope {
    fn new(what: &'static str, text: &str) -> Self {
        let more = if what == "scope" {
            ""
        } else {
            ", `db.*` or `*`"
        };
        Self {
            what,
            text: crate::canonical::clip(text),
            more,
        }
    }
}

fn is_segment(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

const MAX: usize = 128;

macro_rules! text_type {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        crate::id::serde_as_text!($name);
    };
}
text_type!(Scope);
text_type!(ScopePattern);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_48_scopes_never_run_into_each_other() {
        let check = |pattern: &str, scope: &str, want: bool| {
            let pattern: ScopePattern = pattern.parse().unwrap();
            assert_eq!(
                pattern.matches(&scope.parse().unwrap()),
                want,
                "{pattern} {scope}"
            );
        };
        check("deploy.*", "deploy.web", true);
        check("deploy.*", "deploy.web.eu", true);
        check("deploy.*", "deployer.web", false);
        check("db.read", "db.write", false);
        check("db.read", "db.read", true);
        check("db.read", "db.read.all", false);
        check("*", "db.read", true);
        for bad in [
            "deploy*", "*.web", "de*.web", "", "**", "deploy.", "Deploy.*",
        ] {
            assert!(bad.parse::<ScopePattern>().is_err(), "{bad}");
        }
        for bad in [
            "db", "db.", ".db", "db..x", "DB.x", "db.x y", "db.*", "db.é", "db.1x",
        ] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }
}
