//! The operations that are measured, and the objects they need.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::client::{S3, SendError};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use crate::Failure;
use crate::args::Operation;
use crate::load::{Done, Limit, Plan, drive};

/// How far bodies are shifted against each other, so that no two neighbours are equal.
const SLACK_BYTES: u64 = 64 * 1024;
/// Objects below one common prefix.
const PER_PREFIX: u64 = 100;

/// One kind of operation on objects of one size in one bucket. Cloning shares everything.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    operation: Operation,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: S3,
    bucket: String,
    size: u64,
    // As long as the largest body and the slack: bodies are slices of it, and cost nothing to make.
    content: Bytes,
    // Objects with numbers below `written` and from `deleted` on are there.
    written: AtomicU64,
    deleted: AtomicU64,
}

impl Workload {
    /// A workload whose objects, if it needs any, are still to be written.
    pub(crate) fn new(client: &S3, bucket: &str, operation: Operation, size: u64) -> Self {
        Self {
            operation,
            shared: Arc::new(Shared {
                client: client.clone(),
                bucket: bucket.to_owned(),
                size,
                content: Pattern::of("content", size, size + SLACK_BYTES).bytes(),
                written: AtomicU64::new(0),
                deleted: AtomicU64::new(0),
            }),
        }
    }

    /// Another operation on the same objects.
    pub(crate) fn with_operation(&self, operation: Operation) -> Self {
        Self {
            operation,
            shared: Arc::clone(&self.shared),
        }
    }

    /// The operation.
    pub(crate) fn operation(&self) -> Operation {
        self.operation
    }

    /// Size of its objects in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.shared.size
    }

    /// Writes objects until there are `count`.
    pub(crate) async fn fill(&self, count: u64, clients: u32) -> Result<(), Failure> {
        let workload = self.clone();
        let missing = count.saturating_sub(self.shared.written.load(Ordering::Relaxed));
        let plan = Plan {
            clients,
            rate: None,
            limit: Limit::Count(missing),
        };
        let tally = drive(plan, move |_| {
            let workload = workload.clone();
            async move { workload.put().await }
        })
        .await;
        match tally.errors.into_keys().next() {
            Some(reason) => Err(Failure::Preparation {
                what: "write objects",
                reason,
            }),
            None => Ok(()),
        }
    }

    /// A head of the object in the middle.
    pub(crate) fn middle_head(&self) -> Request {
        let middle = self.shared.written.load(Ordering::Relaxed) / 2;
        Request::key("HEAD", &self.shared.bucket, &self.key(middle))
    }

    /// Does the operation once.
    pub(crate) async fn perform(&self, index: u64) -> Result<Done, String> {
        match self.operation {
            Operation::Put => self.put().await,
            Operation::Get => self.get(index).await,
            Operation::Head => self.head(index).await,
            Operation::List => self.list(index, false).await,
            Operation::ListDelimiter => self.list(index, true).await,
            Operation::Delete => self.delete().await,
            Operation::Mixed => match scattered(index) % 100 {
                0..45 => self.get(index).await,
                45..75 => self.head(index).await,
                75..90 => self.put().await,
                _ => self.delete().await,
            },
        }
    }

    async fn put(&self) -> Result<Done, String> {
        let number = self.shared.written.fetch_add(1, Ordering::Relaxed);
        let shift = scattered(number) % SLACK_BYTES;
        let from = usize::try_from(shift).map_err(|error| error.to_string())?;
        let len = usize::try_from(self.shared.size).map_err(|error| error.to_string())?;
        let body = self.shared.content.slice(from..from + len);
        let key = self.key(number);
        let put = Request::key("PUT", &self.shared.bucket, &key).body(body);
        expect(self.shared.client.send(put).await, 200)?;
        Ok(Done {
            bytes: self.shared.size,
        })
    }

    async fn get(&self, index: u64) -> Result<Done, String> {
        let get = Request::key("GET", &self.shared.bucket, &self.any_key(index));
        let mut bytes = 0;
        let counting = |piece: &[u8]| bytes += u64::try_from(piece.len()).unwrap_or_default();
        let sent = self.shared.client.stream(get, counting).await;
        expect(sent, 200)?;
        if bytes != self.shared.size {
            return Err(format!("{bytes} bytes instead of {}", self.shared.size));
        }
        Ok(Done { bytes })
    }

    async fn head(&self, index: u64) -> Result<Done, String> {
        let head = Request::key("HEAD", &self.shared.bucket, &self.any_key(index));
        expect(self.shared.client.send(head).await, 200)?;
        Ok(Done::default())
    }

    async fn delete(&self) -> Result<Done, String> {
        let number = self.shared.deleted.fetch_add(1, Ordering::Relaxed);
        let delete = Request::key("DELETE", &self.shared.bucket, &self.key(number));
        expect(self.shared.client.send(delete).await, 204)?;
        Ok(Done::default())
    }

    async fn list(&self, index: u64, delimited: bool) -> Result<Done, String> {
        let list = Request::new("GET", format!("/{}", self.shared.bucket));
        let list = list.query("list-type", "2");
        let list = if delimited {
            list.query("prefix", format!("{}/", self.shared.size))
                .query("delimiter", "/")
        } else {
            list.query("start-after", self.any_key(index))
        };
        expect(self.shared.client.send(list).await, 200)?;
        Ok(Done::default())
    }

    /// Some key of the middle half: those at the ends may this moment be written or deleted.
    fn any_key(&self, index: u64) -> String {
        let deleted = self.shared.deleted.load(Ordering::Relaxed);
        let written = self.shared.written.load(Ordering::Relaxed);
        let there = written.saturating_sub(deleted).max(1);
        let within = there / 4 + scattered(index) % (there / 2).max(1);
        self.key(deleted + within)
    }

    fn key(&self, number: u64) -> String {
        key(self.shared.size, number, PER_PREFIX)
    }
}

/// A key that sorts by its number, below one of many prefixes.
pub(crate) fn key(size: u64, number: u64, per_prefix: u64) -> String {
    format!("{size}/{:08}/{number:012}", number / per_prefix.max(1))
}

/// A number that looks like none of its neighbours' (`SplitMix64`).
pub(crate) fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A bucket of its own for a run.
pub(crate) async fn create_bucket(client: &S3) -> Result<String, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    let bucket = format!("cairn-bench-{millis:x}-{}", std::process::id());
    match expect(client.create_bucket(&bucket).await, 200) {
        Ok(()) => Ok(bucket),
        Err(reason) => Err(Failure::Preparation {
            what: "create a bucket",
            reason,
        }),
    }
}

/// Removes a bucket with all that is in it.
pub(crate) async fn remove_bucket(client: &S3, bucket: &str) -> Result<(), Failure> {
    let failed = |reason: String| Failure::Preparation {
        what: "remove the bucket",
        reason,
    };
    let keys = client.list_keys(bucket).await;
    let keys: Arc<[String]> = keys.ok_or_else(|| failed("list".to_owned()))?.into();
    let plan = Plan {
        clients: 32,
        rate: None,
        limit: Limit::Count(u64::try_from(keys.len()).unwrap_or(u64::MAX)),
    };
    let (deleter, name) = (client.clone(), bucket.to_owned());
    let tally = drive(plan, move |index| {
        let (client, name, keys) = (deleter.clone(), name.clone(), Arc::clone(&keys));
        async move {
            let key = usize::try_from(index).ok().and_then(|at| keys.get(at));
            let key = key.ok_or("no such key")?;
            expect(client.delete(&name, key).await, 204)?;
            Ok(Done::default())
        }
    })
    .await;
    if let Some(reason) = tally.errors.into_keys().next() {
        return Err(failed(reason));
    }
    let delete = Request::new("DELETE", format!("/{bucket}"));
    expect(client.send(delete).await, 204).map_err(failed)
}

/// The reason why an operation did not end as it should, without what differs from one to the next.
pub(crate) fn expect(sent: Result<Answer, SendError>, status: u16) -> Result<(), String> {
    match sent {
        Ok(answer) if answer.status == status => Ok(()),
        Ok(answer) => {
            let code = answer.code().unwrap_or_default();
            Err(format!("{} {code}", answer.status).trim().to_owned())
        }
        Err(SendError::Connect(_)) => Err("no connection".to_owned()),
        Err(SendError::Deadline(_)) => Err("deadline".to_owned()),
        Err(SendError::Send(_) | SendError::Receive(_)) => Err("connection broke".to_owned()),
    }
}
