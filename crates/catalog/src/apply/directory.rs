//! The bucket directory: which bucket a name stands for, where it stands in its life, and where its keys are.

use cairn_types::id::{BucketId, Epoch, GroupId};
use cairn_types::name::BucketName;
use cairn_types::namespace::root::{BucketEntry, BucketState, ShardRange};
use cairn_types::namespace::{Refusal, RootReply};
use cairn_types::settings::InitialSettings;

use super::change::Change;
use super::{limits, topology};
use crate::failure::Failure;
use crate::key;
use crate::query::directory;
use crate::record::directory::{BucketNameRow, DirectoryRow, ShardRow};
use crate::store::{Cursor, Store};

/// Bytes of a canonical user id.
const OWNER_LEN: usize = 256;

/// Takes a name for a new bucket. Its keys begin in one data group, which the bucket's id chooses: ids are counted up, so
/// buckets are dealt out evenly.
pub(super) fn reserve<S: Store>(
    change: &mut Change<'_, S>,
    name: &BucketName,
    owner: &str,
    initial: &InitialSettings,
) -> Result<RootReply, Failure> {
    let mut cluster = topology::cluster(change)?;
    if let Some(row) = change.get(&key::root::directory(name.as_str()))? {
        return Err(match row.state {
            BucketState::Active => Refusal::BucketExists.into(),
            BucketState::Creating | BucketState::Deleting | BucketState::Draining { .. } => {
                in_transition(row.bucket)
            }
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
        epoch: Epoch::new(1),
        initial: initial.clone(),
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
    change.mark(key::root::unopened_bucket(bucket));
    change.mark(key::root::owned_bucket(owner, name.as_str()));
    Ok(RootReply::Bucket(entry))
}

/// `Creating` to `Active`.
pub(super) fn activate<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    epoch: Epoch,
) -> Result<RootReply, Failure> {
    let entry = seen(change, bucket, epoch)?;
    change.delete(key::root::unopened_bucket(bucket));
    step(
        change,
        entry,
        epoch,
        BucketState::Creating,
        BucketState::Active,
    )
}

/// `Active` to `Deleting`.
pub(super) fn begin_delete<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    epoch: Epoch,
) -> Result<RootReply, Failure> {
    let entry = seen(change, bucket, epoch)?;
    step(
        change,
        entry,
        epoch,
        BucketState::Active,
        BucketState::Deleting,
    )
}

/// `Deleting` to `Active`.
pub(super) fn revive<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    epoch: Epoch,
) -> Result<RootReply, Failure> {
    let entry = seen(change, bucket, epoch)?;
    step(
        change,
        entry,
        epoch,
        BucketState::Deleting,
        BucketState::Active,
    )
}

/// `Deleting` to `Draining`. Which buckets are yet to be opened is looked up at the same moment, so that the data groups know
/// which openings come too late.
pub(super) fn commit_delete<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    epoch: Epoch,
) -> Result<RootReply, Failure> {
    let entry = seen(change, bucket, epoch)?;
    let to = match entry.state {
        BucketState::Draining { .. } => entry.state,
        _ => BucketState::Draining {
            opened_below: first_unopened(change)?,
        },
    };
    step(change, entry, epoch, BucketState::Deleting, to)
}

/// Frees the name of a draining bucket.
pub(super) fn release<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
) -> Result<RootReply, Failure> {
    let Some(entry) = directory::entry_by_id(change.rows(), bucket)? else {
        return Ok(RootReply::Done);
    };
    match entry.state {
        BucketState::Draining { .. } => {}
        BucketState::Creating | BucketState::Active | BucketState::Deleting => {
            return Err(in_transition(bucket));
        }
    }
    change.delete(key::root::directory(entry.name.as_str()));
    change.delete(key::root::owned_bucket(&entry.owner, entry.name.as_str()));
    change.delete(key::root::bucket_name(bucket));
    for range in &entry.ranges {
        change.delete(key::root::shard(bucket, &range.start));
    }
    Ok(RootReply::Done)
}

/// The directory row of a bucket that stands where it was seen, or one step on.
fn seen<S: Store>(
    change: &Change<'_, S>,
    bucket: BucketId,
    epoch: Epoch,
) -> Result<BucketEntry, Failure> {
    let entry = directory::entry_by_id(change.rows(), bucket)?.ok_or(Refusal::NoSuchBucket)?;
    if entry.epoch == epoch || entry.epoch == next(epoch) {
        Ok(entry)
    } else {
        Err(in_transition(bucket))
    }
}

/// From the state that was seen at `epoch` to the next; a bucket that took this very step already stays, one that took
/// another is not touched.
fn step<S: Store>(
    change: &mut Change<'_, S>,
    mut entry: BucketEntry,
    epoch: Epoch,
    from: BucketState,
    to: BucketState,
) -> Result<RootReply, Failure> {
    let is_taken = entry.epoch != epoch;
    if entry.state != if is_taken { to } else { from } {
        return Err(in_transition(entry.bucket));
    }
    if !is_taken {
        entry.state = to;
        entry.epoch = next(epoch);
        // From here on the data groups have them.
        entry.initial = InitialSettings::default();
        let row = DirectoryRow {
            bucket: entry.bucket,
            owner: entry.owner.clone(),
            created: entry.created,
            state: entry.state,
            epoch: entry.epoch,
            initial: entry.initial.clone(),
        };
        change.put(key::root::directory(entry.name.as_str()), &row);
    }
    Ok(RootReply::Bucket(entry))
}

fn next(epoch: Epoch) -> Epoch {
    Epoch::new(epoch.get().saturating_add(1))
}

/// The lowest id that a bucket to be opened has or may yet get.
fn first_unopened<S: Store>(change: &Change<'_, S>) -> Result<BucketId, Failure> {
    let mut cursor = change.rows().cursor();
    cursor.seek(&key::root::unopened_buckets())?;
    let row = cursor.current();
    let first = row.map(|(row_key, _)| key::root::parse_unopened_bucket(row_key));
    if let Some(bucket) = first.transpose()?.flatten() {
        return Ok(bucket);
    }
    let last = topology::cluster(change)?.last_bucket;
    Ok(BucketId::new(last.get() + 1))
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
