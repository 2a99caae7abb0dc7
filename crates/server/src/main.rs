//! `cairn`: an S3-compatible object store.

mod arguments;
mod composition;
mod config;
mod dev;
mod directories;
mod open_files;
mod operator;
mod replicas;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use arguments::{AdminCommand, Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Command::Dev(dev) => dev::run(dev).map(|()| ExitCode::SUCCESS),
        Command::Healthcheck(console) => operator::healthcheck(console),
        Command::Admin(AdminCommand::Status { json, console }) => operator::status(console, *json),
    };
    done.unwrap_or_else(|error| {
        // One line, whatever the logs look like: what went wrong and, where it helps, what to do.
        eprintln!("cairn: {error:#}");
        ExitCode::FAILURE
    })
}
