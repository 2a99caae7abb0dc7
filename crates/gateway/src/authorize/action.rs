//! Which actions a request needs.

use cairn_iam::Action;
use cairn_s3::operations::Operation;
use http::HeaderMap;

/// What is asked of a version by its name has an action of its own, which policies grant apart.
const OF_VERSIONS: [(Action, Action); 9] = [
    of_version("s3:DeleteObject", "s3:DeleteObjectVersion"),
    of_version("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
    of_version("s3:GetObject", "s3:GetObjectVersion"),
    of_version("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    of_version("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"),
    of_version("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    of_version("s3:GetObjectTorrent", "s3:GetObjectVersionTorrent"),
    of_version("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
    of_version("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
];

const fn of_version(action: &'static str, version: &'static str) -> (Action, Action) {
    (Action::new(action), Action::new(version))
}

/// The action, or that which it is where a version is named.
pub(crate) fn on_version(action: Action, is_named: bool) -> Action {
    let row = OF_VERSIONS.iter().find(|(plain, _)| *plain == action);
    match row {
        Some((_, version)) if is_named => *version,
        _ => action,
    }
}

/// What a write needs beside the action of its operation, because of its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    /// Part of writing for whom an ACL lets write: no ACL can grant it apart.
    WithWrite(Action),
    /// Always.
    Always(Action),
}

impl Extra {
    /// The action.
    pub(super) const fn action(self) -> Action {
        match self {
            Self::WithWrite(action) | Self::Always(action) => action,
        }
    }
}

/// What the headers of a request need.
///
/// Source: AWS, "Required permissions for Amazon S3 API operations".
pub(super) fn extras(operation: Operation, headers: &HeaderMap) -> Vec<Extra> {
    let has = |name: &str| headers.contains_key(name);
    let has_acl = has("x-amz-acl")
        || headers
            .keys()
            .any(|name| name.as_str().starts_with("x-amz-grant-"));
    let mut extras = Vec::new();
    match operation {
        Operation::PutObject
        | Operation::PostObject
        | Operation::CopyObject
        | Operation::CreateMultipartUpload => {
            if has_acl {
                extras.push(Extra::WithWrite(Action::new("s3:PutObjectAcl")));
            }
            if has("x-amz-tagging") {
                extras.push(Extra::WithWrite(Action::new("s3:PutObjectTagging")));
            }
            if has("x-amz-object-lock-mode") || has("x-amz-object-lock-retain-until-date") {
                extras.push(Extra::Always(Action::new("s3:PutObjectRetention")));
            }
            if has("x-amz-object-lock-legal-hold") {
                extras.push(Extra::Always(Action::new("s3:PutObjectLegalHold")));
            }
        }
        Operation::CreateBucket => {
            if has_acl {
                extras.push(Extra::Always(Action::new("s3:PutBucketAcl")));
            }
            if has("x-amz-object-ownership") {
                let action = Action::new("s3:PutBucketOwnershipControls");
                extras.push(Extra::Always(action));
            }
            if has("x-amz-bucket-object-lock-enabled") {
                let action = Action::new("s3:PutBucketObjectLockConfiguration");
                extras.push(Extra::Always(action));
                extras.push(Extra::Always(Action::new("s3:PutBucketVersioning")));
            }
        }
        _ => {}
    }
    extras
}

/// What passing a retention of mode governance needs.
pub(crate) const BYPASS: Action = Action::new("s3:BypassGovernanceRetention");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_actions_of_their_own_where_policies_know_them() {
        for (name, version) in [
            ("s3:GetObject", "s3:GetObjectVersion"),
            ("s3:DeleteObject", "s3:DeleteObjectVersion"),
            ("s3:PutObject", "s3:PutObject"),
            ("s3:GetObjectRetention", "s3:GetObjectRetention"),
        ] {
            let action = Action::new(name);
            assert_eq!(on_version(action, false), action);
            assert_eq!(on_version(action, true).as_str(), version);
        }
        for (plain, version) in OF_VERSIONS {
            assert_eq!(plain.as_str(), version.as_str().replace("Version", ""));
        }
    }

    #[test]
    fn headers_that_write_more_than_bytes_need_more() {
        let needed = |operation, names: &[&'static str]| {
            let headers = names.iter().map(|name| {
                let name = http::HeaderName::from_static(name);
                (name, http::HeaderValue::from_static("x"))
            });
            extras(operation, &headers.collect())
        };
        let put = Operation::PutObject;
        assert_eq!(needed(put, &["content-type"]), []);
        let acl = Extra::WithWrite(Action::new("s3:PutObjectAcl"));
        assert_eq!(needed(put, &["x-amz-acl"]), [acl]);
        assert_eq!(needed(put, &["x-amz-grant-read"]), [acl]);
        assert_eq!(needed(Operation::UploadPart, &["x-amz-acl"]), []);
        let lock = ["x-amz-object-lock-mode", "x-amz-object-lock-legal-hold"];
        assert_eq!(needed(put, &lock).len(), 2);
        let bucket = needed(Operation::CreateBucket, &["x-amz-acl"]);
        assert_eq!(bucket, [Extra::Always(Action::new("s3:PutBucketAcl"))]);
    }
}
