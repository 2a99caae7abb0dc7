//! `suite`: the figures that are compared from one version to the next.

use std::time::Duration;

use crate::Failure;
use crate::args::{Operation, SuiteArgs, TargetArgs};
use crate::load::{Limit, Plan};
use crate::report::Report;
use crate::run::{measure, readable, title};
use crate::target::Target;
use crate::workload::{Workload, create_bucket, remove_bucket};

/// Operation, size, clients, and objects written beforehand.
const STEPS: [(Operation, u64, u32, u64); 10] = [
    (Operation::Put, 4 << 10, 64, 0),
    (Operation::Get, 4 << 10, 64, 1_000),
    (Operation::Put, 64 << 10, 32, 0),
    (Operation::Put, 1 << 20, 16, 0),
    (Operation::Get, 1 << 20, 16, 200),
    (Operation::Put, 64 << 20, 4, 0),
    (Operation::Get, 64 << 20, 4, 8),
    (Operation::Head, 1 << 10, 32, 10_000),
    (Operation::List, 1 << 10, 4, 10_000),
    (Operation::ListDelimiter, 1 << 10, 4, 10_000),
];

/// Measures every step, each in a bucket of its own.
pub(crate) async fn perform(target: &TargetArgs, args: &SuiteArgs) -> Result<Vec<Report>, Failure> {
    let target = Target::new(target)?;
    let client = target.client().clone();
    let mut reports = Vec::new();
    for (operation, size, clients, objects) in STEPS {
        let bucket = create_bucket(&client).await?;
        let workload = Workload::new(&client, &bucket, operation, size);
        workload.fill(objects, clients).await?;
        let plan = Plan {
            clients,
            rate: None,
            limit: Limit::Time(Duration::from_secs(args.seconds)),
        };
        let name = format!("{} {}", title(operation), readable(size));
        eprintln!("{name} …");
        reports.push(measure(&target, &workload, plan, name).await);
        remove_bucket(&client, &bucket).await?;
    }
    Ok(reports)
}
