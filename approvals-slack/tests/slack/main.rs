//! The channel against a third party's Slack, with a proxy in between that fails as asked.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod clicks;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod emitted;
#[cfg(test)]
mod example;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod rendered;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tenancy;
#[cfg(test)]
mod verifiers;
