//! What the server counted of itself during a measurement.

use cairn_dev_tests::metrics::Scrape;
use serde::Serialize;

/// Differences of counters, per operation where they are called so.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counters {
    /// Syncs of disks, of the Raft log and of its watermark.
    pub(crate) syncs_per_operation: f64,
    /// Requests to the metadata service.
    pub(crate) metadata_rpcs_per_operation: f64,
    /// Requests to the storage service.
    pub(crate) shard_rpcs_per_operation: f64,
    /// Positions sought in the metadata store.
    pub(crate) seeks_per_operation: f64,
    /// Steps from one entry of the metadata store to the next.
    pub(crate) nexts_per_operation: f64,
    /// Bytes of shards written per byte of objects; 1.5 at 4+2 at best.
    pub(crate) shard_bytes_per_byte: Option<f64>,
    /// Bytes of the Raft log per byte of objects.
    pub(crate) log_bytes_per_byte: Option<f64>,
    /// Bytes of shards read per byte of objects.
    pub(crate) read_bytes_per_byte: Option<f64>,
    /// CPU time of the server per operation, in microseconds.
    pub(crate) cpu_micros_per_operation: f64,
    /// CPU time of the server per 10⁹ bytes of objects, in seconds.
    pub(crate) cpu_seconds_per_gb: Option<f64>,
    /// Resident memory when the measurement ended, in MiB.
    pub(crate) resident_mib: f64,
    /// The most resident memory since the server was started, in MiB.
    pub(crate) peak_resident_mib: f64,
    /// Names of counters that this server does not have: what they feed is zero.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown: Vec<String>,
}

const DISK_SYNCS: &str = "cairn_disk_syncs_total";
const LOG_SYNCS: &str = "cairn_raft_log_syncs_total";
const WATERMARK_SYNCS: &str = "cairn_watermark_syncs_total";
const RPCS: &str = "cairn_rpc_requests_total";
const WRITTEN: &str = "cairn_disk_written_bytes_total";
const READ: &str = "cairn_disk_read_bytes_total";
const LOG_BYTES: &str = "cairn_raft_log_bytes_total";
const SEEKS: &str = "cairn_meta_seeks_total";
const NEXTS: &str = "cairn_meta_nexts_total";
const CPU: &str = "process_cpu_seconds_total";
const RESIDENT: &str = "process_resident_memory_bytes";
const PEAK: &str = "process_peak_resident_memory_bytes";

const ALL: [&str; 12] = [
    DISK_SYNCS,
    LOG_SYNCS,
    WATERMARK_SYNCS,
    RPCS,
    WRITTEN,
    READ,
    LOG_BYTES,
    SEEKS,
    NEXTS,
    CPU,
    RESIDENT,
    PEAK,
];

const MIB: f64 = 1024.0 * 1024.0;

impl Counters {
    /// The counters of a measurement that did `operations` and moved `bytes` of objects.
    pub(crate) fn between(before: &Scrape, after: &Scrape, operations: u64, bytes: u64) -> Self {
        let grown = |name, labels: &[_]| after.sum(name, labels) - before.sum(name, labels);
        let (operations, bytes) = (as_float(operations.max(1)), as_float(bytes));
        let per_operation = |value: f64| value / operations;
        let per_byte = |value: f64| (bytes > 0.0).then(|| value / bytes);
        let syncs = [DISK_SYNCS, LOG_SYNCS, WATERMARK_SYNCS];
        let syncs: f64 = syncs.iter().map(|name| grown(name, &[])).sum();
        let cpu = grown(CPU, &[]);
        let unknown = ALL.iter().filter(|name| !after.knows(name));
        Self {
            syncs_per_operation: per_operation(syncs),
            metadata_rpcs_per_operation: per_operation(grown(RPCS, &[("service", "meta")])),
            shard_rpcs_per_operation: per_operation(grown(RPCS, &[("service", "storage")])),
            seeks_per_operation: per_operation(grown(SEEKS, &[])),
            nexts_per_operation: per_operation(grown(NEXTS, &[])),
            shard_bytes_per_byte: per_byte(grown(WRITTEN, &[])),
            log_bytes_per_byte: per_byte(grown(LOG_BYTES, &[])),
            read_bytes_per_byte: per_byte(grown(READ, &[])),
            cpu_micros_per_operation: per_operation(cpu * 1e6),
            cpu_seconds_per_gb: per_byte(cpu * 1e9),
            resident_mib: after.sum(RESIDENT, &[]) / MIB,
            peak_resident_mib: after.sum(PEAK, &[]) / MIB,
            unknown: unknown.map(|name| (*name).to_owned()).collect(),
        }
    }
}

/// Counts of a benchmark are far below 2⁵³, where a float stops being exact.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn counters_are_differences_per_operation_and_per_byte() {
        let before = Scrape::parse("cairn_disk_syncs_total 10\nprocess_cpu_seconds_total 1\n");
        let after = Scrape::parse(
            "cairn_disk_syncs_total 16\ncairn_raft_log_syncs_total 4\nprocess_cpu_seconds_total 3\n\
             cairn_rpc_requests_total{service=\"meta\",method=\"Mutate\"} 20\n\
             cairn_rpc_requests_total{service=\"storage\",method=\"Write\"} 60\n\
             cairn_disk_written_bytes_total 15000\nprocess_peak_resident_memory_bytes 1048576\n",
        );
        let counters = Counters::between(&before, &after, 10, 10_000);
        assert!(close(counters.syncs_per_operation, 1.0));
        assert!(close(counters.metadata_rpcs_per_operation, 2.0));
        assert!(close(counters.shard_rpcs_per_operation, 6.0));
        assert!(close(counters.shard_bytes_per_byte.unwrap(), 1.5));
        assert!(close(counters.cpu_micros_per_operation, 200_000.0));
        assert!(close(counters.peak_resident_mib, 1.0));
        assert!(counters.unknown.contains(&NEXTS.to_owned()));
        let heads = Counters::between(&before, &after, 10, 0);
        assert_eq!(heads.cpu_seconds_per_gb, None);
    }
}
