//! `CompleteMultipartUpload`: the list of parts.

use cairn_types::checksum::{Checksum, ChecksumAlgorithm};
use cairn_types::etag::ETag;
use cairn_types::namespace::data::CompletedPart;

use crate::checksum;
use crate::code::Code;
use crate::error::S3Error;
use crate::input::NO_OBJECTS_ETAG;
use crate::xml::reader::{Element, Malformed};

const PART_LIMIT: usize = 10_000;
/// A part has a number, an ETag and at most one of the checksums.
const ELEMENT_LIMIT: usize = 1 + PART_LIMIT * 8;

const UNBUILT: [&str; 5] = [
    "ChecksumSHA512",
    "ChecksumMD5",
    "ChecksumXXHASH64",
    "ChecksumXXHASH3",
    "ChecksumXXHASH128",
];

/// Reads 1 to 10,000 parts, in the order of the document.
///
/// Cost: one pass; a document of megabytes is work for the CPU pool.
///
/// # Errors
/// `MalformedXML`, `InvalidArgument` for a number that no part has, `InvalidPart`, `NotImplemented` for a checksum that is not built.
pub fn parse_complete(document: &[u8]) -> Result<Vec<CompletedPart>, S3Error> {
    let root = Element::parse(document, "CompleteMultipartUpload", ELEMENT_LIMIT)?;
    let children = root.children(&["Part"])?;
    if children.is_empty() || children.len() > PART_LIMIT {
        return Err(Malformed.into());
    }
    children.iter().map(parse_part).collect()
}

fn parse_part(part: &Element) -> Result<CompletedPart, S3Error> {
    let mut allowed = vec!["PartNumber", "ETag"];
    allowed.extend(ChecksumAlgorithm::ALL.map(checksum::element_name));
    allowed.extend(UNBUILT);
    part.children(&allowed)?;
    for name in UNBUILT {
        if part.optional(name)?.is_some() {
            return Err(S3Error::with_message(
                Code::NotImplemented,
                format!("The element {name} is not implemented"),
            ));
        }
    }
    let number = part.required("PartNumber")?.trim();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(Malformed.into());
    }
    let Ok(number @ 1..=10_000) = number.parse() else {
        return Err(S3Error::invalid_argument(
            "partNumber",
            number,
            "PartNumber must be between 1 and 10000, inclusive",
        ));
    };
    let etag = part.required("ETag")?.trim();
    // A text that is no ETag is no part's: that is decided where the upload is known.
    let etag = ETag::parse(etag).unwrap_or(NO_OBJECTS_ETAG);
    Ok(CompletedPart {
        number,
        etag,
        checksum: parse_checksum(part)?,
    })
}

fn parse_checksum(part: &Element) -> Result<Option<Checksum>, S3Error> {
    let mut found = None;
    for algorithm in ChecksumAlgorithm::ALL {
        let Some(text) = part.optional(checksum::element_name(algorithm))? else {
            continue;
        };
        let value = checksum::decode(algorithm, text.trim()).ok_or_else(|| {
            S3Error::with_message(
                Code::InvalidRequest,
                format!(
                    "Value for {} is invalid.",
                    checksum::element_name(algorithm)
                ),
            )
        })?;
        if found.replace(value).is_some() {
            return Err(S3Error::with_message(
                Code::InvalidRequest,
                "Expecting a single checksum for each part.",
            ));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "0123456789abcdef0123456789abcdef";

    fn parse(inner: &str) -> Result<Vec<CompletedPart>, Code> {
        let document = format!("<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>");
        parse_complete(document.as_bytes()).map_err(|error| error.code())
    }

    fn part(number: &str, more: &str) -> String {
        format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{MD5}&quot;</ETag>{more}</Part>"
        )
    }

    #[test]
    fn parts_are_read_with_their_checksums() {
        let document = format!(
            "{}<Part><ETag>{MD5}</ETag><PartNumber>7</PartNumber></Part>",
            part("1", "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>")
        );
        let parts = parse(&document).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].number, parts[1].number), (1, 7));
        assert_eq!(parts[0].etag, parts[1].etag);
        assert_eq!(parts[0].checksum.as_ref().unwrap().value(), [0; 4]);
        assert_eq!(parts[1].checksum, None);
    }

    #[test]
    fn lists_that_cannot_be_are_refused() {
        let all: String = (1..=10_000)
            .map(|number| part(&number.to_string(), ""))
            .collect();
        assert_eq!(parse(&all).unwrap().len(), 10_000);
        let crc = "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>";
        let sha = "<ChecksumSHA1>2jmj7l5rSw0yVb/vlWAYkK/YBwk=</ChecksumSHA1>";
        for (inner, code) in [
            (String::new(), Code::MalformedXML),
            (format!("{all}{}", part("10000", "")), Code::MalformedXML),
            (part("0", ""), Code::InvalidArgument),
            (part("10001", ""), Code::InvalidArgument),
            (part("-1", ""), Code::MalformedXML),
            (part("99999999999999999999", ""), Code::InvalidArgument),
            (part("x", ""), Code::MalformedXML),
            (part("1", "<ETag>x</ETag>"), Code::MalformedXML),
            (part("1", "<Other/>"), Code::MalformedXML),
            (part("1", &format!("{crc}{sha}")), Code::InvalidRequest),
            (
                part("1", "<ChecksumCRC32>A</ChecksumCRC32>"),
                Code::InvalidRequest,
            ),
            (
                part("1", "<ChecksumSHA512>A</ChecksumSHA512>"),
                Code::NotImplemented,
            ),
            (
                "<Part><PartNumber>1</PartNumber></Part>".to_owned(),
                Code::MalformedXML,
            ),
        ] {
            assert_eq!(parse(&inner), Err(code), "{inner:.80}");
        }
        // An ETag that no part has: that is told where the parts are known.
        let inner = "<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>";
        let parts = parse(inner).unwrap();
        assert_eq!(parts.first().unwrap().etag, NO_OBJECTS_ETAG);
    }
}
