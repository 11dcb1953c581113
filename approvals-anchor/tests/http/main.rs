//! A witness at the far end of a network, from end to end.

#[cfg(test)]
mod faults;
