//! Rules that hold whatever is said, by trying everything.

use super::*;

/// Every combination of who, action, policy, ACLs, object and ownership that the tests above take apart.
fn all_worlds() -> Vec<World> {
    let owner = id("a");
    let policies: Vec<Option<Policy>> = [
        vec![],
        vec![about_all("Allow", "'*'")],
        vec![about_all("Allow", &format!("{{'AWS': '{OTHER}'}}"))],
        vec![about_all("Deny", "'*'")],
        vec![
            about_all("Allow", "'*'"),
            about_all("Deny", &format!("{{'AWS': '{OTHER}'}}")),
        ],
    ]
    .into_iter()
    .map(|statements| (!statements.is_empty()).then(|| bucket_policy(&statements.join(", "))))
    .collect();
    let objects = || {
        let mut objects = vec![None];
        for object_owner in [id("a"), id("b")] {
            for canned in [
                CannedAcl::Private,
                CannedAcl::PublicRead,
                CannedAcl::BucketOwnerRead,
            ] {
                let acl = canned.for_object(&object_owner, &id("a")).unwrap();
                objects.push(Some((object_owner.clone(), acl)));
            }
        }
        objects
    };
    let mut worlds = Vec::new();
    for who in EVERYBODY {
        for action in [
            "s3:ListBucket",
            "s3:PutObject",
            "s3:GetObject",
            "s3:PutObjectAcl",
            "s3:DeleteBucket",
            "s3:PutBucketPolicy",
            "s3:ListMultipartUploadParts",
        ] {
            for policy in &policies {
                for canned in [
                    CannedAcl::Private,
                    CannedAcl::PublicReadWrite,
                    CannedAcl::AuthenticatedRead,
                ] {
                    for ownership in Ownership::ALL {
                        for object in objects() {
                            worlds.push(World {
                                policy: policy.clone(),
                                bucket_acl: canned.for_bucket(&owner),
                                ownership,
                                object,
                                ..World::new(who, action)
                            });
                        }
                    }
                }
            }
        }
    }
    worlds
}

#[test]
fn in_every_world_the_rules_hold() {
    let policy_of_denials = bucket_policy(&about_all("Deny", "'*'"));
    for world in all_worlds() {
        let decision = world.decide();
        let is_allowed = decision.is_allowed();
        let label = || {
            format!(
                "{:?} {} {:?} {:?}: {decision}",
                world.who, world.action, world.ownership, world.object
            )
        };
        // A switch takes and never gives.
        for (ignore, restrict) in [(true, false), (false, true), (true, true)] {
            let mut strict = world.clone();
            strict.public_access.ignore_public_acls = ignore;
            strict.public_access.restrict_public_buckets = restrict;
            assert!(is_allowed || !strict.is_allowed(), "{}", label());
        }
        // Where ACLs say nothing, none changes anything.
        if world.ownership == Ownership::BucketOwnerEnforced {
            let mut open = world.clone();
            open.bucket_acl = CannedAcl::PublicReadWrite.for_bucket(&id("a"));
            assert_eq!(open.decide(), decision, "{}", label());
        }
        // Nobody who did not sign gets in but by what is public.
        if world.who == Who::Anonymous && is_allowed {
            let by_acl = matches!(
                &decision,
                Decision::Allow(Allowed::Acl(Grantee::Group(Group::AllUsers)))
            );
            assert!(
                by_acl || world.policy.as_ref().is_some_and(Policy::is_public),
                "{}",
                label()
            );
        }
        // A denial for everybody leaves nobody but the keepers of the policy.
        let denied = World {
            policy: Some(policy_of_denials.clone()),
            ..world.clone()
        };
        let is_keeper = matches!(world.who, Who::Owner | Who::ClusterRoot)
            && world.action == "s3:PutBucketPolicy";
        assert_eq!(denied.is_allowed(), is_keeper, "{}", label());
        // A user never gets more than its account does.
        let account = match world.who {
            Who::OwnersUser | Who::OwnersAllowedUser | Who::OwnersDeniedUser => Some(Who::Owner),
            Who::OthersUser | Who::OthersAllowedUser => Some(Who::Other),
            _ => None,
        };
        if let (Some(who), true) = (account, is_allowed) {
            assert!(
                World {
                    who,
                    ..world.clone()
                }
                .is_allowed(),
                "{}",
                label()
            );
        }
    }
}
