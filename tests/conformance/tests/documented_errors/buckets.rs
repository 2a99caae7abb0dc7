//! Of buckets themselves, and of browsers and forms.

use cairn_conformance::{Bucket, fresh_name};
use cairn_dev_tests::request::Request;

use super::{MALFORMED, Of, Refused, of_bucket};

const INVALID_NAME: &str = "The specified bucket is not valid.";

pub(super) fn rows(bucket: &Bucket) -> Vec<Refused> {
    let name = bucket.name();
    let absent = fresh_name();
    let mut rows = of_names(&absent);
    rows.extend(of_documents(&absent));
    let list = Of("ListBuckets");
    let delete = Of("DeleteBucket");
    let head = Of("HeadBucket");
    let location = Of("GetBucketLocation");
    let preflight = |path: String| Request::new("OPTIONS", path).header("origin", "http://a");
    let bucket_options = Of("OptionsBucket");
    let object_options = Of("OptionsObject");
    let missing = "Insufficient information. Origin request header needed.";
    let post = Of("PostObject");
    rows.extend([
        list.invalid(
            Request::new("GET", "/").query("max-buckets", "0"),
            "Argument max-buckets must be an integer between 1 and 10000",
        ),
        list.invalid(
            Request::new("GET", "/").query("continuation-token", "!"),
            "The continuation token provided is incorrect",
        ),
        delete.no_such_bucket(of_bucket("DELETE", &absent, "")),
        head.no_such_bucket(of_bucket("HEAD", &absent, "")),
        location.no_such_bucket(of_bucket("GET", &absent, "location")),
        bucket_options.with(
            Request::new("OPTIONS", format!("/{name}")),
            400,
            "BadRequest",
            missing,
        ),
        bucket_options.with(
            preflight(format!("/{name}")).header("access-control-request-method", "GET"),
            403,
            "AccessForbidden",
            "CORSResponse: CORS is not enabled for this bucket.",
        ),
        object_options.with(
            Request::new("OPTIONS", format!("/{name}/key")),
            400,
            "BadRequest",
            missing,
        ),
        object_options.with(
            preflight(format!("/{name}/key")).header("access-control-request-method", "GET"),
            403,
            "AccessForbidden",
            "CORSResponse: CORS is not enabled for this bucket.",
        ),
        post.with(
            of_bucket("POST", name, "").body("x"),
            400,
            "RequestIsNotMultiPartContent",
            "A bucket POST request must be of the enclosure-type multipart/form-data.",
        ),
        post.with(
            of_bucket("POST", name, "")
                .header("content-type", "multipart/form-data; boundary=b")
                .body("x"),
            400,
            "MalformedPOSTRequest",
            "The body of your POST request is not well-formed multipart/form-data.",
        ),
    ]);
    rows
}

fn of_names(absent: &str) -> Vec<Refused> {
    let create = Of("CreateBucket");
    let names = [
        "ab",
        "Upper",
        "under_score",
        "a..b",
        "a.-b",
        "-ab",
        "1.2.3.4",
    ];
    let mut rows: Vec<Refused> = names
        .into_iter()
        .map(|name| {
            create.with(
                of_bucket("PUT", name, ""),
                400,
                "InvalidBucketName",
                INVALID_NAME,
            )
        })
        .collect();
    rows.extend([
        create.invalid(
            of_bucket("PUT", absent, "").header("x-amz-acl", "nonsense"),
            "Invalid Argument",
        ),
        create.invalid(
            of_bucket("PUT", absent, "").header("x-amz-object-ownership", "nonsense"),
            "Invalid x-amz-object-ownership header: nonsense",
        ),
        create.with(
            of_bucket("PUT", absent, "").header("x-amz-acl", "public-read"),
            400,
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        ),
    ]);
    rows
}

fn of_documents(absent: &str) -> Vec<Refused> {
    let create = Of("CreateBucket");
    let of = |inner: &str| {
        let root = "CreateBucketConfiguration";
        of_bucket("PUT", absent, "").body(format!("<{root}>{inner}</{root}>"))
    };
    vec![
        create.with(of("<"), 400, "MalformedXML", MALFORMED),
        create.with(of("<Nonsense/>"), 400, "MalformedXML", MALFORMED),
        create.with(
            of("<LocationConstraint>nowhere</LocationConstraint>"),
            400,
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
        ),
    ]
}
