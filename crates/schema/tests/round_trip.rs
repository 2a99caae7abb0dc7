//! Every noun comes back from its bytes as it was.

use cairn_schema::{DecodeError, arbitrary, decode_command, encode_command, proto};
use cairn_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::cluster::{Disk, PlacementGroup, Pool, Profile, StorageNode, Topology};
use cairn_types::etag::ETag;
use cairn_types::namespace::data::{UploadInfo, UploadKey, WriteCondition};
use cairn_types::namespace::root::{BucketEntry, ClusterInfo};
use cairn_types::namespace::{Mutation, MutationRequest, Query, Refusal, Reply, View};
use cairn_types::object::{Content, Extent, NewObject, NewPart, NewUpload, ObjectVersion};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use prost::Message;

/// What the bytes of a noun read as.
fn read_back<T, P>(noun: &T) -> Result<T, DecodeError>
where
    P: for<'a> From<&'a T> + Message + Default,
    T: TryFrom<P, Error = DecodeError>,
{
    let encoded = P::from(noun).encode_to_vec();
    T::try_from(P::decode(encoded.as_slice())?)
}

macro_rules! every_noun_round_trips {
    ($($test:ident: $noun:ty, $message:ty, $strategy:ident;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(512))]
            $(
                #[test]
                fn $test(noun in arbitrary::$strategy()) {
                    prop_assert_eq!(read_back::<$noun, $message>(&noun), Ok(noun));
                }
            )*
        }
    };
}

every_noun_round_trips! {
    checksums_come_back: Checksum, proto::Checksum, checksum;
    object_checksums_come_back: ObjectChecksum, proto::ObjectChecksum, object_checksum;
    checksum_specs_come_back: (ChecksumAlgorithm, ChecksumKind), proto::ChecksumSpec, checksum_spec;
    etags_come_back: ETag, proto::ETag, etag;
    extents_come_back: Extent, proto::Extent, extent;
    contents_come_back: Content, proto::Content, content;
    object_versions_come_back: ObjectVersion, proto::ObjectVersion, object_version;
    new_objects_come_back: NewObject, proto::NewObject, new_object;
    new_uploads_come_back: NewUpload, proto::NewUpload, new_upload;
    new_parts_come_back: NewPart, proto::NewPart, new_part;
    profiles_come_back: Profile, proto::Profile, profile;
    storage_nodes_come_back: StorageNode, proto::StorageNode, storage_node;
    disks_come_back: Disk, proto::Disk, disk;
    pools_come_back: Pool, proto::Pool, pool;
    placement_groups_come_back: PlacementGroup, proto::PlacementGroup, placement_group;
    topologies_come_back: Topology, proto::Topology, topology;
    write_conditions_come_back: WriteCondition, proto::WriteCondition, write_condition;
    upload_keys_come_back: UploadKey, proto::UploadKey, upload_key;
    upload_infos_come_back: UploadInfo, proto::UploadInfo, upload_info;
    bucket_entries_come_back: BucketEntry, proto::BucketEntry, bucket_entry;
    cluster_infos_come_back: ClusterInfo, proto::ClusterInfo, cluster_info;
    mutations_come_back: Mutation, proto::Mutation, mutation;
    mutation_requests_come_back: MutationRequest, proto::MutationRequest, mutation_request;
    replies_come_back: Reply, proto::Reply, reply;
    queries_come_back: Query, proto::Query, query;
    views_come_back: View, proto::View, view;
    refusals_come_back: Refusal, proto::Refusal, refusal;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn commands_come_back(command in arbitrary::command()) {
        prop_assert_eq!(decode_command(encode_command(&command)), Ok(command));
    }

    #[test]
    fn equal_commands_give_equal_bytes(command in arbitrary::command()) {
        prop_assert_eq!(encode_command(&command.clone()), encode_command(&command));
    }
}
