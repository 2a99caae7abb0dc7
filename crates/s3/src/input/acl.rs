//! What a request says that an ACL is to be: `x-amz-acl`, `x-amz-grant-*` or a document.

use cairn_iam::acl::{Acl, CannedAcl, Grant, Grantee, Group, Permission};
use cairn_types::account::CanonicalId;
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::version::NamedVersion;

use super::request::Request;
use crate::code::Code;
use crate::error::S3Error;
use crate::xml::access_control::{AclDocument, NamedGrant, NamedGrantee};

/// An ACL as a request says it. Whom it grants to is not looked up yet: `resolve_grants` does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AclInput {
    /// Nothing is said of it.
    #[default]
    Unsaid,
    /// It has this name.
    Canned(CannedAcl),
    /// It grants this, by headers; at least one, at most 100.
    Grants(Vec<NamedGrant>),
    /// It is spelled out.
    Document(AclDocument),
}

/// The input of `PutBucketAcl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBucketAclInput {
    /// The bucket.
    pub bucket: BucketName,
    /// What its ACL is to be; never `Unsaid`.
    pub acl: AclInput,
}

/// The input of `PutObjectAcl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObjectAclInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Which version, if not the newest.
    pub version: Option<NamedVersion>,
    /// What its ACL is to be; never `Unsaid`.
    pub acl: AclInput,
}

impl AclInput {
    /// Reads the headers: those of requests that make a bucket, an object or an upload.
    ///
    /// # Errors
    /// `InvalidArgument` for a name or a header that cannot be, `InvalidRequest` for a canned ACL beside grants.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let canned = match request.header("x-amz-acl")?.as_deref() {
            None | Some("") => None,
            Some(name) => Some(parse_canned(name)?),
        };
        let grants = header_grants(request)?;
        match (canned, grants.is_empty()) {
            (None, true) => Ok(Self::Unsaid),
            (Some(canned), true) => Ok(Self::Canned(canned)),
            (None, false) => Ok(Self::Grants(grants)),
            (Some(_), false) => Err(S3Error::with_message(
                Code::InvalidRequest,
                "Specifying both Canned ACLs and Header Grants is not allowed",
            )),
        }
    }

    /// The canned ACL, if it is one.
    pub const fn canned(&self) -> Option<CannedAcl> {
        match self {
            Self::Canned(canned) => Some(*canned),
            Self::Unsaid | Self::Grants(_) | Self::Document(_) => None,
        }
    }

    /// Reads what `PutBucketAcl` and `PutObjectAcl` say: by headers or by their document.
    fn parse_put(request: &Request<'_>, document: Option<AclDocument>) -> Result<Self, S3Error> {
        match (Self::parse(request)?, document) {
            (Self::Unsaid, Some(document)) => Ok(Self::Document(document)),
            (Self::Unsaid, None) => {
                Err(S3Error::new(Code::MissingSecurityHeader)
                    .detail("MissingHeaderName", "x-amz-acl"))
            }
            (_, Some(_)) => Err(S3Error::new(Code::UnexpectedContent)),
            (said, None) => Ok(said),
        }
    }
}

impl PutBucketAclInput {
    /// Reads the input. `document` is what `parse_access_control` found.
    ///
    /// # Errors
    /// `MissingSecurityHeader` when nothing says what the ACL is to be, `UnexpectedContent` when headers and a document do,
    /// and those of `AclInput`.
    pub fn parse(request: &Request<'_>, document: Option<AclDocument>) -> Result<Self, S3Error> {
        Ok(Self {
            bucket: request.bucket()?,
            acl: AclInput::parse_put(request, document)?,
        })
    }
}

impl PutObjectAclInput {
    /// Reads the input. `document` is what `parse_access_control` found.
    ///
    /// # Errors
    /// As for `PutBucketAcl`, and `InvalidArgument` for a version that cannot be.
    pub fn parse(request: &Request<'_>, document: Option<AclDocument>) -> Result<Self, S3Error> {
        let (bucket, key) = request.object()?;
        Ok(Self {
            bucket,
            key,
            version: request.version()?,
            acl: AclInput::parse_put(request, document)?,
        })
    }
}

/// The ACL that grants this, once accounts are known: `knows` says whether there is one with an id, `of_email` which one has
/// an e-mail.
///
/// # Errors
/// `InvalidArgument` for an id or a group that there is not, `UnresolvableGrantByEmailAddress`, `MalformedACLError` for more
/// than 100 grants.
pub fn resolve_grants(
    grants: &[NamedGrant],
    knows: impl Fn(&CanonicalId) -> bool,
    of_email: impl Fn(&str) -> Option<CanonicalId>,
) -> Result<Acl, S3Error> {
    let resolve = |grant: &NamedGrant| {
        let grantee = match &grant.grantee {
            NamedGrantee::Id(text) => {
                let id = CanonicalId::parse(text).ok().filter(|id| knows(id));
                id.map(Grantee::Account).ok_or_else(|| {
                    S3Error::invalid_argument("CanonicalUser/ID", text, "Invalid id")
                })
            }
            NamedGrantee::Email(email) => of_email(email)
                .map(Grantee::Account)
                .ok_or_else(|| S3Error::new(Code::UnresolvableGrantByEmailAddress)),
            NamedGrantee::Uri(uri) => Group::parse(uri)
                .map(Grantee::Group)
                .ok_or_else(|| S3Error::invalid_argument("Group/URI", uri, "Invalid group uri")),
        };
        grantee.map(|grantee| Grant {
            grantee,
            permission: grant.permission,
        })
    };
    let resolved = grants.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
    Acl::new(resolved).map_err(|_| S3Error::new(Code::MalformedACLError))
}

/// The canned ACL of this name.
///
/// # Errors
/// `InvalidArgument`: there is none.
pub fn parse_canned(name: &str) -> Result<CannedAcl, S3Error> {
    CannedAcl::parse(name).ok_or_else(|| {
        S3Error::invalid_argument("x-amz-acl", name, Code::InvalidArgument.message())
    })
}

fn header_grants(request: &Request<'_>) -> Result<Vec<NamedGrant>, S3Error> {
    let mut grants = Vec::new();
    for permission in Permission::ALL {
        let name = permission.header();
        let Some(text) = request.header(name)? else {
            continue;
        };
        for item in split_outside_quotes(&text) {
            let grantee = parse_grantee(item).ok_or_else(|| {
                S3Error::invalid_argument(name, &text, "Argument format not recognized")
            })?;
            grants.push(NamedGrant {
                grantee,
                permission,
            });
        }
    }
    if grants.len() > Acl::MAX_GRANTS {
        return Err(S3Error::with_message(
            Code::InvalidRequest,
            "An ACL has at most 100 grants",
        ));
    }
    Ok(grants)
}

/// What stands between commas, but for those in quotes; nothing of an empty text.
fn split_outside_quotes(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |letter| {
        is_quoted ^= letter == '"';
        letter == ',' && !is_quoted
    })
    .map(str::trim)
    .filter(|item| !item.is_empty())
}

/// `id="…"`, `emailAddress="…"` or `uri="…"`, with or without quotes.
fn parse_grantee(item: &str) -> Option<NamedGrantee> {
    let (kind, name) = item.split_once('=')?;
    let name = name.trim();
    let name = match name.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => name,
    };
    if name.is_empty() {
        return None;
    }
    match kind.trim().to_ascii_lowercase().as_str() {
        "id" => Some(NamedGrantee::Id(name.to_owned())),
        "emailaddress" => Some(NamedGrantee::Email(name.to_owned())),
        "uri" => Some(NamedGrantee::Uri(name.to_owned())),
        _ => None,
    }
}
