//! `GetPublicAccessBlock`, `PutPublicAccessBlock` and `DeletePublicAccessBlock`.

use cairn_s3::code::Code;
use cairn_s3::xml::public_access_block::{parse_public_access_block, write_public_access_block};
use cairn_types::settings::DocumentKind;

use super::settings;
use super::{Call, Done};
use crate::request_body::RequestBody;

const KIND: DocumentKind = DocumentKind::PublicAccessBlock;

/// Tells what a bucket keeps from the public.
pub(super) async fn get(call: Call<'_>) -> Done {
    let absent = || Err(Code::NoSuchPublicAccessBlockConfiguration);
    settings::get_document(call, KIND, absent).await
}

/// Says what it keeps from the public. What is public already stays, and says nothing where it is to be ignored.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let block = call.document(body, declaration, parse_public_access_block);
    let text = write_public_access_block(block.await?);
    settings::put_document(call, KIND, text).await
}

/// From now on it keeps nothing from the public.
pub(super) async fn delete(call: Call<'_>) -> Done {
    settings::delete_document(call, KIND).await
}
