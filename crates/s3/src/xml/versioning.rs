//! `VersioningConfiguration`.

use cairn_types::version::Versioning;

use crate::code::Code;
use crate::error::S3Error;
use crate::xml::reader::{Element, Malformed};

/// The root and its two elements, and one to tell what is too much.
const ELEMENT_LIMIT: usize = 4;

/// Reads what a bucket's versioning is to be.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`, `IllegalVersioningConfigurationException` where nothing is said of
/// versioning, `NotImplemented` for deletions that need a second factor.
pub fn parse_versioning(document: &[u8]) -> Result<Versioning, S3Error> {
    if document.is_empty() {
        return Err(Code::MissingRequestBodyError.into());
    }
    let root = Element::parse(document, "VersioningConfiguration", ELEMENT_LIMIT)?;
    root.children(&["Status", "MfaDelete"])?;
    match root.optional("MfaDelete")?.map(str::trim) {
        None | Some("Disabled") => {}
        Some("Enabled") => {
            return Err(S3Error::with_message(
                Code::NotImplemented,
                "The element MfaDelete is not implemented",
            ));
        }
        Some(_) => return Err(Malformed.into()),
    }
    match root.optional("Status")?.map(str::trim) {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") => Ok(Versioning::Suspended),
        Some(_) => Err(Malformed.into()),
        None => Err(S3Error::with_message(
            Code::IllegalVersioningConfigurationException,
            "The Versioning element must be specified",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_and_everything_else_is_refused() {
        let parse = |inner: &str| {
            let document = format!("<VersioningConfiguration>{inner}</VersioningConfiguration>");
            parse_versioning(document.as_bytes()).map_err(|error| error.code())
        };
        let enabled = "<Status>Enabled</Status>";
        assert_eq!(parse(enabled), Ok(Versioning::Enabled));
        let mfa = "<MfaDelete>Disabled</MfaDelete><Status> Suspended </Status>";
        assert_eq!(parse(mfa), Ok(Versioning::Suspended));
        for (inner, code) in [
            ("", Code::IllegalVersioningConfigurationException),
            (
                "<MfaDelete>Disabled</MfaDelete>",
                Code::IllegalVersioningConfigurationException,
            ),
            ("<Status>enabled</Status>", Code::MalformedXML),
            ("<Status/>", Code::MalformedXML),
            ("<Other/>", Code::MalformedXML),
            (&enabled.repeat(2), Code::MalformedXML),
            (
                "<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>",
                Code::NotImplemented,
            ),
            (
                "<Status>Enabled</Status><MfaDelete>1</MfaDelete>",
                Code::MalformedXML,
            ),
        ] {
            assert_eq!(parse(inner), Err(code), "{inner}");
        }
        let empty = parse_versioning(b"").map_err(|error| error.code());
        assert_eq!(empty, Err(Code::MissingRequestBodyError));
    }
}
