//! Of objects and their versions, and of what is kept beside their bytes.

use cairn_conformance::{Bucket, fresh_name};
use cairn_dev_tests::request::Request;

use super::{INVALID_VERSION, NO_SUCH_VERSION, Of, Refused, absent_version, of_bucket, of_key};

const BAD_DIGEST: &str = "The Content-MD5 you specified did not match what we received.";
const NO_LOCK: &str = "Bucket is missing Object Lock Configuration";
const NO_ACLS: &str = "The bucket does not allow ACLs";

pub(super) fn rows(bucket: &Bucket) -> Vec<Refused> {
    let mut rows = of_names(bucket);
    rows.extend(of_bodies(bucket));
    rows.extend(of_copies(bucket));
    rows.extend(of_reads(bucket));
    rows.extend(of_deletions(bucket));
    rows.extend(of_tags(bucket));
    rows.extend(of_locks(bucket));
    rows.extend(of_acls(bucket));
    rows
}

/// What holds of every operation on an object that reads or changes one: bucket, key and version have to be there.
fn of_names(bucket: &Bucket) -> Vec<Refused> {
    let absent = fresh_name();
    let tagging = "<Tagging><TagSet/></Tagging>";
    let hold = "<LegalHold><Status>ON</Status></LegalHold>";
    let retention = "<Retention/>";
    let mut rows = Vec::new();
    for (operation, method, parameter, body) in [
        ("GetObject", "GET", "", ""),
        ("HeadObject", "HEAD", "", ""),
        ("GetObjectAcl", "GET", "acl", ""),
        ("GetObjectAttributes", "GET", "attributes", ""),
        ("GetObjectTagging", "GET", "tagging", ""),
        ("PutObjectTagging", "PUT", "tagging", tagging),
        ("DeleteObjectTagging", "DELETE", "tagging", ""),
    ] {
        let of = Of(operation);
        let ask = |name: &str| {
            let request = Request::key(method, name, "absent");
            let request = request.header("x-amz-object-attributes", "ETag");
            let request = match parameter {
                "" => request,
                parameter => request.query(parameter, ""),
            };
            if body.is_empty() {
                request
            } else {
                request.body(body)
            }
        };
        rows.push(of.no_such_bucket(ask(&absent)));
        rows.push(of.no_such_key(ask(bucket.name())));
        let named = ask(bucket.name()).query("versionId", absent_version());
        rows.push(of.with(named, 404, "NoSuchVersion", NO_SUCH_VERSION));
        let nonsense = ask(bucket.name()).query("versionId", "nonsense");
        rows.push(of.invalid(nonsense, INVALID_VERSION));
    }
    for (operation, parameter, body) in [
        ("PutObject", "", "x"),
        ("PutObjectLegalHold", "legal-hold", hold),
        ("PutObjectRetention", "retention", retention),
    ] {
        let request = Request::key("PUT", &absent, "key").body(body);
        let request = match parameter {
            "" => request,
            parameter => request.query(parameter, ""),
        };
        rows.push(Of(operation).no_such_bucket(request));
    }
    rows
}

fn of_bodies(bucket: &Bucket) -> Vec<Refused> {
    let put = Of("PutObject");
    let ask = || Request::key("PUT", bucket.name(), "key").body("content");
    let long = "k".repeat(1_025);
    let key_too_long = Request::key("PUT", bucket.name(), &long).body("x");
    vec![
        put.with(key_too_long, 400, "KeyTooLongError", "Your key is too long"),
        put.with(
            ask().header("content-md5", "nonsense"),
            400,
            "InvalidDigest",
            "The Content-MD5 you specified was invalid.",
        ),
        put.with(
            ask().header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            400,
            "BadDigest",
            BAD_DIGEST,
        ),
        put.with(
            ask().header("x-amz-checksum-crc32", "nonsense"),
            400,
            "InvalidRequest",
            "Value for x-amz-checksum-crc32 header is invalid.",
        ),
        put.with(
            ask().header("x-amz-checksum-crc32", "AAAAAA=="),
            400,
            "BadDigest",
            "The CRC32 you specified did not match the calculated checksum.",
        ),
        put.with(
            ask().header("x-amz-storage-class", "nonsense"),
            400,
            "InvalidStorageClass",
            "The storage class you specified is not valid",
        ),
        put.with(
            ask().header("x-amz-meta-a", "a".repeat(3_000)),
            400,
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        ),
        put.with(
            ask().header("x-amz-website-redirect-location", "nonsense"),
            400,
            "InvalidRedirectLocation",
            "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
        ),
        put.with(
            ask().header("x-amz-acl", "public-read"),
            400,
            "AccessControlListNotSupported",
            NO_ACLS,
        ),
        put.invalid(
            ask().header("x-amz-object-lock-legal-hold", "nonsense"),
            "Legal Hold must be either of 'ON' or 'OFF'",
        ),
        put.with(
            ask().header("x-amz-object-lock-legal-hold", "ON"),
            400,
            "InvalidRequest",
            NO_LOCK,
        ),
    ]
}

fn of_copies(bucket: &Bucket) -> Vec<Refused> {
    let copy = Of("CopyObject");
    let ask = |source: String| {
        Request::key("PUT", bucket.name(), "copy").header("x-amz-copy-source", source)
    };
    let own = |key: &str| format!("/{}/{key}", bucket.name());
    vec![
        copy.no_such_key(ask(own("absent"))),
        copy.no_such_bucket(ask(format!("/{}/key", fresh_name()))),
        copy.invalid(
            ask("nonsense".to_owned()),
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        ),
        copy.invalid(
            ask(own("absent")).header("x-amz-metadata-directive", "nonsense"),
            "Unknown metadata directive.",
        ),
        copy.invalid(
            ask(own("absent")).header("x-amz-tagging-directive", "nonsense"),
            "Unknown tagging directive.",
        ),
        copy.with(
            ask(own("copy")),
            400,
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
             metadata, storage class, website redirect location or encryption attributes.",
        ),
    ]
}

fn of_reads(bucket: &Bucket) -> Vec<Refused> {
    let (get, attributes) = (Of("GetObject"), Of("GetObjectAttributes"));
    let ask = || of_key("GET", bucket, "absent", "");
    vec![
        get.with(
            ask().header("range", "bytes=0-1").query("partNumber", "1"),
            400,
            "InvalidRequest",
            "Cannot specify both Range header and partNumber query parameter",
        ),
        get.invalid(
            ask().query("partNumber", "0"),
            "Part number must be an integer between 1 and 10000, inclusive",
        ),
        attributes.with(
            ask().query("attributes", ""),
            400,
            "InvalidRequest",
            "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
        ),
        attributes.invalid(
            ask()
                .query("attributes", "")
                .header("x-amz-object-attributes", "nonsense"),
            "Invalid attribute name specified.",
        ),
    ]
}

fn of_deletions(bucket: &Bucket) -> Vec<Refused> {
    let (one, many) = (Of("DeleteObject"), Of("DeleteObjects"));
    let absent = fresh_name();
    let list = || {
        let inner = "<Object><Key>a</Key></Object>";
        of_bucket("POST", bucket.name(), "delete").body(format!("<Delete>{inner}</Delete>"))
    };
    vec![
        one.no_such_bucket(Request::key("DELETE", &absent, "key")),
        one.invalid(
            of_key("DELETE", bucket, "key", "").query("versionId", "nonsense"),
            INVALID_VERSION,
        ),
        many.with(
            list(),
            400,
            "InvalidRequest",
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
        ),
        many.with(
            list().header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            400,
            "BadDigest",
            BAD_DIGEST,
        ),
    ]
}

fn of_tags(bucket: &Bucket) -> Vec<Refused> {
    let put = Of("PutObjectTagging");
    let of = |tags: &str| {
        let body = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
        of_key("PUT", bucket, "absent", "tagging").body(body)
    };
    let tag = |key: &str, value: &str| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    let eleven: String = (0..11).map(|number| tag(&number.to_string(), "")).collect();
    let long = "a".repeat(129);
    let longer = "a".repeat(257);
    vec![
        put.malformed(of_key("PUT", bucket, "absent", "tagging").body("<Tagging>")),
        put.with(of(&eleven), 400, "BadRequest", "Object tags cannot be greater than 10"),
        put.with(
            of(&tag(&long, "")),
            400,
            "InvalidTag",
            "The TagKey you have provided is invalid",
        ),
        put.with(
            of(&tag("a", &longer)),
            400,
            "InvalidTag",
            "The TagValue you have provided is invalid",
        ),
        put.with(
            of(&format!("{}{}", tag("a", ""), tag("a", ""))),
            400,
            "InvalidTag",
            "Cannot provide multiple Tags with the same key",
        ),
        put.with(
            of(&tag("aws:a", "")),
            400,
            "InvalidTag",
            "System tags cannot be added/updated by requester",
        ),
        Of("PutObject").invalid(
            Request::key("PUT", bucket.name(), "key")
                .header("x-amz-tagging", "a=1&a=2")
                .body("x"),
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name \
             duplicates.",
        ),
    ]
}

fn of_locks(bucket: &Bucket) -> Vec<Refused> {
    let ahead = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2999-01-01T00:00:00Z</RetainUntilDate></Retention>";
    let hold = "<LegalHold><Status>ON</Status></LegalHold>";
    let mut rows = Vec::new();
    for (operation, method, parameter, body) in [
        ("GetObjectLegalHold", "GET", "legal-hold", ""),
        ("PutObjectLegalHold", "PUT", "legal-hold", hold),
        ("GetObjectRetention", "GET", "retention", ""),
        ("PutObjectRetention", "PUT", "retention", ahead),
    ] {
        let of = Of(operation);
        let request = of_key(method, bucket, "absent", parameter);
        if method == "GET" {
            rows.push(of.no_such_key(request));
            continue;
        }
        rows.push(of.with(request.clone().body(body), 400, "InvalidRequest", NO_LOCK));
        rows.push(of.malformed(request.clone().body("<Nonsense/>")));
    }
    let behind = ahead.replace("2999", "1999");
    let request = of_key("PUT", bucket, "absent", "retention").body(behind);
    rows.push(
        Of("PutObjectRetention").invalid(request, "The retain until date must be in the future!"),
    );
    rows
}

fn of_acls(bucket: &Bucket) -> Vec<Refused> {
    let put = Of("PutObjectAcl");
    let ask = |key: &str| of_key("PUT", bucket, key, "acl");
    vec![
        put.no_such_key(ask("absent").header("x-amz-acl", "private")),
        put.with(
            ask("absent").body("<Nonsense/>"),
            400,
            "MalformedACLError",
            "The XML you provided was not well-formed or did not validate against our published schema",
        ),
        put.with(
            ask("absent"),
            400,
            "MissingSecurityHeader",
            "Your request was missing a required header.",
        ),
    ]
}
