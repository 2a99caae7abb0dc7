//! From the head of a request to the operation it asks for and the names it is about.

use cairn_types::name::{BucketName, ObjectKey, ObjectKeyError};
use http::request::Parts;
use http::{Method, header};

use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::S3Error;
use crate::operations::{Form, Operation};
use crate::query::Query;
use crate::uri::{self, Plus};

/// Where buckets may stand in a request: in the path always, and in front of these domains.
#[derive(Debug, Clone, Default)]
pub struct Addressing {
    domains: Vec<String>,
    has_tenants: bool,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The service itself.
    Service,
    /// A bucket.
    Bucket(BucketName),
    /// An object.
    Object(BucketName, ObjectKey),
}

/// A request that was understood: not yet who sent it, nor whether its arguments are any good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What is asked for.
    pub operation: Operation,
    /// Of what.
    pub target: Target,
    /// Whose tenant the bucket is to be of, if the path says it: `/tenant:bucket`; empty for that of those who have none.
    pub tenant: Option<String>,
    /// The decoded query.
    pub query: Query,
}

impl Route {
    /// Whether a bucket of this tenant may be meant: the path names no other.
    pub fn may_mean(&self, tenant: &str) -> bool {
        self.tenant.as_deref().is_none_or(|named| named == tenant)
    }
}

impl Addressing {
    /// Path style, and virtual-host style below these domains (`s3.localhost`). Ports do not belong to domains.
    pub fn new(domains: impl IntoIterator<Item = String>) -> Self {
        let mut domains: Vec<String> = domains
            .into_iter()
            .map(|domain| domain.to_ascii_lowercase())
            .collect();
        // The longest first: below `localhost` and `s3.localhost`, `a.s3.localhost` is the bucket `a`.
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Self {
            domains,
            has_tenants: false,
        }
    }

    /// Whether paths may say `/tenant:bucket`, as the dialect has it.
    #[must_use]
    pub fn speaking(self, dialect: Dialect) -> Self {
        Self {
            has_tenants: dialect.serves_rgw_extensions(),
            ..self
        }
    }

    /// Understands a request's head.
    ///
    /// The path is percent-decoded exactly once, and keys are opaque: `a//b` and `..` are just characters.
    /// Cost: one pass over the head; no I/O.
    ///
    /// # Errors
    /// `InvalidURI` for what is not UTF-8 or holds characters that no answer could name, `InvalidBucketName`,
    /// `KeyTooLongError`, `MethodNotAllowed`, `InvalidArgument` for two sub-resources at once, `NotImplemented` for a
    /// sub-resource that this kind of target does not have, `InvalidRequest` for a body framed twice.
    pub fn route(&self, parts: &Parts) -> Result<Route, S3Error> {
        check_framing(parts)?;
        let query = Query::parse(parts.uri.query())?;
        let path = uri::decode(parts.uri.path(), Plus::Literal)
            .map_err(|_| S3Error::new(Code::InvalidURI))?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = match self.bucket_in_host(parts) {
            Some(bucket) => (bucket, path.to_owned()),
            None => match path.split_once('/') {
                Some((bucket, key)) => (bucket.to_owned(), key.to_owned()),
                None => (path.to_owned(), String::new()),
            },
        };
        let (tenant, bucket) = match bucket.split_once(':') {
            Some((tenant, bucket)) if self.has_tenants => (Some(tenant.to_owned()), bucket),
            _ => (None, bucket.as_str()),
        };
        let target = Target::parse(bucket, &key)?;
        let operation = find_operation(parts, target.form(), &query)?;
        Ok(Route {
            operation,
            target,
            tenant,
            query,
        })
    }

    /// The bucket that stands in front of a configured domain.
    pub(crate) fn bucket_in_host(&self, parts: &Parts) -> Option<String> {
        let host = host_without_port(host(parts)?).to_ascii_lowercase();
        for domain in &self.domains {
            if host == *domain {
                return None;
            }
            let before = host.strip_suffix(domain.as_str());
            if let Some(bucket) = before.and_then(|before| before.strip_suffix('.')) {
                return Some(bucket.to_owned());
            }
        }
        None
    }
}

impl Target {
    /// The bucket, unless it is the service.
    pub const fn bucket(&self) -> Option<&BucketName> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object(bucket, _) => Some(bucket),
        }
    }

    /// The key, if it is an object.
    pub const fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Service | Self::Bucket(_) => None,
            Self::Object(_, key) => Some(key),
        }
    }

    /// Its kind.
    pub const fn form(&self) -> Form {
        match self {
            Self::Service => Form::Service,
            Self::Bucket(_) => Form::Bucket,
            Self::Object(..) => Form::Object,
        }
    }

    /// The same for decisions.
    pub const fn resource(&self) -> cairn_iam::Resource<'_> {
        match self {
            Self::Service => cairn_iam::Resource::Service,
            Self::Bucket(bucket) => cairn_iam::Resource::Bucket(bucket),
            Self::Object(bucket, key) => cairn_iam::Resource::Object(bucket, key),
        }
    }

    fn parse(bucket: &str, key: &str) -> Result<Self, S3Error> {
        if bucket.is_empty() && key.is_empty() {
            return Ok(Self::Service);
        }
        let bucket = parse_bucket(bucket)?;
        if key.is_empty() {
            return Ok(Self::Bucket(bucket));
        }
        Ok(Self::Object(bucket, parse_key(key)?))
    }
}

/// The bucket name of a request.
pub(crate) fn parse_bucket(name: &str) -> Result<BucketName, S3Error> {
    BucketName::parse(name).map_err(|_| {
        let name: String = name.chars().take(256).collect();
        S3Error::new(Code::InvalidBucketName).detail("BucketName", name)
    })
}

/// The key of a request. Any UTF-8 but the three characters that no XML answer can hold in any form.
pub(crate) fn parse_key(key: &str) -> Result<ObjectKey, S3Error> {
    if key.contains(['\0', '\u{fffe}', '\u{ffff}']) {
        return Err(S3Error::new(Code::InvalidURI));
    }
    ObjectKey::parse(key).map_err(|error| match error {
        ObjectKeyError::TooLong { len } => S3Error::new(Code::KeyTooLongError)
            .detail("Size", len.to_string())
            .detail("MaxSizeAllowed", ObjectKey::MAX_LEN.to_string()),
        ObjectKeyError::Empty => S3Error::new(Code::InvalidURI),
    })
}

/// The host that a request was sent to, with its port: the header, or in HTTP/2 the authority.
pub(crate) fn host(parts: &Parts) -> Option<&str> {
    match parts.headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        None => parts.uri.authority().map(http::uri::Authority::as_str),
    }
}

fn host_without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host;
    }
    host.split_once(':').map_or(host, |(host, _)| host)
}

/// Two lengths for one body are an attempt to have two readers disagree about where it ends.
fn check_framing(parts: &Parts) -> Result<(), S3Error> {
    let lengths = parts.headers.get_all(header::CONTENT_LENGTH).iter().count();
    let chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
    if lengths > 1 || (lengths == 1 && chunked) {
        return Err(S3Error::with_message(
            Code::InvalidRequest,
            "A request has either one Content-Length or a Transfer-Encoding",
        ));
    }
    Ok(())
}

fn find_operation(parts: &Parts, form: Form, query: &Query) -> Result<Operation, S3Error> {
    let found = Operation::find(&parts.method, form, query, &parts.headers);
    let left_over = query.iter().map(|(name, _)| name).find(|name| {
        let is_asked = found.is_some_and(|found| found.row().has_parameter(name));
        !is_asked && is_subresource(&parts.method, name)
    });
    match (found, left_over) {
        (Some(found), None) => Ok(found),
        (None, None) => Err(method_not_allowed(&parts.method)),
        (found, Some(name)) => Err(refuse_subresource(found, &parts.method, form, name)),
    }
}

/// Why a sub-resource has no place in a request.
fn refuse_subresource(
    found: Option<Operation>,
    method: &Method,
    form: Form,
    name: &str,
) -> S3Error {
    if found.is_some_and(|found| {
        found
            .row()
            .marks
            .iter()
            .any(|mark| is_subresource_mark(*mark))
    }) {
        return S3Error::invalid_argument(
            "ResourceType",
            name,
            "Conflicting values provided in query parameters",
        );
    }
    if *method == Method::PUT && matches!(name, "partNumber" | "uploadId") {
        return S3Error::with_message(
            Code::InvalidArgument,
            "This request needs the parameters uploadId and partNumber, or neither",
        );
    }
    let has_row = |row: &crate::operations::Row| row.form == form && row.has_parameter(name);
    if Operation::rows().iter().any(has_row) {
        return method_not_allowed(method).detail("ResourceType", name.to_ascii_uppercase());
    }
    S3Error::unbuilt_parameter(name)
}

fn method_not_allowed(method: &Method) -> S3Error {
    S3Error::new(Code::MethodNotAllowed).detail("Method", method.as_str())
}

/// Whether a parameter changes what a request is, so that passing over it would do something else than was asked.
fn is_subresource(method: &Method, name: &str) -> bool {
    let reads = *method == Method::GET || *method == Method::HEAD;
    match name {
        // On a read it names the part to be read.
        "partNumber" => !reads,
        // Other stores append with these; an ignorant PUT would replace the object.
        "append" => true,
        name => Operation::rows()
            .iter()
            .flat_map(|row| row.marks)
            .any(|mark| mark.parameter() == Some(name) && is_subresource_mark(*mark)),
    }
}

/// Parameters that only refine another one, or that clients send for their own use, are no sub-resources.
fn is_subresource_mark(mark: crate::operations::Mark) -> bool {
    let refines = ["annotationName", "id", "list-type", "select-type", "x-id"];
    mark.parameter()
        .is_some_and(|name| !refines.contains(&name))
}

#[cfg(test)]
mod tests;
