//! `PostObject`: an object out of a form.

use cairn_s3::auth::Verified;
use cairn_s3::code::Code;
use cairn_s3::form::{
    FormFile, LengthRange, PostAnswer, PostPolicy, PostUpload, boundary, read_form,
};
use cairn_s3::input::PutObjectInput;
use cairn_s3::operations::Operation;
use cairn_s3::output::object_stored;
use cairn_s3::query::Query;
use cairn_s3::route::{Route, Target};
use cairn_types::checksum::ChecksumAlgorithm;
use http::header;
use http::request::Parts;

use super::commit::{NewObject, commit};
use super::{Call, Done, reflecting};
use crate::Gateway;
use crate::fault::Fault;
use crate::request_body::RequestBody;
use crate::tls::Secured;
use crate::upload_body::UploadBodyError;

/// A form of which the file was not read yet. Its policy holds.
#[derive(Debug)]
pub(crate) struct Form {
    answer: PostAnswer,
    file: FormFile<RequestBody>,
}

/// Reads the fields of a form, proves who signed it, and makes of the request's head that of a `PutObject`: with the key that
/// the form names and the headers that its fields stand for. What the head said besides was signed by nobody, and is dropped.
pub(crate) async fn open(
    gateway: &Gateway,
    parts: &mut Parts,
    route: &mut Route,
    body: RequestBody,
) -> Result<(Verified, Form), Fault> {
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let boundary = boundary(content_type.unwrap_or_default())?;
    let read = read_form(body, &boundary).await;
    let (fields, file) = read.map_err(UploadBodyError::from)?;
    let upload = PostUpload::parse(&fields)?;
    let bucket = route.target.bucket().ok_or(Code::InvalidBucketName)?;
    let verified = gateway.verify_form(&fields).await?;
    let range = match fields.get("policy") {
        Some(policy) => {
            let now = gateway.clock.now();
            PostPolicy::parse(policy)?.check(&fields, bucket.as_str(), now)?
        }
        None => LengthRange::default(),
    };
    route.target = Target::Object(bucket.clone(), upload.key);
    // From here on it is the request that it stands for.
    route.operation = Operation::PutObject;
    route.query = Query::default();
    let of_the_request: Vec<_> = parts
        .headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            name.starts_with("x-amz-") || name.starts_with("content-")
        })
        .cloned()
        .collect();
    for name in of_the_request {
        parts.headers.remove(name);
    }
    parts.headers.extend(upload.headers);
    let form = Form {
        answer: upload.answer,
        file: file.within(range),
    };
    Ok((verified, form))
}

/// Stores the file of a form, as `PutObject` stores a body, and answers as the form asks.
pub(crate) async fn serve(call: Call<'_>, form: Form) -> Done {
    let input = PutObjectInput::of_form(&call.request())?;
    let door = call.door()?;
    let target = call.target(&input.key)?;
    let settings = call.asked(input.settings).await?;
    // What would be refused in the end is refused before the file is read.
    door.settings_of_new(&settings).await?;
    let len = input.body.len();
    let source = call.upload(form.file, input.body, Some(ChecksumAlgorithm::Crc64Nvme));
    let staged = call.engine().stage(&target, len, source).await?;
    let object = NewObject {
        key: input.key,
        headers: input.headers,
        settings,
        condition: input.condition,
    };
    let stored = commit(door, &object, staged).await?;
    let etag = &stored.value.etag;
    let answer = form
        .answer
        .stored(&base(call.parts), &input.bucket, &object.key, etag);
    // What the answer of `PutObject` says of the object is said here too.
    let (mut head, body) = answer.into_parts();
    for (name, value) in object_stored(&stored.value).headers() {
        head.headers.entry(name).or_insert(value.clone());
    }
    let answer = http::Response::from_parts(head, body);
    Ok(reflecting(stored.index, answer))
}

/// Where the client has found the service.
fn base(parts: &Parts) -> String {
    let scheme = match parts.extensions.get::<Secured>() {
        Some(Secured) => "https",
        None => "http",
    };
    let host = parts.headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    format!("{scheme}://{}", host.or(authority).unwrap_or_default())
}
