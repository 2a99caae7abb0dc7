//! Identifiers: one newtype each, so that a disk is never taken for a node.

use std::fmt;

/// Text that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}")]
pub struct ParseIdError {
    /// What was expected, in words.
    pub kind: &'static str,
    /// What was given, cut to 64 characters.
    pub text: String,
}

impl ParseIdError {
    fn new(kind: &'static str, text: &str) -> Self {
        Self {
            kind,
            text: text.chars().take(64).collect(),
        }
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $int:ty, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($int);

        impl $name {
            /// The identifier with this number.
            pub const fn new(number: $int) -> Self {
                Self(number)
            }

            /// Its number, as stored and sent.
            pub const fn get(self) -> $int {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($kind, " {}"), self.0)
            }
        }
    };
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The identifier with these 128 bits.
            pub const fn new(bits: u128) -> Self {
                Self(bits)
            }

            /// Its bits, as stored and sent (big endian).
            pub const fn get(self) -> u128 {
                self.0
            }

            /// Reads the 32 lower-case hexadecimal digits that `Display` writes.
            ///
            /// # Errors
            /// Any other text.
            pub fn parse(text: &str) -> Result<Self, ParseIdError> {
                parse_hex_128(text)
                    .map(Self)
                    .ok_or_else(|| ParseIdError::new($kind, text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($kind, " {:032x}"), self.0)
            }
        }
    };
}

random_id!(
    /// A cluster, made once at genesis. Every label and every RPC carries it.
    ClusterId,
    "cluster"
);
random_id!(
    /// One disk: made when a directory is labelled, never used again for another.
    DiskId,
    "disk"
);
random_id!(
    /// One client request to the metadata: the key of exactly-once.
    RequestId,
    "request"
);
random_id!(
    /// One multipart upload.
    UploadId,
    "upload"
);
number_id!(
    /// A process of the cluster. Never used again after it was removed.
    NodeId,
    u64,
    "node"
);
number_id!(
    /// A Raft group: 0 is the root group, the others are data groups.
    GroupId,
    u16,
    "group"
);
number_id!(
    /// A pool: one erasure profile over one class of disks.
    PoolId,
    u32,
    "pool"
);
number_id!(
    /// A placement group: an ordered list of k+m disks.
    PlacementGroupId,
    u32,
    "placement group"
);
number_id!(
    /// A bucket, counted up by the root group; a name that is made again gets another.
    BucketId,
    u64,
    "bucket"
);
number_id!(
    /// A count of changes of the thing it stands beside (a bucket's configuration, a placement group's members, the
    /// topology). It only grows.
    Epoch,
    u64,
    "epoch"
);
number_id!(
    /// The place of a version in the commit order of its range: newer is larger.
    Order,
    u64,
    "order"
);

impl GroupId {
    /// The group that keeps the cluster, the topology and the bucket directory.
    pub const ROOT: Self = Self(0);
}

/// A blob: at most 1 GiB of one object's bytes, in one placement group.
///
/// Layout, most significant first: placement group 32 bits, owning Raft group 16, milliseconds since the epoch 48, random 32.
/// So the blobs of a placement group are one range of a disk's index, the owner of a blob is known without a look-up,
/// and a blob's age is known without asking the owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(u128);

impl BlobId {
    /// Milliseconds that fit into the 48 bits of a blob id.
    pub const MAX_TIME_MS: u64 = (1 << 48) - 1;

    /// Puts a blob id together. `time_ms` is cut to 48 bits (the year 10889).
    pub const fn new(
        placement_group: PlacementGroupId,
        group: GroupId,
        time_ms: u64,
        random: u32,
    ) -> Self {
        Self(
            (placement_group.0 as u128) << 96
                | (group.0 as u128) << 80
                | ((time_ms & Self::MAX_TIME_MS) as u128) << 32
                | random as u128,
        )
    }

    /// The blob id with these bits, as stored and sent.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn get(self) -> u128 {
        self.0
    }

    /// The placement group that holds its shards.
    pub const fn placement_group(self) -> PlacementGroupId {
        PlacementGroupId((self.0 >> 96) as u32)
    }

    /// The Raft group whose commit may refer to it.
    #[expect(clippy::cast_possible_truncation, reason = "16 bits are wanted")]
    pub const fn group(self) -> GroupId {
        GroupId((self.0 >> 80) as u16)
    }

    /// When it was begun, in milliseconds since 1970.
    #[expect(clippy::cast_possible_truncation, reason = "masked to 48 bits")]
    pub const fn time_ms(self) -> u64 {
        ((self.0 >> 32) as u64) & Self::MAX_TIME_MS
    }

    /// Reads the 32 hexadecimal digits that `Display` writes.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, ParseIdError> {
        parse_hex_128(text)
            .map(Self)
            .ok_or_else(|| ParseIdError::new("blob", text))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blob {:032x}", self.0)
    }
}

/// The id of a version as clients see it: its order, so that finding it is one get, and 64 random bits, so that it
/// cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId {
    order: Order,
    random: u64,
}

impl VersionId {
    /// The id of the version at `order`.
    pub const fn new(order: Order, random: u64) -> Self {
        Self { order, random }
    }

    /// Where the version stands in the commit order of its range.
    pub const fn order(self) -> Order {
        self.order
    }

    /// The bits that make it unguessable.
    pub const fn random(self) -> u64 {
        self.random
    }

    /// Reads the 32 hexadecimal digits that `Display` writes.
    ///
    /// # Errors
    /// Any other text, `null` among it: the null version has no id.
    #[expect(clippy::cast_possible_truncation, reason = "split in two halves")]
    pub fn parse(text: &str) -> Result<Self, ParseIdError> {
        let bits = parse_hex_128(text).ok_or_else(|| ParseIdError::new("version id", text))?;
        Ok(Self::new(Order((bits >> 64) as u64), bits as u64))
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.order.0, self.random)
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {self}")
    }
}

/// 32 lower-case hexadecimal digits and nothing else, so that every id has exactly one text.
fn parse_hex_128(text: &str) -> Option<u128> {
    let canonical = text.len() == 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    canonical
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_id_gives_back_its_parts() {
        let id = BlobId::new(
            PlacementGroupId::new(0xdead_beef),
            GroupId::new(0x1234),
            0x7fff_ffff_ffff,
            0x0bad_cafe,
        );
        assert_eq!(id.placement_group().get(), 0xdead_beef);
        assert_eq!(id.group().get(), 0x1234);
        assert_eq!(id.time_ms(), 0x7fff_ffff_ffff);
        assert_eq!(id.to_string(), "deadbeef12347fffffffffff0badcafe");
        assert_eq!(BlobId::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn blobs_of_one_placement_group_are_one_range() {
        let low = BlobId::new(
            PlacementGroupId::new(7),
            GroupId::new(u16::MAX),
            u64::MAX,
            u32::MAX,
        );
        let high = BlobId::new(PlacementGroupId::new(8), GroupId::new(0), 0, 0);
        assert!(low < high);
    }

    #[test]
    fn version_id_has_one_text() {
        let id = VersionId::new(Order::new(5), 0xab);
        assert_eq!(id.to_string(), "000000000000000500000000000000ab");
        assert_eq!(VersionId::parse(&id.to_string()), Ok(id));
        for bad in [
            "null",
            "",
            "000000000000000500000000000000AB",
            "+00000000000000500000000000000ab",
        ] {
            assert!(VersionId::parse(bad).is_err(), "{bad}");
        }
    }
}
