//! The answer of `GetObjectAttributes`.

use bytes::Bytes;
use cairn_types::checksum::ObjectChecksum;
use cairn_types::object::{Content, ObjectVersion};
use http::{Response, header};

use super::object::write_checksum;
use super::versions::set_read_version;
use super::{document, set};
use crate::checksum;
use crate::date::format_http_date;
use crate::input::{ObjectAttribute, ObjectAttributesInput};
use crate::xml::writer::XmlWriter;

/// The answer of `GetObjectAttributes`.
#[derive(Debug)]
pub struct ObjectAttributesOutput<'a> {
    /// What was asked.
    pub input: &'a ObjectAttributesInput,
    /// The object.
    pub object: &'a ObjectVersion,
    /// Its parts in the order of their numbers: those after `input.after`, at most `input.limit` of them. Empty for an object
    /// that was put whole.
    pub parts: &'a [PartAttributes],
}

/// A part of an object that was completed from parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartAttributes {
    /// Its number.
    pub number: u16,
    /// Its length in bytes.
    pub len: u64,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
}

impl ObjectAttributesOutput<'_> {
    /// The answer.
    pub fn to_response(&self) -> Response<Bytes> {
        let mut xml = XmlWriter::document();
        xml.open_root("GetObjectAttributesResponse");
        let wants = |attribute| self.input.wants(attribute);
        if wants(ObjectAttribute::ETag) {
            // Here alone an ETag stands without quotes.
            xml.value("ETag", &self.object.etag);
        }
        if let Some(checksum) = &self.object.checksum
            && wants(ObjectAttribute::Checksum)
        {
            xml.open("Checksum");
            write_checksum(&mut xml, checksum, self.object.etag.part_count());
            xml.close("Checksum");
        }
        if let Content::Parts { parts, .. } = &self.object.content
            && wants(ObjectAttribute::ObjectParts)
        {
            let last = parts.last().map_or(0, |part| part.number);
            self.write_parts(&mut xml, parts.len(), last);
        }
        if wants(ObjectAttribute::StorageClass) {
            xml.text("StorageClass", "STANDARD");
        }
        if wants(ObjectAttribute::ObjectSize) {
            xml.value("ObjectSize", &self.object.len);
        }
        xml.close("GetObjectAttributesResponse");
        let mut response = document(xml);
        let headers = response.headers_mut();
        let modified = format_http_date(self.object.last_modified);
        set(headers, header::LAST_MODIFIED, &modified);
        set_read_version(headers, self.input.version, self.object);
        response
    }

    /// `last` is the number of the object's last part.
    fn write_parts(&self, xml: &mut XmlWriter, count: usize, last: u16) {
        let next = self
            .parts
            .last()
            .map_or(self.input.after, |part| part.number);
        xml.open("ObjectParts");
        xml.value("PartsCount", &count);
        let is_listed = |part: &&PartAttributes| {
            part.checksum.is_some() || self.input.lists_parts_without_checksums
        };
        let mut listed = self.parts.iter().filter(is_listed).peekable();
        if self.object.checksum.is_some() || listed.peek().is_some() {
            xml.value("PartNumberMarker", &self.input.after);
            xml.value("NextPartNumberMarker", &next);
            xml.value("MaxParts", &self.input.limit);
            xml.value("IsTruncated", &(next < last));
        }
        for part in listed {
            xml.open("Part");
            xml.value("PartNumber", &part.number);
            xml.value("Size", &part.len);
            if let Some(checksum) = &part.checksum {
                let name = checksum::element_name(checksum.checksum.algorithm());
                xml.text(name, &checksum::encode(&checksum.checksum));
            }
            xml.close("Part");
        }
        xml.close("ObjectParts");
    }
}

#[cfg(test)]
mod tests;
