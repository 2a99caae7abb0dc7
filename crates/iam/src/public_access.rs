//! What a bucket keeps from the public, whatever its policy and its ACLs say.
//!
//! Source: AWS, "Blocking public access to your Amazon S3 storage".

use crate::acl::Acl;
use crate::policy::Policy;

/// The four switches. All off is the same as none set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "S3 has four switches")]
pub struct PublicAccessBlock {
    /// `BlockPublicAcls`: public ACLs are not taken, those that are there stay.
    pub block_public_acls: bool,
    /// `IgnorePublicAcls`: public ACLs grant nothing, to nobody; they can be set all the same.
    pub ignore_public_acls: bool,
    /// `BlockPublicPolicy`: a public policy is not taken, one that is there stays.
    pub block_public_policy: bool,
    /// `RestrictPublicBuckets`: while the policy is public, only services and the owner's account come in.
    pub restrict_public_buckets: bool,
}

/// A public ACL or policy that was not taken. S3 answers `AccessDenied`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicRefusal {
    /// By `BlockPublicAcls`.
    #[error("public access control lists are blocked by the BlockPublicAcls setting")]
    Acl,
    /// By `BlockPublicPolicy`.
    #[error("public policies are blocked by the BlockPublicPolicy setting")]
    Policy,
}

impl PublicAccessBlock {
    /// What holds where both are set: of a bucket and of its account, each switch that is on in either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            block_public_acls: self.block_public_acls || other.block_public_acls,
            ignore_public_acls: self.ignore_public_acls || other.ignore_public_acls,
            block_public_policy: self.block_public_policy || other.block_public_policy,
            restrict_public_buckets: self.restrict_public_buckets || other.restrict_public_buckets,
        }
    }

    /// Whether an ACL may be set, on the bucket or an object of it, by `PutBucketAcl`, `PutObjectAcl`, or a write with an ACL.
    ///
    /// # Errors
    /// `Acl`: it is public, and such are blocked.
    pub fn check_acl(self, acl: &Acl) -> Result<(), PublicRefusal> {
        if self.block_public_acls && acl.is_public() {
            return Err(PublicRefusal::Acl);
        }
        Ok(())
    }

    /// Whether a policy may be set.
    ///
    /// # Errors
    /// `Policy`: it is public, and such are blocked.
    pub fn check_policy(self, policy: &Policy) -> Result<(), PublicRefusal> {
        if self.block_public_policy && policy.is_public() {
            return Err(PublicRefusal::Policy);
        }
        Ok(())
    }

    /// Whether an ACL grants nothing.
    pub fn ignores(self, acl: &Acl) -> bool {
        self.ignore_public_acls && acl.is_public()
    }

    /// Whether a bucket with this policy lets in only services and its owner's account.
    pub fn restricts(self, policy: Option<&Policy>) -> bool {
        self.restrict_public_buckets && policy.is_some_and(Policy::is_public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::CannedAcl;
    use crate::identity::CanonicalId;
    use crate::policy::Attachment;
    use cairn_types::name::BucketName;

    /// The switches by the bits of a number.
    fn switches(bits: u8) -> PublicAccessBlock {
        PublicAccessBlock {
            block_public_acls: bits & 1 != 0,
            ignore_public_acls: bits & 2 != 0,
            block_public_policy: bits & 4 != 0,
            restrict_public_buckets: bits & 8 != 0,
        }
    }

    fn policy(principal: &str) -> Policy {
        let name = BucketName::parse("photos").unwrap();
        let document = format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"AWS": "{principal}"}},
            "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*"}}}}"#
        );
        let attachment = Attachment::Bucket {
            name: &name,
            is_lax: false,
        };
        Policy::parse(document.as_bytes(), attachment).unwrap()
    }

    #[test]
    fn each_switch_does_one_thing_and_touches_only_what_is_public() {
        let owner = CanonicalId::parse(&"a".repeat(64)).unwrap();
        let public_acl = CannedAcl::AuthenticatedRead.for_bucket(&owner);
        let private_acl = CannedAcl::Private.for_bucket(&owner);
        let (public, private) = (policy("*"), policy("123456789012"));
        for bits in 0..16 {
            let block = switches(bits);
            assert_eq!(block.check_acl(&public_acl).is_err(), bits & 1 != 0);
            assert_eq!(block.ignores(&public_acl), bits & 2 != 0);
            assert_eq!(block.check_policy(&public).is_err(), bits & 4 != 0);
            assert_eq!(block.restricts(Some(&public)), bits & 8 != 0);
            assert_eq!(block.check_acl(&private_acl), Ok(()));
            assert!(!block.ignores(&private_acl));
            assert_eq!(block.check_policy(&private), Ok(()));
            assert!(!block.restricts(Some(&private)) && !block.restricts(None));
        }
    }

    #[test]
    fn the_stricter_of_two_holds_switch_by_switch() {
        for left in 0..16 {
            for right in 0..16 {
                assert_eq!(switches(left).and(switches(right)), switches(left | right));
            }
        }
    }
}
