//! The command line.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};

/// Load tool for S3 endpoints: open and closed loop, HDR histograms, and the server's own counters.
#[derive(Debug, Parser)]
#[command(name = "cairn-bench", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Print the results as JSON instead of a table.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where to go.
#[derive(Debug, Clone, Group)]
pub(crate) struct TargetArgs {
    /// Endpoint to load, such as `http://127.0.0.1:9000`; without it a `cairn dev` is started and stopped.
    #[arg(long, global = true)]
    pub(crate) endpoint: Option<String>,
    /// A cluster's `cluster.json`: all its gateways are loaded in turn, and what all its processes count is added up.
    #[arg(long, global = true, conflicts_with = "endpoint")]
    pub(crate) cluster: Option<PathBuf>,
    /// Console of that endpoint, such as 127.0.0.1:9001, whose /metrics are read before and after.
    #[arg(long, global = true)]
    pub(crate) console: Option<std::net::SocketAddr>,
    /// Access key; else `AWS_ACCESS_KEY_ID`.
    #[arg(long, global = true)]
    pub(crate) access_key: Option<String>,
    /// Secret key; else `AWS_SECRET_ACCESS_KEY`, which other users of this machine cannot see in its list of processes.
    #[arg(long, global = true)]
    pub(crate) secret_key: Option<String>,
    /// Region to sign for.
    #[arg(long, global = true, default_value = "us-east-1")]
    pub(crate) region: String,
    /// Directories of the server that is started.
    #[arg(long, global = true, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) disks: u16,
    /// Put the directories of the server under this one, which stays. Without it they lie beside this binary and go.
    #[arg(long, global = true)]
    pub(crate) data: Option<PathBuf>,
    /// Set a variable for the server that is started, as NAME=VALUE; may be repeated.
    #[arg(long = "env", global = true, value_parser = parse_variable)]
    pub(crate) environment: Vec<(String, String)>,
    /// Hash every body for its signature, as most SDKs do over http.
    #[arg(long, global = true)]
    pub(crate) sign_payload: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Operations of your choice against any endpoint.
    Run(RunArgs),
    /// The usual figures: small and large writes and reads, heads and lists.
    Suite(SuiteArgs),
    /// Listing at the start and in the middle of very many keys.
    Keys(KeysArgs),
    /// Large concurrent uploads into a server with little memory.
    Memory(MemoryArgs),
    /// From the start of the process to its first success.
    Start(StartArgs),
    /// The figures of a cluster of processes, some of which are killed: of `--cluster`, or of one that is started for it.
    Cluster(ClusterArgs),
}

/// What is done in one measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    /// New objects.
    Put,
    /// Whole objects, chosen at random.
    Get,
    /// Heads of objects, chosen at random.
    Head,
    /// Pages of 1,000 keys from a random one on.
    List,
    /// The one level below a prefix of very many keys.
    ListDelimiter,
    /// Each object once.
    Delete,
    /// 45 % get, 30 % head, 15 % put, 10 % delete of what was put.
    Mixed,
}

#[derive(Debug, Clone, Group)]
pub(crate) struct RunArgs {
    /// Operations, one after the other.
    #[arg(long = "op", value_delimiter = ',', default_value = "put,get")]
    pub(crate) operations: Vec<Operation>,
    /// Sizes of objects, one after the other: 4KiB,64KiB,1MiB,64MiB.
    #[arg(long = "size", value_delimiter = ',', default_value = "1MiB", value_parser = parse_size)]
    pub(crate) sizes: Vec<u64>,
    /// Requests in flight at a time.
    #[arg(long, default_value_t = 16)]
    pub(crate) clients: u32,
    /// Requests per second, open loop; `--clients` is then the most that may be in flight.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// End each measurement after so many operations instead.
    #[arg(long, conflicts_with = "seconds")]
    pub(crate) count: Option<u64>,
    /// Objects written beforehand for operations that need some.
    #[arg(long, default_value_t = 500)]
    pub(crate) objects: u64,
    /// Bucket; by default a new one, which is removed in the end.
    #[arg(long)]
    pub(crate) bucket: Option<String>,
}

#[derive(Debug, Clone, Group)]
pub(crate) struct SuiteArgs {
    /// How long each measurement takes.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
}

#[derive(Debug, Clone, Group)]
pub(crate) struct KeysArgs {
    /// Keys in the bucket.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) count: u64,
    /// Common prefixes that they are spread over: two pages and more of them in each half.
    #[arg(long, default_value_t = 4_000)]
    pub(crate) prefixes: u64,
    /// Pages measured at each place.
    #[arg(long, default_value_t = 100)]
    pub(crate) pages: u64,
    /// Writers at a time.
    #[arg(long, default_value_t = 128)]
    pub(crate) clients: u32,
}

#[derive(Debug, Clone, Group)]
pub(crate) struct MemoryArgs {
    /// Memory of the server in MiB: a cgroup where this user may make one, else a limit on its data.
    #[arg(long, default_value_t = 512)]
    pub(crate) limit_mib: u64,
    /// Concurrent uploads.
    #[arg(long, default_value_t = 32)]
    pub(crate) uploads: u32,
    /// Size of each.
    #[arg(long, default_value = "64MiB", value_parser = parse_size)]
    pub(crate) size: u64,
}

#[derive(Debug, Clone, Group)]
pub(crate) struct StartArgs {
    /// Starts on new directories.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Objects that lie there for the restarts.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) objects: u64,
    /// Their size.
    #[arg(long, default_value = "64KiB", value_parser = parse_size)]
    pub(crate) size: u64,
}

/// One of the figures of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Figure {
    /// CPU time and memory of a cluster that nobody uses.
    Idle,
    /// Syncs and bytes between roles for each of many small writes.
    SmallWrites,
    /// Bytes between roles for each byte of large objects.
    LargeObjects,
    /// Mixed load through one gateway, and through all.
    Gateways,
    /// Reads without as many storage nodes as parity allows, against reads with all.
    DeadStorage,
    /// From the death of a leader to the first acknowledged write.
    LeaderLoss,
}

#[derive(Debug, Clone, Group)]
pub(crate) struct ClusterArgs {
    /// Which figures; all of them by default.
    #[arg(long = "figure", value_delimiter = ',')]
    pub(crate) figures: Vec<Figure>,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Leaders that are killed.
    #[arg(long, default_value_t = 20)]
    pub(crate) kills: u32,
    /// Storage nodes that are killed: the parity of the cluster's profile.
    #[arg(long, default_value_t = 2)]
    pub(crate) parity: usize,
}

/// Reads `4KiB`, `1MiB`, `2GiB`, or a number of bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        other => return Err(format!("{other:?} is no unit: B, KiB, MiB, GiB")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text:?} is no size"))?;
    number
        .checked_mul(unit)
        .ok_or_else(|| format!("{text:?} is too large"))
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not NAME=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(parse_size("4KiB"), Ok(4_096));
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("0"), Ok(0));
        for wrong in ["", "KiB", "1kb", "-1", "99999999999GiB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
