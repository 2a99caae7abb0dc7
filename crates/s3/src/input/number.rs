//! Numbers in queries and headers.

use crate::error::S3Error;
use crate::query::Query;

/// The most rows in a page of a listing.
pub(super) const PAGE_LIMIT: u32 = 1000;

/// A parameter that counts rows, cut to a page; a page when it is missing.
///
/// Source: AWS takes 0 to 2147483647.
pub(super) fn page_len(query: &Query, name: &'static str) -> Result<u32, S3Error> {
    let Some(text) = query.get_nonempty(name) else {
        return Ok(PAGE_LIMIT);
    };
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<i32> = is_number.then(|| text.parse().ok()).flatten();
    match number.and_then(|number| u32::try_from(number).ok()) {
        Some(number) => Ok(number.min(PAGE_LIMIT)),
        None => Err(S3Error::invalid_argument(
            name,
            text,
            format!("Provided {name} not an integer or within integer range"),
        )),
    }
}

/// The number of a part: 1 to 10,000.
pub(super) fn part_number(text: &str) -> Result<u16, S3Error> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok()).flatten();
    match number {
        Some(number @ 1..=10_000) => Ok(number),
        _ => Err(S3Error::invalid_argument(
            "partNumber",
            text,
            "Part number must be an integer between 1 and 10000, inclusive",
        )),
    }
}
