//! The part of the admin API that is about users.

use serde::{Deserialize, Serialize};

use super::api::{Refused, read, status_of};
use crate::users::{UserDone, UserEdit, UserSpec, Users};

/// Where the users are.
pub(crate) const USERS: &str = "/admin/v1/users";

pub(crate) const ADD_USER: &str = "/admin/v1/add-user";
pub(crate) const EDIT_USER: &str = "/admin/v1/edit-user";
pub(crate) const PROVISION_USER: &str = "/admin/v1/provision-user";
pub(crate) const REMOVE_USER: &str = "/admin/v1/remove-user";
pub(crate) const ADD_KEY: &str = "/admin/v1/add-key";
pub(crate) const REMOVE_KEY: &str = "/admin/v1/remove-key";

/// Where changes are asked for.
pub(crate) const CHANGES: [&str; 6] = [
    ADD_USER,
    EDIT_USER,
    PROVISION_USER,
    REMOVE_USER,
    ADD_KEY,
    REMOVE_KEY,
];

/// Which user a change is about.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfUser {
    pub(crate) id: String,
}

/// A key to give.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret_key: Option<String>,
}

/// A key to take away.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfKey {
    pub(crate) access_key: String,
}

/// Makes the change that one of the paths is for.
pub(super) async fn change(users: &Users, path: &str, body: &[u8]) -> Result<UserDone, Refused> {
    let done = match path {
        ADD_USER => users.add(&read::<UserSpec>(body)?).await,
        EDIT_USER => users.edit(&read::<UserEdit>(body)?).await,
        PROVISION_USER => users.provision(&read::<UserSpec>(body)?).await,
        REMOVE_USER => users.remove(&read::<OfUser>(body)?.id).await,
        ADD_KEY => {
            let NewKey {
                id,
                access_key,
                secret_key,
            } = read(body)?;
            let (key, secret) = (access_key.as_deref(), secret_key.as_deref());
            users.add_key(&id, key, secret).await
        }
        _ => users.remove_key(&read::<OfKey>(body)?.access_key).await,
    };
    done.map_err(|error| (status_of(&error), error.to_string()))
}
