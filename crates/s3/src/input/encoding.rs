//! `encoding-type`: how listings write keys.

use super::request::Request;
use crate::error::S3Error;
use crate::uri::{self, Slash};

/// How keys, prefixes and markers stand in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyEncoding {
    /// As they are.
    #[default]
    Plain,
    /// Percent-encoded, but for slashes, and with this for a space.
    Url {
        /// `+` or `%20`.
        space: &'static str,
    },
}

impl KeyEncoding {
    /// Reads what the request asks for.
    ///
    /// # Errors
    /// `InvalidArgument` for an encoding that S3 does not know.
    pub(super) fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        match request.query().get_nonempty("encoding-type") {
            None => Ok(Self::Plain),
            Some(kind) if kind.eq_ignore_ascii_case("url") => Ok(Self::Url {
                space: request.dialect.space_in_encoded_keys(),
            }),
            Some(other) => Err(S3Error::invalid_argument(
                "encoding-type",
                other,
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    /// A key as it stands in the answer.
    pub(crate) fn text(self, key: &str) -> String {
        match self {
            Self::Plain => key.to_owned(),
            Self::Url { space: "%20" } => uri::encode(key, Slash::Keep),
            // A percent sign of the key itself is encoded, so each %20 here stands for a space.
            Self::Url { space } => uri::encode(key, Slash::Keep).replace("%20", space),
        }
    }

    /// The value of `EncodingType` in the answer.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Url { .. } => Some("url"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_is_written_as_the_dialect_has_it_and_nothing_else_is_taken_for_one() {
        let key = "a b/%20+é";
        let of = |space| KeyEncoding::Url { space }.text(key);
        assert_eq!(of("+"), "a+b/%2520%2B%C3%A9");
        assert_eq!(of("%20"), "a%20b/%2520%2B%C3%A9");
        assert_eq!(KeyEncoding::Plain.text(key), key);
    }
}
