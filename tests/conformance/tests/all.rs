//! Conformance tests, one module per operation, linked once.
//!
//! Modules without a prefix go through the AWS SDK; `raw_…` modules write the bytes of their requests themselves.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run on real clocks, and their tasks end with their runtime"
)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where the server is wrong, also in its helpers"
)]

mod samples;

mod abort_multipart_upload;
mod atomicity;
mod bucket_acl;
mod bucket_cors;
mod bucket_ownership_controls;
mod bucket_policy;
mod bucket_policy_status;
mod bucket_switches;
mod bucket_tagging;
mod checksums;
mod complete_multipart_upload;
mod complete_multipart_upload_conditions;
mod copy_object;
mod create_bucket;
mod create_multipart_upload;
mod delete_bucket;
mod delete_conditions;
mod delete_object;
mod delete_objects;
mod delete_objects_versions;
mod documented_errors;
mod get_bucket_location;
mod get_object;
mod get_object_conditions;
mod get_object_range;
mod head_bucket;
mod head_object;
mod https;
mod list_buckets;
mod list_multipart_uploads;
mod list_object_versions;
mod list_objects;
mod list_objects_v2;
mod list_parts;
mod object_acl;
mod object_attributes;
mod object_lock;
mod object_tagging;
mod object_versions;
mod presigned;
mod public_access_block;
mod put_object;
mod put_object_conditions;
mod upload_part;
mod upload_part_copy;
mod versioning;
mod website_redirect;

mod raw_addressing;
mod raw_answers;
mod raw_authentication;
mod raw_body;
mod raw_chunked;
mod raw_dialect;
mod raw_expect;
mod raw_forms;
mod raw_headers;
mod raw_keys;
mod raw_limits;
mod raw_not_implemented;
mod raw_presigned;
mod raw_signature_two;
mod raw_slow;
mod raw_xml;
