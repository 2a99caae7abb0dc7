//! What the process uses, from `/proc/self`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A reading of what this process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessUsage {
    /// CPU time, user and system.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub resident_bytes: u64,
    /// The most there was, in bytes.
    pub peak_resident_bytes: u64,
    /// Open file descriptors.
    pub open_files: u64,
}

impl ProcessUsage {
    /// Reads it. What cannot be read (no `/proc`) is 0. Blocking, some microseconds.
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let open_files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Self {
            cpu: cpu_time(&stat),
            resident_bytes: kib_line(&status, "VmRSS:") * 1024,
            peak_resident_bytes: kib_line(&status, "VmHWM:") * 1024,
            open_files: open_files.try_into().unwrap_or(u64::MAX),
        }
    }
}

/// The memory limit of this process's control group, in bytes: the lowest on the way up to the root; `None` without one.
pub fn memory_limit_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limit_files(&groups)
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok())
        // Version 1 says "no limit" with a number close to 2⁶³, version 2 with a word.
        .filter(|limit: &u64| *limit < 1 << 60)
        .min()
}

/// Where the limits of a process stand whose `/proc/self/cgroup` is this (see cgroups(7)), version 1 and 2. In a container
/// the path may be the host's, and the container's own group is mounted at the root.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (root, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        let relative = Path::new(path.trim_start_matches('/'));
        files.extend(
            relative
                .ancestors()
                .map(|group| Path::new(root).join(group).join(file)),
        );
    }
    files
}

fn kib_line(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// Fields 14 and 15 of `/proc/self/stat` (see proc(5)), counted behind the command name, which may hold spaces.
fn cpu_time(stat: &str) -> Duration {
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(ticks * 1000 / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_memory_and_files() {
        let usage = ProcessUsage::read();
        assert!(usage.resident_bytes > 100_000);
        assert!(usage.peak_resident_bytes >= usage.resident_bytes / 2);
        assert!(usage.open_files >= 3);
    }

    #[test]
    fn limits_are_looked_for_up_to_the_root() {
        let paths = |groups| {
            let files = limit_files(groups);
            let files = files.iter().map(|path| path.display().to_string());
            files.collect::<Vec<_>>()
        };
        assert_eq!(
            paths("0::/a/b\n"),
            [
                "/sys/fs/cgroup/a/b/memory.max",
                "/sys/fs/cgroup/a/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            paths("5:cpu,cpuacct:/x\n4:memory:/y\nnonsense\n"),
            [
                "/sys/fs/cgroup/memory/y/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
    }

    #[test]
    fn cpu_time_is_found_behind_odd_names() {
        let stat = "12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        let ticks = 200 * 1000 / rustix::param::clock_ticks_per_second();
        assert_eq!(cpu_time(stat), Duration::from_millis(ticks));
    }
}
