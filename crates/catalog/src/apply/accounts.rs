//! Accounts and their access keys.

use cairn_types::account::{
    AccessKeyId, Account, AccountEntry, CanonicalId, EmailAddress, IssuedKey,
};
use cairn_types::id::Epoch;
use cairn_types::namespace::{AccountMutation, AccountRefusal, RootReply};

use super::change::Change;
use super::{limits, topology};
use crate::failure::Failure;
use crate::key;
use crate::query::directory;
use crate::record::account::{AccountNameRow, AccountRow, IdentitiesRow};
use crate::store::{Store, StoreError};

/// Accounts at the most: every gateway keeps all of them in memory.
const ACCOUNTS: u32 = 10_000;

/// Keys of an account.
const KEYS: usize = 8;

/// Changes an account or a key.
pub(super) fn change<S: Store>(
    change: &mut Change<'_, S>,
    mutation: &AccountMutation,
) -> Result<RootReply, Failure> {
    match mutation {
        AccountMutation::Put { account, is_new } => put(change, account, *is_new)?,
        AccountMutation::Delete { id } => delete(change, id)?,
        AccountMutation::PutKey { account, key } => put_key(change, account, key)?,
        AccountMutation::DeleteKey { id } => delete_key(change, id)?,
    }
    Ok(RootReply::Done)
}

fn put<S: Store>(
    change: &mut Change<'_, S>,
    account: &Account,
    is_new: bool,
) -> Result<(), Failure> {
    let cluster = topology::cluster(change)?.info.cluster;
    if let Err(error) = account.check() {
        return Err(limits::malformed(&error.to_string()).into());
    }
    let known = change.get(&key::root::account(&account.id))?;
    if account.id.as_str() == format!("{cluster}{cluster}") || is_new && known.is_some() {
        return Err(refused(AccountRefusal::Exists));
    }
    let mut account = account.clone();
    let Some(AccountRow(mut entry)) = known else {
        let mut row = identities(change)?;
        if row.account_count >= ACCOUNTS {
            return Err(refused(AccountRefusal::Limit));
        }
        row.account_count += 1;
        account.created = change.clock();
        take_email(change, None, &account)?;
        let entry = AccountEntry {
            account,
            keys: Vec::new(),
        };
        put_entry(change, row, entry);
        return Ok(());
    };
    account.created = entry.account.created;
    if entry.account == account {
        return Ok(());
    }
    take_email(change, Some(&entry.account), &account)?;
    entry.account = account;
    let row = identities(change)?;
    put_entry(change, row, entry);
    Ok(())
}

/// Makes the address of an account lead to it, and its old one, if it had another, to nobody.
fn take_email<S: Store>(
    change: &mut Change<'_, S>,
    old: Option<&Account>,
    account: &Account,
) -> Result<(), Failure> {
    let folded = |account: &Account| account.email.as_ref().map(EmailAddress::folded);
    let (before, after) = (old.and_then(folded), folded(account));
    if before == after {
        return Ok(());
    }
    if let Some(before) = before {
        change.delete(key::root::email(&before));
    }
    if let Some(after) = after {
        let at = key::root::email(&after);
        if change.get(&at)?.is_some() {
            return Err(refused(AccountRefusal::EmailTaken));
        }
        let account = account.id.clone();
        change.put(at, &AccountNameRow { account });
    }
    Ok(())
}

fn delete<S: Store>(change: &mut Change<'_, S>, id: &CanonicalId) -> Result<(), Failure> {
    let Some(AccountRow(entry)) = change.get(&key::root::account(id))? else {
        return Ok(());
    };
    if directory::owns_any(change.rows(), id.as_str())? {
        return Err(refused(AccountRefusal::OwnsBuckets));
    }
    if let Some(email) = &entry.account.email {
        change.delete(key::root::email(&email.folded()));
    }
    for key in &entry.keys {
        change.delete(key::root::access_key(&key.id));
    }
    change.delete(key::root::account(id));
    let mut row = identities(change)?;
    row.account_count = row
        .account_count
        .checked_sub(1)
        .ok_or(StoreError::Inconsistent {
            what: "more accounts are there than were counted",
        })?;
    put_identities(change, row);
    Ok(())
}

fn put_key<S: Store>(
    change: &mut Change<'_, S>,
    account: &CanonicalId,
    issued: &IssuedKey,
) -> Result<(), Failure> {
    let row = change.get(&key::root::account(account))?;
    let AccountRow(mut entry) = row.ok_or_else(|| refused(AccountRefusal::NotFound))?;
    let owner = change.get(&key::root::access_key(&issued.id))?;
    if owner.is_some_and(|owner| owner.account != *account) {
        return Err(refused(AccountRefusal::AccessKeyTaken));
    }
    let mut issued = issued.clone();
    let key_count = entry.keys.len();
    match entry.keys.iter_mut().find(|known| known.id == issued.id) {
        Some(known) => {
            issued.created = known.created;
            if *known == issued {
                return Ok(());
            }
            *known = issued;
        }
        None if key_count >= KEYS => return Err(refused(AccountRefusal::Limit)),
        None => {
            issued.created = change.clock();
            let account = account.clone();
            change.put(
                key::root::access_key(&issued.id),
                &AccountNameRow { account },
            );
            entry.keys.push(issued);
            entry.keys.sort_by(|left, right| left.id.cmp(&right.id));
        }
    }
    let row = identities(change)?;
    put_entry(change, row, entry);
    Ok(())
}

fn delete_key<S: Store>(change: &mut Change<'_, S>, id: &AccessKeyId) -> Result<(), Failure> {
    let Some(owner) = change.get(&key::root::access_key(id))? else {
        return Ok(());
    };
    let row = change.get(&key::root::account(&owner.account))?;
    let AccountRow(mut entry) = row.ok_or(StoreError::Inconsistent {
        what: "an access key is of no account",
    })?;
    entry.keys.retain(|key| key.id != *id);
    change.delete(key::root::access_key(id));
    let row = identities(change)?;
    put_entry(change, row, entry);
    Ok(())
}

fn identities<S: Store>(change: &Change<'_, S>) -> Result<IdentitiesRow, StoreError> {
    Ok(change.get(&key::root::identities())?.unwrap_or_default())
}

/// Writes an account's row, with the row of all accounts as it is but for the epoch.
fn put_entry<S: Store>(change: &mut Change<'_, S>, row: IdentitiesRow, entry: AccountEntry) {
    let at = key::root::account(&entry.account.id);
    change.put(at, &AccountRow(entry));
    put_identities(change, row);
}

fn put_identities<S: Store>(change: &mut Change<'_, S>, mut row: IdentitiesRow) {
    row.epoch = Epoch::new(row.epoch.get().saturating_add(1));
    change.put(key::root::identities(), &row);
}

fn refused(refusal: AccountRefusal) -> Failure {
    Failure::Refused(refusal.into())
}
