//! What buckets were told to be, as far as requests are decided by it: read once, remembered with its epoch.
//!
//! What is remembered may be old. So every call that goes to the metadata on the strength of it says the epoch, and is refused
//! where that is over; and nobody is turned away before it was asked for anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_iam::CanonicalId;
use cairn_iam::acl::Acl;
use cairn_iam::authorization::BucketFacts;
use cairn_iam::ownership::Ownership;
use cairn_iam::policy::{Attachment, Policy};
use cairn_iam::public_access::PublicAccessBlock;
use cairn_types::id::{BucketId, Epoch};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::settings::{BucketSettings, DocumentKind};

use cairn_s3::xml::ownership_controls::parse_ownership_controls;
use cairn_s3::xml::public_access_block::parse_public_access_block;
use cairn_s3::xml::switches::{Payer, parse_request_payment};

use crate::fault::Fault;

/// Bytes of settings that are remembered; beyond it all are forgotten, which costs one question each.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// What a bucket's rules take beside their texts, roughly.
const RULES_BYTES: usize = 1024;

/// What holds in a bucket.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Which of its settings these are made of.
    pub(crate) settings: BucketSettings,
    /// Who owns the bucket.
    pub(crate) owner: CanonicalId,
    /// Whose its objects are, and whether ACLs count.
    pub(crate) ownership: Ownership,
    /// What it keeps from the public.
    pub(crate) public_access: PublicAccessBlock,
    /// Its ACL, or what one has that was given none.
    pub(crate) acl: Acl,
    /// Who pays for requests.
    pub(crate) payer: Payer,
    policy: Option<Policy>,
}

impl Rules {
    /// Reads the settings of a bucket. `unset` is the ownership of one that was never told.
    ///
    /// # Errors
    /// Where a document is not what a gateway let in: nothing is decided by half of what was said.
    pub(crate) fn read(
        bucket: &BucketEntry,
        settings: BucketSettings,
        unset: Ownership,
    ) -> Result<Self, Fault> {
        let owner = CanonicalId::parse(&bucket.owner)
            .map_err(|error| Fault::senseless(format!("the owner of a bucket: {error}")))?;
        let policy = match &settings.policy {
            None => None,
            Some(policy) => {
                // Wider than what is let in: what was taken stays, whatever is taken from now on.
                let attachment = Attachment::Bucket {
                    name: &bucket.name,
                    is_lax: true,
                };
                let read = Policy::parse(policy.text.text(), attachment);
                Some(read.map_err(|error| {
                    Fault::senseless(format!("the policy of a bucket: {error}"))
                })?)
            }
        };
        Ok(Self {
            ownership: ownership(&settings)?.unwrap_or(unset),
            public_access: public_access(&settings)?,
            payer: payer(&settings)?,
            acl: settings.acl.clone().unwrap_or_else(|| Acl::private(&owner)),
            owner,
            policy,
            settings,
        })
    }

    /// The epoch of the settings.
    pub(crate) fn epoch(&self) -> Epoch {
        self.settings.epoch
    }

    /// What decisions need.
    pub(crate) fn facts(&self) -> BucketFacts<'_> {
        let policy = self.settings.policy.as_ref();
        BucketFacts {
            owner: &self.owner,
            tenant: "",
            policy: self.policy.as_ref(),
            acl: &self.acl,
            ownership: self.ownership,
            public_access: self.public_access,
            is_owner_locked_out: policy.is_some_and(|policy| policy.is_owner_locked_out),
        }
    }

    fn bytes(&self) -> usize {
        let policy = self.settings.policy.as_ref();
        // A policy that was read takes more than its text.
        let policy = policy.map_or(0, |policy| 4 * policy.text.text().len());
        let documents = self.settings.documents.values();
        let documents: usize = documents.map(|document| document.text().len()).sum();
        RULES_BYTES + policy + documents
    }
}

fn ownership(settings: &BucketSettings) -> Result<Option<Ownership>, Fault> {
    let Some(document) = settings.documents.get(&DocumentKind::OwnershipControls) else {
        return Ok(None);
    };
    let read = parse_ownership_controls(document.text());
    read.map(Some)
        .map_err(|error| Fault::senseless(format!("the ownership controls of a bucket: {error}")))
}

fn public_access(settings: &BucketSettings) -> Result<PublicAccessBlock, Fault> {
    let Some(document) = settings.documents.get(&DocumentKind::PublicAccessBlock) else {
        return Ok(PublicAccessBlock::default());
    };
    parse_public_access_block(document.text())
        .map_err(|error| Fault::senseless(format!("the public access block of a bucket: {error}")))
}

fn payer(settings: &BucketSettings) -> Result<Payer, Fault> {
    let Some(document) = settings.documents.get(&DocumentKind::RequestPayment) else {
        return Ok(Payer::default());
    };
    parse_request_payment(document.text())
        .map_err(|error| Fault::senseless(format!("who pays for requests of a bucket: {error}")))
}

/// The rules that were read lately. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct RulesCache {
    shared: Arc<Mutex<Remembered>>,
}

#[derive(Debug, Default)]
struct Remembered {
    rules: HashMap<BucketId, Arc<Rules>>,
    bytes: usize,
}

impl RulesCache {
    /// Those of a bucket, as they were when somebody read them.
    pub(crate) fn get(&self, bucket: BucketId) -> Option<Arc<Rules>> {
        self.lock().rules.get(&bucket).cloned()
    }

    /// Remembers rules. Where newer ones were remembered meanwhile, those stay.
    pub(crate) fn remember(&self, bucket: BucketId, rules: &Arc<Rules>) {
        let mut remembered = self.lock();
        let known = remembered.rules.get(&bucket);
        if known.is_some_and(|known| known.epoch() > rules.epoch()) {
            return;
        }
        if remembered.bytes + rules.bytes() > CACHE_BYTES {
            *remembered = Remembered::default();
        }
        remembered.bytes += rules.bytes();
        if let Some(replaced) = remembered.rules.insert(bucket, Arc::clone(rules)) {
            remembered.bytes -= replaced.bytes();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cairn_types::name::BucketName;
    use cairn_types::namespace::root::{BucketState, ShardRange};
    use cairn_types::settings::{BucketPolicy, Document, InitialSettings};

    use super::*;

    fn bucket() -> BucketEntry {
        BucketEntry {
            bucket: BucketId::new(1),
            name: BucketName::parse("bucket").unwrap(),
            owner: "a".repeat(64),
            created: cairn_types::time::Timestamp::default(),
            state: BucketState::Active,
            epoch: Epoch::new(2),
            initial: InitialSettings::default(),
            ranges: Vec::<ShardRange>::new(),
        }
    }

    fn settings(epoch: u64, policy: Option<&str>) -> BucketSettings {
        let mut settings = BucketSettings::from(InitialSettings::default());
        settings.epoch = Epoch::new(epoch);
        settings.policy = policy.map(|text| BucketPolicy {
            text: Document::new(Bytes::from(text.to_owned())).unwrap(),
            is_owner_locked_out: false,
        });
        settings
    }

    fn rules(epoch: u64) -> Arc<Rules> {
        let settings = settings(epoch, None);
        Arc::new(Rules::read(&bucket(), settings, Ownership::ObjectWriter).unwrap())
    }

    #[test]
    fn a_bucket_that_was_told_nothing_is_its_owners_alone() {
        let rules = rules(1);
        let facts = rules.facts();
        assert_eq!(facts.owner.as_str(), bucket().owner);
        assert_eq!(facts.ownership, Ownership::ObjectWriter);
        assert_eq!(facts.public_access, PublicAccessBlock::default());
        assert!(facts.policy.is_none() && !facts.is_owner_locked_out);
        assert_eq!(*facts.acl, Acl::private(facts.owner));
    }

    #[test]
    fn what_cannot_be_read_decides_nothing() {
        let unset = Ownership::ObjectWriter;
        let broken = Rules::read(&bucket(), settings(1, Some("{")), unset);
        let fault = broken.unwrap_err();
        assert_eq!(fault.error.code(), cairn_s3::code::Code::InternalError);
        let policy = r#"{"Statement": {"Effect": "Allow", "Principal": "*",
            "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}}"#;
        let rules = Rules::read(&bucket(), settings(1, Some(policy)), unset).unwrap();
        assert!(rules.facts().policy.unwrap().is_public());
    }

    #[test]
    fn newer_rules_are_not_replaced_by_older_ones() {
        let cache = RulesCache::default();
        let id = BucketId::new(1);
        assert!(cache.get(id).is_none());
        for (epoch, expected) in [(2, 2), (1, 2), (3, 3)] {
            cache.remember(id, &rules(epoch));
            assert_eq!(cache.get(id).unwrap().epoch(), Epoch::new(expected));
        }
        assert_eq!(cache.lock().bytes, rules(3).bytes());
    }
}
