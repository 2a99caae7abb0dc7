//! Of uploads in parts.

use cairn_conformance::{Bucket, fresh_name};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

use super::{NO_SUCH_UPLOAD, Of, Refused, of_key};

const PART_NUMBER: &str = "Part number must be an integer between 1 and 10000, inclusive";
const INVALID_PART: &str = "One or more of the specified parts could not be found. The part may not have been uploaded, or the \
                            specified entity tag may not match the part's entity tag.";

pub(super) fn rows(bucket: &Bucket) -> Vec<Refused> {
    let mut rows = of_no_upload(bucket);
    rows.extend(of_arguments(bucket));
    rows.extend(of_completions(bucket));
    rows
}

fn of_no_upload(bucket: &Bucket) -> Vec<Refused> {
    let list = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>";
    let source = format!("/{}/absent", bucket.name());
    let mut rows = Vec::new();
    for (operation, method, is_part, body) in [
        ("UploadPart", "PUT", true, "x"),
        ("CompleteMultipartUpload", "POST", false, list),
        ("AbortMultipartUpload", "DELETE", false, ""),
        ("ListParts", "GET", false, ""),
    ] {
        let ask = |name: &str| {
            let request = Request::key(method, name, "key").query("uploadId", "nonsense");
            let request = if is_part {
                request.query("partNumber", "1")
            } else {
                request
            };
            if body.is_empty() {
                request
            } else {
                request.body(body)
            }
        };
        let of = Of(operation);
        rows.push(of.no_such_bucket(ask(&fresh_name())));
        rows.push(of.with(ask(bucket.name()), 404, "NoSuchUpload", NO_SUCH_UPLOAD));
    }
    let copy = of_key("PUT", bucket, "key", "")
        .query("uploadId", "nonsense")
        .query("partNumber", "1");
    rows.push(Of("UploadPartCopy").with(
        copy.header("x-amz-copy-source", source),
        404,
        "NoSuchUpload",
        NO_SUCH_UPLOAD,
    ));
    let create = Request::key("POST", &fresh_name(), "key").query("uploads", "");
    rows.push(Of("CreateMultipartUpload").no_such_bucket(create));
    rows
}

fn of_arguments(bucket: &Bucket) -> Vec<Refused> {
    let (part, copy, create) = (
        Of("UploadPart"),
        Of("UploadPartCopy"),
        Of("CreateMultipartUpload"),
    );
    let mut rows = Vec::new();
    for number in ["0", "10001", "nonsense"] {
        let request = of_key("PUT", bucket, "key", "")
            .query("uploadId", "a")
            .query("partNumber", number);
        rows.push(part.invalid(request.clone().body("x"), PART_NUMBER));
        let request = request.header("x-amz-copy-source", format!("/{}/a", bucket.name()));
        rows.push(copy.invalid(request, PART_NUMBER));
    }
    rows.push(create.with(
        of_key("POST", bucket, "key", "uploads").header("x-amz-checksum-type", "FULL_OBJECT"),
        400,
        "InvalidRequest",
        "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
    ));
    rows.push(
        create.with(
            of_key("POST", bucket, "key", "uploads")
                .header("x-amz-checksum-algorithm", "SHA256")
                .header("x-amz-checksum-type", "FULL_OBJECT"),
            400,
            "InvalidRequest",
            "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm.",
        ),
    );
    rows
}

fn of_completions(bucket: &Bucket) -> Vec<Refused> {
    let complete = Of("CompleteMultipartUpload");
    let begun = bucket
        .endpoint()
        .exchange(of_key("POST", bucket, "key", "uploads"));
    let upload = xml::text(&begun.body, "UploadId").expect("an upload was begun");
    let etags = [1, 2].map(|number: u16| {
        let put = of_key("PUT", bucket, "key", "").query("uploadId", upload.clone());
        let put = put.query("partNumber", number.to_string()).body("x");
        let answer = bucket.endpoint().exchange(put);
        answer.header("etag").expect("a part was stored").to_owned()
    });
    let [first, second] = etags;
    let list = |parts: &[(u16, &str)]| {
        let part = |(number, etag): &(u16, &str)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        };
        let parts: String = parts.iter().map(part).collect();
        let request = of_key("POST", bucket, "key", "").query("uploadId", upload.clone());
        request.body(format!(
            "<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
        ))
    };
    vec![
        complete.malformed(list(&[])),
        complete.with(list(&[(3, &first)]), 400, "InvalidPart", INVALID_PART),
        complete.with(
            list(&[(1, "\"00000000000000000000000000000000\"")]),
            400,
            "InvalidPart",
            INVALID_PART,
        ),
        complete.with(
            list(&[(2, &second), (1, &first)]),
            400,
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        ),
        complete.with(
            list(&[(1, &first), (2, &second)]),
            400,
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
        ),
    ]
}
