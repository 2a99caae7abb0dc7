//! `Delete`: the list of `DeleteObjects`.

use crate::code::Code;
use crate::error::S3Error;
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
}

/// Reads a list of 1 to 1,000 keys. Reading stops soon after the limit.
///
/// # Errors
/// `MalformedXML`, `NotImplemented` for conditions.
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
    for condition in ["ETag", "LastModifiedTime", "Size"] {
        if object.optional(condition)?.is_some() {
            return Err(unbuilt(condition));
        }
    }
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
    })
}

fn unbuilt(element: &str) -> S3Error {
    S3Error::with_message(
        Code::NotImplemented,
        format!("The element {element} is not implemented"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
                "<Object><Key>k</Key><ETag>1</ETag></Object>".to_owned(),
                Code::NotImplemented,
            ),
        ] {
            assert_eq!(parse(&inner), Err(code), "{inner:.60}");
        }
    }
}
