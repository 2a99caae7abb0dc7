//! `PublicAccessBlockConfiguration`.

use cairn_iam::public_access::PublicAccessBlock;

use crate::code::Code;
use crate::error::S3Error;
use crate::xml::reader::{Element, Malformed};
use crate::xml::writer::XmlWriter;

/// The root and its switches, and one to tell what is too much.
const ELEMENT_LIMIT: usize = 6;

const ACLS: &str = "BlockPublicAcls";
const IGNORE: &str = "IgnorePublicAcls";
const POLICY: &str = "BlockPublicPolicy";
const RESTRICT: &str = "RestrictPublicBuckets";

/// Reads the four switches. One that is not there is off.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`.
pub fn parse_public_access_block(document: &[u8]) -> Result<PublicAccessBlock, S3Error> {
    if document.is_empty() {
        return Err(Code::MissingRequestBodyError.into());
    }
    let root = Element::parse(document, "PublicAccessBlockConfiguration", ELEMENT_LIMIT)?;
    root.children(&[ACLS, IGNORE, POLICY, RESTRICT])?;
    let switch = |name| match root.optional(name)?.map(str::trim) {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(Malformed),
    };
    Ok(PublicAccessBlock {
        block_public_acls: switch(ACLS)?,
        ignore_public_acls: switch(IGNORE)?,
        block_public_policy: switch(POLICY)?,
        restrict_public_buckets: switch(RESTRICT)?,
    })
}

/// The document of the four switches.
pub fn write_public_access_block(block: PublicAccessBlock) -> String {
    let mut xml = XmlWriter::document();
    xml.open_root("PublicAccessBlockConfiguration");
    xml.value(ACLS, &block.block_public_acls);
    xml.value(IGNORE, &block.ignore_public_acls);
    xml.value(POLICY, &block.block_public_policy);
    xml.value(RESTRICT, &block.restrict_public_buckets);
    xml.close("PublicAccessBlockConfiguration");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_reads_back() {
        for bits in 0..16 {
            let block = PublicAccessBlock {
                block_public_acls: bits & 1 != 0,
                ignore_public_acls: bits & 2 != 0,
                block_public_policy: bits & 4 != 0,
                restrict_public_buckets: bits & 8 != 0,
            };
            let text = write_public_access_block(block);
            assert_eq!(parse_public_access_block(text.as_bytes()), Ok(block));
        }
    }

    #[test]
    fn what_is_not_said_is_off_and_what_is_no_switch_is_malformed() {
        let parse = |inner: &str| {
            let root = "PublicAccessBlockConfiguration";
            parse_public_access_block(format!("<{root}>{inner}</{root}>").as_bytes())
                .map_err(|error| error.code())
        };
        assert_eq!(parse(""), Ok(PublicAccessBlock::default()));
        let one = parse("<BlockPublicPolicy>TRUE</BlockPublicPolicy>").unwrap();
        assert!(one.block_public_policy && !one.block_public_acls);
        for bad in [
            "<BlockPublicPolicy>1</BlockPublicPolicy>",
            "<BlockPublicPolicy/>",
            "<Other>true</Other>",
            "<BlockPublicPolicy>true</BlockPublicPolicy><BlockPublicPolicy>true</BlockPublicPolicy>",
        ] {
            assert_eq!(parse(bad), Err(Code::MalformedXML), "{bad}");
        }
        let empty = parse_public_access_block(b"").unwrap_err();
        assert_eq!(empty.code(), Code::MissingRequestBodyError);
    }
}
