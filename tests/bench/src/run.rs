//! `run`: operations of one's choice, one measurement after the other.

use std::time::Duration;

use crate::Failure;
use crate::args::{Operation, RunArgs, TargetArgs};
use crate::counters::Counters;
use crate::load::{Limit, Plan, drive};
use crate::report::Report;
use crate::target::Target;
use crate::workload::{Workload, create_bucket, remove_bucket};

const FILL_CLIENTS: u32 = 16;

/// Measures each operation at each size.
pub(crate) async fn perform(target: &TargetArgs, args: &RunArgs) -> Result<Vec<Report>, Failure> {
    let target = Target::new(target)?;
    let client = target.client().clone();
    let bucket = match &args.bucket {
        Some(bucket) => bucket.clone(),
        None => create_bucket(&client).await?,
    };
    let limit = match args.count {
        Some(count) => Limit::Count(count),
        None => Limit::Time(Duration::from_secs(args.seconds)),
    };
    let plan = Plan {
        clients: args.clients,
        rate: args.rate,
        limit,
    };
    let mut reports = Vec::new();
    for &size in &args.sizes {
        for &operation in &args.operations {
            let workload = Workload::new(&client, &bucket, operation, size);
            let (needed, plan) = needed(operation, args.objects, plan);
            workload.fill(needed, FILL_CLIENTS).await?;
            let name = format!("{} {}", title(operation), readable(size));
            reports.push(measure(&target, &workload, plan, name).await);
        }
    }
    if args.bucket.is_none() {
        remove_bucket(&client, &bucket).await?;
    }
    Ok(reports)
}

/// Measures a workload, between two looks at the server's metrics.
pub(crate) async fn measure(
    target: &Target,
    workload: &Workload,
    plan: Plan,
    name: String,
) -> Report {
    let before = target.scrape();
    let work = workload.clone();
    let tally = drive(plan, move |index| {
        let work = work.clone();
        async move { work.perform(index).await }
    })
    .await;
    let after = target.scrape();
    let mut report = Report::new(name, plan.clients, &tally);
    report.rate = plan.rate;
    if let (Some(before), Some(after)) = (before, after) {
        let counters = Counters::between(&before, &after, report.operations, tally.bytes);
        report.server = Some(counters);
    }
    report
}

/// How many objects an operation needs beforehand, and the plan that suits them: what is deleted is gone.
fn needed(operation: Operation, objects: u64, plan: Plan) -> (u64, Plan) {
    match operation {
        Operation::Put => (0, plan),
        Operation::Delete => {
            let limit = match plan.limit {
                Limit::Count(count) => Limit::Count(count),
                Limit::Time(_) => Limit::Count(objects),
            };
            let needed = match limit {
                Limit::Count(count) => count,
                Limit::Time(_) => objects,
            };
            (needed, Plan { limit, ..plan })
        }
        _ => (objects.max(1), plan),
    }
}

/// The name of an operation in a report.
pub(crate) fn title(operation: Operation) -> &'static str {
    match operation {
        Operation::Put => "PUT",
        Operation::Get => "GET",
        Operation::Head => "HEAD",
        Operation::List => "LIST",
        Operation::ListDelimiter => "LIST by level",
        Operation::Delete => "DELETE",
        Operation::Mixed => "mixed",
    }
}

/// A size as people write it.
pub(crate) fn readable(size: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if size >> shift > 0 && size.trailing_zeros() >= shift {
            return format!("{} {unit}", size >> shift);
        }
    }
    format!("{size} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(readable(4_096), "4 KiB");
        assert_eq!(readable(64 << 20), "64 MiB");
        assert_eq!(readable(1_000), "1000 B");
        assert_eq!(readable(0), "0 B");
    }
}
