//! Applying one command of a group's log.

mod accounts;
mod blob;
mod bucket;
mod change;
mod complete;
mod directory;
mod limits;
mod member;
mod object;
mod request;
mod settings;
mod slot;
mod topology;
mod upload;
mod version;
mod whole;

use bytes::Bytes;
use cairn_types::cluster::Pool;
use cairn_types::id::GroupId;
use cairn_types::namespace::root::ClusterInfo;
use cairn_types::namespace::{
    Command, DataMutation, DataReply, Mutation, Refusal, Reply, RootMutation, RootReply,
};
use cairn_types::time::Timestamp;

use self::change::Change;
use crate::failure::Failure;
use crate::record;
use crate::record::group::{GroupRow, StateHashRow};
use crate::store::{Store, StoreError, Txn};
use crate::{hash, key, query};

/// The newest version of the rules of applying that this release knows. What a command of any version does never changes;
/// other rules are a new version.
pub const APPLY_VERSION: u32 = 1;

/// Chores that every command does besides its own work, and that the command for chores does.
const CHORES: Chores = Chores {
    requests: 8,
    parts: 128,
    blobs: 128,
};
const MANY_CHORES: Chores = Chores {
    requests: 1_000,
    parts: 1_000,
    blobs: 1_000,
};

/// At most so much of each chore.
#[derive(Debug, Clone, Copy)]
struct Chores {
    /// Requests to forget.
    requests: usize,
    /// Parts of doomed uploads to remove.
    parts: usize,
    /// Condemned blobs that the horizon has passed to forget.
    blobs: usize,
}

/// A command that was applied: it has its place in the group's history, whatever it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What to answer to the client. A refusal changed nothing but the clock and what the group remembers of requests.
    pub result: Result<Reply, Refusal>,
}

/// The command cannot be applied here. The node must stop: going on without it would part this replica from its peers.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The command follows rules that this release does not know.
    #[error("apply a command of version {version}, this release knows up to {APPLY_VERSION}")]
    UnknownApplyVersion {
        /// The command's.
        version: u32,
    },
    /// The rows cannot be read, or contradict each other.
    #[error("apply a command")]
    Store(#[from] StoreError),
}

/// Applies one command to the rows of a group.
///
/// Exactly once: a request that was applied or refused before is answered the same again, without effect; one that is too old to
/// be remembered is refused. All or nothing: a refused command leaves no trace of what it was about to do. All effects,
/// the state hash among them, are in `txn` when this returns; on an error nothing is.
///
/// Cost: point reads, a few for most commands; a seek only where a command removes or completes uploads or removes the newest
/// version of a key, and for about every eighth command to forget old requests. Deterministic, does not block but for the store.
///
/// # Errors
/// See [`ApplyError`]: each is fatal.
pub fn apply<T: Txn>(
    txn: &mut T,
    group: GroupId,
    command: &Command,
) -> Result<Applied, ApplyError> {
    if !(1..=APPLY_VERSION).contains(&command.apply_version) {
        return Err(ApplyError::UnknownApplyVersion {
            version: command.apply_version,
        });
    }
    let store = &*txn;
    let mut row: GroupRow = record::get(store, &key::group())?.unwrap_or_default();
    row.clock = row.clock.max(command.proposed);
    let mut change = Change::new(store, group, row, command.random);
    let result = answer(&mut change, command)?;
    let chores = if is_for_chores(command) {
        MANY_CHORES
    } else {
        CHORES
    };
    upload::remove_doomed(&mut change, chores.parts)?;
    blob::forget_passed(&mut change, chores.blobs)?;
    request::expire(&mut change, chores.requests)?;

    let writes = change.into_writes();
    let hash = hash::chain(hash::state_hash(store)?, &writes);
    for (key, value) in writes {
        match value {
            Some(value) => txn.put(key, value),
            None => txn.delete(key),
        }
    }
    let hash: Bytes = record::encode(&StateHashRow { hash });
    txn.put(key::state_hash().into_bytes(), hash);
    Ok(Applied { result })
}

/// Whether `ExpireRequests` would have something to do at `now`: the leader of a group that is quiet proposes it then.
///
/// # Errors
/// The rows cannot be read.
pub fn has_chores<S: Store>(store: &S, now: Timestamp) -> Result<bool, StoreError> {
    let row: GroupRow = record::get(store, &key::group())?.unwrap_or_default();
    Ok(row.doomed_uploads > 0 || row.has_passed_blobs || request::has_expired(store, &row, now)?)
}

/// What the command comes to, and its effects in `change`.
fn answer<S: Store>(
    change: &mut Change<'_, S>,
    command: &Command,
) -> Result<Result<Reply, Refusal>, StoreError> {
    let request = &command.request;
    // Forgetting is the same however often it is done; to remember that it was done would never end.
    if is_for_chores(command) {
        return Ok(Ok(Reply::Data(DataReply::Done)));
    }
    if let Some(result) = request::find(change, request.request)? {
        return Ok(result);
    }
    if let Err(refusal) = request::check_time(change.clock(), request.minted) {
        return Ok(Err(refusal));
    }
    let result = match mutate(change, command) {
        Ok(reply) => Ok(reply),
        Err(Failure::Refused(refusal)) => {
            change.discard();
            Err(refusal)
        }
        Err(Failure::Store(error)) => return Err(error),
    };
    request::remember(change, request, &result);
    Ok(result)
}

fn is_for_chores(command: &Command) -> bool {
    let mutation = &command.request.mutation;
    matches!(mutation, Mutation::Data(DataMutation::ExpireRequests))
}

fn mutate<S: Store>(change: &mut Change<'_, S>, command: &Command) -> Result<Reply, Failure> {
    if let Some(guard) = command.request.guard
        && !query::settings::holds(change.rows(), guard)?
    {
        return Err(Refusal::SettingsChanged.into());
    }
    match &command.request.mutation {
        Mutation::Root(mutation) if change.group() == GroupId::ROOT => {
            mutate_root(change, command.apply_version, mutation).map(Reply::Root)
        }
        Mutation::Data(mutation) if change.group() != GroupId::ROOT => {
            mutate_data(change, mutation).map(Reply::Data)
        }
        Mutation::Root(_) | Mutation::Data(_) => {
            Err(limits::malformed("the mutation is for another kind of group").into())
        }
    }
}

fn mutate_root<S: Store>(
    change: &mut Change<'_, S>,
    apply_version: u32,
    mutation: &RootMutation,
) -> Result<RootReply, Failure> {
    match mutation {
        RootMutation::Genesis {
            cluster,
            data_group_count,
            region,
            members,
        } => {
            let info = ClusterInfo {
                cluster: *cluster,
                data_group_count: *data_group_count,
                region: region.clone(),
                created: change.clock(),
                apply_version,
            };
            topology::genesis(change, info, members)
        }
        RootMutation::RegisterStorage { node, disks } => topology::register(change, node, disks),
        RootMutation::RetireStorage { node } => topology::retire(change, *node),
        RootMutation::RegisterMeta { node } => member::register(change, node),
        RootMutation::SetMetaVoter { node, is_voter } => {
            member::set_voter(change, *node, *is_voter)
        }
        RootMutation::RetireMeta { node } => member::retire(change, *node),
        RootMutation::CreatePool {
            id,
            name,
            profile,
            cell_len,
            is_fallback,
        } => {
            let pool = Pool {
                id: *id,
                name: name.clone(),
                profile: *profile,
                cell_len: *cell_len,
                is_fallback: *is_fallback,
            };
            topology::create_pool(change, pool)
        }
        RootMutation::SetWritePool { pool } => topology::set_write_pool(change, *pool),
        RootMutation::CreatePlacementGroups {
            pool,
            topology_epoch,
            members,
        } => topology::create_placement_groups(change, *pool, *topology_epoch, members),
        RootMutation::ReserveBucket {
            name,
            owner,
            initial,
        } => directory::reserve(change, name, owner, initial),
        RootMutation::ActivateBucket { bucket, epoch } => {
            directory::activate(change, *bucket, *epoch)
        }
        RootMutation::BeginDeleteBucket { bucket, epoch } => {
            directory::begin_delete(change, *bucket, *epoch)
        }
        RootMutation::ReviveBucket { bucket, epoch } => directory::revive(change, *bucket, *epoch),
        RootMutation::CommitDeleteBucket { bucket, epoch } => {
            directory::commit_delete(change, *bucket, *epoch)
        }
        RootMutation::ReleaseBucket { bucket } => directory::release(change, *bucket),
        RootMutation::ActivateApplyVersion { version } => {
            topology::activate_apply_version(change, *version)
        }
        RootMutation::Account(mutation) => accounts::change(change, mutation),
    }
}

fn mutate_data<S: Store>(
    change: &mut Change<'_, S>,
    mutation: &DataMutation,
) -> Result<DataReply, Failure> {
    match mutation {
        DataMutation::OpenBucket {
            bucket,
            name,
            epoch,
            initial,
        } => bucket::open(change, *bucket, name, *epoch, initial),
        DataMutation::FenceBucket { bucket, epoch } => bucket::fence(change, *bucket, *epoch),
        DataMutation::UnfenceBucket { bucket, epoch } => bucket::unfence(change, *bucket, *epoch),
        DataMutation::DrainBucket {
            bucket,
            epoch,
            opened_below,
            limit,
        } => bucket::drain(change, *bucket, *epoch, *opened_below, *limit),
        DataMutation::PutObject {
            bucket,
            key,
            object,
            condition,
        } => object::put(change, *bucket, key, object, condition),
        DataMutation::ChangeSettings {
            bucket,
            epoch,
            change: wanted,
        } => settings::change(change, *bucket, *epoch, wanted),
        DataMutation::SetObjectTags { .. }
        | DataMutation::SetObjectAcl { .. }
        | DataMutation::SetRetention { .. }
        | DataMutation::SetLegalHold { .. } => version::set(change, mutation),
        DataMutation::DeleteObjects { bucket, targets } => object::delete(change, *bucket, targets),
        DataMutation::CreateUpload {
            bucket,
            key,
            upload,
        } => upload::create(change, *bucket, key, upload),
        DataMutation::PutPart {
            upload,
            number,
            part,
        } => upload::put_part(change, upload, *number, part),
        DataMutation::CompleteUpload {
            upload,
            parts,
            condition,
            checksum,
            declared_len,
        } => {
            let completion = complete::Completion {
                upload,
                parts,
                condition,
                checksum: checksum.as_ref(),
                declared_len: *declared_len,
            };
            complete::complete(change, &completion)
        }
        DataMutation::AbortUpload { upload } => upload::abort(change, upload),
        DataMutation::CondemnBlobs { blobs } => blob::condemn(change, blobs),
        DataMutation::RaiseHorizon { horizon } => blob::raise_horizon(change, *horizon),
        DataMutation::ForgetBlobs { blobs } => blob::forget(change, blobs),
        DataMutation::ExpireRequests => Ok(DataReply::Done),
    }
}
