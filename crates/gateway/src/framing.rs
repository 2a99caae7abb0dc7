//! What clients say of where their bodies end, as it came.
//!
//! The HTTP library drops a `Content-Length` beside a `Transfer-Encoding`, whichever comes first, and tells nobody. Who sends both
//! may want two readers to disagree about where the body ends, and is refused. So the heads of requests are read along as they
//! pass, for these two names alone; what is found is given back to the request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::InspectReader;

/// How much of a line is kept: both names with their values, as they are meant to be.
const LINE_LEN: usize = 64;

/// For each request of a connection, in order, the length that it says beside a transfer encoding. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct DroppedLengths(Arc<Mutex<VecDeque<Option<HeaderValue>>>>);

impl DroppedLengths {
    /// That of the next request; to be called once for each.
    pub(crate) fn next(&self) -> Option<HeaderValue> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()?
    }

    fn push(&self, length: Option<HeaderValue>) {
        let mut lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lengths.push_back(length);
    }
}

/// A connection whose heads are read along from now on, and what is found in them.
pub(crate) fn watch<S>(stream: S) -> (impl AsyncRead + AsyncWrite + Unpin, DroppedLengths)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let found = DroppedLengths::default();
    let mut reader = Reader {
        found: found.clone(),
        place: Place::Head,
        head: Head::default(),
        line: Vec::with_capacity(LINE_LEN),
    };
    let watched = InspectReader::new(stream, move |bytes| reader.read(bytes));
    (watched, found)
}

/// Follows requests from head to head. Whatever it cannot follow the library refuses, which ends the connection.
#[derive(Debug)]
struct Reader {
    found: DroppedLengths,
    place: Place,
    head: Head,
    /// The beginning of the current line.
    line: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    /// So many bytes before the next head.
    Body(u64),
    /// No request follows.
    Over,
}

/// What is known of a head.
#[derive(Debug, Default)]
struct Head {
    has_request_line: bool,
    length: Option<HeaderValue>,
    is_encoded: bool,
}

impl Reader {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.place {
                Place::Over => return,
                Place::Body(left) => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX);
                    let (passed, rest) = bytes.split_at(len.min(bytes.len()));
                    self.pass(left, passed.len());
                    bytes = rest;
                }
                Place::Head => match bytes.iter().position(|byte| *byte == b'\n') {
                    Some(end) => {
                        self.keep(bytes.get(..end).unwrap_or_default());
                        bytes = bytes.get(end + 1..).unwrap_or_default();
                        self.end_line();
                    }
                    None => return self.keep(bytes),
                },
            }
        }
    }

    fn pass(&mut self, left: u64, passed: usize) {
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.place = match left.saturating_sub(passed) {
            0 => Place::Head,
            left => Place::Body(left),
        };
    }

    fn keep(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(LINE_LEN - self.line.len());
        self.line.extend(bytes.iter().take(len));
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        match (line.is_empty(), self.head.has_request_line) {
            // Before a head empty lines are passed over.
            (true, false) => {}
            (true, true) => self.end_head(),
            (false, false) => self.head.has_request_line = true,
            (false, true) => self.head.note(line),
        }
    }

    fn end_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        if head.is_encoded {
            self.found.push(head.length);
            // Nothing may follow it on the connection, see `is_last`.
            self.place = Place::Over;
            return;
        }
        self.found.push(None);
        let length = head.length.map_or(Some(0), |length| {
            let text = length.to_str().ok()?;
            text.parse().ok()
        });
        self.place = match length {
            Some(0) => Place::Head,
            Some(length) => Place::Body(length),
            None => Place::Over,
        };
    }
}

impl Head {
    fn note(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return;
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_encoded = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
            self.length = HeaderValue::from_bytes(value).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// What is found in `text`, which comes in pieces of `piece` bytes.
    async fn found_in(text: &str, piece: usize) -> Vec<Option<String>> {
        let (mut client, server) = duplex(text.len().max(1));
        client.write_all(text.as_bytes()).await.unwrap();
        drop(client);
        let (mut watched, found) = watch(server);
        let mut buffer = vec![0; piece];
        let mut passed = String::new();
        loop {
            let len = watched.read(&mut buffer).await.unwrap();
            if len == 0 {
                break;
            }
            passed.push_str(std::str::from_utf8(&buffer[..len]).unwrap());
        }
        assert_eq!(passed, text);
        let found = found.0.lock().unwrap();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        found.iter().map(|value| value.as_ref().map(text)).collect()
    }

    #[tokio::test]
    async fn a_length_beside_an_encoding_is_found_wherever_the_head_begins_and_however_it_comes() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let put = "PUT /a HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:  35 \r\n\r\n";
        // What looks like a head within a body is none.
        let body = "GET / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n";
        let body = &body[body.len() - 35..];
        for both in [
            "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
            "transfer-encoding: chunked\r\nX: y\r\ncontent-length:7\r\n",
            "TRANSFER-ENCODING: identity\nCONTENT-LENGTH: 7\n",
        ] {
            let last = format!("\r\nPOST /x HTTP/1.1\r\n{both}\r\n0\r\n\r\n{get}");
            let text = format!("{get}{put}{body}{get}{last}");
            for piece in [1, 2, 7, 1000] {
                let found = found_in(&text, piece).await;
                let expected = [None, None, None, Some("7".to_owned())];
                assert_eq!(found, expected, "{both} in pieces of {piece}");
            }
        }
    }

    #[tokio::test]
    async fn one_of_them_is_nothing_to_tell_of() {
        let encoded = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n";
        assert_eq!(found_in(encoded, 9).await, [None]);
        let measured = "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde";
        assert_eq!(found_in(&measured.repeat(3), 9).await, [None, None, None]);
        let senseless = "PUT / HTTP/1.1\r\nContent-Length: five\r\n\r\nabcde";
        assert_eq!(found_in(&senseless.repeat(3), 9).await, [None]);
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(1000));
        assert_eq!(found_in(&long.repeat(2), 100).await, [None, None]);
    }
}
