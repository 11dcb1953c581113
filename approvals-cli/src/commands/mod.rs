//! The commands, one file each.

mod anchor;
mod cancel;
mod decide;
mod erase;
mod export;
#[cfg(feature = "serve")]
mod export_ocsf;
mod init;
mod key;
mod list;
mod migrate;
mod pin;
mod policy;
mod receipt;
mod review;
#[cfg(feature = "serve")]
mod serve;
mod show;
#[cfg(feature = "slack")]
mod slack;
#[cfg(feature = "teams")]
mod teams;
#[cfg(feature = "serve")]
mod token;
mod verify;

use approvals_core::{Code, Vote};

use crate::answer::{Answer, Printer};
use crate::args::{Cli, Command, Export, Key, Pin};
use crate::failure::Failure;

/// Runs what was typed.
pub(crate) fn run(cli: &Cli, printer: &Printer) -> Result<Answer, Failure> {
    match &cli.command {
        Command::Init(init) => init::run(cli, init),
        Command::List(list) => wait(list::run(cli, list)),
        Command::Show(one) => wait(show::run(cli, one)),
        Command::Approve(approve) => {
            let wish = decide::Wish {
                vote: Vote::Approve,
                id: &approve.one.id,
                reason: approve.reason.as_deref(),
                signer: &approve.signer,
                receipt: approve.keep.receipt.as_deref(),
            };
            wait(decide::run(cli, printer, wish))
        }
        Command::Deny(deny) => {
            let wish = decide::Wish {
                vote: Vote::Deny,
                id: &deny.one.id,
                reason: Some(&deny.reason),
                signer: &deny.signer,
                receipt: deny.keep.receipt.as_deref(),
            };
            wait(decide::run(cli, printer, wish))
        }
        Command::Review(post) => wait(review::run(cli, printer, post)),
        Command::Erase(wanted) => wait(erase::run(cli, printer, wanted)),
        Command::Cancel(one) => wait(cancel::run(cli, one)),
        Command::Receipt(proof) => wait(receipt::run(cli, proof)),
        Command::Verify(options) => verify::run(cli, options),
        Command::Export(Export::Jsonl { from }) => export::run(cli, *from),
        #[cfg(feature = "serve")]
        Command::Export(Export::Ocsf { from }) => export_ocsf::run(cli, *from),
        Command::Export(Export::Checkpoint) => export::checkpoint(cli),
        Command::Export(Export::Tiles { directory }) => export::tiles(cli, directory),
        Command::Anchor => wait(anchor::run(cli)),
        Command::Pin(Pin::Show) => pin::show(cli),
        Command::Pin(Pin::Adopt { accept_loss }) => pin::adopt(cli, *accept_loss),
        Command::Key(Key::List) => key::list(cli),
        Command::Key(Key::Make(options)) => key::make(options),
        Command::Key(Key::Rotate(options)) => wait(key::rotate(cli, options)),
        Command::Key(Key::Revoke(options)) => wait(key::revoke(cli, options)),
        Command::Key(Key::Rewrap) => wait(erase::rewrap(cli)),
        Command::Migrate { roles } => migrate::run(cli, *roles),
        Command::Policy(wanted) => policy::run(cli, printer, wanted),
        #[cfg(feature = "teams")]
        Command::Teams(wanted) => wait(teams::run(cli, wanted)),
        #[cfg(feature = "serve")]
        Command::Serve(options) => serve::run(cli, printer, options),
        #[cfg(feature = "slack")]
        Command::Slack(wanted) => slack::run(cli, wanted),
        #[cfg(feature = "serve")]
        Command::Token(wanted) => token::run(wanted),
    }
}

/// Runs what talks to a gate. The gate writes on a thread of its own; here nothing runs beside it.
fn wait(work: impl Future<Output = Result<Answer, Failure>>) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        let message = format!("cannot start ({error}); check the limits of this process");
        Failure::new(Code::StoreUnavailable, message)
    })?;
    runtime.block_on(work)
}
