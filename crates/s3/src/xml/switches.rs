//! Documents that say one of two things: who pays for requests, and whether transfers are accelerated.

use crate::code::Code;
use crate::error::S3Error;
use crate::xml::reader::{Element, Malformed};
use crate::xml::writer::XmlWriter;

/// The root and its element, and one to tell what is too much.
const ELEMENT_LIMIT: usize = 3;

/// Who pays for requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Payer {
    /// The bucket's owner.
    #[default]
    BucketOwner,
    /// Whoever asks, and says that it will.
    Requester,
}

/// Whether transfers are accelerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acceleration {
    /// They are.
    Enabled,
    /// They were once.
    Suspended,
}

impl Payer {
    /// As documents name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BucketOwner => "BucketOwner",
            Self::Requester => "Requester",
        }
    }
}

impl Acceleration {
    /// As documents name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Suspended => "Suspended",
        }
    }
}

/// Reads `RequestPaymentConfiguration`.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`.
pub fn parse_request_payment(document: &[u8]) -> Result<Payer, S3Error> {
    let name = only_text(document, "RequestPaymentConfiguration", "Payer")?;
    let payers = [Payer::BucketOwner, Payer::Requester];
    let payer = payers.into_iter().find(|payer| payer.as_str() == name);
    Ok(payer.ok_or(Malformed)?)
}

/// The document of `RequestPaymentConfiguration`.
pub fn write_request_payment(payer: Payer) -> String {
    let mut xml = XmlWriter::document();
    xml.open_root("RequestPaymentConfiguration");
    xml.text("Payer", payer.as_str());
    xml.close("RequestPaymentConfiguration");
    xml.finish()
}

/// Reads `AccelerateConfiguration`.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`.
pub fn parse_accelerate(document: &[u8]) -> Result<Acceleration, S3Error> {
    let name = only_text(document, "AccelerateConfiguration", "Status")?;
    let states = [Acceleration::Enabled, Acceleration::Suspended];
    let state = states.into_iter().find(|state| state.as_str() == name);
    Ok(state.ok_or(Malformed)?)
}

/// The document of `AccelerateConfiguration`. A bucket that was never told anything of it says nothing.
pub fn write_accelerate(acceleration: Option<Acceleration>) -> String {
    let mut xml = XmlWriter::document();
    xml.open_root("AccelerateConfiguration");
    xml.optional_text("Status", acceleration.map(Acceleration::as_str));
    xml.close("AccelerateConfiguration");
    xml.finish()
}

fn only_text(document: &[u8], root: &str, element: &str) -> Result<String, S3Error> {
    if document.is_empty() {
        return Err(Code::MissingRequestBodyError.into());
    }
    let root = Element::parse(document, root, ELEMENT_LIMIT)?;
    root.children(&[element])?;
    Ok(root.required(element)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for payer in [Payer::BucketOwner, Payer::Requester] {
            let text = write_request_payment(payer);
            assert_eq!(parse_request_payment(text.as_bytes()), Ok(payer));
        }
        for state in [Acceleration::Enabled, Acceleration::Suspended] {
            let text = write_accelerate(Some(state));
            assert_eq!(parse_accelerate(text.as_bytes()), Ok(state));
        }
        let never = write_accelerate(None);
        assert!(
            never.ends_with("2006-03-01/\"></AccelerateConfiguration>"),
            "{never}"
        );
    }

    #[test]
    fn everything_else_is_malformed() {
        for bad in [
            "",
            "<Payer>requester</Payer>",
            "<Payer/>",
            "<Other>Requester</Other>",
        ] {
            let text = format!("<RequestPaymentConfiguration>{bad}</RequestPaymentConfiguration>");
            let error = parse_request_payment(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::MalformedXML, "{bad}");
        }
        for bad in [
            "",
            "<Status>Disabled</Status>",
            "<Status>Enabled</Status><Status>Enabled</Status>",
        ] {
            let text = format!("<AccelerateConfiguration>{bad}</AccelerateConfiguration>");
            let error = parse_accelerate(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::MalformedXML, "{bad}");
        }
        let empty = parse_accelerate(b"").unwrap_err();
        assert_eq!(empty.code(), Code::MissingRequestBodyError);
    }
}
