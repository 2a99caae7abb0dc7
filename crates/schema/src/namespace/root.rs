//! The root group: cluster, topology, pools, bucket directory, shard map.

use cairn_types::account::CanonicalId;
use cairn_types::cluster::{MetaNode, Pool};
use cairn_types::id::{
    BucketId, ClusterId, DiskId, Epoch, GroupId, NodeId, PlacementGroupId, PoolId,
};
use cairn_types::name::BucketName;
use cairn_types::namespace::root::{BucketEntry, BucketState, ClusterInfo, ShardRange};
use cairn_types::namespace::{RootMutation, RootQuery, RootReply, RootView};
use cairn_types::settings::InitialSettings;
use cairn_types::time::Timestamp;

use crate::account::canonical_id;
use crate::cluster::{disk_id_bytes, disk_ids};
use crate::field::{DecodeError, Field, bits_128, messages, nouns};
use crate::proto;
use crate::proto::{
    BucketStep, BucketTarget, Empty, root_mutation, root_query, root_reply, root_view,
};
use crate::settings::{initial_settings, initial_settings_message};

impl From<&RootMutation> for proto::RootMutation {
    fn from(change: &RootMutation) -> Self {
        use root_mutation::{ActivateApplyVersion, Kind, RegisterStorage, SetWritePool};
        let kind = match change {
            RootMutation::Genesis {
                cluster,
                data_group_count,
                region,
                members,
            } => genesis_message(*cluster, *data_group_count, region, members),
            RootMutation::RegisterStorage { node, disks } => {
                Kind::RegisterStorage(RegisterStorage {
                    node: Some(node.into()),
                    disks: messages(disks),
                })
            }
            RootMutation::RetireStorage { node } => Kind::RetireStorage(node_target(*node)),
            RootMutation::RegisterMeta { node } => Kind::RegisterMeta(node.into()),
            RootMutation::SetMetaVoter { node, is_voter } => {
                Kind::SetMetaVoter(root_mutation::SetMetaVoter {
                    node: node.get(),
                    is_voter: *is_voter,
                })
            }
            RootMutation::RetireMeta { node } => Kind::RetireMeta(node_target(*node)),
            RootMutation::CreatePool {
                id,
                name,
                profile,
                cell_len,
                is_fallback,
            } => Kind::CreatePool(proto::Pool {
                id: id.get(),
                name: name.clone(),
                profile: Some(profile.into()),
                cell_len: *cell_len,
                is_fallback: *is_fallback,
            }),
            RootMutation::SetWritePool { pool } => {
                Kind::SetWritePool(SetWritePool { pool: pool.get() })
            }
            RootMutation::CreatePlacementGroups {
                pool,
                topology_epoch,
                members,
            } => create_placement_groups_message(*pool, *topology_epoch, members),
            RootMutation::ReserveBucket {
                name,
                owner,
                initial,
            } => reserve_bucket_message(name, owner, initial),
            RootMutation::ActivateBucket { bucket, epoch } => {
                Kind::ActivateBucket(bucket_step(*bucket, *epoch))
            }
            RootMutation::BeginDeleteBucket { bucket, epoch } => {
                Kind::BeginDeleteBucket(bucket_step(*bucket, *epoch))
            }
            RootMutation::ReviveBucket { bucket, epoch } => {
                Kind::ReviveBucket(bucket_step(*bucket, *epoch))
            }
            RootMutation::CommitDeleteBucket { bucket, epoch } => {
                Kind::CommitDeleteBucket(bucket_step(*bucket, *epoch))
            }
            RootMutation::ReleaseBucket { bucket } => Kind::ReleaseBucket(target(*bucket)),
            RootMutation::ActivateApplyVersion { version } => {
                Kind::ActivateApplyVersion(ActivateApplyVersion { version: *version })
            }
            RootMutation::Account(change) => Kind::Account(change.into()),
        };
        Self { kind: Some(kind) }
    }
}

fn reserve_bucket_message(
    name: &BucketName,
    owner: &str,
    initial: &InitialSettings,
) -> root_mutation::Kind {
    root_mutation::Kind::ReserveBucket(root_mutation::ReserveBucket {
        name: name.as_str().to_owned(),
        owner: owner.to_owned(),
        initial: initial_settings_message(initial),
    })
}

fn genesis_message(
    cluster: ClusterId,
    data_group_count: u16,
    region: &str,
    members: &[MetaNode],
) -> root_mutation::Kind {
    root_mutation::Kind::Genesis(root_mutation::Genesis {
        cluster: bits_128(cluster.get()),
        data_group_count: data_group_count.into(),
        region: region.to_owned(),
        members: messages(members),
    })
}

fn create_placement_groups_message(
    pool: PoolId,
    topology_epoch: Epoch,
    members: &[Vec<DiskId>],
) -> root_mutation::Kind {
    let members = members.iter().map(|disks| root_mutation::Members {
        disks: disk_id_bytes(disks),
    });
    root_mutation::Kind::CreatePlacementGroups(root_mutation::CreatePlacementGroups {
        pool: pool.get(),
        topology_epoch: topology_epoch.get(),
        members: members.collect(),
    })
}

impl TryFrom<proto::RootMutation> for RootMutation {
    type Error = DecodeError;

    fn try_from(message: proto::RootMutation) -> Result<Self, DecodeError> {
        use root_mutation::Kind;
        Ok(
            match Field::new("RootMutation", "kind").required(message.kind)? {
                Kind::Genesis(genesis) => {
                    let at = |name| Field::new("RootMutation.Genesis", name);
                    Self::Genesis {
                        cluster: ClusterId::new(at("cluster").bits_128(&genesis.cluster)?),
                        data_group_count: at("data_group_count")
                            .narrow(genesis.data_group_count)?,
                        region: genesis.region,
                        members: genesis.members.into_iter().map(Into::into).collect(),
                    }
                }
                Kind::RegisterStorage(register) => Self::RegisterStorage {
                    node: Field::new("RootMutation.RegisterStorage", "node").noun(register.node)?,
                    disks: nouns(register.disks)?,
                },
                Kind::RetireStorage(retire) => Self::RetireStorage {
                    node: NodeId::new(retire.node),
                },
                Kind::RegisterMeta(node) => Self::RegisterMeta { node: node.into() },
                Kind::SetMetaVoter(set) => Self::SetMetaVoter {
                    node: NodeId::new(set.node),
                    is_voter: set.is_voter,
                },
                Kind::RetireMeta(retire) => Self::RetireMeta {
                    node: NodeId::new(retire.node),
                },
                Kind::CreatePool(pool) => create_pool(pool.try_into()?),
                Kind::SetWritePool(set) => Self::SetWritePool {
                    pool: PoolId::new(set.pool),
                },
                Kind::CreatePlacementGroups(create) => create_placement_groups(&create)?,
                Kind::ReserveBucket(reserve) => Self::ReserveBucket {
                    name: Field::new("RootMutation.ReserveBucket", "name")
                        .bucket_name(&reserve.name)?,
                    owner: reserve.owner,
                    initial: initial_settings(reserve.initial)?,
                },
                Kind::ActivateBucket(step) => Self::ActivateBucket {
                    bucket: BucketId::new(step.bucket),
                    epoch: Epoch::new(step.epoch),
                },
                Kind::BeginDeleteBucket(step) => Self::BeginDeleteBucket {
                    bucket: BucketId::new(step.bucket),
                    epoch: Epoch::new(step.epoch),
                },
                Kind::ReviveBucket(step) => Self::ReviveBucket {
                    bucket: BucketId::new(step.bucket),
                    epoch: Epoch::new(step.epoch),
                },
                Kind::CommitDeleteBucket(step) => Self::CommitDeleteBucket {
                    bucket: BucketId::new(step.bucket),
                    epoch: Epoch::new(step.epoch),
                },
                Kind::ReleaseBucket(BucketTarget { bucket }) => Self::ReleaseBucket {
                    bucket: BucketId::new(bucket),
                },
                Kind::ActivateApplyVersion(activate) => Self::ActivateApplyVersion {
                    version: activate.version,
                },
                Kind::Account(change) => Self::Account(change.try_into()?),
            },
        )
    }
}

fn create_pool(pool: Pool) -> RootMutation {
    RootMutation::CreatePool {
        id: pool.id,
        name: pool.name,
        profile: pool.profile,
        cell_len: pool.cell_len,
        is_fallback: pool.is_fallback,
    }
}

fn create_placement_groups(
    message: &root_mutation::CreatePlacementGroups,
) -> Result<RootMutation, DecodeError> {
    let at = Field::new("RootMutation.Members", "disks");
    let members = message.members.iter();
    Ok(RootMutation::CreatePlacementGroups {
        pool: PoolId::new(message.pool),
        topology_epoch: Epoch::new(message.topology_epoch),
        members: members
            .map(|members| disk_ids(at, &members.disks))
            .collect::<Result<_, _>>()?,
    })
}

impl From<&RootReply> for proto::RootReply {
    fn from(answer: &RootReply) -> Self {
        use root_reply::{Kind, PlacementGroups};
        let kind = match answer {
            RootReply::Done => Kind::Done(Empty {}),
            RootReply::PlacementGroups(ids) => Kind::PlacementGroups(PlacementGroups {
                ids: ids.iter().map(|id| id.get()).collect(),
            }),
            RootReply::Bucket(entry) => Kind::Bucket(entry.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::RootReply> for RootReply {
    type Error = DecodeError;

    fn try_from(message: proto::RootReply) -> Result<Self, DecodeError> {
        use root_reply::{Kind, PlacementGroups};
        Ok(
            match Field::new("RootReply", "kind").required(message.kind)? {
                Kind::Done(Empty {}) => Self::Done,
                Kind::PlacementGroups(PlacementGroups { ids }) => {
                    Self::PlacementGroups(ids.into_iter().map(PlacementGroupId::new).collect())
                }
                Kind::Bucket(entry) => Self::Bucket(entry.try_into()?),
            },
        )
    }
}

impl From<&ShardRange> for proto::ShardRange {
    fn from(range: &ShardRange) -> Self {
        Self {
            start: range.start.clone(),
            group: range.group.get().into(),
            epoch: range.epoch.get(),
        }
    }
}

impl TryFrom<proto::ShardRange> for ShardRange {
    type Error = DecodeError;

    fn try_from(message: proto::ShardRange) -> Result<Self, DecodeError> {
        Ok(Self {
            start: message.start,
            group: GroupId::new(Field::new("ShardRange", "group").narrow(message.group)?),
            epoch: Epoch::new(message.epoch),
        })
    }
}

impl From<&BucketEntry> for proto::BucketEntry {
    fn from(entry: &BucketEntry) -> Self {
        let (state, opened_below) = bucket_state_message(entry.state);
        Self {
            bucket: entry.bucket.get(),
            name: entry.name.as_str().to_owned(),
            owner: entry.owner.clone(),
            created_ms: entry.created.as_millis(),
            state: state.into(),
            ranges: messages(&entry.ranges),
            epoch: entry.epoch.get(),
            opened_below,
            initial: initial_settings_message(&entry.initial),
        }
    }
}

impl TryFrom<proto::BucketEntry> for BucketEntry {
    type Error = DecodeError;

    fn try_from(message: proto::BucketEntry) -> Result<Self, DecodeError> {
        let at = |name| Field::new("BucketEntry", name);
        let ranges: Vec<ShardRange> = nouns(message.ranges)?;
        if ranges.first().is_none_or(|first| !first.start.is_empty()) {
            return Err(at("ranges").breaks("at least one row, the first with an empty start"));
        }
        Ok(Self {
            bucket: BucketId::new(message.bucket),
            name: at("name").bucket_name(&message.name)?,
            owner: message.owner,
            created: Timestamp::from_millis(message.created_ms),
            state: bucket_state(at("state"), message.state, message.opened_below)?,
            epoch: Epoch::new(message.epoch),
            initial: initial_settings(message.initial)?,
            ranges,
        })
    }
}

/// How a bucket's state is written: its number, and the `opened_below` of a draining one.
pub fn bucket_state_message(state: BucketState) -> (proto::BucketState, u64) {
    match state {
        BucketState::Creating => (proto::BucketState::Creating, 0),
        BucketState::Active => (proto::BucketState::Active, 0),
        BucketState::Deleting => (proto::BucketState::Deleting, 0),
        BucketState::Draining { opened_below } => {
            (proto::BucketState::Draining, opened_below.get())
        }
    }
}

/// The state that `bucket_state_message` wrote.
///
/// # Errors
/// An unknown number.
pub fn bucket_state(at: Field, number: i32, opened_below: u64) -> Result<BucketState, DecodeError> {
    match at.value(number)? {
        proto::BucketState::Unspecified => Err(at.unknown(number)),
        proto::BucketState::Creating => Ok(BucketState::Creating),
        proto::BucketState::Active => Ok(BucketState::Active),
        proto::BucketState::Deleting => Ok(BucketState::Deleting),
        proto::BucketState::Draining => Ok(BucketState::Draining {
            opened_below: BucketId::new(opened_below),
        }),
    }
}

impl From<&RootQuery> for proto::RootQuery {
    fn from(question: &RootQuery) -> Self {
        use root_query::{BucketQuery, BucketsQuery, Kind, TopologyQuery};
        let kind = match question {
            RootQuery::Topology { known } => Kind::Topology(TopologyQuery {
                known_epoch: known.get(),
            }),
            RootQuery::Bucket { name } => Kind::Bucket(BucketQuery {
                name: name.as_str().to_owned(),
            }),
            RootQuery::BucketById { bucket } => Kind::BucketById(target(*bucket)),
            RootQuery::Buckets {
                after,
                prefix,
                owner,
                limit,
            } => Kind::Buckets(BucketsQuery {
                after: after.clone(),
                prefix: prefix.clone(),
                limit: *limit,
                owner: owner.clone(),
            }),
            RootQuery::Cluster => Kind::Cluster(Empty {}),
            RootQuery::Identities {
                known,
                after,
                limit,
            } => Kind::Identities(root_query::IdentitiesQuery {
                known_epoch: known.get(),
                after: after.as_ref().map_or("", CanonicalId::as_str).to_owned(),
                limit: *limit,
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::RootQuery> for RootQuery {
    type Error = DecodeError;

    fn try_from(message: proto::RootQuery) -> Result<Self, DecodeError> {
        use root_query::Kind;
        Ok(
            match Field::new("RootQuery", "kind").required(message.kind)? {
                Kind::Topology(query) => Self::Topology {
                    known: Epoch::new(query.known_epoch),
                },
                Kind::Bucket(query) => Self::Bucket {
                    name: Field::new("RootQuery.BucketQuery", "name").bucket_name(&query.name)?,
                },
                Kind::BucketById(BucketTarget { bucket }) => Self::BucketById {
                    bucket: BucketId::new(bucket),
                },
                Kind::Buckets(query) => Self::Buckets {
                    after: query.after,
                    prefix: query.prefix,
                    owner: query.owner,
                    limit: query.limit,
                },
                Kind::Cluster(Empty {}) => Self::Cluster,
                Kind::Identities(query) => {
                    let at = Field::new("RootQuery.IdentitiesQuery", "after");
                    let after = Some(query.after).filter(|after| !after.is_empty());
                    let after = after.map(|after| canonical_id(at, &after));
                    Self::Identities {
                        known: Epoch::new(query.known_epoch),
                        after: after.transpose()?,
                        limit: query.limit,
                    }
                }
            },
        )
    }
}

impl From<&ClusterInfo> for proto::ClusterInfo {
    fn from(info: &ClusterInfo) -> Self {
        Self {
            cluster: bits_128(info.cluster.get()),
            data_group_count: info.data_group_count.into(),
            region: info.region.clone(),
            created_ms: info.created.as_millis(),
            apply_version: info.apply_version,
        }
    }
}

impl TryFrom<proto::ClusterInfo> for ClusterInfo {
    type Error = DecodeError;

    fn try_from(message: proto::ClusterInfo) -> Result<Self, DecodeError> {
        let at = |name| Field::new("ClusterInfo", name);
        Ok(Self {
            cluster: ClusterId::new(at("cluster").bits_128(&message.cluster)?),
            data_group_count: at("data_group_count").narrow(message.data_group_count)?,
            region: message.region,
            created: Timestamp::from_millis(message.created_ms),
            apply_version: message.apply_version,
        })
    }
}

impl From<&RootView> for proto::RootView {
    fn from(answer: &RootView) -> Self {
        use root_view::{BucketsView, ClusterView, Kind, TopologyView};
        let kind = match answer {
            RootView::Topology(topology) => Kind::Topology(TopologyView {
                topology: topology.as_ref().map(Into::into),
            }),
            RootView::Bucket(entry) => Kind::Bucket(entry.into()),
            RootView::Buckets { entries, truncated } => Kind::Buckets(BucketsView {
                entries: messages(entries),
                truncated: *truncated,
            }),
            RootView::Cluster(info) => Kind::Cluster(ClusterView {
                info: info.as_ref().map(Into::into),
            }),
            RootView::Identities(page) => Kind::Identities(root_view::IdentitiesView {
                page: page.as_ref().map(Into::into),
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::RootView> for RootView {
    type Error = DecodeError;

    fn try_from(message: proto::RootView) -> Result<Self, DecodeError> {
        use root_view::Kind;
        Ok(
            match Field::new("RootView", "kind").required(message.kind)? {
                Kind::Topology(view) => {
                    Self::Topology(view.topology.map(TryInto::try_into).transpose()?)
                }
                Kind::Bucket(entry) => Self::Bucket(entry.try_into()?),
                Kind::Buckets(view) => Self::Buckets {
                    entries: nouns(view.entries)?,
                    truncated: view.truncated,
                },
                Kind::Cluster(view) => Self::Cluster(view.info.map(TryInto::try_into).transpose()?),
                Kind::Identities(view) => {
                    Self::Identities(view.page.map(TryInto::try_into).transpose()?)
                }
            },
        )
    }
}

fn target(bucket: BucketId) -> BucketTarget {
    BucketTarget {
        bucket: bucket.get(),
    }
}

fn node_target(node: NodeId) -> root_mutation::NodeTarget {
    root_mutation::NodeTarget { node: node.get() }
}

fn bucket_step(bucket: BucketId, epoch: Epoch) -> BucketStep {
    BucketStep {
        bucket: bucket.get(),
        epoch: epoch.get(),
    }
}
