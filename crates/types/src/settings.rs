//! What a bucket was told to be, and an object beside its bytes.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::account::CanonicalId;
use crate::acl::Acl;
use crate::id::Epoch;
use crate::lock::{BucketLock, ObjectLock};
use crate::tag::Tags;
use crate::version::Versioning;

/// A document that a bucket has one of at most: text that a gateway validated, and that the metadata only keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document(Bytes);

/// A document of more than 256 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a document of a bucket has at most {} bytes", Document::MAX_LEN)]
pub struct DocumentTooLong;

/// What a document is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// Whose the objects are that others write.
    OwnershipControls,
    /// Which public access is kept out.
    PublicAccessBlock,
    /// Which web pages may read answers.
    Cors,
    /// The bucket's own tags.
    Tagging,
    /// Who pays for requests.
    RequestPayment,
    /// Transfer acceleration.
    Accelerate,
    /// How objects are encrypted that do not say.
    Encryption,
    /// What becomes of objects with time.
    Lifecycle,
    /// How it is served as a web site.
    Website,
    /// Where its access log goes.
    Logging,
    /// Who is told of its events.
    Notification,
    /// Where its objects are copied to.
    Replication,
}

/// A bucket's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPolicy {
    /// Its text, as it was put.
    pub text: Document,
    /// Whether who put it gave up the owner's right to change it again.
    pub is_owner_locked_out: bool,
}

/// All that a bucket was told to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSettings {
    /// 1 when the bucket is made; grows with each change.
    pub epoch: Epoch,
    /// Whether it keeps versions; `None`: it was never told to.
    pub versioning: Option<Versioning>,
    /// Object lock, if it has it.
    pub lock: Option<BucketLock>,
    /// Its ACL; `None`: its owner has everything, nobody else anything.
    pub acl: Option<Acl>,
    /// Its policy.
    pub policy: Option<BucketPolicy>,
    /// Its documents.
    pub documents: BTreeMap<DocumentKind, Document>,
}

/// What a bucket is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitialSettings {
    /// Its ACL.
    pub acl: Option<Acl>,
    /// Its ownership controls.
    pub ownership_controls: Option<Document>,
    /// Whether it has object lock, and with it versioning.
    pub is_lock_enabled: bool,
}

/// One change of a bucket's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingChange {
    /// Whether it keeps versions. `Suspended` where objects can be locked: `InvalidBucketState`.
    Versioning(Versioning),
    /// Object lock, which is enabled where it was not. Without versioning: `InvalidBucketState`.
    Lock(BucketLock),
    /// Its ACL.
    Acl(Acl),
    /// Its policy; `None`: it is to have none.
    Policy(Option<BucketPolicy>),
    /// A document; `None`: it is to have none.
    Document {
        /// Which.
        kind: DocumentKind,
        /// What it is to say.
        document: Option<Document>,
    },
}

/// What is kept of a version, or of an upload that is to become one, beside its bytes and headers: all but the owner can be
/// changed without writing it anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectSettings {
    /// Whose it is; `None`: the bucket's owner's.
    pub owner: Option<CanonicalId>,
    /// Its ACL; `None`: its owner has everything, nobody else anything.
    pub acl: Option<Acl>,
    /// Its tags.
    pub tags: Tags,
    /// What keeps it from being removed.
    pub lock: ObjectLock,
}

impl Document {
    /// The longest in bytes.
    pub const MAX_LEN: usize = 256 * 1024;

    /// A document of this text.
    ///
    /// # Errors
    /// More than [`Self::MAX_LEN`] bytes.
    pub fn new(text: Bytes) -> Result<Self, DocumentTooLong> {
        if text.len() > Self::MAX_LEN {
            return Err(DocumentTooLong);
        }
        Ok(Self(text))
    }

    /// Its text.
    pub fn text(&self) -> &Bytes {
        &self.0
    }
}

impl DocumentKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::OwnershipControls,
        Self::PublicAccessBlock,
        Self::Cors,
        Self::Tagging,
        Self::RequestPayment,
        Self::Accelerate,
        Self::Encryption,
        Self::Lifecycle,
        Self::Website,
        Self::Logging,
        Self::Notification,
        Self::Replication,
    ];
}

impl BucketSettings {
    /// The epoch of a bucket that was just made.
    pub const FIRST_EPOCH: Epoch = Epoch::new(1);
}

impl From<InitialSettings> for BucketSettings {
    /// What a bucket that is made with them has.
    fn from(initial: InitialSettings) -> Self {
        let controls = initial.ownership_controls;
        Self {
            epoch: Self::FIRST_EPOCH,
            versioning: initial.is_lock_enabled.then_some(Versioning::Enabled),
            lock: initial.is_lock_enabled.then(BucketLock::default),
            acl: initial.acl,
            policy: None,
            documents: controls
                .map(|document| (DocumentKind::OwnershipControls, document))
                .into_iter()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_256_kib_at_most() {
        let of_len = |len| Document::new(Bytes::from(vec![b'a'; len]));
        assert_eq!(of_len(Document::MAX_LEN).unwrap().text().len(), 262_144);
        assert_eq!(of_len(Document::MAX_LEN + 1), Err(DocumentTooLong));
    }

    #[test]
    fn a_bucket_that_is_made_with_lock_keeps_versions() {
        let plain = BucketSettings::from(InitialSettings::default());
        assert_eq!((plain.versioning, plain.lock), (None, None));
        assert!(plain.documents.is_empty());
        let document = Document::new(Bytes::from_static(b"{}")).unwrap();
        let made = BucketSettings::from(InitialSettings {
            acl: Some(Acl::default()),
            ownership_controls: Some(document.clone()),
            is_lock_enabled: true,
        });
        assert_eq!(made.epoch, BucketSettings::FIRST_EPOCH);
        assert_eq!(made.versioning, Some(Versioning::Enabled));
        assert_eq!(made.lock, Some(BucketLock { default: None }));
        assert_eq!(made.acl, Some(Acl::default()));
        let documents = [(DocumentKind::OwnershipControls, document)];
        assert_eq!(made.documents, documents.into());
    }
}
