//! Who may sign, and what people call them.

use std::cell::RefCell;
use std::sync::Arc;

use cairn_client::{Identities as Everybody, IdentityCache};
use cairn_iam::{Credential, Identity, SecretKey};
use cairn_kms::{MasterKey, Purpose};
use cairn_s3::error::S3Error;
use cairn_s3::output::Owner;
use cairn_types::account::{AccessKeyId, Account, CanonicalId, IssuedKey};

use crate::fault::{Fault, Reason};

/// The root user, who is in the configuration, and the users that the cluster keeps.
#[derive(Debug, Clone)]
pub struct Identities {
    /// The access key of the root user.
    pub root_key: String,
    /// The root user.
    pub root: Credential,
    /// Everybody else.
    pub users: IdentityCache,
    /// What their secrets are sealed under. Without it nobody but the root user may sign.
    pub master_key: Option<MasterKey>,
}

/// Why a key stands for nobody.
#[derive(Debug)]
enum Missing {
    /// It is not known; of those who are known what is known is two seconds old at the most, or older.
    Unknown,
    /// Its secret cannot be opened.
    Sealed(String),
}

impl Identities {
    /// Runs `prove` with a way to look access keys up, and once more with what the cluster says now if a key was not known.
    /// The root user is known whatever becomes of the metadata; nobody else is by what was heard more than two seconds ago.
    pub(crate) async fn prove<T>(
        &self,
        prove: impl Fn(&dyn Fn(&str) -> Option<Credential>) -> Result<T, S3Error>,
    ) -> Result<T, Fault> {
        match self.try_prove(self.users.fresh().as_deref(), &prove) {
            (_, Some(Missing::Unknown)) => {}
            (_, Some(Missing::Sealed(cause))) => return Err(sealed(&cause)),
            (proven, None) => return Ok(proven?),
        }
        let newest = self.users.refresh().await?;
        match self.try_prove(Some(&newest), &prove) {
            (_, Some(Missing::Sealed(cause))) => Err(sealed(&cause)),
            (proven, _) => Ok(proven?),
        }
    }

    /// An owner, by the name that people read: empty for one who is not known any more.
    pub(crate) fn owner(&self, id: &str) -> Owner {
        let root = &self.root.identity;
        if id == root.id.as_str() {
            return Owner::from(&**root);
        }
        let known = self.users.last_known();
        let account = CanonicalId::parse(id).ok();
        let account = account.and_then(|id| known.account(&id));
        Owner {
            id: id.to_owned(),
            display_name: account
                .map_or_else(String::new, |entry| entry.account.display_name.clone()),
        }
    }

    /// What comes of it, and which key was missing, if one was.
    fn try_prove<T>(
        &self,
        users: Option<&Everybody>,
        prove: impl Fn(&dyn Fn(&str) -> Option<Credential>) -> Result<T, S3Error>,
    ) -> (Result<T, S3Error>, Option<Missing>) {
        let missing = RefCell::new(None);
        let proven = prove(&|key| match self.credential(users, key) {
            Ok(credential) => Some(credential),
            Err(why) => {
                missing.replace(Some(why));
                None
            }
        });
        (proven, missing.into_inner())
    }

    /// What an access key stands for.
    fn credential(&self, users: Option<&Everybody>, key: &str) -> Result<Credential, Missing> {
        if key == self.root_key {
            return Ok(self.root.clone());
        }
        let key = AccessKeyId::parse(key).map_err(|_| Missing::Unknown)?;
        let (account, issued) = users
            .and_then(|users| users.key(&key))
            .ok_or(Missing::Unknown)?;
        if account.is_suspended || !issued.is_active {
            return Err(Missing::Unknown);
        }
        Ok(Credential {
            secret: self.open(account, issued)?,
            identity: Arc::new(Identity {
                id: account.id.clone(),
                display_name: account.display_name.clone(),
                is_root: false,
            }),
        })
    }

    fn open(&self, account: &Account, issued: &IssuedKey) -> Result<SecretKey, Missing> {
        let no_key = || Missing::Sealed("this gateway has no master key".to_owned());
        let master_key = self.master_key.as_ref().ok_or_else(no_key)?;
        let purpose = Purpose::AccessKeySecret {
            account: &account.id,
            key: &issued.id,
        };
        let opened = master_key.open(purpose, issued.secret.as_bytes());
        let opened = opened.map_err(|error| Missing::Sealed(error.to_string()))?;
        let secret = std::str::from_utf8(opened.expose());
        let secret = secret.map_err(|_| Missing::Sealed("a secret is no text".to_owned()))?;
        Ok(SecretKey::new(secret))
    }
}

/// Nobody can say whether the signature is right: it is the operator's to mend.
fn sealed(cause: &str) -> Fault {
    let cause = format!("the secret of an access key cannot be opened: {cause}");
    Fault::unavailable(Reason::SealedSecret, &cause)
}
