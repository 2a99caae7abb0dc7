//! Metrics: every one is a row of `table`, and only those can be counted.

mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter as FamilyCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge as FamilyGauge;
use prometheus_client::metrics::histogram::{Histogram as FamilyHistogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::process::ProcessUsage;

pub use table::{Kind, Row, TABLE};

/// A number that only grows.
pub type Counter = FamilyCounter;
/// A number that goes up and down.
pub type Gauge = FamilyGauge;
/// A distribution of seconds, in buckets of a factor 2 from 0.5 ms to 33 s.
pub type Histogram = FamilyHistogram;

type Labels = Vec<(String, String)>;
type HistogramFamily = Family<Labels, Histogram, fn() -> Histogram>;

/// The metrics of a process. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    families: Arc<BTreeMap<&'static str, AnyFamily>>,
    registry: Arc<Mutex<Registry>>,
    started: std::time::Duration,
}

enum AnyFamily {
    Counter(Family<Labels, Counter>),
    Gauge(Family<Labels, Gauge>),
    Histogram(HistogramFamily),
}

impl Metrics {
    /// All rows of the table, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let mut families = BTreeMap::new();
        for row in TABLE {
            let family = match row.kind {
                Kind::Counter => {
                    let family = Family::<Labels, Counter>::default();
                    // The library writes `_total` behind a counter's name.
                    let stem = row.name.strip_suffix("_total").unwrap_or(row.name);
                    registry.register(stem, row.help, family.clone());
                    AnyFamily::Counter(family)
                }
                Kind::Gauge => {
                    let family = Family::<Labels, Gauge>::default();
                    registry.register(row.name, row.help, family.clone());
                    AnyFamily::Gauge(family)
                }
                Kind::Seconds => {
                    let family = HistogramFamily::new_with_constructor(new_histogram);
                    registry.register(row.name, row.help, family.clone());
                    AnyFamily::Histogram(family)
                }
            };
            families.insert(row.name, family);
        }
        Self {
            families: Arc::new(families),
            registry: Arc::new(Mutex::new(registry)),
            started: ProcessUsage::read().cpu,
        }
    }

    /// The counter of this name and these labels; keep it, looking it up takes a lock.
    ///
    /// Panics: when the table has no such counter.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Counter {
        match self.families.get(name) {
            Some(AnyFamily::Counter(family)) => family.get_or_create(&owned(labels)).clone(),
            _ => panic!("no counter {name:?} in the table of metrics"),
        }
    }

    /// The gauge of this name and these labels.
    ///
    /// Panics: when the table has no such gauge.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Gauge {
        match self.families.get(name) {
            Some(AnyFamily::Gauge(family)) => family.get_or_create(&owned(labels)).clone(),
            _ => panic!("no gauge {name:?} in the table of metrics"),
        }
    }

    /// The histogram of this name and these labels.
    ///
    /// Panics: when the table has no such histogram.
    pub fn seconds(&self, name: &str, labels: &[(&str, &str)]) -> Histogram {
        match self.families.get(name) {
            Some(AnyFamily::Histogram(family)) => family.get_or_create(&owned(labels)).clone(),
            _ => panic!("no histogram {name:?} in the table of metrics"),
        }
    }

    /// All of them in Prometheus' text format, the process's own among them.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let registry = self
            .registry
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        encode(&mut text, &registry).expect("writing to a string does not fail");
        let end = text.len() - "# EOF\n".len();
        text.truncate(end);
        self.render_process(&mut text);
        text.push_str("# EOF\n");
        text
    }

    /// CPU seconds count from the making of these metrics, so that two readings can be compared.
    fn render_process(&self, text: &mut String) {
        use std::fmt::Write;
        let usage = ProcessUsage::read();
        let cpu = usage.cpu.saturating_sub(self.started).as_secs_f64();
        let rows = [
            ("process_cpu_seconds_total", "counter", cpu.to_string()),
            (
                "process_resident_memory_bytes",
                "gauge",
                usage.resident_bytes.to_string(),
            ),
            (
                "process_peak_resident_memory_bytes",
                "gauge",
                usage.peak_resident_bytes.to_string(),
            ),
            ("process_open_fds", "gauge", usage.open_files.to_string()),
        ];
        for (name, kind, value) in rows {
            let family = name.strip_suffix("_total").unwrap_or(name);
            writeln!(text, "# TYPE {family} {kind}\n{name} {value}")
                .expect("writing to a string does not fail");
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn new_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 17))
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::new();
        metrics
            .counter("cairn_disk_syncs_total", &[("disk", "a")])
            .inc_by(3);
        let text = metrics.render();
        assert!(
            text.contains("cairn_disk_syncs_total{disk=\"a\"} 3\n"),
            "{text}"
        );
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn names_are_unique_and_carry_their_unit() {
        let mut names: Vec<_> = TABLE.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        for row in TABLE {
            assert!(row.name.starts_with("cairn_"), "{}", row.name);
            let suffix = match row.kind {
                Kind::Counter => "_total",
                Kind::Seconds => "_seconds",
                Kind::Gauge => continue,
            };
            assert!(row.name.ends_with(suffix), "{}", row.name);
        }
    }
}
