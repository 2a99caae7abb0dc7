//! Bodies in the `aws-chunked` coding, built chunk by chunk.

use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::checksum::Algorithm;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::{
    Moment, STREAMING, STREAMING_TRAILER, STREAMING_UNSIGNED_TRAILER, Signer,
};
use cairn_dev_tests::wire::Answer;
use cairn_dev_tests::xml;

use crate::samples::{assert_bytes, content};

/// A `PUT` whose head is signed, and all that its chunks need.
struct Upload {
    head: Request,
    moment: Moment,
    seed: String,
    signer: Signer,
}

/// The framing of a body with signed chunks, and the signature of its last, empty chunk.
fn signed_chunks(upload: &Upload, chunks: &[&[u8]]) -> (Vec<u8>, String) {
    let (mut body, mut previous) = (Vec::new(), upload.seed.clone());
    for chunk in chunks.iter().copied().chain([b"".as_slice()]) {
        let signer = &upload.signer;
        previous = signer.chunk_signature(upload.moment, &previous, chunk);
        body.extend(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).bytes());
        body.extend(chunk);
        body.extend(if chunk.is_empty() {
            b"".as_slice()
        } else {
            b"\r\n"
        });
    }
    (body, previous)
}

/// The framing of a body without chunk signatures, up to its last chunk and without the end.
fn plain_chunks(chunks: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in chunks {
        body.extend(format!("{:x}\r\n", chunk.len()).bytes());
        body.extend_from_slice(chunk);
        body.extend(b"\r\n");
    }
    body.extend(b"0\r\n");
    body
}

impl Upload {
    fn new(request: Request, payload: &str, decoded_len: usize) -> Self {
        let endpoint = endpoint();
        let moment = Moment::now();
        let request = request
            .payload(payload)
            .with("x-amz-decoded-content-length", decoded_len.to_string())
            // Replaced when the body is known; lengths are never signed.
            .header("content-length", "0");
        let request = match request.value("content-encoding") {
            Some(_) => request,
            None => request.header("content-encoding", "aws-chunked"),
        };
        let (head, seed) = request.signed_at(&endpoint.signer, &endpoint.host, moment);
        Self {
            head,
            moment,
            seed,
            signer: endpoint.signer.clone(),
        }
    }

    fn send(&self, body: Vec<u8>) -> Answer {
        let len = body.len().to_string();
        let mut request = self.head.clone().with("content-length", len);
        request.body = body.into();
        endpoint().connect().exchange(&request)
    }
}

fn put(bucket: &Bucket) -> Request {
    Request::key("PUT", bucket.name(), "key")
}

fn unsigned(bucket: &Bucket, algorithm: Algorithm, decoded_len: usize) -> Upload {
    let request = put(bucket).header("x-amz-trailer", algorithm.header());
    Upload::new(request, STREAMING_UNSIGNED_TRAILER, decoded_len)
}

fn with_trailer(chunks: &[&[u8]], name: &str, value: &str) -> Vec<u8> {
    let mut body = plain_chunks(chunks);
    body.extend(format!("{name}:{value}\r\n\r\n").bytes());
    body
}

#[track_caller]
fn assert_absent(bucket: &Bucket) {
    let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.status, 404);
}

#[track_caller]
fn assert_stored(bucket: &Bucket, expected: &[u8]) {
    let get = endpoint().exchange(Request::key("GET", bucket.name(), "key"));
    assert_eq!(get.status, 200);
    assert_bytes(&get.body, expected);
    let delete = endpoint().exchange(Request::key("DELETE", bucket.name(), "key"));
    assert_eq!(delete.status, 204);
}

#[test]
fn signed_chunks_of_any_size_are_joined() {
    let bucket = Bucket::create_blocking();
    for (len, chunk_len) in [
        (0, 8_192),
        (1, 8_192),
        (8_192, 8_192),
        (8_193, 8_192),
        (100_000, 65_536),
        (3_000_000, 1_000_001),
        (5_242_880, 65_536),
    ] {
        let body = content("key", len);
        let chunks: Vec<&[u8]> = body.chunks(chunk_len).collect();
        let upload = Upload::new(put(&bucket), STREAMING, body.len());
        let (mut framed, _) = signed_chunks(&upload, &chunks);
        framed.extend(b"\r\n");
        let answer = upload.send(framed);
        assert_eq!(answer.status, 200, "{len}: {}", answer.text());
        assert_stored(&bucket, &body);
    }
}

#[test]
fn a_wrong_signature_of_any_chunk_stores_nothing() {
    let bucket = Bucket::create_blocking();
    let body = content("key", 2_000_000);
    let chunks: Vec<&[u8]> = body.chunks(500_000).collect();
    for broken in 0..=chunks.len() {
        let upload = Upload::new(put(&bucket), STREAMING, body.len());
        let (framed, _) = signed_chunks(&upload, &chunks);
        // Flip the first hex digit of the signature of that chunk.
        let marker = b"chunk-signature=";
        let at = framed
            .windows(marker.len())
            .enumerate()
            .filter(|(_, window)| *window == marker)
            .nth(broken)
            .map(|(at, _)| at + marker.len())
            .unwrap();
        let mut forged = framed;
        forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
        forged.extend(b"\r\n");
        let answer = upload.send(forged);
        let expected = (403, "SignatureDoesNotMatch".to_owned());
        assert_eq!(answer.verdict(), expected, "chunk {broken}");
        assert_absent(&bucket);
    }
}

#[test]
fn a_byte_changed_under_a_signed_chunk_stores_nothing() {
    let bucket = Bucket::create_blocking();
    let body = content("key", 300_000);
    let upload = Upload::new(put(&bucket), STREAMING, body.len());
    let (mut framed, _) = signed_chunks(&upload, &[&body]);
    framed[200_000] ^= 1;
    framed.extend(b"\r\n");
    let answer = upload.send(framed);
    assert_eq!(answer.verdict(), (403, "SignatureDoesNotMatch".to_owned()));
    assert_absent(&bucket);
}

#[test]
fn trailers_without_signatures_are_verified_for_every_algorithm() {
    let bucket = Bucket::create_blocking();
    for algorithm in Algorithm::ALL {
        for len in [0, 1, 65_536, 1_500_000] {
            let body = content("key", len);
            let chunks: Vec<&[u8]> = body.chunks(65_537).collect();
            let (name, value) = (algorithm.header(), algorithm.value(&body));
            let upload = unsigned(&bucket, algorithm, body.len());
            let wrong = algorithm.value(b"other");
            let refused = upload.send(with_trailer(&chunks, name, &wrong));
            assert_eq!(
                refused.verdict(),
                (400, "BadDigest".to_owned()),
                "{algorithm:?}"
            );
            assert_absent(&bucket);

            let upload = unsigned(&bucket, algorithm, body.len());
            let accepted = upload.send(with_trailer(&chunks, name, &value));
            assert_eq!(accepted.status, 200, "{algorithm:?} {}", accepted.text());
            let head = Request::key("HEAD", bucket.name(), "key");
            let head = endpoint().exchange(head.header("x-amz-checksum-mode", "ENABLED"));
            assert_eq!(head.header(name), Some(value.as_str()));
            assert_stored(&bucket, &body);
        }
    }
}

#[test]
fn a_trailer_that_is_missing_unasked_for_or_malformed_stores_nothing() {
    let bucket = Bucket::create_blocking();
    let body = content("key", 100_000);
    let (name, algorithm) = (Algorithm::Crc32.header(), Algorithm::Crc32);
    let value = algorithm.value(&body);
    let end = |text: String| [plain_chunks(&[&body]), text.into_bytes()].concat();
    for (what, framed) in [
        ("missing", end("\r\n".to_owned())),
        (
            "another",
            with_trailer(
                &[&body],
                "x-amz-checksum-crc32c",
                &Algorithm::Crc32c.value(&body),
            ),
        ),
        ("no base64", with_trailer(&[&body], name, "!!!!")),
        ("short", with_trailer(&[&body], name, "AAAA")),
        ("no colon", end(format!("{name}{value}\r\n\r\n"))),
        ("huge", with_trailer(&[&body], name, &"A".repeat(1_000_000))),
        (
            "twice",
            end(format!("{name}:{value}\r\n{name}:AAAAAA==\r\n\r\n")),
        ),
    ] {
        let answer = unsigned(&bucket, algorithm, body.len()).send(framed);
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        assert_absent(&bucket);
    }
}

#[test]
fn signed_trailers_are_verified() {
    let bucket = Bucket::create_blocking();
    let body = content("key", 700_000);
    let chunks: Vec<&[u8]> = body.chunks(262_144).collect();
    let (name, value) = (Algorithm::Sha256.header(), Algorithm::Sha256.value(&body));
    for forged in [false, true] {
        let request = put(&bucket).header("x-amz-trailer", name);
        let upload = Upload::new(request, STREAMING_TRAILER, body.len());
        let (mut framed, last) = signed_chunks(&upload, &chunks);
        let trailer = format!("{name}:{value}\n");
        let mut signature = upload
            .signer
            .trailer_signature(upload.moment, &last, &trailer);
        if forged {
            let first = if signature.starts_with('0') { "1" } else { "0" };
            signature.replace_range(..1, first);
        }
        framed.extend(
            format!("{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n").bytes(),
        );
        let answer = upload.send(framed);
        if forged {
            assert_eq!(answer.verdict(), (403, "SignatureDoesNotMatch".to_owned()));
            assert_absent(&bucket);
        } else {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_stored(&bucket, &body);
        }
    }
}

#[test]
fn a_decoded_length_other_than_the_chunks_sum_stores_nothing() {
    let bucket = Bucket::create_blocking();
    let body = content("key", 100_000);
    let value = Algorithm::Crc32.value(&body);
    for declared in [0, 99_999, 100_001, 10_000_000] {
        let upload = unsigned(&bucket, Algorithm::Crc32, declared);
        let framed = with_trailer(&[&body], Algorithm::Crc32.header(), &value);
        let answer = upload.send(framed);
        assert_eq!(answer.status, 400, "{declared}: {}", answer.text());
        assert_absent(&bucket);
    }
}

#[test]
fn framing_that_lies_or_never_ends_stores_nothing() {
    let bucket = Bucket::create_blocking();
    let huge = "f".repeat(1_000_000);
    let extension = format!("5;x={huge}\r\n12345\r\n0\r\n\r\n");
    for (what, framed) in [
        ("2^63", "8000000000000000\r\n12345\r\n0\r\n\r\n"),
        ("2^64", "10000000000000000\r\n12345\r\n0\r\n\r\n"),
        ("no hex", "5g\r\n12345\r\n0\r\n\r\n"),
        ("negative", "-5\r\n12345\r\n0\r\n\r\n"),
        ("no size", "\r\n12345\r\n0\r\n\r\n"),
        ("endless size", &huge),
        ("huge extension", &extension),
        ("longer chunk", "5\r\n123456\r\n0\r\n\r\n"),
        ("no end", "5\r\n12345\r\n"),
        ("half a chunk", "5\r\n123"),
        ("nothing", ""),
    ] {
        let request = put(&bucket).header("x-amz-trailer", "x-amz-checksum-crc32");
        let upload = Upload::new(request, STREAMING_UNSIGNED_TRAILER, 5);
        let answer = upload.send(framed.as_bytes().to_vec());
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        assert_absent(&bucket);
    }
}

#[test]
fn a_forged_head_is_refused_though_its_chunks_need_no_signature() {
    let bucket = Bucket::create_blocking();
    let create = Request::key("POST", bucket.name(), "key").query("uploads", "");
    let upload_id = xml::text(&endpoint().exchange(create).body, "UploadId").unwrap();
    let part = put(&bucket)
        .query("partNumber", "1")
        .query("uploadId", upload_id);
    let (body, name) = (content("key", 10), Algorithm::Crc32.header());
    for request in [put(&bucket), part] {
        let request = request.header("x-amz-trailer", name);
        let mut upload = Upload::new(request, STREAMING_UNSIGNED_TRAILER, body.len());
        let authorization = upload.head.value("authorization").unwrap();
        let (stem, _) = authorization.split_once("Signature=").unwrap();
        let forged = format!("{stem}Signature={}", "0".repeat(64));
        upload.head = upload.head.with("authorization", forged);
        let answer = upload.send(with_trailer(&[&body], name, &Algorithm::Crc32.value(&body)));
        assert_eq!(answer.verdict(), (403, "SignatureDoesNotMatch".to_owned()));
        assert_absent(&bucket);

        // And with no authorization at all.
        upload.head = upload.head.without("authorization");
        let answer = upload.send(with_trailer(&[&body], name, &Algorithm::Crc32.value(&body)));
        assert_eq!(answer.verdict(), (403, "AccessDenied".to_owned()));
        assert_absent(&bucket);
    }
}

#[test]
fn the_coding_itself_is_not_stored() {
    let bucket = Bucket::create_blocking();
    let body = content("key", 100);
    for (sent, stored) in [
        ("aws-chunked", None),
        ("aws-chunked,gzip", Some("gzip")),
        ("gzip, aws-chunked", Some("gzip")),
    ] {
        let request = put(&bucket).header("content-encoding", sent);
        let request = request.header("x-amz-trailer", Algorithm::Crc32.header());
        let upload = Upload::new(request, STREAMING_UNSIGNED_TRAILER, body.len());
        let value = Algorithm::Crc32.value(&body);
        let answer = upload.send(with_trailer(&[&body], Algorithm::Crc32.header(), &value));
        assert_eq!(answer.status, 200, "{sent}: {}", answer.text());
        let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
        assert_eq!(head.header("content-encoding"), stored, "{sent}");
        assert_stored(&bucket, &body);
    }
}

#[test]
fn a_payload_kind_that_does_not_exist_is_refused() {
    let bucket = Bucket::create_blocking();
    for payload in ["STREAMING-NOTHING", "UNSIGNED", "xyz", "", &"0".repeat(63)] {
        let upload = Upload::new(put(&bucket), payload, 5);
        let answer = upload.send(plain_chunks(&[b"12345"]));
        let refused = matches!(answer.status, 400 | 403 | 501);
        assert!(refused, "{payload:?}: {} {}", answer.status, answer.text());
        assert_absent(&bucket);
    }
}

#[test]
fn chunks_are_the_same_however_the_bytes_arrive() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let body = content("key", 30_000);
    let chunks: Vec<&[u8]> = body.chunks(8_192).collect();
    for piece_len in [1, 7, 85, 8_191, 8_300] {
        let upload = Upload::new(put(&bucket), STREAMING, body.len());
        let (mut framed, _) = signed_chunks(&upload, &chunks);
        framed.extend(b"\r\n");
        let head = upload
            .head
            .clone()
            .with("content-length", framed.len().to_string());
        let mut wire = endpoint.connect();
        wire.send(&head.head());
        for piece in framed.chunks(piece_len) {
            wire.send(piece);
        }
        let answer = wire.read_answer("PUT").unwrap();
        assert_eq!(answer.status, 200, "{piece_len}: {}", answer.text());
        assert_stored(&bucket, &body);
    }
}

#[test]
fn a_missing_decoded_length_is_refused() {
    let bucket = Bucket::create_blocking();
    let endpoint = endpoint();
    let request = put(&bucket)
        .payload(STREAMING_UNSIGNED_TRAILER)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-trailer", Algorithm::Crc32.header())
        .body(with_trailer(
            &[b"12345"],
            Algorithm::Crc32.header(),
            &Algorithm::Crc32.value(b"12345"),
        ));
    let answer = endpoint.exchange(request);
    assert!(matches!(answer.status, 400 | 411), "{}", answer.text());
    assert_absent(&bucket);
}
