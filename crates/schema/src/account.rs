//! Accounts and their access keys.

use bytes::Bytes;
use cairn_types::account::{
    AccessKeyId, Account, AccountEntry, CanonicalId, EmailAddress, IdentityPage, IssuedKey,
    SealedSecret,
};
use cairn_types::id::Epoch;
use cairn_types::namespace::{AccountMutation, AccountRefusal};
use cairn_types::time::Timestamp;

use crate::field::{DecodeError, Field, messages, nouns};
use crate::proto;
use crate::proto::account_mutation::{Delete, DeleteKey, Kind, Put, PutKey};

/// The canonical id that a field holds.
///
/// # Errors
/// Text that is none.
pub fn canonical_id(at: Field, text: &str) -> Result<CanonicalId, DecodeError> {
    CanonicalId::parse(text).map_err(|_| at.breaks("it is a canonical id"))
}

/// The access key that a field holds.
///
/// # Errors
/// Text that is none.
pub fn access_key_id(at: Field, text: &str) -> Result<AccessKeyId, DecodeError> {
    AccessKeyId::parse(text).map_err(|_| at.breaks("it is an access key"))
}

impl From<&Account> for proto::Account {
    fn from(account: &Account) -> Self {
        let email = account.email.as_ref().map(EmailAddress::as_str);
        Self {
            id: account.id.as_str().to_owned(),
            tenant: account.tenant.clone(),
            display_name: account.display_name.clone(),
            email: email.unwrap_or_default().to_owned(),
            created_ms: account.created.as_millis(),
            is_suspended: account.is_suspended,
        }
    }
}

impl TryFrom<proto::Account> for Account {
    type Error = DecodeError;

    fn try_from(message: proto::Account) -> Result<Self, DecodeError> {
        let at = |name| Field::new("Account", name);
        let email = Some(message.email).filter(|email| !email.is_empty());
        let email = email.map(|email| {
            EmailAddress::parse(&email).map_err(|_| at("email").breaks("it is an e-mail address"))
        });
        Ok(Self {
            id: canonical_id(at("id"), &message.id)?,
            tenant: message.tenant,
            display_name: message.display_name,
            email: email.transpose()?,
            created: Timestamp::from_millis(message.created_ms),
            is_suspended: message.is_suspended,
        })
    }
}

impl From<&IssuedKey> for proto::IssuedKey {
    fn from(key: &IssuedKey) -> Self {
        Self {
            id: key.id.as_str().to_owned(),
            secret: Bytes::clone(key.secret.as_bytes()),
            created_ms: key.created.as_millis(),
            is_active: key.is_active,
        }
    }
}

impl TryFrom<proto::IssuedKey> for IssuedKey {
    type Error = DecodeError;

    fn try_from(message: proto::IssuedKey) -> Result<Self, DecodeError> {
        let at = |name| Field::new("IssuedKey", name);
        Ok(Self {
            id: access_key_id(at("id"), &message.id)?,
            secret: SealedSecret::new(message.secret)
                .map_err(|_| at("secret").breaks("it has 1 to 512 bytes"))?,
            created: Timestamp::from_millis(message.created_ms),
            is_active: message.is_active,
        })
    }
}

impl From<&AccountEntry> for proto::AccountEntry {
    fn from(entry: &AccountEntry) -> Self {
        Self {
            account: Some((&entry.account).into()),
            keys: messages(&entry.keys),
        }
    }
}

impl TryFrom<proto::AccountEntry> for AccountEntry {
    type Error = DecodeError;

    fn try_from(message: proto::AccountEntry) -> Result<Self, DecodeError> {
        Ok(Self {
            account: Field::new("AccountEntry", "account").noun(message.account)?,
            keys: nouns(message.keys)?,
        })
    }
}

impl From<&IdentityPage> for proto::IdentityPage {
    fn from(page: &IdentityPage) -> Self {
        Self {
            epoch: page.epoch.get(),
            entries: messages(&page.entries),
            truncated: page.truncated,
        }
    }
}

impl TryFrom<proto::IdentityPage> for IdentityPage {
    type Error = DecodeError;

    fn try_from(message: proto::IdentityPage) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Epoch::new(message.epoch),
            entries: nouns(message.entries)?,
            truncated: message.truncated,
        })
    }
}

impl From<&AccountMutation> for proto::AccountMutation {
    fn from(change: &AccountMutation) -> Self {
        let kind = match change {
            AccountMutation::Put { account, is_new } => Kind::Put(Put {
                account: Some(account.into()),
                is_new: *is_new,
            }),
            AccountMutation::Delete { id } => Kind::Delete(Delete {
                id: id.as_str().to_owned(),
            }),
            AccountMutation::PutKey { account, key } => Kind::PutKey(PutKey {
                account: account.as_str().to_owned(),
                key: Some(key.into()),
            }),
            AccountMutation::DeleteKey { id } => Kind::DeleteKey(DeleteKey {
                id: id.as_str().to_owned(),
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::AccountMutation> for AccountMutation {
    type Error = DecodeError;

    fn try_from(message: proto::AccountMutation) -> Result<Self, DecodeError> {
        let at = |name| Field::new("AccountMutation", name);
        Ok(match at("kind").required(message.kind)? {
            Kind::Put(put) => Self::Put {
                account: at("put.account").noun(put.account)?,
                is_new: put.is_new,
            },
            Kind::Delete(delete) => Self::Delete {
                id: canonical_id(at("delete.id"), &delete.id)?,
            },
            Kind::PutKey(put) => Self::PutKey {
                account: canonical_id(at("put_key.account"), &put.account)?,
                key: at("put_key.key").noun(put.key)?,
            },
            Kind::DeleteKey(delete) => Self::DeleteKey {
                id: access_key_id(at("delete_key.id"), &delete.id)?,
            },
        })
    }
}

/// How a refusal is written.
pub(crate) fn account_refusal_message(refusal: AccountRefusal) -> proto::AccountRefusal {
    match refusal {
        AccountRefusal::Exists => proto::AccountRefusal::Exists,
        AccountRefusal::NotFound => proto::AccountRefusal::NotFound,
        AccountRefusal::EmailTaken => proto::AccountRefusal::EmailTaken,
        AccountRefusal::AccessKeyTaken => proto::AccountRefusal::AccessKeyTaken,
        AccountRefusal::OwnsBuckets => proto::AccountRefusal::OwnsBuckets,
        AccountRefusal::Limit => proto::AccountRefusal::Limit,
    }
}

/// The refusal that `account_refusal_message` wrote.
pub(crate) fn account_refusal(at: Field, number: i32) -> Result<AccountRefusal, DecodeError> {
    match at.value(number)? {
        proto::AccountRefusal::Unspecified => Err(at.unknown(number)),
        proto::AccountRefusal::Exists => Ok(AccountRefusal::Exists),
        proto::AccountRefusal::NotFound => Ok(AccountRefusal::NotFound),
        proto::AccountRefusal::EmailTaken => Ok(AccountRefusal::EmailTaken),
        proto::AccountRefusal::AccessKeyTaken => Ok(AccountRefusal::AccessKeyTaken),
        proto::AccountRefusal::OwnsBuckets => Ok(AccountRefusal::OwnsBuckets),
        proto::AccountRefusal::Limit => Ok(AccountRefusal::Limit),
    }
}
