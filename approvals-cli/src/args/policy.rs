//! What can be typed after `approvals policy`.

use std::path::PathBuf;
use std::time::Duration;

use approvals_core::policy::duration;
use clap::{Args, Subcommand};

use super::{One, Signer};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Loads a policy and reports everything that is wrong with it, or what it says.
    #[command(
        after_help = "With --inventory (the JSON of `approvals_core::inventory_json()` of your program) conditions on\narguments are checked against the types of the guarded functions.\n\nExample:\n  approvals policy check policy.toml --people people.toml"
    )]
    Check(Check),

    /// Replaces the policy in force, when the people approve whom it names for that.
    #[command(
        after_help = "They see every line that changes, and you are not among them. Waits until they have decided;\nrun it again to go on after it was interrupted or detached: nobody is asked twice. A policy\nwithout `change` is replaced by writing the file.\n\nExample:\n  approvals policy propose new-policy.toml"
    )]
    Propose(Propose),

    /// Runs a table of cases against a policy; exit code 0 only if every case is met.
    #[command(
        after_help = "A case names a scope, what is asked and what must be answered; `docs/policy.md` has the format.\n\nExample:\n  approvals policy test cases.toml --policy policy.toml"
    )]
    Test(Test),

    /// Says why a request got the answer it got, rule by rule.
    #[command(
        after_help = "Reads the policy that was asked then from the log; --policy asks another one instead. Values\nthat were erased or redacted are named as such.\n\nExample:\n  approvals policy explain req_0a1b2c3d"
    )]
    Explain(Explain),

    /// Says what would have been answered under another policy, from the log.
    #[command(
        after_help = "Changes nothing and asks nobody. Rates count as they would have counted; requests that depend on a\nvalue which is no longer disclosed are counted apart, and not guessed.\n\nExample:\n  approvals policy what-if new-policy.toml --since 30d"
    )]
    WhatIf(WhatIf),

    /// Follows new requests and says where another policy would answer differently.
    #[command(
        after_help = "Changes nothing and asks nobody. Ends with Ctrl-C; --for ends it by itself. With --json each\ndifference is one line of JSON, and so are the totals at the end.\n\nExample:\n  approvals policy shadow new-policy.toml --for 10m"
    )]
    Shadow(Shadow),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The policy; the one of the state directory unless given.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) beside: Beside,
}

#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// The policy that is to be in force.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Asks and ends; run it again to put the policy into force once it is approved.
    #[arg(long)]
    pub(crate) detach: bool,

    #[command(flatten)]
    pub(crate) proposer: Signer,

    #[command(flatten)]
    pub(crate) beside: Beside,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The cases.
    #[arg(value_name = "CASES")]
    pub(crate) cases: PathBuf,

    /// The policy; the one of the state directory unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) beside: Beside,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) one: One,

    /// Asks this policy instead of the one that was asked then.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) beside: Beside,
}

#[derive(Debug, Args)]
pub(crate) struct WhatIf {
    /// The policy to try.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// How far to look back, as in `12h` or `30d`.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = time)]
    pub(crate) since: Duration,

    #[command(flatten)]
    pub(crate) beside: Beside,
}

#[derive(Debug, Args)]
pub(crate) struct Shadow {
    /// The policy to try.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Looks at what waits for people now, and ends.
    #[arg(long, conflicts_with = "duration")]
    pub(crate) once: bool,

    /// Ends after this time, as in `90s` or `10m`.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) duration: Option<Duration>,

    #[command(flatten)]
    pub(crate) beside: Beside,
}

/// What a policy is read with.
#[derive(Debug, Args)]
pub(crate) struct Beside {
    /// The people file; the one of the state directory unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) people: Option<PathBuf>,

    /// The inventory of the program that the policy is for.
    #[arg(long, value_name = "FILE")]
    pub(crate) inventory: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) cedar: Cedar,
}

/// Cedar policies that judge beside the policy.
#[derive(Debug, Args)]
pub(crate) struct Cedar {
    /// Cedar policies that judge beside the policy.
    #[cfg(feature = "cedar")]
    #[arg(
        long = "cedar",
        value_name = "FILE",
        requires = "schema",
        id = "cedar_policies"
    )]
    pub(crate) policies: Option<PathBuf>,

    /// The schema that the Cedar policies are validated against.
    #[cfg(feature = "cedar")]
    #[arg(
        long = "cedar-schema",
        value_name = "FILE",
        requires = "cedar_policies",
        id = "schema"
    )]
    pub(crate) schema: Option<PathBuf>,
}

fn time(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "write a time from `1s` to `30d`, as in `10m`".to_owned())
}
