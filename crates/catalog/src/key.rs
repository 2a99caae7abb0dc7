//! Where each row is: the layout of keys.
//!
//! A key is one byte, the tag of its table, and then fields of fixed order. Keys are compared as bytes, and every field is
//! written so that the order of bytes is the order of what it means:
//!
//! - Numbers are big endian and of fixed width. A version's order is stored inverted (`~order`), so that a key's newest
//!   version comes first, and finding it is one seek.
//! - An object's key is written as its UTF-8 bytes with `00` as `00 FF`, and ended by `00 00` ([`text`]). So the bytes order as
//!   S3 orders keys, no key's rows lie among another's (`a` ends before `a\0` goes on), and all keys with a prefix are one range.
//!
//! | tag | table | key after the tag | row | why so |
//! |---|---|---|---|---|
//! | 01 | group | – | `GroupRow` | read and written by every command |
//! | 02 | state hash | – | `StateHashRow` | apart from 01, because it is taken over 01 |
//! | 03 | requests | request u128 | `RequestRow` | a retry is one get |
//! | 04 | request expiry | remembered until u64, request u128 | – | the oldest come first |
//! | 10 | buckets | bucket u64 | `BucketRow` | |
//! | 11 | ranges | bucket u64, start text | `RangeRow` | counts and orders per range, so that a range can be split |
//! | 12 | current | bucket u64, key text | `CurrentRow` | small rows, side by side: listings and conditions read these alone; none below a delete marker |
//! | 13 | keys | bucket u64, key text | `KeyRow` | which version is the newest, which the null version |
//! | 14 | versions | bucket u64, key text, ~order u64 | `VersionRow` | whole, inline bytes within; delete markers among them |
//! | 15 | uploads | bucket u64, key text, upload u128 | `UploadRow` | found by what a client names, open or completed |
//! | 16 | upload entries | bucket u64, key text, initiated u64, upload u128 | `UploadEntryRow` | open ones in S3's order of listing |
//! | 17 | parts | bucket u64, key text, upload u128, number u16 | `PartRow` | an upload's parts are one range; completion leaves them |
//! | 18 | doomed uploads | bucket u64, key text, upload u128 | – | aborted, or their version gone: parts are yet to be removed |
//! | 19 | opened | – | `OpenedRow` | below which id no bucket is opened any more |
//! | 1a | gone buckets | bucket u64 | – | above that id, those that were drained |
//! | 1b | bucket ACLs | bucket u64 | `BucketAclRow` | apart from 10, which every write reads |
//! | 1c | bucket policies | bucket u64 | `BucketPolicyRow` | as 1b |
//! | 1d | bucket documents | bucket u64, kind u8 | `BucketDocumentRow` | as 1b |
//! | 20 | collection | – | `CollectionRow` | horizon and counts of blobs |
//! | 21 | blobs | blob u128 | `BlobRow` | one row per blob: it is referred to, freed or condemned, never two of these |
//! | 22 | freed | freed u64, blob u128 | – | the oldest come first |
//! | 23 | condemned | begun u64, blob u128 | – | those that the horizon has passed come first |
//! | 24 | degraded | blob u128 | `DegradedRow` | what repair owes |
//! | 40 | cluster | – | `ClusterRow` | constants, counters for ids, the topology's epoch |
//! | 41 | nodes | node u64 | `NodeRow` | |
//! | 42 | disks | disk u128 | `DiskRow` | |
//! | 43 | pools | pool u32 | `PoolRow` | |
//! | 44 | placement groups | placement group u32 | `PlacementGroupRow` | |
//! | 45 | directory | name | `DirectoryRow` | buckets are listed by name |
//! | 46 | bucket names | bucket u64 | `BucketNameRow` | a bucket by its id |
//! | 47 | shards | bucket u64, start text | `ShardRow` | the shard map |
//! | 48 | metadata nodes | node u64 | `MetaNodeRow` | |
//! | 49 | retired metadata nodes | node u64 | – | an id of Raft is never used again |
//! | 4a | unopened buckets | bucket u64 | – | those being made; the lowest id is one seek |
//! | 4f | owned buckets | owner text, name | – | the buckets of one owner, by name |
//! | 50 | identities | – | `IdentitiesRow` | the epoch and the number of all accounts |
//! | 51 | accounts | id | `AccountRow` | with their keys, so that a page of them is one range |
//! | 52 | e-mail addresses | address in small letters | `AccountNameRow` | no two accounts have the same |
//! | 53 | access keys | access key | `AccountNameRow` | no two accounts have the same |
//!
//! Tags from [`FIRST_FREE_TAG`] on are never used here: whoever keeps the rows may keep his own under them.

pub(crate) mod data;
pub(crate) mod root;
pub(crate) mod text;

use std::marker::PhantomData;

use cairn_types::id::RequestId;
use cairn_types::time::Timestamp;

use crate::record::group::{GroupRow, RequestRow, StateHashRow};
use crate::store::StoreError;

/// The catalog uses only tags below this.
pub const FIRST_FREE_TAG: u8 = 0xf0;

const GROUP: u8 = 0x01;
const STATE_HASH: u8 = 0x02;
const REQUESTS: u8 = 0x03;
const REQUEST_EXPIRY: u8 = 0x04;

/// The key of a row, which remembers what kind of row it leads to.
#[derive(Debug)]
pub(crate) struct RowKey<R> {
    bytes: Vec<u8>,
    row: PhantomData<fn() -> R>,
}

impl<R> RowKey<R> {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            row: PhantomData,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The row of an index: its key says it all, its value is empty.
#[derive(Debug)]
pub(crate) struct Mark;

/// The smallest key that does not begin with `prefix` and comes after all that do.
pub(crate) fn after_prefix(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            return prefix;
        }
    }
    unreachable!("a table's tag is below 0xff, so some byte of a prefix can grow")
}

pub(crate) fn group() -> RowKey<GroupRow> {
    RowKey::new(vec![GROUP])
}

pub(crate) fn state_hash() -> RowKey<StateHashRow> {
    RowKey::new(vec![STATE_HASH])
}

pub(crate) fn request(id: RequestId) -> RowKey<RequestRow> {
    let mut bytes = vec![REQUESTS];
    bytes.extend(id.get().to_be_bytes());
    RowKey::new(bytes)
}

pub(crate) fn request_expiry(until: Timestamp, id: RequestId) -> RowKey<Mark> {
    let mut bytes = request_expiries_from(until);
    bytes.extend(id.get().to_be_bytes());
    RowKey::new(bytes)
}

/// Where the requests begin that are remembered until `until` or longer.
pub(crate) fn request_expiries_from(until: Timestamp) -> Vec<u8> {
    let mut bytes = vec![REQUEST_EXPIRY];
    bytes.extend(until.as_millis().to_be_bytes());
    bytes
}

/// Reads a key of the table of request expiries; `None` if it is one of a later table.
pub(crate) fn parse_request_expiry(
    key: &[u8],
) -> Result<Option<(Timestamp, RequestId)>, StoreError> {
    let Some(mut fields) = Fields::of(REQUEST_EXPIRY, key) else {
        return Ok(None);
    };
    let until = Timestamp::from_millis(u64::from_be_bytes(fields.take()?));
    let id = RequestId::new(u128::from_be_bytes(fields.take()?));
    fields.end()?;
    Ok(Some((until, id)))
}

/// Which row a key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AnyKey {
    Group,
    StateHash,
    Request(RequestId),
    RequestExpiry(Timestamp, RequestId),
    Data(data::DataKey),
    Root(root::RootKey),
    /// A key of whoever keeps the rows.
    Foreign,
}

impl AnyKey {
    /// Reads any key.
    pub(crate) fn parse(key: &[u8]) -> Result<Self, StoreError> {
        if let Some(key) = data::DataKey::parse(key)? {
            return Ok(Self::Data(key));
        }
        if let Some(key) = root::RootKey::parse(key)? {
            return Ok(Self::Root(key));
        }
        let table = key.first().copied().unwrap_or_default();
        let rest = key.get(1..).unwrap_or_default();
        let mut fields = Fields { table, rest };
        let parsed = match table {
            GROUP => Self::Group,
            STATE_HASH => Self::StateHash,
            REQUESTS => {
                let id = fields.take().map(u128::from_be_bytes)?;
                Self::Request(RequestId::new(id))
            }
            REQUEST_EXPIRY => {
                let until = fields.take().map(u64::from_be_bytes)?;
                let id = fields.take().map(u128::from_be_bytes)?;
                Self::RequestExpiry(Timestamp::from_millis(until), RequestId::new(id))
            }
            FIRST_FREE_TAG.. => return Ok(Self::Foreign),
            _ => return Err(fields.error()),
        };
        fields.end()?;
        Ok(parsed)
    }
}

/// The fields of a key, read from front to back.
pub(crate) struct Fields<'a> {
    table: u8,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields behind the tag; `None` if the key is of another table.
    fn of(table: u8, key: &'a [u8]) -> Option<Self> {
        let (tag, rest) = key.split_first()?;
        (*tag == table).then_some(Self { table, rest })
    }

    fn error(&self) -> StoreError {
        StoreError::Key { table: self.table }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (field, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.error())?;
        self.rest = rest;
        Ok(*field)
    }

    fn take_text(&mut self) -> Result<String, StoreError> {
        let (text, rest) = text::decode(self.rest).ok_or_else(|| self.error())?;
        self.rest = rest;
        Ok(text)
    }

    /// Everything that is left, as text.
    fn take_rest(self) -> Result<String, StoreError> {
        String::from_utf8(self.rest.to_vec()).map_err(|_| self.error())
    }

    fn end(self) -> Result<(), StoreError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_prefix_begins_with_nothing_of_it() {
        assert_eq!(after_prefix(vec![0x12, b'a']), vec![0x12, b'b']);
        assert_eq!(after_prefix(vec![0x12, 0xff, 0xff]), vec![0x13]);
    }

    #[test]
    fn the_key_of_another_table_is_not_read_and_a_broken_one_is_an_error() {
        let id = RequestId::new(7);
        let key = request_expiry(Timestamp::from_millis(3), id);
        assert_eq!(
            parse_request_expiry(key.as_bytes()).unwrap(),
            Some((Timestamp::from_millis(3), id))
        );
        assert_eq!(parse_request_expiry(&[0x05]).unwrap(), None);
        for broken in [&key.as_bytes()[..10], &[key.as_bytes(), &[0]].concat()] {
            assert!(matches!(
                parse_request_expiry(broken),
                Err(StoreError::Key {
                    table: REQUEST_EXPIRY
                })
            ));
        }
    }
}
