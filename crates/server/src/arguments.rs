//! The command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// An S3-compatible object store.
#[derive(Debug, Parser)]
#[command(name = "cairn", version, about, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve S3 from this machine's directories: all roles in one process.
    Dev(DevArguments),
    /// Serve S3 in front of a cluster. Keeps nothing; start as many as are needed.
    Gateway(RoleArguments),
    /// Keep a replica of the metadata.
    Meta(RoleArguments),
    /// Keep shards of objects on the disks of a node.
    Storage(RoleArguments),
    /// Exit with 0 when the local server is ready.
    Healthcheck(ConsoleArguments),
    /// Ask and steer a running cluster.
    Admin(AdminArguments),
}

/// `cairn dev`
#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// Directories to keep everything in, one disk each, made when missing [default: cairn-data]. The erasure profile
    /// follows from their number: 1 → 1+0, 2 → 1+1, 3 → 2+1, 4-5 → 2+2, 6-11 → 4+2, 12 and more → 8+4.
    #[arg(value_name = "DIR")]
    pub(crate) directories: Vec<PathBuf>,
    /// Where the S3 API listens [default: 127.0.0.1:9000]; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub(crate) address: Option<SocketAddr>,
    /// Where health, metrics and the admin API listen [default: 127.0.0.1:9001].
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub(crate) console_address: Option<SocketAddr>,
    /// A TOML file; the environment (`CAIRN_SECTION_KEY`) overrides it, the command line overrides both.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The erasure profile, such as 4+2, instead of the one that follows from the number of directories.
    #[arg(long, value_name = "K+M")]
    pub(crate) profile: Option<String>,
    /// A TOML file of users that there are to be; see `cairn admin provision`.
    #[arg(long, value_name = "FILE")]
    pub(crate) provision: Option<PathBuf>,
}

/// `cairn gateway`, `cairn meta`, `cairn storage`
#[derive(Debug, Args)]
pub(crate) struct RoleArguments {
    /// A TOML file; the environment (`CAIRN_SECTION_KEY`) overrides it. The root keys come from `CAIRN_ROOT_ACCESS_KEY` and
    /// `CAIRN_ROOT_SECRET_KEY`, the same for all processes of a cluster.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Where a server's console is.
#[derive(Debug, Args)]
pub(crate) struct ConsoleArguments {
    /// The server's console address [default: 127.0.0.1:9001].
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub(crate) console_address: Option<SocketAddr>,
    /// The server's configuration file, to find its console address in.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// `cairn admin`
#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// Which cluster is meant. They stand before the command or behind it.
#[derive(Debug, Args)]
pub(crate) struct TargetArguments {
    /// The cluster.json of a local cluster: its processes are asked one after the other until one answers, with its keys.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) cluster: Option<PathBuf>,
    /// The console address of one server [default: 127.0.0.1:9001]. Requests are signed with `CAIRN_ROOT_ACCESS_KEY` and
    /// `CAIRN_ROOT_SECRET_KEY`, which default to those of `cairn dev`.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, global = true)]
    pub(crate) console_address: Option<SocketAddr>,
    /// The configuration file of one server, to find its console address in.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
}

/// What to ask or to do.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum AdminCommand {
    /// Show nodes, disks, pools and groups, and what is wrong. Exits with 2 when something is.
    Status,
    /// Show the metadata and storage nodes.
    Nodes,
    /// Show the disks.
    Disks,
    /// Show the groups of the metadata: who leads, who votes, how far they are, what they owe.
    Groups,
    /// Make a metadata node that runs a voter; returns when it votes in every group. Storage nodes need none of it.
    AddNode {
        /// Its name, or its id.
        name: String,
    },
    /// Take a node out of the cluster for good: a metadata node; or a storage node that keeps no data.
    RemoveNode {
        /// Its name, or its id.
        name: String,
    },
    /// Show, make and remove users and their access keys.
    #[command(subcommand)]
    User(UserCommand),
    /// Make the users of a TOML file what they are to be: `[[user]]` with `id`, `access_key` and `secret_key`, and, if
    /// there are any, `display_name`, `email` and `tenant`. What is so already is left alone; who is not in the file stays.
    Provision {
        /// The file.
        file: PathBuf,
    },
    /// Hand the leadership of a group to another metadata node; returns when that one leads.
    TransferLeader {
        /// The group; 0 is the root group.
        group: u16,
        /// To whom, by name or id [default: any other voter].
        name: Option<String>,
    },
}

/// What to do about users.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user with an access key. The secret is shown once.
    Add {
        /// Its canonical id [default: 64 random hexadecimal digits].
        id: Option<String>,
        /// What people read [default: the id].
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// Its e-mail address, which no other user may have.
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// The tenant that it belongs to.
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        #[command(flatten)]
        key: KeyArguments,
    },
    /// Show all users.
    List,
    /// Show one user.
    Show {
        /// Its canonical id.
        id: String,
    },
    /// Change what is known of a user; what is not named stays.
    Set {
        /// Its canonical id.
        id: String,
        /// What people read.
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// Its e-mail address; empty: none any more.
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// Whether its keys are of no use for now.
        #[arg(long, value_name = "true|false")]
        suspended: Option<bool>,
    },
    /// Remove a user that owns no bucket, and its keys.
    Remove {
        /// Its canonical id.
        id: String,
    },
    /// Give a user another access key. The secret is shown once.
    KeyAdd {
        /// The user's canonical id.
        id: String,
        #[command(flatten)]
        key: KeyArguments,
    },
    /// Take an access key away; after two seconds it is of no use anywhere.
    KeyRemove {
        /// The access key.
        access_key: String,
    },
}

/// An access key to give.
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct KeyArguments {
    /// The access key [default: a random one].
    #[arg(long, value_name = "KEY")]
    pub(crate) access_key: Option<String>,
    /// A file with its secret, `-` for the standard input [default: a random secret].
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_key_file: Option<PathBuf>,
}

/// `127.0.0.1:9000`, `[::1]:9000`, or `:9000` for all interfaces.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let parsed = match text.strip_prefix(':') {
        Some(port) => port
            .parse()
            .ok()
            .map(|port: u16| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        None => text.parse().ok(),
    };
    parsed.ok_or_else(|| "an address is HOST:PORT with a numeric host, or :PORT".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_cluster_is_named_before_the_command_or_behind_it() {
        for line in [
            "cairn admin --cluster F --json transfer-leader 3 meta-2",
            "cairn admin transfer-leader --cluster F 3 meta-2 --json",
            "cairn admin --json transfer-leader 3 meta-2 --cluster=F",
        ] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            let Command::Admin(admin) = arguments.command else {
                panic!("{line}");
            };
            assert_eq!(admin.target.cluster, Some(PathBuf::from("F")), "{line}");
            assert!(admin.json, "{line}");
            let (group, name) = (3, Some("meta-2".to_owned()));
            let wanted = AdminCommand::TransferLeader { group, name };
            assert_eq!(admin.command, wanted, "{line}");
        }
        for wrong in [
            "cairn admin",
            "cairn admin add-node",
            "cairn admin transfer-leader x",
        ] {
            assert!(
                Arguments::try_parse_from(wrong.split(' ')).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn addresses_may_leave_out_the_host() {
        assert_eq!(
            parse_address(":9000"),
            Ok(SocketAddr::from(([0, 0, 0, 0], 9000)))
        );
        assert_eq!(
            parse_address("[::1]:1"),
            Ok(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 1)))
        );
        assert!(parse_address("9000").is_err());
    }
}
