//! The commands about users.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use cairn_admin::command::{CommandError, Target, UserChange};
use cairn_admin::users::{User, UserDone, UserEdit, UserSpec, users_table};
use cairn_runtime::{Secret, SystemClock};

use super::{block_on, print};
use crate::arguments::{KeyArguments, UserCommand};
use crate::provisioning;

/// A file with a secret is read up to this.
const SECRET_LEN_MAX: u64 = 4096;

/// Asks for users, or for a change of them.
pub(super) fn run(target: &Target, json: bool, command: &UserCommand) -> Result<()> {
    let change_of = match command {
        UserCommand::List => {
            let users = fetch(target)?;
            return print(json, &users, || users_table(&users));
        }
        UserCommand::Show { id } => {
            let users = fetch(target)?;
            let Some(user) = users.into_iter().find(|user| user.id == *id) else {
                bail!("there is no user {id}");
            };
            return print(json, &user, || users_table(std::slice::from_ref(&user)));
        }
        UserCommand::Add {
            id,
            display_name,
            email,
            tenant,
            key,
        } => {
            let spec = UserSpec {
                id: id.clone(),
                tenant: tenant.clone(),
                display_name: display_name.clone(),
                email: email.clone(),
                access_key: key.access_key.clone(),
                secret_key: secret(key)?,
            };
            UserChange::Add(spec)
        }
        UserCommand::Set {
            id,
            display_name,
            email,
            suspended,
        } => UserChange::Edit(UserEdit {
            id: id.clone(),
            display_name: display_name.clone(),
            email: email.clone(),
            suspended: *suspended,
        }),
        UserCommand::Remove { id } => UserChange::Remove { id: id.clone() },
        UserCommand::KeyAdd { id, key } => UserChange::AddKey {
            id: id.clone(),
            access_key: key.access_key.clone(),
            secret_key: secret(key)?.map(Secret::new),
        },
        UserCommand::KeyRemove { access_key } => UserChange::RemoveKey {
            access_key: access_key.clone(),
        },
    };
    let done = change(target, &change_of)?;
    print(json, &done, || done.done.clone())
}

/// Makes the users of a file what they are to be, one after the other.
pub(super) fn provision(target: &Target, json: bool, file: &Path) -> Result<()> {
    let mut all = Vec::new();
    for spec in provisioning::read(file)? {
        let id = spec.id.clone().unwrap_or_default();
        let done = change(target, &UserChange::Provision(spec));
        all.push(done.with_context(|| format!("user {id} cannot be provisioned"))?);
    }
    print(json, &all, || {
        let lines: Vec<&str> = all.iter().map(|done| done.done.as_str()).collect();
        lines.join("\n")
    })
}

fn fetch(target: &Target) -> Result<Vec<User>> {
    let now = SystemClock::shared().now();
    Ok(block_on(target.fetch_users(now))??)
}

fn change(target: &Target, change: &UserChange) -> Result<UserDone> {
    let now = SystemClock::shared().now();
    let done: Result<UserDone, CommandError> = block_on(target.change_user(change, now))?;
    Ok(done?)
}

/// The secret of a key, out of a file so that it stands in no list of processes.
fn secret(key: &KeyArguments) -> Result<Option<String>> {
    let Some(path) = &key.secret_key_file else {
        return Ok(None);
    };
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin()
            .take(SECRET_LEN_MAX)
            .read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path);
        file.and_then(|file| file.take(SECRET_LEN_MAX).read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read the secret from {}", path.display()))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}
