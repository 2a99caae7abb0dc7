//! Taking aws-chunked bodies apart.
//!
//! ```text
//! 400;chunk-signature=<64 digits>\r\n<1024 bytes>\r\n … 0;chunk-signature=<64 digits>\r\n\r\n
//! 400\r\n<1024 bytes>\r\n … 0\r\nx-amz-checksum-crc32c:<base64>\r\n\r\n
//! ```

use bytes::{Buf, Bytes};

/// The longest line in front of a chunk: 16 digits and a signature are 97 bytes, the rest is for unknown extensions.
const HEADER_LIMIT: usize = 256;
/// The longest line of a trailer: a name and 64 characters of base64 or digits.
const TRAILER_LIMIT: usize = 512;
/// The most lines behind the last chunk.
const TRAILER_COUNT_LIMIT: usize = 8;

/// A step in a chunked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkEvent {
    /// A chunk begins.
    Begin {
        /// Its length in bytes; 0 for the last.
        len: u64,
        /// Its signature, if chunks are signed.
        signature: Option<[u8; 32]>,
    },
    /// Bytes of the chunk.
    Data(Bytes),
    /// The chunk is complete.
    EndOfChunk,
    /// The body is complete.
    End {
        /// The trailers, names in lower case, without the one that signs them.
        trailers: Vec<(String, String)>,
        /// The signature of the trailers, if there is one.
        signature: Option<[u8; 32]>,
    },
}

/// A body that is not aws-chunked as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A line in front of a chunk, or the end of a chunk, is wrong.
    #[error("malformed chunk")]
    Chunk,
    /// A trailer is wrong.
    #[error("malformed trailer")]
    Trailer,
    /// Something follows the end of the body.
    #[error("bytes after the last chunk")]
    Excess,
}

/// Takes a chunked body apart, fed in pieces of any size. Does no I/O and copies no data; verifies nothing but the form.
#[derive(Debug)]
pub struct ChunkDecoder {
    signed: bool,
    trailing: bool,
    state: State,
    /// The beginning of a line that has not ended yet.
    line: Vec<u8>,
    trailers: Vec<(String, String)>,
    trailer_signature: Option<[u8; 32]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Data { left: u64 },
    AfterData,
    AfterLast,
    Trailer,
    Ended,
}

impl ChunkDecoder {
    /// A decoder at the start of a body, with or without signatures and trailers.
    pub const fn new(signed: bool, trailing: bool) -> Self {
        Self {
            signed,
            trailing,
            state: State::Header,
            line: Vec::new(),
            trailers: Vec::new(),
            trailer_signature: None,
        }
    }

    /// The next event, taking what it needs from the front of `input`; `None` when `input` is used up.
    ///
    /// Data is a slice of `input`. How the body is cut into inputs changes nothing but how data is cut.
    ///
    /// # Errors
    /// What is wrong with the body; then nothing more may be asked.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<ChunkEvent>, ChunkError> {
        loop {
            if input.is_empty() {
                return Ok(None);
            }
            match self.state {
                State::Header => {
                    let Some(line) = self.line(input, HEADER_LIMIT, ChunkError::Chunk)? else {
                        return Ok(None);
                    };
                    let (len, signature) = parse_header(&line, self.signed)?;
                    self.state = match len {
                        0 => State::AfterLast,
                        len => State::Data { left: len },
                    };
                    return Ok(Some(ChunkEvent::Begin { len, signature }));
                }
                State::Data { left: 0 } => self.state = State::AfterData,
                State::Data { left } => {
                    let len =
                        usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                    self.state = State::Data {
                        left: left - len as u64,
                    };
                    return Ok(Some(ChunkEvent::Data(input.split_to(len))));
                }
                State::AfterData => {
                    if !self.end_of_data(input)? {
                        return Ok(None);
                    }
                    self.state = State::Header;
                    return Ok(Some(ChunkEvent::EndOfChunk));
                }
                State::AfterLast => {
                    // The last chunk has no bytes, so it is complete as soon as its header is.
                    self.state = State::Trailer;
                    return Ok(Some(ChunkEvent::EndOfChunk));
                }
                State::Trailer => {
                    let Some(line) = self.line(input, TRAILER_LIMIT, ChunkError::Trailer)? else {
                        return Ok(None);
                    };
                    if self.trailer(&line)? {
                        self.state = State::Ended;
                        return Ok(Some(ChunkEvent::End {
                            trailers: std::mem::take(&mut self.trailers),
                            signature: self.trailer_signature,
                        }));
                    }
                }
                State::Ended => return Err(ChunkError::Excess),
            }
        }
    }

    /// Whether the end of the body was seen.
    pub fn is_complete(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes a line off the input, without its line feed, or keeps its beginning for the next input.
    fn line(
        &mut self,
        input: &mut Bytes,
        limit: usize,
        error: ChunkError,
    ) -> Result<Option<Vec<u8>>, ChunkError> {
        let room = limit.saturating_sub(self.line.len());
        let end = input.iter().take(room + 1).position(|byte| *byte == b'\n');
        let len = end.unwrap_or(input.len());
        if len > room {
            return Err(error);
        }
        self.line.extend_from_slice(&input.split_to(len));
        if end.is_none() {
            return Ok(None);
        }
        input.advance(1);
        Ok(Some(std::mem::take(&mut self.line)))
    }

    /// The two bytes behind a chunk's data. True when both were there.
    fn end_of_data(&mut self, input: &mut Bytes) -> Result<bool, ChunkError> {
        while let Some(byte) = input.first().copied() {
            input.advance(1);
            match (byte, self.line.is_empty()) {
                (b'\r', true) => self.line.push(byte),
                (b'\n', false) => {
                    self.line.clear();
                    return Ok(true);
                }
                _ => return Err(ChunkError::Chunk),
            }
        }
        Ok(false)
    }

    /// Takes a line behind the last chunk in; true when it was the last.
    fn trailer(&mut self, line: &[u8]) -> Result<bool, ChunkError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|_| ChunkError::Trailer)?;
        if line.is_empty() {
            let is_signature_missing =
                self.signed && self.trailing && self.trailer_signature.is_none();
            // The example in AWS's documentation has an empty line between the trailers and their signature.
            return Ok(!is_signature_missing || self.trailers.is_empty());
        }
        if !self.trailing || self.trailers.len() >= TRAILER_COUNT_LIMIT {
            return Err(ChunkError::Trailer);
        }
        let (name, value) = line.split_once(':').ok_or(ChunkError::Trailer)?;
        let name = name.trim().to_ascii_lowercase();
        let value = value.trim();
        if name == "x-amz-trailer-signature" {
            let signature = parse_signature(value).ok_or(ChunkError::Trailer)?;
            let is_twice = self.trailer_signature.replace(signature).is_some();
            return if is_twice || !self.signed {
                Err(ChunkError::Trailer)
            } else {
                Ok(false)
            };
        }
        let is_late = self.trailer_signature.is_some();
        let is_twice = self.trailers.iter().any(|(known, _)| *known == name);
        if is_late || is_twice {
            return Err(ChunkError::Trailer);
        }
        self.trailers.push((name, value.to_owned()));
        Ok(false)
    }
}

/// `<digits>[;chunk-signature=<64 digits>]\r`, extensions of other names passed over.
fn parse_header(line: &[u8], signed: bool) -> Result<(u64, Option<[u8; 32]>), ChunkError> {
    let line = line.strip_suffix(b"\r").ok_or(ChunkError::Chunk)?;
    let line = std::str::from_utf8(line).map_err(|_| ChunkError::Chunk)?;
    let mut fields = line.split(';');
    let digits = fields.next().unwrap_or_default();
    let is_number =
        (1..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_number {
        return Err(ChunkError::Chunk);
    }
    let len = u64::from_str_radix(digits, 16).map_err(|_| ChunkError::Chunk)?;
    let signature = fields
        .find_map(|field| field.strip_prefix("chunk-signature="))
        .and_then(parse_signature);
    match (signed, signature) {
        (true, None) => Err(ChunkError::Chunk),
        (true, Some(signature)) => Ok((len, Some(signature))),
        (false, _) => Ok((len, None)),
    }
}

fn parse_signature(text: &str) -> Option<[u8; 32]> {
    let mut signature = [0; 32];
    hex::decode_to_slice(text, &mut signature).ok()?;
    Some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, any, prop, proptest};

    /// What a body decodes to when it is fed in pieces that end at these places; data is joined.
    fn decode(
        body: &[u8],
        cuts: &[usize],
        signed: bool,
        trailing: bool,
    ) -> Result<(Vec<ChunkEvent>, bool), ChunkError> {
        let mut decoder = ChunkDecoder::new(signed, trailing);
        let mut events: Vec<ChunkEvent> = Vec::new();
        let mut from = 0;
        let ends = cuts.iter().copied().chain([body.len()]);
        for end in ends {
            let mut input = Bytes::copy_from_slice(&body[from..end]);
            from = end;
            while let Some(event) = decoder.next(&mut input)? {
                match (events.last_mut(), event) {
                    (Some(ChunkEvent::Data(before)), ChunkEvent::Data(data)) => {
                        *before = [before.as_ref(), data.as_ref()].concat().into();
                    }
                    (_, event) => events.push(event),
                }
            }
        }
        Ok((events, decoder.is_complete()))
    }

    fn data_of(events: &[ChunkEvent]) -> Vec<u8> {
        let data = events.iter().filter_map(|event| match event {
            ChunkEvent::Data(data) => Some(data.to_vec()),
            _ => None,
        });
        data.collect::<Vec<_>>().concat()
    }

    fn end_of(events: &[ChunkEvent]) -> (&[(String, String)], bool) {
        match events.last() {
            Some(ChunkEvent::End {
                trailers,
                signature,
            }) => (trailers, signature.is_some()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn signed_chunks_come_apart() {
        let signature = "0f".repeat(32);
        let body = format!(
            "5;chunk-signature={signature}\r\nhello\r\n0;chunk-signature={signature}\r\n\r\n"
        );
        let (events, complete) = decode(body.as_bytes(), &[], true, false).unwrap();
        assert!(complete);
        assert_eq!(data_of(&events), b"hello");
        assert_eq!(
            events[0],
            ChunkEvent::Begin {
                len: 5,
                signature: Some([15; 32])
            }
        );
        assert_eq!(end_of(&events), (&[][..], false));
    }

    #[test]
    fn trailers_come_apart_in_both_spellings() {
        let signature = "0f".repeat(32);
        for between in ["\r\n", "\n", "\n\r\n"] {
            let body = format!(
                "0;chunk-signature={signature}\r\nX-Amz-Checksum-CRC32: AAAA {between}\
                 x-amz-trailer-signature:{signature}\r\n\r\n"
            );
            let (events, complete) = decode(body.as_bytes(), &[], true, true).unwrap();
            assert!(complete);
            let expected = [("x-amz-checksum-crc32".to_owned(), "AAAA".to_owned())];
            assert_eq!(end_of(&events), (&expected[..], true));
        }
        let body = b"2\r\nab\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        let (events, _) = decode(body, &[], false, true).unwrap();
        assert_eq!(data_of(&events), b"ab");
        assert!(!end_of(&events).1);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1_000_000));
        let endless = "0".repeat(1_000_000);
        let lines: Vec<String> = (0..9).map(|number| format!("a{number}:b\r\n")).collect();
        let many = format!("0\r\n{}\r\n", lines.concat());
        let long_trailer = format!("0\r\na:{}\r\n\r\n", "b".repeat(600));
        for (body, error) in [
            ("\r\n", ChunkError::Chunk),
            ("x\r\n", ChunkError::Chunk),
            ("-5\r\nhello\r\n", ChunkError::Chunk),
            ("+5\r\nhello\r\n", ChunkError::Chunk),
            ("0x5\r\nhello\r\n", ChunkError::Chunk),
            ("10000000000000000\r\n", ChunkError::Chunk),
            ("5\nhello\r\n", ChunkError::Chunk),
            ("5\r\nhello!\r\n", ChunkError::Chunk),
            ("5\r\nhello\n", ChunkError::Chunk),
            ("0\r\n\r\nx", ChunkError::Excess),
            ("0\r\nno colon\r\n\r\n", ChunkError::Trailer),
            ("0\r\na:1\r\na:1\r\n\r\n", ChunkError::Trailer),
            (
                "0\r\nx-amz-trailer-signature:00\r\n\r\n",
                ChunkError::Trailer,
            ),
            (&long, ChunkError::Chunk),
            (&endless, ChunkError::Chunk),
            (&many, ChunkError::Trailer),
            (&long_trailer, ChunkError::Trailer),
        ] {
            assert_eq!(
                decode(body.as_bytes(), &[], false, true),
                Err(error),
                "{body:.40}"
            );
        }
        let unsigned = decode(b"5\r\nhello\r\n", &[], true, false);
        assert_eq!(unsigned, Err(ChunkError::Chunk));
        let unwanted = decode(b"0\r\na:b\r\n\r\n", &[], false, false);
        assert_eq!(unwanted, Err(ChunkError::Trailer));
    }

    #[test]
    fn a_chunk_as_long_as_can_be_written_is_no_overflow() {
        let (events, complete) = decode(b"ffffffffffffffff\r\nabc", &[], false, true).unwrap();
        assert_eq!(data_of(&events), b"abc");
        assert!(!complete);
    }

    fn bodies() -> impl Strategy<Value = (Vec<u8>, Vec<Vec<u8>>, Vec<usize>)> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6)
            .prop_flat_map(|chunks| {
                let mut body = Vec::new();
                for chunk in &chunks {
                    body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    body.extend_from_slice(chunk);
                    body.extend_from_slice(b"\r\n");
                }
                body.extend_from_slice(b"0\r\nx-amz-checksum-sha1:abc=\r\n\r\n");
                let cuts = prop::collection::vec(0..=body.len(), 0..20);
                (Just(body), Just(chunks), cuts)
            })
            .prop_map(|(body, chunks, mut cuts)| {
                cuts.sort_unstable();
                (body, chunks, cuts)
            })
    }

    proptest! {
        #[test]
        fn how_a_body_is_cut_changes_nothing((body, chunks, cuts) in bodies()) {
            let whole = decode(&body, &[], false, true).unwrap();
            let cut = decode(&body, &cuts, false, true).unwrap();
            assert_eq!(&cut, &whole);
            assert_eq!(data_of(&whole.0), chunks.concat());
            assert!(whole.1);
        }

        #[test]
        fn any_bytes_give_the_same_result_however_they_are_cut(
            body in prop::collection::vec(prop::sample::select(b"05af\r\n;:x ".to_vec()), 0..60),
            cut in 0..60usize,
        ) {
            let cut = cut.min(body.len());
            let whole = decode(&body, &[], false, true).map(|(events, _)| data_of(&events));
            let split = decode(&body, &[cut], false, true).map(|(events, _)| data_of(&events));
            assert_eq!(whole, split);
        }
    }
}
