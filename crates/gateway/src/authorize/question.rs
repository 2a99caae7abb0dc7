//! What is asked of a bucket, and what is known of the object that it is about.

use cairn_iam::acl::Acl;
use cairn_iam::authorization::ObjectFacts;
use cairn_iam::context::Context;
use cairn_iam::{Action, CanonicalId};
use cairn_types::name::ObjectKey;
use cairn_types::object::ObjectVersion;

/// What is asked of a bucket.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// What is to be done.
    pub(crate) action: Action,
    /// To which object of the bucket; `None`: to the bucket.
    pub(crate) key: Option<ObjectKey>,
    /// What is known of the object that is there.
    pub(crate) facts: Option<Facts>,
    /// The context, where it is another than the request's.
    pub(crate) context: Option<Context>,
}

/// What is known of an object or an upload.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    owner: CanonicalId,
    acl: Acl,
    tags: Vec<(String, String)>,
}

impl Question {
    /// Something that is done to an object of which nothing is known.
    pub(crate) fn on(action: Action, key: &ObjectKey) -> Self {
        Self {
            action,
            key: Some(key.clone()),
            facts: None,
            context: None,
        }
    }
}

impl Facts {
    /// Of a version that is there.
    pub(super) fn of(version: &ObjectVersion, bucket_owner: &CanonicalId) -> Self {
        let settings = &version.settings;
        let owner = settings.owner.as_ref().unwrap_or(bucket_owner);
        let tags = settings.tags.iter();
        Self {
            owner: owner.clone(),
            acl: settings.acl.clone().unwrap_or_else(|| Acl::private(owner)),
            tags: tags
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// Of an object that is about to be there.
    pub(super) fn of_new(owner: &CanonicalId) -> Self {
        Self {
            owner: owner.clone(),
            acl: Acl::private(owner),
            tags: Vec::new(),
        }
    }

    /// Of an upload that somebody began.
    pub(super) fn of_upload(initiator: &CanonicalId) -> Self {
        Self::of_new(initiator)
    }

    /// For a decision.
    pub(super) fn as_object(&self) -> ObjectFacts<'_> {
        ObjectFacts {
            owner: &self.owner,
            acl: &self.acl,
            tags: &self.tags,
        }
    }
}
