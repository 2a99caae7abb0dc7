//! The text exposition of Prometheus, read back.

use std::collections::BTreeMap;

/// One scrape. Building it costs a pass over the text.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Scrape {
    /// Reads a scrape; lines that are no samples are skipped.
    pub fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(parse_sample)
            .collect();
        Self { samples }
    }

    /// Several scrapes as one, whose samples add up.
    pub fn merged(scrapes: impl IntoIterator<Item = Self>) -> Self {
        let samples = scrapes.into_iter().flat_map(|scrape| scrape.samples);
        Self {
            samples: samples.collect(),
        }
    }

    /// Sum over all samples of `name` that carry every one of `labels`; zero without one.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples
            .iter()
            .filter(|sample| sample.name == name && sample.carries(labels))
            // Not `sum`: of nothing it is −0.
            .fold(0.0, |sum, sample| sum + sample.value)
    }

    /// As [`Scrape::sum`] for what is counted in whole numbers, such as bytes.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        // Through text, because no conversion of a float is checked.
        let whole = format!("{:.0}", self.sum(name, labels));
        whole.parse().unwrap_or_default()
    }

    /// Whether there is any sample of `name`.
    pub fn knows(&self, name: &str) -> bool {
        self.samples.iter().any(|sample| sample.name == name)
    }

    /// The values that a label of `name` takes, each once, in order.
    pub fn label_values(&self, name: &str, label: &str) -> Vec<String> {
        let mut values: Vec<String> = self
            .samples
            .iter()
            .filter(|sample| sample.name == name)
            .filter_map(|sample| sample.labels.get(label).cloned())
            .collect();
        values.sort();
        values.dedup();
        values
    }
}

impl Sample {
    fn carries(&self, labels: &[(&str, &str)]) -> bool {
        labels
            .iter()
            .all(|(name, value)| self.labels.get(*name).is_some_and(|known| known == value))
    }
}

fn parse_sample(line: &str) -> Option<Sample> {
    let (series, rest) = match line.split_once('}') {
        Some((series, rest)) => (series, rest),
        None => line.split_once(' ')?,
    };
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    Some(Sample {
        name: name.to_owned(),
        labels: parse_labels(labels),
        value: rest.split_whitespace().next()?.parse().ok()?,
    })
}

/// Label values of the server hold neither commas nor quotes: they are names of methods, operations and directories.
fn parse_labels(text: &str) -> BTreeMap<String, String> {
    text.split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn samples_are_summed_over_the_labels_asked_for() {
        let scrape = Scrape::parse(
            "# HELP x y\n# TYPE rpc counter\nrpc_total{service=\"meta\",method=\"Put\"} 3\n\
             rpc_total{service=\"storage\",method=\"Put\"} 4 1700000000\nplain 1.5e3\n# EOF\n",
        );
        assert!(equal(scrape.sum("rpc_total", &[("service", "meta")]), 3.0));
        assert!(equal(scrape.sum("rpc_total", &[("method", "Put")]), 7.0));
        assert!(equal(scrape.sum("plain", &[]), 1_500.0));
        assert_eq!(scrape.count("plain", &[]), 1_500);
        assert!(equal(scrape.sum("absent", &[]), 0.0));
        assert!(scrape.knows("plain") && !scrape.knows("absent"));
        assert_eq!(
            scrape.label_values("rpc_total", "service"),
            ["meta", "storage"]
        );
    }
}
