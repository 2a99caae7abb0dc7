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

/// Decides whether an identity (`None`: an anonymous request) may do an action to a resource in a bucket of `owner`'s (`None`:
/// nobody's, there is no such bucket). Deny by default.
///
/// There are no policies: root is allowed everything, users what they own or may find to be nobody's, and nobody else
/// anything, whatever the action. It is asked for all the same, so that every caller already says what it is about to do.
/// Cost: none. Errors and panics: never.
pub fn decide(
    identity: Option<&Identity>,
    _action: Action,
    resource: Resource<'_>,
    owner: Option<&str>,
) -> Decision {
    let is_own = |identity: &Identity| owner.is_none_or(|owner| owner == identity.id.as_str());
    match (identity, resource) {
        (Some(identity), _) if identity.is_root => Decision::Allow,
        (Some(_), Resource::Service) => Decision::Allow,
        (Some(identity), Resource::Bucket(_) | Resource::Object(..)) if is_own(identity) => {
            Decision::Allow
        }
        (Some(_) | None, _) => Decision::Deny,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::CanonicalId;

    #[test]
    fn root_may_do_anything_and_users_what_they_own() {
        let bucket = BucketName::parse("bucket").unwrap();
        let key = ObjectKey::parse("key").unwrap();
        let identity = |is_root| Identity {
            id: CanonicalId::parse("testid").unwrap(),
            display_name: "somebody".to_owned(),
            is_root,
        };
        let (root, user) = (identity(true), identity(false));
        for resource in [
            Resource::Service,
            Resource::Bucket(&bucket),
            Resource::Object(&bucket, &key),
        ] {
            for name in ["s3:GetObject", "s3:DeleteBucket", "*"] {
                let decide_for = |identity: Option<&Identity>, owner: Option<&str>| {
                    decide(identity, Action::new(name), resource, owner)
                };
                for owner in [None, Some("testid"), Some("testid2")] {
                    assert_eq!(decide_for(Some(&root), owner), Decision::Allow);
                    assert_eq!(decide_for(None, owner), Decision::Deny);
                }
                assert_eq!(decide_for(Some(&user), None), Decision::Allow);
                assert_eq!(decide_for(Some(&user), Some("testid")), Decision::Allow);
                let of_another = decide_for(Some(&user), Some("testid2"));
                let is_service = matches!(resource, Resource::Service);
                assert_eq!(of_another == Decision::Allow, is_service);
            }
        }
    }
}
