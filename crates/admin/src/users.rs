//! Users and their access keys: what an operator, or a file, wants there to be.
//!
//! Secrets are sealed here, before they leave this process; they are shown once, where they were given.

use cairn_client::{Accounts, Identities, MutateError};
use cairn_kms::{MasterKey, Purpose};
use cairn_runtime::{Secret, random};
use cairn_types::account::{
    AccessKeyId, Account, AccountEntry, CanonicalId, EmailAddress, IssuedKey, SealedSecret,
};
use cairn_types::namespace::AccountMutation;
use cairn_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::status::table;
use crate::steer::SteerError;

/// What a user is to be. It does not print its secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// The canonical id; made up where it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tenant; none when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What people read; the id when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The e-mail address; none when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// An access key; made up where it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// Its secret; made up where it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
}

impl std::fmt::Debug for UserSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserSpec")
            .field("id", &self.id)
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// What is to be another way about a user; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserEdit {
    /// Who.
    pub id: String,
    /// What people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The e-mail address; empty: none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether its keys are of no use for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
}

/// A user as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The canonical id.
    pub id: String,
    /// The tenant; empty: none.
    pub tenant: String,
    /// What people read.
    pub display_name: String,
    /// The e-mail address; empty: none.
    pub email: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Whether its keys are of no use for now.
    pub suspended: bool,
    /// Its access keys.
    pub keys: Vec<Key>,
}

/// An access key as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// What requests name.
    pub access_key: String,
    /// When it was given, in milliseconds since 1970.
    pub created_ms: u64,
    /// Whether it may be used.
    pub active: bool,
}

/// What was done, as `cairn admin user … --json` prints it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDone {
    /// Whose id or key it is about.
    pub id: String,
    /// Whether anything is another way than before.
    pub changed: bool,
    /// The key that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// Its secret: this is the only time that it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
    /// The same for people.
    pub done: String,
}

/// Keeps the users of a cluster.
#[derive(Clone)]
pub struct Users {
    accounts: Accounts,
    master_key: Option<MasterKey>,
    root_key: String,
}

impl Users {
    /// The users that `accounts` keeps. `root_key` is taken by the root user; without a master key no secret is stored.
    pub fn new(accounts: Accounts, master_key: Option<MasterKey>, root_key: String) -> Self {
        Self {
            accounts,
            master_key,
            root_key,
        }
    }

    /// All users, by id.
    ///
    /// # Errors
    /// See `SteerError`.
    pub async fn list(&self) -> Result<Vec<User>, SteerError> {
        let known = self.known().await?;
        Ok(known.entries().iter().map(User::from).collect())
    }

    /// Makes a user with an access key. What is left out is made up, and shown here alone.
    ///
    /// # Errors
    /// See `SteerError`; where the id, the address or the key is taken nothing is changed.
    pub async fn add(&self, spec: &UserSpec) -> Result<UserDone, SteerError> {
        let account = account(spec, random_id)?;
        let given = self.key(spec.access_key.as_deref(), spec.secret_key.as_deref())?;
        self.master_key()?;
        let known = self.known().await?;
        let id = account.id.clone();
        if known.account(&id).is_some() {
            return Err(refused(format!("there is a user {id} already")));
        }
        check_free(&known, &given.0)?;
        self.put(account, true).await?;
        self.put_key(&id, &given).await?;
        Ok(shown(&id, given, &format!("user {id} is made")))
    }

    /// Makes a user what it is to be: made where it is not there, and else brought up to date, as is its access key. Others of
    /// its keys stay. Whatever is so already is left alone.
    ///
    /// # Errors
    /// See `SteerError`. Id, access key and secret may not be left out.
    pub async fn provision(&self, spec: &UserSpec) -> Result<UserDone, SteerError> {
        spec.check_whole()?;
        let account = account(spec, random_id)?;
        let given = self.key(spec.access_key.as_deref(), spec.secret_key.as_deref())?;
        let master_key = self.master_key()?;
        let known = self.known().await?;
        let id = account.id.clone();
        let entry = known.account(&id);
        let wanted = Account {
            is_suspended: entry.is_some_and(|entry| entry.account.is_suspended),
            created: entry.map_or(account.created, |entry| entry.account.created),
            ..account
        };
        let is_account_so = entry.is_some_and(|entry| entry.account == wanted);
        let key = known.key(&given.0);
        let is_key_so = match key {
            Some((owner, issued)) if owner.id == id => {
                issued.is_active && is_secret(master_key, &id, issued, &given.1)?
            }
            Some(_) => return Err(taken(&given.0)),
            None => false,
        };
        if !is_account_so {
            self.put(wanted, false).await?;
        }
        if !is_key_so {
            self.put_key(&id, &given).await?;
        }
        let changed = !(is_account_so && is_key_so);
        let what = if changed {
            "is up to date now"
        } else {
            "is up to date"
        };
        Ok(UserDone {
            done: format!("user {id} {what}"),
            id: id.to_string(),
            changed,
            access_key: None,
            secret_key: None,
        })
    }

    /// Changes what is known of a user.
    ///
    /// # Errors
    /// See `SteerError`.
    pub async fn edit(&self, edit: &UserEdit) -> Result<UserDone, SteerError> {
        let id = parse_id(&edit.id)?;
        let known = self.known().await?;
        let before = &known.account(&id).ok_or_else(|| no_such(&id))?.account;
        let mut account = before.clone();
        if let Some(name) = &edit.display_name {
            account.display_name.clone_from(name);
        }
        if let Some(email) = &edit.email {
            account.email = parse_email(email)?;
        }
        account.is_suspended = edit.suspended.unwrap_or(account.is_suspended);
        account
            .check()
            .map_err(|error| refused(error.to_string()))?;
        let changed = account != *before;
        if changed {
            self.put(account, false).await?;
        }
        Ok(done(&id, changed, format!("user {id} is up to date")))
    }

    /// Forgets a user, and takes its keys away.
    ///
    /// # Errors
    /// See `SteerError`; while it owns a bucket it stays.
    pub async fn remove(&self, id: &str) -> Result<UserDone, SteerError> {
        let id = parse_id(id)?;
        let known = self.known().await?;
        known.account(&id).ok_or_else(|| no_such(&id))?;
        let delete = AccountMutation::Delete { id: id.clone() };
        self.change(delete).await?;
        Ok(done(
            &id,
            true,
            format!("user {id} is removed, and its keys with it"),
        ))
    }

    /// Gives a user another access key. What is left out is made up.
    ///
    /// # Errors
    /// See `SteerError`; where the key is taken nothing is changed.
    pub async fn add_key(
        &self,
        id: &str,
        access_key: Option<&str>,
        secret_key: Option<&str>,
    ) -> Result<UserDone, SteerError> {
        let id = parse_id(id)?;
        let given = self.key(access_key, secret_key)?;
        self.master_key()?;
        let known = self.known().await?;
        known.account(&id).ok_or_else(|| no_such(&id))?;
        check_free(&known, &given.0)?;
        self.put_key(&id, &given).await?;
        Ok(shown(&id, given, &format!("user {id} has another key")))
    }

    /// Takes an access key away. After two seconds it is of no use anywhere.
    ///
    /// # Errors
    /// See `SteerError`.
    pub async fn remove_key(&self, access_key: &str) -> Result<UserDone, SteerError> {
        let key = parse_key(access_key)?;
        let known = self.known().await?;
        let no_key = || SteerError::NoSuch(format!("no user has the access key {key}"));
        let (owner, _) = known.key(&key).ok_or_else(no_key)?;
        let delete = AccountMutation::DeleteKey { id: key.clone() };
        self.change(delete).await?;
        let text = format!("{key} is taken away from user {}", owner.id);
        Ok(done(&owner.id, true, text))
    }

    fn master_key(&self) -> Result<&MasterKey, SteerError> {
        self.master_key.as_ref().ok_or_else(|| {
            refused(
                "secrets of users are kept under a master key, and there is none: set cluster.master_key_file or CAIRN_MASTER_KEY \
                 to the same one for all processes"
                    .to_owned(),
            )
        })
    }

    /// An access key with its secret, made up where nothing is said.
    fn key(
        &self,
        access_key: Option<&str>,
        secret_key: Option<&str>,
    ) -> Result<(AccessKeyId, Secret<String>), SteerError> {
        let key = match access_key {
            Some(text) => parse_key(text)?,
            None => random_key(),
        };
        if key.as_str() == self.root_key {
            return Err(refused(format!("{key} is the root user's access key")));
        }
        let secret = match secret_key {
            Some(text) => check_secret(text)?,
            None => hex::encode(random::bytes::<20>()),
        };
        Ok((key, Secret::new(secret)))
    }

    async fn known(&self) -> Result<Identities, SteerError> {
        let fetched = self.accounts.fetch().await;
        fetched.map_err(|error| SteerError::Unavailable(format!("nothing is changed: {error}")))
    }

    async fn put(&self, account: Account, is_new: bool) -> Result<(), SteerError> {
        self.change(AccountMutation::Put { account, is_new }).await
    }

    async fn put_key(
        &self,
        account: &CanonicalId,
        (key, secret): &(AccessKeyId, Secret<String>),
    ) -> Result<(), SteerError> {
        let purpose = Purpose::AccessKeySecret { account, key };
        let sealed = self.master_key()?.seal(purpose, secret.expose().as_bytes());
        let issued = IssuedKey {
            id: key.clone(),
            secret: SealedSecret::new(sealed.into()).expect("a secret of 256 bytes, and 37"),
            created: Timestamp::from_millis(0),
            is_active: true,
        };
        let account = account.clone();
        let put = AccountMutation::PutKey {
            account,
            key: issued,
        };
        self.change(put).await
    }

    async fn change(&self, change: AccountMutation) -> Result<(), SteerError> {
        let changed = self.accounts.change(change).await;
        changed.map_err(|error| match error {
            MutateError::Refused(refusal) => refused(refusal.to_string()),
            MutateError::Unavailable { .. } | MutateError::OtherGroup { .. } => {
                SteerError::Unavailable(error.to_string())
            }
            MutateError::Unknown { .. } => SteerError::Late(error.to_string()),
        })
    }
}

impl UserSpec {
    /// Checks everything that can be checked without a cluster, for a file that has to say everything.
    ///
    /// # Errors
    /// What is left out or does not hold.
    pub fn check(&self) -> Result<(), SteerError> {
        self.check_whole()?;
        account(self, random_id)?;
        parse_key(self.access_key.as_deref().unwrap_or_default())?;
        check_secret(self.secret_key.as_deref().unwrap_or_default()).map(drop)
    }

    fn check_whole(&self) -> Result<(), SteerError> {
        for (name, value) in [
            ("id", &self.id),
            ("access_key", &self.access_key),
            ("secret_key", &self.secret_key),
        ] {
            if value.is_none() {
                return Err(refused(format!("{name} is missing")));
            }
        }
        Ok(())
    }
}

impl From<&AccountEntry> for User {
    fn from(entry: &AccountEntry) -> Self {
        let account = &entry.account;
        let keys = entry.keys.iter().map(|key| Key {
            access_key: key.id.to_string(),
            created_ms: key.created.as_millis(),
            active: key.is_active,
        });
        let email = account.email.as_ref().map(EmailAddress::to_string);
        Self {
            id: account.id.to_string(),
            tenant: account.tenant.clone(),
            display_name: account.display_name.clone(),
            email: email.unwrap_or_default(),
            created_ms: account.created.as_millis(),
            suspended: account.is_suspended,
            keys: keys.collect(),
        }
    }
}

/// The table of `cairn admin user list`.
pub fn users_table(users: &[User]) -> String {
    let head = ["USER", "NAME", "E-MAIL", "TENANT", "STATE", "KEYS"];
    table(head, users, |user| {
        let state = if user.suspended {
            "suspended"
        } else {
            "active"
        };
        let keys = user.keys.iter().map(|key| key.access_key.clone());
        [
            user.id.clone(),
            user.display_name.clone(),
            user.email.clone(),
            user.tenant.clone(),
            state.to_owned(),
            keys.collect::<Vec<_>>().join(","),
        ]
    })
}

fn account(spec: &UserSpec, make_id: fn() -> CanonicalId) -> Result<Account, SteerError> {
    let id = match &spec.id {
        Some(text) => parse_id(text)?,
        None => make_id(),
    };
    let account = Account {
        tenant: spec.tenant.clone().unwrap_or_default(),
        display_name: spec.display_name.clone().unwrap_or_else(|| id.to_string()),
        email: parse_email(spec.email.as_deref().unwrap_or_default())?,
        created: Timestamp::from_millis(0),
        is_suspended: false,
        id,
    };
    account
        .check()
        .map_err(|error| refused(error.to_string()))?;
    Ok(account)
}

fn parse_id(text: &str) -> Result<CanonicalId, SteerError> {
    CanonicalId::parse(text).map_err(|error| refused(format!("id: {error}")))
}

fn parse_key(text: &str) -> Result<AccessKeyId, SteerError> {
    AccessKeyId::parse(text).map_err(|error| refused(format!("access_key: {error}")))
}

/// An address, or none where the text is empty.
fn parse_email(text: &str) -> Result<Option<EmailAddress>, SteerError> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = EmailAddress::parse(text);
    parsed
        .map(Some)
        .map_err(|error| refused(format!("email: {error}")))
}

/// As for the root user.
fn check_secret(text: &str) -> Result<String, SteerError> {
    if (8..=256).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(refused("secret_key: it has 8 to 256 characters".to_owned()))
    }
}

fn random_id() -> CanonicalId {
    let id = hex::encode(random::bytes::<32>());
    CanonicalId::parse(&id).expect("64 hexadecimal digits")
}

fn random_key() -> AccessKeyId {
    let key = format!("CK{}", hex::encode_upper(random::bytes::<9>()));
    AccessKeyId::parse(&key).expect("two letters and 18 hexadecimal digits")
}

fn check_free(known: &Identities, key: &AccessKeyId) -> Result<(), SteerError> {
    known.key(key).map_or(Ok(()), |_| Err(taken(key)))
}

/// Whether a key has this secret. One under another master key cannot be told, and is not written over.
fn is_secret(
    master_key: &MasterKey,
    account: &CanonicalId,
    issued: &IssuedKey,
    secret: &Secret<String>,
) -> Result<bool, SteerError> {
    let purpose = Purpose::AccessKeySecret {
        account,
        key: &issued.id,
    };
    let opened = master_key.open(purpose, issued.secret.as_bytes());
    let opened = opened.map_err(|error| refused(format!("access key {}: {error}", issued.id)))?;
    Ok(opened.expose() == secret.expose().as_bytes())
}

fn done(id: &CanonicalId, changed: bool, text: String) -> UserDone {
    UserDone {
        id: id.to_string(),
        changed,
        access_key: None,
        secret_key: None,
        done: text,
    }
}

/// What is shown of a key that was given, this once.
fn shown(id: &CanonicalId, (key, secret): (AccessKeyId, Secret<String>), text: &str) -> UserDone {
    let secret = secret.expose().clone();
    UserDone {
        done: format!("{text}\naccess key: {key}\nsecret key: {secret}"),
        access_key: Some(key.to_string()),
        secret_key: Some(secret),
        ..done(id, true, String::new())
    }
}

fn taken(key: &AccessKeyId) -> SteerError {
    refused(format!("the access key {key} is taken"))
}

fn no_such(id: &CanonicalId) -> SteerError {
    SteerError::NoSuch(format!("there is no user {id}"))
}

fn refused(reason: String) -> SteerError {
    SteerError::Refused(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> UserSpec {
        UserSpec {
            id: Some("testx$98765".to_owned()),
            tenant: Some("testx".to_owned()),
            display_name: None,
            email: Some("tenant@example.com".to_owned()),
            access_key: Some("HIJKLMNOPQRSTUVWXYZA".to_owned()),
            secret_key: Some("opqrstuvwxyzabcdefgh".to_owned()),
        }
    }

    #[test]
    fn a_file_says_everything_that_is_needed_and_nothing_that_is_not_allowed() {
        spec().check().unwrap();
        let text = |text: &str| Some(text.to_owned());
        for (says, broken) in [
            ("id is missing", UserSpec { id: None, ..spec() }),
            (
                "access_key is missing",
                UserSpec {
                    access_key: None,
                    ..spec()
                },
            ),
            (
                "secret_key is missing",
                UserSpec {
                    secret_key: None,
                    ..spec()
                },
            ),
            (
                "id: ",
                UserSpec {
                    id: text("a b"),
                    ..spec()
                },
            ),
            (
                "email: ",
                UserSpec {
                    email: text("nobody"),
                    ..spec()
                },
            ),
            (
                "a tenant has",
                UserSpec {
                    tenant: text("a/b"),
                    ..spec()
                },
            ),
            (
                "secret_key: ",
                UserSpec {
                    secret_key: text("short"),
                    ..spec()
                },
            ),
        ] {
            let error = broken.check().unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }

    #[test]
    fn secrets_are_shown_where_they_are_given_and_printed_nowhere() {
        let printed = format!("{:?}", spec());
        assert!(!printed.contains("opqrstuv"), "{printed}");
        let id = random_id();
        let given = (random_key(), Secret::new("swordfish".to_owned()));
        let shown = shown(&id, given, "made");
        assert_eq!(shown.secret_key.as_deref(), Some("swordfish"));
        let json = serde_json::to_string(&done(&id, false, String::new())).unwrap();
        assert!(!json.contains("secret"), "{json}");
    }

    #[test]
    fn a_secret_is_compared_under_its_own_master_key_only() {
        let (master, other) = (MasterKey::generate(), MasterKey::generate());
        let (id, key) = (random_id(), random_key());
        let purpose = Purpose::AccessKeySecret {
            account: &id,
            key: &key,
        };
        let sealed = master.seal(purpose, b"swordfish");
        let issued = IssuedKey {
            id: key.clone(),
            secret: SealedSecret::new(sealed.into()).unwrap(),
            created: Timestamp::from_millis(0),
            is_active: true,
        };
        let says = |secret: &str| {
            let secret = Secret::new(secret.to_owned());
            is_secret(&master, &id, &issued, &secret)
        };
        assert_eq!(says("swordfish"), Ok(true));
        assert_eq!(says("another"), Ok(false));
        let secret = Secret::new("swordfish".to_owned());
        let error = is_secret(&other, &id, &issued, &secret).unwrap_err();
        assert!(error.to_string().contains("master key"), "{error}");
    }
}
