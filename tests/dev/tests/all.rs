//! Process tests of `cairn dev`: it is killed, damaged, starved, misconfigured and used by ordinary tools, from outside.

#![expect(
    clippy::disallowed_methods,
    reason = "tests see the server from outside: real clocks and their own environment"
)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where the server is wrong, also in its helpers"
)]

mod bad_start;
mod client_tools;
mod collect;
mod crash;
mod damage;
mod fixture;
mod open_files;
mod overload;
mod reclaim;
mod shutdown;
mod users;
