//! `BucketLoggingStatus`, as long as there are no access logs: a bucket can say that it has none.

use crate::code::Code;
use crate::error::S3Error;
use crate::xml::reader::Element;
use crate::xml::writer::XmlWriter;

/// Where a log goes, how its keys look, and grants: more than enough to tell that a log is asked for.
const ELEMENT_LIMIT: usize = 1024;

/// Reads that a bucket is to have no log.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`, `NotImplemented` when a log is asked for.
pub fn parse_no_logging(document: &[u8]) -> Result<(), S3Error> {
    if document.is_empty() {
        return Err(Code::MissingRequestBodyError.into());
    }
    let root = Element::parse(document, "BucketLoggingStatus", ELEMENT_LIMIT)?;
    let children = root.children(&["LoggingEnabled"])?;
    if children.is_empty() {
        return Ok(());
    }
    Err(S3Error::with_message(
        Code::NotImplemented,
        "The element LoggingEnabled is not implemented",
    ))
}

/// The document of a bucket without a log.
pub fn write_no_logging() -> String {
    let mut xml = XmlWriter::document();
    xml.open_root("BucketLoggingStatus");
    xml.close("BucketLoggingStatus");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_no_log_at_all_can_be_asked_for() {
        assert_eq!(parse_no_logging(write_no_logging().as_bytes()), Ok(()));
        for (bad, code) in [
            ("", Code::MissingRequestBodyError),
            ("<Other/>", Code::MalformedXML),
            (
                "<BucketLoggingStatus><X/></BucketLoggingStatus>",
                Code::MalformedXML,
            ),
            (
                "<BucketLoggingStatus><LoggingEnabled><TargetBucket>b</TargetBucket></LoggingEnabled></BucketLoggingStatus>",
                Code::NotImplemented,
            ),
        ] {
            let error = parse_no_logging(bad.as_bytes()).unwrap_err();
            assert_eq!(error.code(), code, "{bad}");
        }
    }
}
