//! Answers about objects.

use bytes::Bytes;
use cairn_types::checksum::{ChecksumKind, ObjectChecksum};
use cairn_types::etag::ETag;
use cairn_types::namespace::data::{Committed, Deleted};
use cairn_types::object::{Content, ObjectVersion};
use cairn_types::time::Timestamp;
use cairn_types::version::NamedVersion;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::versions::{
    marker_of, set_committed_version, set_marker, set_read_version, set_version,
};
use super::{document, empty, set};
use crate::checksum;
use crate::date::{format_http_date, format_iso8601};
use crate::error::S3Error;
use crate::input::{ReadObjectInput, ReadPlan, kind_name};
use crate::xml::writer::XmlWriter;

/// What an object is that was put without a type.
const DEFAULT_TYPE: &str = "binary/octet-stream";

/// The answer of `DeleteObjects`.
#[derive(Debug)]
pub struct DeleteObjectsOutput {
    /// Whether only failures are told.
    pub quiet: bool,
    /// What became of each line, in the order of the request.
    pub entries: Vec<DeletedEntry>,
}

/// What became of one line of `DeleteObjects`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletedEntry {
    /// There is no such object or version (any more), or a delete marker on top.
    Deleted {
        /// The key.
        key: String,
        /// The version that was named.
        version: Option<NamedVersion>,
        /// What was there.
        outcome: Deleted,
    },
    /// It could not be deleted.
    Failed {
        /// The key.
        key: String,
        /// The version that was named, as it came.
        version: Option<String>,
        /// Why.
        error: S3Error,
    },
}

/// The head of the answer of `GetObject` and `HeadObject`: 200, 206 or 304, with `Content-Length`.
///
/// The body of a `GetObject` is `plan.range(object.len)`.
pub fn object_head(
    input: &ReadObjectInput,
    plan: &ReadPlan,
    object: &ObjectVersion,
) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = match plan {
        ReadPlan::NotModified => StatusCode::NOT_MODIFIED,
        ReadPlan::Whole | ReadPlan::Part { range: None, .. } => StatusCode::OK,
        ReadPlan::Range(_) | ReadPlan::Part { range: Some(_), .. } => StatusCode::PARTIAL_CONTENT,
    };
    let headers = response.headers_mut();
    set_etag(headers, &object.etag);
    set(
        headers,
        header::LAST_MODIFIED,
        &format_http_date(object.last_modified),
    );
    set_read_version(headers, input.version, object);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set_kept_headers(headers, object, input);
    if *plan == ReadPlan::NotModified {
        return response;
    }
    let range = plan.range(object.len);
    let len = range.map_or(0, |range| range.len);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    if let (ReadPlan::Range(_) | ReadPlan::Part { .. }, Some(range)) = (plan, range) {
        let text = range.content_range(object.len);
        set(headers, header::CONTENT_RANGE, &text);
    }
    // The checksum is of the whole: beside a piece of it, clients would take it for the piece's.
    let is_whole = match plan {
        ReadPlan::Whole => true,
        ReadPlan::Range(_) => input.part_number.is_some(),
        ReadPlan::NotModified | ReadPlan::Part { .. } => false,
    };
    if let Some(checksum) = object
        .checksum
        .as_ref()
        .filter(|_| is_whole && input.wants_checksum)
    {
        set_checksum(headers, checksum, parts_of(&object.content));
    }
    if let ReadPlan::Part { part_count, .. } = plan {
        let name = HeaderName::from_static("x-amz-mp-parts-count");
        headers.insert(name, HeaderValue::from(*part_count));
    }
    response
}

/// Says in the head of a part of `object` what the part's own checksum is.
pub fn set_part_checksum(headers: &mut HeaderMap, part: &ObjectChecksum, object: &ObjectVersion) {
    let of_whole = object.checksum.as_ref();
    let kind = of_whole.map_or(part.kind, |checksum| checksum.kind);
    let name = checksum::header_name(part.checksum.algorithm());
    let value = checksum::encode(&part.checksum);
    set(headers, HeaderName::from_static(name), &value);
    let name = HeaderName::from_static("x-amz-checksum-type");
    set(headers, name, kind_name(kind));
}

/// The answer of `PutObject`.
pub fn object_stored(committed: &Committed) -> Response<Bytes> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    set_etag(headers, &committed.etag);
    set_committed_version(headers, committed);
    if let Some(checksum) = &committed.checksum {
        set_checksum(headers, checksum, committed.etag.part_count());
    }
    response
}

/// The answer of `DeleteObject`, of the version `named` if one was.
pub fn object_deleted(named: Option<NamedVersion>, outcome: Deleted) -> Response<Bytes> {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    let marker = marker_of(named, outcome);
    if marker.is_some() {
        set_marker(headers);
    }
    if let Some(version) = named.or(marker) {
        set_version(headers, version);
    }
    response
}

/// The root element of the answer of `CopyObject`, for `xml_answer` or behind a declaration that was already sent.
pub fn object_copied(committed: &Committed) -> String {
    let mut xml = XmlWriter::fragment();
    xml.open_root("CopyObjectResult");
    write_copy(
        &mut xml,
        &committed.etag,
        committed.last_modified,
        committed.checksum.as_ref(),
    );
    xml.close("CopyObjectResult");
    xml.finish()
}

impl DeleteObjectsOutput {
    /// The answer.
    pub fn to_response(&self) -> Response<Bytes> {
        let mut xml = XmlWriter::document();
        xml.open_root("DeleteResult");
        for entry in &self.entries {
            match entry {
                DeletedEntry::Deleted { .. } if self.quiet => {}
                DeletedEntry::Deleted {
                    key,
                    version,
                    outcome,
                } => write_deleted(&mut xml, key, *version, *outcome),
                DeletedEntry::Failed {
                    key,
                    version,
                    error,
                } => {
                    xml.open("Error");
                    xml.text("Key", key);
                    xml.optional_text("VersionId", version.as_deref());
                    xml.text("Code", error.code().name());
                    xml.text("Message", error.message());
                    xml.close("Error");
                }
            }
        }
        xml.close("DeleteResult");
        document(xml)
    }
}

fn write_deleted(xml: &mut XmlWriter, key: &str, named: Option<NamedVersion>, outcome: Deleted) {
    xml.open("Deleted");
    xml.text("Key", key);
    if let Some(version) = named {
        xml.value("VersionId", &version);
    }
    if let Some(marker) = marker_of(named, outcome) {
        xml.text("DeleteMarker", "true");
        xml.value("DeleteMarkerVersionId", &marker);
    }
    xml.close("Deleted");
}

/// The elements that tell of a copy, of an object or a part.
pub(super) fn write_copy(
    xml: &mut XmlWriter,
    etag: &ETag,
    last_modified: Timestamp,
    checksum: Option<&ObjectChecksum>,
) {
    xml.text("ETag", &format!("\"{etag}\""));
    xml.text("LastModified", &format_iso8601(last_modified));
    if let Some(checksum) = checksum {
        write_checksum(xml, checksum, etag.part_count());
    }
}

/// A checksum with its type, as elements.
pub(super) fn write_checksum(xml: &mut XmlWriter, checksum: &ObjectChecksum, part_count: u16) {
    let name = checksum::element_name(checksum.checksum.algorithm());
    xml.text(name, &checksum_text(checksum, part_count));
    xml.text("ChecksumType", kind_name(checksum.kind));
}

pub(super) fn set_etag(headers: &mut HeaderMap, etag: &ETag) {
    set(headers, header::ETAG, &format!("\"{etag}\""));
}

pub(super) fn set_checksum(headers: &mut HeaderMap, checksum: &ObjectChecksum, part_count: u16) {
    let name = checksum::header_name(checksum.checksum.algorithm());
    set(
        headers,
        HeaderName::from_static(name),
        &checksum_text(checksum, part_count),
    );
    set(
        headers,
        HeaderName::from_static("x-amz-checksum-type"),
        kind_name(checksum.kind),
    );
}

/// A composite checksum shows the number of its parts.
fn checksum_text(checksum: &ObjectChecksum, part_count: u16) -> String {
    let text = checksum::encode(&checksum.checksum);
    match checksum.kind {
        ChecksumKind::Composite => format!("{text}-{part_count}"),
        ChecksumKind::FullObject => text,
    }
}

pub(super) fn parts_of(content: &Content) -> u16 {
    match content {
        Content::Parts { parts, .. } => u16::try_from(parts.len()).unwrap_or(u16::MAX),
        Content::Inline(_) | Content::Extents(_) => 0,
    }
}

/// The object's own headers, each unless the reader asked for another value.
fn set_kept_headers(headers: &mut HeaderMap, object: &ObjectVersion, input: &ReadObjectInput) {
    let overrides = &input.overrides;
    let kept = &object.headers;
    let rows = [
        (
            header::CONTENT_TYPE,
            Some(kept.content_type.as_deref().unwrap_or(DEFAULT_TYPE)),
            &overrides.content_type,
        ),
        (
            header::CONTENT_ENCODING,
            kept.content_encoding.as_deref(),
            &overrides.content_encoding,
        ),
        (
            header::CONTENT_LANGUAGE,
            kept.content_language.as_deref(),
            &overrides.content_language,
        ),
        (
            header::CONTENT_DISPOSITION,
            kept.content_disposition.as_deref(),
            &overrides.content_disposition,
        ),
        (
            header::CACHE_CONTROL,
            kept.cache_control.as_deref(),
            &overrides.cache_control,
        ),
        (header::EXPIRES, kept.expires.as_deref(), &overrides.expires),
    ];
    for (name, own, asked) in rows {
        match (asked, own) {
            (Some(asked), _) => {
                headers.insert(name, asked.clone());
            }
            (None, Some(own)) => set(headers, name, own),
            (None, None) => {}
        }
    }
    if let Some(location) = &kept.website_redirect {
        let name = HeaderName::from_static("x-amz-website-redirect-location");
        set(headers, name, location);
    }
    for (name, value) in &kept.user {
        let name = format!("x-amz-meta-{name}");
        let value = HeaderValue::from_bytes(&input.metadata_text.encode(value));
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
            headers.insert(name, value);
        }
    }
}
