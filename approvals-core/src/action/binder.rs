//! Collects the values of one call, synchronously, so that no borrow is held while people think.

use std::borrow::Cow;
use std::fmt;

use super::{Action, GuardedFn};
use crate::canonical::{self, NonCanonical, Value};
use crate::digest::RedactionKey;
use crate::error::{ApprovalError, Code};

/// A value that can be shown to an approver and bound by the digest: anything `Serialize`.
///
/// What the value's `Serialize` leaves out, such as a field with `#[serde(skip)]`, is neither shown
/// nor bound, and no library can see that it is missing: check the types you guard with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be shown to an approver",
    label = "this parameter has no canonical form",
    note = "derive `serde::Serialize` for it, or name what to bind with `args(name = expr)`, or leave it out with `skip(..)`: the request then says that it is not covered"
)]
pub trait Shown {
    /// The canonical text of the value.
    ///
    /// # Errors
    /// [`NonCanonical`] when the value has no single canonical form.
    fn canonical(&self) -> Result<String, NonCanonical>;
}

#[diagnostic::do_not_recommend]
impl<T: serde::Serialize + ?Sized> Shown for T {
    fn canonical(&self) -> Result<String, NonCanonical> {
        canonical::to_text(self)
    }
}

/// Takes the values of one call from generated code.
#[derive(Debug)]
pub struct Binder<'a> {
    bound: &'a mut Bound,
}

impl Binder<'_> {
    /// Binds a value that people see.
    pub fn shown<T: Shown + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.push(name, false, value);
    }

    /// Binds a value that nobody sees.
    pub fn redacted<T: Shown + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.push(name, true, value);
    }

    /// The author's words for why.
    pub fn reason(&mut self, text: fmt::Arguments<'_>) {
        self.bound.reason = Some(text.to_string());
    }

    /// What is acted upon.
    pub fn resource(&mut self, text: fmt::Arguments<'_>) {
        self.bound.resource = Some(text.to_string());
    }

    /// Where it is acted upon.
    pub fn environment(&mut self, text: fmt::Arguments<'_>) {
        self.bound.environment = Some(text.to_string());
    }

    fn push<T: Shown + ?Sized>(&mut self, name: &'static str, redacted: bool, value: &T) {
        match value.canonical() {
            Ok(text) => self.bound.params.push(Given {
                name,
                redacted,
                text,
            }),
            // The first problem is enough to refuse the call.
            Err(error) => {
                self.bound.problem.get_or_insert_with(|| {
                    // Serialize's own words could hold a secret, so they are kept out for those.
                    let why = if redacted {
                        "it has no canonical form".to_owned()
                    } else {
                        error.to_string()
                    };
                    format!("parameter `{name}`: {why}")
                });
            }
        }
    }
}

/// The values of one call, owned.
#[derive(Debug)]
pub struct Bound {
    guarded: &'static GuardedFn,
    params: Vec<Given>,
    reason: Option<String>,
    resource: Option<String>,
    environment: Option<String>,
    problem: Option<String>,
}

/// One value as the call gave it: its canonical text, which nobody has read yet.
struct Given {
    name: &'static str,
    redacted: bool,
    text: String,
}

/// One named value of one call.
#[derive(Clone)]
pub struct BoundParam {
    name: Cow<'static, str>,
    redacted: bool,
    value: Value,
    // INVARIANT: the canonical text of the value.
    text: String,
}

impl BoundParam {
    /// A value that people see.
    #[must_use]
    pub fn new(name: impl Into<String>, value: Value) -> Self {
        Self {
            name: Cow::Owned(name.into()),
            redacted: false,
            text: value.to_text(),
            value,
        }
    }

    /// A value that nobody sees.
    #[must_use]
    pub fn redacted(name: impl Into<String>, value: Value) -> Self {
        Self {
            name: Cow::Owned(name.into()),
            redacted: true,
            text: value.to_text(),
            value,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether nobody may see it.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.redacted
    }

    /// The value, unless it is redacted.
    #[must_use]
    pub fn shown(&self) -> Option<&Value> {
        (!self.redacted).then_some(&self.value)
    }

    /// What stands for name and value where the value itself must not go: equal for equal values,
    /// and without the key nobody can try which value it is.
    #[must_use]
    pub fn fingerprint(&self, key: &RedactionKey) -> [u8; 32] {
        let name = Value::Text(self.name.clone().into_owned());
        let named = Value::List(vec![name, self.value.clone()]);
        key.fingerprint(&named.to_bytes())
    }

    /// The canonical text of the value.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl Given {
    fn read(self) -> Result<BoundParam, ApprovalError> {
        let value = canonical::parse_own(self.text.as_bytes()).map_err(|error| {
            let message = format!("parameter `{}`: {error}", self.name);
            ApprovalError::new(Code::NonCanonical, message)
        })?;
        Ok(BoundParam {
            name: Cow::Borrowed(self.name),
            redacted: self.redacted,
            value,
            text: self.text,
        })
    }

    fn is(&self, param: &BoundParam) -> bool {
        self.name == param.name && self.redacted == param.redacted && self.text == param.text
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // INVARIANT: values reach no log, whether redacted or not.
        write!(f, "{}=..", self.name)
    }
}

impl fmt::Debug for BoundParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // INVARIANT: values reach no log, whether redacted or not.
        write!(f, "{}=..", self.name)
    }
}

/// Runs the binding code that a macro generated.
pub fn bind(guarded: &'static GuardedFn, fill: impl FnOnce(&mut Binder<'_>)) -> Bound {
    let mut bound = Bound {
        guarded,
        params: Vec::with_capacity(guarded.params.len()),
        reason: None,
        resource: None,
        environment: None,
        problem: None,
    };
    fill(&mut Binder { bound: &mut bound });
    bound
}

impl Bound {
    /// The guarded function the values belong to.
    #[must_use]
    pub fn guarded(&self) -> &'static GuardedFn {
        self.guarded
    }

    /// Whether these are the values of that action, in the author's same words: every text that
    /// its digest binds is compared byte by byte.
    pub(crate) fn is(&self, action: &Action, reason: &Option<String>) -> bool {
        let guarded = self.guarded;
        let params = self.params.iter();
        self.problem.is_none()
            && guarded.scope == action.scope.as_str()
            && guarded.function == action.function
            && guarded.schema() == action.schema
            && guarded.not_covered().eq(&action.not_covered)
            && self.params.len() == action.params.len()
            && params
                .zip(&action.params)
                .all(|(given, param)| given.is(param))
            && self.resource == action.resource
            && self.environment == action.environment
            && self.reason == *reason
    }

    /// Says where it is when the call did not.
    pub(crate) fn environment_or(&mut self, environment: &Option<String>) {
        if self.environment.is_none() {
            self.environment.clone_from(environment);
        }
    }

    /// The action and the author's reason.
    ///
    /// # Errors
    /// `NonCanonical` when a value has no canonical form, `Misuse` when the scope does not parse.
    pub(crate) fn into_action(self) -> Result<(Action, Option<String>), ApprovalError> {
        if let Some(problem) = self.problem {
            return Err(ApprovalError::new(Code::NonCanonical, problem));
        }
        let scope = self
            .guarded
            .scope
            .parse()
            .map_err(|error: crate::scope::InvalidScope| {
                ApprovalError::new(Code::Misuse, error.to_string())
            })?;
        let action = Action {
            scope,
            function: self.guarded.function.to_owned(),
            schema: self.guarded.schema(),
            params: self
                .params
                .into_iter()
                .map(Given::read)
                .collect::<Result<_, _>>()?,
            not_covered: self.guarded.not_covered().map(str::to_owned).collect(),
            resource: self.resource,
            environment: self.environment,
            tenant: None,
        };
        Ok((action, self.reason))
    }
}
