//! The limit of open files: raised as far as the system allows, and shared out before anything is opened.
//!
//! Whoever has no file descriptors left loses disks first: a segment or a log that cannot be opened is taken out of service, and
//! a disk whose node cannot be reached looks as if it were away. So disks, replicas and the ways to other roles come first, and
//! those who connect get what is left over.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What a disk has open at the most: 128 segments, 32 tables of its index, and the files of both besides.
const PER_DISK: u64 = 192;

/// What a replica of the metadata has open at the most: 256 tables, and its logs and locks besides.
const PER_REPLICA: u64 = 288;

/// What the process has open besides: standard streams, pollers, listeners, the console's connections.
const PER_PROCESS: u64 = 64 + cairn_admin::MAX_CONNECTIONS as u64;

/// Fewer connections are of no use.
const FEWEST_CONNECTIONS: u64 = 64;

/// What is to be kept open, whatever comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    pub(crate) disks: usize,
    pub(crate) replicas: usize,
    /// Connections to other roles.
    pub(crate) ways: usize,
}

/// The limit is too low to serve anybody.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "a process may have {limit} files open here, and {needed} are needed for its disks and connections: raise the limit \
     (`ulimit -Hn`, `LimitNOFILE=` of systemd, `--ulimit nofile=` of Docker)"
)]
pub(crate) struct TooFewFiles {
    limit: u64,
    needed: u64,
}

/// Raises the limit of this process to what an ordinary process may have. Gives the limit that holds now.
pub(crate) fn raise() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What cannot be raised stays as it is, and is counted with.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Raises the limit for a role whose connections are those of other roles, and makes sure that it is enough.
pub(crate) fn raise_for(needs: Needs) -> Result<(), TooFewFiles> {
    check(raise(), needs, FEWEST_CONNECTIONS)
}

/// How many connections may be open under `limit`, of the `wanted` ones.
pub(crate) fn connections(limit: u64, needs: Needs, wanted: usize) -> Result<usize, TooFewFiles> {
    check(limit, needs, FEWEST_CONNECTIONS.min(count(wanted)))?;
    let left = limit.saturating_sub(kept(needs));
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    if left < wanted {
        tracing::warn!(
            wanted,
            connections = left,
            open_files = limit,
            "the limit of open files allows fewer connections than s3.max_connections"
        );
    }
    Ok(left.min(wanted))
}

/// Makes sure that so many connections are left under `limit`.
fn check(limit: u64, needs: Needs, connections: u64) -> Result<(), TooFewFiles> {
    let kept = kept(needs);
    if limit.saturating_sub(kept) < connections {
        let needed = kept + FEWEST_CONNECTIONS;
        return Err(TooFewFiles { limit, needed });
    }
    Ok(())
}

/// What is kept open, whatever comes in.
fn kept(needs: Needs) -> u64 {
    let files = count(needs.disks) * PER_DISK + count(needs.replicas) * PER_REPLICA;
    PER_PROCESS + files + count(needs.ways)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_disks_and_replicas_leave() {
        let one = Needs {
            disks: 1,
            replicas: 1,
            ways: 0,
        };
        let kept = PER_PROCESS + PER_DISK + PER_REPLICA;
        assert_eq!(connections(1_048_576, one, 10_000), Ok(10_000));
        assert_eq!(connections(kept + 100, one, 10_000), Ok(100));
        assert_eq!(connections(kept + 1, one, 1), Ok(1));
        assert_eq!(connections(u64::MAX, one, 10_000), Ok(10_000));
        let with_ways = Needs { ways: 30, ..one };
        assert_eq!(connections(kept + 100, with_ways, 10_000), Ok(70));
        let with_more = Needs { ways: 40, ..one };
        assert!(connections(kept + 100, with_more, 10_000).is_err());
        let refused = connections(256, one, 10_000).unwrap_err();
        assert!(refused.to_string().contains("256"), "{refused}");
        let twelve = Needs {
            disks: 12,
            replicas: 5,
            ways: 0,
        };
        assert!(connections(1_024, twelve, 10_000).is_err());
        assert_eq!(connections(4_096, twelve, 100), Ok(100));
    }

    #[test]
    fn a_role_with_more_disks_than_files_is_refused() {
        let disks = |disks| Needs {
            disks,
            ..Needs::default()
        };
        assert_eq!(check(1_024, disks(4), FEWEST_CONNECTIONS), Ok(()));
        let refused = check(1_024, disks(5), FEWEST_CONNECTIONS).unwrap_err();
        assert!(refused.to_string().contains("1024"), "{refused}");
        assert_eq!(check(1_048_576, disks(1_024), FEWEST_CONNECTIONS), Ok(()));
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert_eq!(raise(), most);
    }
}
