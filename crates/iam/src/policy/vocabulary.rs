//! The actions and condition keys of S3 that a bucket's policy may name.
//!
//! Source: AWS, "Service Authorization Reference", "Actions, resources, and condition keys for Amazon S3"; actions on jobs, access
//! points, access grants and the account are left out: no statement about a bucket or its objects can name them.

use crate::context::{Context, folded};

use super::pattern::{Case, Pattern};

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Bucket,
    Object,
}

/// What is done to a bucket.
const BUCKET_ACTIONS: &[&str] = &[
    "CreateBucket",
    "CreateBucketMetadataTableConfiguration",
    "DeleteBucket",
    "DeleteBucketMetadataTableConfiguration",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAbac",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketMetadataTableConfiguration",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetReplicationConfiguration",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "ListTagsForResource",
    "PauseReplication",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAbac",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutReplicationConfiguration",
    "TagResource",
    "UntagResource",
    "UpdateBucketMetadataAnnotationTableConfiguration",
    "UpdateBucketMetadataInventoryTableConfiguration",
    "UpdateBucketMetadataJournalTableConfiguration",
];

/// What is done to an object.
const OBJECT_ACTIONS: &[&str] = &[
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "DeleteObject",
    "DeleteObjectAnnotation",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAnnotation",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "InitiateReplication",
    "ListMultipartUploadParts",
    "ListObjectAnnotations",
    "ObjectOwnerOverrideToBucketOwner",
    "PutObject",
    "PutObjectAcl",
    "PutObjectAnnotation",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
    "UpdateObjectEncryption",
];

/// Who has a key.
enum Has {
    /// Every request.
    All,
    /// Requests for these actions.
    These(&'static [&'static str]),
    /// Nothing that a bucket's policy can be about.
    None,
}

const WITH_ACL: &[&str] = &[
    "BypassGovernanceRetention",
    "CreateBucket",
    "PutBucketAcl",
    "PutObject",
    "PutObjectAcl",
    "PutObjectVersionAcl",
];
const WITH_COPY: &[&str] = &["BypassGovernanceRetention", "PutObject"];
const WITH_ENCRYPTION: &[&str] = &[
    "BypassGovernanceRetention",
    "PutObject",
    "ReplicateObject",
    "UpdateObjectEncryption",
];
const WITH_LISTING: &[&str] = &["ListBucket", "ListBucketVersions"];
const WITH_NEW_TAGS: &[&str] = &[
    "BypassGovernanceRetention",
    "PutObject",
    "PutObjectTagging",
    "PutObjectVersionTagging",
];
const WITH_RETENTION: &[&str] = &["PutObject", "PutObjectRetention"];
const WITH_TAGS: &[&str] = &[
    "DeleteObjectTagging",
    "DeleteObjectVersionTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectTagging",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionTagging",
    "PutObjectAcl",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
];
const WITH_VERSION: &[&str] = &[
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
];

/// The condition keys of S3, in lower case, up to the slash and with it.
const KEYS: &[(&str, Has)] = &[
    ("s3:accessgrantsinstancearn", Has::All),
    ("s3:accesspointnetworkorigin", Has::All),
    ("s3:accesspointtag/", Has::All),
    ("s3:authtype", Has::All),
    ("s3:buckettag/", Has::All),
    ("s3:dataaccesspointaccount", Has::All),
    ("s3:dataaccesspointarn", Has::All),
    ("s3:delimiter", Has::These(WITH_LISTING)),
    ("s3:destinationregion", Has::These(&["PauseReplication"])),
    ("s3:existingjoboperation", Has::None),
    ("s3:existingjobpriority", Has::None),
    ("s3:existingobjecttag/", Has::These(WITH_TAGS)),
    ("s3:if-match", Has::These(&["DeleteObject", "PutObject"])),
    ("s3:if-none-match", Has::These(&["PutObject"])),
    (
        "s3:inventoryaccessibleoptionalfields",
        Has::These(&["PutInventoryConfiguration"]),
    ),
    (
        "s3:isreplicationpauserequest",
        Has::These(&["PutReplicationConfiguration"]),
    ),
    ("s3:jobsuspendedcause", Has::None),
    ("s3:locationconstraint", Has::These(&["CreateBucket"])),
    ("s3:max-keys", Has::These(WITH_LISTING)),
    (
        "s3:object-lock-legal-hold",
        Has::These(&["PutObject", "PutObjectLegalHold"]),
    ),
    ("s3:object-lock-mode", Has::These(WITH_RETENTION)),
    (
        "s3:object-lock-remaining-retention-days",
        Has::These(WITH_RETENTION),
    ),
    (
        "s3:object-lock-retain-until-date",
        Has::These(WITH_RETENTION),
    ),
    ("s3:objectcreationoperation", Has::These(&["PutObject"])),
    ("s3:prefix", Has::These(WITH_LISTING)),
    ("s3:requestjoboperation", Has::None),
    ("s3:requestjobpriority", Has::None),
    ("s3:requestobjecttag/", Has::These(WITH_NEW_TAGS)),
    ("s3:requestobjecttagkeys", Has::These(WITH_NEW_TAGS)),
    ("s3:resourceaccount", Has::All),
    ("s3:signatureage", Has::All),
    ("s3:signatureversion", Has::All),
    ("s3:tlsversion", Has::All),
    ("s3:versionid", Has::These(WITH_VERSION)),
    ("s3:x-amz-acl", Has::These(WITH_ACL)),
    ("s3:x-amz-bucket-namespace", Has::These(&["CreateBucket"])),
    ("s3:x-amz-content-sha256", Has::All),
    ("s3:x-amz-copy-source", Has::These(WITH_COPY)),
    ("s3:x-amz-grant-full-control", Has::These(WITH_ACL)),
    ("s3:x-amz-grant-read", Has::These(WITH_ACL)),
    ("s3:x-amz-grant-read-acp", Has::These(WITH_ACL)),
    ("s3:x-amz-grant-write", Has::These(WITH_ACL)),
    ("s3:x-amz-grant-write-acp", Has::These(WITH_ACL)),
    ("s3:x-amz-metadata-directive", Has::These(WITH_COPY)),
    ("s3:x-amz-object-ownership", Has::These(&["CreateBucket"])),
    (
        "s3:x-amz-server-side-encryption",
        Has::These(WITH_ENCRYPTION),
    ),
    (
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        Has::These(WITH_ENCRYPTION),
    ),
    (
        "s3:x-amz-server-side-encryption-customer-algorithm",
        Has::These(WITH_ENCRYPTION),
    ),
    (
        "s3:x-amz-storage-class",
        Has::These(&[
            "BypassGovernanceRetention",
            "PutObject",
            "PutObjectAcl",
            "PutObjectVersionAcl",
        ]),
    ),
    ("s3:x-amz-website-redirect-location", Has::These(WITH_COPY)),
];

/// The actions that a pattern (`s3:Get*`, `*`) names, with what each is done to.
pub(super) fn actions(pattern: &Pattern) -> Vec<(&'static str, Subject)> {
    let context = Context::new();
    let is_named =
        |name: &str| pattern.matches(&format!("s3:{name}"), &context, Case::Ignored) == Some(true);
    let of =
        |names: &'static [&'static str], subject| names.iter().map(move |name| (*name, subject));
    of(BUCKET_ACTIONS, Subject::Bucket)
        .chain(of(OBJECT_ACTIONS, Subject::Object))
        .filter(|(name, _)| is_named(name))
        .collect()
}

/// Whether a policy may ask for a key: those of all services, and those of S3.
pub(super) fn is_key(key: &str) -> bool {
    let key = folded(key);
    if let Some(name) = key.strip_prefix("aws:") {
        return !name.is_empty();
    }
    row(&key).is_some_and(|has| !matches!(has, Has::None))
}

/// Whether a request for the action can have the key. Keys of all services: yes.
pub(super) fn has_key(action: &str, key: &str) -> bool {
    match row(&folded(key)) {
        Some(Has::These(actions)) => actions.contains(&action),
        Some(Has::None) => false,
        Some(Has::All) | None => true,
    }
}

fn row(key: &str) -> Option<&'static Has> {
    let is_named = |name: &str| match name.strip_suffix('/') {
        Some(name) => key
            .split_once('/')
            .is_some_and(|(prefix, tag)| prefix == name && !tag.is_empty()),
        None => key == name,
    };
    KEYS.iter()
        .find(|(name, _)| is_named(name))
        .map(|(_, has)| has)
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Reading;
    use super::*;

    fn named(pattern: &str) -> Vec<(&'static str, Subject)> {
        let reading = Reading {
            has_wildcards: true,
            has_variables: false,
        };
        actions(&Pattern::parse(pattern, reading))
    }

    #[test]
    fn patterns_name_actions_in_any_case() {
        assert_eq!(named("s3:getobject"), [("GetObject", Subject::Object)]);
        assert_eq!(
            named("s3:ListBucketVers*"),
            [("ListBucketVersions", Subject::Bucket)]
        );
        assert_eq!(
            named("*").len(),
            BUCKET_ACTIONS.len() + OBJECT_ACTIONS.len()
        );
        assert_eq!(named("s3:*").len(), named("*").len());
        assert_eq!(named("s3:HeadObject"), []);
    }

    #[test]
    fn every_action_stands_once_and_every_key_names_actions() {
        let mut all: Vec<&str> = BUCKET_ACTIONS
            .iter()
            .chain(OBJECT_ACTIONS)
            .copied()
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        for (key, has) in KEYS {
            assert_eq!(*key, key.to_ascii_lowercase());
            if let Has::These(actions) = has {
                for action in *actions {
                    assert!(all.contains(action), "{key}: {action}");
                }
            }
        }
    }

    #[test]
    fn keys_are_those_of_s3_and_of_all_services() {
        for good in [
            "aws:SourceIp",
            "S3:Prefix",
            "s3:ExistingObjectTag/a/b",
            "AWS:x",
            "s3:VersionId",
        ] {
            assert!(is_key(good), "{good}");
        }
        for bad in [
            "",
            "aws:",
            "prefix",
            "s3:pre",
            "ec2:Vpc",
            "s3:ExistingObjectTag",
            "s3:ExistingObjectTag/",
            "s3:RequestJobPriority",
        ] {
            assert!(!is_key(bad), "{bad}");
        }
        assert!(has_key("ListBucket", "s3:prefix"));
        assert!(!has_key("GetObject", "s3:prefix"));
        assert!(has_key("GetObject", "aws:SourceIp"));
        assert!(has_key("GetObject", "s3:ExistingObjectTag/x"));
    }
}
