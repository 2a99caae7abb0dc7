//! What requests say of a new object beside its bytes, and what reads tell of it.

use cairn_dev_tests::checksum::md5_base64;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::encode;
use cairn_dev_tests::wire::Answer;

use crate::call::{Difference, INVALID_REQUEST, Refusals, same, same_header};
use crate::world::{Settings, World};

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const HOLD: &str = "x-amz-object-lock-legal-hold";

/// Adds everything to a request that makes an object or begins an upload.
pub(crate) fn asked(settings: &Settings, mut request: Request) -> Request {
    for (name, value) in &settings.headers {
        request = request.header(name, value.clone());
    }
    if !settings.tags.is_empty() {
        request = request.header("x-amz-tagging", tag_header(&settings.tags));
    }
    locked(settings, request)
}

/// Adds what is said of locks.
pub(crate) fn locked(settings: &Settings, mut request: Request) -> Request {
    if let Some(is_held) = settings.hold {
        request = request.header(HOLD, hold_name(is_held));
    }
    if let Some(until) = &settings.retained_until {
        request = request
            .header(MODE, "GOVERNANCE")
            .header(UNTIL, until.clone());
    }
    if settings.is_locking() {
        // Requests that lock need a checksum of their body.
        let digest = md5_base64(&request.body);
        request = request.header("content-md5", digest);
    }
    request
}

/// Tags as a header has them.
pub(crate) fn tag_header(tags: &[(String, String)]) -> String {
    let tag = |(name, value): &(String, String)| {
        let (name, value) = (name.as_bytes(), value.as_bytes());
        format!("{}={}", encode(name, false), encode(value, false))
    };
    tags.iter().map(tag).collect::<Vec<_>>().join("&")
}

pub(crate) const fn hold_name(is_held: bool) -> &'static str {
    if is_held { "ON" } else { "OFF" }
}

/// Why a bucket does not take locks of new objects.
pub(crate) fn add_refusals(
    refusals: &mut Refusals,
    settings: &Settings,
    world: &World,
    bucket: &str,
) {
    let has_lock = world
        .buckets
        .get(bucket)
        .is_none_or(|bucket| bucket.has_lock);
    refusals.add_if(settings.is_locking() && !has_lock, INVALID_REQUEST);
}

impl Settings {
    fn is_locking(&self) -> bool {
        self.hold.is_some() || self.retained_until.is_some()
    }

    /// Compares what a read tells.
    ///
    /// # Errors
    /// The first difference.
    pub(crate) fn judge(&self, answer: &Answer) -> Result<(), Difference> {
        let told = |name: &str| name.starts_with("x-amz-meta-") || TOLD.contains(&name);
        let mut said: Vec<(&str, &str)> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| told(name))
            .collect();
        said.sort_unstable();
        let mut expected: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        if !self.headers.contains_key("content-type") {
            expected.push(("content-type", "binary/octet-stream"));
        }
        expected.sort_unstable();
        same("headers of the object", &expected, &said)?;
        let tags = (!self.tags.is_empty()).then(|| self.tags.len().to_string());
        same_header(answer, "x-amz-tagging-count", tags.as_deref())?;
        same_header(answer, HOLD, self.hold.map(hold_name))?;
        let mode = self.retained_until.as_ref().map(|_| "GOVERNANCE");
        same_header(answer, MODE, mode)?;
        let until = answer.header(UNTIL).map(str::to_owned);
        same(UNTIL, &self.retained_until, &until.map(bare_date))
    }
}

/// A date without fractions of a second, which S3 may tell or not.
pub(crate) fn bare_date(date: String) -> String {
    match date.strip_suffix(".000Z") {
        Some(bare) => format!("{bare}Z"),
        None => date,
    }
}

const TOLD: [&str; 5] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-encoding",
];
