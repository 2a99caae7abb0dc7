//! The compatibility page: the published table of a public S3 test suite, with the results of this store beside its columns.
//!
//! Made from two files of `tests/conformance`: `published-table.tsv`, which is the table as it was published in 2021, a row per
//! test, and `s3-tests.results.tsv`, which `make conformance SUITE=…` keeps.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;

/// The published table, from the root of the repository.
pub const PUBLISHED: &str = "tests/conformance/published-table.tsv";
/// The results, from the root of the repository.
pub const RESULTS: &str = "tests/conformance/s3-tests.results.tsv";
/// The page with a row per test, from the root of the repository.
pub const PAGE: &str = "tests/conformance/COMPATIBILITY.md";

/// The category of tests that are newer than the published table.
const NEWER: &str = "Newer than the table";

/// The two files, read.
#[derive(Debug)]
pub struct Compatibility<'a> {
    rows: Vec<Row<'a>>,
}

#[derive(Debug)]
struct Row<'a> {
    category: &'a str,
    test: &'a str,
    /// As published; empty where the test is newer.
    gateway: &'a str,
    aws: &'a str,
    own: Own<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own<'a> {
    Pass,
    Fail(&'a str),
    Skip(&'a str),
    /// The test is no longer in the suite.
    Gone,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    rows: usize,
    gateway: usize,
    aws: usize,
    own: usize,
}

impl<'a> Compatibility<'a> {
    /// Reads both files. `None` when one lacks a column, or has a result that is none.
    pub fn read(published: &'a str, results: &'a str) -> Option<Self> {
        let mut own = HashMap::new();
        let mut order = Vec::new();
        for [test, result, reason] in columns(results, ["test", "result", "reason"])? {
            let result = match result {
                "pass" => Own::Pass,
                "fail" => Own::Fail(reason),
                "skip" => Own::Skip(reason),
                _ => return None,
            };
            own.insert(test, result);
            order.push(test);
        }
        let names = ["category", "test", "s3_gw_2021", "aws_2021", "current_test"];
        let mut rows = Vec::new();
        let mut seen = HashSet::new();
        for [category, published, gateway, aws, current] in columns(published, names)? {
            seen.insert(current);
            rows.push(Row {
                category,
                test: published.rsplit('.').next().unwrap_or(published),
                gateway,
                aws,
                own: own.get(current).copied().unwrap_or(Own::Gone),
            });
        }
        let newer = order.into_iter().filter(|test| !seen.contains(test));
        rows.extend(newer.map(|test| Row {
            category: NEWER,
            test,
            gateway: "",
            aws: "",
            own: own.get(test).copied().unwrap_or(Own::Gone),
        }));
        Some(Self { rows })
    }

    /// What the README says: a row per category, with how many tests pass.
    pub fn summary(&self) -> String {
        let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
        let mut total = Count::default();
        for row in &self.rows {
            let count = counts.entry(row.category).or_default();
            count.add(row);
            total.add(row);
        }
        let newer = counts.remove(NEWER);
        let mut text = String::from(
            "| tests of the published table | tests | a gateway of 2021 | AWS S3 in 2021 | Cairn |\n|---|---|---|---|---|\n",
        );
        let published = Count {
            rows: total.rows - newer.unwrap_or_default().rows,
            own: total.own - newer.unwrap_or_default().own,
            ..total
        };
        for (category, count) in counts.iter().chain([(&"**all**", &published)]) {
            let Count {
                rows,
                gateway,
                aws,
                own,
            } = count;
            push(
                &mut text,
                format_args!("| {category} | {rows} | {gateway} | {aws} | {own} |"),
            );
        }
        if let Some(Count { rows, own, .. }) = newer {
            push(&mut text, format_args!("| {NEWER} | {rows} | | | {own} |"));
        }
        text
    }

    /// The page: a row per test.
    pub fn page(&self) -> String {
        let mut text = String::from(
            "# Compatibility, test by test\n\n\
             The rows and the columns of 2021 are those of the published table of `ceph/s3-tests`; Cairn's are what `make conformance \
             SUITE=…` last saw, on a cluster in the `ceph` dialect. Made by `xtask readme`.\n\n",
        );
        text.push_str(&self.summary());
        let mut category = "";
        for row in &self.rows {
            if row.category != category {
                category = row.category;
                push(
                    &mut text,
                    format_args!(
                        "\n## {category}\n\n| test | gateway of 2021 | AWS S3 in 2021 | Cairn |\n|---|---|---|---|"
                    ),
                );
            }
            let own = match row.own {
                Own::Pass => "ok".to_owned(),
                Own::Fail(reason) => format!("FAIL: {}", cell(reason)),
                Own::Skip(reason) => format!("not run: {}", cell(reason)),
                Own::Gone => "no longer in the suite".to_owned(),
            };
            push(
                &mut text,
                format_args!("| {} | {} | {} | {own} |", row.test, row.gateway, row.aws),
            );
        }
        text
    }
}

impl Count {
    fn add(&mut self, row: &Row<'_>) {
        self.rows += 1;
        self.gateway += usize::from(row.gateway == "ok");
        self.aws += usize::from(row.aws == "ok");
        self.own += usize::from(row.own == Own::Pass);
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}

/// A text that ends no cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// The named columns of a table with a heading, row by row.
fn columns<'a, const N: usize>(table: &'a str, names: [&str; N]) -> Option<Vec<[&'a str; N]>> {
    let mut lines = table.lines();
    let heading: Vec<&str> = lines.next()?.split('\t').collect();
    let mut places = [0; N];
    for (name, place) in names.iter().zip(&mut places) {
        *place = heading.iter().position(|column| column == name)?;
    }
    let mut rows = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        let mut row = [""; N];
        for (place, value) in places.iter().zip(&mut row) {
            *value = cells.get(*place).copied().unwrap_or_default();
        }
        rows.push(row);
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "category\trow\ttest\ts3_gw_2021\taws_2021\tcurrent_test\tstatus\n\
        Tagging\t1\tsuite.test_a\tFAIL\tok\ttest_a\tpresent\n\
        Tagging\t2\tsuite.test_old\tok\tok\ttest_new\trenamed\n\
        CORS\t1\tsuite.test_c\tERROR\tok\t-\tgone\n";
    const OWN: &str = "test\tresult\treason\n\
        test_a\tpass\t\n\
        test_new\tfail\tit says a|b\n\
        test_z\tskip\tnot built\n";

    #[test]
    fn results_stand_beside_the_published_columns() {
        let read = Compatibility::read(TABLE, OWN).unwrap();

        let page = read.page();

        for line in [
            "| test_a | FAIL | ok | ok |",
            "| test_old | ok | ok | FAIL: it says a\\|b |",
            "| test_c | ERROR | ok | no longer in the suite |",
            "| test_z |  |  | not run: not built |",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }

    #[test]
    fn the_summary_counts_what_passes() {
        let summary = Compatibility::read(TABLE, OWN).unwrap().summary();

        for line in [
            "| CORS | 1 | 0 | 1 | 0 |",
            "| Tagging | 2 | 1 | 2 | 1 |",
            "| **all** | 3 | 1 | 3 | 1 |",
            "| Newer than the table | 1 | | | 0 |",
        ] {
            assert!(summary.contains(line), "{line}\n{summary}");
        }
    }

    #[test]
    fn files_that_are_none_are_refused() {
        assert!(Compatibility::read("", OWN).is_none());
        assert!(Compatibility::read(TABLE, "test\tresult\treason\n").is_some());
        assert!(Compatibility::read(TABLE, "test\tresult\nx\tpass\n").is_none());
        assert!(Compatibility::read(TABLE, &OWN.replace("pass", "maybe")).is_none());
    }
}
