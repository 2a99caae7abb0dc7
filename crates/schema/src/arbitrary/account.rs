//! Strategies for accounts and their access keys.

use bytes::Bytes;
use cairn_types::account::{
    AccessKeyId, Account, AccountEntry, CanonicalId, EmailAddress, IdentityPage, IssuedKey,
    SealedSecret,
};
use cairn_types::namespace::{AccountMutation, AccountRefusal};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::{epoch, timestamp};

/// A canonical id: one of a few mostly.
pub fn canonical_id() -> impl Strategy<Value = CanonicalId> {
    prop_oneof![3 => "[a-c]", 1 => "[a-z0-9$._-]{1,128}"]
        .prop_map(|id| CanonicalId::parse(&id).expect("an id by the patterns"))
}

/// An access key: one of a few mostly.
pub fn access_key_id() -> impl Strategy<Value = AccessKeyId> {
    prop_oneof![3 => "key-[a-c]", 1 => "[A-Za-z0-9._-]{3,128}"]
        .prop_map(|id| AccessKeyId::parse(&id).expect("a key by the patterns"))
}

/// An account that keeps to its limits.
pub fn account() -> impl Strategy<Value = Account> {
    let email = option::of("[ab]@[A-Za-z.]{1,10}").prop_map(|email| {
        email.map(|email| EmailAddress::parse(&email).expect("an address by the pattern"))
    });
    (
        canonical_id(),
        "[a-z]{0,8}",
        "[ -~é]{0,20}",
        email,
        timestamp(),
        any::<bool>(),
    )
        .prop_map(
            |(id, tenant, display_name, email, created, is_suspended)| Account {
                id,
                tenant,
                display_name,
                email,
                created,
                is_suspended,
            },
        )
}

/// A key that was given to an account.
pub fn issued_key() -> impl Strategy<Value = IssuedKey> {
    let secret = vec(any::<u8>(), 1..=512)
        .prop_map(|bytes| SealedSecret::new(Bytes::from(bytes)).expect("1 to 512 bytes"));
    (access_key_id(), secret, timestamp(), any::<bool>()).prop_map(
        |(id, secret, created, is_active)| IssuedKey {
            id,
            secret,
            created,
            is_active,
        },
    )
}

/// An account with its keys.
pub fn account_entry() -> impl Strategy<Value = AccountEntry> {
    (account(), vec(issued_key(), 0..3)).prop_map(|(account, keys)| AccountEntry { account, keys })
}

/// A page of accounts.
pub fn identity_page() -> impl Strategy<Value = IdentityPage> {
    (epoch(), vec(account_entry(), 0..3), any::<bool>()).prop_map(|(epoch, entries, truncated)| {
        IdentityPage {
            epoch,
            entries,
            truncated,
        }
    })
}

/// A change of an account or a key.
pub fn account_mutation() -> impl Strategy<Value = AccountMutation> {
    prop_oneof![
        (account(), any::<bool>())
            .prop_map(|(account, is_new)| AccountMutation::Put { account, is_new }),
        canonical_id().prop_map(|id| AccountMutation::Delete { id }),
        (canonical_id(), issued_key())
            .prop_map(|(account, key)| AccountMutation::PutKey { account, key }),
        access_key_id().prop_map(|id| AccountMutation::DeleteKey { id }),
    ]
}

/// What does not allow a change of an account or a key.
pub fn account_refusal() -> impl Strategy<Value = AccountRefusal> {
    prop_oneof![
        Just(AccountRefusal::Exists),
        Just(AccountRefusal::NotFound),
        Just(AccountRefusal::EmailTaken),
        Just(AccountRefusal::AccessKeyTaken),
        Just(AccountRefusal::OwnsBuckets),
        Just(AccountRefusal::Limit),
    ]
}
