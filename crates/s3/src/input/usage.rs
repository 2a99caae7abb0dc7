//! What Ceph's gateway tells beyond S3: quotas and counters.

use super::request::Request;

/// Whether a `ListBuckets` asks for the quotas of its sender instead.
pub fn asks_usage(request: &Request<'_>) -> bool {
    request.dialect.serves_rgw_extensions() && request.query().contains("usage")
}

/// Whether a `HeadBucket` asks for what the bucket holds as well.
pub fn asks_statistics(request: &Request<'_>) -> bool {
    request.dialect.serves_rgw_extensions() && request.query().get("read-stats") == Some("true")
}
