//! The sections of roles that are processes of their own, and what has to hold between them.

use cairn_types::cluster::Profile;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, ToSocketAddrs};
use std::num::NonZeroU16;
use std::path::PathBuf;
use tokio::runtime::Runtime;

use super::{Config, ConfigError};
use crate::roles::Role;

/// `[node]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NodeSection {
    /// What operators call this process: 1 to 63 of a-z, 0-9, `-` and `.`; no two of a role have the same.
    pub(crate) name: String,
    /// Where the role listens for other roles, `host:port`.
    pub(crate) address: String,
    /// Where other roles reach it, if that is another address.
    pub(crate) advertise: String,
    /// The zone that it stands in: objects are spread over zones.
    pub(crate) zone: String,
    /// The host that it runs on, where several nodes share one.
    pub(crate) host: String,
    /// Threads that serve requests, at most 1,024; 0: as many as there are CPUs. Where many processes share a machine, fewer
    /// wake each other less.
    pub(crate) worker_threads: u16,
}

/// `[cluster]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClusterSection {
    /// The first metadata nodes, each as `name=host:port`: they make the cluster, and everybody else asks them for it.
    pub(crate) members: Vec<String>,
    /// A file with the master key, the same for all processes: 64 hexadecimal digits, or the base64 of 32 bytes. Instead of it
    /// the environment may have `CAIRN_MASTER_KEY`.
    pub(crate) master_key_file: PathBuf,
}

/// `[pool]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PoolSection {
    /// The erasure profile, `4+2`; empty: by the number of storage nodes. Another one than before holds for what is written
    /// from then on.
    pub(crate) profile: String,
}

/// One of the first metadata nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// Where it is, `host:port`.
    pub(crate) address: String,
}

impl NodeSection {
    /// The runtime that serves requests. Blocks while its threads are started.
    ///
    /// # Errors
    /// When the system does not give it its threads.
    pub(crate) fn runtime(&self) -> std::io::Result<Runtime> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if self.worker_threads > 0 {
            builder.worker_threads(usize::from(self.worker_threads));
        }
        builder.enable_all().build()
    }

    /// Where other roles reach this one.
    pub(crate) fn advertised(&self) -> String {
        if self.advertise.is_empty() {
            self.address.clone()
        } else {
            self.advertise.clone()
        }
    }
}

impl Config {
    /// The first metadata nodes, in the order in which they are named.
    pub(crate) fn members(&self) -> Result<Vec<Member>, ConfigError> {
        let invalid = |reason: String| ConfigError::Value {
            setting: "cluster.members",
            reason,
        };
        let mut members: Vec<Member> = Vec::new();
        for text in &self.cluster.members {
            let (name, address) = text
                .split_once('=')
                .filter(|(name, address)| is_name(name) && is_address(address))
                .ok_or_else(|| invalid(format!("{text:?} is no name=host:port")))?;
            let twice = |known: &Member| known.name == name || known.address == address;
            if members.iter().any(twice) {
                return Err(invalid(format!("{text:?} names a node a second time")));
            }
            members.push(Member {
                name: name.to_owned(),
                address: address.to_owned(),
            });
        }
        if members.is_empty() {
            return Err(invalid(
                "name the first metadata nodes, each as name=host:port".to_owned(),
            ));
        }
        Ok(members)
    }

    /// The erasure profile of the cluster that was asked for.
    pub(crate) fn pool_profile(&self) -> Result<Option<Profile>, ConfigError> {
        parse_profile("pool.profile", &self.pool.profile)
    }

    /// What a role needs beyond what holds for all.
    pub(crate) fn check_role(&self, role: Role) -> Result<(), ConfigError> {
        let value = |setting, reason: &str| ConfigError::Value {
            setting,
            reason: reason.to_owned(),
        };
        if !is_name(&self.node.name) {
            let reason = "it may be 1 to 63 of a-z, 0-9, - and ., such as meta-1";
            return Err(value("node.name", reason));
        }
        self.pool_profile()?;
        let members = self.members()?;
        if role != Role::Gateway {
            check_address("node.address", &self.node.address)?;
            check_address("node.advertise", &self.node.advertised())?;
        }
        match role {
            Role::Meta if self.meta.directory.as_os_str().is_empty() => {
                return Err(value("meta.directory", "say where the metadata is kept"));
            }
            Role::Storage if self.storage.directories.is_empty() => {
                return Err(value(
                    "storage.directories",
                    "name one directory for each disk",
                ));
            }
            Role::Gateway | Role::Meta | Role::Storage => {}
        }
        let own = members.iter().find(|member| member.name == self.node.name);
        match own {
            Some(own) if role == Role::Meta && own.address != self.node.advertised() => {
                Err(ConfigError::Value {
                    setting: "cluster.members",
                    reason: format!(
                        "it has {} at {}, and this node says that it is reached at {}",
                        own.name,
                        own.address,
                        self.node.advertised()
                    ),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Reads a profile; none from an empty text.
pub(super) fn parse_profile(
    setting: &'static str,
    text: &str,
) -> Result<Option<Profile>, ConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    let profile = Profile::parse(text).map_err(|error| ConfigError::Value {
        setting,
        reason: error.to_string(),
    })?;
    Ok(Some(profile))
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    (1..=63).contains(&text.len()) && text.bytes().all(is_letter)
}

/// Port 0 is any that is free, which nobody else can know.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<NonZeroU16>().is_ok())
}

/// Between roles nothing is encrypted yet, and whoever reaches one may speak to it.
fn check_address(setting: &'static str, address: &str) -> Result<(), ConfigError> {
    if !is_address(address) {
        return Err(ConfigError::Value {
            setting,
            reason: format!("{address:?} is no host:port"),
        });
    }
    let is_loopback = address
        .to_socket_addrs()
        .is_ok_and(|mut found| found.all(|found| is_loopback(found.ip())));
    if is_loopback {
        return Ok(());
    }
    Err(ConfigError::Value {
        setting,
        reason: format!(
            "{address} is not on loopback, and roles do not encrypt what they say to each other yet"
        ),
    })
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn config(members: &[&str]) -> Config {
        let mut config = Config::default();
        config.node.name = "meta-1".to_owned();
        config.node.address = "127.0.0.1:7001".to_owned();
        config.meta.directory = PathBuf::from("meta");
        config.cluster.members = members.iter().map(|&member| member.to_owned()).collect();
        config
    }

    fn refusal(config: &Config) -> String {
        config.check_role(Role::Meta).unwrap_err().to_string()
    }

    #[test]
    fn members_have_a_name_and_an_address() {
        let members = config(&["meta-1=127.0.0.1:7001", "meta-2=localhost:7002"]);
        members.check_role(Role::Meta).unwrap();
        let names: Vec<String> = members
            .members()
            .unwrap()
            .into_iter()
            .map(|m| m.name)
            .collect();
        assert_eq!(names, ["meta-1", "meta-2"]);
        for wrong in [
            "",
            "meta-1",
            "=127.0.0.1:1",
            "m=127.0.0.1",
            "M=127.0.0.1:1",
            "m=h:70000",
            "m=h:0",
        ] {
            assert!(
                refusal(&config(&[wrong])).contains("no name=host:port"),
                "{wrong}"
            );
        }
        assert!(refusal(&config(&[])).contains("first metadata nodes"));
    }

    #[test]
    fn a_config_that_names_itself_twice_is_refused() {
        for twice in [
            ["meta-1=127.0.0.1:7001", "meta-1=127.0.0.1:7002"],
            ["meta-1=127.0.0.1:7001", "meta-2=127.0.0.1:7001"],
        ] {
            assert!(refusal(&config(&twice)).contains("a second time"));
        }
        let elsewhere = config(&["meta-1=127.0.0.1:7009"]);
        assert!(refusal(&elsewhere).contains("127.0.0.1:7009"));
    }

    #[test]
    fn a_port_that_others_cannot_know_is_refused() {
        for (address, advertise) in [
            ("127.0.0.1:0", ""),
            ("127.0.0.1:0", "127.0.0.1:7001"),
            ("127.0.0.1:7001", "127.0.0.1:0"),
        ] {
            let mut unknown = config(&["meta-1=127.0.0.1:7001"]);
            unknown.node.address = address.to_owned();
            unknown.node.advertise = advertise.to_owned();
            assert!(refusal(&unknown).contains("127.0.0.1:0"), "{address}");
        }
    }

    #[test]
    fn roles_listen_on_loopback_only() {
        let mut open = config(&["meta-1=0.0.0.0:7001"]);
        open.node.address = "0.0.0.0:7001".to_owned();
        assert!(refusal(&open).contains("loopback"));
    }
}
