//! `cluster.json`, which `deploy/local/cluster` keeps: where the processes of a cluster are, and with which keys it is asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cairn_iam::SecretKey;
use serde::Deserialize;

use crate::command::{Keys, Target};

/// A file is this long at the most: some hundred bytes for each process.
const LEN_MAX: u64 = 16 * 1024 * 1024;

/// Why a file says nothing of a cluster. Every text, with its source, is one line.
#[derive(Debug, thiserror::Error)]
pub enum ClusterFileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{} is no cluster.json: {reason}", path.display())]
    NotOne {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What is read of it. It has more, for other readers.
#[derive(Deserialize)]
struct ClusterFile {
    region: String,
    access_key: String,
    secret_key: String,
    processes: Vec<Process>,
}

#[derive(Deserialize)]
struct Process {
    role: String,
    admin: SocketAddr,
}

/// Whom to ask, by a `cluster.json`: gateways before metadata nodes, in the order of the file. Blocks.
///
/// # Errors
/// When the file cannot be read, or names nobody to ask.
pub fn read(path: &Path) -> Result<Target, ClusterFileError> {
    let unreadable = |source| ClusterFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let len = std::fs::metadata(path).map_err(unreadable)?.len();
    let not_one = |reason: String| ClusterFileError::NotOne {
        path: path.to_owned(),
        reason,
    };
    if len > LEN_MAX {
        return Err(not_one(format!("it has {len} bytes")));
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    parse(&text).map_err(not_one)
}

fn parse(text: &[u8]) -> Result<Target, String> {
    let file: ClusterFile = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let of_role = |role: &'static str| {
        let processes = file.processes.iter();
        let processes = processes.filter(move |process| process.role == role);
        processes.map(|process| process.admin)
    };
    let consoles: Vec<SocketAddr> = of_role("gateway").chain(of_role("meta")).collect();
    if consoles.is_empty() {
        return Err("it names no gateway and no metadata node".to_owned());
    }
    Ok(Target {
        consoles,
        region: file.region,
        keys: Keys {
            access_key: file.access_key,
            secret_key: SecretKey::new(&file.secret_key),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_and_metadata_nodes_are_asked_running_or_not() {
        let text = r#"{"endpoints": ["http://127.0.0.1:1"], "region": "eu-1", "access_key": "a", "secret_key": "s", "profile": "",
            "processes": [
              {"name": "meta-1", "role": "meta", "pid": null, "address": "127.0.0.1:2", "admin": "127.0.0.1:3", "data": ["/d"]},
              {"name": "storage-1", "role": "storage", "pid": 8, "address": "127.0.0.1:4", "admin": "127.0.0.1:5", "data": []},
              {"name": "gateway-1", "role": "gateway", "pid": 7, "address": "127.0.0.1:1", "admin": "127.0.0.1:6", "data": []}]}"#;
        let target = parse(text.as_bytes()).unwrap();
        let ports: Vec<u16> = target.consoles.iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [6, 3]);
        assert_eq!(
            (target.region.as_str(), target.keys.access_key.as_str()),
            ("eu-1", "a")
        );
        assert!(
            !format!("{target:?}").contains("\"s\""),
            "no secret is shown"
        );
    }

    #[test]
    fn what_is_no_cluster_json_is_refused_in_one_line() {
        let empty = r#"{"region": "r", "access_key": "a", "secret_key": "s", "processes": []}"#;
        for (text, reason) in [
            ("", "EOF"),
            ("[]", "expected"),
            ("{\n}", "region"),
            (empty, "no gateway"),
            (
                r#"{"region": "r", "access_key": "a", "secret_key": "s", "processes": [{"role": "meta", "admin": "x"}]}"#,
                "socket address",
            ),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(reason) && !error.contains('\n'), "{error}");
        }
        let missing = read(Path::new("/nowhere/cluster.json")).unwrap_err();
        assert_eq!(missing.to_string(), "cannot read /nowhere/cluster.json");
    }
}
