//! Versions, uploads and parts, their headers and checksums, and where their bytes are.

use bytes::Bytes;
use cairn_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::cluster::Profile;
use cairn_types::etag::ETag;
use cairn_types::id::{Order, VersionId};
use cairn_types::object::{
    Content, Extent, NewObject, NewPart, NewUpload, ObjectHeaders, ObjectVersion, PartSpan,
};
use cairn_types::version::{NamedVersion, Versioning};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};

use super::{
    blob_id, canonical_id, object_key, object_settings, profile, text, timestamp, upload_id,
};

/// The longest blob.
const MAX_BLOB_LEN: u64 = 1 << 30;

/// The most parts of an upload.
const MAX_PART_NUMBER: u16 = 10_000;

/// The id of a version: any.
pub fn version_id() -> impl Strategy<Value = VersionId> {
    (any::<u64>(), any::<u64>())
        .prop_map(|(order, random)| VersionId::new(Order::new(order), random))
}

/// A version as a client names it.
pub fn named_version() -> impl Strategy<Value = NamedVersion> {
    prop_oneof![
        Just(NamedVersion::Null),
        version_id().prop_map(NamedVersion::Id),
    ]
}

/// Whether a bucket keeps versions.
pub fn versioning() -> impl Strategy<Value = Versioning> {
    select([Versioning::Enabled, Versioning::Suspended].as_slice())
}

/// The ETag of an object put whole or in parts.
pub fn etag() -> impl Strategy<Value = ETag> {
    (any::<[u8; 16]>(), any::<u16>()).prop_map(|(md5, part_count)| match part_count % 2 {
        0 => ETag::from_md5(md5),
        _ => ETag::from_parts(md5, part_count),
    })
}

/// A checksum of any algorithm.
pub fn checksum() -> impl Strategy<Value = Checksum> {
    (algorithm(), any::<[u8; 32]>()).prop_map(|(algorithm, value)| {
        let value = value
            .get(..algorithm.value_len())
            .expect("at most 32 bytes");
        Checksum::new(algorithm, value).expect("of the algorithm's length")
    })
}

/// The checksum of an object.
pub fn object_checksum() -> impl Strategy<Value = ObjectChecksum> {
    (checksum(), checksum_kind()).prop_map(|(checksum, kind)| ObjectChecksum { checksum, kind })
}

/// An algorithm, and what it is taken over.
pub fn checksum_spec() -> impl Strategy<Value = (ChecksumAlgorithm, ChecksumKind)> {
    (algorithm(), checksum_kind())
}

/// An object's headers, none of them mostly.
pub fn object_headers() -> impl Strategy<Value = ObjectHeaders> {
    let header = || option::weighted(0.2, text());
    let user = vec(("[a-z-]{1,8}", text()), 0..3);
    (
        header(),
        header(),
        header(),
        header(),
        header(),
        [header(), header()],
        user,
    )
        .prop_map(
            |(
                content_type,
                content_encoding,
                content_language,
                content_disposition,
                cache_control,
                [expires, website_redirect],
                user,
            )| ObjectHeaders {
                content_type,
                content_encoding,
                content_language,
                content_disposition,
                cache_control,
                expires,
                website_redirect,
                user,
            },
        )
}

/// An extent of any profile: with its roots, and with as many shards missing as a write may leave out.
pub fn extent() -> impl Strategy<Value = Extent> {
    let shape = profile().prop_flat_map(|profile| {
        let roots = vec(any::<[u8; 16]>(), profile.width());
        (Just(profile), roots, missing_shards(profile))
    });
    let len = || 1..=MAX_BLOB_LEN;
    let methods = any::<[u8; 3]>();
    (blob_id(), len(), len(), any::<u32>(), methods, shape).prop_map(
        |(blob, plain_len, stored_len, cell_len, methods, (profile, roots, missing_shards))| {
            let [erasure_code, codec, cipher] = methods;
            Extent {
                blob,
                plain_len,
                stored_len,
                profile,
                cell_len,
                erasure_code,
                codec,
                cipher,
                roots,
                missing_shards,
            }
        },
    )
}

/// Where the bytes of a version are.
pub fn content() -> impl Strategy<Value = Content> {
    let span =
        (1..=MAX_PART_NUMBER, any::<u64>()).prop_map(|(number, len)| PartSpan { number, len });
    let parts =
        (upload_id(), vec(span, 1..5)).prop_map(|(upload, parts)| Content::Parts { upload, parts });
    prop_oneof![2 => new_content(), 1 => parts]
}

/// A version.
pub fn object_version() -> impl Strategy<Value = ObjectVersion> {
    (
        object_key(),
        version_id(),
        any::<bool>(),
        timestamp(),
        any::<u64>(),
        etag(),
        option::of(object_checksum()),
        (object_headers(), object_settings()),
        content(),
    )
        .prop_map(
            |(
                key,
                version,
                is_null,
                last_modified,
                len,
                etag,
                checksum,
                (headers, settings),
                content,
            )| {
                ObjectVersion {
                    key,
                    version,
                    is_null,
                    last_modified,
                    len,
                    etag,
                    checksum,
                    headers,
                    settings,
                    content,
                }
            },
        )
}

/// A version about to be committed.
pub fn new_object() -> impl Strategy<Value = NewObject> {
    (
        etag(),
        option::of(object_checksum()),
        object_headers(),
        object_settings(),
        new_content(),
    )
        .prop_map(|(etag, checksum, headers, settings, content)| NewObject {
            len: plain_len(&content),
            etag,
            checksum,
            headers,
            settings,
            content,
        })
}

/// An upload about to be begun.
pub fn new_upload() -> impl Strategy<Value = NewUpload> {
    (
        object_headers(),
        option::of(checksum_spec()),
        object_settings(),
        option::of(canonical_id()),
    )
        .prop_map(|(headers, checksum, settings, initiator)| NewUpload {
            headers,
            checksum,
            settings,
            initiator,
        })
}

/// A part about to be committed.
pub fn new_part() -> impl Strategy<Value = NewPart> {
    let etag = any::<[u8; 16]>().prop_map(ETag::from_md5);
    (etag, option::of(object_checksum()), new_content()).prop_map(|(etag, checksum, content)| {
        NewPart {
            len: plain_len(&content),
            etag,
            checksum,
            content,
        }
    })
}

/// The bytes of a new version or part: never `Parts`.
pub(super) fn new_content() -> impl Strategy<Value = Content> {
    prop_oneof![
        vec(any::<u8>(), 0..64).prop_map(|bytes| Content::Inline(Bytes::from(bytes))),
        vec(extent(), 0..3).prop_map(Content::Extents),
    ]
}

/// The number of a part.
pub(super) fn part_number() -> impl Strategy<Value = u16> {
    prop_oneof![1..=4_u16, 1..=MAX_PART_NUMBER]
}

fn plain_len(content: &Content) -> u64 {
    match content {
        Content::Inline(bytes) => u64::try_from(bytes.len()).expect("a length in memory"),
        Content::Extents(extents) => extents.iter().map(|extent| extent.plain_len).sum(),
        Content::Parts { parts, .. } => parts.iter().map(|part| part.len).sum(),
    }
}

fn missing_shards(profile: Profile) -> impl Strategy<Value = Vec<u8>> {
    let width = u8::try_from(profile.width()).expect("a profile counts cells in a byte");
    let shards: Vec<u8> = (0..width).collect();
    subsequence(shards, 0..=profile.width() - profile.write_quorum())
}

fn algorithm() -> impl Strategy<Value = ChecksumAlgorithm> {
    select(ChecksumAlgorithm::ALL.as_slice())
}

fn checksum_kind() -> impl Strategy<Value = ChecksumKind> {
    select([ChecksumKind::FullObject, ChecksumKind::Composite].as_slice())
}
