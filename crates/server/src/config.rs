//! Configuration: a TOML file, overridden by the environment, overridden by the command line.
//!
//! `CAIRN_<SECTION>_<KEY>` overrides `key` of `[section]`: `CAIRN_STORAGE_READ_GRACE_MS=500`. A key that is not known is
//! refused, in the file as in the environment, because a setting that is silently ignored is worse than a start that fails.

mod cluster;
mod environment;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cairn_gateway::Signatures;
use cairn_runtime::Secret;
use cairn_runtime::trace::LogFormat;
use cairn_s3::dialect::Dialect;
use cairn_types::cluster::Profile;
use serde::{Deserialize, Serialize};

pub(crate) use cluster::Member;
use cluster::{ClusterSection, NodeSection, PoolSection, parse_profile};
pub(crate) use environment::Environment;

/// Room for the bodies of a few requests at the widest profile.
pub(crate) const SMALLEST_BUDGET: u64 = 32 * 1024 * 1024;

/// Everything that can be set, with its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Logs.
    pub(crate) log: LogSection,
    /// The S3 API.
    pub(crate) s3: S3Section,
    /// Health, metrics and the admin API.
    pub(crate) console: ConsoleSection,
    /// Metadata.
    pub(crate) meta: MetaSection,
    /// Disks.
    pub(crate) storage: StorageSection,
    /// Object I/O.
    pub(crate) engine: EngineSection,
    /// Background work.
    pub(crate) workers: WorkersSection,
    /// `cairn dev`.
    pub(crate) dev: DevSection,
    /// This process among others.
    pub(crate) node: NodeSection,
    /// Where the cluster is.
    pub(crate) cluster: ClusterSection,
    /// Where objects go.
    pub(crate) pool: PoolSection,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogSection {
    /// `text` or `json`.
    pub(crate) format: LogFormatName,
    /// A `tracing` filter.
    pub(crate) filter: String,
}

/// The names of log formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormatName {
    /// One readable line each.
    Text,
    /// One JSON object each.
    Json,
}

impl From<LogFormatName> for LogFormat {
    fn from(name: LogFormatName) -> Self {
        match name {
            LogFormatName::Text => Self::Text,
            LogFormatName::Json => Self::Json,
        }
    }
}

/// Whose answers are given where servers of S3 disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DialectName {
    /// As AWS does.
    Aws,
    /// As Ceph's gateway does.
    Ceph,
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Aws => Self::Aws,
            DialectName::Ceph => Self::Ceph,
        }
    }
}

/// `[s3]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct S3Section {
    /// Where the S3 API listens.
    pub(crate) address: SocketAddr,
    /// The region that buckets are said to be in; fixed when the cluster is made.
    pub(crate) region: String,
    /// Whose answers are given where servers of S3 disagree: `aws` or `ceph`. The same for all gateways of a cluster.
    pub(crate) dialect: DialectName,
    /// Domains under which `bucket.domain` addresses a bucket.
    pub(crate) domains: Vec<String>,
    /// Whether signatures of version 2 are taken: `on`, `off`, or `auto`, as the dialect has it.
    pub(crate) signature_v2: SignatureV2,
    /// Certificates in PEM, the own one first; with a key HTTPS is spoken instead of HTTP.
    pub(crate) tls_certificate_file: PathBuf,
    /// The private key in PEM.
    pub(crate) tls_key_file: PathBuf,
    /// Open connections at the most.
    pub(crate) max_connections: usize,
    /// A request body of which nothing arrives for so long is given up.
    pub(crate) idle_timeout_ms: u64,
    /// After SIGTERM connections are accepted for so long, while `/-/ready` says no: the time that a load balancer takes to
    /// see it.
    pub(crate) drain_delay_ms: u64,
}

/// Whether signatures of version 2 are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignatureV2 {
    /// In the dialect of Ceph only: AWS takes none of a new account.
    Auto,
    /// They are.
    On,
    /// They are not.
    Off,
}

impl S3Section {
    /// Where the S3 API is, for people.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        let is_plain = self.tls_certificate_file.as_os_str().is_empty();
        let scheme = if is_plain { "http" } else { "https" };
        format!("{scheme}://{address}")
    }

    /// Which signatures are taken.
    pub(crate) fn signatures(&self) -> Signatures {
        let dialect = Dialect::from(self.dialect);
        Signatures {
            takes_version_two: match self.signature_v2 {
                SignatureV2::Auto => dialect.takes_version_two_signatures(),
                SignatureV2::On => true,
                SignatureV2::Off => false,
            },
            expires_code: dialect.presigned_expiry_out_of_range(),
        }
    }
}

/// `[console]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConsoleSection {
    /// Where health, metrics and the admin API listen.
    pub(crate) address: SocketAddr,
}

/// `[meta]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MetaSection {
    /// Where `cairn meta` keeps its replica.
    pub(crate) directory: PathBuf,
    /// How many groups buckets are spread over; fixed when the cluster is made.
    pub(crate) data_groups: u16,
    /// A snapshot is taken after so many log entries.
    pub(crate) snapshot_entries: u64,
    /// Bytes of log that are kept for replicas that were away.
    pub(crate) log_bytes: u64,
}

/// `[storage]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StorageSection {
    /// The directories of `cairn storage`, one disk each.
    pub(crate) directories: Vec<PathBuf>,
    /// Whether a directory without a disk is made one although a disk of this node is missing: it is lost, and this is its
    /// replacement.
    pub(crate) replace_lost: bool,
    /// How long removed data stays readable for reads that have begun.
    pub(crate) read_grace_ms: u64,
}

/// `[engine]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EngineSection {
    /// Objects up to this size are kept with their metadata; 0 to 65,536.
    pub(crate) inline_limit_bytes: u32,
    /// Bytes of bodies in flight, 32 MiB or more; 0: a quarter of the memory limit, 32 to 512 MiB.
    pub(crate) budget_bytes: u64,
}

/// `[workers]`
#[expect(clippy::struct_field_names, reason = "units stand last")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WorkersSection {
    /// How often freed blobs are looked for.
    pub(crate) reclaim_interval_ms: u64,
    /// How often disks are searched for blobs that nothing refers to.
    pub(crate) collect_interval_ms: u64,
    /// Blobs younger than this are never taken for orphans: longer than any upload takes.
    pub(crate) collect_age_ms: u64,
}

/// `[dev]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DevSection {
    /// The directories, one disk each; one, three or five of them also keep the metadata.
    pub(crate) directories: Vec<PathBuf>,
    /// The erasure profile, `4+2`; empty: by the number of directories. Another one than before holds for
    /// what is written from then on.
    pub(crate) profile: String,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            format: LogFormatName::Text,
            // What ends a Raft group is told by `cairn_meta`; the rest of what openraft says is for those who debug it.
            filter: "info,openraft=off".to_owned(),
        }
    }
}

impl Default for S3Section {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 9000)),
            region: "us-east-1".to_owned(),
            dialect: DialectName::Aws,
            domains: vec!["localhost".to_owned(), "s3.localhost".to_owned()],
            signature_v2: SignatureV2::Auto,
            tls_certificate_file: PathBuf::new(),
            tls_key_file: PathBuf::new(),
            max_connections: 10_000,
            idle_timeout_ms: 30_000,
            drain_delay_ms: 0,
        }
    }
}

impl Default for ConsoleSection {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 9001)),
        }
    }
}

impl Default for MetaSection {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            data_groups: 8,
            snapshot_entries: 10_000,
            log_bytes: 256 * 1024 * 1024,
        }
    }
}

impl Default for StorageSection {
    fn default() -> Self {
        Self {
            directories: Vec::new(),
            replace_lost: false,
            read_grace_ms: 30_000,
        }
    }
}

impl Default for EngineSection {
    fn default() -> Self {
        Self {
            inline_limit_bytes: 16 * 1024,
            budget_bytes: 0,
        }
    }
}

impl Default for WorkersSection {
    fn default() -> Self {
        Self {
            reclaim_interval_ms: 5_000,
            collect_interval_ms: 3_600_000,
            collect_age_ms: 24 * 3_600_000,
        }
    }
}

/// The keys of the root account.
#[derive(Debug, Clone)]
pub(crate) struct RootCredentials {
    /// The access key id.
    pub(crate) access_key: String,
    /// The secret key.
    pub(crate) secret_key: Secret<String>,
    /// Whether these are the well-known keys of `dev`.
    pub(crate) are_default: bool,
}

/// Why a configuration is refused. Every text is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key or value that is not known.
    #[error("the configuration file {} is not valid: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Where and why, in one line.
        reason: String,
    },
    /// A variable names no setting, or has a value that does not fit.
    #[error("the environment variable {name} is not valid: {reason}")]
    Variable {
        /// The variable.
        name: String,
        /// Why.
        reason: String,
    },
    /// A value is out of its range.
    #[error("{setting} is not valid: {reason}")]
    Value {
        /// The setting, as `section.key`.
        setting: &'static str,
        /// What it may be.
        reason: String,
    },
}

impl Config {
    /// Reads the file, if there is one, and lays the environment over it.
    pub(crate) fn load(
        file: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let mut table = match file {
            Some(path) => read_table(path)?,
            None => toml::Table::new(),
        };
        let mut config = read(&table).map_err(|reason| match file {
            Some(path) => ConfigError::File {
                path: path.to_owned(),
                reason,
            },
            None => ConfigError::Value {
                setting: "the configuration",
                reason,
            },
        })?;
        // One by one, so that each is blamed for itself.
        for setting in environment.settings()? {
            setting.put_into(&mut table);
            config = read(&table).map_err(|reason| ConfigError::Variable {
                name: setting.name.to_owned(),
                reason,
            })?;
        }
        config.check()?;
        Ok(config)
    }

    /// The erasure profile that was asked for.
    pub(crate) fn profile(&self) -> Result<Option<Profile>, ConfigError> {
        parse_profile("dev.profile", &self.dev.profile)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.profile()?;
        let in_range = [
            (
                self.node.worker_threads <= 1_024,
                "node.worker_threads",
                "0 to 1024",
            ),
            (
                self.engine.inline_limit_bytes <= 65_536,
                "engine.inline_limit_bytes",
                "0 to 65536",
            ),
            (
                self.engine.budget_bytes == 0 || self.engine.budget_bytes >= SMALLEST_BUDGET,
                "engine.budget_bytes",
                "0, or 33554432 (32 MiB) or more",
            ),
            (
                self.meta.snapshot_entries >= 10,
                "meta.snapshot_entries",
                "10 or more",
            ),
            (
                (1..=1_000).contains(&self.meta.data_groups),
                "meta.data_groups",
                "1 to 1000",
            ),
            (
                self.s3.max_connections >= 1,
                "s3.max_connections",
                "1 or more",
            ),
            (
                self.s3.tls_certificate_file.as_os_str().is_empty()
                    == self.s3.tls_key_file.as_os_str().is_empty(),
                "s3.tls_key_file",
                "set only together with s3.tls_certificate_file",
            ),
            (
                self.s3.idle_timeout_ms >= 100,
                "s3.idle_timeout_ms",
                "100 or more",
            ),
            (
                self.workers.reclaim_interval_ms >= 10,
                "workers.reclaim_interval_ms",
                "10 or more",
            ),
            (
                self.workers.collect_interval_ms >= 10,
                "workers.collect_interval_ms",
                "10 or more",
            ),
            (
                !self.s3.region.is_empty(),
                "s3.region",
                "a name such as us-east-1",
            ),
        ];
        match in_range.into_iter().find(|(holds, _, _)| !holds) {
            None => Ok(()),
            Some((_, setting, allowed)) => Err(ConfigError::Value {
                setting,
                reason: format!("it may be {allowed}"),
            }),
        }
    }
}

/// A configuration out of a table; the error is one line.
fn read(table: &toml::Table) -> Result<Config, String> {
    let value = toml::Value::Table(table.clone());
    let config: Result<Config, toml::de::Error> = value.try_into();
    config.map_err(|error| one_line(error.message()))
}

fn read_table(path: &Path) -> Result<toml::Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    text.parse::<toml::Table>().map_err(|error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count() + 1);
        ConfigError::File {
            path: path.to_owned(),
            reason: format!("line {line}: {}", one_line(error.message())),
        }
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cairn.toml");
        std::fs::write(&path, file).unwrap();
        Config::load(Some(&path), &Environment::from_pairs(variables))
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(load("", &[]).unwrap(), Config::default());
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let file = "[storage]\nread_grace_ms = 7\n[s3]\nregion = 'eu-1'\n";
        let config = load(
            file,
            &[
                ("CAIRN_STORAGE_READ_GRACE_MS", "500"),
                ("CAIRN_S3_DOMAINS", "a.test, b.test"),
                ("CAIRN_LOG_FORMAT", "json"),
                ("CAIRN_S3_DIALECT", "ceph"),
            ],
        )
        .unwrap();
        assert_eq!(config.storage.read_grace_ms, 500);
        assert_eq!(config.s3.region, "eu-1");
        assert_eq!(config.s3.domains, ["a.test", "b.test"]);
        assert_eq!(config.log.format, LogFormatName::Json);
        assert_eq!(config.s3.dialect, DialectName::Ceph);
    }

    #[test]
    fn what_is_not_known_is_refused_in_one_line() {
        for (file, variables, names) in [
            ("[storage]\nread_grace = 7", &[][..], "read_grace"),
            ("[storag]\nread_grace_ms = 7", &[], "storag"),
            ("[storage\n", &[], "line 1"),
            (
                "",
                &[("CAIRN_STORAGE_READ_GRACE", "7")],
                "CAIRN_STORAGE_READ_GRACE",
            ),
            (
                "",
                &[("CAIRN_STORAGE_READ_GRACE_MS", "soon")],
                "CAIRN_STORAGE_READ_GRACE_MS",
            ),
            ("[dev]\nprofile = '5+3'", &[], "dev.profile"),
            ("[s3]\ndialect = 'minio'", &[], "minio"),
            ("[s3]\ntls_key_file = 'k'", &[], "s3.tls_key_file"),
            ("[engine]\ninline_limit_bytes = 65537", &[], "65536"),
            ("[engine]\nbudget_bytes = 1000", &[], "engine.budget_bytes"),
            (
                "[s3]\nregion = 'eu-1'",
                &[("CAIRN_S3_ADDRESS", "nowhere")],
                "CAIRN_S3_ADDRESS",
            ),
            (
                "[s3]\naddress = 'nowhere'",
                &[("CAIRN_S3_REGION", "eu-1")],
                "cairn.toml",
            ),
        ] {
            let error = load(file, variables).unwrap_err().to_string();
            assert!(error.contains(names), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
