//! Changes of accounts and their access keys, which the root group keeps.

use crate::account::{AccessKeyId, Account, CanonicalId, IssuedKey};

/// A change of an account. One that changes nothing leaves the epoch of the identities as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountMutation {
    /// Makes an account, or brings a known one up to date; its keys stay. One that breaks a limit: `Malformed`.
    Put {
        /// The account; when it was made is not read.
        account: Account,
        /// Whether it must not be there yet.
        is_new: bool,
    },
    /// Forgets an account and its keys. One that owns a bucket: `OwnsBuckets`; an unknown one: no change.
    Delete {
        /// The account.
        id: CanonicalId,
    },
    /// Gives an account a key, or brings one of its own up to date. A key of another account: `AccessKeyTaken`.
    PutKey {
        /// The account.
        account: CanonicalId,
        /// The key; when it was given is not read.
        key: IssuedKey,
    },
    /// Takes a key from its account. An unknown one: no change.
    DeleteKey {
        /// The key.
        id: AccessKeyId,
    },
}

/// What does not allow a change of an account or an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// An account with this id is there already, or it is the root user's.
    #[error("there is an account with this id already")]
    Exists,
    /// There is no such account.
    #[error("there is no such account")]
    NotFound,
    /// Another account has the e-mail address.
    #[error("another account has this e-mail address")]
    EmailTaken,
    /// Another account has the access key.
    #[error("another account has this access key")]
    AccessKeyTaken,
    /// The account owns a bucket.
    #[error("the account owns buckets: delete them first")]
    OwnsBuckets,
    /// There are 10,000 accounts, or 8 keys of this one.
    #[error("there are as many accounts, or keys of this one, as there may be")]
    Limit,
}
