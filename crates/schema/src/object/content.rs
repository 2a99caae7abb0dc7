//! Where bytes are: inline, in extents, in the parts of an upload.

use bytes::{BufMut, Bytes, BytesMut};
use cairn_types::cluster::Profile;
use cairn_types::id::{BlobId, UploadId};
use cairn_types::object::{Content, Extent, PartSpan};

use crate::field::{DecodeError, Field, bits_128, messages, nouns};
use crate::proto;
use crate::proto::content::{Extents, Kind, Parts};

/// Bytes of a shard's root.
const ROOT_LEN: usize = 16;

impl From<&Content> for proto::Content {
    fn from(content: &Content) -> Self {
        let kind = match content {
            Content::Inline(bytes) => Kind::Inline(bytes.clone()),
            Content::Extents(extents) => Kind::Extents(Extents {
                extents: messages(extents),
            }),
            Content::Parts { upload, parts } => Kind::Parts(Parts {
                upload: bits_128(upload.get()),
                parts: messages(parts),
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::Content> for Content {
    type Error = DecodeError;

    fn try_from(message: proto::Content) -> Result<Self, DecodeError> {
        match Field::new("Content", "kind").required(message.kind)? {
            Kind::Inline(bytes) => Ok(Self::Inline(bytes)),
            Kind::Extents(Extents { extents }) => Ok(Self::Extents(nouns(extents)?)),
            Kind::Parts(Parts { upload, parts }) => Ok(Self::Parts {
                upload: UploadId::new(Field::new("Content.Parts", "upload").bits_128(&upload)?),
                parts: nouns(parts)?,
            }),
        }
    }
}

impl From<&PartSpan> for proto::PartSpan {
    fn from(part: &PartSpan) -> Self {
        Self {
            number: part.number.into(),
            len: part.len,
        }
    }
}

impl TryFrom<proto::PartSpan> for PartSpan {
    type Error = DecodeError;

    fn try_from(message: proto::PartSpan) -> Result<Self, DecodeError> {
        Ok(Self {
            number: Field::new("PartSpan", "number").narrow(message.number)?,
            len: message.len,
        })
    }
}

impl From<&Extent> for proto::Extent {
    fn from(extent: &Extent) -> Self {
        Self {
            blob: bits_128(extent.blob.get()),
            plain_len: extent.plain_len,
            stored_len: extent.stored_len,
            profile: Some((&extent.profile).into()),
            cell_len: extent.cell_len,
            erasure_code: extent.erasure_code.into(),
            codec: extent.codec.into(),
            cipher: extent.cipher.into(),
            roots: roots_bytes(&extent.roots),
            missing_shards: extent
                .missing_shards
                .iter()
                .copied()
                .map(u32::from)
                .collect(),
        }
    }
}

impl TryFrom<proto::Extent> for Extent {
    type Error = DecodeError;

    fn try_from(message: proto::Extent) -> Result<Self, DecodeError> {
        let at = |name| Field::new("Extent", name);
        let profile = at("profile").noun(message.profile)?;
        Ok(Self {
            blob: BlobId::from_bits(at("blob").bits_128(&message.blob)?),
            plain_len: message.plain_len,
            stored_len: message.stored_len,
            profile,
            cell_len: message.cell_len,
            erasure_code: at("erasure_code").narrow(message.erasure_code)?,
            codec: at("codec").narrow(message.codec)?,
            cipher: at("cipher").narrow(message.cipher)?,
            roots: roots(at("roots"), &message.roots, profile)?,
            missing_shards: missing_shards(at("missing_shards"), &message.missing_shards, profile)?,
        })
    }
}

/// One run of bytes: a length and an allocation for each of 12 roots would cost more than they say.
fn roots_bytes(roots: &[[u8; ROOT_LEN]]) -> Bytes {
    let mut joined = BytesMut::with_capacity(roots.len() * ROOT_LEN);
    for root in roots {
        joined.put_slice(root);
    }
    joined.freeze()
}

fn roots(at: Field, joined: &[u8], profile: Profile) -> Result<Vec<[u8; ROOT_LEN]>, DecodeError> {
    let wanted = profile.width() * ROOT_LEN;
    let (roots, rest) = joined.as_chunks::<ROOT_LEN>();
    if roots.len() != profile.width() || !rest.is_empty() {
        return Err(DecodeError::Length {
            at,
            len: joined.len(),
            wanted,
        });
    }
    Ok(roots.to_vec())
}

fn missing_shards(at: Field, numbers: &[u32], profile: Profile) -> Result<Vec<u8>, DecodeError> {
    let mut shards = Vec::<u8>::with_capacity(numbers.len().min(profile.width()));
    for &number in numbers {
        let shard = at.narrow(number)?;
        if usize::from(shard) >= profile.width() {
            return Err(DecodeError::OutOfRange { at, number });
        }
        if shards.last().is_some_and(|&before| before >= shard) {
            return Err(at.breaks("ascending"));
        }
        shards.push(shard);
    }
    Ok(shards)
}
