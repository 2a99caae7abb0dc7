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

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command, RoleArguments};
use roles::Role;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Command::Dev(dev) => dev::run(dev).map(|()| ExitCode::SUCCESS),
        Command::Gateway(role) => served(Role::Gateway, role),
        Command::Meta(role) => served(Role::Meta, role),
        Command::Storage(role) => served(Role::Storage, role),
        Command::Healthcheck(console) => operator::healthcheck(console),
        Command::Admin(admin) => operator::admin(admin),
    };
    done.unwrap_or_else(|error| {
        // One line, whatever the logs look like: what went wrong and, where it helps, what to do.
        eprintln!("cairn: {error:#}");
        ExitCode::FAILURE
    })
}

fn served(role: Role, arguments: &RoleArguments) -> anyhow::Result<ExitCode> {
    roles::run(role, &arguments.config).map(|()| ExitCode::SUCCESS)
}
