//! What an operation is asked to do: one typed value per operation, checked against every limit of S3.
//!
//! Each is made from the head of a routed, verified request and, where there is one, what `xml` read of its document. What a value of these
//! types holds need not be checked again.

mod acl;
mod attributes;
mod buckets;
mod conditions;
mod copy;
mod delete_objects;
mod encoding;
mod list_objects;
mod lock;
mod multipart;
mod number;
mod object_headers;
mod object_settings;
mod policy;
mod put_object;
mod range;
mod read_object;
mod request;
mod tags;
mod usage;
mod versions;

pub use acl::{AclInput, PutBucketAclInput, PutObjectAclInput, parse_canned, resolve_grants};
pub use attributes::{ObjectAttribute, ObjectAttributesInput};
pub use buckets::{CreateBucketInput, ListBucketsInput};
pub use conditions::{NO_OBJECTS_ETAG, ReadConditions, Verdict, evaluate_read};
pub(crate) use conditions::{condition_time, etag_condition};
pub use copy::{
    CopyObjectInput, CopyRange, CopySource, MetadataDirective, UploadPartCopyInput,
    copy_source_path,
};
pub use delete_objects::{DeleteEntry, DeleteObjectsInput};
pub use encoding::KeyEncoding;
pub use list_objects::{ListObjectsInput, ListObjectsV2Input, ListUploadsInput};
pub use lock::{
    PutObjectLockInput, PutRetentionInput, bypasses_governance, check_retention_is_ahead,
};
pub(crate) use multipart::kind_name;
pub use multipart::{
    CompleteUploadInput, CreateUploadInput, ListPartsInput, UploadInput, UploadPartInput,
};
pub use object_settings::{ObjectInput, ObjectSettingsInput};
pub use policy::PutBucketPolicyInput;
pub use put_object::{DeleteObjectInput, PutObjectInput};
pub use range::{ByteRange, RangeSpec};
pub use read_object::{ReadObjectInput, ReadPlan, ResponseOverrides};
pub use request::{BucketInput, Request, check_expected_owner, check_expected_source_owner};
pub use tags::{PutBucketTaggingInput, PutObjectTaggingInput, TaggingDirective, tags_of_object};
pub use usage::{asks_statistics, asks_usage};
pub use versions::ListVersionsInput;

#[cfg(test)]
mod tests;
