//! Access control lists as they are kept: who is granted what on a bucket or an object.
//!
//! An ACL grants and never denies. It says nothing about the owner: the owner's rights are its own.
//!
//! Source: AWS, "Access control list (ACL) overview" of the S3 user guide.

use crate::account::CanonicalId;

/// A group that S3 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Everybody, also who did not sign.
    AllUsers,
    /// Everybody who signed, of whatever account.
    AuthenticatedUsers,
    /// The service that writes access logs.
    LogDelivery,
}

/// Whom a grant is for. E-mail addresses are no grantees: the caller looks up the account, as S3 does, and grants to that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Grantee {
    /// An account.
    Account(CanonicalId),
    /// A group.
    Group(Group),
}

/// What a grant permits. What it means depends on what the ACL is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// List a bucket; read an object.
    Read,
    /// Create, overwrite and delete objects of a bucket; nothing on an object.
    Write,
    /// Read the ACL.
    ReadAcp,
    /// Write the ACL.
    WriteAcp,
    /// All of them.
    FullControl,
}

/// One line of an ACL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Whom it is for.
    pub grantee: Grantee,
    /// What it permits.
    pub permission: Permission,
}

/// An access control list: at most [`Acl::MAX_GRANTS`] grants, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acl {
    grants: Vec<Grant>,
}

/// More grants than an ACL has. S3 answers `MalformedACLError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access control list has at most {} grants", Acl::MAX_GRANTS)]
pub struct TooManyGrants;

impl Group {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AllUsers, Self::AuthenticatedUsers, Self::LogDelivery];

    /// The URI that documents and headers name it by.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::AllUsers => "http://acs.amazonaws.com/groups/global/AllUsers",
            Self::AuthenticatedUsers => "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
            Self::LogDelivery => "http://acs.amazonaws.com/groups/s3/LogDelivery",
        }
    }

    /// The group with this URI.
    pub fn parse(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.uri() == uri)
    }

    /// Whether anybody at all can be in it.
    pub const fn is_public(self) -> bool {
        matches!(self, Self::AllUsers | Self::AuthenticatedUsers)
    }

    /// The name of the service that writes access logs, as a requester.
    pub const LOG_DELIVERY_SERVICE: &'static str = "logging.s3.amazonaws.com";
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Write,
        Self::ReadAcp,
        Self::WriteAcp,
        Self::FullControl,
    ];

    /// As documents name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
            Self::FullControl => "FULL_CONTROL",
        }
    }

    /// The permission of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.as_str() == text)
    }

    /// The header that grants it: `x-amz-grant-read-acp`.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Read => "x-amz-grant-read",
            Self::Write => "x-amz-grant-write",
            Self::ReadAcp => "x-amz-grant-read-acp",
            Self::WriteAcp => "x-amz-grant-write-acp",
            Self::FullControl => "x-amz-grant-full-control",
        }
    }

    /// Whether who has this has `wanted`.
    pub fn includes(self, wanted: Self) -> bool {
        self == Self::FullControl || self == wanted
    }
}

impl Acl {
    /// The most grants of one ACL.
    pub const MAX_GRANTS: usize = 100;

    /// An ACL of these grants.
    ///
    /// # Errors
    /// More than [`Self::MAX_GRANTS`].
    pub fn new(grants: Vec<Grant>) -> Result<Self, TooManyGrants> {
        if grants.len() > Self::MAX_GRANTS {
            return Err(TooManyGrants);
        }
        Ok(Self { grants })
    }

    /// What a bucket or an object has that nobody gave an ACL: everything for its owner.
    pub fn private(owner: &CanonicalId) -> Self {
        Self {
            grants: vec![Grant::full_control(owner)],
        }
    }

    /// Its grants, in order.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Whether it grants anything to a group that anybody can be in.
    ///
    /// Source: AWS, "Blocking public access to your Amazon S3 storage", "The meaning of 'public'", ACLs.
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| match &grant.grantee {
            Grantee::Group(group) => group.is_public(),
            Grantee::Account(_) => false,
        })
    }

    /// Whether it grants anything to anybody but the account.
    pub fn reaches_beyond(&self, owner: &CanonicalId) -> bool {
        let is_other = |grant: &Grant| grant.grantee != Grantee::Account(owner.clone());
        self.grants.iter().any(is_other)
    }
}

impl Grant {
    /// Everything, for an account.
    pub fn full_control(account: &CanonicalId) -> Self {
        Self::to(account, Permission::FullControl)
    }

    /// A permission for an account.
    pub fn to(account: &CanonicalId, permission: Permission) -> Self {
        Self {
            grantee: Grantee::Account(account.clone()),
            permission,
        }
    }

    /// A permission for a group.
    pub const fn to_group(group: Group, permission: Permission) -> Self {
        Self {
            grantee: Grantee::Group(group),
            permission,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: &str) -> CanonicalId {
        CanonicalId::parse(&letter.repeat(64)).unwrap()
    }

    #[test]
    fn every_name_is_read_back() {
        for group in Group::ALL {
            assert_eq!(Group::parse(group.uri()), Some(group));
        }
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.as_str()), Some(permission));
            let name = permission.as_str().to_ascii_lowercase().replace('_', "-");
            assert_eq!(permission.header(), format!("x-amz-grant-{name}"));
        }
        assert_eq!(
            Group::parse("http://acs.amazonaws.com/groups/global/Everyone"),
            None
        );
        assert_eq!(Permission::parse("read"), None);
    }

    #[test]
    fn an_acl_has_a_hundred_grants_at_most() {
        let grants = |count| vec![Grant::full_control(&id("a")); count];
        assert!(Acl::new(grants(100)).is_ok());
        assert_eq!(Acl::new(grants(101)), Err(TooManyGrants));
        assert!(TooManyGrants.to_string().contains("100"));
    }

    #[test]
    fn what_is_granted_to_two_public_groups_is_public() {
        let is_public = |grant| {
            Acl::new(vec![Grant::full_control(&id("a")), grant])
                .unwrap()
                .is_public()
        };
        for permission in Permission::ALL {
            assert!(is_public(Grant::to_group(Group::AllUsers, permission)));
            assert!(is_public(Grant::to_group(
                Group::AuthenticatedUsers,
                permission
            )));
            assert!(!is_public(Grant::to_group(Group::LogDelivery, permission)));
            assert!(!is_public(Grant::to(&id("b"), permission)));
        }
        assert!(!Acl::default().is_public());
    }

    #[test]
    fn a_private_acl_reaches_nobody_else() {
        let acl = Acl::private(&id("a"));
        assert!(!acl.reaches_beyond(&id("a")));
        assert!(acl.reaches_beyond(&id("b")));
        assert!(!Acl::default().reaches_beyond(&id("a")));
    }
}
