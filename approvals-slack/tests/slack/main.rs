//! The channel against a third party's Slack, with a proxy in between that fails as asked.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod clicks;
#[cfg(test)]
mod emitted;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod support;
