//! What an action's context may hold, as the schema types it.

use std::collections::BTreeMap;

/// The type of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Long,
    Bool,
    /// A type of Cedar's that is made from a text.
    Extension(Extension),
    Set(Box<Shape>),
    Record(Fields),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    Ip,
    Decimal,
    Datetime,
    Duration,
}

/// Named values; each may have to be there.
pub(crate) type Fields = BTreeMap<String, Field>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) shape: Shape,
    pub(crate) required: bool,
}

/// What is known of a proposal beside its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fact {
    Env,
    Tenant,
    Sponsor,
    Owner,
    At,
    BreakGlass,
}

impl Fact {
    pub(crate) const ALL: [Self; 6] = [
        Self::Env,
        Self::Tenant,
        Self::Sponsor,
        Self::Owner,
        Self::At,
        Self::BreakGlass,
    ];

    /// Its name in the context.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Tenant => "tenant",
            Self::Sponsor => "sponsor",
            Self::Owner => "owner",
            Self::At => "at",
            Self::BreakGlass => "break_glass",
        }
    }

    /// Its type there.
    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::At => Shape::Extension(Extension::Datetime),
            Self::BreakGlass => Shape::Bool,
            Self::Env | Self::Tenant | Self::Sponsor | Self::Owner => Shape::Text,
        }
    }

    /// How a schema declares it.
    pub(crate) fn declared(self) -> &'static str {
        match self {
            Self::At => "datetime",
            Self::BreakGlass => "Bool",
            Self::Env | Self::Tenant | Self::Sponsor | Self::Owner => "String",
        }
    }
}

/// An action that can be asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct ActionShape {
    /// The arguments it declares.
    pub(crate) args: Fields,
    /// The facts it declares, and whether each must be there.
    pub(crate) facts: BTreeMap<Fact, bool>,
    /// Whether it may name what it acts upon.
    pub(crate) named: bool,
    /// Whether it may leave that out.
    pub(crate) unnamed: bool,
}

impl Shape {
    /// What it is called in messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Long => "a whole number",
            Self::Bool => "a boolean",
            Self::Extension(Extension::Ip) => "a text that is an IP address or range",
            Self::Extension(Extension::Decimal) => "a text that is a decimal number",
            Self::Extension(Extension::Datetime) => "a text that is a date and time",
            Self::Extension(Extension::Duration) => "a text that is a duration",
            Self::Set(_) => "a list",
            Self::Record(_) => "a record",
        }
    }
}
