//! `Delete`: the list of `DeleteObjects`.

use cairn_types::namespace::data::DeleteCondition;

use crate::error::S3Error;
use crate::input::{condition_time, etag_condition};
use crate::xml::reader::{Element, Malformed};

/// The most objects in one request.
pub(crate) const OBJECT_LIMIT: usize = 1000;
/// An object has at most a key, a version and three conditions.
const ELEMENT_LIMIT: usize = 2 + OBJECT_LIMIT * 6;

/// What a list says.
#[derive(Debug, PartialEq, Eq)]
pub struct DeleteDocument {
    /// What is to be deleted, unchecked.
    pub objects: Vec<DeleteLine>,
    /// Whether only failures are to be told.
    pub quiet: bool,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteLine {
    /// The key.
    pub key: String,
    /// The version, if one is named.
    pub version: Option<String>,
    /// What must hold.
    pub condition: DeleteCondition,
}

/// Reads a list of 1 to 1,000 keys. Reading stops soon after the limit.
///
/// # Errors
/// `MalformedXML`.
pub fn parse_delete(document: &[u8]) -> Result<DeleteDocument, S3Error> {
    let root = Element::parse(document, "Delete", ELEMENT_LIMIT)?;
    let children = root.children(&["Object", "Quiet"])?;
    let quiet = match root.optional("Quiet")?.map(str::trim) {
        Some("true") => true,
        Some("false") | None => false,
        Some(_) => return Err(Malformed.into()),
    };
    let objects = children.iter().filter(|child| child.name() == "Object");
    let objects = objects.map(parse_object).collect::<Result<Vec<_>, _>>()?;
    if objects.is_empty() || objects.len() > OBJECT_LIMIT {
        return Err(Malformed.into());
    }
    Ok(DeleteDocument { objects, quiet })
}

fn parse_object(object: &Element) -> Result<DeleteLine, S3Error> {
    object.children(&["Key", "VersionId", "ETag", "LastModifiedTime", "Size"])?;
    let key = object.required("Key")?;
    if key.is_empty() {
        return Err(Malformed.into());
    }
    let version = object.optional("VersionId")?;
    Ok(DeleteLine {
        key: key.to_owned(),
        version: version
            .filter(|version| !version.is_empty())
            .map(str::to_owned),
        condition: parse_condition(object)?,
    })
}

fn parse_condition(object: &Element) -> Result<DeleteCondition, Malformed> {
    let text = |name| -> Result<Option<&str>, Malformed> {
        let text = object.optional(name)?.map(str::trim);
        Ok(text.filter(|text| !text.is_empty()))
    };
    let last_modified = text("LastModifiedTime")?;
    let last_modified = last_modified.map(|text| condition_time(text).ok_or(Malformed));
    let len = text("Size")?.map(|text| text.parse().map_err(|_| Malformed));
    Ok(DeleteCondition {
        etag: text("ETag")?.map(etag_condition),
        last_modified: last_modified.transpose()?,
        len: len.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use cairn_types::etag::ETag;
    use cairn_types::namespace::data::ETagCondition;
    use cairn_types::time::Timestamp;

    fn parse(inner: &str) -> Result<DeleteDocument, Code> {
        parse_delete(format!("<Delete>{inner}</Delete>").as_bytes()).map_err(|error| error.code())
    }

    #[test]
    fn keys_and_versions_are_taken_exactly_as_they_stand() {
        let document = parse(
            "<Object><Key> a&amp;b </Key></Object>\n<Quiet>true</Quiet>\
             <Object><VersionId>null</VersionId><Key>../x</Key></Object>\
             <Object><Key>y</Key><VersionId/></Object>",
        )
        .unwrap();
        let line = |key: &str, version: Option<&str>| DeleteLine {
            key: key.to_owned(),
            version: version.map(str::to_owned),
            condition: DeleteCondition::default(),
        };
        let lines = [
            line(" a&b ", None),
            line("../x", Some("null")),
            line("y", None),
        ];
        assert_eq!(document.objects, lines);
        assert!(document.quiet);
    }

    #[test]
    fn each_line_has_conditions_of_its_own() {
        let document = parse(
            "<Object><Key>a</Key><ETag>*</ETag></Object>\
             <Object><Key>b</Key><ETag>\"01010101010101010101010101010101\"</ETag><Size>7</Size>\
             <LastModifiedTime>Tue, 01 Jan 2030 00:00:00 GMT</LastModifiedTime></Object>",
        )
        .unwrap();
        let conditions = document.objects.into_iter().map(|line| line.condition);
        let expected = [
            DeleteCondition {
                etag: Some(ETagCondition::Any),
                ..DeleteCondition::default()
            },
            DeleteCondition {
                etag: Some(ETagCondition::Is(ETag::from_md5([1; 16]))),
                last_modified: Some(Timestamp::from_millis(1_893_456_000_000)),
                len: Some(7),
            },
        ];
        assert_eq!(conditions.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn lists_that_are_empty_too_long_or_strange_are_refused() {
        let object = "<Object><Key>k</Key></Object>";
        assert_eq!(parse(&object.repeat(1000)).unwrap().objects.len(), 1000);
        for (inner, code) in [
            (String::new(), Code::MalformedXML),
            (object.repeat(1001), Code::MalformedXML),
            (object.repeat(1_000_000), Code::MalformedXML),
            ("<Object/>".to_owned(), Code::MalformedXML),
            ("<Object><Key/></Object>".to_owned(), Code::MalformedXML),
            ("<Key>k</Key>".to_owned(), Code::MalformedXML),
            (format!("{object}<Quiet>yes</Quiet>"), Code::MalformedXML),
            (
                "<Object><Key>k</Key><Size>x</Size></Object>".to_owned(),
                Code::MalformedXML,
            ),
            (
                "<Object><Key>k</Key><LastModifiedTime>x</LastModifiedTime></Object>".to_owned(),
                Code::MalformedXML,
            ),
        ] {
            assert_eq!(parse(&inner), Err(code), "{inner:.60}");
        }
    }
}
