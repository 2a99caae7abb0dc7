//! ACLs, from what a request says to what is kept: who is named is looked up, and what the bucket does not allow is refused.

use cairn_client::Identities as Everybody;
use cairn_iam::acl::{Acl, CannedAcl, Grant};
use cairn_iam::ownership::AclRefusal;
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::{AclInput, ObjectSettingsInput, check_retention_is_ahead, resolve_grants};
use cairn_s3::xml::access_control::NamedGrant;
use cairn_types::account::CanonicalId;
use cairn_types::lock::ObjectLock;
use cairn_types::tag::Tags;
use cairn_types::time::Timestamp;

use crate::fault::Fault;
use crate::identities::Identities;
use crate::rules::Rules;

/// An ACL that a request asks for, with accounts in place of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AskedAcl {
    /// None.
    Unsaid,
    /// One that has a name.
    Canned(CannedAcl),
    /// One that is spelled out.
    Spelled {
        /// Whose it says the bucket or object is, if it says that.
        owner: Option<String>,
        /// What it grants.
        acl: Acl,
    },
}

/// What a request says that an object is to be beside bytes and headers, with accounts in place of names.
#[derive(Debug, Clone)]
pub(crate) struct AskedSettings {
    /// Its ACL.
    pub(crate) acl: AskedAcl,
    /// Its tags.
    pub(crate) tags: Tags,
    /// What keeps it from being removed.
    pub(crate) lock: ObjectLock,
}

impl AskedSettings {
    /// Looks up who is named in what a request says.
    ///
    /// # Errors
    /// As `AskedAcl::look_up`; `InvalidArgument` for a retention that has ended at `now`.
    pub(crate) async fn look_up(
        people: &Identities,
        input: ObjectSettingsInput,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        if let Some(retention) = input.lock.retention {
            check_retention_is_ahead(retention, now)?;
        }
        Ok(Self {
            acl: AskedAcl::look_up(people, input.acl).await?,
            tags: input.tags,
            lock: input.lock,
        })
    }
}

impl AskedAcl {
    /// Looks up who is named in what a request says.
    ///
    /// # Errors
    /// `InvalidArgument` and `UnresolvableGrantByEmailAddress` for who is not there, or nobody can say who is.
    pub(crate) async fn look_up(people: &Identities, input: AclInput) -> Result<Self, Fault> {
        Ok(match input {
            AclInput::Unsaid => Self::Unsaid,
            AclInput::Canned(canned) => Self::Canned(canned),
            AclInput::Grants(grants) => Self::Spelled {
                owner: None,
                acl: granting(people, &grants).await?,
            },
            AclInput::Document(document) => Self::Spelled {
                acl: granting(people, &document.grants).await?,
                owner: Some(document.owner),
            },
        })
    }

    /// What it is for a bucket of this owner; `None`: nothing was asked for.
    ///
    /// # Errors
    /// `AccessDenied` where it says another owner.
    pub(crate) fn for_bucket(&self, owner: &CanonicalId) -> Result<Option<Acl>, S3Error> {
        match self {
            Self::Unsaid => Ok(None),
            Self::Canned(canned) => Ok(Some(canned.for_bucket(owner))),
            Self::Spelled { owner: said, acl } => spelled(said.as_deref(), owner, acl).map(Some),
        }
    }

    /// What it is for an object of this owner in that owner's bucket; `None`: nothing was asked for.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that is for buckets, `AccessDenied` where it says another owner.
    pub(crate) fn for_object(
        &self,
        owner: &CanonicalId,
        bucket_owner: &CanonicalId,
    ) -> Result<Option<Acl>, S3Error> {
        match self {
            Self::Unsaid => Ok(None),
            Self::Canned(canned) => {
                let acl = canned.for_object(owner, bucket_owner);
                acl.map(Some).ok_or_else(|| {
                    let message = Code::InvalidArgument.message();
                    S3Error::invalid_argument("x-amz-acl", canned.as_str(), message)
                })
            }
            Self::Spelled { owner: said, acl } => spelled(said.as_deref(), owner, acl).map(Some),
        }
    }

    /// The ACL that has a name, if it is such.
    pub(crate) fn canned(&self) -> Option<CannedAcl> {
        match self {
            Self::Canned(canned) => Some(*canned),
            Self::Unsaid | Self::Spelled { .. } => None,
        }
    }

    /// What it grants where it is spelled out.
    pub(crate) fn grants(&self) -> &[Grant] {
        match self {
            Self::Spelled { acl, .. } => acl.grants(),
            Self::Unsaid | Self::Canned(_) => &[],
        }
    }
}

impl Rules {
    /// Owner and ACL of an object that `writer` (`None`: nobody who signed) writes, as they are kept: `None` where they are what
    /// an object has of which nothing is said.
    ///
    /// # Errors
    /// `AccessControlListNotSupported`, `InvalidArgument`, `AccessDenied` for a public one where such are kept out.
    pub(crate) fn of_new_object(
        &self,
        writer: Option<&CanonicalId>,
        asked: &AskedAcl,
    ) -> Result<(Option<CanonicalId>, Option<Acl>), Fault> {
        let (canned, grants) = (asked.canned(), asked.grants());
        let checked = self
            .ownership
            .check_acl_of_new_object(canned, grants, &self.owner);
        checked.map_err(refused)?;
        let owner = self.ownership.owner_of_new(writer, &self.owner, canned);
        let acl = asked.for_object(owner, &self.owner)?;
        if let Some(acl) = &acl {
            self.check_public(acl)?;
        }
        let is_plain = !self.ownership.has_acls();
        Ok((
            Some(owner.clone()).filter(|owner| *owner != self.owner),
            acl.filter(|acl| !is_plain && *acl != Acl::private(owner)),
        ))
    }

    /// Refuses to set an ACL where ACLs say nothing, unless it is what holds there.
    ///
    /// # Errors
    /// `AccessControlListNotSupported`.
    pub(crate) fn check_put(&self, asked: &AskedAcl) -> Result<(), Fault> {
        let (canned, grants) = (asked.canned(), asked.grants());
        let checked = self.ownership.check_put_acl(canned, grants, &self.owner);
        checked.map_err(refused)
    }

    /// Refuses a public ACL where such are kept out.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn check_public(&self, acl: &Acl) -> Result<(), Fault> {
        let checked = self.public_access.check_acl(acl);
        checked.map_err(|_| Code::AccessDenied.into())
    }
}

/// What a client is told whose ACL the ownership of a bucket does not allow.
pub(crate) fn refused(refusal: AclRefusal) -> Fault {
    let code = match refusal {
        AclRefusal::NotSupported => Code::AccessControlListNotSupported,
        AclRefusal::WithOwnership => Code::InvalidBucketAclWithObjectOwnership,
    };
    code.into()
}

/// S3 takes no ACL that says that something is somebody else's.
fn spelled(said: Option<&str>, owner: &CanonicalId, acl: &Acl) -> Result<Acl, S3Error> {
    match said {
        Some(said) if said != owner.as_str() => Err(Code::AccessDenied.into()),
        Some(_) | None => Ok(acl.clone()),
    }
}

/// The ACL of these grants, by who there is as far as that is known, and once more by who there is now.
async fn granting(people: &Identities, grants: &[NamedGrant]) -> Result<Acl, Fault> {
    let root = &people.root.identity.id;
    if let Some(known) = people.users.fresh()
        && let Ok(acl) = granting_by(root, &known, grants)
    {
        return Ok(acl);
    }
    let known = people.users.refresh().await?;
    Ok(granting_by(root, &known, grants)?)
}

fn granting_by(
    root: &CanonicalId,
    known: &Everybody,
    grants: &[NamedGrant],
) -> Result<Acl, S3Error> {
    let is_there = |id: &CanonicalId| id == root || known.account(id).is_some();
    let of_email = |text: &str| {
        let folded = text.to_ascii_lowercase();
        let mut accounts = known.entries().iter().map(|entry| &entry.account);
        let found = accounts.find(|account| {
            let email = account.email.as_ref();
            email.is_some_and(|email| email.folded() == folded)
        });
        found.map(|account| account.id.clone())
    };
    resolve_grants(grants, is_there, of_email)
}

#[cfg(test)]
mod tests {
    use cairn_iam::acl::{Group, Permission};
    use cairn_iam::ownership::Ownership;
    use cairn_types::id::{BucketId, Epoch};
    use cairn_types::name::BucketName;
    use cairn_types::namespace::root::{BucketEntry, BucketState};
    use cairn_types::settings::{BucketSettings, InitialSettings};

    use super::*;

    fn id(text: &str) -> CanonicalId {
        CanonicalId::parse(text).unwrap()
    }

    fn rules(ownership: Ownership) -> Rules {
        let bucket = BucketEntry {
            bucket: BucketId::new(1),
            name: BucketName::parse("bucket").unwrap(),
            owner: "owner".to_owned(),
            created: cairn_types::time::Timestamp::default(),
            state: BucketState::Active,
            epoch: Epoch::new(2),
            initial: InitialSettings::default(),
            ranges: Vec::new(),
        };
        let settings = BucketSettings::from(InitialSettings::default());
        Rules::read(&bucket, settings, ownership).unwrap()
    }

    fn code<T>(answer: Result<T, Fault>) -> Code {
        answer.err().map(|fault| fault.error.code()).unwrap()
    }

    #[test]
    fn an_object_of_the_buckets_owner_says_nothing_unless_it_was_asked_for() {
        let owner = id("owner");
        for ownership in Ownership::ALL {
            let rules = rules(ownership);
            let plain = rules.of_new_object(Some(&owner), &AskedAcl::Unsaid);
            assert_eq!(plain.unwrap(), (None, None));
            let anonymous = rules.of_new_object(None, &AskedAcl::Unsaid);
            assert_eq!(anonymous.unwrap(), (None, None));
            let given = AskedAcl::Canned(CannedAcl::BucketOwnerFullControl);
            let given = rules.of_new_object(Some(&owner), &given);
            assert_eq!(given.unwrap(), (None, None));
        }
    }

    #[test]
    fn an_object_of_another_writer_is_his_where_the_bucket_lets_it_be() {
        let writer = id("writer");
        let public = AskedAcl::Canned(CannedAcl::PublicRead);
        let enforced = rules(Ownership::BucketOwnerEnforced);
        let refused = enforced.of_new_object(Some(&writer), &public);
        assert_eq!(code(refused), Code::AccessControlListNotSupported);
        let (owner, acl) = rules(Ownership::ObjectWriter)
            .of_new_object(Some(&writer), &public)
            .unwrap();
        assert_eq!(owner, Some(writer.clone()));
        let grants = vec![
            Grant::full_control(&writer),
            Grant::to_group(Group::AllUsers, Permission::Read),
        ];
        assert_eq!(acl.unwrap().grants(), grants);
        let mut closed = rules(Ownership::ObjectWriter);
        closed.public_access.block_public_acls = true;
        let refused = closed.of_new_object(Some(&writer), &public);
        assert_eq!(code(refused), Code::AccessDenied);
        let logs = AskedAcl::Canned(CannedAcl::LogDeliveryWrite);
        let refused = rules(Ownership::ObjectWriter).of_new_object(Some(&writer), &logs);
        assert_eq!(code(refused), Code::InvalidArgument);
    }

    #[test]
    fn a_document_may_not_say_another_owner() {
        let acl = Acl::private(&id("a"));
        let asked = |owner: Option<&str>| AskedAcl::Spelled {
            owner: owner.map(str::to_owned),
            acl: acl.clone(),
        };
        for said in [None, Some("owner")] {
            let taken = asked(said).for_bucket(&id("owner"));
            assert_eq!(taken.unwrap(), Some(acl.clone()));
        }
        let refused = asked(Some("a")).for_bucket(&id("owner")).unwrap_err();
        assert_eq!(refused.code(), Code::AccessDenied);
        let refused = asked(Some("a")).for_object(&id("owner"), &id("b"));
        assert_eq!(refused.unwrap_err().code(), Code::AccessDenied);
    }
}
