//! Committing what was staged, as long as that is allowed.

use cairn_client::Indexed;
use cairn_engine::{Described, PartCommitted, Staged, Target};
use cairn_s3::input::UploadInput;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{Committed, WriteCondition};
use cairn_types::object::ObjectHeaders;

use crate::acl::AskedSettings;
use crate::authorize::{Door, Rounds, upload_key};
use crate::fault::Fault;

/// What is to be committed as an object.
pub(super) struct NewObject {
    /// Its key.
    pub(super) key: ObjectKey,
    /// Its headers.
    pub(super) headers: ObjectHeaders,
    /// What else is said of it.
    pub(super) settings: AskedSettings,
    /// What must hold.
    pub(super) condition: WriteCondition,
}

/// Commits an object. Where the bucket was told otherwise since its bytes came, it is decided again whether they may be, and
/// whose they are.
pub(super) async fn commit(
    door: &Door,
    object: &NewObject,
    mut staged: Staged,
) -> Result<Indexed<Committed>, Fault> {
    let mut rounds = Rounds::default();
    loop {
        let (engine, bucket) = door.guarded();
        let target = Target {
            bucket,
            key: object.key.clone(),
        };
        let described = Described {
            headers: object.headers.clone(),
            settings: door.settings_of_new(&object.settings).await?,
        };
        let committed = engine.commit(&target, &mut staged, &described, &object.condition);
        match committed.await {
            Ok(committed) => return Ok(committed),
            Err(error) => rounds.decide_again(door, error.into()).await?,
        }
    }
}

/// Commits a part, in the same way.
pub(super) async fn commit_part(
    door: &Door,
    input: &UploadInput,
    number: u16,
    mut staged: Staged,
) -> Result<Indexed<PartCommitted>, Fault> {
    let mut rounds = Rounds::default();
    loop {
        let (engine, bucket) = door.guarded();
        let upload = upload_key(&bucket, input);
        let committed = engine.commit_part(&bucket, &upload, number, &mut staged);
        match committed.await {
            Ok(committed) => return Ok(committed),
            Err(error) => rounds.decide_again(door, error.into()).await?,
        }
    }
}
