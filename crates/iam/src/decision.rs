//! The one place where it is decided who may do what.

use cairn_types::name::{BucketName, ObjectKey};

use crate::action::Action;
use crate::identity::Identity;

/// What an action is done to. The names are the ones that the catalog is asked for, not another reading of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The service itself: listing buckets.
    Service,
    /// A bucket.
    Bucket(&'a BucketName),
    /// An object in a bucket.
    Object(&'a BucketName, &'a ObjectKey),
}

/// A yes or a no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It may be done.
    Allow,
    /// It may not.
    Deny,
}

/// Decides whether an identity (`None`: an anonymous request) may do an action to a resource. Deny by default.
///
/// There are no policies: root is allowed everything, everybody else is denied, whatever the action and resource. Both
/// are asked for all the same, so that every caller already says what it is about to do.
/// Cost: none. Errors and panics: never.
pub fn decide(identity: Option<&Identity>, _action: Action, _resource: Resource<'_>) -> Decision {
    match identity {
        Some(identity) if identity.is_root => Decision::Allow,
        Some(_) | None => Decision::Deny,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::CanonicalId;

    #[test]
    fn only_root_may_do_anything() {
        let bucket = BucketName::parse("bucket").unwrap();
        let key = ObjectKey::parse("key").unwrap();
        let identity = |is_root| Identity {
            id: CanonicalId::parse(&"1".repeat(64)).unwrap(),
            display_name: "somebody".to_owned(),
            is_root,
        };
        for resource in [
            Resource::Service,
            Resource::Bucket(&bucket),
            Resource::Object(&bucket, &key),
        ] {
            for name in ["s3:GetObject", "s3:DeleteBucket", "*"] {
                let decide_for =
                    |identity: Option<&Identity>| decide(identity, Action::new(name), resource);
                assert_eq!(decide_for(Some(&identity(true))), Decision::Allow);
                assert_eq!(decide_for(Some(&identity(false))), Decision::Deny);
                assert_eq!(decide_for(None), Decision::Deny);
            }
        }
    }
}
