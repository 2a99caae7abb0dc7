//! What the head of a request declares of its body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cairn_types::checksum::{Checksum, ChecksumAlgorithm};
use http::{HeaderMap, header};

use super::PayloadForm;
use crate::auth::Verified;
use crate::checksum;
use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::S3Error;
use crate::operations::Operation;

/// Algorithms that S3 knows and this store does not compute.
const UNBUILT_ALGORITHMS: [&str; 5] = ["SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"];

/// The checksum that a body is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclaredChecksum {
    /// None was named.
    None,
    /// This one, in a header.
    Value(Checksum),
    /// One of this algorithm, in a trailer.
    Trailer(ChecksumAlgorithm),
}

/// What a request's head says of its body, checked for consistency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyDeclaration {
    form: PayloadForm,
    len: Option<u64>,
    md5: Option<[u8; 16]>,
    checksum: DeclaredChecksum,
}

impl BodyDeclaration {
    /// Reads the declarations of a request for `operation`.
    ///
    /// # Errors
    /// `MissingContentLength` when nothing says how long a chunked body is once decoded, `InvalidDigest` for a bad
    /// `Content-MD5`, `InvalidRequest` for two checksums or a trailer that S3 does not know, what the dialect has for one that
    /// cannot be, `NotImplemented` for an algorithm that is not built.
    pub fn parse(
        operation: Operation,
        headers: &HeaderMap,
        verified: &Verified,
        dialect: Dialect,
    ) -> Result<Self, S3Error> {
        let form = verified.payload();
        let wire_len = length(headers, header::CONTENT_LENGTH.as_str())?;
        let len = if form.is_chunked() {
            let decoded = length(headers, "x-amz-decoded-content-length")?;
            Some(decoded.ok_or_else(|| S3Error::new(Code::MissingContentLength))?)
        } else {
            wire_len.or_else(|| {
                // Without a length and without chunked transfer a request has no body.
                let is_open_ended = headers.contains_key(header::TRANSFER_ENCODING);
                (!is_open_ended).then_some(0)
            })
        };
        // Completing an upload declares the checksum of the object, not of the list in the body.
        let checksum = if operation == Operation::CompleteMultipartUpload {
            DeclaredChecksum::None
        } else {
            declared_checksum(headers, form, dialect)?
        };
        Ok(Self {
            form,
            len,
            md5: content_md5(headers)?,
            checksum,
        })
    }

    /// What the fields of a form declare of its file, given as headers. Its length is known when it ends.
    ///
    /// # Errors
    /// As `parse`.
    pub fn of_form(
        headers: &HeaderMap,
        verified: &Verified,
        dialect: Dialect,
    ) -> Result<Self, S3Error> {
        let form = verified.payload();
        Ok(Self {
            form,
            len: None,
            md5: content_md5(headers)?,
            checksum: declared_checksum(headers, form, dialect)?,
        })
    }

    /// How the body is protected.
    pub const fn form(&self) -> PayloadForm {
        self.form
    }

    /// The length of what the body holds, in bytes, without the encoding of chunks. `None`: it will be known when it
    /// ends, since it is transferred in HTTP chunks.
    #[expect(clippy::len_without_is_empty, reason = "it is no collection")]
    pub const fn len(&self) -> Option<u64> {
        self.len
    }

    /// `Content-MD5`. Whoever computes the MD5 of the body anyway compares it before anything becomes visible.
    pub const fn md5(&self) -> Option<[u8; 16]> {
        self.md5
    }

    /// The checksum that was named.
    pub const fn checksum(&self) -> &DeclaredChecksum {
        &self.checksum
    }

    /// The algorithm of the checksum that was named.
    pub const fn checksum_algorithm(&self) -> Option<ChecksumAlgorithm> {
        match &self.checksum {
            DeclaredChecksum::None => None,
            DeclaredChecksum::Value(checksum) => Some(checksum.algorithm()),
            DeclaredChecksum::Trailer(algorithm) => Some(*algorithm),
        }
    }

    /// A trailer said which checksum it is.
    pub(super) fn set_checksum(&mut self, checksum: Checksum) {
        self.checksum = DeclaredChecksum::Value(checksum);
    }
}

/// The algorithm with this name, in a header of this name.
pub(crate) fn parse_checksum_algorithm(
    header: &'static str,
    name: &str,
) -> Result<ChecksumAlgorithm, S3Error> {
    if let Some(algorithm) = ChecksumAlgorithm::parse(name) {
        return Ok(algorithm);
    }
    if UNBUILT_ALGORITHMS
        .iter()
        .any(|unbuilt| unbuilt.eq_ignore_ascii_case(name))
    {
        return Err(S3Error::unbuilt_header(header));
    }
    Err(S3Error::with_message(
        Code::InvalidRequest,
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
         [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    ))
}

fn declared_checksum(
    headers: &HeaderMap,
    form: PayloadForm,
    dialect: Dialect,
) -> Result<DeclaredChecksum, S3Error> {
    let mut declared = DeclaredChecksum::None;
    for algorithm in ChecksumAlgorithm::ALL {
        for value in headers.get_all(checksum::header_name(algorithm)) {
            let value = value.to_str().unwrap_or_default();
            let value = checksum::decode(algorithm, value)
                .ok_or_else(|| invalid_value(dialect.bad_checksum_value(), algorithm))?;
            if declared != DeclaredChecksum::None {
                return Err(two_checksums());
            }
            declared = DeclaredChecksum::Value(value);
        }
    }
    if let Some(algorithm) = trailer_algorithm(headers, form)? {
        if declared != DeclaredChecksum::None {
            return Err(two_checksums());
        }
        declared = DeclaredChecksum::Trailer(algorithm);
    }
    check_sdk_algorithm(headers, &declared)?;
    Ok(declared)
}

/// The checksum that `x-amz-trailer` promises.
fn trailer_algorithm(
    headers: &HeaderMap,
    form: PayloadForm,
) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let mut names = headers
        .get_all("x-amz-trailer")
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty());
    let Some(name) = names.next() else {
        return Ok(None);
    };
    if names.next().is_some() {
        return Err(two_checksums());
    }
    let algorithm = ChecksumAlgorithm::ALL
        .into_iter()
        .find(|algorithm| checksum::header_name(*algorithm) == name);
    match algorithm {
        Some(algorithm) if form.has_trailer() => Ok(Some(algorithm)),
        Some(_) => Err(S3Error::with_message(
            Code::InvalidRequest,
            "The x-amz-trailer header needs a value of x-amz-content-sha256 that has trailers",
        )),
        None => Err(S3Error::with_message(
            Code::InvalidRequest,
            "The value specified in the x-amz-trailer header is not supported",
        )),
    }
}

fn check_sdk_algorithm(headers: &HeaderMap, declared: &DeclaredChecksum) -> Result<(), S3Error> {
    const NAME: &str = "x-amz-sdk-checksum-algorithm";
    let Some(value) = headers.get(NAME) else {
        return Ok(());
    };
    let algorithm = parse_checksum_algorithm(NAME, value.to_str().unwrap_or_default())?;
    let declared = match declared {
        DeclaredChecksum::None => {
            return Err(S3Error::with_message(
                Code::InvalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers \
                 were found.",
            ));
        }
        DeclaredChecksum::Value(checksum) => checksum.algorithm(),
        DeclaredChecksum::Trailer(algorithm) => *algorithm,
    };
    if declared == algorithm {
        return Ok(());
    }
    Err(S3Error::with_message(
        Code::InvalidRequest,
        "Value for x-amz-sdk-checksum-algorithm header is invalid.",
    ))
}

fn invalid_value(code: Code, algorithm: ChecksumAlgorithm) -> S3Error {
    let header = checksum::header_name(algorithm);
    S3Error::with_message(code, format!("Value for {header} header is invalid."))
}

fn two_checksums() -> S3Error {
    S3Error::with_message(
        Code::InvalidRequest,
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    )
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, S3Error> {
    let Some(value) = headers.get("content-md5") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let invalid = || S3Error::new(Code::InvalidDigest).detail("Content-MD5", text);
    if text.len() > 32 {
        return Err(S3Error::new(Code::InvalidDigest));
    }
    let bytes = STANDARD.decode(text).map_err(|_| invalid())?;
    Ok(Some(bytes.try_into().map_err(|_| invalid())?))
}

/// A header that counts bytes: decimal digits and nothing else.
fn length(headers: &HeaderMap, name: &str) -> Result<Option<u64>, S3Error> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok()).flatten();
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(S3Error::with_message(
            Code::InvalidArgument,
            format!("The value of {name} is not a length in bytes"),
        )),
    }
}
