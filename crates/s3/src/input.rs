//! What an operation is asked to do: one typed value per operation, checked against every limit of S3.
//!
//! Each is made from the head of a routed, verified request and, where there is one, what `xml` read of its document. What a value of these
//! types holds need not be checked again.

mod buckets;
mod conditions;
mod copy;
mod delete_objects;
mod encoding;
mod list_objects;
mod multipart;
mod number;
mod object_headers;
mod put_object;
mod range;
mod read_object;
mod request;
mod usage;
mod versions;

pub use buckets::{CreateBucketInput, ListBucketsInput};
pub use conditions::{NO_OBJECTS_ETAG, ReadConditions, Verdict, evaluate_read};
pub use copy::{CopyObjectInput, CopyRange, CopySource, MetadataDirective, UploadPartCopyInput};
pub use delete_objects::{DeleteEntry, DeleteObjectsInput};
pub use encoding::KeyEncoding;
pub use list_objects::{ListObjectsInput, ListObjectsV2Input, ListUploadsInput};
pub(crate) use multipart::kind_name;
pub use multipart::{
    CompleteUploadInput, CreateUploadInput, ListPartsInput, UploadInput, UploadPartInput,
};
pub use put_object::{DeleteObjectInput, PutObjectInput};
pub use range::{ByteRange, RangeSpec};
pub use read_object::{ReadObjectInput, ReadPlan, ResponseOverrides};
pub use request::{BucketInput, Request, check_expected_owner, check_expected_source_owner};
pub use usage::{asks_statistics, asks_usage};
pub use versions::ListVersionsInput;

#[cfg(test)]
mod tests;
