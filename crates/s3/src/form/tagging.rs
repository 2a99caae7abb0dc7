//! `Tagging` in a field of a form, as the header `x-amz-tagging` says it.

use crate::error::S3Error;
use crate::uri::{self, Slash};
use crate::xml::reader::Element;

/// The most elements of a document: its limit of tags is checked where the header is read.
const ELEMENT_LIMIT: usize = 256;

/// Rewrites a `Tagging` document to `key=value&key=value`, encoded.
///
/// # Errors
/// `MalformedXML`.
pub(super) fn tagging_header(document: &str) -> Result<String, S3Error> {
    let root = Element::parse(document.as_bytes(), "Tagging", ELEMENT_LIMIT)?;
    let mut pairs = Vec::new();
    for set in root.children(&["TagSet"])? {
        for tag in set.children(&["Tag"])? {
            tag.children(&["Key", "Value"])?;
            let text = |name| {
                tag.required(name)
                    .map(|text| uri::encode(text, Slash::Encode))
            };
            pairs.push(format!("{}={}", text("Key")?, text("Value")?));
        }
    }
    Ok(pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;

    #[test]
    fn a_set_of_tags_becomes_a_header() {
        let document = "<Tagging><TagSet><Tag><Key>a b</Key><Value>&amp;1</Value></Tag>\
                        <Tag><Key>é</Key><Value></Value></Tag></TagSet></Tagging>";
        assert_eq!(
            tagging_header(document),
            Ok("a%20b=%261&%C3%A9=".to_owned())
        );
        assert_eq!(
            tagging_header("<Tagging><TagSet/></Tagging>"),
            Ok(String::new())
        );
        for bad in [
            "",
            "a=b",
            "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
        ] {
            let refused = tagging_header(bad).map_err(|error| error.code());
            assert_eq!(refused, Err(Code::MalformedXML), "{bad}");
        }
    }
}
