//! Sizes and keys that have been somebody's bug.

use bytes::Bytes;
use cairn_dev_tests::body::Pattern;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Around the largest inline object (16 KiB), a frame (64 KiB), a cell (1 MiB), a stripe of four cells, and beyond one.
pub(crate) const SIZES: [u64; 18] = [
    0,
    1,
    2,
    16 * KIB - 1,
    16 * KIB,
    16 * KIB + 1,
    64 * KIB - 1,
    64 * KIB,
    64 * KIB + 1,
    MIB - 1,
    MIB,
    MIB + 1,
    4 * MIB - 1,
    4 * MIB,
    4 * MIB + 1,
    5 * MIB,
    8 * MIB + 1,
    10 * MIB + 12_345,
];

/// Keys which are only text to S3, however much they look like paths, queries, markup or code.
pub(crate) const ODD_KEYS: [&str; 35] = [
    " leading",
    "trailing ",
    "two  spaces",
    "a+b",
    "a%20b",
    "a%2Fb",
    "%",
    "%zz",
    "a&b=c",
    "a?b",
    "a#b",
    "a;b,c:d@e",
    "<key attribute=\"x\">",
    "'single' \"double\"",
    "]]>",
    ".",
    "..",
    "../up",
    "a/../b",
    "a/./b",
    "/",
    "//",
    "/leading",
    "trailing/",
    "a//b",
    "back\\slash",
    "tilde~star*bang!(paren)",
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "\u{1}\u{7f}",
    "ключ/鍵/🗝",
    "e\u{301} is not \u{e9}",
    "\u{feff}bom",
    "\u{10ffff}\u{fffd}",
];

/// The content of a key of some length.
pub(crate) fn content(key: &str, len_bytes: u64) -> Bytes {
    Pattern::of(key, 0, len_bytes).bytes()
}

/// Asserts that `found` is `expected`, and names the first difference instead of printing megabytes.
#[track_caller]
pub(crate) fn assert_bytes(found: &[u8], expected: &[u8]) {
    let equal = found
        .iter()
        .zip(expected)
        .take_while(|(left, right)| left == right)
        .count();
    assert!(
        found == expected,
        "{} bytes instead of {}, equal up to byte {equal}",
        found.len(),
        expected.len()
    );
}
