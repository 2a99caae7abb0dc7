//! The bucket directory: which bucket a name stands for, where it stands in its life, and where its keys are.

use cairn_types::id::{BucketId, Epoch, GroupId};
use cairn_types::name::BucketName;
use cairn_types::namespace::root::{BucketState, ShardRange};
use cairn_types::namespace::{Refusal, RootReply};

use super::change::Change;
use super::{limits, topology};
use crate::failure::Failure;
use crate::key;
use crate::query::directory;
use crate::record::directory::{BucketNameRow, DirectoryRow, ShardRow};
use crate::store::Store;

/// Bytes of a canonical user id.
const OWNER_LEN: usize = 256;

/// Takes a name for a new bucket. Its keys begin in one data group, which the bucket's id chooses: ids are counted up, so
/// buckets are dealt out evenly.
pub(super) fn reserve<S: Store>(
    change: &mut Change<'_, S>,
    name: &BucketName,
    owner: &str,
) -> Result<RootReply, Failure> {
    let mut cluster = topology::cluster(change)?;
    if let Some(row) = change.get(&key::root::directory(name.as_str()))? {
        return Err(match row.state {
            BucketState::Active => Refusal::BucketExists.into(),
            BucketState::Creating | BucketState::Deleting => in_transition(row.bucket),
        });
    }
    if owner.is_empty() || owner.len() > OWNER_LEN {
        return Err(limits::malformed("an owner has 1 to 256 bytes").into());
    }
    let bucket = BucketId::new(cluster.last_bucket.get() + 1);
    cluster.last_bucket = bucket;
    let row = DirectoryRow {
        bucket,
        owner: owner.to_owned(),
        created: change.clock(),
        state: BucketState::Creating,
    };
    let shard = ShardRow {
        group: first_group(bucket, cluster.info.data_group_count),
        epoch: Epoch::new(1),
    };
    let range = ShardRange {
        start: String::new(),
        group: shard.group,
        epoch: shard.epoch,
    };
    let entry = directory::entry(name.clone(), row.clone(), vec![range]);
    change.put(key::root::cluster(), &cluster);
    change.put(key::root::directory(name.as_str()), &row);
    change.put(
        key::root::bucket_name(bucket),
        &BucketNameRow { name: name.clone() },
    );
    change.put(key::root::shard(bucket, ""), &shard);
    Ok(RootReply::Bucket(entry))
}

/// `Creating` to `Active`.
pub(super) fn activate<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
) -> Result<RootReply, Failure> {
    step(change, bucket, BucketState::Creating, BucketState::Active)
}

/// `Active` to `Deleting`.
pub(super) fn begin_delete<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
) -> Result<RootReply, Failure> {
    step(change, bucket, BucketState::Active, BucketState::Deleting)
}

/// `Deleting` to `Active`.
pub(super) fn revive<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
) -> Result<RootReply, Failure> {
    step(change, bucket, BucketState::Deleting, BucketState::Active)
}

/// Frees the name of a deleting bucket.
pub(super) fn release<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
) -> Result<RootReply, Failure> {
    let Some(entry) = directory::entry_by_id(change.rows(), bucket)? else {
        return Ok(RootReply::Done);
    };
    match entry.state {
        BucketState::Deleting => {}
        BucketState::Creating | BucketState::Active => return Err(in_transition(bucket)),
    }
    change.delete(key::root::directory(entry.name.as_str()));
    change.delete(key::root::bucket_name(bucket));
    for range in &entry.ranges {
        change.delete(key::root::shard(bucket, &range.start));
    }
    Ok(RootReply::Done)
}

/// From one state to the next; a bucket that is there already stays, one that is elsewhere is not touched.
fn step<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    from: BucketState,
    to: BucketState,
) -> Result<RootReply, Failure> {
    let mut entry = directory::entry_by_id(change.rows(), bucket)?.ok_or(Refusal::NoSuchBucket)?;
    if entry.state == from {
        entry.state = to;
        let row = DirectoryRow {
            bucket,
            owner: entry.owner.clone(),
            created: entry.created,
            state: to,
        };
        change.put(key::root::directory(entry.name.as_str()), &row);
    } else if entry.state != to {
        return Err(in_transition(bucket));
    }
    Ok(RootReply::Bucket(entry))
}

fn in_transition(bucket: BucketId) -> Failure {
    Refusal::BucketInTransition { bucket }.into()
}

/// Data groups are numbered from 1 on.
fn first_group(bucket: BucketId, data_group_count: u16) -> GroupId {
    let index = bucket.get() % u64::from(data_group_count.max(1));
    let index = u16::try_from(index).expect("less than the number of data groups, which is a u16");
    GroupId::new(index + 1)
}
