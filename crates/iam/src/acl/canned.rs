//! ACLs that have names.

use crate::identity::CanonicalId;

use super::{Acl, Grant, Group, Permission};

/// A canned ACL.
///
/// Source: AWS, "Access control list (ACL) overview", "Canned ACL".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CannedAcl {
    /// The owner has everything, nobody else anything.
    Private,
    /// Everybody may read.
    PublicRead,
    /// Everybody may read and write.
    PublicReadWrite,
    /// Everybody who signs may read.
    AuthenticatedRead,
    /// The service that makes machine images may read.
    AwsExecRead,
    /// The bucket's owner may read the object.
    BucketOwnerRead,
    /// The bucket's owner has everything of the object.
    BucketOwnerFullControl,
    /// The service that writes access logs may write them and read the ACL.
    LogDeliveryWrite,
}

/// The account of EC2, which `aws-exec-read` grants to. Nobody here has this id.
const EXEC_READER: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b93e";

impl CannedAcl {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Private,
        Self::PublicRead,
        Self::PublicReadWrite,
        Self::AuthenticatedRead,
        Self::AwsExecRead,
        Self::BucketOwnerRead,
        Self::BucketOwnerFullControl,
        Self::LogDeliveryWrite,
    ];

    /// As `x-amz-acl` names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::PublicRead => "public-read",
            Self::PublicReadWrite => "public-read-write",
            Self::AuthenticatedRead => "authenticated-read",
            Self::AwsExecRead => "aws-exec-read",
            Self::BucketOwnerRead => "bucket-owner-read",
            Self::BucketOwnerFullControl => "bucket-owner-full-control",
            Self::LogDeliveryWrite => "log-delivery-write",
        }
    }

    /// The canned ACL of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|canned| canned.as_str() == text)
    }

    /// What it means for a bucket of this owner. What is about an object's bucket means nothing for a bucket: private.
    pub fn for_bucket(self, owner: &CanonicalId) -> Acl {
        let more = match self {
            Self::Private | Self::BucketOwnerRead | Self::BucketOwnerFullControl => vec![],
            Self::LogDeliveryWrite => vec![
                Grant::to_group(Group::LogDelivery, Permission::Write),
                Grant::to_group(Group::LogDelivery, Permission::ReadAcp),
            ],
            Self::PublicRead
            | Self::PublicReadWrite
            | Self::AuthenticatedRead
            | Self::AwsExecRead => self.of_both(),
        };
        with_owner(owner, more)
    }

    /// What it means for an object of this owner in a bucket of that owner. `None`: nothing, S3 refuses it
    /// (`InvalidArgument`): log delivery is for buckets.
    pub fn for_object(self, owner: &CanonicalId, bucket_owner: &CanonicalId) -> Option<Acl> {
        let to_bucket_owner = |permission| {
            if owner == bucket_owner {
                vec![]
            } else {
                vec![Grant::to(bucket_owner, permission)]
            }
        };
        let more = match self {
            Self::Private => vec![],
            Self::BucketOwnerRead => to_bucket_owner(Permission::Read),
            Self::BucketOwnerFullControl => to_bucket_owner(Permission::FullControl),
            Self::LogDeliveryWrite => return None,
            Self::PublicRead
            | Self::PublicReadWrite
            | Self::AuthenticatedRead
            | Self::AwsExecRead => self.of_both(),
        };
        Some(with_owner(owner, more))
    }

    /// What is granted beside the owner's, of those that are the same for buckets and objects.
    fn of_both(self) -> Vec<Grant> {
        match self {
            Self::PublicRead => vec![Grant::to_group(Group::AllUsers, Permission::Read)],
            Self::PublicReadWrite => vec![
                Grant::to_group(Group::AllUsers, Permission::Read),
                Grant::to_group(Group::AllUsers, Permission::Write),
            ],
            Self::AuthenticatedRead => {
                vec![Grant::to_group(Group::AuthenticatedUsers, Permission::Read)]
            }
            Self::AwsExecRead => {
                let reader = CanonicalId::parse(EXEC_READER).expect("64 hexadecimal digits");
                vec![Grant::to(&reader, Permission::Read)]
            }
            Self::Private
            | Self::BucketOwnerRead
            | Self::BucketOwnerFullControl
            | Self::LogDeliveryWrite => vec![],
        }
    }
}

/// The owner's grant first, as S3 lists them.
fn with_owner(owner: &CanonicalId, more: Vec<Grant>) -> Acl {
    let mut grants = vec![Grant::full_control(owner)];
    grants.extend(more);
    Acl::new(grants).expect("three grants are no hundred")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::Grantee;

    fn id(letter: &str) -> CanonicalId {
        CanonicalId::parse(&letter.repeat(64)).unwrap()
    }

    /// What is granted beside the owner's full control, which is first.
    fn beside_owner(acl: &Acl) -> Vec<(Grantee, Permission)> {
        let (first, more) = acl.grants().split_first().unwrap();
        assert_eq!(*first, Grant::full_control(&id("a")));
        more.iter()
            .map(|grant| (grant.grantee.clone(), grant.permission))
            .collect()
    }

    #[test]
    fn names_are_read_back_and_have_case() {
        for canned in CannedAcl::ALL {
            assert_eq!(CannedAcl::parse(canned.as_str()), Some(canned));
        }
        for bad in ["", "Private", "public", "public-write"] {
            assert_eq!(CannedAcl::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_is_expanded_for_buckets_and_for_objects_of_both_owners() {
        let (owner, other) = (id("a"), id("b"));
        let group = |group, permission| (Grantee::Group(group), permission);
        let all = |permission| group(Group::AllUsers, permission);
        let signed = group(Group::AuthenticatedUsers, Permission::Read);
        let reader = Grantee::Account(CanonicalId::parse(EXEC_READER).unwrap());
        let logs = vec![
            group(Group::LogDelivery, Permission::Write),
            group(Group::LogDelivery, Permission::ReadAcp),
        ];
        let to_other = |permission| vec![(Grantee::Account(id("b")), permission)];
        let read_write = vec![all(Permission::Read), all(Permission::Write)];
        let read = vec![all(Permission::Read)];
        let exec = vec![(reader, Permission::Read)];
        // Of a bucket, of an object in a bucket of another's, of an object in a bucket of one's own.
        for (canned, bucket, foreign, own) in [
            (CannedAcl::Private, vec![], Some(vec![]), Some(vec![])),
            (
                CannedAcl::PublicRead,
                read.clone(),
                Some(read.clone()),
                Some(read),
            ),
            (
                CannedAcl::PublicReadWrite,
                read_write.clone(),
                Some(read_write.clone()),
                Some(read_write),
            ),
            (
                CannedAcl::AuthenticatedRead,
                vec![signed.clone()],
                Some(vec![signed.clone()]),
                Some(vec![signed]),
            ),
            (
                CannedAcl::AwsExecRead,
                exec.clone(),
                Some(exec.clone()),
                Some(exec),
            ),
            (
                CannedAcl::BucketOwnerRead,
                vec![],
                Some(to_other(Permission::Read)),
                Some(vec![]),
            ),
            (
                CannedAcl::BucketOwnerFullControl,
                vec![],
                Some(to_other(Permission::FullControl)),
                Some(vec![]),
            ),
            (CannedAcl::LogDeliveryWrite, logs, None, None),
        ] {
            assert_eq!(
                beside_owner(&canned.for_bucket(&owner)),
                bucket,
                "{canned:?}"
            );
            let object = |bucket_owner| {
                canned
                    .for_object(&owner, bucket_owner)
                    .map(|acl| beside_owner(&acl))
            };
            assert_eq!(object(&other), foreign, "{canned:?}");
            assert_eq!(object(&owner), own, "{canned:?}");
        }
    }
}
