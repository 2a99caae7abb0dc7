//! A body that is verified as it flows.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use http_body::Body;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::chunks::{ChunkDecoder, ChunkError, ChunkEvent};
use super::declaration::{BodyDeclaration, DeclaredChecksum};
use super::form::PayloadForm;
use crate::auth::{ChunkChain, Verified};
use crate::checksum::{self, Hasher};
use crate::code::Code;
use crate::error::S3Error;
use crate::form::FormError;

/// The most bytes of one request's body: 5 GiB.
pub(crate) const BODY_LIMIT: u64 = 5 << 30;

/// A request's body: its content without any encoding of chunks, verified as it flows.
///
/// Nothing that was read may become visible before `next` said that there is no more: only then do all signatures,
/// lengths and checksums hold. `Content-MD5` is left to whoever computes the ETag, except in `read_document`.
#[derive(Debug)]
pub struct VerifiedBody<B> {
    body: B,
    declaration: BodyDeclaration,
    /// What came from the wire and was not decoded yet.
    pending: Bytes,
    content: Verifier,
    chunks: Option<Chunks>,
    ended: bool,
}

/// Why a body cannot be had, or cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection failed.
    #[error("read the body")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It has another length than was declared.
    #[error("the body has not the declared length")]
    Length,
    /// It is longer than is allowed.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// What is allowed, in bytes.
        limit: u64,
    },
    /// It has another SHA-256 than was signed.
    #[error("the body has not the signed SHA-256")]
    ContentSha256 {
        /// What was signed.
        declared: [u8; 32],
        /// What came.
        computed: [u8; 32],
    },
    /// A chunk or the trailers have another signature.
    #[error("a signature in the body does not match")]
    Signature,
    /// It is not aws-chunked as it should be.
    #[error("decode the body")]
    Chunk(#[from] ChunkError),
    /// Trailers are missing, too many, or not the declared ones.
    #[error("the trailers are not the declared ones")]
    Trailers,
    /// It has another checksum than was declared.
    #[error("the body has not the declared {}", .algorithm.name())]
    Checksum {
        /// Which checksum.
        algorithm: ChecksumAlgorithm,
    },
    /// It has another MD5 than was declared.
    #[error("the body has not the declared MD5")]
    Md5,
    /// It is the file of a form that is not as it should be.
    #[error(transparent)]
    Form(#[from] FormError),
}

/// The decoder of a chunked body and what its signatures build on.
#[derive(Debug)]
struct Chunks {
    decoder: ChunkDecoder,
    chain: Option<ChunkChain>,
    sha256: Sha256,
    signature: Option<[u8; 32]>,
}

/// What is computed over the content.
#[derive(Debug)]
struct Verifier {
    len: u64,
    sha256: Option<Sha256>,
    hasher: Option<Hasher>,
    verified: Option<ObjectChecksum>,
}

impl<B> VerifiedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Verifies `body` against its declaration and the request's signature. Where no checksum was declared, one of
    /// `default_checksum` is computed.
    pub fn new(
        body: B,
        declaration: BodyDeclaration,
        verified: &Verified,
        default_checksum: Option<ChecksumAlgorithm>,
    ) -> Self {
        let form = declaration.form();
        let algorithm = declaration.checksum_algorithm().or(default_checksum);
        let chunks = form.is_chunked().then(|| Chunks {
            decoder: ChunkDecoder::new(form.has_signed_chunks(), form.has_trailer()),
            chain: verified.chunks(),
            sha256: Sha256::new(),
            signature: None,
        });
        Self {
            body,
            pending: Bytes::new(),
            content: Verifier {
                len: 0,
                sha256: matches!(form, PayloadForm::Signed(_)).then(Sha256::new),
                hasher: algorithm.map(Hasher::new),
                verified: None,
            },
            chunks,
            ended: false,
            declaration,
        }
    }

    /// What the request's head said of the body.
    pub const fn declaration(&self) -> &BodyDeclaration {
        &self.declaration
    }

    /// The next bytes of the content, never empty; `None` when all of it came and was verified.
    ///
    /// Cost: hashes what it gives, on the thread that polls it. Cancel safe: what was read and not yet given is kept.
    ///
    /// # Errors
    /// The first thing that is wrong; then nothing more may be asked.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        while !self.ended {
            while !self.pending.is_empty() {
                if let Some(content) = self.decode()? {
                    self.take_in(&content)?;
                    return Ok(Some(content));
                }
            }
            match poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.pending = data;
                    }
                }
                Some(Err(error)) => return Err(unread(error.into())),
                None => {
                    self.finish()?;
                    self.ended = true;
                }
            }
        }
        Ok(None)
    }

    /// The whole content of at most `limit` bytes, verified, its `Content-MD5` too.
    ///
    /// Cost: holds it in memory. Cancel safe: no.
    ///
    /// # Errors
    /// As `next`; `TooLarge` beyond the limit, before reading it if that was declared.
    pub async fn read_document(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let limit_len = limit as u64;
        let too_large = BodyError::TooLarge { limit: limit_len };
        if self.declaration.len().is_some_and(|len| len > limit_len) {
            return Err(too_large);
        }
        let mut md5 = self
            .declaration
            .md5()
            .map(|declared| (Md5::new(), declared));
        let mut document = BytesMut::new();
        while let Some(content) = self.next().await? {
            if document.len() + content.len() > limit {
                return Err(too_large);
            }
            // Piece by piece, so that no document holds up the thread for long.
            if let Some((md5, _)) = &mut md5 {
                md5.update(&content);
            }
            document.extend_from_slice(&content);
        }
        if let Some((md5, declared)) = md5 {
            let computed: [u8; 16] = md5.finalize().into();
            if computed != declared {
                return Err(BodyError::Md5);
            }
        }
        Ok(document.freeze())
    }

    /// The checksum of the content, declared and verified or computed by default; `None` before the end.
    pub const fn checksum(&self) -> Option<&ObjectChecksum> {
        self.content.verified.as_ref()
    }

    /// Takes the next content off what is pending; `None` when there is none in it.
    fn decode(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Some(chunks) = &mut self.chunks else {
            return Ok(Some(std::mem::take(&mut self.pending)));
        };
        match chunks.decoder.next(&mut self.pending)? {
            None => Ok(None),
            Some(ChunkEvent::Begin { signature, len }) => {
                let declared = self.declaration.len().unwrap_or(BODY_LIMIT);
                if len > declared.saturating_sub(self.content.len) {
                    return Err(BodyError::Length);
                }
                chunks.signature = signature;
                Ok(None)
            }
            Some(ChunkEvent::Data(data)) => {
                if chunks.chain.is_some() {
                    chunks.sha256.update(&data);
                }
                Ok(Some(data))
            }
            Some(ChunkEvent::EndOfChunk) => chunks.end_of_chunk().map(|()| None),
            Some(ChunkEvent::End {
                trailers,
                signature,
            }) => {
                chunks.check_trailers(&trailers, signature, self.declaration.form())?;
                self.take_trailers(&trailers).map(|()| None)
            }
        }
    }

    fn take_in(&mut self, content: &Bytes) -> Result<(), BodyError> {
        self.content.len = self.content.len.saturating_add(content.len() as u64);
        match self.declaration.len() {
            Some(declared) if self.content.len > declared => return Err(BodyError::Length),
            None if self.content.len > BODY_LIMIT => {
                return Err(BodyError::TooLarge { limit: BODY_LIMIT });
            }
            _ => {}
        }
        if let Some(sha256) = &mut self.content.sha256 {
            sha256.update(content);
        }
        if let Some(hasher) = &mut self.content.hasher {
            hasher.update(content);
        }
        Ok(())
    }

    /// Trailers must be exactly the declared ones. What they say of the checksum becomes what was declared.
    fn take_trailers(&mut self, trailers: &[(String, String)]) -> Result<(), BodyError> {
        match (self.declaration.checksum(), trailers) {
            (DeclaredChecksum::Trailer(algorithm), [(name, value)])
                if name == checksum::header_name(*algorithm) =>
            {
                let value = checksum::decode(*algorithm, value).ok_or(BodyError::Trailers)?;
                self.declaration.set_checksum(value);
                Ok(())
            }
            (DeclaredChecksum::None | DeclaredChecksum::Value(_), []) => Ok(()),
            _ => Err(BodyError::Trailers),
        }
    }

    /// Everything came: does it hold?
    fn finish(&mut self) -> Result<(), BodyError> {
        let is_cut = self
            .chunks
            .as_ref()
            .is_some_and(|chunks| !chunks.decoder.is_complete());
        let is_short = self
            .declaration
            .len()
            .is_some_and(|declared| declared != self.content.len);
        if is_cut || is_short {
            return Err(BodyError::Length);
        }
        if let (PayloadForm::Signed(declared), Some(sha256)) =
            (self.declaration.form(), self.content.sha256.take())
        {
            let computed = sha256.finalize().into();
            if declared != computed {
                return Err(BodyError::ContentSha256 { declared, computed });
            }
        }
        let Some(hasher) = self.content.hasher.take() else {
            return Ok(());
        };
        let computed = hasher.finish();
        match self.declaration.checksum() {
            DeclaredChecksum::Value(declared) if *declared != computed => {
                return Err(BodyError::Checksum {
                    algorithm: declared.algorithm(),
                });
            }
            DeclaredChecksum::Trailer(_) => return Err(BodyError::Trailers),
            DeclaredChecksum::Value(_) | DeclaredChecksum::None => {}
        }
        self.content.verified = Some(ObjectChecksum {
            checksum: computed,
            kind: ChecksumKind::FullObject,
        });
        Ok(())
    }
}

impl Chunks {
    fn end_of_chunk(&mut self) -> Result<(), BodyError> {
        let Some(chain) = &mut self.chain else {
            return Ok(());
        };
        let sha256 = self.sha256.finalize_reset();
        let signature = self.signature.take().ok_or(BodyError::Signature)?;
        if chain.accept_chunk(&sha256, signature) {
            Ok(())
        } else {
            Err(BodyError::Signature)
        }
    }

    fn check_trailers(
        &mut self,
        trailers: &[(String, String)],
        signature: Option<[u8; 32]>,
        form: PayloadForm,
    ) -> Result<(), BodyError> {
        let Some(chain) = &mut self.chain else {
            return Ok(());
        };
        match signature {
            Some(signature) => {
                let lines: Vec<String> = trailers
                    .iter()
                    .map(|(name, value)| format!("{name}:{value}\n"))
                    .collect();
                if chain.accept_trailers(&lines.concat(), signature) {
                    Ok(())
                } else {
                    Err(BodyError::Signature)
                }
            }
            None if form.has_trailer() => Err(BodyError::Trailers),
            None => Ok(()),
        }
    }
}

/// Why nothing more can be read: what is wrong with a form is found where its file is read.
fn unread(error: Box<dyn std::error::Error + Send + Sync>) -> BodyError {
    match error.downcast::<FormError>() {
        Ok(error) => BodyError::Form(*error),
        Err(error) => BodyError::Transport(error),
    }
}

impl From<BodyError> for S3Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Transport(_) | BodyError::Length => Self::new(Code::IncompleteBody),
            BodyError::TooLarge { limit } if limit == BODY_LIMIT => {
                Self::new(Code::EntityTooLarge).detail("MaxSizeAllowed", limit.to_string())
            }
            BodyError::TooLarge { limit } => Self::new(Code::MaxMessageLengthExceeded)
                .detail("MaxMessageLengthBytes", limit.to_string()),
            BodyError::ContentSha256 { declared, computed } => {
                Self::new(Code::XAmzContentSHA256Mismatch)
                    .detail("ClientComputedContentSHA256", hex::encode(declared))
                    .detail("S3ComputedContentSHA256", hex::encode(computed))
            }
            BodyError::Signature => Self::new(Code::SignatureDoesNotMatch),
            BodyError::Chunk(ChunkError::Trailer) | BodyError::Trailers => {
                Self::new(Code::MalformedTrailerError)
            }
            BodyError::Chunk(ChunkError::Chunk | ChunkError::Excess) => Self::with_message(
                Code::InvalidRequest,
                "The chunked encoding of the request body is malformed",
            ),
            BodyError::Checksum { algorithm } => Self::with_message(
                Code::BadDigest,
                format!(
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.name()
                ),
            ),
            BodyError::Md5 => Self::new(Code::BadDigest),
            BodyError::Form(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests;
