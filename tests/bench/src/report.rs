//! Results, as a table for people or as JSON for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Failure;
use crate::counters::{Counters, as_float};
use crate::load::Tally;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// What was measured.
    pub(crate) name: String,
    /// Requests in flight at a time, or the most of them.
    pub(crate) clients: u32,
    /// Requests per second that were asked for; absent in a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    /// Length of the measurement.
    pub(crate) seconds: f64,
    /// Operations that succeeded.
    pub(crate) operations: u64,
    /// Those per second.
    pub(crate) operations_per_second: f64,
    /// Bytes of objects per second, in MiB.
    pub(crate) mib_per_second: f64,
    /// Latencies of what succeeded, in milliseconds.
    pub(crate) latency_ms: Latency,
    /// What failed, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) errors: BTreeMap<String, u64>,
    /// What the server counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<Counters>,
    /// Figures that only this measurement has.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) figures: BTreeMap<String, f64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Report {
    /// The report of a tally.
    pub(crate) fn new(name: impl Into<String>, clients: u32, tally: &Tally) -> Self {
        let seconds = tally.elapsed.as_secs_f64().max(1e-9);
        let operations = tally.latency.len();
        let millis = |quantile| as_float(tally.latency.value_at_quantile(quantile)) / 1e3;
        Self {
            name: name.into(),
            clients,
            rate: None,
            seconds,
            operations,
            operations_per_second: as_float(operations) / seconds,
            mib_per_second: as_float(tally.bytes) / seconds / f64::from(1 << 20),
            latency_ms: Latency {
                mean: tally.latency.mean() / 1e3,
                p50: millis(0.5),
                p90: millis(0.9),
                p99: millis(0.99),
                p999: millis(0.999),
                max: as_float(tally.latency.max()) / 1e3,
            },
            errors: tally.errors.clone(),
            server: None,
            figures: BTreeMap::new(),
        }
    }

    /// Operations that failed.
    pub(crate) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Adds a figure of its own.
    #[must_use]
    pub(crate) fn with_figure(mut self, name: &str, value: f64) -> Self {
        self.figures.insert(name.to_owned(), value);
        self
    }
}

/// Prints all reports to standard output.
pub(crate) fn print(reports: &[Report], json: bool) -> Result<(), Failure> {
    if json {
        println!("{}", serde_json::to_string_pretty(reports)?);
        return Ok(());
    }
    print_latencies(reports);
    print_counters(reports);
    for report in reports {
        for (figure, value) in &report.figures {
            println!("{}: {figure} {value:.3}", report.name);
        }
        for (reason, count) in &report.errors {
            println!("{}: {count} failed: {reason}", report.name);
        }
    }
    Ok(())
}

fn print_latencies(reports: &[Report]) {
    println!(
        "{:<24} {:>7} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "", "clients", "ops", "ops/s", "MiB/s", "p50 ms", "p90 ms", "p99 ms", "max ms", "failed"
    );
    for report in reports {
        let latency = report.latency_ms;
        println!(
            "{:<24} {:>7} {:>9} {:>10.1} {:>9.1} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>7}",
            report.name,
            report.clients,
            report.operations,
            report.operations_per_second,
            report.mib_per_second,
            latency.p50,
            latency.p90,
            latency.p99,
            latency.max,
            report.failed()
        );
    }
}

fn print_counters(reports: &[Report]) {
    let counted: Vec<(&str, &Counters)> = reports
        .iter()
        .filter_map(|report| Some((report.name.as_str(), report.server.as_ref()?)))
        .collect();
    if counted.is_empty() {
        return;
    }
    println!(
        "\n{:<24} {:>8} {:>8} {:>9} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "per operation",
        "syncs",
        "meta rpc",
        "shard rpc",
        "seeks",
        "nexts",
        "shard B/B",
        "log B/B",
        "read B/B",
        "cpu µs",
        "cpu s/GB",
        "peak MiB"
    );
    let ratio = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |it| format!("{it:.2}"));
    for (name, counters) in &counted {
        println!(
            "{:<24} {:>8.2} {:>8.2} {:>9.2} {:>8.1} {:>8.1} {:>9} {:>9} {:>9} {:>9.0} {:>9} {:>9.0}",
            name,
            counters.syncs_per_operation,
            counters.metadata_rpcs_per_operation,
            counters.shard_rpcs_per_operation,
            counters.seeks_per_operation,
            counters.nexts_per_operation,
            ratio(counters.shard_bytes_per_byte),
            ratio(counters.log_bytes_per_byte),
            ratio(counters.read_bytes_per_byte),
            counters.cpu_micros_per_operation,
            ratio(counters.cpu_seconds_per_gb),
            counters.peak_resident_mib
        );
    }
    let unknown = counted.iter().flat_map(|(_, counters)| &counters.unknown);
    let unknown: std::collections::BTreeSet<&String> = unknown.collect();
    if !unknown.is_empty() {
        println!("not counted by this server: {unknown:?}");
    }
}
