//! Rules of the tables of the root group.

use cairn_types::namespace::root::BucketState;
use cairn_types::settings::InitialSettings;

use super::Row;
use crate::key::root::RootKey;
use crate::record::account::{AccountNameRow, AccountRow, IdentitiesRow};
use crate::record::cluster::{
    ClusterRow, DiskRow, MetaNodeRow, NodeRow, PlacementGroupRow, PoolRow,
};
use crate::record::directory::{BucketNameRow, DirectoryRow, ShardRow};
use crate::store::{Store, StoreError};
use crate::{key, record};

pub(super) fn check<S: Store>(row: &mut Row<'_, '_, S>, key: &RootKey) -> Result<(), StoreError> {
    let cluster: Option<ClusterRow> = row.get(&key::root::cluster())?;
    row.require(cluster.is_some(), "there is no cluster");
    match key {
        RootKey::Cluster => {
            let pool = row.decode::<ClusterRow>()?.write_pool;
            if pool.get() != 0 {
                row.marked(&key::root::pool(pool), "the write pool is not there")?;
            }
        }
        RootKey::Node(id) => {
            let node: NodeRow = row.decode()?;
            row.require(node.0.id == *id, "a row is under another's id");
        }
        RootKey::Disk(id) => {
            let disk: DiskRow = row.decode()?;
            row.require(disk.0.id == *id, "a row is under another's id");
            let node = key::root::node(disk.0.node);
            row.marked(&node, "a disk is in no node")?;
        }
        RootKey::Pool(id) => {
            let pool: PoolRow = row.decode()?;
            row.require(pool.0.id == *id, "a row is under another's id");
        }
        RootKey::PlacementGroup(id) => {
            let group: PlacementGroupRow = row.decode()?;
            row.require(group.0.id == *id, "a row is under another's id");
            let is_counted = cluster.is_some_and(|cluster| *id <= cluster.last_placement_group);
            row.require(is_counted, "an id was never given");
            let pool = key::root::pool(group.0.pool);
            row.marked(&pool, "a placement group is in no pool")?;
            for disk in &group.0.members {
                let disk = key::root::disk(*disk);
                row.marked(&disk, "a placement group has a disk that is not there")?;
            }
        }
        RootKey::Directory(_)
        | RootKey::BucketName(_)
        | RootKey::Shard(..)
        | RootKey::UnopenedBucket(_)
        | RootKey::OwnedBucket(..) => check_bucket(row, cluster.as_ref(), key)?,
        RootKey::MetaNode(id) => {
            let node: MetaNodeRow = row.decode()?;
            row.require(node.0.id == *id, "a row is under another's id");
        }
        RootKey::RetiredMetaNode(id) => {
            let node = row.get(&key::root::meta_node(*id))?;
            row.require(node.is_none(), "a retired node is there");
        }
        RootKey::Identities | RootKey::Account(_) | RootKey::Email(_) | RootKey::AccessKey(_) => {
            check_account(row, key)?;
        }
    }
    Ok(())
}

/// Rules of accounts and their access keys.
fn check_account<S: Store>(row: &mut Row<'_, '_, S>, key: &RootKey) -> Result<(), StoreError> {
    match key {
        RootKey::Identities => {
            let counted = row.decode::<IdentitiesRow>()?.account_count;
            let table = key::root::accounts();
            let accounts =
                record::scan::<_, AccountRow>(row.audit.store, &table, &table, usize::MAX)?;
            let is_counted = u32::try_from(accounts.len()) == Ok(counted);
            row.require(is_counted, "accounts are counted wrong");
        }
        RootKey::Account(id) => {
            let AccountRow(entry) = row.decode()?;
            row.require(entry.account.id == *id, "a row is under another's id");
            row.marked(&key::root::identities(), "an account is not counted")?;
            let email = entry.account.email.as_ref();
            let names = email.map(|email| key::root::email(&email.folded()));
            let keys = entry.keys.iter().map(|key| key::root::access_key(&key.id));
            for name in names.into_iter().chain(keys) {
                let owner = row.get(&name)?.map(|owner| owner.account);
                let leads_back = owner.as_ref() == Some(id);
                row.require(leads_back, "a name of an account does not lead to it");
            }
        }
        RootKey::Email(email) => {
            let owner = owner(row)?;
            let has = owner.is_some_and(|AccountRow(entry)| {
                entry
                    .account
                    .email
                    .is_some_and(|own| own.folded() == *email)
            });
            row.require(has, "an address leads to an account that has another");
        }
        RootKey::AccessKey(id) => {
            let owner = owner(row)?;
            let has =
                owner.is_some_and(|AccountRow(entry)| entry.keys.iter().any(|key| key.id == *id));
            row.require(has, "an access key leads to an account that has not got it");
        }
        _ => {}
    }
    Ok(())
}

/// The account that a name leads to.
fn owner<S: Store>(row: &Row<'_, '_, S>) -> Result<Option<AccountRow>, StoreError> {
    let account = row.decode::<AccountNameRow>()?.account;
    row.get(&key::root::account(&account))
}

/// Rules of the bucket directory and the shard map.
fn check_bucket<S: Store>(
    row: &mut Row<'_, '_, S>,
    cluster: Option<&ClusterRow>,
    key: &RootKey,
) -> Result<(), StoreError> {
    match key {
        RootKey::Directory(name) => {
            let entry: DirectoryRow = row.decode()?;
            let there = row.get(&key::root::bucket_name(entry.bucket))?;
            let leads_back = there.is_some_and(|there| there.name.as_str() == name);
            row.require(leads_back, "a name does not lead to its bucket and back");
            let is_counted = cluster.is_some_and(|cluster| entry.bucket <= cluster.last_bucket);
            row.require(is_counted, "an id was never given");
            let first = key::root::shard(entry.bucket, "");
            row.marked(&first, "a bucket has no first range")?;
            let owned = key::root::owned_bucket(&entry.owner, name);
            row.marked(&owned, "a bucket is not among its owner's")?;
            let is_made = entry.state == BucketState::Creating;
            let rule = "a bucket that was made is yet to be made with something";
            row.require(is_made || entry.initial == InitialSettings::default(), rule);
            if entry.state == BucketState::Creating {
                let unopened = key::root::unopened_bucket(entry.bucket);
                row.marked(&unopened, "a bucket is being made that counts as opened")?;
            }
        }
        RootKey::BucketName(bucket) => {
            let name = row.decode::<BucketNameRow>()?.name;
            let there = row.get(&key::root::directory(name.as_str()))?;
            let leads_back = there.is_some_and(|there| there.bucket == *bucket);
            row.require(leads_back, "a bucket does not lead to its name and back");
        }
        RootKey::Shard(bucket, _) => {
            row.decode::<ShardRow>()?;
            let name = key::root::bucket_name(*bucket);
            row.marked(&name, "a range is of no bucket")?;
        }
        RootKey::OwnedBucket(owner, name) => {
            let there = row.get(&key::root::directory(name))?;
            let is_its_own = there.is_some_and(|there| there.owner == *owner);
            row.require(is_its_own, "an owner has a bucket that is not its own");
        }
        RootKey::UnopenedBucket(bucket) => {
            let name = row.get(&key::root::bucket_name(*bucket))?;
            let entry = match name {
                Some(name) => row.get(&key::root::directory(name.name.as_str()))?,
                None => None,
            };
            let is_made = entry.is_some_and(|entry| entry.state == BucketState::Creating);
            row.require(is_made, "a bucket is to be opened that is not being made");
        }
        _ => {}
    }
    Ok(())
}
