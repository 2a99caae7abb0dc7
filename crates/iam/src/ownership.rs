//! Who owns the objects of a bucket, and whether their ACLs count.
//!
//! Source: AWS, "Controlling ownership of objects and disabling ACLs for your bucket".

use crate::acl::{Acl, CannedAcl, Grant};
use crate::identity::CanonicalId;

/// The ownership setting of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ownership {
    /// The bucket's owner owns every object, also those that others wrote before; ACLs say nothing.
    BucketOwnerEnforced,
    /// The writer owns an object, unless it gives it to the bucket's owner by `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// The writer owns an object.
    ObjectWriter,
}

/// Why an ACL is refused under an ownership setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AclRefusal {
    /// ACLs say nothing in this bucket: `AccessControlListNotSupported`.
    #[error("The bucket does not allow ACLs")]
    NotSupported,
    /// A bucket whose ACL grants to others would have ACLs that say nothing: `InvalidBucketAclWithObjectOwnership`.
    #[error("Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")]
    WithOwnership,
}

impl Ownership {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::BucketOwnerEnforced,
        Self::BucketOwnerPreferred,
        Self::ObjectWriter,
    ];

    /// As documents and `x-amz-object-ownership` name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// The setting of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|ownership| ownership.as_str() == text)
    }

    /// Whether ACLs grant anything and can be set.
    pub const fn has_acls(self) -> bool {
        !matches!(self, Self::BucketOwnerEnforced)
    }

    /// Who owns an object that `writer` (`None`: nobody who signed) writes with this canned ACL.
    ///
    /// What nobody signed for belongs to the bucket's owner here; S3 gives it to an account of nobody's, so that even the
    /// bucket's owner cannot read it.
    pub fn owner_of_new<'a>(
        self,
        writer: Option<&'a CanonicalId>,
        bucket_owner: &'a CanonicalId,
        canned: Option<CannedAcl>,
    ) -> &'a CanonicalId {
        let gives_away = canned == Some(CannedAcl::BucketOwnerFullControl);
        match (self, writer) {
            (Self::ObjectWriter, Some(writer)) => writer,
            (Self::BucketOwnerPreferred, Some(writer)) if !gives_away => writer,
            _ => bucket_owner,
        }
    }

    /// Who owns an object that is stored with this owner: under `BucketOwnerEnforced` the bucket's owner, always.
    pub fn owner_of_stored<'a>(
        self,
        stored: &'a CanonicalId,
        bucket_owner: &'a CanonicalId,
    ) -> &'a CanonicalId {
        match self {
            Self::BucketOwnerEnforced => bucket_owner,
            Self::BucketOwnerPreferred | Self::ObjectWriter => stored,
        }
    }

    /// Whether an object may be written with an ACL: where ACLs say nothing, only with one that gives the bucket's owner
    /// everything and nobody else anything, canned or spelled out.
    ///
    /// # Errors
    /// `NotSupported`.
    pub fn check_acl_of_new_object(
        self,
        canned: Option<CannedAcl>,
        grants: &[Grant],
        bucket_owner: &CanonicalId,
    ) -> Result<(), AclRefusal> {
        let is_canned = matches!(canned, None | Some(CannedAcl::BucketOwnerFullControl));
        let full_control = Grant::full_control(bucket_owner);
        let is_plain = is_canned && grants.iter().all(|grant| *grant == full_control);
        if self.has_acls() || is_plain {
            Ok(())
        } else {
            Err(AclRefusal::NotSupported)
        }
    }

    /// Whether `PutBucketAcl` and `PutObjectAcl` may ask for a canned ACL or these grants: where ACLs say nothing, for what holds
    /// anyway, as clients do that give a copy the ACL of its source.
    ///
    /// # Errors
    /// `NotSupported`.
    ///
    /// Source: AWS, "Controlling ownership of objects and disabling ACLs for your bucket".
    pub fn check_put_acl(
        self,
        canned: Option<CannedAcl>,
        grants: &[Grant],
        bucket_owner: &CanonicalId,
    ) -> Result<(), AclRefusal> {
        if canned.is_none() && grants.is_empty() && !self.has_acls() {
            return Err(AclRefusal::NotSupported);
        }
        self.check_acl_of_new_object(canned, grants, bucket_owner)
    }

    /// Whether a bucket of this owner may have the setting and the ACL at the same time: when it is made, and when the
    /// setting changes.
    ///
    /// # Errors
    /// `WithOwnership`: the ACL grants something to somebody else, and it would say nothing from now on.
    pub fn check_bucket_acl(self, acl: &Acl, owner: &CanonicalId) -> Result<(), AclRefusal> {
        if self.has_acls() || !acl.reaches_beyond(owner) {
            Ok(())
        } else {
            Err(AclRefusal::WithOwnership)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::{Group, Permission};

    fn id(letter: &str) -> CanonicalId {
        CanonicalId::parse(&letter.repeat(64)).unwrap()
    }

    #[test]
    fn names_are_read_back() {
        for ownership in Ownership::ALL {
            assert_eq!(Ownership::parse(ownership.as_str()), Some(ownership));
        }
        assert_eq!(Ownership::parse("bucketownerenforced"), None);
    }

    #[test]
    fn a_new_object_belongs_to_its_writer_or_to_the_bucket() {
        let (writer, bucket) = (id("a"), id("b"));
        let full_control = Some(CannedAcl::BucketOwnerFullControl);
        for (ownership, canned, expected) in [
            (Ownership::BucketOwnerEnforced, None, &bucket),
            (Ownership::BucketOwnerEnforced, full_control, &bucket),
            (Ownership::BucketOwnerPreferred, None, &writer),
            (
                Ownership::BucketOwnerPreferred,
                Some(CannedAcl::BucketOwnerRead),
                &writer,
            ),
            (Ownership::BucketOwnerPreferred, full_control, &bucket),
            (Ownership::ObjectWriter, None, &writer),
            (Ownership::ObjectWriter, full_control, &writer),
        ] {
            assert_eq!(
                ownership.owner_of_new(Some(&writer), &bucket, canned),
                expected,
                "{ownership:?}"
            );
            assert_eq!(
                ownership.owner_of_new(None, &bucket, canned),
                &bucket,
                "{ownership:?}"
            );
        }
    }

    #[test]
    fn enforcing_gives_every_stored_object_to_the_bucket_and_takes_nothing_back() {
        let (writer, bucket) = (id("a"), id("b"));
        assert_eq!(
            Ownership::BucketOwnerEnforced.owner_of_stored(&writer, &bucket),
            &bucket
        );
        assert_eq!(
            Ownership::BucketOwnerPreferred.owner_of_stored(&writer, &bucket),
            &writer
        );
        assert_eq!(
            Ownership::ObjectWriter.owner_of_stored(&writer, &bucket),
            &writer
        );
    }

    #[test]
    fn where_acls_say_nothing_only_full_control_for_the_bucket_is_taken() {
        let bucket = id("b");
        let full = Grant::full_control(&bucket);
        let public = Grant::to_group(Group::AllUsers, Permission::Read);
        for canned in CannedAcl::ALL {
            let check = |ownership: Ownership| {
                ownership.check_acl_of_new_object(Some(canned), &[], &bucket)
            };
            let is_taken = canned == CannedAcl::BucketOwnerFullControl;
            assert_eq!(
                check(Ownership::BucketOwnerEnforced).is_ok(),
                is_taken,
                "{canned:?}"
            );
            assert_eq!(check(Ownership::BucketOwnerPreferred), Ok(()));
            assert_eq!(check(Ownership::ObjectWriter), Ok(()));
        }
        let check = |grants: &[Grant]| {
            Ownership::BucketOwnerEnforced.check_acl_of_new_object(None, grants, &bucket)
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(std::slice::from_ref(&full)), Ok(()));
        assert_eq!(check(&[full, public]), Err(AclRefusal::NotSupported));
        assert_eq!(
            check(&[Grant::full_control(&id("a"))]),
            Err(AclRefusal::NotSupported)
        );
    }

    #[test]
    fn acls_can_be_set_where_they_say_something() {
        let owner = id("a");
        let full = Grant::full_control(&owner);
        let public = Grant::to_group(Group::AllUsers, Permission::Read);
        for (canned, grants, is_taken) in [
            (None, &[][..], false),
            (None, &[full.clone()][..], true),
            (None, &[full, public][..], false),
            (None, &[Grant::full_control(&id("b"))][..], false),
            (Some(CannedAcl::BucketOwnerFullControl), &[][..], true),
            (Some(CannedAcl::Private), &[][..], false),
        ] {
            let check = |ownership: Ownership| ownership.check_put_acl(canned, grants, &owner);
            let enforced = check(Ownership::BucketOwnerEnforced);
            assert_eq!(enforced.is_ok(), is_taken, "{canned:?} {grants:?}");
            assert_eq!(check(Ownership::BucketOwnerPreferred), Ok(()));
            assert_eq!(check(Ownership::ObjectWriter), Ok(()));
        }
    }

    #[test]
    fn a_bucket_that_grants_to_others_cannot_have_acls_that_say_nothing() {
        let owner = id("a");
        let check = |ownership: Ownership, canned: CannedAcl| {
            ownership.check_bucket_acl(&canned.for_bucket(&owner), &owner)
        };
        let refused = Err(AclRefusal::WithOwnership);
        assert_eq!(
            check(Ownership::BucketOwnerEnforced, CannedAcl::PublicRead),
            refused
        );
        assert_eq!(
            check(Ownership::BucketOwnerEnforced, CannedAcl::LogDeliveryWrite),
            refused
        );
        assert_eq!(
            check(Ownership::BucketOwnerEnforced, CannedAcl::Private),
            Ok(())
        );
        assert_eq!(
            check(Ownership::ObjectWriter, CannedAcl::PublicRead),
            Ok(())
        );
        assert_eq!(
            check(Ownership::BucketOwnerPreferred, CannedAcl::PublicRead),
            Ok(())
        );
    }
}
