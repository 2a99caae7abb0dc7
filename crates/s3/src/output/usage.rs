//! What Ceph's gateway tells beyond S3: quotas and counters.

use bytes::Bytes;
use cairn_types::namespace::data::Counters;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::document;
use crate::xml::writer::XmlWriter;

/// How many buckets a user may have, as Ceph's gateway tells by default. Nothing here counts them.
const BUCKETS_LIMIT: u32 = 1000;

/// The answer to `GET /?usage`: nobody has a quota.
pub fn account_usage() -> Response<Bytes> {
    let mut xml = XmlWriter::document();
    xml.open("Usage");
    xml.text("Entries", "");
    xml.open("Summary");
    xml.text("QuotaMaxBytes", "-1");
    xml.value("QuotaMaxBuckets", &BUCKETS_LIMIT);
    xml.text("QuotaMaxObjCount", "-1");
    xml.text("QuotaMaxBytesPerBucket", "-1");
    xml.text("QuotaMaxObjCountPerBucket", "-1");
    xml.close("Summary");
    xml.close("Usage");
    document(xml)
}

/// Says in the head of a bucket what it holds: all of its versions.
pub fn set_statistics(headers: &mut HeaderMap, counters: &Counters) {
    let rows = [
        ("x-rgw-object-count", counters.versions),
        ("x-rgw-bytes-used", counters.version_bytes),
        ("x-rgw-quota-max-buckets", u64::from(BUCKETS_LIMIT)),
    ];
    for (name, value) in rows {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_a_quota() {
        let body = account_usage().into_body();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.contains("<Usage><Entries/><Summary><QuotaMaxBytes>-1</QuotaMaxBytes>"));
        assert!(text.contains("<QuotaMaxBuckets>1000</QuotaMaxBuckets>"));
    }

    #[test]
    fn a_bucket_tells_of_all_its_versions() {
        let counters = Counters {
            objects: 1,
            bytes: 3,
            versions: 2,
            version_bytes: 9,
            ..Counters::default()
        };
        let mut headers = HeaderMap::new();
        set_statistics(&mut headers, &counters);
        assert_eq!(headers["x-rgw-object-count"], "2");
        assert_eq!(headers["x-rgw-bytes-used"], "9");
        assert_eq!(headers["x-rgw-quota-max-buckets"], "1000");
    }
}
