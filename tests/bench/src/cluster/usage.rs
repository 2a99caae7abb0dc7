//! What the processes of a cluster count of themselves, by process.

use std::collections::BTreeMap;

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::Role;
use cairn_dev_tests::metrics::Scrape;

use crate::Failure;

const CPU: &str = "process_cpu_seconds_total";
const RESIDENT: &str = "process_resident_memory_bytes";
const SENT: &str = "cairn_rpc_sent_bytes_total";
const LOG_SYNCS: &str = "cairn_raft_log_syncs_total";
const WATERMARK_SYNCS: &str = "cairn_watermark_syncs_total";

/// One look at all processes that run.
#[derive(Debug)]
pub(crate) struct Usage {
    processes: BTreeMap<String, (Role, Scrape)>,
}

impl Usage {
    /// Looks at every process that runs.
    pub(crate) fn look(cluster: &Cluster) -> Result<Self, Failure> {
        let description = cluster.description();
        let mut processes = BTreeMap::new();
        for process in description.processes.iter().filter(|one| one.pid.is_some()) {
            let scrape = process.scrape().ok_or_else(|| {
                let name = &process.name;
                Failure::Bar(format!("{name} does not give its metrics"))
            })?;
            if process.role != Role::Gateway && !scrape.knows(SENT) {
                let name = &process.name;
                return Err(Failure::Bar(format!("{name} does not count {SENT}")));
            }
            processes.insert(process.name.clone(), (process.role, scrape));
        }
        Ok(Self { processes })
    }

    /// Seconds of CPU since `before`, of one role or of all.
    pub(crate) fn cpu_seconds(&self, before: &Self, role: Option<Role>) -> f64 {
        self.grown(before, role, &[CPU]).values().sum()
    }

    /// Bytes that the roles have sent each other since `before`: requests and answers, each counted where it was sent.
    pub(crate) fn sent_bytes(&self, before: &Self) -> f64 {
        self.grown(before, None, &[SENT]).values().sum()
    }

    /// Syncs of log and watermark of each metadata node since `before`.
    pub(crate) fn metadata_syncs(&self, before: &Self) -> BTreeMap<String, f64> {
        let syncs = [LOG_SYNCS, WATERMARK_SYNCS];
        self.grown(before, Some(Role::Meta), &syncs)
    }

    /// Resident memory of one role or of all, in MiB.
    pub(crate) fn resident_mib(&self, role: Option<Role>) -> f64 {
        let of_role = self.of_role(role);
        let bytes: f64 = of_role.map(|(_, scrape)| scrape.sum(RESIDENT, &[])).sum();
        bytes / f64::from(1 << 20)
    }

    fn grown(&self, before: &Self, role: Option<Role>, names: &[&str]) -> BTreeMap<String, f64> {
        let of_role = self.of_role(role);
        let grown = of_role.filter_map(|(process, after)| {
            let (_, before) = before.processes.get(process)?;
            let grown = names
                .iter()
                .map(|name| after.sum(name, &[]) - before.sum(name, &[]));
            Some((process.clone(), grown.sum()))
        });
        grown.collect()
    }

    fn of_role(&self, role: Option<Role>) -> impl Iterator<Item = (&String, &Scrape)> {
        self.processes
            .iter()
            .filter(move |(_, (known, _))| role.is_none_or(|role| role == *known))
            .map(|(process, (_, scrape))| (process, scrape))
    }
}
