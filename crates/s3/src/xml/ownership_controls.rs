//! `OwnershipControls`.

use cairn_iam::ownership::Ownership;

use crate::code::Code;
use crate::error::S3Error;
use crate::xml::reader::{Element, Malformed};
use crate::xml::writer::XmlWriter;

/// The root, its rule and the setting in it, and one to tell what is too much.
const ELEMENT_LIMIT: usize = 4;

/// Reads the one rule of ownership controls.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`.
pub fn parse_ownership_controls(document: &[u8]) -> Result<Ownership, S3Error> {
    if document.is_empty() {
        return Err(Code::MissingRequestBodyError.into());
    }
    let root = Element::parse(document, "OwnershipControls", ELEMENT_LIMIT)?;
    root.children(&["Rule"])?;
    let rule = root.required_child("Rule")?;
    rule.children(&["ObjectOwnership"])?;
    let name = rule.required("ObjectOwnership")?.trim();
    Ok(Ownership::parse(name).ok_or(Malformed)?)
}

/// The document of ownership controls.
pub fn write_ownership_controls(ownership: Ownership) -> String {
    let mut xml = XmlWriter::document();
    xml.open_root("OwnershipControls");
    xml.open("Rule");
    xml.text("ObjectOwnership", ownership.as_str());
    xml.close("Rule");
    xml.close("OwnershipControls");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_reads_back() {
        for ownership in Ownership::ALL {
            let text = write_ownership_controls(ownership);
            assert_eq!(parse_ownership_controls(text.as_bytes()), Ok(ownership));
        }
    }

    #[test]
    fn there_is_exactly_one_rule_with_a_known_setting() {
        let rule = "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>";
        for bad in [
            "",
            "<Rule/>",
            "<Rule><ObjectOwnership/></Rule>",
            "<Rule><ObjectOwnership>objectwriter</ObjectOwnership></Rule>",
            "<ObjectOwnership>ObjectWriter</ObjectOwnership>",
            &rule.repeat(2),
        ] {
            let document = format!("<OwnershipControls>{bad}</OwnershipControls>");
            let read = parse_ownership_controls(document.as_bytes());
            assert_eq!(read.unwrap_err().code(), Code::MalformedXML, "{bad}");
        }
        let empty = parse_ownership_controls(b"").unwrap_err();
        assert_eq!(empty.code(), Code::MissingRequestBodyError);
    }
}
