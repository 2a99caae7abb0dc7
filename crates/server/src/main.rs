//! `cairn`: an S3-compatible object store.

mod arguments;
mod certificate;
mod clients;
mod composition;
mod config;
mod dev;
mod directories;
mod master_key;
mod open_files;
mod operator;
mod provisioning;
mod replicas;
mod roles;
mod signals;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use arguments::{Arguments, Command};
use roles::Role;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Command::Dev(dev) => leave(dev::run(dev)),
        Command::Gateway(role) => leave(roles::run(Role::Gateway, &role.config)),
        Command::Meta(role) => leave(roles::run(Role::Meta, &role.config)),
        Command::Storage(role) => leave(roles::run(Role::Storage, &role.config)),
        Command::Healthcheck(console) => operator::healthcheck(console),
        Command::Admin(admin) => operator::admin(admin),
    };
    done.unwrap_or_else(|error| ExitCode::from(complain(&error)))
}

/// Ends a server without the destructors of C++ statics, and so without waiting for anything more: a thread that a slow disk
/// keeps beyond the limits of an orderly end may be in RocksDB, which aborts the process when its statics go under it.
fn leave(served: Result<()>) -> ! {
    let code = match served {
        Ok(()) => 0,
        Err(error) => complain(&error),
    };
    // Nobody is left to be told that stdout is gone.
    let _ = std::io::stdout().flush();
    signal_hook::low_level::exit(i32::from(code))
}

/// Says on one line, whatever the logs look like, what went wrong and, where it helps, what to do. Gives the exit code.
fn complain(error: &anyhow::Error) -> u8 {
    eprintln!("cairn: {error:#}");
    1
}
