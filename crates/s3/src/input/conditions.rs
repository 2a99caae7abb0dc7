//! Conditional requests.

use cairn_types::etag::ETag;
use cairn_types::namespace::data::{DeleteCondition, ETagCondition, WriteCondition};
use cairn_types::time::Timestamp;
use http::HeaderMap;

use super::request::{Request, header_text};
use crate::date::{parse_http_date, parse_iso8601};
use crate::error::S3Error;

/// An ETag that no object has: there are no uploads of 65,535 parts. It stands for a text that is no ETag, so that
/// `If-Match` with it is decided where all others are.
pub const NO_OBJECTS_ETAG: ETag = ETag::from_parts([0; 16], u16::MAX);

/// What must hold of an object for it to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadConditions {
    wanted: Option<Tags>,
    known: Option<Tags>,
    modified_since: Option<Timestamp>,
    unmodified_since: Option<Timestamp>,
}

/// What conditions say of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They hold.
    Proceed,
    /// The reader has it already: 304; for a copy, 412.
    NotModified,
    /// One does not hold: 412. The name of its header.
    PreconditionFailed(&'static str),
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    Any,
    /// Each with whether it is weak, without quotes.
    Of(Vec<(String, bool)>),
}

impl ReadConditions {
    /// The conditions of a read. Dates that cannot be read are passed over, as HTTP asks.
    ///
    /// # Errors
    /// `InvalidArgument` for a header that is not UTF-8.
    pub fn parse(headers: &HeaderMap) -> Result<Self, S3Error> {
        Ok(Self {
            wanted: tags(headers, "if-match")?,
            known: tags(headers, "if-none-match")?,
            modified_since: time(headers, "if-modified-since")?,
            unmodified_since: time(headers, "if-unmodified-since")?,
        })
    }

    /// The conditions on the source of a copy.
    ///
    /// # Errors
    /// `InvalidArgument` for a header that is not UTF-8.
    pub fn parse_copy(headers: &HeaderMap) -> Result<Self, S3Error> {
        Ok(Self {
            wanted: tags(headers, "x-amz-copy-source-if-match")?,
            known: tags(headers, "x-amz-copy-source-if-none-match")?,
            modified_since: time(headers, "x-amz-copy-source-if-modified-since")?,
            unmodified_since: time(headers, "x-amz-copy-source-if-unmodified-since")?,
        })
    }
}

/// Decides by the precedence of RFC 9110, 13.2.2, which is also S3's: an ETag condition outweighs the date condition of
/// the same direction, and what must hold is asked before what the reader may have.
pub fn evaluate_read(
    conditions: &ReadConditions,
    etag: &ETag,
    last_modified: Timestamp,
) -> Verdict {
    let is_modified_after = |date: Timestamp| last_modified.as_secs() > date.as_secs();
    if let Some(tags) = &conditions.wanted {
        if !tags.match_strongly(etag) {
            return Verdict::PreconditionFailed("If-Match");
        }
    } else if conditions.unmodified_since.is_some_and(is_modified_after) {
        return Verdict::PreconditionFailed("If-Unmodified-Since");
    }
    let is_known = match (&conditions.known, conditions.modified_since) {
        (Some(tags), _) => tags.match_weakly(etag),
        (None, Some(date)) => !is_modified_after(date),
        (None, None) => false,
    };
    if is_known {
        Verdict::NotModified
    } else {
        Verdict::Proceed
    }
}

/// The condition of a write. S3 knows `If-None-Match: *` and `If-Match: <one etag>`, one of them; Ceph's gateway also `*`
/// and the ETag the other way round.
///
/// # Errors
/// `NotImplemented` for any other condition.
pub(super) fn write_condition(request: &Request<'_>) -> Result<WriteCondition, S3Error> {
    let headers = request.headers();
    for name in ["if-modified-since", "if-unmodified-since"] {
        if headers.contains_key(name) {
            return Err(S3Error::unbuilt_header(name));
        }
    }
    let takes_every = request.dialect.evaluates_every_write_condition();
    match (tags(headers, "if-match")?, tags(headers, "if-none-match")?) {
        (None, None) => Ok(WriteCondition::Always),
        (None, Some(Tags::Any)) => Ok(WriteCondition::IfAbsent),
        (Some(Tags::Any), None) if takes_every => Ok(WriteCondition::IfPresent),
        (Some(tags), None) => {
            let tag = tags.only().ok_or(S3Error::unbuilt_header("If-Match"))?;
            Ok(WriteCondition::IfMatch(tag))
        }
        (None, Some(tags)) if takes_every => {
            let tag = tags
                .only()
                .ok_or(S3Error::unbuilt_header("If-None-Match"))?;
            Ok(WriteCondition::IfNoneMatch(tag))
        }
        (_, Some(_)) => Err(S3Error::unbuilt_header("If-None-Match")),
    }
}

/// The condition of a deletion.
///
/// # Errors
/// `NotImplemented` for conditions that the dialect does not have, `InvalidArgument` for a length or a time that cannot be.
pub(super) fn delete_condition(request: &Request<'_>) -> Result<DeleteCondition, S3Error> {
    const TIME: &str = "x-amz-if-match-last-modified-time";
    const LEN: &str = "x-amz-if-match-size";
    let headers = request.headers();
    for name in ["if-none-match", "if-modified-since", "if-unmodified-since"] {
        if headers.contains_key(name) {
            return Err(S3Error::unbuilt_header(name));
        }
    }
    let takes_every = request
        .dialect
        .evaluates_delete_conditions_on_size_and_time();
    for name in [TIME, LEN] {
        if !takes_every && headers.contains_key(name) {
            return Err(S3Error::unbuilt_header(name));
        }
    }
    let etag = match tags(headers, "if-match")? {
        None => None,
        Some(Tags::Any) => Some(ETagCondition::Any),
        Some(tags) => {
            let tag = tags.only().ok_or(S3Error::unbuilt_header("If-Match"))?;
            Some(ETagCondition::Is(tag))
        }
    };
    let last_modified = header_text(headers, TIME)?.map(|text| {
        condition_time(&text)
            .ok_or_else(|| S3Error::invalid_argument(TIME, &text, "The time cannot be read"))
    });
    let len = header_text(headers, LEN)?.map(|text| {
        text.parse()
            .map_err(|_| S3Error::invalid_argument(LEN, &text, "The size is no number"))
    });
    Ok(DeleteCondition {
        etag,
        last_modified: last_modified.transpose()?,
        len: len.transpose()?,
    })
}

/// What the text of one ETag, with or without quotes, or a `*` asks of an ETag.
pub(crate) fn etag_condition(text: &str) -> ETagCondition {
    match text {
        "*" => ETagCondition::Any,
        text => ETagCondition::Is(ETag::parse(text).unwrap_or(NO_OBJECTS_ETAG)),
    }
}

/// A time in one of the forms that clients write it in.
pub(crate) fn condition_time(text: &str) -> Option<Timestamp> {
    parse_http_date(text).or_else(|| parse_iso8601(text))
}

impl Tags {
    /// The only ETag, if it is one and not weak. A text that is no ETag is one that no object has.
    fn only(&self) -> Option<ETag> {
        match self {
            Self::Of(tags) => match tags.as_slice() {
                [(tag, false)] => Some(ETag::parse(tag).unwrap_or(NO_OBJECTS_ETAG)),
                _ => None,
            },
            Self::Any => None,
        }
    }

    fn match_strongly(&self, etag: &ETag) -> bool {
        self.contain(etag, |is_weak| !is_weak)
    }

    fn match_weakly(&self, etag: &ETag) -> bool {
        self.contain(etag, |_| true)
    }

    fn contain(&self, etag: &ETag, may_match: impl Fn(bool) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Of(tags) => {
                let own = etag.to_string();
                tags.iter()
                    .any(|(tag, is_weak)| may_match(*is_weak) && *tag == own)
            }
        }
    }
}

/// Clients send ETags with and without quotes. No ETag of this store has a comma in it, so commas only separate.
fn tags(headers: &HeaderMap, name: &'static str) -> Result<Option<Tags>, S3Error> {
    let Some(text) = header_text(headers, name)? else {
        return Ok(None);
    };
    if text == "*" {
        return Ok(Some(Tags::Any));
    }
    let tags = text.split(',').map(|tag| {
        let tag = tag.trim();
        let (tag, is_weak) = match tag.strip_prefix("W/") {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        (unquoted(tag).to_owned(), is_weak)
    });
    Ok(Some(Tags::Of(tags.collect())))
}

pub(super) fn unquoted(tag: &str) -> &str {
    tag.strip_prefix('"')
        .and_then(|tag| tag.strip_suffix('"'))
        .unwrap_or(tag)
}

fn time(headers: &HeaderMap, name: &'static str) -> Result<Option<Timestamp>, S3Error> {
    let text = header_text(headers, name)?;
    Ok(text.as_deref().and_then(parse_http_date))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date::format_http_date;

    const MODIFIED: Timestamp = Timestamp::from_millis(1_000_000_500);

    fn etag() -> ETag {
        ETag::from_md5([0xab; 16])
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn verdict(pairs: &[(&'static str, &str)]) -> Verdict {
        let conditions = ReadConditions::parse(&headers(pairs)).unwrap();
        evaluate_read(&conditions, &etag(), MODIFIED)
    }

    #[test]
    fn conditions_of_reads_are_weighed_as_rfc_9110_says() {
        let own = format!("\"{}\"", etag());
        let bare = etag().to_string();
        let weak = format!("W/{own}");
        let list = format!("\"x\", {own}");
        let before = format_http_date(Timestamp::from_millis(999_999_000));
        let same = format_http_date(MODIFIED);
        let match_failed = Verdict::PreconditionFailed("If-Match");
        let unmodified_failed = Verdict::PreconditionFailed("If-Unmodified-Since");
        let cases: &[(&[(&'static str, &str)], Verdict)] = &[
            (&[], Verdict::Proceed),
            (&[("if-match", &own)], Verdict::Proceed),
            (&[("if-match", &bare)], Verdict::Proceed),
            (&[("if-match", &list)], Verdict::Proceed),
            (
                &[("if-match", "\"x\""), ("if-match", &own)],
                Verdict::Proceed,
            ),
            (&[("if-match", "*")], Verdict::Proceed),
            (&[("if-match", &weak)], match_failed),
            (&[("if-match", "\"x\"")], match_failed),
            (&[("if-none-match", &own)], Verdict::NotModified),
            (&[("if-none-match", &weak)], Verdict::NotModified),
            (&[("if-none-match", "*")], Verdict::NotModified),
            (&[("if-none-match", "\"x\"")], Verdict::Proceed),
            (&[("if-modified-since", &before)], Verdict::Proceed),
            (&[("if-modified-since", &same)], Verdict::NotModified),
            (&[("if-modified-since", "garbage")], Verdict::Proceed),
            (&[("if-unmodified-since", &before)], unmodified_failed),
            (&[("if-unmodified-since", &same)], Verdict::Proceed),
            (
                &[("if-match", &own), ("if-unmodified-since", &before)],
                Verdict::Proceed,
            ),
            (
                &[("if-none-match", "\"x\""), ("if-modified-since", &same)],
                Verdict::Proceed,
            ),
            (
                &[("if-none-match", &own), ("if-modified-since", &before)],
                Verdict::NotModified,
            ),
            (
                &[("if-match", "\"x\""), ("if-none-match", &own)],
                match_failed,
            ),
        ];
        for (pairs, expected) in cases {
            assert_eq!(verdict(pairs), *expected, "{pairs:?}");
        }
    }
}
