//! HTTP/1.1 by hand over one blocking TCP connection: for requests that no library would send, and answers read as they come.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::request::Request;
use crate::xml;

const PATIENCE: Duration = Duration::from_secs(30);
const HEAD_LIMIT_BYTES: usize = 256 * 1024;

/// One connection. Every read waits at most 30 seconds, then it is an error of kind `WouldBlock` or `TimedOut`.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    // What was received and not yet consumed.
    received: Vec<u8>,
}

/// An answer as it came.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Answer {
    /// Value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The `Code` of an error document; `None` in an answer without one.
    pub fn code(&self) -> Option<String> {
        xml::text(&self.body, "Code")
    }

    /// Status and error code in one comparable value, such as `(404, "NoSuchKey")`; the code is empty where there is none.
    pub fn verdict(&self) -> (u16, String) {
        (self.status, self.code().unwrap_or_default())
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Wire {
    /// Connects.
    ///
    /// # Panics
    /// When nobody accepts.
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address, PATIENCE).expect("connect to the server")
    }

    /// Connects with a limit for this and for every read.
    ///
    /// # Errors
    /// That of the connection.
    pub fn try_connect(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the server has closed the connection. See [`Wire::try_send`] where it may.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("send to the server");
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the server has closed the connection, or takes nothing for 30 seconds.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub fn finish_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Limits how long each further read waits.
    ///
    /// # Panics
    /// When `patience` is zero.
    pub fn set_patience(&mut self, patience: Duration) {
        let set = self.stream.set_read_timeout(Some(patience));
        set.expect("a patience above zero");
    }

    /// Sends a request with its body and reads its answer.
    ///
    /// # Panics
    /// When the connection breaks before the answer is complete.
    pub fn exchange(&mut self, request: &Request) -> Answer {
        self.send(&request.head());
        // A server may answer and close before it has taken the body: the answer counts.
        let _ = self.try_send(&request.body);
        let answer = self.read_answer(request.method);
        answer.unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.path))
    }

    /// Reads one answer whole, past interim ones such as `100 Continue`.
    ///
    /// # Errors
    /// When the connection ends or stalls before the answer is complete, or when what comes is no HTTP.
    pub fn read_answer(&mut self, method: &str) -> io::Result<Answer> {
        loop {
            let head = self.read_head()?;
            if head.status >= 200 {
                return self.read_rest(method, head);
            }
        }
    }

    /// Reads the body that follows a head.
    ///
    /// # Errors
    /// As [`Wire::read_answer`].
    pub fn read_rest(&mut self, method: &str, mut head: Answer) -> io::Result<Answer> {
        head.body = self.read_body(method, &head)?;
        Ok(head)
    }

    /// Reads one status line with its headers, also of an interim answer.
    ///
    /// # Errors
    /// As [`Wire::read_answer`].
    pub fn read_head(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = find(&self.received, b"\r\n\r\n") {
                break at;
            }
            if self.received.len() > HEAD_LIMIT_BYTES {
                return Err(malformed("headers without end"));
            }
            if self.receive()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        };
        let head = self.take(end + 4);
        parse_head(&String::from_utf8_lossy(&head))
    }

    /// Whether the server ends the connection within the patience, sending nothing more.
    pub fn is_closed(&mut self) -> bool {
        match self.receive() {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    fn read_body(&mut self, method: &str, head: &Answer) -> io::Result<Vec<u8>> {
        if method == "HEAD" || matches!(head.status, 204 | 304) {
            return Ok(Vec::new());
        }
        let chunked = head
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        if chunked {
            return self.read_chunks();
        }
        match head.header("content-length") {
            Some(len) => {
                let len = len.parse().map_err(|_| malformed("content-length"))?;
                self.read_exactly(len)
            }
            None => self.read_to_end(),
        }
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let len = usize::from_str_radix(digits, 16).map_err(|_| malformed("chunk size"))?;
            if len == 0 {
                while !self.read_line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.read_exactly(len)?);
            if !self.read_line()?.is_empty() {
                return Err(malformed("chunk end"));
            }
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        let end = loop {
            if let Some(at) = find(&self.received, b"\r\n") {
                break at;
            }
            if self.receive()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        };
        let mut line = self.take(end + 2);
        line.truncate(end);
        String::from_utf8(line).map_err(|_| malformed("line"))
    }

    fn read_exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.received.len() < len {
            if self.receive()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.take(len))
    }

    fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.receive()? > 0 {}
        Ok(std::mem::take(&mut self.received))
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        let len = self.stream.read(&mut piece)?;
        self.received.extend(piece.iter().take(len));
        Ok(len)
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        let rest = self.received.split_off(len);
        std::mem::replace(&mut self.received, rest)
    }
}

/// Fetches a path without a signature over a connection of its own.
///
/// # Errors
/// When nobody answers within `patience` per step.
pub fn fetch(address: SocketAddr, path: &str, patience: Duration) -> io::Result<Answer> {
    let mut wire = Wire::try_connect(address, patience)?;
    let request = Request::new("GET", path)
        .host(&address.to_string())
        .header("connection", "close");
    wire.try_send(&request.head())?;
    wire.read_answer("GET")
}

fn parse_head(text: &str) -> io::Result<Answer> {
    let mut lines = text.split("\r\n");
    let mut status = lines.next().unwrap_or_default().split(' ');
    if !status
        .next()
        .is_some_and(|version| version.starts_with("HTTP/1."))
    {
        return Err(malformed("status line"));
    }
    let status = status.next().and_then(|code| code.parse().ok());
    let headers = lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<io::Result<_>>()?;
    Ok(Answer {
        status: status.ok_or_else(|| malformed("status code"))?,
        headers,
        body: Vec::new(),
    })
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len())
        .position(|window| window == needle)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("malformed {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn answering(text: &'static [u8]) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(text).unwrap();
        });
        Wire::connect(address)
    }

    #[test]
    fn an_answer_is_read_past_interim_ones_and_out_of_its_chunks() {
        let mut wire = answering(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nA:  b \r\n\r\n\
              14\r\n<Error><Code>NoSuch\n\r\n14;x=y\r\nKey</Code> </Error>\n\r\n0\r\n\r\n",
        );
        let answer = wire.read_answer("GET").unwrap();
        assert_eq!(answer.verdict(), (404, "NoSuch\nKey".to_owned()));
        assert_eq!(answer.header("a"), Some("b"));
        assert!(wire.is_closed());
    }

    #[test]
    fn a_body_that_ends_early_is_an_error() {
        let mut wire = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc");
        let error = wire.read_answer("GET").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
