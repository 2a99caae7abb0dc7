//! What is wrong with a form.

use crate::code::Code;
use crate::error::S3Error;

/// Why a form is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It is no `multipart/form-data`, or ends before its last boundary.
    #[error("the form is malformed")]
    Malformed,
    /// What stands in front of the file is too long, or has too many fields.
    #[error("the fields of the form are too long")]
    FieldsTooLong,
    /// It ends without a file.
    #[error("the form has no file")]
    NoFile,
    /// The file has more bytes than the policy allows.
    #[error("the file is longer than {max} bytes")]
    FileTooLong {
        /// What is allowed.
        max: u64,
    },
    /// The file has fewer bytes than the policy allows.
    #[error("the file has {len} bytes, fewer than {min}")]
    FileTooShort {
        /// What it has.
        len: u64,
        /// What is asked for.
        min: u64,
    },
}

impl From<FormError> for S3Error {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Malformed => Self::new(Code::MalformedPOSTRequest),
            FormError::FieldsTooLong => Self::new(Code::MaxPostPreDataLengthExceededError),
            FormError::NoFile => Self::new(Code::IncorrectNumberOfFilesInPostRequest),
            FormError::FileTooLong { max } => {
                Self::new(Code::EntityTooLarge).detail("MaxSizeAllowed", max.to_string())
            }
            FormError::FileTooShort { len, min } => Self::new(Code::EntityTooSmall)
                .detail("ProposedSize", len.to_string())
                .detail("MinSizeAllowed", min.to_string()),
        }
    }
}
