//! The storage role from outside: over gRPC, on real files, and on a simulated disk that loses its power.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod reopen;
#[cfg(test)]
mod service;
#[cfg(test)]
mod shard;
#[cfg(test)]
mod store;
