//! Keys of the tables of the root group.

use cairn_types::account::{AccessKeyId, CanonicalId};
use cairn_types::id::{BucketId, DiskId, NodeId, PlacementGroupId, PoolId};

use super::{Fields, Mark, RowKey, text};
use crate::record::account::{AccountNameRow, AccountRow, IdentitiesRow};
use crate::record::cluster::{
    ClusterRow, DiskRow, MetaNodeRow, NodeRow, PlacementGroupRow, PoolRow,
};
use crate::record::directory::{BucketNameRow, DirectoryRow, ShardRow};
use crate::store::StoreError;

const CLUSTER: u8 = 0x40;
const NODES: u8 = 0x41;
const DISKS: u8 = 0x42;
const POOLS: u8 = 0x43;
const PLACEMENT_GROUPS: u8 = 0x44;
const DIRECTORY: u8 = 0x45;
const BUCKET_NAMES: u8 = 0x46;
const SHARDS: u8 = 0x47;
const META_NODES: u8 = 0x48;
const RETIRED_META_NODES: u8 = 0x49;
const UNOPENED_BUCKETS: u8 = 0x4a;
const OWNED_BUCKETS: u8 = 0x4f;
const IDENTITIES: u8 = 0x50;
const ACCOUNTS: u8 = 0x51;
const EMAILS: u8 = 0x52;
const ACCESS_KEYS: u8 = 0x53;

pub(crate) fn cluster() -> RowKey<ClusterRow> {
    RowKey::new(vec![CLUSTER])
}

pub(crate) fn node(node: NodeId) -> RowKey<NodeRow> {
    let mut bytes = nodes();
    bytes.extend(node.get().to_be_bytes());
    RowKey::new(bytes)
}

/// What all nodes begin with.
pub(crate) fn nodes() -> Vec<u8> {
    vec![NODES]
}

pub(crate) fn disk(disk: DiskId) -> RowKey<DiskRow> {
    let mut bytes = disks();
    bytes.extend(disk.get().to_be_bytes());
    RowKey::new(bytes)
}

/// What all disks begin with.
pub(crate) fn disks() -> Vec<u8> {
    vec![DISKS]
}

pub(crate) fn pool(pool: PoolId) -> RowKey<PoolRow> {
    let mut bytes = pools();
    bytes.extend(pool.get().to_be_bytes());
    RowKey::new(bytes)
}

/// What all pools begin with.
pub(crate) fn pools() -> Vec<u8> {
    vec![POOLS]
}

pub(crate) fn placement_group(id: PlacementGroupId) -> RowKey<PlacementGroupRow> {
    let mut bytes = placement_groups();
    bytes.extend(id.get().to_be_bytes());
    RowKey::new(bytes)
}

/// What all placement groups begin with.
pub(crate) fn placement_groups() -> Vec<u8> {
    vec![PLACEMENT_GROUPS]
}

pub(crate) fn meta_node(node: NodeId) -> RowKey<MetaNodeRow> {
    let mut bytes = meta_nodes();
    bytes.extend(node.get().to_be_bytes());
    RowKey::new(bytes)
}

/// What all metadata nodes begin with.
pub(crate) fn meta_nodes() -> Vec<u8> {
    vec![META_NODES]
}

pub(crate) fn retired_meta_node(node: NodeId) -> RowKey<Mark> {
    let mut bytes = vec![RETIRED_META_NODES];
    bytes.extend(node.get().to_be_bytes());
    RowKey::new(bytes)
}

/// A bucket that is being made.
pub(crate) fn unopened_bucket(bucket: BucketId) -> RowKey<Mark> {
    let mut bytes = unopened_buckets();
    bytes.extend(bucket.get().to_be_bytes());
    RowKey::new(bytes)
}

/// What all buckets that are being made begin with.
pub(crate) fn unopened_buckets() -> Vec<u8> {
    vec![UNOPENED_BUCKETS]
}

/// Reads a key of the table of buckets that are being made; `None` if it is one of a later table.
pub(crate) fn parse_unopened_bucket(key: &[u8]) -> Result<Option<BucketId>, StoreError> {
    let Some(mut fields) = Fields::of(UNOPENED_BUCKETS, key) else {
        return Ok(None);
    };
    let bucket = take_bucket(&mut fields)?;
    fields.end()?;
    Ok(Some(bucket))
}

pub(crate) fn directory(name: &str) -> RowKey<DirectoryRow> {
    RowKey::new(directory_prefix(name))
}

/// What the directory rows of all names with this prefix begin with.
pub(crate) fn directory_prefix(prefix: &str) -> Vec<u8> {
    let mut bytes = vec![DIRECTORY];
    bytes.extend(prefix.as_bytes());
    bytes
}

/// The name that a directory row is of.
pub(crate) fn parse_directory(key: &[u8]) -> Result<String, StoreError> {
    Fields::of(DIRECTORY, key)
        .ok_or(StoreError::Key { table: DIRECTORY })?
        .take_rest()
}

/// A bucket among those of its owner.
pub(crate) fn owned_bucket(owner: &str, name: &str) -> RowKey<Mark> {
    RowKey::new(owned_buckets(owner, name))
}

/// What the buckets of one owner begin with whose names have this prefix.
pub(crate) fn owned_buckets(owner: &str, prefix: &str) -> Vec<u8> {
    let mut bytes = vec![OWNED_BUCKETS];
    text::push(&mut bytes, owner);
    bytes.extend(prefix.as_bytes());
    bytes
}

/// The name of a bucket among those of its owner.
pub(crate) fn parse_owned_bucket(key: &[u8]) -> Result<String, StoreError> {
    let fields = Fields::of(OWNED_BUCKETS, key);
    let mut fields = fields.ok_or(StoreError::Key {
        table: OWNED_BUCKETS,
    })?;
    fields.take_text()?;
    fields.take_rest()
}

pub(crate) fn bucket_name(bucket: BucketId) -> RowKey<BucketNameRow> {
    let mut bytes = vec![BUCKET_NAMES];
    bytes.extend(bucket.get().to_be_bytes());
    RowKey::new(bytes)
}

pub(crate) fn shard(bucket: BucketId, start: &str) -> RowKey<ShardRow> {
    let mut bytes = shards_of(bucket);
    text::push(&mut bytes, start);
    RowKey::new(bytes)
}

/// What the shard map's rows of a bucket begin with.
pub(crate) fn shards_of(bucket: BucketId) -> Vec<u8> {
    let mut bytes = vec![SHARDS];
    bytes.extend(bucket.get().to_be_bytes());
    bytes
}

/// The first key of the range that a row of the shard map is of.
pub(crate) fn parse_shard(key: &[u8]) -> Result<String, StoreError> {
    let mut fields = Fields::of(SHARDS, key).ok_or(StoreError::Key { table: SHARDS })?;
    fields.take::<8>()?;
    let start = fields.take_text()?;
    fields.end()?;
    Ok(start)
}

pub(crate) fn identities() -> RowKey<IdentitiesRow> {
    RowKey::new(vec![IDENTITIES])
}

pub(crate) fn account(id: &CanonicalId) -> RowKey<AccountRow> {
    let mut bytes = accounts();
    bytes.extend(id.as_str().as_bytes());
    RowKey::new(bytes)
}

/// What all accounts begin with.
pub(crate) fn accounts() -> Vec<u8> {
    vec![ACCOUNTS]
}

/// Whose an address is, which is written in small letters.
pub(crate) fn email(folded: &str) -> RowKey<AccountNameRow> {
    let mut bytes = vec![EMAILS];
    bytes.extend(folded.as_bytes());
    RowKey::new(bytes)
}

pub(crate) fn access_key(id: &AccessKeyId) -> RowKey<AccountNameRow> {
    let mut bytes = vec![ACCESS_KEYS];
    bytes.extend(id.as_str().as_bytes());
    RowKey::new(bytes)
}

/// Which row a key of these tables leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RootKey {
    Cluster,
    Node(NodeId),
    Disk(DiskId),
    Pool(PoolId),
    PlacementGroup(PlacementGroupId),
    Directory(String),
    BucketName(BucketId),
    Shard(BucketId, String),
    MetaNode(NodeId),
    RetiredMetaNode(NodeId),
    UnopenedBucket(BucketId),
    OwnedBucket(String, String),
    Identities,
    Account(CanonicalId),
    Email(String),
    AccessKey(AccessKeyId),
}

impl RootKey {
    /// Reads any key; `None` if it is of none of these tables.
    pub(crate) fn parse(key: &[u8]) -> Result<Option<Self>, StoreError> {
        let Some((&table, rest)) = key.split_first() else {
            return Ok(None);
        };
        let mut fields = Fields { table, rest };
        let parsed = match table {
            CLUSTER => Self::Cluster,
            NODES => Self::Node(take_node(&mut fields)?),
            DISKS => Self::Disk(fields.take().map(u128::from_be_bytes).map(DiskId::new)?),
            POOLS => Self::Pool(fields.take().map(u32::from_be_bytes).map(PoolId::new)?),
            PLACEMENT_GROUPS => {
                let id = fields.take().map(u32::from_be_bytes)?;
                Self::PlacementGroup(PlacementGroupId::new(id))
            }
            DIRECTORY => return Ok(Some(Self::Directory(fields.take_rest()?))),
            OWNED_BUCKETS => {
                let owner = fields.take_text()?;
                return Ok(Some(Self::OwnedBucket(owner, fields.take_rest()?)));
            }
            BUCKET_NAMES => Self::BucketName(take_bucket(&mut fields)?),
            SHARDS => Self::Shard(take_bucket(&mut fields)?, fields.take_text()?),
            META_NODES => Self::MetaNode(take_node(&mut fields)?),
            RETIRED_META_NODES => Self::RetiredMetaNode(take_node(&mut fields)?),
            UNOPENED_BUCKETS => Self::UnopenedBucket(take_bucket(&mut fields)?),
            IDENTITIES => Self::Identities,
            ACCOUNTS => {
                let id = CanonicalId::parse(&fields.take_rest()?);
                let id = id.map_err(|_| StoreError::Key { table })?;
                return Ok(Some(Self::Account(id)));
            }
            EMAILS => return Ok(Some(Self::Email(fields.take_rest()?))),
            ACCESS_KEYS => {
                let id = AccessKeyId::parse(&fields.take_rest()?);
                let id = id.map_err(|_| StoreError::Key { table })?;
                return Ok(Some(Self::AccessKey(id)));
            }
            _ => return Ok(None),
        };
        fields.end()?;
        Ok(Some(parsed))
    }
}

fn take_node(fields: &mut Fields<'_>) -> Result<NodeId, StoreError> {
    fields.take().map(u64::from_be_bytes).map(NodeId::new)
}

fn take_bucket(fields: &mut Fields<'_>) -> Result<BucketId, StoreError> {
    fields.take().map(u64::from_be_bytes).map(BucketId::new)
}
