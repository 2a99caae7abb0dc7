//! `cluster.json`: where the processes of a local cluster are, and with which keys it is spoken to.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn_dev_tests::client::S3;
use cairn_dev_tests::metrics::Scrape;
use cairn_dev_tests::sign::Signer;
use cairn_dev_tests::wire;
use serde::Deserialize;

const SCRAPE_PATIENCE: Duration = Duration::from_secs(5);

/// A cluster as the script describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Description {
    /// S3 endpoints, one `http://` URL for each gateway.
    pub endpoints: Vec<String>,
    /// Region that requests are signed for.
    pub region: String,
    /// Access key of the root account.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// All processes, running or not.
    pub processes: Vec<Process>,
}

/// One process of a cluster.
#[derive(Clone, Debug, Deserialize)]
pub struct Process {
    /// Its name, such as `meta-2`.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Its process id; `None` while it does not run.
    pub pid: Option<u32>,
    /// Where it serves: S3 for a gateway, gRPC for the others.
    pub address: SocketAddr,
    /// Where it tells of its health and its metrics.
    pub admin: SocketAddr,
    /// Its directories.
    pub data: Vec<PathBuf>,
    /// Its configuration.
    pub config: PathBuf,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Serves S3.
    Gateway,
    /// Keeps metadata.
    Meta,
    /// Keeps shards.
    Storage,
}

/// Why there is no description.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The file cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what the script writes.
    #[error("{} is not understood: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl Description {
    /// Reads a `cluster.json`.
    ///
    /// # Errors
    /// When there is none, or it is not understood.
    pub fn read(path: &Path) -> Result<Self, DescriptionError> {
        let text = fs::read(path).map_err(|source| DescriptionError::Read {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_slice(&text).map_err(|source| DescriptionError::Parse {
            path: path.to_owned(),
            source,
        })
    }

    /// The processes of a role, in the order of their names' numbers.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = &Process> {
        self.processes
            .iter()
            .filter(move |process| process.role == role)
    }

    /// The names of the processes of a role.
    pub fn names(&self, role: Role) -> Vec<String> {
        self.of_role(role)
            .map(|process| process.name.clone())
            .collect()
    }

    /// The process of a name.
    ///
    /// # Panics
    /// When there is none.
    pub fn process(&self, name: &str) -> &Process {
        self.processes
            .iter()
            .find(|process| process.name == name)
            .unwrap_or_else(|| panic!("no process is called {name:?}"))
    }

    /// A signer with the keys of the root account.
    pub fn signer(&self) -> Signer {
        Signer {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            region: self.region.clone(),
        }
    }

    /// A client for each gateway.
    pub fn clients(&self) -> Vec<S3> {
        self.of_role(Role::Gateway)
            .map(|gateway| self.client(gateway))
            .collect()
    }

    /// One client that goes to all gateways in turn.
    ///
    /// # Panics
    /// When there is no gateway.
    pub fn spread_client(&self) -> S3 {
        let gateways = self.of_role(Role::Gateway);
        let hosts = gateways.map(|gateway| gateway.address.to_string());
        S3::over(hosts.collect(), self.signer())
    }

    /// A client for one gateway.
    pub fn client(&self, gateway: &Process) -> S3 {
        S3::new(gateway.address.to_string(), self.signer())
    }
}

impl Process {
    /// Its metrics now; `None` when it does not give them, as when it is gone.
    pub fn scrape(&self) -> Option<Scrape> {
        let answer = wire::fetch(self.admin, "/metrics", SCRAPE_PATIENCE).ok()?;
        (answer.status == 200).then(|| Scrape::parse(&answer.text()))
    }

    /// Status and text of one of the health pages, such as `/-/writable`; `None` without an answer.
    pub fn health(&self, page: &str) -> Option<(u16, String)> {
        let answer = wire::fetch(self.admin, page, SCRAPE_PATIENCE).ok()?;
        Some((answer.status, answer.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_with_processes_that_run_and_that_do_not() {
        let text = r#"{"endpoints": ["http://127.0.0.1:1"], "region": "r", "access_key": "a", "secret_key": "s", "more": 1,
            "processes": [
              {"name": "meta-1", "role": "meta", "pid": 7, "address": "127.0.0.1:2", "admin": "127.0.0.1:3", "data": ["/d"],
               "config": "/c"},
              {"name": "gateway-1", "role": "gateway", "pid": null, "address": "127.0.0.1:1", "admin": "127.0.0.1:4", "data": [],
               "config": "/g"}]}"#;
        let described: Description = serde_json::from_str(text).unwrap();
        assert_eq!(described.names(Role::Meta), ["meta-1"]);
        assert_eq!(described.process("meta-1").pid, Some(7));
        assert_eq!(described.process("gateway-1").pid, None);
        assert_eq!(described.clients()[0].host(), "127.0.0.1:1");
        assert_eq!(described.names(Role::Storage), Vec::<String>::new());
    }
}
