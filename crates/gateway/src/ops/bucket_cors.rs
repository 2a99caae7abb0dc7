//! `GetBucketCors`, `PutBucketCors`, `DeleteBucketCors`, and what browsers ask before they send a request of a page.

use cairn_s3::code::Code;
use cairn_s3::xml::cors::{parse_cors, write_cors};
use cairn_types::settings::DocumentKind;

use super::settings;
use super::{Call, Done};
use crate::request_body::RequestBody;

const KIND: DocumentKind = DocumentKind::Cors;

/// Tells which web pages may read answers.
pub(super) async fn get(call: Call<'_>) -> Done {
    settings::get_document(call, KIND, || Err(Code::NoSuchCORSConfiguration)).await
}

/// Says which web pages may read answers.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let rules = call.document(body, declaration, parse_cors).await?;
    settings::put_document(call, KIND, write_cors(&rules)).await
}

/// From now on no page of another origin may.
pub(super) async fn delete(call: Call<'_>) -> Done {
    settings::delete_document(call, KIND).await
}
