//! Bodies in aws-chunked form: however they are cut, they decode to the same or are refused for the same reason.

#![no_main]

use cairn_fuzz::{Cut, NOW, Pieces, head, look_up, ready};
use cairn_s3::auth::Authenticator;
use cairn_s3::body::{BodyDeclaration, ChunkDecoder, ChunkError, ChunkEvent, VerifiedBody};
use cairn_s3::dialect::Dialect;
use cairn_s3::operations::Operation;
use cairn_s3::query::Query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((flags, rest)) = input.split_first() else {
        return;
    };
    let Some(cut) = Cut::parse(rest) else {
        return;
    };
    let (signed, trailing) = (flags & 1 != 0, flags & 2 != 0);
    let decode = |pieces| decode(ChunkDecoder::new(signed, trailing), pieces);
    assert_eq!(decode(cut.whole()), decode(cut.pieces()));

    let len = u64::from(*flags >> 2);
    assert_eq!(verify(cut.whole(), len), verify(cut.pieces(), len));
});

/// What a body decodes to, its data joined, whether it was complete, and what is wrong with it.
fn decode(
    mut decoder: ChunkDecoder,
    pieces: Pieces,
) -> (Vec<ChunkEvent>, Vec<u8>, bool, Option<ChunkError>) {
    let (mut events, mut data) = (Vec::new(), Vec::new());
    for mut piece in pieces {
        loop {
            match decoder.next(&mut piece) {
                Ok(Some(ChunkEvent::Data(more))) => {
                    assert!(!more.is_empty());
                    data.extend(more);
                }
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, data, false, Some(error)),
            }
        }
        assert!(piece.is_empty(), "the decoder left something behind");
    }
    (events, data, decoder.is_complete(), None)
}

/// What comes of a body that nobody signed and a checksum follows, and what is wrong with it.
fn verify(pieces: Pieces, len: u64) -> (Vec<u8>, Option<String>) {
    let text = format!(
        "PUT /bucket/key\nhost:h\nx-amz-content-sha256:STREAMING-UNSIGNED-PAYLOAD-TRAILER\n\
         x-amz-trailer:x-amz-checksum-crc32\nx-amz-decoded-content-length:{len}"
    );
    let parts = head(&text).expect("a request as they come");
    let query = Query::parse(parts.uri.query()).expect("no query");
    let verified = Authenticator::new("us-east-1", false)
        .verify(&parts, &query, NOW, look_up)
        .expect("an anonymous request");
    let declaration = BodyDeclaration::parse(
        Operation::PutObject,
        &parts.headers,
        &verified,
        Dialect::Aws,
    )
    .expect("a declaration as they come");
    let mut body = VerifiedBody::new(pieces, declaration, &verified, None);
    let mut content = Vec::new();
    loop {
        match ready(body.next()) {
            Ok(Some(piece)) => content.extend(piece),
            Ok(None) => {
                assert_eq!(content.len() as u64, len);
                assert!(body.checksum().is_some(), "nothing was verified");
                return (content, None);
            }
            // What came before it is not to be used.
            Err(error) => return (Vec::new(), Some(format!("{error:?}"))),
        }
    }
}
