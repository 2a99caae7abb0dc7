//! What `x-amz-content-sha256` says of a body.

use crate::code::Code;
use crate::error::S3Error;

/// How a body is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadForm {
    /// As it is, with this SHA-256.
    Signed([u8; 32]),
    /// As it is, protected by nothing but the connection.
    Unsigned,
    /// In chunks, each signed.
    SignedChunks,
    /// In chunks, each signed, and signed trailers behind.
    SignedChunksWithTrailer,
    /// In chunks, not signed, and trailers behind.
    UnsignedChunksWithTrailer,
}

impl PayloadForm {
    /// Reads a value of `x-amz-content-sha256`.
    ///
    /// # Errors
    /// `NotImplemented` for chunks signed with elliptic curves, `InvalidArgument` for what S3 does not know.
    pub fn parse(value: &str) -> Result<Self, S3Error> {
        match value {
            "UNSIGNED-PAYLOAD" => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::SignedChunks),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::SignedChunksWithTrailer),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::UnsignedChunksWithTrailer),
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
            | "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER" => {
                Err(S3Error::unbuilt_header("x-amz-content-sha256"))
            }
            digits => {
                let mut sha256 = [0; 32];
                match hex::decode_to_slice(digits, &mut sha256) {
                    Ok(()) => Ok(Self::Signed(sha256)),
                    Err(_) => Err(unknown(value)),
                }
            }
        }
    }

    /// Whether the body is cut into chunks (aws-chunked).
    pub const fn is_chunked(self) -> bool {
        matches!(
            self,
            Self::SignedChunks | Self::SignedChunksWithTrailer | Self::UnsignedChunksWithTrailer
        )
    }

    /// Whether each chunk has a signature.
    pub const fn has_signed_chunks(self) -> bool {
        matches!(self, Self::SignedChunks | Self::SignedChunksWithTrailer)
    }

    /// Whether trailers follow the last chunk.
    pub const fn has_trailer(self) -> bool {
        matches!(
            self,
            Self::SignedChunksWithTrailer | Self::UnsignedChunksWithTrailer
        )
    }
}

fn unknown(value: &str) -> S3Error {
    if value.is_empty() {
        return S3Error::with_message(
            Code::InvalidRequest,
            "Missing required header for this request: x-amz-content-sha256",
        );
    }
    S3Error::invalid_argument(
        "x-amz-content-sha256",
        value,
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, \
         STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 \
         value.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_s3_is_known_and_nothing_else() {
        let digits = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(matches!(
            PayloadForm::parse(digits),
            Ok(PayloadForm::Signed(_))
        ));
        for (value, code) in [
            ("", Code::InvalidRequest),
            ("abc", Code::InvalidArgument),
            (&digits[1..], Code::InvalidArgument),
            ("STREAMING-SOMETHING", Code::InvalidArgument),
            ("unsigned-payload", Code::InvalidArgument),
            (
                "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
                Code::NotImplemented,
            ),
        ] {
            let error = PayloadForm::parse(value).unwrap_err();
            assert_eq!(error.code(), code, "{value}");
        }
        for (value, signed, trailer) in [
            ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", true, false),
            ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", true, true),
            ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", false, true),
        ] {
            let form = PayloadForm::parse(value).unwrap();
            assert!(form.is_chunked());
            assert_eq!(form.has_signed_chunks(), signed);
            assert_eq!(form.has_trailer(), trailer);
        }
    }
}
