//! The commands that ask a running server.

mod users;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use cairn_admin::cluster_file;
use cairn_admin::command::{self, Change, Keys, Target};
use cairn_admin::status::{ClusterStatus, disks_table, groups_table, nodes_table};
use cairn_iam::SecretKey;
use cairn_runtime::SystemClock;
use serde::Serialize;

use crate::arguments::{AdminArguments, AdminCommand, ConsoleArguments, TargetArguments};
use crate::config::{Config, Environment};

/// What `cairn admin status` exits with when something is wrong with the cluster.
const PROBLEMS: u8 = 2;

/// Exits with 0 when the server is ready.
pub(crate) fn healthcheck(arguments: &ConsoleArguments) -> Result<ExitCode> {
    let config = Config::load(arguments.config.as_deref(), &Environment::of_process()?)?;
    let console = arguments.console_address.unwrap_or(config.console.address);
    block_on(command::check_ready(console))??;
    Ok(ExitCode::SUCCESS)
}

/// Asks or steers a cluster. Exits with 2 when its status was asked for and something is wrong with it.
pub(crate) fn admin(arguments: &AdminArguments) -> Result<ExitCode> {
    let target = target(&arguments.target)?;
    let json = arguments.json;
    match &arguments.command {
        AdminCommand::Status => {
            let status = fetch(&target)?;
            print(json, &status, || status.to_string())?;
            if !status.problems.is_empty() {
                return Ok(ExitCode::from(PROBLEMS));
            }
        }
        AdminCommand::Nodes => {
            let nodes = fetch(&target)?.nodes;
            print(json, &nodes, || nodes_table(&nodes))?;
        }
        AdminCommand::Disks => {
            let disks = fetch(&target)?.disks;
            print(json, &disks, || disks_table(&disks))?;
        }
        AdminCommand::Groups => {
            let groups = fetch(&target)?.groups;
            print(json, &groups, || groups_table(&groups))?;
        }
        AdminCommand::AddNode { name } => {
            let node = name.clone();
            change(&target, json, &Change::AddNode { node })?;
        }
        AdminCommand::RemoveNode { name } => {
            let node = name.clone();
            change(&target, json, &Change::RemoveNode { node })?;
        }
        AdminCommand::User(command) => users::run(&target, json, command)?,
        AdminCommand::Provision { file } => users::provision(&target, json, file)?,
        AdminCommand::TransferLeader { group, name } => {
            let (group, node) = (*group, name.clone());
            change(&target, json, &Change::TransferLeader { group, node })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn fetch(target: &Target) -> Result<ClusterStatus> {
    let now = SystemClock::shared().now();
    Ok(block_on(target.fetch_status(now))??)
}

fn change(target: &Target, json: bool, change: &Change) -> Result<()> {
    let now = SystemClock::shared().now();
    let done = block_on(target.change(change, now))??;
    print(json, &done, || done.done.clone())
}

/// Prints for machines or for people.
fn print(json: bool, value: &impl Serialize, text: impl Fn() -> String) -> Result<()> {
    let text = if json {
        serde_json::to_string_pretty(value)?
    } else {
        text()
    };
    println!("{}", text.trim_end());
    Ok(())
}

/// Whom to ask: the processes of a `cluster.json`, or one server with the keys of the environment.
fn target(arguments: &TargetArguments) -> Result<Target> {
    if let Some(file) = &arguments.cluster {
        if arguments.console_address.is_some() || arguments.config.is_some() {
            bail!(
                "--cluster says whom to ask: leave out --console-address and --config, or --cluster"
            );
        }
        return Ok(cluster_file::read(file)?);
    }
    let environment = Environment::of_process()?;
    let config = Config::load(arguments.config.as_deref(), &environment)?;
    let credentials = environment.root_credentials()?;
    Ok(Target {
        consoles: vec![arguments.console_address.unwrap_or(config.console.address)],
        region: config.s3.region,
        keys: Keys {
            access_key: credentials.access_key,
            secret_key: SecretKey::new(credentials.secret_key.expose()),
        },
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    Ok(runtime.block_on(work))
}
