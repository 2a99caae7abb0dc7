//! Rows of what a bucket was told to be, but for what every write reads.

use cairn_schema::DecodeError;
use cairn_schema::field::Field;
use cairn_schema::proto;
use cairn_types::acl::Acl;
use cairn_types::settings::{BucketPolicy, Document};

use super::Record;

/// The ACL of a bucket that was given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketAclRow(pub(crate) Acl);

impl Record for BucketAclRow {
    const KIND: &'static str = "BucketAclRecord";
    type Message = proto::BucketAclRecord;

    fn to_message(&self) -> proto::BucketAclRecord {
        proto::BucketAclRecord {
            acl: Some((&self.0).into()),
        }
    }

    fn from_message(message: proto::BucketAclRecord) -> Result<Self, DecodeError> {
        Field::new(Self::KIND, "acl").noun(message.acl).map(Self)
    }
}

/// The policy of a bucket that has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketPolicyRow(pub(crate) BucketPolicy);

impl Record for BucketPolicyRow {
    const KIND: &'static str = "BucketPolicyRecord";
    type Message = proto::BucketPolicyRecord;

    fn to_message(&self) -> proto::BucketPolicyRecord {
        proto::BucketPolicyRecord {
            policy: Some((&self.0).into()),
        }
    }

    fn from_message(message: proto::BucketPolicyRecord) -> Result<Self, DecodeError> {
        let at = Field::new(Self::KIND, "policy");
        at.noun(message.policy).map(Self)
    }
}

/// A document of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketDocumentRow(pub(crate) Document);

impl Record for BucketDocumentRow {
    const KIND: &'static str = "BucketDocumentRecord";
    type Message = proto::BucketDocumentRecord;

    fn to_message(&self) -> proto::BucketDocumentRecord {
        proto::BucketDocumentRecord {
            text: self.0.text().clone(),
        }
    }

    fn from_message(message: proto::BucketDocumentRecord) -> Result<Self, DecodeError> {
        let at = Field::new(Self::KIND, "text");
        cairn_schema::document(at, message.text).map(Self)
    }
}
