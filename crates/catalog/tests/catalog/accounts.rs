//! Accounts and their access keys, beside the plainest way to keep them: a map, looked through each time.

use std::collections::BTreeMap;

use bytes::Bytes;
use cairn_types::account::{
    AccessKeyId, Account, AccountEntry, CanonicalId, EmailAddress, IdentityPage, IssuedKey,
    SealedSecret,
};
use cairn_types::id::{ClusterId, Epoch};
use cairn_types::name::BucketName;
use cairn_types::namespace::{
    AccountMutation, AccountRefusal, Refusal, RootMutation, RootQuery, RootReply, RootView,
};
use cairn_types::time::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};

use crate::group::{Group, malformed};
use crate::root::root;

fn id(text: &str) -> CanonicalId {
    CanonicalId::parse(text).unwrap()
}

fn key_id(text: &str) -> AccessKeyId {
    AccessKeyId::parse(text).unwrap()
}

fn account(name: &str, email: Option<&str>) -> Account {
    Account {
        id: id(name),
        tenant: String::new(),
        display_name: name.to_uppercase(),
        email: email.map(|email| EmailAddress::parse(email).unwrap()),
        created: Timestamp::from_millis(0),
        is_suspended: false,
    }
}

fn key(name: &str, secret: u8) -> IssuedKey {
    IssuedKey {
        id: key_id(name),
        secret: SealedSecret::new(Bytes::copy_from_slice(&[secret])).unwrap(),
        created: Timestamp::from_millis(0),
        is_active: true,
    }
}

fn put(group: &mut Group, account: Account, is_new: bool) -> Result<RootReply, Refusal> {
    change(group, AccountMutation::Put { account, is_new })
}

fn put_key(group: &mut Group, account: &str, key: IssuedKey) -> Result<RootReply, Refusal> {
    let account = id(account);
    change(group, AccountMutation::PutKey { account, key })
}

fn delete(group: &mut Group, account: &str) -> Result<RootReply, Refusal> {
    change(group, AccountMutation::Delete { id: id(account) })
}

fn change(group: &mut Group, mutation: AccountMutation) -> Result<RootReply, Refusal> {
    group.change_root(RootMutation::Account(mutation))
}

fn ask(group: &Group, known: u64, after: Option<&str>, limit: u32) -> Option<IdentityPage> {
    let query = RootQuery::Identities {
        known: Epoch::new(known),
        after: after.map(id),
        limit,
    };
    match group.ask_root(query) {
        Ok(RootView::Identities(page)) => page,
        other => panic!("{other:?}"),
    }
}

fn all(group: &Group) -> IdentityPage {
    ask(group, 0, None, 500).expect("nothing is known")
}

fn refused(refusal: AccountRefusal) -> Result<RootReply, Refusal> {
    Err(refusal.into())
}

#[test]
fn an_account_is_made_changed_and_forgotten_and_whoever_asks_hears_of_each_change() {
    let mut group = root();
    assert_eq!(all(&group).epoch, Epoch::new(1));
    assert_eq!(ask(&group, 1, None, 500), None);
    let made = group.now;
    assert_eq!(
        put(&mut group, account("a", Some("A@x")), true),
        Ok(RootReply::Done)
    );
    group.now = group.now.plus_millis(5);
    let given = group.now;
    assert_eq!(
        put_key(&mut group, "a", key("key-1", 1)),
        Ok(RootReply::Done)
    );
    group.now = group.now.plus_millis(5);
    // The very same again is no change, whatever it says of times.
    assert_eq!(
        put(&mut group, account("a", Some("A@x")), false),
        Ok(RootReply::Done)
    );
    assert_eq!(
        put_key(&mut group, "a", key("key-1", 1)),
        Ok(RootReply::Done)
    );
    let page = all(&group);
    assert_eq!(page.epoch, Epoch::new(3));
    let wanted = AccountEntry {
        account: Account {
            created: made,
            ..account("a", Some("A@x"))
        },
        keys: vec![IssuedKey {
            created: given,
            ..key("key-1", 1)
        }],
    };
    assert_eq!(page.entries, [wanted]);
    assert_eq!(ask(&group, 3, None, 500), None);

    assert_eq!(
        put_key(&mut group, "a", key("key-1", 2)),
        Ok(RootReply::Done)
    );
    assert_eq!(
        all(&group).entries[0].keys[0].secret,
        key("key-1", 2).secret
    );
    assert_eq!(all(&group).entries[0].keys[0].created, given);
    let delete_key = |name: &str| AccountMutation::DeleteKey { id: key_id(name) };
    assert_eq!(change(&mut group, delete_key("key-1")), Ok(RootReply::Done));
    assert_eq!(change(&mut group, delete_key("key-1")), Ok(RootReply::Done));
    assert_eq!(all(&group).epoch, Epoch::new(5));
    assert_eq!(all(&group).entries[0].keys, []);
    assert_eq!(delete(&mut group, "a"), Ok(RootReply::Done));
    assert_eq!(delete(&mut group, "a"), Ok(RootReply::Done));
    assert_eq!(all(&group).epoch, Epoch::new(6));
    assert_eq!(all(&group).entries, []);
    group.audit();
}

#[test]
fn an_account_that_owns_a_bucket_stays() {
    let mut group = root();
    put(&mut group, account("a", None), true).unwrap();
    put(&mut group, account("b", None), true).unwrap();
    let name = BucketName::parse("of-a").unwrap();
    let owner = "a".to_owned();
    let reserved = group.change_root(RootMutation::ReserveBucket {
        name,
        owner,
        initial: cairn_types::settings::InitialSettings::default(),
    });
    let Ok(RootReply::Bucket(entry)) = reserved else {
        panic!("{reserved:?}");
    };
    assert_eq!(
        delete(&mut group, "a"),
        refused(AccountRefusal::OwnsBuckets)
    );
    assert_eq!(delete(&mut group, "b"), Ok(RootReply::Done));
    let (bucket, mut epoch) = (entry.bucket, 1);
    for step in [
        |bucket, epoch| RootMutation::ActivateBucket { bucket, epoch },
        |bucket, epoch| RootMutation::BeginDeleteBucket { bucket, epoch },
        |bucket, epoch| RootMutation::CommitDeleteBucket { bucket, epoch },
    ] {
        group.change_root(step(bucket, Epoch::new(epoch))).unwrap();
        epoch += 1;
    }
    assert_eq!(
        delete(&mut group, "a"),
        refused(AccountRefusal::OwnsBuckets)
    );
    group
        .change_root(RootMutation::ReleaseBucket { bucket })
        .unwrap();
    assert_eq!(delete(&mut group, "a"), Ok(RootReply::Done));
}

#[test]
fn what_breaks_a_limit_is_refused() {
    let mut group = Group::new();
    assert!(
        put(&mut group, account("a", None), true).is_err(),
        "before genesis"
    );
    let mut group = root();
    let mut odd = account("a", None);
    odd.tenant = "a/b".to_owned();
    assert_eq!(put(&mut group, odd, true), Err(malformed()));
    let cluster = ClusterId::new(7);
    let of_root = account(&format!("{cluster}{cluster}"), None);
    assert_eq!(
        put(&mut group, of_root, false),
        refused(AccountRefusal::Exists)
    );
    assert_eq!(
        put_key(&mut group, "a", key("key-1", 1)),
        refused(AccountRefusal::NotFound)
    );
    put(&mut group, account("a", None), true).unwrap();
    for number in 1..=8 {
        put_key(&mut group, "a", key(&format!("key-{number}"), 1)).unwrap();
    }
    assert_eq!(
        put_key(&mut group, "a", key("key-9", 1)),
        refused(AccountRefusal::Limit)
    );
    assert_eq!(
        put_key(&mut group, "a", key("key-8", 2)),
        Ok(RootReply::Done)
    );
    for limit in [0, 501] {
        let (known, after) = (Epoch::new(0), None);
        let query = RootQuery::Identities {
            known,
            after,
            limit,
        };
        assert_eq!(group.ask_root(query), Err(malformed()));
    }
    group.audit();
}

#[test]
fn there_are_so_many_accounts_and_no_more() {
    let mut group = root();
    for number in 0..10_000 {
        put(
            &mut group,
            account(&format!("account-{number:05}"), None),
            true,
        )
        .unwrap();
    }
    assert_eq!(
        put(&mut group, account("b", None), true),
        refused(AccountRefusal::Limit)
    );
    assert_eq!(
        put(&mut group, account("account-00007", Some("a@x")), false),
        Ok(RootReply::Done)
    );
    let first = all(&group);
    assert!(first.truncated);
    let last = first.entries.last().unwrap().account.id.clone();
    let second = ask(&group, 0, Some(last.as_str()), 1).unwrap();
    assert_eq!(second.entries[0].account.id, id("account-00500"));
    assert_eq!(second.epoch, first.epoch);
    delete(&mut group, "account-00000").unwrap();
    assert_eq!(
        put(&mut group, account("b", None), true),
        Ok(RootReply::Done)
    );
    group.audit();
}

/// Accounts and keys as plainly as they can be said.
#[derive(Clone, Default)]
struct Model(BTreeMap<CanonicalId, (Account, BTreeMap<AccessKeyId, IssuedKey>)>);

impl Model {
    fn change(&mut self, mutation: &AccountMutation, now: Timestamp) -> Result<(), AccountRefusal> {
        match mutation {
            AccountMutation::Put { account, is_new } => {
                let mut account = account.clone();
                let known = self.0.get(&account.id);
                if known.is_some() && *is_new {
                    return Err(AccountRefusal::Exists);
                }
                let others = self.0.values().filter(|(other, _)| other.id != account.id);
                let mut emails = others.filter_map(|(other, _)| other.email.as_ref());
                if let Some(email) = &account.email
                    && emails.any(|other| other.folded() == email.folded())
                {
                    return Err(AccountRefusal::EmailTaken);
                }
                account.created = known.map_or(now, |(known, _)| known.created);
                let keys = known.map(|(_, keys)| keys.clone()).unwrap_or_default();
                self.0.insert(account.id.clone(), (account, keys));
            }
            AccountMutation::Delete { id } => {
                self.0.remove(id);
            }
            AccountMutation::PutKey { account, key } => {
                if !self.0.contains_key(account) {
                    return Err(AccountRefusal::NotFound);
                }
                let mut others = self.0.iter().filter(|(id, _)| *id != account);
                if others.any(|(_, (_, keys))| keys.contains_key(&key.id)) {
                    return Err(AccountRefusal::AccessKeyTaken);
                }
                let keys = &mut self.0.get_mut(account).unwrap().1;
                let created = keys.get(&key.id).map_or(now, |known| known.created);
                let key = IssuedKey {
                    created,
                    ..key.clone()
                };
                keys.insert(key.id.clone(), key);
            }
            AccountMutation::DeleteKey { id } => {
                for (_, keys) in self.0.values_mut() {
                    keys.remove(id);
                }
            }
        }
        Ok(())
    }

    fn entries(&self) -> Vec<AccountEntry> {
        let rows = self.0.values().cloned();
        rows.map(|(account, keys)| AccountEntry {
            account,
            keys: keys.into_values().collect(),
        })
        .collect()
    }
}

fn mutation() -> impl Strategy<Value = AccountMutation> {
    let ids = || "[a-d]".prop_map(|text| id(&text));
    let keys = || "key-[a-e]".prop_map(|text| key_id(&text));
    let emails = option::of("[xXyY]@z")
        .prop_map(|email| email.map(|email| EmailAddress::parse(&email).unwrap()));
    let put = (ids(), emails, any::<bool>(), any::<bool>());
    let put_key = (ids(), keys(), 0_u8..2, any::<bool>());
    prop_oneof![
        3 => put.prop_map(|(id, email, is_suspended, is_new)| AccountMutation::Put {
            account: Account { id, email, is_suspended, ..account("a", None) },
            is_new,
        }),
        1 => ids().prop_map(|id| AccountMutation::Delete { id }),
        3 => put_key.prop_map(|(account, id, secret, is_active)| AccountMutation::PutKey {
            account,
            key: IssuedKey { id, is_active, ..key("key-1", secret) },
        }),
        1 => keys().prop_map(|id| AccountMutation::DeleteKey { id }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn accounts_are_what_the_model_says(mutations in vec(mutation(), 1..40), limit in 1_u32..4) {
        let mut group = root();
        let mut model = Model::default();
        for mutation in mutations {
            group.now = group.now.plus_millis(1);
            let before = (all(&group).epoch, model.entries());
            let wanted = model.change(&mutation, group.now);
            let done = change(&mut group, mutation);
            assert_eq!(done, wanted.map(|()| RootReply::Done).map_err(Refusal::from));
            let page = all(&group);
            assert_eq!(page.entries, model.entries());
            // The epoch rises with each change, and with nothing else.
            assert_eq!(page.epoch > before.0, page.entries != before.1);
            let mut paged = Vec::new();
            loop {
                let after = paged.last().map(|entry: &AccountEntry| entry.account.id.to_string());
                let page = ask(&group, 0, after.as_deref(), limit).unwrap();
                paged.extend(page.entries);
                if !page.truncated {
                    break;
                }
            }
            assert_eq!(paged, model.entries());
            group.audit();
        }
    }
}
