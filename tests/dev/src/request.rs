//! One S3 request before it is sent: built, signed, and if a test wants so, altered afterwards.

use bytes::Bytes;

use crate::checksum::sha256_hex;
use crate::sign::{Canonical, Moment, Signer, UNSIGNED, encode, encode_query};

/// A request as plain parts. Every header that is there when it is signed is signed; what is added later is not.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method, in capitals.
    pub method: &'static str,
    /// Path, percent-encoded, as it is sent.
    pub path: String,
    /// Query names and values, decoded; sent in the order of a signature.
    pub query: Vec<(String, String)>,
    /// Headers in the order in which they are sent.
    pub headers: Vec<(String, String)>,
    /// The body as it is sent.
    pub body: Bytes,
    /// Value of `x-amz-content-sha256`; of the body itself when `None`.
    pub payload: Option<String>,
}

impl Request {
    /// A request for a path that is already encoded, such as `/bucket/a%20key`.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            payload: None,
        }
    }

    /// A request for a key, which is encoded here.
    pub fn key(method: &'static str, bucket: &str, key: &str) -> Self {
        Self::key_bytes(method, bucket, key.as_bytes())
    }

    /// A request for a key of any bytes, which are encoded here.
    pub fn key_bytes(method: &'static str, bucket: &str, key: &[u8]) -> Self {
        Self::new(method, format!("/{bucket}/{}", encode(key, true)))
    }

    /// Adds a query parameter; a sub-resource such as `uploads` has an empty value.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces or adds a header, also one of the signature.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self = self.without(name);
        self.header(name, value)
    }

    /// Removes a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Sets the body. Its length is declared when the request is signed, unless a header already says something.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the value of `x-amz-content-sha256` to one of the constants of [`crate::sign`], or to anything else.
    #[must_use]
    pub fn payload(mut self, payload: &str) -> Self {
        self.payload = Some(payload.to_owned());
        self
    }

    /// Leaves the body out of the signature.
    #[must_use]
    pub fn unsigned(self) -> Self {
        self.payload(UNSIGNED)
    }

    /// The value of a header.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Signs for a host now. See [`Request::signed_at`].
    #[must_use]
    pub fn signed(self, signer: &Signer, host: &str) -> Self {
        self.signed_at(signer, host, Moment::now()).0
    }

    /// Adds `Host`, `Content-Length`, `x-amz-date`, `x-amz-content-sha256` and `Authorization`; also gives the bare signature.
    ///
    /// `Host` and `Content-Length` stay as they are where the request already has them; the length is never signed.
    #[must_use]
    pub fn signed_at(self, signer: &Signer, host: &str, moment: Moment) -> (Self, String) {
        let declares_length = self.value("content-length").is_some()
            || self.value("transfer-encoding").is_some()
            || (self.body.is_empty() && matches!(self.method, "GET" | "HEAD" | "DELETE"));
        let payload = match &self.payload {
            Some(payload) => payload.clone(),
            None => sha256_hex(&self.body),
        };
        let mut request = self.host(host);
        request = request
            .with("x-amz-date", moment.stamp())
            .with("x-amz-content-sha256", payload.clone());
        let headers: Vec<(String, String)> = request
            .headers
            .iter()
            .filter(|(name, _)| !unsigned_header(name))
            .cloned()
            .collect();
        let (authorization, signature) = signer.authorization(
            moment,
            Canonical {
                method: request.method,
                path: &request.path,
                query: &request.query,
                headers: &headers,
                payload: &payload,
            },
        );
        request = request.with("authorization", authorization);
        if !declares_length {
            let len = request.body.len().to_string();
            request = request.header("content-length", len);
        }
        (request, signature)
    }

    /// Puts a signature into the query, valid for some seconds from `moment` on.
    #[must_use]
    pub fn presigned(
        self,
        signer: &Signer,
        host: &str,
        moment: Moment,
        expires_seconds: &str,
    ) -> Self {
        let mut request = self.host(host);
        request.query = signer.presigned_query(
            moment,
            expires_seconds,
            Canonical {
                method: request.method,
                path: &request.path,
                query: &request.query,
                headers: &request.headers,
                payload: UNSIGNED,
            },
        );
        if !request.body.is_empty() {
            let len = request.body.len().to_string();
            request = request.header("content-length", len);
        }
        request
    }

    /// Adds `Host` first where it is missing.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        if self.value("host").is_none() {
            self.headers.insert(0, ("host".to_owned(), host.to_owned()));
        }
        self
    }

    /// Path and query as they are sent.
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        format!("{}?{}", self.path, encode_query(&self.query))
    }

    /// Request line and headers with the empty line, as they are sent over HTTP/1.1.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target());
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// Headers that proxies and clients add after signing, so no client signs them.
fn unsigned_header(name: &str) -> bool {
    [
        "content-length",
        "transfer-encoding",
        "expect",
        "authorization",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known))
}
