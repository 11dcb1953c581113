//! The built binary from end to end: a state directory, real SSH keys, calls that wait.
#![cfg(unix)]

#[cfg(test)]
mod decide;
#[cfg(test)]
mod erase;
#[cfg(test)]
mod glass;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod ledger_keys;
#[cfg(test)]
mod pin;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod policy_cases;
#[cfg(test)]
mod policy_past;
#[cfg(test)]
mod policy_propose;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(test)]
mod receipts;
#[cfg(test)]
mod seen;
#[cfg(test)]
#[cfg(feature = "serve")]
mod serve;
#[cfg(test)]
#[cfg(all(feature = "serve", feature = "slack"))]
mod slack;
#[cfg(test)]
mod support;
#[cfg(test)]
mod surface;
#[cfg(test)]
#[cfg(feature = "teams")]
mod teams;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod walkthrough;
#[cfg(test)]
#[cfg(feature = "serve")]
mod webhooks;
