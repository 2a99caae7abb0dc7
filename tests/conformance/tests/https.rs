//! HTTPS: by the AWS SDK, and by hand in both versions of HTTP.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use bytes::Bytes;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::scratch::Scratch;
use cairn_dev_tests::server::{Options, REGION, Server};
use cairn_dev_tests::wire::Wire;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::samples::{assert_bytes, content};

/// A server that speaks HTTPS, with a certificate that only its own tests trust.
struct Secure {
    server: Server,
    address: SocketAddr,
    certificate: String,
    files: [PathBuf; 2],
    _scratch: Scratch,
}

/// A certificate for the loopback address and its key, in PEM.
fn certificate() -> [String; 2] {
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    [made.cert.pem(), made.signing_key.serialize_pem()]
}

impl Secure {
    fn start() -> Self {
        let scratch = Scratch::new("https");
        let files = ["certificate.pem", "key.pem"].map(|name| scratch.path().join(name));
        let [certificate, key] = certificate();
        fs::write(&files[0], &certificate).unwrap();
        fs::write(&files[1], key).unwrap();
        let options = Options::new(&scratch, scratch.disks(1))
            .env("CAIRN_S3_TLS_CERTIFICATE_FILE", files[0].to_str().unwrap())
            .env("CAIRN_S3_TLS_KEY_FILE", files[1].to_str().unwrap());
        Self {
            server: Server::start(&options),
            address: options.s3,
            certificate,
            files,
            _scratch: scratch,
        }
    }

    fn sdk(&self) -> Client {
        let trusted = TrustStore::empty().with_pem_certificate(self.certificate.clone());
        let context = TlsContext::builder().with_trust_store(trusted).build();
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.unwrap())
            .build_https();
        let signer = self.server.signer();
        let keys = Credentials::new(signer.access_key, signer.secret_key, None, None, "https");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(format!("https://{}", self.address))
            .region(Region::new(REGION))
            .credentials_provider(keys)
            .force_path_style(true)
            .build();
        Client::from_conf(config)
    }

    /// A connection that trusts `certificate` alone and offers these protocols.
    async fn connect(
        &self,
        certificate: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        for trusted in CertificateDer::pem_slice_iter(certificate.as_bytes()) {
            roots.add(trusted.unwrap()).unwrap();
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let name = ServerName::try_from(self.address.ip().to_string()).unwrap();
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// A signed request as hyper sends it.
    fn request(&self, request: Request) -> http::Request<Full<Bytes>> {
        let host = self.address.to_string();
        let signed = request.signed(&self.server.signer(), &host);
        let uri = format!("https://{host}{}", signed.path);
        let mut made = http::Request::builder().method(signed.method).uri(uri);
        for (name, value) in &signed.headers {
            made = made.header(name, value);
        }
        made.body(Full::new(signed.body)).unwrap()
    }
}

/// What an answer says, and in which version.
async fn whole(answer: http::Response<hyper::body::Incoming>) -> (http::Version, u16, Bytes) {
    let (version, status) = (answer.version(), answer.status().as_u16());
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (version, status, body)
}

#[tokio::test]
async fn the_sdk_puts_and_gets_over_https() {
    let secure = Secure::start();
    let client = secure.sdk();
    client
        .create_bucket()
        .bucket("bucket")
        .send()
        .await
        .unwrap();
    for len in [0, 1, 20_000, 3_000_000] {
        let bytes = content("https", len);
        let put = client.put_object().bucket("bucket").key("key");
        put.body(ByteStream::from(bytes.clone()))
            .send()
            .await
            .unwrap();
        let get = client.get_object().bucket("bucket").key("key");
        let stored = get.send().await.unwrap().body.collect().await.unwrap();
        assert_bytes(&stored.to_vec(), &bytes);
    }
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_as_the_client_wants_it() {
    let secure = Secure::start();
    let body = content("https", 2_000_000);
    let certificate = secure.certificate.clone();

    let stream = secure
        .connect(&certificate, &["h2", "http/1.1"])
        .await
        .unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let created = sender
        .send_request(secure.request(Request::new("PUT", "/bucket")))
        .await;
    assert_eq!(whole(created.unwrap()).await.1, 200);
    let put = Request::key("PUT", "bucket", "key").body(body.clone());
    let put = sender.send_request(secure.request(put)).await.unwrap();
    assert_eq!(whole(put).await.0, http::Version::HTTP_2);
    // Many at a time, some of which are refused.
    let gets = (0..20).map(|number| {
        let key = if number % 2 == 0 { "key" } else { "absent" };
        let get = secure.request(Request::key("GET", "bucket", key));
        let sent = sender.clone().send_request(get);
        // All are read at the same time: what one does not take of the connection's window the others wait for.
        async move { whole(sent.await.unwrap()).await }
    });
    let gets: Vec<_> = gets.map(tokio::spawn).collect();
    for (number, get) in gets.into_iter().enumerate() {
        let (_, status, stored) = get.await.unwrap();
        if number % 2 == 0 {
            assert_eq!(status, 200);
            assert_bytes(&stored, &body);
        } else {
            assert_eq!(status, 404);
        }
    }

    for protocols in [&["http/1.1"][..], &[]] {
        let stream = secure.connect(&certificate, protocols).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let get = Request::key("GET", "bucket", "key");
        let get = sender.send_request(secure.request(get)).await.unwrap();
        let (version, status, stored) = whole(get).await;
        assert_eq!((version, status), (http::Version::HTTP_11, 200));
        assert_bytes(&stored, &body);
    }
}

/// A request whose body comes in pieces, of which nobody says how long they are together. The pieces that were taken are counted.
fn in_pieces(
    request: http::Request<Full<Bytes>>,
    body: &[u8],
) -> (
    http::Request<impl Body<Data = Bytes, Error = Infallible> + Send + 'static>,
    Arc<AtomicUsize>,
) {
    let taken = Arc::new(AtomicUsize::new(0));
    let pieces: Vec<Bytes> = body.chunks(PIECE_LEN).map(Bytes::copy_from_slice).collect();
    let count = Arc::clone(&taken);
    let pieces = futures::stream::iter(pieces.into_iter().map(move |piece| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Frame::data(piece))
    }));
    let mut request = request.map(|_| StreamBody::new(pieces));
    request.headers_mut().remove("content-length");
    (request, taken)
}

const PIECE_LEN: usize = 100_000;

#[tokio::test]
async fn over_http_2_a_body_needs_no_length_and_one_that_is_refused_is_taken_all_the_same() {
    let secure = Secure::start();
    let stream = secure.connect(&secure.certificate, &["h2"]).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let body = content("pieces", 3_000_000);
    for (bucket, status) in [("absent", 404), ("bucket", 200)] {
        if status == 200 {
            let create = secure.request(Request::new("PUT", "/bucket"));
            let (create, _) = in_pieces(create, b"");
            assert_eq!(sender.send_request(create).await.unwrap().status(), 200);
        }
        let put = secure.request(Request::key("PUT", bucket, "key").unsigned());
        let (put, taken) = in_pieces(put, &body);
        let (_, answered, text) = whole(sender.send_request(put).await.unwrap()).await;
        assert_eq!(answered, status, "{}", String::from_utf8_lossy(&text));
        let all = async {
            while taken.load(Ordering::Relaxed) < body.len().div_ceil(PIECE_LEN) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), all).await;
        assert!(
            waited.is_ok(),
            "{} pieces were taken",
            taken.load(Ordering::Relaxed)
        );
    }
    let empty = secure.request(Request::key("PUT", "bucket", "empty"));
    let (empty, _) = in_pieces(empty, b"");
    assert_eq!(sender.send_request(empty).await.unwrap().status(), 200);
    for (key, stored) in [("key", &body[..]), ("empty", b"")] {
        let get = secure.request(Request::key("GET", "bucket", key));
        let (get, _) = in_pieces(get, b"");
        let (_, status, bytes) = whole(sender.send_request(get).await.unwrap()).await;
        assert_eq!(status, 200);
        assert_bytes(&bytes, stored);
    }
}

#[tokio::test]
async fn a_certificate_is_exchanged_while_connections_are_open() {
    let secure = Secure::start();
    let old = secure.certificate.clone();
    let stream = secure.connect(&old, &[]).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);

    // Nothing that can be used: the old one stays.
    fs::write(&secure.files[0], "nothing").unwrap();
    let [new, key] = certificate();
    fs::write(&secure.files[0], &new).unwrap();
    assert!(secure.connect(&old, &[]).await.is_ok());
    fs::write(&secure.files[1], &key).unwrap();
    let exchanged = async {
        while secure.connect(&new, &[]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), exchanged).await;
    assert!(waited.is_ok(), "the new certificate is not taken up");
    assert!(secure.connect(&old, &[]).await.is_err());

    let list = secure.request(Request::new("GET", "/"));
    let list = sender.send_request(list).await.unwrap();
    assert_eq!(list.status(), 200);
}

#[tokio::test]
async fn who_speaks_plain_http_is_cut_off_and_nobody_else() {
    let secure = Secure::start();
    let plain = Request::new("GET", "/").signed(&secure.server.signer(), "localhost");
    let address = secure.address;
    let answered = tokio::task::spawn_blocking(move || {
        let mut wire = Wire::connect(address);
        let _ = wire.try_send(&plain.head());
        wire.read_answer("GET").is_ok()
    });
    assert!(!answered.await.unwrap());
    assert!(secure.connect(&secure.certificate, &[]).await.is_ok());
}
