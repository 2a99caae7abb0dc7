//! Access control lists: whom a list of grants lets do what.
//!
//! An ACL grants and never denies. It says nothing about the owner: the owner's rights are its own ([`crate::authorization`]).
//!
//! Source: AWS, "Access control list (ACL) overview" of the S3 user guide.

mod canned;
mod need;

use crate::requester::Requester;

pub use cairn_types::acl::{Acl, Grant, Grantee, Group, Permission, TooManyGrants};
pub use canned::CannedAcl;
pub use need::{Need, Subject};

/// Whether an ACL grants the permission to the requester, and to whom that grant is: to the account that the requester
/// belongs to, or to a group that it is in. The widest of several is named.
///
/// Cost: one pass over the grants.
pub fn allows<'a>(
    acl: &'a Acl,
    requester: &Requester<'_>,
    wanted: Permission,
) -> Option<&'a Grantee> {
    let is_for = |grant: &&Grant| match &grant.grantee {
        Grantee::Account(id) => requester.is_of(id),
        Grantee::Group(group) => has(*group, requester),
    };
    acl.grants()
        .iter()
        .filter(|grant| grant.permission.includes(wanted))
        .filter(is_for)
        .map(|grant| &grant.grantee)
        .max_by_key(|grantee| match grantee {
            Grantee::Group(Group::AllUsers) => 2,
            Grantee::Group(_) => 1,
            Grantee::Account(_) => 0,
        })
}

fn has(group: Group, requester: &Requester<'_>) -> bool {
    match group {
        Group::AllUsers => true,
        Group::AuthenticatedUsers => requester.principal().is_some(),
        Group::LogDelivery => {
            matches!(requester, Requester::Service(name) if *name == Group::LOG_DELIVERY_SERVICE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::CanonicalId;
    use crate::requester::{Principal, Standing};

    fn id(letter: &str) -> CanonicalId {
        CanonicalId::parse(&letter.repeat(64)).unwrap()
    }

    fn account(id: &CanonicalId) -> Requester<'_> {
        Requester::Principal(Principal {
            owner: id,
            account: "",
            arns: &[],
            standing: Standing::Account,
        })
    }

    #[test]
    fn full_control_is_every_permission_and_no_other_is_another() {
        for given in Permission::ALL {
            for wanted in Permission::ALL {
                let expected = given == Permission::FullControl || given == wanted;
                assert_eq!(given.includes(wanted), expected, "{given:?} {wanted:?}");
                let acl = Acl::new(vec![Grant::to(&id("a"), given)]).unwrap();
                assert_eq!(allows(&acl, &account(&id("a")), wanted).is_some(), expected);
                assert_eq!(allows(&acl, &account(&id("b")), wanted), None);
                assert_eq!(allows(&acl, &Requester::Anonymous, wanted), None);
            }
        }
    }

    #[test]
    fn groups_have_whom_they_are_called_after() {
        let someone = id("a");
        let signed = account(&someone);
        let logger = Requester::Service(Group::LOG_DELIVERY_SERVICE);
        let other = Requester::Service("other.amazonaws.com");
        let expected = |group, requester: &Requester<'_>| {
            let acl = Acl::new(vec![Grant::to_group(group, Permission::Read)]).unwrap();
            allows(&acl, requester, Permission::Read).is_some()
        };
        let of = |group| {
            [&signed, &Requester::Anonymous, &logger, &other].map(|who| expected(group, who))
        };
        assert_eq!(of(Group::AllUsers), [true, true, true, true]);
        assert_eq!(of(Group::AuthenticatedUsers), [true, false, false, false]);
        assert_eq!(of(Group::LogDelivery), [false, false, true, false]);
    }

    #[test]
    fn the_widest_grant_is_named() {
        let grants = vec![
            Grant::to(&id("a"), Permission::Read),
            Grant::to_group(Group::AllUsers, Permission::Read),
            Grant::to_group(Group::AuthenticatedUsers, Permission::FullControl),
        ];
        let acl = Acl::new(grants).unwrap();
        let someone = id("a");
        let granted = |wanted| allows(&acl, &account(&someone), wanted).cloned();
        assert_eq!(
            granted(Permission::Read),
            Some(Grantee::Group(Group::AllUsers))
        );
        assert_eq!(
            granted(Permission::Write),
            Some(Grantee::Group(Group::AuthenticatedUsers))
        );
    }
}
