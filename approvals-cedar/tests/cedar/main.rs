//! Cedar beside the policy: what loads, what it says, what it never does.

#[cfg(test)]
mod caps;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod loader;
#[cfg(test)]
mod six;
#[cfg(test)]
mod support;
