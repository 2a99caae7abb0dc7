//! A lean S3 client: pooled connections, one signature per request, nothing retried that was sent.
//!
//! It classifies what it could not finish. An operation is *done*, *refused* (it certainly had no effect) or *unknown* (it may
//! take effect, now or later, wholly), which is what a test of durability needs to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::request::Request;
use crate::sign::Signer;
use crate::wire::Answer;
use crate::xml;

const DEADLINE: Duration = Duration::from_mins(1);

/// A client of one endpoint, or of several in turn. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct S3 {
    pool: Client<HttpConnector, Full<Bytes>>,
    // Never empty.
    hosts: Arc<[String]>,
    turn: Arc<AtomicUsize>,
    signer: Signer,
    deadline: Duration,
    signs_bodies: bool,
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged.
    Done,
    /// Certainly without effect.
    Refused,
    /// May take effect or not, once, wholly.
    Unknown,
}

/// An operation that got no complete answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection could not be made: nothing was sent.
    #[error("connect: {0}")]
    Connect(#[source] hyper_util::client::legacy::Error),
    /// The connection broke after something may have been sent.
    #[error("send: {0}")]
    Send(#[source] hyper_util::client::legacy::Error),
    /// The answer broke off.
    #[error("receive: {0}")]
    Receive(#[source] hyper::Error),
    /// No complete answer within the deadline.
    #[error("no complete answer within {0:?}")]
    Deadline(Duration),
}

/// An answer, or the lack of one.
pub type Sent = Result<Answer, SendError>;

impl S3 {
    /// A client for `host`, such as `127.0.0.1:9000`. Opens no connection yet.
    pub fn new(host: impl Into<String>, signer: Signer) -> Self {
        Self::over(vec![host.into()], signer)
    }

    /// A client that sends each request to the next of `hosts`, whose gateways serve the same objects.
    ///
    /// # Panics
    /// When there is no host.
    pub fn over(hosts: Vec<String>, signer: Signer) -> Self {
        assert!(!hosts.is_empty(), "a client needs a host");
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            pool: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(4_096)
                .build(connector),
            hosts: hosts.into(),
            turn: Arc::default(),
            signer,
            deadline: DEADLINE,
            signs_bodies: true,
        }
    }

    /// Leaves bodies out of signatures: hashing them costs this machine as much as it costs the server.
    #[must_use]
    pub fn with_unsigned_bodies(mut self) -> Self {
        self.signs_bodies = false;
        self
    }

    /// Gives every operation this long instead of 60 seconds.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Who signs.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Host and port; of several, the first.
    pub fn host(&self) -> &str {
        self.hosts.first().expect("checked when it was made")
    }

    /// Signs and sends a request, and reads its answer whole into memory.
    ///
    /// # Errors
    /// When there is no complete answer; an error answer is an answer.
    pub async fn send(&self, request: Request) -> Sent {
        let mut body = Vec::new();
        let mut answer = self.stream(request, |piece| body.extend(piece)).await?;
        answer.body = body;
        Ok(answer)
    }

    /// Signs and sends a request, and hands the answer's body on in pieces; the answer itself comes with an empty one.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn stream(&self, request: Request, on_piece: impl FnMut(&[u8])) -> Sent {
        let exchange = self.exchange(request, on_piece);
        tokio::time::timeout(self.deadline, exchange)
            .await
            .unwrap_or(Err(SendError::Deadline(self.deadline)))
    }

    /// `PUT` of a bucket.
    ///
    /// # Errors
    /// As [`S3::send`].
    pub async fn create_bucket(&self, bucket: &str) -> Sent {
        self.send(Request::new("PUT", format!("/{bucket}"))).await
    }

    /// `PUT` of an object in one request.
    ///
    /// # Errors
    /// As [`S3::send`].
    pub async fn put(&self, bucket: &str, key: &str, body: Bytes) -> Sent {
        self.send(Request::key("PUT", bucket, key).body(body)).await
    }

    /// `GET` of an object, whole.
    ///
    /// # Errors
    /// As [`S3::send`].
    pub async fn get(&self, bucket: &str, key: &str) -> Sent {
        self.send(Request::key("GET", bucket, key)).await
    }

    /// `DELETE` of an object.
    ///
    /// # Errors
    /// As [`S3::send`].
    pub async fn delete(&self, bucket: &str, key: &str) -> Sent {
        self.send(Request::key("DELETE", bucket, key)).await
    }

    /// An object in parts. What goes wrong before the last request is refused: an upload alone changes no object.
    pub async fn put_parts(&self, bucket: &str, key: &str, parts: &[Bytes]) -> Outcome {
        let Some((upload, document)) = self.upload_parts(bucket, key, parts).await else {
            return Outcome::Refused;
        };
        let complete = Request::key("POST", bucket, key)
            .query("uploadId", upload)
            .body(document);
        outcome(&self.send(complete).await)
    }

    /// Starts an upload and sends its parts: its id, and the document that completes it. `None` where any request failed.
    pub async fn upload_parts(
        &self,
        bucket: &str,
        key: &str,
        parts: &[Bytes],
    ) -> Option<(String, String)> {
        let create = Request::key("POST", bucket, key).query("uploads", "");
        let upload = xml::text(&self.send(create).await.ok()?.body, "UploadId")?;
        let mut document = String::from("<CompleteMultipartUpload>");
        for (number, part) in (1..).zip(parts) {
            let put = Request::key("PUT", bucket, key)
                .query("partNumber", format!("{number}"))
                .query("uploadId", &upload)
                .body(part.clone());
            let answer = self.send(put).await.ok()?;
            let etag = answer.header("etag")?;
            document.push_str(&part_element(number, etag));
        }
        document.push_str("</CompleteMultipartUpload>");
        Some((upload, document))
    }

    /// Every key of a bucket, in the order in which pages of 1,000 give them. `None` where a page failed.
    pub async fn list_keys(&self, bucket: &str) -> Option<Vec<String>> {
        let mut keys = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = Request::new("GET", format!("/{bucket}")).query("list-type", "2");
            if let Some(token) = token {
                request = request.query("continuation-token", token);
            }
            let page = self.send(request).await.ok()?;
            if page.status != 200 {
                return None;
            }
            keys.extend(xml::texts(&page.body, "Key"));
            token = xml::text(&page.body, "NextContinuationToken");
            if token.is_none() {
                return Some(keys);
            }
        }
    }

    async fn exchange(&self, request: Request, mut on_piece: impl FnMut(&[u8])) -> Sent {
        let request = match (self.signs_bodies, &request.payload) {
            (false, None) => request.unsigned(),
            _ => request,
        };
        let host = self.next_host();
        let request = request.signed(&self.signer, host);
        let response = self.pool.request(outgoing(host, &request)).await;
        let response = response.map_err(|error| {
            if error.is_connect() {
                SendError::Connect(error)
            } else {
                SendError::Send(error)
            }
        })?;
        let (parts, mut body) = response.into_parts();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(SendError::Receive)?;
            if let Some(piece) = frame.data_ref() {
                on_piece(piece);
            }
        }
        let headers = parts.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: Vec::new(),
        })
    }

    fn next_host(&self) -> &str {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.hosts.len();
        self.hosts.get(turn).expect("below their number")
    }
}

/// What an answer, or the lack of one, says about the operation.
pub fn outcome(sent: &Sent) -> Outcome {
    match sent {
        Ok(answer) => answer_outcome(answer),
        Err(SendError::Connect(_)) => Outcome::Refused,
        Err(_) => Outcome::Unknown,
    }
}

/// One part as the document of `CompleteMultipartUpload` names it; the `ETag` as it was answered, with its quotes.
pub fn part_element(number: u32, etag: &str) -> String {
    format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
}

fn outgoing(host: &str, request: &Request) -> http::Request<Full<Bytes>> {
    let mut builder = http::Request::builder()
        .method(request.method)
        .uri(format!("http://{host}{}", request.target()));
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    builder
        .body(Full::new(request.body.clone()))
        .expect("requests are built from encoded paths and printable headers")
}

fn answer_outcome(answer: &Answer) -> Outcome {
    let marked = answer.header("x-cairn-effect") == Some("none");
    match answer.status {
        // A 200 may carry an error document: CompleteMultipartUpload answers before it knows.
        200..300 if answer.code().is_none() => Outcome::Done,
        400..500 => Outcome::Refused,
        _ if marked => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, headers: &[(&str, &str)], body: &str) -> Outcome {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        outcome(&Ok(Answer {
            status,
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
        }))
    }

    #[test]
    fn only_a_marked_server_error_is_refused() {
        let marker = [("x-cairn-effect", "none")];
        assert_eq!(answered(200, &[], ""), Outcome::Done);
        assert_eq!(answered(404, &[], ""), Outcome::Refused);
        assert_eq!(answered(503, &marker, ""), Outcome::Refused);
        assert_eq!(answered(503, &[], ""), Outcome::Unknown);
        assert_eq!(answered(500, &[], ""), Outcome::Unknown);
        let late = "<Error><Code>InternalError</Code></Error>";
        assert_eq!(answered(200, &[], late), Outcome::Unknown);
        let slow = Err(SendError::Deadline(DEADLINE));
        assert_eq!(outcome(&slow), Outcome::Unknown);
    }
}
