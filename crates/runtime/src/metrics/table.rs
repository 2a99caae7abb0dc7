//! The table of metrics. A dashboard is built on these names: a row marked stable does not change its name or meaning.

/// What is measured, and how it adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// A distribution of seconds.
    Seconds,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name, the unit last.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// One line for people; the labels are named in it.
    pub help: &'static str,
    /// Whether its name and meaning stay.
    pub stable: bool,
}

const fn row(name: &'static str, kind: Kind, help: &'static str) -> Row {
    Row {
        name,
        kind,
        help,
        stable: true,
    }
}

/// Every metric of Cairn.
pub const TABLE: &[Row] = &[
    row(
        "cairn_disk_syncs_total",
        Kind::Counter,
        "fdatasync calls on segments, by disk",
    ),
    row(
        "cairn_disk_written_bytes_total",
        Kind::Counter,
        "Bytes written to segments, by disk",
    ),
    row(
        "cairn_disk_read_bytes_total",
        Kind::Counter,
        "Bytes read from segments, by disk",
    ),
    row(
        "cairn_disk_damaged_cells_total",
        Kind::Counter,
        "Cells found damaged when read, by disk",
    ),
    row(
        "cairn_disk_live_bytes",
        Kind::Gauge,
        "Bytes of shards that are not removed, by disk",
    ),
    row(
        "cairn_disk_removed_bytes",
        Kind::Gauge,
        "Bytes of removed shards whose space is not given back yet, by disk",
    ),
    row(
        "cairn_disk_available_bytes",
        Kind::Gauge,
        "Bytes that the file system has left, by disk",
    ),
    row(
        "cairn_disk_in_service",
        Kind::Gauge,
        "1 while the disk is in service, by disk",
    ),
    row(
        "cairn_raft_log_syncs_total",
        Kind::Counter,
        "Syncs of the Raft log, all groups of the process together",
    ),
    row(
        "cairn_raft_log_bytes_total",
        Kind::Counter,
        "Bytes of entries appended to the Raft log",
    ),
    row(
        "cairn_raft_entries_applied_total",
        Kind::Counter,
        "Entries applied, by group",
    ),
    row(
        "cairn_raft_is_leader",
        Kind::Gauge,
        "1 where the node leads, by group and node",
    ),
    row(
        "cairn_watermark_syncs_total",
        Kind::Counter,
        "Writes of the durable-index watermark",
    ),
    row(
        "cairn_meta_gets_total",
        Kind::Counter,
        "Point reads of the metadata tables by queries",
    ),
    row(
        "cairn_meta_seeks_total",
        Kind::Counter,
        "Seeks in the metadata tables by queries",
    ),
    row(
        "cairn_meta_nexts_total",
        Kind::Counter,
        "Steps to the next row of the metadata tables by queries",
    ),
    row(
        "cairn_rpc_requests_total",
        Kind::Counter,
        "gRPC requests received, by service and method",
    ),
    row(
        "cairn_rpc_sent_bytes_total",
        Kind::Counter,
        "Bytes sent to other processes over gRPC connections",
    ),
    row(
        "cairn_rpc_received_bytes_total",
        Kind::Counter,
        "Bytes received from other processes over gRPC connections",
    ),
    row(
        "cairn_http_requests_total",
        Kind::Counter,
        "S3 requests answered, by operation and status",
    ),
    row(
        "cairn_http_request_seconds",
        Kind::Seconds,
        "Time from the head of an S3 request to the end of its answer, by operation",
    ),
    row(
        "cairn_http_received_bytes_total",
        Kind::Counter,
        "Bytes of S3 request bodies",
    ),
    row(
        "cairn_http_sent_bytes_total",
        Kind::Counter,
        "Bytes of S3 answer bodies",
    ),
    row("cairn_http_connections", Kind::Gauge, "Open S3 connections"),
    row(
        "cairn_engine_budget_used_bytes",
        Kind::Gauge,
        "Bytes of bodies in flight",
    ),
    row(
        "cairn_engine_degraded_reads_total",
        Kind::Counter,
        "Cells that were decoded from parity because their own was missing, damaged or late",
    ),
    row(
        "cairn_engine_hedged_reads_total",
        Kind::Counter,
        "Cells that were asked for because others were late",
    ),
    row(
        "cairn_engine_withheld_hedges_total",
        Kind::Counter,
        "Reads with late cells for which no others were asked because that is done for one read in ten at most",
    ),
    row(
        "cairn_engine_left_out_shards_total",
        Kind::Counter,
        "Shards left out of a write because they failed or were late",
    ),
    row(
        "cairn_engine_abandoned_blobs_total",
        Kind::Counter,
        "Blobs begun and not committed",
    ),
    row(
        "cairn_worker_reclaimed_blobs_total",
        Kind::Counter,
        "Blobs whose shards were removed from their disks",
    ),
    row(
        "cairn_worker_condemned_blobs_total",
        Kind::Counter,
        "Blobs that were found without any reference and condemned",
    ),
];
