//! The commands that ask a running server.

use std::process::ExitCode;

use anyhow::{Context, Result};
use cairn_admin::command::{self, Console};
use cairn_iam::SecretKey;
use cairn_runtime::SystemClock;

use crate::arguments::ConsoleArguments;
use crate::config::{Config, Environment};

/// Exits with 0 when the server is ready.
pub(crate) fn healthcheck(arguments: &ConsoleArguments) -> Result<ExitCode> {
    let console = console(arguments, &Environment::of_process()?)?;
    block_on(command::check_ready(&console))??;
    Ok(ExitCode::SUCCESS)
}

/// Prints the state of the cluster. Exits with 2 when something is wrong with it.
pub(crate) fn status(arguments: &ConsoleArguments, json: bool) -> Result<ExitCode> {
    let environment = Environment::of_process()?;
    let console = console(arguments, &environment)?;
    let credentials = environment.root_credentials()?;
    let now = SystemClock::shared().now();
    let keys = command::Keys {
        access_key: credentials.access_key,
        secret_key: SecretKey::new(credentials.secret_key.expose()),
    };
    let status = block_on(command::fetch_status(&console, &keys, now))??;
    if json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        println!("{status}");
    }
    Ok(if status.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

fn console(arguments: &ConsoleArguments, environment: &Environment) -> Result<Console> {
    let config = Config::load(arguments.config.as_deref(), environment)?;
    Ok(Console {
        address: arguments.console_address.unwrap_or(config.console.address),
        region: config.s3.region,
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    Ok(runtime.block_on(work))
}
