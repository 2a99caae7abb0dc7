//! `keys`: whether a page costs the same wherever it lies among very many keys.

use cairn_dev_tests::client::S3;
use cairn_dev_tests::request::Request;

use crate::Failure;
use crate::args::{KeysArgs, TargetArgs};
use crate::counters::Counters;
use crate::load::{Done, Limit, Plan, drive};
use crate::report::Report;
use crate::target::Target;
use crate::workload::{create_bucket, expect, key, remove_bucket};

/// What a page asks for beside the bucket.
#[derive(Clone, Debug, Default)]
struct Page {
    start_after: Option<String>,
    prefix: Option<String>,
    delimiter: Option<&'static str>,
}

/// Writes the keys, then lists at several places.
pub(crate) async fn perform(
    target_args: &TargetArgs,
    args: &KeysArgs,
) -> Result<Vec<Report>, Failure> {
    let target = Target::new(target_args)?;
    let client = target.client().clone();
    let bucket = create_bucket(&client).await?;
    let per_prefix = (args.count / args.prefixes.max(1)).max(1);
    let mut reports = vec![write(&target, &bucket, args, per_prefix).await?];
    let after = |number: u64| Page {
        start_after: Some(key(0, number, per_prefix)),
        ..Page::default()
    };
    let level = |start_after| Page {
        start_after,
        prefix: Some("0/".to_owned()),
        delimiter: Some("/"),
    };
    let middle = key(0, args.count / 2, per_prefix);
    for (name, page) in [
        ("first page", Page::default()),
        ("page in the middle", after(args.count / 2)),
        ("page near the end", after(args.count.saturating_sub(1_100))),
        ("level of prefixes", level(None)),
        ("level from the middle", level(Some(middle))),
    ] {
        reports.push(list(&target, &bucket, args.pages, name, page).await);
    }
    if target_args.endpoint.is_some() {
        remove_bucket(&client, &bucket).await?;
    }
    compare(&mut reports, 1, 2);
    compare(&mut reports, 4, 5);
    Ok(reports)
}

/// Notes how much longer a page in the middle takes than the first of its kind.
fn compare(reports: &mut [Report], first: usize, middle: usize) {
    let median = |at: usize| reports.get(at).map_or(0.0, |report| report.latency_ms.p50);
    let ratio = median(middle) / median(first).max(1e-6);
    if let Some(report) = reports.get_mut(middle) {
        *report = report
            .clone()
            .with_figure("times the first page (p50)", ratio);
    }
}

async fn write(
    target: &Target,
    bucket: &str,
    args: &KeysArgs,
    per_prefix: u64,
) -> Result<Report, Failure> {
    let plan = Plan {
        clients: args.clients,
        rate: None,
        limit: Limit::Count(args.count),
    };
    let before = target.scrape();
    let (client, name) = (target.client().clone(), bucket.to_owned());
    let tally = drive(plan, move |index| {
        let (client, name) = (client.clone(), name.clone());
        async move {
            let put = Request::key("PUT", &name, &key(0, index, per_prefix));
            expect(client.send(put).await, 200)?;
            Ok(Done::default())
        }
    })
    .await;
    let mut report = Report::new("PUT of empty objects", args.clients, &tally);
    if let (Some(before), Some(after)) = (before, target.scrape()) {
        report.server = Some(Counters::between(&before, &after, report.operations, 0));
    }
    match tally.errors.into_keys().next() {
        Some(reason) => Err(Failure::Preparation {
            what: "write keys",
            reason,
        }),
        None => Ok(report),
    }
}

/// One client: what is asked is how long a page takes, not how many fit into a second.
async fn list(target: &Target, bucket: &str, pages: u64, name: &str, page: Page) -> Report {
    let plan = Plan {
        clients: 1,
        rate: None,
        limit: Limit::Count(pages),
    };
    let before = target.scrape();
    let (client, bucket) = (target.client().clone(), bucket.to_owned());
    let tally = drive(plan, move |_| {
        let (client, bucket, page) = (client.clone(), bucket.clone(), page.clone());
        async move { one_page(&client, &bucket, &page).await }
    })
    .await;
    let mut report = Report::new(name, 1, &tally);
    if let (Some(before), Some(after)) = (before, target.scrape()) {
        report.server = Some(Counters::between(&before, &after, report.operations, 0));
    }
    report
}

async fn one_page(client: &S3, bucket: &str, page: &Page) -> Result<Done, String> {
    let mut list = Request::new("GET", format!("/{bucket}")).query("list-type", "2");
    if let Some(start_after) = &page.start_after {
        list = list.query("start-after", start_after);
    }
    if let Some(prefix) = &page.prefix {
        list = list.query("prefix", prefix);
    }
    if let Some(delimiter) = page.delimiter {
        list = list.query("delimiter", delimiter);
    }
    expect(client.send(list).await, 200)?;
    Ok(Done::default())
}
