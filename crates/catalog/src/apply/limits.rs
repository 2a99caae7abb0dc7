//! What no mutation may exceed, whoever proposed it. Gateways refuse more, and earlier; these keep the log and the tables sane.

use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind};
use cairn_types::namespace::Refusal;
use cairn_types::object::{Content, Extent, NewObject, NewPart, NewUpload, ObjectHeaders};
use cairn_types::tag::Tags;

/// Bytes of an object or part inside of its row.
const INLINE_LEN: usize = 64 * 1024;

/// Blobs of one version or part: its row stays below 512 KiB. At 1 GiB to a blob this is more than a part may have.
const EXTENTS: usize = 1_024;

/// Bytes of one blob.
const BLOB_LEN: u64 = 1 << 30;

/// Bytes of an object.
pub(super) const OBJECT_LEN: u64 = 5 << 40;

/// Bytes of a part.
const PART_LEN: u64 = 5 << 30;

/// The smallest part but the last, in bytes.
pub(super) const SMALLEST_PART_LEN: u64 = 5 << 20;

/// Parts of an upload, and the largest number of one.
pub(super) const PARTS: u16 = 10_000;

/// Bytes of all headers of an object, names of user headers among them.
const HEADERS_LEN: usize = 16 * 1024;

/// User headers of an object.
const USER_HEADERS: usize = 1_000;

/// Keys or blobs that one mutation names.
const NAMED: usize = 1_000;

pub(super) fn malformed(reason: &str) -> Refusal {
    Refusal::Malformed {
        reason: reason.to_owned(),
    }
}

fn require(holds: bool, reason: &str) -> Result<(), Refusal> {
    if holds {
        Ok(())
    } else {
        Err(malformed(reason))
    }
}

pub(super) fn check_object(object: &NewObject) -> Result<(), Refusal> {
    if object.len > OBJECT_LEN {
        return Err(Refusal::ObjectTooLarge);
    }
    check_headers(&object.headers)?;
    check_tags(&object.settings.tags)?;
    check_content(object.len, &object.content)
}

pub(super) fn check_part(number: u16, part: &NewPart) -> Result<(), Refusal> {
    check_part_number(number)?;
    if part.len > PART_LEN {
        return Err(Refusal::ObjectTooLarge);
    }
    let is_md5 = part.etag.part_count() == 0;
    require(is_md5, "the ETag of a part is an MD5")?;
    check_content(part.len, &part.content)
}

pub(super) fn check_part_number(number: u16) -> Result<(), Refusal> {
    require(
        (1..=PARTS).contains(&number),
        "a part has a number from 1 to 10000",
    )
}

pub(super) fn check_upload(upload: &NewUpload) -> Result<(), Refusal> {
    check_headers(&upload.headers)?;
    check_tags(&upload.settings.tags)?;
    match upload.checksum {
        Some((ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256, ChecksumKind::FullObject)) => {
            Err(malformed("a SHA is no checksum of a whole made of parts"))
        }
        Some((ChecksumAlgorithm::Crc64Nvme, ChecksumKind::Composite)) => {
            Err(malformed("CRC64NVME is no checksum of checksums"))
        }
        _ => Ok(()),
    }
}

/// Checks how many keys or blobs a mutation names.
pub(super) fn check_named(count: usize) -> Result<(), Refusal> {
    require((1..=NAMED).contains(&count), "name 1 to 1000 at a time")
}

pub(super) fn check_tags(tags: &Tags) -> Result<(), Refusal> {
    require(
        tags.len() <= Tags::MOST_OF_OBJECT,
        "an object has at most 10 tags",
    )
}

fn check_headers(headers: &ObjectHeaders) -> Result<(), Refusal> {
    let single = [
        &headers.content_type,
        &headers.content_encoding,
        &headers.content_language,
        &headers.content_disposition,
        &headers.cache_control,
        &headers.expires,
        &headers.website_redirect,
    ];
    let single_len: usize = single.into_iter().flatten().map(String::len).sum();
    let user = headers.user.iter();
    let user_len: usize = user.map(|(name, value)| name.len() + value.len()).sum();
    require(
        headers.user.len() <= USER_HEADERS && single_len + user_len <= HEADERS_LEN,
        "an object has at most 1000 user headers, and 16 KiB of headers in all",
    )
}

fn check_content(len: u64, content: &Content) -> Result<(), Refusal> {
    match content {
        Content::Inline(bytes) => {
            require(
                bytes.len() <= INLINE_LEN,
                "at most 64 KiB are kept in the record",
            )?;
            require(
                u64::try_from(bytes.len()) == Ok(len),
                "the length is not that of the content",
            )
        }
        Content::Extents(extents) => {
            require(extents.len() <= EXTENTS, "a content has at most 1024 blobs")?;
            for extent in extents {
                check_extent(extent)?;
            }
            let lens = extents.iter().map(|extent| extent.plain_len);
            let sum = lens.into_iter().try_fold(0, u64::checked_add);
            require(sum == Some(len), "the length is not that of the content")
        }
        Content::Parts { .. } => Err(malformed("only completing an upload makes parts")),
    }
}

fn check_extent(extent: &Extent) -> Result<(), Refusal> {
    let width = extent.profile.width();
    require(extent.plain_len > 0, "a blob holds at least one byte")?;
    require(
        (1..=BLOB_LEN).contains(&extent.stored_len),
        "a blob has 1 byte to 1 GiB",
    )?;
    let is_plain = extent.codec == 0 && extent.cipher == 0;
    require(
        !is_plain || extent.stored_len == extent.plain_len,
        "a blob of plain bytes has their length",
    )?;
    require(extent.cell_len > 0, "a cell has at least one byte")?;
    require(extent.roots.len() == width, "every shard has a root")?;
    let missing = &extent.missing_shards;
    require(
        missing.is_sorted_by(|left, right| left < right)
            && missing.iter().all(|shard| usize::from(*shard) < width),
        "missing shards are shards, ascending",
    )?;
    require(
        width - missing.len() >= extent.profile.write_quorum(),
        "too few shards are durable",
    )
}
