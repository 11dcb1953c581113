//! What can be typed.

mod policy;

use std::path::PathBuf;

use approvals_core::ledger::{Demand, Origin, VerifierKey};
use approvals_core::{PersonId, Status, Timestamp};
use clap::{Args, Parser, Subcommand};

pub(crate) use policy::{Beside, Check, Explain, Policy, Propose, Shadow, Test, WhatIf};

/// See what waits for a human, decide it with your own SSH key, and verify the log.
#[derive(Debug, Parser)]
#[command(
    name = "approvals",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 refused or a check failed, 2 wrong use, 3 not available.\n\nExample:\n  approvals list\n  approvals approve req_0a1b2c3d"
)]
pub(crate) struct Cli {
    /// The state directory: database, ledger key, policy and people.
    #[arg(
        long,
        global = true,
        env = "APPROVALS_STATE",
        default_value = DEFAULT_STATE,
        value_name = "DIR"
    )]
    pub(crate) state: PathBuf,

    /// Where the ledger is, `sqlite:PATH` or `postgres://user@host/database`; as the state directory
    /// says unless given. An address with a password belongs into the variable or into `store.url`.
    #[arg(
        long,
        global = true,
        env = "APPROVALS_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) store: Option<String>,

    /// Prints one JSON document on standard output, errors included: `{"error":{"code":…}}`.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the state lies unless somebody says otherwise.
pub(crate) const DEFAULT_STATE: &str = ".approvals";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a state directory with a ledger, its keys, a starter policy and a people file.
    #[command(
        after_help = "Never overwrites anything.\n\nExample:\n  approvals init --origin example.com/approvals"
    )]
    Init(Init),

    /// Lists requests that wait for people.
    #[command(after_help = "Example:\n  approvals list --status denied")]
    List(List),

    /// Shows one request whole, with everything that happened to it.
    #[command(after_help = "Example:\n  approvals show req_0a1b2c3d")]
    Show(One),

    /// Signs an approval of one request with your own SSH key.
    #[command(
        after_help = "The key is --key, else $APPROVALS_KEY, else the first of ~/.ssh/id_ed25519, id_ecdsa,\nid_ed25519_sk, id_ecdsa_sk. A key with a passphrase, a hardware key or a `.pub` file (for a key\nin your agent) signs through `ssh-keygen`.\n\nExample:\n  approvals approve req_0a1b2c3d --key ~/.ssh/id_ed25519.pub"
    )]
    Approve(Approve),

    /// Signs a denial of one request with your own SSH key; one denial ends it.
    #[command(
        after_help = "The key is found as for `approve`.\n\nExample:\n  approvals deny req_0a1b2c3d --reason \"the change window is closed\""
    )]
    Deny(Reasoned),

    /// Signs that you have reviewed how an agent broke the glass, and closes what is open about it.
    #[command(
        after_help = "You must have had no part in it: neither behind the request nor among those who approved it.\nWhat waits is listed by `approvals list --break-glass`. The key is found as for `approve`.\n\nExample:\n  approvals review req_0a1b2c3d --reason \"the outage was real, and one cluster was patched\""
    )]
    Review(Reasoned),

    /// Erases what people were shown of a settled request, once two people have approved that.
    #[command(
        after_help = "Asks, waits for two people who did not ask, destroys what opens the commitments, records that, and\nreplaces the disclosure key, so that no backup of the store opens it either. The log verifies as\nbefore. Who asks is found by their key as for `approve`. Run it again when it was interrupted.\n\nExample:\n  approvals erase req_0a1b2c3d --basis \"art. 17 GDPR, case 4711\" --detach"
    )]
    Erase(Erase),

    /// Withdraws a request that has not been used, as its operator.
    #[command(after_help = "Example:\n  approvals cancel req_0a1b2c3d")]
    Cancel(One),

    /// Prints or saves the receipt of a request: the proof that its record stands in the log.
    #[command(
        after_help = "A receipt is a text file (C2SP tlog-proof) that holds the record, its place, and a signed head of\nthe log. It is checked without the log: approvals verify --receipt FILE --vkey log.vkey\n\nExample:\n  approvals receipt req_0a1b2c3d --out export.tlog-proof"
    )]
    Receipt(Proof),

    /// Verifies the whole log offline; exit code 0 only if every check ran and passed.
    #[command(
        after_help = "Needs no private key and writes nothing. Keep a copy of `log.vkey` away from this machine and\npass it with --vkey: a key from the same directory as the log proves less.\n\nExample:\n  approvals verify --vkey auditors-copy.vkey"
    )]
    Verify(Verify),

    /// Writes out what is stored.
    #[command(subcommand)]
    Export(Export),

    /// Shows the head of the log to its witnesses now, and records what they cosigned.
    #[command(
        after_help = "The witnesses are those of `witness.policy`; `anchors.toml` says whether they are asked.\n\nExample:\n  approvals anchor"
    )]
    Anchor,

    /// Shows the head that is kept outside of the store, or sets it by hand.
    #[command(subcommand)]
    Pin(Pin),

    /// Shows, replaces and revokes the keys that sign the log.
    #[command(subcommand)]
    Key(Key),

    /// Makes the tables of a PostgreSQL database or brings them to the newest version.
    #[command(
        after_help = "For the role that owns the tables; gates log in as members of `approvals_app` and auditors of\n`approvals_auditor`, which get what they need and no more. --roles prints the SQL that makes\nthese two, for whoever may make roles. Safe at any time.\n\nExample:\n  approvals migrate --roles | psql postgres\n  approvals migrate --store postgres://owner@db.example/approvals"
    )]
    Migrate {
        /// Prints the SQL that makes the roles, and does nothing else.
        #[arg(long)]
        roles: bool,
    },

    /// Checks policies, tests them, tries them on what was asked, and replaces the one in force.
    #[command(subcommand)]
    Policy(Policy),

    /// Serves the HTTP API and the inbox until it is stopped: agents ask, approvers see and decide.
    #[cfg(feature = "serve")]
    #[command(
        after_help = "Reads http.toml in the state directory: the address, and which token is which agent. Run it as a\nuser of its own: agents then have neither store nor keys nor policy.\n\nExample:\n  approvals serve --listen 127.0.0.1:8087"
    )]
    Serve(Serve),

    /// Microsoft Teams: the app to upload, and whether everything is in place.
    #[cfg(feature = "teams")]
    #[command(subcommand)]
    Teams(Teams),

    /// Sets up the Slack channel, and says what is wrong with it.
    #[cfg(feature = "slack")]
    #[command(subcommand)]
    Slack(Slack),

    /// Makes a bearer token for an agent, or for a person who may look, and prints it once.
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    Token(TokenFor),
}

#[cfg(feature = "teams")]
#[derive(Debug, Subcommand)]
pub(crate) enum Teams {
    /// Writes the app package that an administrator uploads to Teams.
    #[command(after_help = "Example:\n  approvals teams package approvals-teams.zip")]
    Package {
        /// The file; it must not be there yet.
        file: PathBuf,
    },

    /// Looks for what would keep the channel from working; exit code 1 when there is something.
    Doctor,
}

#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen, instead of what http.toml says.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,

    /// Prints a link by which this person gets into the inbox once, in the next 15 minutes and on
    /// this machine only. What they decide then is worth A1. May be repeated.
    #[arg(long, value_name = "PERSON")]
    pub(crate) link: Vec<PersonId>,
}

#[cfg(feature = "serve")]
#[derive(Debug, Subcommand)]
pub(crate) enum TokenFor {
    /// A token to ask with.
    #[command(after_help = "Example:\n  approvals token agent runbook-bot --sponsor u_alice")]
    Agent {
        /// The agent's name.
        id: approvals_core::AgentId,

        /// The person it acts for, who can then not approve what it asks.
        #[arg(long, value_name = "PERSON", required_unless_present = "owner")]
        sponsor: Option<PersonId>,

        /// The person who answers for it, who can then not approve what it asks.
        #[arg(long, value_name = "PERSON")]
        owner: Option<PersonId>,
    },

    /// A token to make agents with, which get tokens of their own; it asks and decides nothing.
    #[command(
        after_help = "Add the addresses of their receivers to the row, if they have any.\n\nExample:\n  approvals token provisioner ci --sponsor u_alice"
    )]
    Provisioner {
        /// What the names of its agents begin with.
        agents: approvals_core::AgentId,

        /// The person they act for, who can then not approve what they ask.
        #[arg(long, value_name = "PERSON", required_unless_present = "owner")]
        sponsor: Option<PersonId>,

        /// The person who answers for them, who can then not approve what they ask.
        #[arg(long, value_name = "PERSON")]
        owner: Option<PersonId>,
    },

    /// A token to look with; it decides nothing.
    #[command(after_help = "Example:\n  approvals token reader u_bob")]
    Reader {
        /// The person, as people.toml calls them.
        person: PersonId,
    },
}

#[cfg(feature = "slack")]
#[derive(Debug, Subcommand)]
pub(crate) enum Slack {
    /// Prints the manifest to make the Slack app from.
    #[command(
        after_help = "Socket Mode needs no public address; over HTTP, Slack posts clicks to --url.\n\nExample:\n  approvals slack manifest --url https://approvals.example.com > manifest.json"
    )]
    Manifest {
        /// The public address of `approvals serve`; without it the app uses Socket Mode.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },

    /// Asks Slack whether the tokens, their scopes, the workspace and the channels are right; posts nothing.
    #[command(
        after_help = "Reads slack.toml in the state directory, and the secrets from the environment. Exit code 0 only if\nall is well.\n\nExample:\n  approvals slack doctor"
    )]
    Doctor,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pin {
    /// Says what the head pin holds, and whether the store fits it; changes nothing.
    #[command(after_help = "Example:\n  approvals pin show")]
    Show,

    /// Pins what the store has now, and puts on record what was pinned before.
    #[command(
        after_help = "For a pin that was lost, or a store that was restored from a backup and lacks records. Stop every\ngate first. An auditor sees it as `log.recovered`, with the size that was pinned before.\n\nExample:\n  approvals pin adopt"
    )]
    Adopt {
        /// Also when the store has less than what is pinned, or another history: what is missing stays lost.
        #[arg(long)]
        accept_loss: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Lists the keys that sign the log, from the one that auditors pin to the one in force.
    #[command(after_help = "Example:\n  approvals key list")]
    List,

    /// Makes a key in a new file and prints its public half: a recovery key, on a machine that is kept apart.
    #[command(
        after_help = "Example:\n  approvals key make --origin example.com/approvals --out recovery.key"
    )]
    Make(Make),

    /// Replaces the ledger key by a new one, with the old one's word.
    #[command(
        after_help = "Gates that are open go on by themselves. Run it again when it was interrupted.\n\nExample:\n  approvals key rotate"
    )]
    Rotate(Rotate),

    /// Replaces the disclosure key, so that backups of the store open nothing that was erased.
    #[command(
        after_help = "`approvals erase` does it by itself, unless --keep-key was given. No backup of the store from before\nopens anything afterwards: make a new one. Run it again when it was interrupted.\n\nExample:\n  approvals key rewrap"
    )]
    Rewrap,

    /// Takes the log back from a key that was stolen, with the recovery key's word.
    #[command(
        after_help = "A recovery key that never comes to this machine signs the file of --statement where it is, and\n--signature brings back what it wrote. Run it again when it was interrupted.\n\nExample:\n  approvals key revoke --last-good 1041 --recovery-key /media/stick/recovery.key"
    )]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(crate) struct Make {
    /// The name of the log that the key is for.
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Origin,

    /// Where the private key is kept; only its owner can read the file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Overwrites and deletes the old key; otherwise it is kept as ledger.key.retired-N.
    #[arg(long)]
    pub(crate) destroy_old: bool,
}

/// The recovery key's word, or what it is asked for.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Word {
    /// The recovery key's file.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_key: Option<PathBuf>,

    /// Changes nothing, and writes what the recovery key has to sign into a new file.
    #[arg(long, value_name = "FILE")]
    pub(crate) statement: Option<PathBuf>,

    /// The recovery key's signature of that file, 64 bytes.
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The size of the last head that you kept elsewhere while the key was certainly yours alone: what it signed
    /// beyond counts for nothing.
    #[arg(long, value_name = "SIZE")]
    pub(crate) last_good: u64,

    /// The key that is not trusted any more; the one that was in force at that size unless given.
    #[arg(long, value_name = "VKEY")]
    pub(crate) vkey: Option<VerifierKey>,

    #[command(flatten)]
    pub(crate) word: Word,

    /// Overwrites and deletes the revoked key; otherwise it is kept as ledger.key.revoked-N.
    #[arg(long)]
    pub(crate) destroy_old: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Settled requests too, newest first.
    #[arg(long, conflicts_with = "status")]
    pub(crate) all: bool,

    /// Only requests whose use broke the glass, and which nobody has reviewed yet.
    #[arg(long, conflicts_with_all = ["all", "status"])]
    pub(crate) break_glass: bool,

    /// Only requests that stand so: pending, approved, denied, expired, cancelled or failed.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub(crate) status: Option<Status>,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The request; 8 or more of its first characters do, with or without `req_`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    pub(crate) one: One,

    /// Why, in your own words; stored with the decision.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,

    #[command(flatten)]
    pub(crate) signer: Signer,

    #[command(flatten)]
    pub(crate) keep: Keep,
}

/// A word on one request that has to say why.
#[derive(Debug, Args)]
pub(crate) struct Reasoned {
    #[command(flatten)]
    pub(crate) one: One,

    /// Why, or what you found, in your own words; stored with your signature.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,

    #[command(flatten)]
    pub(crate) signer: Signer,

    #[command(flatten)]
    pub(crate) keep: Keep,
}

#[derive(Debug, Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    pub(crate) one: One,

    /// The rule or the case that asks for it, in 1 to 500 characters; the people who decide see it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) basis: String,

    /// Asks and does not wait; the same command erases once two people have approved. Exit code 1
    /// until then.
    #[arg(long)]
    pub(crate) detach: bool,

    /// Leaves the disclosure key as it is, for many erasures in a row: run `approvals key rewrap`
    /// after the last one.
    #[arg(long)]
    pub(crate) keep_key: bool,

    #[command(flatten)]
    pub(crate) signer: Signer,
}

#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// Saves the receipt of this very decision: proof that it was recorded, to keep for yourself.
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Proof {
    #[command(flatten)]
    pub(crate) one: One,

    /// The number of one of its records, from `approvals show`; the newest that is not about a
    /// notice unless given.
    #[arg(long, value_name = "N")]
    pub(crate) record: Option<u64>,

    /// Saves the receipt in a new file instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Signer {
    /// The SSH key to sign with: a private key, or the `.pub` file of a key in your agent.
    #[arg(long, env = "APPROVALS_KEY", value_name = "PATH")]
    pub(crate) key: Option<PathBuf>,

    /// Who you are, as people.toml calls you; found by the key unless given.
    #[arg(long = "as", value_name = "PERSON")]
    pub(crate) person: Option<PersonId>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The verifier key of the log: a file, or the key itself; `log.vkey` of the state directory
    /// unless given.
    #[arg(long, value_name = "FILE_OR_TEXT")]
    pub(crate) vkey: Option<String>,

    /// The hash of the log's first record, as printed when the log was new: names the recovery key, too.
    #[arg(long, value_name = "HASH")]
    pub(crate) genesis: Option<String>,

    /// A directory that `approvals export tiles` wrote: verifies this instead of a store.
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    pub(crate) tiles: Option<PathBuf>,

    /// A receipt that somebody kept. By itself it is checked alone; with --store, --tiles or
    /// --checkpoint the log must still hold its record. Can be given many times.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) receipt: Vec<PathBuf>,

    /// A signed head that was kept elsewhere, from `approvals export checkpoint`; the log must
    /// still begin with what it covered. Can be given many times.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Vec<PathBuf>,

    /// Your own copy of the witness policy, in the syntax of C2SP tlog-policy: heads in the log that a quorum of its
    /// witnesses cosigned count as kept elsewhere, and there must be one.
    #[arg(long, value_name = "POLICY")]
    pub(crate) require_witness: Option<PathBuf>,

    /// Fails unless a head that others have seen covers so many records, by --checkpoint or --require-witness; all of
    /// them unless a number is given.
    #[arg(long, value_name = "SIZE", num_args = 0..=1, default_missing_value = "all", value_parser = demand)]
    pub(crate) require_anchor: Option<Demand>,

    /// Your own copy of people.toml: each account that was taken for somebody's must be theirs in
    /// it. Without one, the log's own word is taken for whose key is whose.
    #[arg(long, value_name = "FILE")]
    pub(crate) people: Option<PathBuf>,

    /// Tells what was known at this time, such as 2026-11-22T06:00:00Z: counts, runs in doubt and
    /// open requests. Integrity and completeness are always of the whole log.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) as_of: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The log's name in the world: your domain and a path, without spaces or `+`.
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Option<String>,

    /// The public half of a recovery key that was made on another machine; otherwise one is made here, and has to be
    /// moved away.
    #[arg(long, value_name = "VKEY")]
    pub(crate) recovery_vkey: Option<VerifierKey>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Prints the signed head of the log. Keep it elsewhere: it shows later that nothing below it
    /// was cut, rewritten or forked.
    #[command(after_help = "Example:\n  approvals export checkpoint > head-$(date +%F).note")]
    Checkpoint,

    /// Writes the log as static files (C2SP tlog-tiles) for any web server, or adds what is new.
    #[command(
        after_help = "A second run adds what is new: a full tile is never written again, the checkpoint comes last.\nA directory of another log, or of a fork of this one, is refused and left as it is.\n\nExample:\n  approvals export tiles public/log"
    )]
    Tiles {
        /// The directory; made when it is not there.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },

    /// Prints what happened to requests as OCSF 1.8 events, one JSON document a line, for security
    /// monitoring. Holds no value of a parameter.
    #[cfg(feature = "serve")]
    #[command(
        after_help = "A view of the log, which stays what counts: each event names its record by index and leaf hash.\n`metadata.sequence` of the last event is where the next run goes on.\n\nExample:\n  approvals export ocsf --from 4711 >> events.jsonl"
    )]
    Ocsf {
        /// The first record to look at, counted from 0.
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u64,
    },

    /// Prints every record on a line of its own, byte for byte as it is stored and hashed.
    #[command(
        after_help = "No record has an end of line in it, so that a file is continued by its count of lines; a count\nbeyond the log is an error, because then the log was cut.\n\nExample:\n  approvals export jsonl --from \"$(wc -l < records.jsonl)\" >> records.jsonl"
    )]
    Jsonl {
        /// The first record to print, counted from 0.
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u64,
    },
}

/// How much must be anchored.
fn demand(text: &str) -> Result<Demand, String> {
    match text {
        "all" => Ok(Demand::Whole),
        size => size
            .parse()
            .map(Demand::Size)
            .map_err(|_| "name a number of records, or nothing for all of them".to_owned()),
    }
}

/// A time with or without a fraction of a second.
fn time(text: &str) -> Result<Timestamp, String> {
    let whole = || format!("{}.000000Z", text.strip_suffix('Z').unwrap_or(text));
    let read = text.parse().or_else(|_| whole().parse::<Timestamp>());
    read.map_err(|_| "write it as 2026-11-22T06:00:00Z".to_owned())
}

fn status(text: &str) -> Result<Status, String> {
    Status::parse(text)
        .ok_or_else(|| "use pending, approved, denied, expired, cancelled or failed".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_holds_together_and_every_command_has_an_example() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        for command in cli.get_subcommands().filter(|c| c.get_name() != "help") {
            let has = |c: &clap::Command| {
                let after = c.get_after_help().map(ToString::to_string);
                after.is_some_and(|text| text.contains("Example:"))
            };
            let below = command.get_subcommands().any(has);
            assert!(has(command) || below, "{}", command.get_name());
        }
    }
}
