//! `CreateBucketConfiguration`.

use crate::code::Code;
use crate::error::S3Error;
use crate::xml::reader::Element;

/// The most elements of a document: tags are refused, but as what they are.
const ELEMENT_LIMIT: usize = 256;

/// Reads the location constraint; an empty one is none, and there need be no document.
///
/// # Errors
/// `MalformedXML`, and `NotImplemented` for what is asked beyond a location.
pub fn parse_create_bucket(document: &[u8]) -> Result<Option<String>, S3Error> {
    if document.is_empty() {
        return Ok(None);
    }
    let root = Element::parse(document, "CreateBucketConfiguration", ELEMENT_LIMIT)?;
    let children = root.children(&["LocationConstraint", "Location", "Bucket", "Tags"])?;
    if let Some(unbuilt) = children
        .iter()
        .find(|child| child.name() != "LocationConstraint")
    {
        return Err(S3Error::with_message(
            Code::NotImplemented,
            format!("The element {} is not implemented", unbuilt.name()),
        ));
    }
    let location = root.optional("LocationConstraint")?.map(str::trim);
    Ok(location
        .filter(|location| !location.is_empty())
        .map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_and_nothing_else_is_passed_over() {
        let parse = |inner: &str| {
            let document = format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}\
                 </CreateBucketConfiguration>"
            );
            parse_create_bucket(document.as_bytes()).map_err(|error| error.code())
        };
        let located = parse("<LocationConstraint> eu-west-1 </LocationConstraint>");
        assert_eq!(located, Ok(Some("eu-west-1".to_owned())));
        assert_eq!(parse("<LocationConstraint/>"), Ok(None));
        assert_eq!(parse(""), Ok(None));
        assert_eq!(
            parse("<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>"),
            Err(Code::NotImplemented)
        );
        assert_eq!(parse("<Other/>"), Err(Code::MalformedXML));
        let twice = "<LocationConstraint>a</LocationConstraint>".repeat(2);
        assert_eq!(parse(&twice), Err(Code::MalformedXML));
    }
}
