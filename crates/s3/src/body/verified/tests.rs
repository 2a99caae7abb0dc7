use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};

use super::*;
use crate::auth::Caller;
use crate::dialect::Dialect;
use crate::operations::Operation;
use http::HeaderMap;
use http_body::Frame;
use proptest::prelude::{Just, Strategy, any, prop, proptest};

/// A body in pieces.
struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// A body whose connection breaks.
struct Broken;

impl Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn declare(
    form: PayloadForm,
    pairs: &[(&'static str, &str)],
) -> Result<(BodyDeclaration, Verified), S3Error> {
    let verified = Verified::for_tests(form, Caller::Anonymous);
    let declaration = BodyDeclaration::parse(
        Operation::PutObject,
        &headers(pairs),
        &verified,
        Dialect::Aws,
    )?;
    Ok((declaration, verified))
}

/// The content of a body and its checksum, or the code of the answer.
async fn read(
    form: PayloadForm,
    pairs: &[(&'static str, &str)],
    pieces: Vec<Bytes>,
    default: Option<ChecksumAlgorithm>,
) -> Result<(Vec<u8>, Option<ObjectChecksum>), Code> {
    let (declaration, verified) = declare(form, pairs).map_err(|error| error.code())?;
    let mut body = VerifiedBody::new(Pieces(pieces.into()), declaration, &verified, default);
    let mut content = Vec::new();
    loop {
        match body.next().await {
            Ok(Some(bytes)) => {
                assert!(!bytes.is_empty());
                assert!(body.checksum().is_none(), "not before the end");
                content.extend_from_slice(&bytes);
            }
            Ok(None) => return Ok((content, body.checksum().cloned())),
            Err(error) => return Err(S3Error::from(error).code()),
        }
    }
}

async fn read_whole(
    form: PayloadForm,
    pairs: &[(&'static str, &str)],
    wire: &[u8],
) -> Result<Vec<u8>, Code> {
    let pieces = vec![Bytes::copy_from_slice(wire)];
    Ok(read(form, pairs, pieces, None).await?.0)
}

fn sha256_of(bytes: &[u8]) -> PayloadForm {
    PayloadForm::Signed(Sha256::digest(bytes).into())
}

fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    checksum::encode(&hasher.finish())
}

#[tokio::test]
async fn plain_bodies_are_held_to_their_length_and_hash() {
    for (form, len, expected) in [
        (PayloadForm::Unsigned, "5", Ok(b"hello".to_vec())),
        (PayloadForm::Unsigned, "6", Err(Code::IncompleteBody)),
        (PayloadForm::Unsigned, "4", Err(Code::IncompleteBody)),
        (sha256_of(b"hello"), "5", Ok(b"hello".to_vec())),
        (
            sha256_of(b"hullo"),
            "5",
            Err(Code::XAmzContentSHA256Mismatch),
        ),
    ] {
        let content = read_whole(form, &[("content-length", len)], b"hello").await;
        assert_eq!(content, expected, "{form:?} {len}");
    }
    let open_ended = [("transfer-encoding", "chunked")];
    let content = read_whole(PayloadForm::Unsigned, &open_ended, b"hello").await;
    assert_eq!(content, Ok(b"hello".to_vec()));
    let nothing = read_whole(PayloadForm::Unsigned, &[], b"").await;
    assert_eq!(nothing, Ok(Vec::new()));
}

#[tokio::test]
async fn a_broken_connection_is_an_incomplete_body() {
    let (declaration, verified) =
        declare(PayloadForm::Unsigned, &[("content-length", "5")]).unwrap();
    let mut body = VerifiedBody::new(Broken, declaration, &verified, None);
    let error = body.next().await.unwrap_err();
    assert!(matches!(error, BodyError::Transport(_)));
    assert_eq!(S3Error::from(error).code(), Code::IncompleteBody);
}

#[tokio::test]
async fn declared_checksums_are_verified_and_missing_ones_computed() {
    for algorithm in ChecksumAlgorithm::ALL {
        let header = checksum::header_name(algorithm);
        let good = checksum_of(algorithm, b"hello");
        let pairs = [("content-length", "5"), (header, good.as_str())];
        let pieces = vec![Bytes::from_static(b"hel"), Bytes::from_static(b"lo")];
        let (_, checksum) = read(PayloadForm::Unsigned, &pairs, pieces, None)
            .await
            .unwrap();
        let checksum = checksum.unwrap();
        assert_eq!(checksum::encode(&checksum.checksum), good);
        assert_eq!(checksum.kind, ChecksumKind::FullObject);
        let wrong = read_whole(PayloadForm::Unsigned, &pairs, b"hullo").await;
        assert_eq!(wrong, Err(Code::BadDigest));
    }
    let pairs = [("content-length", "5")];
    let pieces = vec![Bytes::from_static(b"hello")];
    let default = Some(ChecksumAlgorithm::Crc64Nvme);
    let (_, checksum) = read(PayloadForm::Unsigned, &pairs, pieces, default)
        .await
        .unwrap();
    assert_eq!(
        checksum::encode(&checksum.unwrap().checksum),
        checksum_of(ChecksumAlgorithm::Crc64Nvme, b"hello")
    );
}

type Pairs = &'static [(&'static str, &'static str)];

const PLAIN: PayloadForm = PayloadForm::Unsigned;
const CHUNKED: PayloadForm = PayloadForm::UnsignedChunksWithTrailer;

/// Heads that contradict themselves or ask for what is not built.
const BAD_DECLARATIONS: &[(PayloadForm, Pairs, Code)] = &[
    (PLAIN, &[("content-length", "-5")], Code::InvalidArgument),
    (PLAIN, &[("content-length", "+5")], Code::InvalidArgument),
    (PLAIN, &[("content-length", "")], Code::InvalidArgument),
    (
        PLAIN,
        &[("content-length", "99999999999999999999")],
        Code::InvalidArgument,
    ),
    (PLAIN, &[("content-md5", "")], Code::InvalidDigest),
    (PLAIN, &[("content-md5", "YWJj")], Code::InvalidDigest),
    (PLAIN, &[("content-md5", "not base64")], Code::InvalidDigest),
    (
        PLAIN,
        &[("x-amz-checksum-crc32", "bad")],
        Code::InvalidRequest,
    ),
    (
        PLAIN,
        &[
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-checksum-crc32c", "AAAAAA=="),
        ],
        Code::InvalidRequest,
    ),
    (
        PLAIN,
        &[
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-checksum-crc32", "AAAAAA=="),
        ],
        Code::InvalidRequest,
    ),
    (
        PLAIN,
        &[("x-amz-sdk-checksum-algorithm", "CRC32")],
        Code::InvalidRequest,
    ),
    (
        PLAIN,
        &[("x-amz-sdk-checksum-algorithm", "SHA512")],
        Code::NotImplemented,
    ),
    (
        PLAIN,
        &[("x-amz-sdk-checksum-algorithm", "CRC33")],
        Code::InvalidRequest,
    ),
    (
        PLAIN,
        &[
            ("x-amz-sdk-checksum-algorithm", "SHA1"),
            ("x-amz-checksum-crc32", "AAAAAA=="),
        ],
        Code::InvalidRequest,
    ),
    (
        PLAIN,
        &[("x-amz-trailer", "x-amz-checksum-crc32")],
        Code::InvalidRequest,
    ),
    (
        CHUNKED,
        &[("content-length", "9")],
        Code::MissingContentLength,
    ),
    (
        CHUNKED,
        &[("x-amz-decoded-content-length", "x")],
        Code::InvalidArgument,
    ),
    (
        CHUNKED,
        &[
            ("x-amz-decoded-content-length", "1"),
            ("x-amz-trailer", "x-amz-meta-a"),
        ],
        Code::InvalidRequest,
    ),
    (
        CHUNKED,
        &[
            ("x-amz-decoded-content-length", "1"),
            ("x-amz-trailer", "x-amz-checksum-crc32,x-amz-checksum-sha1"),
        ],
        Code::InvalidRequest,
    ),
    (
        CHUNKED,
        &[
            ("x-amz-decoded-content-length", "1"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
            ("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        ],
        Code::InvalidRequest,
    ),
];

#[test]
fn declarations_that_cannot_be_are_refused_before_the_body() {
    for (form, pairs, code) in BAD_DECLARATIONS {
        let error = declare(*form, pairs).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), *code, "{pairs:?}");
    }
    let digest = [("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")];
    let (declaration, _) = declare(PLAIN, &digest).unwrap();
    assert_eq!(
        hex::encode(declaration.md5().unwrap()),
        "5d41402abc4b2a76b9719d911017c592"
    );
    assert_eq!(declaration.len(), Some(0));
}

#[tokio::test]
async fn unsigned_chunks_end_with_exactly_the_declared_trailer() {
    let form = PayloadForm::UnsignedChunksWithTrailer;
    let crc = checksum_of(ChecksumAlgorithm::Crc32, b"hello");
    let wire = |trailer: &str| format!("3\r\nhel\r\n2\r\nlo\r\n0\r\n{trailer}\r\n");
    let declared: &[(&'static str, &str)] = &[
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-amz-sdk-checksum-algorithm", "CRC32"),
    ];
    let good = format!("x-amz-checksum-crc32:{crc}\r\n");
    let content = read_whole(form, declared, wire(&good).as_bytes()).await;
    assert_eq!(content, Ok(b"hello".to_vec()));
    for (trailer, code) in [
        (String::new(), Code::MalformedTrailerError),
        (
            "x-amz-checksum-crc32:AAAAAA==\r\n".to_owned(),
            Code::BadDigest,
        ),
        (
            "x-amz-checksum-crc32:bad\r\n".to_owned(),
            Code::MalformedTrailerError,
        ),
        (
            format!("x-amz-checksum-crc32c:{crc}\r\n"),
            Code::MalformedTrailerError,
        ),
        (
            format!("{good}x-amz-meta-a:b\r\n"),
            Code::MalformedTrailerError,
        ),
        (format!("{good}{good}"), Code::MalformedTrailerError),
    ] {
        let content = read_whole(form, declared, wire(&trailer).as_bytes()).await;
        assert_eq!(content, Err(code), "{trailer}");
    }
    let undeclared = read_whole(form, &declared[..1], wire(&good).as_bytes()).await;
    assert_eq!(undeclared, Err(Code::MalformedTrailerError));
    let none = read_whole(form, &declared[..1], wire("").as_bytes()).await;
    assert_eq!(none, Ok(b"hello".to_vec()));
}

#[tokio::test]
async fn chunked_bodies_are_held_to_their_length_and_form() {
    let form = PayloadForm::UnsignedChunksWithTrailer;
    for (len, wire, code) in [
        ("5", "5\r\nhello\r\n0\r\n", Code::IncompleteBody),
        ("5", "5\r\nhello\r\n", Code::IncompleteBody),
        ("5", "5\r\nhel", Code::IncompleteBody),
        ("5", "", Code::IncompleteBody),
        ("6", "5\r\nhello\r\n0\r\n\r\n", Code::IncompleteBody),
        ("4", "5\r\nhello\r\n0\r\n\r\n", Code::IncompleteBody),
        ("5", "ffffffffffffffff\r\nhello", Code::IncompleteBody),
        (
            "5",
            "0\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Code::InvalidRequest,
        ),
        ("5", "5\r\nhello\r\n0\r\n\r\nmore", Code::InvalidRequest),
        ("5", "hello\r\n", Code::InvalidRequest),
    ] {
        let pairs = [("x-amz-decoded-content-length", len)];
        let content = read_whole(form, &pairs, wire.as_bytes()).await;
        assert_eq!(content, Err(code), "{len} {wire:?}");
    }
}

/// A body in signed chunks, with the last chunk and the trailer where there is one.
fn sign(form: PayloadForm, chunks: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let verified = Verified::for_tests(form, Caller::Anonymous);
    let mut chain = verified.chunks().unwrap();
    let mut wire = Vec::new();
    for chunk in chunks.iter().chain([&Vec::new()]) {
        let signature = chain.sign_chunk(chunk);
        let line = format!("{:x};chunk-signature={signature}\r\n", chunk.len());
        wire.extend_from_slice(line.as_bytes());
        if !chunk.is_empty() {
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
    }
    if form.has_trailer() {
        let signature = chain.sign_trailers(&format!("{trailer}\n"));
        let lines = format!("{trailer}\r\nx-amz-trailer-signature:{signature}\r\n");
        wire.extend_from_slice(lines.as_bytes());
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

#[tokio::test]
async fn every_byte_of_a_signed_body_counts() {
    let crc = checksum_of(ChecksumAlgorithm::Crc32c, b"hello world");
    let trailer = format!("x-amz-checksum-crc32c:{crc}");
    let chunks = [b"hello ".to_vec(), b"world".to_vec()];
    for form in [
        PayloadForm::SignedChunks,
        PayloadForm::SignedChunksWithTrailer,
    ] {
        let mut pairs = vec![("x-amz-decoded-content-length", "11")];
        if form.has_trailer() {
            pairs.push(("x-amz-trailer", "x-amz-checksum-crc32c"));
        }
        let wire = sign(form, &chunks, &trailer);
        let content = read_whole(form, &pairs, &wire).await;
        assert_eq!(content, Ok(b"hello world".to_vec()));
        for index in 0..wire.len() {
            let mut damaged = wire.clone();
            damaged[index] ^= 1;
            // Blanks around a trailer are not signed: what differs there may pass, with the same content.
            if let Ok(content) = read_whole(form, &pairs, &damaged).await {
                assert_eq!(content, b"hello world", "{index}");
            }
        }
        for end in 0..wire.len() {
            let cut = read_whole(form, &pairs, &wire[..end]).await;
            assert!(cut.is_err(), "{end}");
        }
        let swapped = [chunks[1].clone(), chunks[0].clone()];
        let replayed = [sign(form, &swapped, &trailer), wire[..95].to_vec()].concat();
        assert!(read_whole(form, &pairs, &replayed).await.is_err());
    }
}

#[tokio::test]
async fn signed_trailers_need_their_signature() {
    let form = PayloadForm::SignedChunksWithTrailer;
    let crc = checksum_of(ChecksumAlgorithm::Crc32c, b"a");
    let trailer = format!("x-amz-checksum-crc32c:{crc}");
    let pairs = [
        ("x-amz-decoded-content-length", "1"),
        ("x-amz-trailer", "x-amz-checksum-crc32c"),
    ];
    let wire = sign(form, &[b"a".to_vec()], &trailer);
    let text = String::from_utf8(wire).unwrap();
    let (start, _) = text.split_once("x-amz-trailer-signature").unwrap();
    let forged = format!("{start}x-amz-trailer-signature:{}\r\n\r\n", "0".repeat(64));
    let content = read_whole(form, &pairs, forged.as_bytes()).await;
    assert_eq!(content, Err(Code::SignatureDoesNotMatch));
    let unsigned = format!("{start}\r\n");
    let content = read_whole(form, &pairs, unsigned.as_bytes()).await;
    assert_eq!(content, Err(Code::IncompleteBody));
}

#[tokio::test]
async fn documents_have_a_limit_and_their_md5_is_checked() {
    for (limit, md5, expected) in [
        (5, None, Ok(Bytes::from_static(b"hello"))),
        (4, None, Err(Code::MaxMessageLengthExceeded)),
        (
            5,
            Some("XUFAKrxLKna5cZ2REBfFkg=="),
            Ok(Bytes::from_static(b"hello")),
        ),
        (5, Some("AAAAAAAAAAAAAAAAAAAAAA=="), Err(Code::BadDigest)),
    ] {
        for framing in [("content-length", "5"), ("transfer-encoding", "chunked")] {
            let mut pairs = vec![framing];
            pairs.extend(md5.map(|md5| ("content-md5", md5)));
            let (declaration, verified) = declare(PayloadForm::Unsigned, &pairs).unwrap();
            let pieces = ["he", "llo"].map(|piece| Bytes::from_static(piece.as_bytes()));
            let mut body = VerifiedBody::new(Pieces(pieces.into()), declaration, &verified, None);
            let document = body.read_document(limit).await;
            let document = document.map_err(|error| S3Error::from(error).code());
            assert_eq!(document, expected, "{limit} {pairs:?}");
        }
    }
}

fn cut_bodies() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>, Vec<usize>)> {
    let chunk = prop::collection::vec(any::<u8>(), 1..50);
    prop::collection::vec(chunk, 0..5).prop_flat_map(|chunks| {
        let wire = sign(PayloadForm::SignedChunks, &chunks, "");
        let cuts = prop::collection::vec(0..=wire.len(), 0..10);
        (Just(chunks), Just(wire), cuts)
    })
}

proptest! {
    #[test]
    fn signed_bodies_read_back_however_they_are_cut((chunks, wire, mut cuts) in cut_bodies()) {
        cuts.sort_unstable();
        let wire = Bytes::from(wire);
        let mut pieces = Vec::new();
        let mut from = 0;
        for end in cuts.into_iter().chain([wire.len()]) {
            pieces.push(wire.slice(from..end));
            from = end;
        }
        let len = chunks.concat().len().to_string();
        let pairs = [("x-amz-decoded-content-length", len.as_str())];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let content = runtime.block_on(read(PayloadForm::SignedChunks, &pairs, pieces, None));
        assert_eq!(content.unwrap().0, chunks.concat());
    }
}
