//! What names a request.

use std::fmt;

use cairn_runtime::random;

/// What names a request in answers and logs: `x-amz-request-id`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestTag(u64);

impl RequestTag {
    /// A new one.
    pub(crate) fn new() -> Self {
        Self(random::u64())
    }
}

impl fmt::Display for RequestTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}
