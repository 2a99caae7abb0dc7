//! Which permission of which ACL an action needs.

use crate::action::Action;

use super::Permission;

/// Whose ACL is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The bucket's.
    Bucket,
    /// The object's.
    Object,
}

/// A permission of an ACL that lets an action be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Need {
    /// Whose ACL.
    pub subject: Subject,
    /// Which permission. Full control includes it.
    pub permission: Permission,
}

/// Source: AWS, "Access control list (ACL) overview", "Mapping of ACL permissions and access policy permissions"; for
/// attributes and overwriting, the pages of the operations.
const NEEDS: &[(&str, Subject, Permission)] = &[
    ("s3:ListBucket", Subject::Bucket, Permission::Read),
    ("s3:ListBucketVersions", Subject::Bucket, Permission::Read),
    (
        "s3:ListBucketMultipartUploads",
        Subject::Bucket,
        Permission::Read,
    ),
    ("s3:PutObject", Subject::Bucket, Permission::Write),
    ("s3:DeleteObject", Subject::Bucket, Permission::Write),
    ("s3:GetBucketAcl", Subject::Bucket, Permission::ReadAcp),
    ("s3:PutBucketAcl", Subject::Bucket, Permission::WriteAcp),
    ("s3:GetObject", Subject::Object, Permission::Read),
    ("s3:GetObjectVersion", Subject::Object, Permission::Read),
    ("s3:GetObjectAttributes", Subject::Object, Permission::Read),
    (
        "s3:GetObjectVersionAttributes",
        Subject::Object,
        Permission::Read,
    ),
    ("s3:GetObjectTorrent", Subject::Object, Permission::Read),
    (
        "s3:GetObjectVersionTorrent",
        Subject::Object,
        Permission::Read,
    ),
    ("s3:GetObjectAcl", Subject::Object, Permission::ReadAcp),
    (
        "s3:GetObjectVersionAcl",
        Subject::Object,
        Permission::ReadAcp,
    ),
    ("s3:PutObjectAcl", Subject::Object, Permission::WriteAcp),
    (
        "s3:PutObjectVersionAcl",
        Subject::Object,
        Permission::WriteAcp,
    ),
];

impl Need {
    /// What an action needs of an ACL. `None`: no ACL lets anybody do it; its owner and policies do.
    pub fn of(action: Action) -> Option<Self> {
        NEEDS
            .iter()
            .find(|(name, ..)| *name == action.as_str())
            .map(|&(_, subject, permission)| Self {
                subject,
                permission,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reading_writing_and_acls_can_be_granted_by_an_acl() {
        let need = |name| Need::of(Action::new(name));
        let of = |subject, permission| {
            Some(Need {
                subject,
                permission,
            })
        };
        assert_eq!(need("s3:ListBucket"), of(Subject::Bucket, Permission::Read));
        assert_eq!(need("s3:PutObject"), of(Subject::Bucket, Permission::Write));
        assert_eq!(
            need("s3:GetObjectVersion"),
            of(Subject::Object, Permission::Read)
        );
        assert_eq!(
            need("s3:PutObjectAcl"),
            of(Subject::Object, Permission::WriteAcp)
        );
        for name in [
            "s3:DeleteBucket",
            "s3:DeleteObjectVersion",
            "s3:AbortMultipartUpload",
            "s3:GetObjectTagging",
            "s3:PutBucketPolicy",
            "s3:GetBucketLocation",
            "s3:ListAllMyBuckets",
            "s3:BypassGovernanceRetention",
        ] {
            assert_eq!(need(name), None, "{name}");
        }
    }

    #[test]
    fn no_action_has_two_needs() {
        let mut names: Vec<&str> = NEEDS.iter().map(|(name, ..)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NEEDS.len());
        assert!(
            NEEDS
                .iter()
                .all(|(_, _, permission)| *permission != Permission::FullControl)
        );
    }
}
