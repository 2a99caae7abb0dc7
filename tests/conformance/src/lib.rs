//! What the conformance tests stand on: an endpoint, the AWS SDK pointed at it, and a bucket of its own for each test.
//!
//! `CAIRN_TEST_ENDPOINT` (an `http://` URL), `CAIRN_TEST_ACCESS_KEY`, `CAIRN_TEST_SECRET_KEY` and `CAIRN_TEST_REGION` name an
//! endpoint of any make. Without them a `cairn dev` of six directories is started once per test process, and ends with it.
//!
//! Tests of what servers of S3 answer differently ask for an endpoint by its dialect: `CAIRN_TEST_DIALECT` says which one a
//! given endpoint speaks (`aws`, or `ceph`), and those of the other are passed over. Without one, each has a server of its own.

#![expect(
    clippy::disallowed_methods,
    reason = "tests see the server from outside: they read their own environment and the real clock"
)]

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, CompletedMultipartUpload, CompletedPart, EncodingType,
    VersioningConfiguration,
};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::scratch::Scratch;
use cairn_dev_tests::server::{self, Options, Server};
use cairn_dev_tests::sign::Signer;
use cairn_dev_tests::wire::{Answer, Wire};
use cairn_dev_tests::xml;
use percent_encoding::percent_decode_str;

/// Smallest part of a multipart upload that is not its last.
pub const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;
/// One mebibyte.
pub const MIB: u64 = 1024 * 1024;

/// What an endpoint answers where servers of S3 differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As AWS.
    Aws,
    /// As Ceph's gateway.
    Ceph,
}

/// Where the tests go.
#[derive(Debug)]
pub struct Endpoint {
    /// Host and port, as `Host` names it.
    pub host: String,
    /// Where to connect.
    pub address: SocketAddr,
    /// Who signs.
    pub signer: Signer,
    /// What it answers where servers differ.
    pub dialect: Dialect,
    // The server of this process, when no endpoint was given. Never dropped: the kernel ends it with this process.
    server: Option<(Server, Scratch)>,
}

impl Endpoint {
    /// A connection of its own.
    ///
    /// # Panics
    /// When nobody accepts.
    pub fn connect(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// Signs a request and exchanges it over a connection of its own.
    ///
    /// # Panics
    /// When there is no complete answer.
    pub fn exchange(&self, request: Request) -> Answer {
        let signed = self.sign(request);
        self.connect().exchange(&signed)
    }

    /// Signs a request for this endpoint, now.
    pub fn sign(&self, request: Request) -> Request {
        request.signed(&self.signer, &self.host)
    }

    /// The server that this process has started; `None` for an endpoint given by the environment.
    pub fn server(&self) -> Option<&Server> {
        self.server.as_ref().map(|(server, _)| server)
    }
}

/// The endpoint of this test process. The first call may start a server, which takes a moment.
///
/// # Panics
/// When the environment names an endpoint that is not `http://`, or the server does not start.
pub fn endpoint() -> &'static Endpoint {
    static ENDPOINT: OnceLock<Endpoint> = OnceLock::new();
    ENDPOINT.get_or_init(|| match std::env::var("CAIRN_TEST_ENDPOINT") {
        Ok(url) => given_endpoint(&url),
        Err(_) => own_endpoint(Dialect::Aws),
    })
}

/// The endpoint of tests of a dialect; `None` when the environment names one that speaks another.
///
/// # Panics
/// As [`endpoint`].
pub fn speaking(dialect: Dialect) -> Option<&'static Endpoint> {
    static CEPH: OnceLock<Endpoint> = OnceLock::new();
    let first = endpoint();
    if first.dialect == dialect {
        return Some(first);
    }
    first.server()?;
    Some(CEPH.get_or_init(|| own_endpoint(dialect)))
}

/// A client of the AWS SDK which tries every request once, so that no fault hides behind a retry.
///
/// It belongs to the runtime of its first request; make one per test.
pub fn sdk() -> Client {
    sdk_at(endpoint())
}

/// As [`sdk`], for another endpoint.
pub fn sdk_at(endpoint: &Endpoint) -> Client {
    let signer = &endpoint.signer;
    let credentials = Credentials::new(
        &signer.access_key,
        &signer.secret_key,
        None,
        None,
        "conformance",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://{}", endpoint.host))
        .region(Region::new(signer.region.clone()))
        .credentials_provider(credentials)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// A bucket of one test. Dropping it removes it with what is in it.
#[derive(Debug)]
pub struct Bucket {
    name: String,
    client: Client,
    endpoint: &'static Endpoint,
}

impl Bucket {
    /// Makes a bucket with a name that no other test has.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn create() -> Self {
        Self::create_at(endpoint()).await
    }

    /// As [`Bucket::create`], at another endpoint.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn create_at(endpoint: &'static Endpoint) -> Self {
        let bucket = Self::named(fresh_name(), endpoint);
        let created = bucket.client.create_bucket().bucket(&bucket.name);
        created.send().await.expect("create a bucket");
        bucket
    }

    /// As [`Bucket::create`], at the endpoint of a dialect. `None` when there is no such endpoint.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn speaking(dialect: Dialect) -> Option<Self> {
        Some(Self::create_at(speaking(dialect)?).await)
    }

    /// As [`Bucket::create`], and its objects can be locked.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn locking() -> Self {
        Self::locking_at(endpoint()).await
    }

    /// As [`Bucket::locking`], at another endpoint.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn locking_at(endpoint: &'static Endpoint) -> Self {
        let bucket = Self::named(fresh_name(), endpoint);
        let create = bucket.client.create_bucket().bucket(&bucket.name);
        let created = create.object_lock_enabled_for_bucket(true).send().await;
        created.expect("create a bucket with object lock");
        bucket
    }

    /// The bucket of this name, which is removed with this value, whoever makes it.
    pub fn named(name: String, endpoint: &'static Endpoint) -> Self {
        Self {
            name,
            client: sdk_at(endpoint),
            endpoint,
        }
    }

    /// As [`Bucket::create`], for a test without a runtime.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn create_blocking() -> Self {
        runtime().block_on(Self::create())
    }

    /// As [`Bucket::create`], and it keeps versions.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn versioned() -> Self {
        let bucket = Self::create().await;
        bucket.set_versioning(BucketVersioningStatus::Enabled).await;
        bucket
    }

    /// As [`Bucket::versioned`], for a test without a runtime.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn versioned_blocking() -> Self {
        runtime().block_on(Self::versioned())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn endpoint(&self) -> &'static Endpoint {
        self.endpoint
    }

    /// The client that made it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Writes an object in one request.
    ///
    /// # Panics
    /// When it is not acknowledged.
    pub async fn put(&self, key: &str, body: impl Into<ByteStream>) -> PutObjectOutput {
        let put = self.client.put_object().bucket(&self.name).key(key);
        let sent = put.body(body.into()).send().await;
        sent.unwrap_or_else(|error| panic!("put {key:?}: {error:?}"))
    }

    /// Reads an object whole.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn get(&self, key: &str) -> Vec<u8> {
        let get = self.client.get_object().bucket(&self.name).key(key);
        let sent = get.send().await;
        let object = sent.unwrap_or_else(|error| panic!("get {key:?}: {error:?}"));
        let body = object.body.collect().await;
        let body = body.unwrap_or_else(|error| panic!("read {key:?}: {error:?}"));
        body.to_vec()
    }

    /// Whether a key has an object.
    ///
    /// # Panics
    /// When the endpoint does not say.
    pub async fn has(&self, key: &str) -> bool {
        let head = self.client.head_object().bucket(&self.name).key(key);
        match head.send().await {
            Ok(_) => true,
            Err(error) if status_of(&error) == 404 => false,
            Err(error) => panic!("head {key:?}: {error:?}"),
        }
    }

    /// Every key, over all pages of `ListObjectsV2`.
    ///
    /// # Panics
    /// When a page cannot be had.
    pub async fn keys(&self) -> Vec<String> {
        keys(&self.client, &self.name)
            .await
            .expect("list the bucket")
    }

    /// Says whether it keeps versions from now on.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn set_versioning(&self, status: BucketVersioningStatus) {
        let configuration = VersioningConfiguration::builder().status(status).build();
        let put = self.client.put_bucket_versioning().bucket(&self.name);
        let put = put.versioning_configuration(configuration);
        put.send().await.expect("set versioning");
    }

    /// Whether it keeps versions, as it says.
    ///
    /// # Panics
    /// When it does not say.
    pub async fn versioning(&self) -> Option<BucketVersioningStatus> {
        let get = self.client.get_bucket_versioning().bucket(&self.name);
        get.send().await.expect("get versioning").status
    }

    /// The versions of keys with this prefix, at most a page of them, in the order of the answer: key, version, and whether
    /// it is a delete marker.
    ///
    /// # Panics
    /// When they cannot be had.
    pub fn versions(&self, prefix: &str) -> Vec<(String, String, bool)> {
        let list = Request::new("GET", format!("/{}", self.name)).query("versions", "");
        let answer = self.endpoint.exchange(list.query("prefix", prefix));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let keys = xml::texts(&answer.body, "Key");
        let versions = xml::texts(&answer.body, "VersionId");
        // The SDK tells versions and markers apart, and their common order with it.
        let text = answer.text();
        let of = |element, is_marker| {
            let found = text.match_indices(element);
            found.map(move |(at, _)| (at, is_marker))
        };
        let mut kinds: Vec<(usize, bool)> = of("<Version>", false).collect();
        kinds.extend(of("<DeleteMarker>", true));
        kinds.sort_unstable();
        assert_eq!((keys.len(), versions.len()), (kinds.len(), kinds.len()));
        let kinds = kinds.into_iter().map(|(_, is_marker)| is_marker);
        let rows = keys.into_iter().zip(versions).zip(kinds);
        rows.map(|((key, version), is_marker)| (key, version, is_marker))
            .collect()
    }

    /// Begins a multipart upload.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn begin(&self, key: &str) -> String {
        let create = self.client.create_multipart_upload();
        let created = create.bucket(&self.name).key(key).send().await;
        let created = created.expect("create a multipart upload");
        created.upload_id.expect("an upload has an id")
    }

    /// Uploads a part and gives what completing needs of it.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn part(
        &self,
        key: &str,
        upload: &str,
        number: i32,
        body: impl Into<ByteStream>,
    ) -> CompletedPart {
        let put = self.client.upload_part().bucket(&self.name).key(key);
        let put = put.upload_id(upload).part_number(number).body(body.into());
        let sent = put.send().await;
        let sent = sent.unwrap_or_else(|error| panic!("upload part {number}: {error:?}"));
        CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .build()
    }
}

/// The document of `CompleteMultipartUpload`.
pub fn completed(parts: Vec<CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder()
        .set_parts(Some(parts))
        .build()
}

/// A name for a bucket that no other test, also of another process, uses.
///
/// # Panics
/// When the clock of this machine is before 1970.
pub fn fresh_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.expect("a clock after 1970").as_millis();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("conformance-{millis:x}-{}-{count}", std::process::id())
}

/// Status and code of a refused request; the code is empty where the answer has none.
///
/// # Panics
/// When the request was not refused, or not answered.
#[track_caller]
pub fn refusal<Output, Fault>(result: Result<Output, SdkError<Fault>>) -> (u16, String)
where
    Output: std::fmt::Debug,
    Fault: ProvideErrorMetadata + std::fmt::Debug,
{
    match result {
        Ok(output) => panic!("not refused: {output:?}"),
        Err(SdkError::ServiceError(refused)) => {
            let code = refused.err().code().unwrap_or_default().to_owned();
            (refused.raw().status().as_u16(), code)
        }
        // An answer that the SDK has no model for, such as 304.
        Err(SdkError::ResponseError(answer)) => (answer.raw().status().as_u16(), String::new()),
        Err(error) => panic!("no answer: {error:?}"),
    }
}

/// Asserts that a request was refused in this way.
///
/// # Panics
/// When it was not.
#[track_caller]
pub fn assert_refused<Output, Fault>(
    result: Result<Output, SdkError<Fault>>,
    status: u16,
    code: &str,
) where
    Output: std::fmt::Debug,
    Fault: ProvideErrorMetadata + std::fmt::Debug,
{
    assert_eq!(refusal(result), (status, code.to_owned()));
}

fn status_of<Fault>(error: &SdkError<Fault>) -> u16 {
    error
        .raw_response()
        .map_or(0, |response| response.status().as_u16())
}

fn given_endpoint(url: &str) -> Endpoint {
    let host = url
        .strip_prefix("http://")
        .unwrap_or_else(|| panic!("CAIRN_TEST_ENDPOINT is {url:?}: only http:// is spoken here"))
        .trim_end_matches('/');
    let resolved = match host.rsplit_once(':') {
        Some(_) => host.to_socket_addrs(),
        None => (host, 80).to_socket_addrs(),
    };
    let address = resolved.ok().and_then(|mut found| found.next());
    let variable = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("CAIRN_TEST_ENDPOINT is set, {name} is not"))
    };
    Endpoint {
        host: host.to_owned(),
        address: address.unwrap_or_else(|| panic!("{host:?} resolves to no address")),
        signer: Signer {
            access_key: variable("CAIRN_TEST_ACCESS_KEY"),
            secret_key: variable("CAIRN_TEST_SECRET_KEY"),
            region: std::env::var("CAIRN_TEST_REGION")
                .unwrap_or_else(|_| server::REGION.to_owned()),
        },
        dialect: match std::env::var("CAIRN_TEST_DIALECT").as_deref() {
            Ok("ceph") => Dialect::Ceph,
            Ok("aws") | Err(_) => Dialect::Aws,
            Ok(other) => panic!("CAIRN_TEST_DIALECT is {other:?}, neither aws nor ceph"),
        },
        server: None,
    }
}

fn own_endpoint(dialect: Dialect) -> Endpoint {
    let (name, setting) = match dialect {
        Dialect::Aws => ("conformance", "aws"),
        Dialect::Ceph => ("conformance-ceph", "ceph"),
    };
    let scratch = Scratch::new(name);
    // Six directories are the smallest set with the default profile of a cluster, 4+2.
    let options = Options::new(&scratch, scratch.disks(6));
    let options = options.env("CAIRN_S3_DIALECT", setting);
    let options = options.env("CAIRN_S3_SIGNATURE_V2", "on");
    let server = Server::start(&options);
    Endpoint {
        host: options.s3.to_string(),
        address: options.s3,
        signer: server.signer(),
        dialect,
        server: Some((server, scratch)),
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        // A thread of its own, because a test's runtime cannot be blocked on from within. What cannot be removed stays: the
        // test has already said what is wrong, and the server's directories go with this process.
        let endpoint = self.endpoint;
        let removal = thread::spawn(move || runtime().block_on(remove(&name, endpoint)));
        let _ = removal.join();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("build a runtime")
}

async fn remove(name: &str, endpoint: &Endpoint) -> Option<()> {
    let client = sdk_at(endpoint);
    // One by one: the SDK cannot write every key into the document of DeleteObjects.
    for key in keys(&client, name).await? {
        let delete = client.delete_object().bucket(name).key(key);
        delete.send().await.ok()?;
    }
    let emptied = client.delete_bucket().bucket(name).send().await;
    if emptied.is_ok() {
        return Some(());
    }
    remove_versions(&client, name).await?;
    client.delete_bucket().bucket(name).send().await.ok()?;
    Some(())
}

async fn remove_versions(client: &Client, name: &str) -> Option<()> {
    loop {
        let list = client.list_object_versions().bucket(name);
        let page = list.encoding_type(EncodingType::Url).send().await.ok()?;
        for (key, version, _) in version_rows(&page) {
            let delete = client.delete_object().bucket(name).key(url_decoded(&key));
            let delete = delete.version_id(version).bypass_governance_retention(true);
            delete.send().await.ok()?;
        }
        if page.is_truncated() != Some(true) {
            return Some(());
        }
    }
}

/// The rows of a page as the SDK tells them: key, version, and whether it is a delete marker; markers come last.
pub fn version_rows(page: &ListObjectVersionsOutput) -> Vec<(String, String, bool)> {
    let row = |key: Option<&str>, version: Option<&str>, is_marker| {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        (text(key), text(version), is_marker)
    };
    let versions = page.versions().iter();
    let markers = page.delete_markers().iter();
    versions
        .map(|version| row(version.key(), version.version_id(), false))
        .chain(markers.map(|marker| row(marker.key(), marker.version_id(), true)))
        .collect()
}

/// Reads a name of a listing with `encoding-type=url`, where a space is `+` and a plus `%2B`.
///
/// # Panics
/// When what is encoded is no UTF-8, which a key always is.
pub fn url_decoded(name: &str) -> String {
    let spaced = name.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.expect("a key is UTF-8").into_owned()
}

async fn keys(client: &Client, bucket: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut token = None;
    loop {
        // Encoded, because XML has no way to write some characters that keys may have.
        let list = client.list_objects_v2().bucket(bucket);
        let list = list.encoding_type(EncodingType::Url);
        let page = list.set_continuation_token(token).send().await.ok()?;
        let contents = page.contents.unwrap_or_default();
        let names = contents.iter().filter_map(|object| object.key());
        keys.extend(names.map(url_decoded));
        token = page.next_continuation_token;
        if token.is_none() {
            return Some(keys);
        }
    }
}
