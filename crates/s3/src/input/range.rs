//! Ranges of bytes.

use crate::code::Code;
use crate::error::S3Error;

/// A range as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// From the first to the last byte, or to the end.
    From(u64, Option<u64>),
    /// The last so many bytes.
    Last(u64),
}

/// A range of an object's bytes that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// How many, at least 1.
    pub len: u64,
}

impl RangeSpec {
    /// Reads a `Range` header. `None` for what is to be passed over, so that the whole is sent: other units, several
    /// ranges, and what is malformed. Numbers beyond 64 bits count as the largest.
    ///
    /// Source: RFC 9110, 14.2; S3 sends the whole for several ranges.
    pub fn parse(header: &str) -> Option<Self> {
        let (unit, range) = header.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        match (first, last) {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// The bytes that it means of an object with `len` bytes, or `None` if it has none of them.
    pub const fn resolve(self, len: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            // `last` is the last byte, so the end is one behind it; the largest number stays the largest.
            Self::From(first, Some(last)) if last < len => (first, last + 1),
            Self::From(first, _) => (first, len),
            Self::Last(count) => (len.saturating_sub(count), len),
        };
        if start < end {
            Some(ByteRange {
                start,
                len: end - start,
            })
        } else {
            None
        }
    }
}

impl ByteRange {
    /// The value of `Content-Range` for this part of `object_len` bytes.
    pub fn content_range(self, object_len: u64) -> String {
        let last = self.start.saturating_add(self.len).saturating_sub(1);
        format!("bytes {}-{last}/{object_len}", self.start)
    }
}

/// The answer to a range that the object does not have.
pub(super) fn unsatisfiable(requested: &str, len: u64) -> S3Error {
    S3Error::new(Code::InvalidRange)
        .detail("RangeRequested", requested)
        .detail("ActualObjectSize", len.to_string())
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn ranges_read_as_rfc_9110_says() {
        for (text, expected) in [
            ("bytes=0-0", Some(RangeSpec::From(0, Some(0)))),
            ("Bytes = 5-", Some(RangeSpec::From(5, None))),
            ("bytes=-7", Some(RangeSpec::Last(7))),
            ("bytes=-0", Some(RangeSpec::Last(0))),
            (
                "bytes=1-99999999999999999999",
                Some(RangeSpec::From(1, Some(u64::MAX))),
            ),
            ("bytes=5-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+1-2", None),
            ("items=0-1", None),
            ("0-1", None),
            ("", None),
        ] {
            assert_eq!(RangeSpec::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn an_empty_object_has_no_range() {
        for spec in [
            RangeSpec::From(0, None),
            RangeSpec::From(0, Some(0)),
            RangeSpec::Last(1),
        ] {
            assert_eq!(spec.resolve(0), None);
        }
        let huge = RangeSpec::From(u64::MAX, Some(u64::MAX));
        assert_eq!(huge.resolve(u64::MAX), None);
        let last = RangeSpec::From(u64::MAX - 1, None).resolve(u64::MAX);
        let last = last.unwrap();
        assert_eq!((last.start, last.len), (u64::MAX - 1, 1));
        assert_eq!(
            last.content_range(u64::MAX),
            format!("bytes {0}-{0}/{1}", u64::MAX - 1, u64::MAX)
        );
    }

    /// The bytes that a range means, one by one.
    fn brute_force(spec: RangeSpec, len: u64) -> Vec<u64> {
        let bytes = (0..len).filter(|byte| match spec {
            RangeSpec::From(first, last) => *byte >= first && last.is_none_or(|last| *byte <= last),
            RangeSpec::Last(count) => byte + count >= len,
        });
        bytes.collect()
    }

    proptest! {
        #[test]
        fn a_range_is_what_counting_gives(
            first in 0..40u64, more in 0..40u64, len in 0..40u64, open in any::<bool>(), last in any::<bool>(),
        ) {
            let spec = match (last, open) {
                (true, _) => RangeSpec::Last(first),
                (false, true) => RangeSpec::From(first, None),
                (false, false) => RangeSpec::From(first, Some(first + more)),
            };
            let resolved = spec.resolve(len);
            let bytes: Vec<u64> = resolved
                .map(|range| (range.start..range.start + range.len).collect())
                .unwrap_or_default();
            assert_eq!(bytes, brute_force(spec, len));
        }
    }
}
