//! Rows of accounts and their access keys.

use cairn_schema::DecodeError;
use cairn_schema::canonical_id;
use cairn_schema::field::Field;
use cairn_schema::proto;
use cairn_types::account::{AccountEntry, CanonicalId};
use cairn_types::id::Epoch;

use super::Record;

/// What is known of all accounts together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdentitiesRow {
    /// Grows with each change of an account or a key.
    pub(crate) epoch: Epoch,
    /// How many accounts there are.
    pub(crate) account_count: u32,
}

impl Default for IdentitiesRow {
    /// As long as there never was an account.
    fn default() -> Self {
        Self {
            epoch: Epoch::new(1),
            account_count: 0,
        }
    }
}

impl Record for IdentitiesRow {
    const KIND: &'static str = "IdentitiesRecord";
    type Message = proto::IdentitiesRecord;

    fn to_message(&self) -> proto::IdentitiesRecord {
        proto::IdentitiesRecord {
            epoch: self.epoch.get(),
            account_count: self.account_count,
        }
    }

    fn from_message(message: proto::IdentitiesRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Epoch::new(message.epoch),
            account_count: message.account_count,
        })
    }
}

/// An account with its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountRow(pub(crate) AccountEntry);

impl Record for AccountRow {
    const KIND: &'static str = "AccountRecord";
    type Message = proto::AccountRecord;

    fn to_message(&self) -> proto::AccountRecord {
        proto::AccountRecord {
            entry: Some((&self.0).into()),
        }
    }

    fn from_message(message: proto::AccountRecord) -> Result<Self, DecodeError> {
        Field::new(Self::KIND, "entry")
            .noun(message.entry)
            .map(Self)
    }
}

/// Whose an e-mail address or an access key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountNameRow {
    /// The account.
    pub(crate) account: CanonicalId,
}

impl Record for AccountNameRow {
    const KIND: &'static str = "AccountNameRecord";
    type Message = proto::AccountNameRecord;

    fn to_message(&self) -> proto::AccountNameRecord {
        proto::AccountNameRecord {
            account: self.account.as_str().to_owned(),
        }
    }

    fn from_message(message: proto::AccountNameRecord) -> Result<Self, DecodeError> {
        let account = canonical_id(Field::new(Self::KIND, "account"), &message.account)?;
        Ok(Self { account })
    }
}
