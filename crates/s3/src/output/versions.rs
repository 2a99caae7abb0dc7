//! Answers about versions, and how answers name them.

use bytes::Bytes;
use cairn_types::namespace::data::{Committed, Deleted, ListedVersion};
use cairn_types::object::ObjectVersion;
use cairn_types::version::{NamedVersion, Versioning};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::list_objects::{write_form, write_prefixes};
use super::{Owners, document, set};
use crate::date::format_iso8601;
use crate::input::{KeyEncoding, ListVersionsInput, kind_name};
use crate::xml::writer::XmlWriter;

const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const SOURCE_VERSION_ID: HeaderName = HeaderName::from_static("x-amz-copy-source-version-id");
const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

/// The answer of `ListObjectVersions`.
#[derive(Debug)]
pub struct ListVersionsOutput<'a> {
    /// What was asked.
    pub input: &'a ListVersionsInput,
    /// Whose the versions are.
    pub owners: Owners,
    /// The rows, by key, and those of a key newest first.
    pub versions: &'a [ListedVersion],
    /// The common prefixes, ascending.
    pub common_prefixes: &'a [String],
    /// The markers of the next page, if there is more.
    pub next: Option<(&'a str, Option<NamedVersion>)>,
}

/// The answer of `GetBucketVersioning`. One that was never told anything of versions says nothing.
pub fn bucket_versioning(versioning: Option<Versioning>) -> Response<Bytes> {
    let mut xml = XmlWriter::document();
    xml.open_root("VersioningConfiguration");
    let status = versioning.map(|versioning| match versioning {
        Versioning::Enabled => "Enabled",
        Versioning::Suspended => "Suspended",
    });
    xml.optional_text("Status", status);
    xml.close("VersioningConfiguration");
    document(xml)
}

impl ListVersionsOutput<'_> {
    /// The answer.
    pub fn to_response(&self) -> Response<Bytes> {
        let input = self.input;
        let encode = |text: &str| input.encoding.text(text);
        let mut xml = XmlWriter::document();
        xml.open_root("ListVersionsResult");
        xml.text("Name", input.bucket.as_str());
        xml.text("Prefix", &encode(&input.prefix));
        xml.text("KeyMarker", &encode(&input.key_marker));
        xml.text("VersionIdMarker", &version_text(input.version_marker));
        if let Some((key, version)) = self.next {
            xml.text("NextKeyMarker", &encode(key));
            if version.is_some() {
                xml.text("NextVersionIdMarker", &version_text(version));
            }
        }
        xml.value("MaxKeys", &input.limit);
        write_form(&mut xml, &input.delimiter, input.encoding);
        xml.value("IsTruncated", &self.next.is_some());
        for version in self.versions {
            write_version(&mut xml, version, input.encoding, &self.owners);
        }
        write_prefixes(&mut xml, self.common_prefixes, input.encoding);
        xml.close("ListVersionsResult");
        document(xml)
    }
}

/// Says which version was copied, as a read of it would.
pub fn set_copied_version(
    headers: &mut HeaderMap,
    named: Option<NamedVersion>,
    object: &ObjectVersion,
) {
    if let Some(version) = told_version(named, object) {
        set(headers, SOURCE_VERSION_ID, &version.to_string());
    }
}

/// Says which version was made. That of a bucket which does not keep versions just now has no name in answers to its writer.
pub fn set_committed_version(headers: &mut HeaderMap, committed: &Committed) {
    if !committed.is_null {
        set(headers, VERSION_ID, &committed.version.to_string());
    }
}

/// Says which version is read.
pub(super) fn set_read_version(
    headers: &mut HeaderMap,
    named: Option<NamedVersion>,
    object: &ObjectVersion,
) {
    if let Some(version) = told_version(named, object) {
        set_version(headers, version);
    }
}

/// Says which version an answer is about.
pub fn set_version(headers: &mut HeaderMap, version: NamedVersion) {
    set(headers, VERSION_ID, &version.to_string());
}

/// Says that an answer is about a delete marker.
pub fn set_marker(headers: &mut HeaderMap) {
    headers.insert(DELETE_MARKER, HeaderValue::from_static("true"));
}

/// The delete marker that was made or removed, if one was.
pub(super) fn marker_of(named: Option<NamedVersion>, deleted: Deleted) -> Option<NamedVersion> {
    match deleted {
        Deleted::Marked { version, is_null } => Some(NamedVersion::of(version, is_null)),
        Deleted::Removed { is_marker: true } => named,
        Deleted::Removed { is_marker: false } | Deleted::Missing | Deleted::Refused(_) => None,
    }
}

/// The version as its reader is told of it. Who did not name the null version is not told: where versions were never kept
/// clients do not expect one.
fn told_version(named: Option<NamedVersion>, object: &ObjectVersion) -> Option<NamedVersion> {
    let version = NamedVersion::of(object.version, object.is_null);
    (named.is_some() || !object.is_null).then_some(version)
}

fn version_text(version: Option<NamedVersion>) -> String {
    version
        .map(|version| version.to_string())
        .unwrap_or_default()
}

fn write_version(
    xml: &mut XmlWriter,
    listed: &ListedVersion,
    encoding: KeyEncoding,
    owners: &Owners,
) {
    let element = match listed.object {
        Some(_) => "Version",
        None => "DeleteMarker",
    };
    xml.open(element);
    xml.text("Key", &encoding.text(listed.key.as_str()));
    xml.value(
        "VersionId",
        &NamedVersion::of(listed.version, listed.is_null),
    );
    xml.value("IsLatest", &listed.is_latest);
    xml.text("LastModified", &format_iso8601(listed.last_modified));
    if let Some(object) = &listed.object {
        xml.text("ETag", &format!("\"{}\"", object.etag));
        if let Some((algorithm, kind)) = object.checksum {
            xml.text("ChecksumAlgorithm", algorithm.name());
            xml.text("ChecksumType", kind_name(kind));
        }
        xml.value("Size", &object.len);
        xml.text("StorageClass", "STANDARD");
    }
    owners.of(listed.owner.as_ref()).write(xml, "Owner");
    xml.close(element);
}
