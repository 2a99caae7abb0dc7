//! `Tagging`: the tags of an object or a bucket.

use cairn_types::tag::Tags;

use crate::code::Code;
use crate::error::S3Error;
use crate::xml::reader::{Element, Malformed};
use crate::xml::writer::XmlWriter;

/// So many tags are read, that too many of them are told from what is no document at all.
const TAG_LIMIT: usize = 1000;
/// The root and its list, and of each tag itself, its key and its value.
const ELEMENT_LIMIT: usize = 2 + TAG_LIMIT * 3;

/// Reads keys and values in the order of the document, unchecked.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`.
pub fn parse_tagging(document: &[u8]) -> Result<Vec<(String, String)>, S3Error> {
    if document.is_empty() {
        return Err(Code::MissingRequestBodyError.into());
    }
    let root = Element::parse(document, "Tagging", ELEMENT_LIMIT)?;
    root.children(&["TagSet"])?;
    let tags = root.required_child("TagSet")?.children(&["Tag"])?;
    Ok(tags.iter().map(read_tag).collect::<Result<_, _>>()?)
}

/// The document of tags.
pub fn write_tagging(tags: &Tags) -> String {
    let mut xml = XmlWriter::document();
    xml.open_root("Tagging");
    xml.open("TagSet");
    for (key, value) in tags.iter() {
        xml.open("Tag");
        xml.text("Key", key);
        xml.text("Value", value);
        xml.close("Tag");
    }
    xml.close("TagSet");
    xml.close("Tagging");
    xml.finish()
}

fn read_tag(tag: &Element) -> Result<(String, String), Malformed> {
    tag.children(&["Key", "Value"])?;
    let (key, value) = (tag.required("Key")?, tag.required("Value")?);
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(inner: &str) -> Result<Vec<(String, String)>, Code> {
        let document = format!("<Tagging>{inner}</Tagging>");
        parse_tagging(document.as_bytes()).map_err(|error| error.code())
    }

    #[test]
    fn tags_read_back_by_key() {
        let pairs = [("A&<", " x "), ("a", ""), ("b", "2")];
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let tags = Tags::of_object(pairs.to_vec()).unwrap();
        let text = write_tagging(&tags);
        assert_eq!(parse_tagging(text.as_bytes()).unwrap(), pairs);
        assert_eq!(parse("<TagSet/>"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_list_of_tags_is_malformed() {
        let tag = "<Tag><Key>k</Key><Value>v</Value></Tag>";
        let of = |tags: &str| format!("<TagSet>{tags}</TagSet>");
        assert_eq!(parse(&of(&tag.repeat(1000))).unwrap().len(), 1000);
        for bad in [
            String::new(),
            of(&tag.repeat(1001)),
            of("<Tag/>"),
            of("<Tag><Key>k</Key></Tag>"),
            of("<Tag><Value>v</Value></Tag>"),
            of("<Tag><Key>k</Key><Key>k</Key><Value>v</Value></Tag>"),
            of("<Other/>"),
            of(tag).repeat(2),
            tag.to_owned(),
        ] {
            assert_eq!(parse(&bad), Err(Code::MalformedXML), "{bad:.60}");
        }
        let empty = parse_tagging(b"").unwrap_err();
        assert_eq!(empty.code(), Code::MissingRequestBodyError);
    }
}
