//! Of what a bucket is told to be.

use cairn_conformance::{Bucket, fresh_name};
use cairn_dev_tests::request::Request;

use super::{MALFORMED, Of, Refused, of_bucket};

const CORS: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>\
                    </CORSConfiguration>";
const CONTROLS: &str = "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>";
const LOCK: &str = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
const PAYMENT: &str =
    "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>";
const ACCELERATE: &str =
    "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>";
const VERSIONING: &str =
    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
const BLOCK: &str = "<PublicAccessBlockConfiguration/>";
const TAGGING: &str = "<Tagging><TagSet/></Tagging>";
const LOGGING: &str = "<BucketLoggingStatus/>";

pub(super) fn rows(bucket: &Bucket) -> Vec<Refused> {
    let mut rows = of_no_bucket();
    rows.extend(of_nothing_set(bucket));
    rows.extend(of_documents(bucket));
    rows.extend(of_policies(bucket));
    rows.extend(of_meaning(bucket));
    rows
}

fn of_no_bucket() -> Vec<Refused> {
    let absent = fresh_name();
    let ask = |method, parameter, body: &str| {
        let request = of_bucket(method, &absent, parameter);
        if body.is_empty() {
            request
        } else {
            request.body(body.to_owned())
        }
    };
    [
        ("GetBucketAcl", "GET", "acl", ""),
        ("GetBucketCors", "GET", "cors", ""),
        ("PutBucketCors", "PUT", "cors", CORS),
        ("DeleteBucketCors", "DELETE", "cors", ""),
        ("GetBucketLogging", "GET", "logging", ""),
        ("PutBucketLogging", "PUT", "logging", LOGGING),
        ("GetBucketOwnershipControls", "GET", "ownershipControls", ""),
        (
            "PutBucketOwnershipControls",
            "PUT",
            "ownershipControls",
            CONTROLS,
        ),
        (
            "DeleteBucketOwnershipControls",
            "DELETE",
            "ownershipControls",
            "",
        ),
        ("GetBucketPolicy", "GET", "policy", ""),
        ("DeleteBucketPolicy", "DELETE", "policy", ""),
        ("GetBucketPolicyStatus", "GET", "policyStatus", ""),
        ("GetBucketRequestPayment", "GET", "requestPayment", ""),
        ("PutBucketRequestPayment", "PUT", "requestPayment", PAYMENT),
        ("GetBucketAccelerateConfiguration", "GET", "accelerate", ""),
        (
            "PutBucketAccelerateConfiguration",
            "PUT",
            "accelerate",
            ACCELERATE,
        ),
        ("GetBucketTagging", "GET", "tagging", ""),
        ("PutBucketTagging", "PUT", "tagging", TAGGING),
        ("DeleteBucketTagging", "DELETE", "tagging", ""),
        ("GetBucketVersioning", "GET", "versioning", ""),
        ("PutBucketVersioning", "PUT", "versioning", VERSIONING),
        ("GetObjectLockConfiguration", "GET", "object-lock", ""),
        ("PutObjectLockConfiguration", "PUT", "object-lock", LOCK),
        ("GetPublicAccessBlock", "GET", "publicAccessBlock", ""),
        ("PutPublicAccessBlock", "PUT", "publicAccessBlock", BLOCK),
        ("DeletePublicAccessBlock", "DELETE", "publicAccessBlock", ""),
    ]
    .into_iter()
    .map(|(operation, method, parameter, body)| {
        Of(operation).no_such_bucket(ask(method, parameter, body))
    })
    .collect()
}

fn of_nothing_set(bucket: &Bucket) -> Vec<Refused> {
    [
        (
            "GetBucketCors",
            "cors",
            "NoSuchCORSConfiguration",
            "The CORS configuration does not exist",
        ),
        (
            "GetBucketPolicy",
            "policy",
            "NoSuchBucketPolicy",
            "The bucket policy does not exist",
        ),
        (
            "GetBucketPolicyStatus",
            "policyStatus",
            "NoSuchBucketPolicy",
            "The bucket policy does not exist",
        ),
        (
            "GetBucketTagging",
            "tagging",
            "NoSuchTagSet",
            "The TagSet does not exist",
        ),
        (
            "GetObjectLockConfiguration",
            "object-lock",
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ),
        (
            "GetPublicAccessBlock",
            "publicAccessBlock",
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        ),
    ]
    .into_iter()
    .map(|(operation, parameter, code, message)| {
        Of(operation).with(
            of_bucket("GET", bucket.name(), parameter),
            404,
            code,
            message,
        )
    })
    .collect()
}

/// A document of another kind is none of the kind that is wanted.
fn of_documents(bucket: &Bucket) -> Vec<Refused> {
    let mut rows = Vec::new();
    for (operation, parameter) in [
        ("PutBucketCors", "cors"),
        ("PutBucketLogging", "logging"),
        ("PutBucketOwnershipControls", "ownershipControls"),
        ("PutBucketRequestPayment", "requestPayment"),
        ("PutBucketAccelerateConfiguration", "accelerate"),
        ("PutBucketTagging", "tagging"),
        ("PutBucketVersioning", "versioning"),
        ("PutObjectLockConfiguration", "object-lock"),
        ("PutPublicAccessBlock", "publicAccessBlock"),
    ] {
        for body in ["<Nonsense/>", "<", "nonsense"] {
            let put = of_bucket("PUT", bucket.name(), parameter).body(body);
            rows.push(Of(operation).malformed(put));
        }
    }
    let acl = Of("PutBucketAcl");
    let put = || of_bucket("PUT", bucket.name(), "acl");
    rows.push(acl.with(
        put().body("<Nonsense/>"),
        400,
        "MalformedACLError",
        MALFORMED,
    ));
    rows.push(acl.with(
        put().header("x-amz-acl", "public-read"),
        400,
        "AccessControlListNotSupported",
        "The bucket does not allow ACLs",
    ));
    rows.push(acl.invalid(put().header("x-amz-acl", "nonsense"), "Invalid Argument"));
    rows
}

fn of_policies(bucket: &Bucket) -> Vec<Refused> {
    let of = Of("PutBucketPolicy");
    let put = |text: String| of_bucket("PUT", bucket.name(), "policy").body(text);
    let statement = |resource: &str, action: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*", "Action": "{action}",
                "Resource": "{resource}"}}]}}"#
        )
    };
    let own = format!("arn:aws:s3:::{}/*", bucket.name());
    let row = |text: String, message| of.with(put(text), 400, "MalformedPolicy", message);
    vec![
        of.no_such_bucket(
            Request::new("PUT", format!("/{}", fresh_name()))
                .query("policy", "")
                .body("{}"),
        ),
        row(
            "nonsense".to_owned(),
            "Policies must be valid JSON and the first byte must be '{'",
        ),
        row(statement(&own, "nonsense"), "Policy has invalid action"),
        row(
            statement("nonsense", "s3:GetObject"),
            "Policy has invalid resource",
        ),
        row(
            statement(&own, "s3:ListBucket"),
            "Action does not apply to any resource(s) in statement",
        ),
    ]
}

fn of_meaning(bucket: &Bucket) -> Vec<Refused> {
    let put =
        |parameter, body: &str| of_bucket("PUT", bucket.name(), parameter).body(body.to_owned());
    let delete = CORS.replace("GET", "PATCH");
    let lock = Of("PutObjectLockConfiguration");
    vec![
        Of("PutBucketCors").with(
            put("cors", &delete),
            400,
            "InvalidRequest",
            "Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
        lock.with(
            put("object-lock", LOCK),
            409,
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        ),
        lock.invalid(
            put(
                "object-lock",
                &LOCK.replace(
                    "</ObjectLockConfiguration>",
                    "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>0</Days></DefaultRetention></Rule>\
                     </ObjectLockConfiguration>",
                ),
            ),
            "Default retention period must be a positive integer value.",
        ),
    ]
}
