//! Who a disk is.

use std::fmt::Write;

use cairn_types::id::{ClusterId, DiskId, NodeId};

use crate::record::Seed;

/// The name of the file.
pub const FILE_NAME: &str = "label";

/// The newest format that this build writes and reads.
pub const FORMAT: u32 = 1;

const MIB: u64 = 1 << 20;

/// The label of a disk: a text file of a few lines, the last one a CRC-32C of those before it, so that an operator can read
/// it and damage is noticed. It is written once, when the disk is first used, and never changes. It holds a secret: whoever
/// knows it can store bytes that a scan of the disk takes for records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The cluster that the disk belongs to.
    pub cluster: ClusterId,
    /// The node that it belongs to.
    pub node: NodeId,
    /// The disk.
    pub disk: DiskId,
    /// What the checksums of its records are seeded with, made at random with the label.
    pub seed: Seed,
    /// Segments are closed before they grow beyond this many bytes.
    pub segment_len_bytes: u64,
}

/// Bytes that are no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Written by a newer build.
    #[error("its label has format {0}, this build knows formats up to {FORMAT}: use a newer build")]
    Newer(u32),
    /// Damaged, or something else.
    #[error(
        "its label is damaged: restore the file from a copy, or empty the disk and let it be repaired"
    )]
    Damaged,
}

/// How long the segments of a disk are: the smaller of 1 GiB and a 64th of it, in whole MiB, at least 4. So a full disk has
/// at least some 60 of them, and a single one that still has something live in it keeps little.
pub fn segment_len_bytes(capacity_bytes: u64) -> u64 {
    (capacity_bytes / 64)
        .next_multiple_of(MIB)
        .clamp(4 * MIB, 1024 * MIB)
}

impl Label {
    /// The file's content.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!(
            "cairn disk\nformat {FORMAT}\ncluster {}\nnode {}\ndisk {}\nsecret {:032x}\nsegment_len_bytes {}\n",
            self.cluster,
            self.node,
            self.disk,
            self.seed.bits(),
            self.segment_len_bytes
        );
        let crc = crc32c::crc32c(text.as_bytes());
        writeln!(text, "crc32c {crc:08x}").expect("writing to a string does not fail");
        text.into_bytes()
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// See [`LabelError`].
    pub fn decode(content: &[u8]) -> Result<Self, LabelError> {
        let text = std::str::from_utf8(content).map_err(|_| LabelError::Damaged)?;
        let end = text.rfind("crc32c ").ok_or(LabelError::Damaged)?;
        let (body, crc_line) = text.split_at(end);
        if crc_line != format!("crc32c {:08x}\n", crc32c::crc32c(body.as_bytes())) {
            return Err(LabelError::Damaged);
        }
        let mut lines = body.lines();
        if lines.next() != Some("cairn disk") {
            return Err(LabelError::Damaged);
        }
        let format: u32 = parse(lines.next(), "format ", |text| text.parse().ok())?;
        if format > FORMAT {
            return Err(LabelError::Newer(format));
        }
        Ok(Self {
            cluster: parse(lines.next(), "cluster ", |text| ClusterId::parse(text).ok())?,
            node: parse(lines.next(), "node ", |text| {
                text.parse().ok().map(NodeId::new)
            })?,
            disk: parse(lines.next(), "disk ", |text| DiskId::parse(text).ok())?,
            seed: parse(lines.next(), "secret ", |text| {
                u128::from_str_radix(text, 16).ok().map(Seed::new)
            })?,
            segment_len_bytes: parse(lines.next(), "segment_len_bytes ", |text| text.parse().ok())?,
        })
    }
}

fn parse<T>(
    line: Option<&str>,
    name: &str,
    value: impl FnOnce(&str) -> Option<T>,
) -> Result<T, LabelError> {
    line.and_then(|line| line.strip_prefix(name))
        .and_then(value)
        .ok_or(LabelError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label {
        cluster: ClusterId::new(0x1111_2222_3333_4444_5555_6666_7777_8888),
        node: NodeId::new(3),
        disk: DiskId::new(0x9999_aaaa_bbbb_cccc_dddd_eeee_ffff_0000),
        seed: Seed::new(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        segment_len_bytes: 8 << 20,
    };

    #[test]
    fn a_label_reads_back_and_any_flipped_bit_is_found() {
        let content = LABEL.encode();
        assert_eq!(Label::decode(&content), Ok(LABEL));
        for bit in 0..content.len() * 8 {
            let mut damaged = content.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Label::decode(&damaged),
                Err(LabelError::Damaged),
                "bit {bit}"
            );
        }
        assert_eq!(Label::decode(b""), Err(LabelError::Damaged));
    }

    #[test]
    fn the_secret_of_a_disk_is_not_shown() {
        assert!(!format!("{LABEL:?}").contains("abcdef"));
    }

    #[test]
    fn a_newer_format_is_named() {
        let text = "cairn disk\nformat 2\nwhatever\n";
        let content = format!("{text}crc32c {:08x}\n", crc32c::crc32c(text.as_bytes()));
        assert_eq!(Label::decode(content.as_bytes()), Err(LabelError::Newer(2)));
    }

    #[test]
    fn segments_are_a_64th_of_the_disk_up_to_1_gib() {
        for (capacity, expected) in [
            (512 * MIB, 8 * MIB),
            (488 * MIB, 8 * MIB),
            (100 * MIB, 4 * MIB),
            (10 << 30, 160 * MIB),
            (64 << 30, 1 << 30),
            (20 << 40, 1 << 30),
        ] {
            assert_eq!(segment_len_bytes(capacity), expected, "{capacity}");
        }
    }
}
