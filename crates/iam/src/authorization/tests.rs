mod worlds;

use cairn_types::name::{BucketName, ObjectKey};

use super::*;
use crate::acl::{CannedAcl, Grant, Group, Permission};
use crate::policy::Attachment;

const OWNER: &str = "111111111111";
const OTHER: &str = "222222222222";

fn id(letter: &str) -> CanonicalId {
    CanonicalId::parse(&letter.repeat(64)).unwrap()
}

fn bucket_name() -> BucketName {
    BucketName::parse("photos").unwrap()
}

/// Statements that are written with single quotes, as the policy of the bucket.
fn bucket_policy(statements: &str) -> Policy {
    let document = format!("{{'Version': '2012-10-17', 'Statement': [{statements}]}}");
    let name = bucket_name();
    let attachment = Attachment::Bucket {
        name: &name,
        is_lax: false,
    };
    Policy::parse(document.replace('\'', "\"").as_bytes(), attachment).unwrap()
}

fn identity_policy(effect: &str) -> Policy {
    let document =
        format!(r#"{{"Statement": {{"Effect": "{effect}", "Action": "s3:*", "Resource": "*"}}}}"#);
    Policy::parse(document.as_bytes(), Attachment::Identity).unwrap()
}

/// A statement about everything in the bucket, and the bucket.
fn about_all(effect: &str, principal: &str) -> String {
    format!(
        "{{'Effect': '{effect}', 'Principal': {principal}, 'Action': 's3:*', 'Resource': ['arn:aws:s3:::photos', 'arn:aws:s3:::photos/*']}}"
    )
}

/// Whoever can ask. Users are of an account and have the policies that are given to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Anonymous,
    Owner,
    OwnersUser,
    OwnersAllowedUser,
    OwnersDeniedUser,
    Other,
    OthersUser,
    OthersAllowedUser,
    Logger,
    ClusterRoot,
}

const EVERYBODY: [Who; 10] = [
    Who::Anonymous,
    Who::Owner,
    Who::OwnersUser,
    Who::OwnersAllowedUser,
    Who::OwnersDeniedUser,
    Who::Other,
    Who::OthersUser,
    Who::OthersAllowedUser,
    Who::Logger,
    Who::ClusterRoot,
];

/// A bucket of `OWNER`, and what is asked of it.
#[derive(Clone)]
struct World {
    who: Who,
    action: &'static str,
    policy: Option<Policy>,
    bucket_acl: Acl,
    ownership: Ownership,
    public_access: PublicAccessBlock,
    is_owner_locked_out: bool,
    /// Who owns the object, and its ACL.
    object: Option<(CanonicalId, Acl)>,
    tags: Vec<(String, String)>,
}

impl World {
    /// Private, with an object of the owner's, where ACLs count.
    fn new(who: Who, action: &'static str) -> Self {
        let owner = id("a");
        Self {
            who,
            action,
            policy: None,
            bucket_acl: Acl::private(&owner),
            ownership: Ownership::ObjectWriter,
            public_access: PublicAccessBlock::default(),
            is_owner_locked_out: false,
            object: Some((owner.clone(), Acl::private(&owner))),
            tags: vec![],
        }
    }

    fn decide(&self) -> Decision {
        let (owner, other, third) = (id("a"), id("b"), id("c"));
        let (allow, deny) = (identity_policy("Allow"), identity_policy("Deny"));
        let (allowed, denied) = ([&allow], [&allow, &deny]);
        let name = |account: &str, name: &str| [format!("arn:aws:iam::{account}:user/{name}")];
        let (owners, others) = (name(OWNER, "ann"), name(OTHER, "bob"));
        let of_owner = |standing| {
            Requester::Principal(Principal {
                owner: &owner,
                account: OWNER,
                arns: &owners,
                standing,
            })
        };
        let of_other = |standing| {
            Requester::Principal(Principal {
                owner: &other,
                account: OTHER,
                arns: &others,
                standing,
            })
        };
        let requester = match self.who {
            Who::Anonymous => Requester::Anonymous,
            Who::Owner => of_owner(Standing::Account),
            Who::OwnersUser => of_owner(Standing::Policies(&[])),
            Who::OwnersAllowedUser => of_owner(Standing::Policies(&allowed)),
            Who::OwnersDeniedUser => of_owner(Standing::Policies(&denied)),
            Who::Other => of_other(Standing::Account),
            Who::OthersUser => of_other(Standing::Policies(&[])),
            Who::OthersAllowedUser => of_other(Standing::Policies(&allowed)),
            Who::Logger => Requester::Service(Group::LOG_DELIVERY_SERVICE),
            Who::ClusterRoot => Requester::Principal(Principal {
                owner: &third,
                account: "333333333333",
                arns: &[],
                standing: Standing::ClusterRoot,
            }),
        };
        let (bucket, key) = (bucket_name(), ObjectKey::parse("key").unwrap());
        let is_about_object = self.action.contains("Object") || self.action.contains("Multipart");
        decide(&Request {
            requester: &requester,
            action: Action::new(self.action),
            resource: if is_about_object {
                Resource::Object(&bucket, &key)
            } else {
                Resource::Bucket(&bucket)
            },
            bucket: Some(BucketFacts {
                owner: &owner,
                tenant: "",
                policy: self.policy.as_ref(),
                acl: &self.bucket_acl,
                ownership: self.ownership,
                public_access: self.public_access,
                is_owner_locked_out: self.is_owner_locked_out,
            }),
            object: self.object.as_ref().map(|(owner, acl)| ObjectFacts {
                owner,
                acl,
                tags: &self.tags,
            }),
            context: &Context::new(),
        })
    }

    fn is_allowed(&self) -> bool {
        self.decide().is_allowed()
    }
}

#[test]
fn without_policies_and_grants_only_the_owners_account_comes_in() {
    for who in EVERYBODY {
        for action in [
            "s3:ListBucket",
            "s3:GetObject",
            "s3:PutObject",
            "s3:DeleteBucket",
            "s3:GetObjectTagging",
        ] {
            let expected = match who {
                Who::Owner => Decision::Allow(Allowed::Owner),
                Who::ClusterRoot => Decision::Allow(Allowed::ClusterRoot),
                Who::OwnersAllowedUser => Decision::Allow(Allowed::IdentityPolicy(StatementName {
                    index: 0,
                    sid: None,
                })),
                Who::OwnersDeniedUser => Decision::Deny(Denied::ByIdentityPolicy(StatementName {
                    index: 0,
                    sid: None,
                })),
                _ => Decision::Deny(Denied::NotGranted),
            };
            assert_eq!(
                World::new(who, action).decide(),
                expected,
                "{who:?} {action}"
            );
        }
    }
}

#[test]
fn what_a_policy_allows_an_account_its_users_get_from_the_account() {
    // Who is let in by a policy for: everybody, the other account, the other's user, the owner's account, the owner's user.
    for (principal, let_in) in [
        (
            "'*'".to_owned(),
            &[
                Who::Anonymous,
                Who::OwnersUser,
                Who::Other,
                Who::OthersAllowedUser,
                Who::Logger,
            ][..],
        ),
        (
            format!("{{'AWS': '{OTHER}'}}"),
            &[Who::Other, Who::OthersAllowedUser],
        ),
        (
            format!("{{'CanonicalUser': '{}'}}", id("b")),
            &[Who::Other, Who::OthersAllowedUser],
        ),
        (
            format!("{{'AWS': 'arn:aws:iam::{OTHER}:user/bob'}}"),
            &[Who::Other, Who::OthersAllowedUser],
        ),
        (format!("{{'AWS': '{OWNER}'}}"), &[]),
        (
            format!("{{'AWS': 'arn:aws:iam::{OWNER}:user/ann'}}"),
            &[Who::OwnersUser],
        ),
        (
            "{'Service': 'logging.s3.amazonaws.com'}".to_owned(),
            &[Who::Logger],
        ),
    ] {
        let policy = bucket_policy(&about_all("Allow", &principal));
        for who in EVERYBODY {
            let has_it_already =
                matches!(who, Who::Owner | Who::OwnersAllowedUser | Who::ClusterRoot);
            let world = World {
                policy: Some(policy.clone()),
                ..World::new(who, "s3:GetObject")
            };
            let expected = has_it_already || let_in.contains(&who);
            assert_eq!(world.is_allowed(), expected, "{who:?} {principal}");
        }
    }
}

#[test]
fn a_user_of_another_account_needs_the_account_too() {
    let policy = Some(bucket_policy(&about_all(
        "Allow",
        &format!("{{'AWS': 'arn:aws:iam::{OTHER}:user/bob'}}"),
    )));
    let world = World {
        policy,
        ..World::new(Who::OthersUser, "s3:GetObject")
    };
    assert_eq!(
        world.decide(),
        Decision::Deny(Denied::NotGrantedByOwnAccount)
    );
}

#[test]
fn a_denial_binds_everybody_and_leaves_the_owner_the_policy() {
    let policy = Some(bucket_policy(&about_all("Deny", "'*'")));
    for who in EVERYBODY {
        for action in [
            "s3:GetObject",
            "s3:ListBucket",
            "s3:DeleteBucket",
            "s3:PutBucketPolicy",
            "s3:GetBucketPolicy",
            "s3:DeleteBucketPolicy",
        ] {
            let mut world = World {
                policy: policy.clone(),
                ..World::new(who, action)
            };
            let is_kept =
                action.ends_with("Policy") && matches!(who, Who::Owner | Who::ClusterRoot);
            assert_eq!(world.is_allowed(), is_kept, "{who:?} {action}");
            world.is_owner_locked_out = true;
            let is_way_out = is_kept && who == Who::ClusterRoot;
            assert_eq!(
                world.is_allowed(),
                is_way_out,
                "{who:?} {action}, locked out"
            );
        }
    }
}

#[test]
fn a_denial_of_policy_actions_leaves_the_bucket_deletable() {
    let statement = "{'Effect': 'Deny', 'Principal': '*', 'Action': ['s3:PutBucketPolicy', 's3:GetBucketPolicy', 's3:DeleteBucketPolicy'],
        'Resource': ['arn:aws:s3:::photos', 'arn:aws:s3:::photos/*']}";
    let policy = Some(bucket_policy(statement));
    let world = |who, action| World {
        policy: policy.clone(),
        is_owner_locked_out: true,
        ..World::new(who, action)
    };
    assert!(!world(Who::Owner, "s3:GetBucketPolicy").is_allowed());
    assert!(world(Who::Owner, "s3:DeleteBucket").is_allowed());
    assert!(!world(Who::OwnersAllowedUser, "s3:PutBucketPolicy").is_allowed());
}

#[test]
fn an_explicit_denial_beats_an_acl() {
    let statement = "{'Effect': 'Deny', 'Principal': '*', 'Action': 's3:ListBucket', 'Resource': 'arn:aws:s3:::photos'}";
    let world = World {
        policy: Some(bucket_policy(statement)),
        bucket_acl: CannedAcl::AuthenticatedRead.for_bucket(&id("a")),
        ..World::new(Who::Other, "s3:ListBucket")
    };
    assert_eq!(
        world.decide(),
        Decision::Deny(Denied::ByBucketPolicy(StatementName {
            index: 0,
            sid: None
        }))
    );
    assert!(
        World {
            policy: None,
            ..world
        }
        .is_allowed()
    );
}

/// What strangers may do with a bucket and an object that have canned ACLs: the matrix of the conformance suite.
#[test]
fn canned_acls_let_strangers_do_what_they_say() {
    let owner = id("a");
    for who in [
        Who::Anonymous,
        Who::Other,
        Who::OthersUser,
        Who::OthersAllowedUser,
    ] {
        for bucket in [
            CannedAcl::Private,
            CannedAcl::PublicRead,
            CannedAcl::PublicReadWrite,
            CannedAcl::AuthenticatedRead,
        ] {
            for object in [
                CannedAcl::Private,
                CannedAcl::PublicRead,
                CannedAcl::PublicReadWrite,
                CannedAcl::AuthenticatedRead,
            ] {
                let may = |action| {
                    let world = World {
                        bucket_acl: bucket.for_bucket(&owner),
                        object: Some((owner.clone(), object.for_object(&owner, &owner).unwrap())),
                        ..World::new(who, action)
                    };
                    world.is_allowed()
                };
                let has_account = who != Who::OthersUser;
                let reads = |canned| match canned {
                    CannedAcl::PublicRead | CannedAcl::PublicReadWrite => has_account,
                    CannedAcl::AuthenticatedRead => has_account && who != Who::Anonymous,
                    _ => false,
                };
                let writes = has_account && bucket == CannedAcl::PublicReadWrite;
                let label = format!("{who:?} {bucket:?} {object:?}");
                assert_eq!(may("s3:ListBucket"), reads(bucket), "{label}");
                assert_eq!(may("s3:GetObject"), reads(object), "{label}");
                assert_eq!(may("s3:PutObject"), writes, "{label}");
                assert_eq!(may("s3:DeleteObject"), writes, "{label}");
                for action in [
                    "s3:GetBucketAcl",
                    "s3:PutBucketAcl",
                    "s3:GetObjectAcl",
                    "s3:PutObjectAcl",
                    "s3:GetObjectTagging",
                    "s3:DeleteBucket",
                    "s3:DeleteObjectVersion",
                ] {
                    assert!(!may(action), "{label} {action}");
                }
            }
        }
    }
}

#[test]
fn each_permission_lets_an_account_do_its_actions_and_no_others() {
    for permission in Permission::ALL {
        let acl = Acl::new(vec![Grant::to(&id("b"), permission)]).unwrap();
        for (action, is_objects, needed) in [
            ("s3:ListBucket", false, Permission::Read),
            ("s3:PutObject", false, Permission::Write),
            ("s3:DeleteObject", false, Permission::Write),
            ("s3:GetBucketAcl", false, Permission::ReadAcp),
            ("s3:PutBucketAcl", false, Permission::WriteAcp),
            ("s3:GetObject", true, Permission::Read),
            ("s3:GetObjectVersion", true, Permission::Read),
            ("s3:GetObjectAcl", true, Permission::ReadAcp),
            ("s3:PutObjectAcl", true, Permission::WriteAcp),
        ] {
            let mut world = World::new(Who::Other, action);
            if is_objects {
                world.object = Some((id("a"), acl.clone()));
            } else {
                world.bucket_acl = acl.clone();
            }
            assert_eq!(
                world.is_allowed(),
                permission.includes(needed),
                "{permission:?} {action}"
            );
            world.who = Who::OthersUser;
            assert!(
                !world.is_allowed(),
                "a grant to an account is not one to its users"
            );
        }
    }
}

#[test]
fn an_object_of_another_account_is_that_accounts_to_read() {
    let foreign = (id("b"), Acl::private(&id("b")));
    let world = |who, action| World {
        object: Some(foreign.clone()),
        ..World::new(who, action)
    };
    for action in [
        "s3:GetObject",
        "s3:GetObjectAcl",
        "s3:PutObjectAcl",
        "s3:GetObjectAttributes",
    ] {
        assert!(world(Who::Other, action).is_allowed(), "{action}");
        assert!(!world(Who::Owner, action).is_allowed(), "{action}");
        let policy = Some(bucket_policy(&about_all("Allow", "'*'")));
        assert!(
            !World {
                policy,
                ..world(Who::Owner, action)
            }
            .is_allowed(),
            "{action}: not the bucket owner's to grant"
        );
        let enforced = World {
            ownership: Ownership::BucketOwnerEnforced,
            ..world(Who::Owner, action)
        };
        assert!(enforced.is_allowed(), "{action}");
        assert!(
            !World {
                who: Who::Other,
                ..enforced
            }
            .is_allowed(),
            "{action}"
        );
    }
    for action in [
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutObjectTagging",
        "s3:PutObjectRetention",
        "s3:PutObject",
    ] {
        assert!(world(Who::Owner, action).is_allowed(), "{action}");
        assert!(!world(Who::Other, action).is_allowed(), "{action}");
    }
    let given = CannedAcl::BucketOwnerFullControl
        .for_object(&id("b"), &id("a"))
        .unwrap();
    let shared = World {
        object: Some((id("b"), given)),
        ..World::new(Who::Owner, "s3:GetObjectAcl")
    };
    assert!(shared.is_allowed());
}

#[test]
fn the_initiator_of_an_upload_may_list_and_abort_it() {
    for action in ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"] {
        let upload = Some((id("b"), Acl::default()));
        let world = |who| World {
            object: upload.clone(),
            ..World::new(who, action)
        };
        assert!(world(Who::Other).is_allowed());
        assert!(world(Who::Owner).is_allowed());
        assert!(!world(Who::Anonymous).is_allowed());
        assert!(!World::new(Who::Other, action).is_allowed());
    }
}

#[test]
fn an_owner_without_a_grant_is_still_the_owner() {
    for action in [
        "s3:GetBucketAcl",
        "s3:PutBucketAcl",
        "s3:ListBucket",
        "s3:GetObject",
    ] {
        let none = Some((id("a"), Acl::default()));
        let world = World {
            bucket_acl: Acl::default(),
            object: none,
            ..World::new(Who::Owner, action)
        };
        assert!(world.is_allowed(), "{action}");
    }
}

#[test]
fn restricted_public_buckets_let_in_the_owners_account_and_services() {
    let policy = Some(bucket_policy(&about_all("Allow", "'*'")));
    for who in EVERYBODY {
        let mut world = World {
            policy: policy.clone(),
            ..World::new(who, "s3:GetObject")
        };
        let was_allowed = world.is_allowed();
        world.public_access.restrict_public_buckets = true;
        let is_inside = !matches!(
            who,
            Who::Anonymous | Who::Other | Who::OthersUser | Who::OthersAllowedUser
        );
        assert_eq!(world.is_allowed(), was_allowed && is_inside, "{who:?}");
        if !is_inside {
            assert_eq!(
                world.decide(),
                Decision::Deny(Denied::PublicAccessRestricted),
                "{who:?}"
            );
        }
    }
}

#[test]
fn tags_of_the_object_are_what_is_stored() {
    let statement = "{'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::photos/*',
        'Condition': {'StringEquals': {'s3:ExistingObjectTag/security': 'public'}}}";
    let policy = Some(bucket_policy(statement));
    let reads = |tags: &[(&str, &str)]| {
        let tags = tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        World {
            policy: policy.clone(),
            tags,
            ..World::new(Who::Other, "s3:GetObject")
        }
        .is_allowed()
    };
    assert!(reads(&[("security", "public")]));
    assert!(reads(&[("a", "b"), ("security", "public")]));
    assert!(!reads(&[("security", "private")]));
    assert!(!reads(&[("Security", "public")]));
    assert!(!reads(&[]));
}

#[test]
fn the_prefix_of_a_listing_decides_what_a_stranger_may_know() {
    let statement = "{'Effect': 'Allow', 'Principal': {'AWS': '*'}, 'Action': 's3:ListBucket', 'Resource': 'arn:aws:s3:::photos',
        'Condition': {'StringLike': {'s3:prefix': 'public/*'}}}";
    let policy = bucket_policy(statement);
    let (owner, other, name) = (id("a"), id("b"), bucket_name());
    let requester = Requester::Principal(Principal {
        owner: &other,
        account: OTHER,
        arns: &[],
        standing: Standing::Account,
    });
    let lists = |prefix| {
        let mut context = Context::new();
        context.add_text("s3:prefix", prefix);
        let request = Request {
            requester: &requester,
            action: Action::new("s3:ListBucket"),
            resource: Resource::Bucket(&name),
            bucket: Some(BucketFacts {
                owner: &owner,
                tenant: "",
                policy: Some(&policy),
                acl: &Acl::private(&owner),
                ownership: Ownership::BucketOwnerEnforced,
                public_access: PublicAccessBlock::default(),
                is_owner_locked_out: false,
            }),
            object: None,
            context: &context,
        };
        decide(&request).is_allowed()
    };
    assert!(lists("public/object"));
    assert!(!lists("private/object"));
}

#[test]
fn what_is_about_no_bucket_is_an_accounts_own() {
    let owner = id("a");
    let (allow, deny) = (identity_policy("Allow"), identity_policy("Deny"));
    let (allowed, denied) = ([&allow], [&deny]);
    let name = bucket_name();
    for (standing, expected) in [
        (Some(Standing::Account), true),
        (Some(Standing::ClusterRoot), true),
        (Some(Standing::Policies(&[])), false),
        (Some(Standing::Policies(&allowed)), true),
        (Some(Standing::Policies(&denied)), false),
        (None, false),
    ] {
        let requester = match standing {
            Some(standing) => Requester::Principal(Principal {
                owner: &owner,
                account: OWNER,
                arns: &[],
                standing,
            }),
            None => Requester::Anonymous,
        };
        for (action, resource) in [
            ("s3:ListAllMyBuckets", Resource::Service),
            ("s3:CreateBucket", Resource::Bucket(&name)),
        ] {
            let request = Request {
                requester: &requester,
                action: Action::new(action),
                resource,
                bucket: None,
                object: None,
                context: &Context::new(),
            };
            assert_eq!(
                decide(&request).is_allowed(),
                expected,
                "{standing:?} {action}"
            );
        }
    }
}

#[test]
fn reasons_are_written_for_logs() {
    let world = World::new(Who::Anonymous, "s3:GetObject");
    assert_eq!(world.decide().to_string(), "denied: nobody grants it");
    let object = Some((
        id("a"),
        CannedAcl::PublicRead
            .for_object(&id("a"), &id("a"))
            .unwrap(),
    ));
    let public = World { object, ..world };
    assert_eq!(
        public.decide().to_string(),
        "allowed: access control list, grant to AllUsers"
    );
    let policy = Some(bucket_policy(&about_all("Deny", "'*'")));
    assert_eq!(
        World { policy, ..public }.decide().to_string(),
        "denied: policy of the bucket, statement 0"
    );
}
