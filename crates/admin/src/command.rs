//! The operator's side of the console: asking a running server.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use cairn_iam::SecretKey;
use cairn_s3::auth::{Purpose, sign_request};
use cairn_types::time::Timestamp;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::status::ClusterStatus;

/// An answer takes this long at the most.
const PATIENCE: Duration = Duration::from_secs(15);

/// An answer is this long at the most.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// Where a server's console is.
#[derive(Debug, Clone)]
pub struct Console {
    /// Its address.
    pub address: SocketAddr,
    /// The server's region, for signing.
    pub region: String,
}

/// What a request is signed with.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The access key.
    pub access_key: String,
    /// The secret.
    pub secret_key: SecretKey,
}

/// Why a server's console did not say what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Nobody is there.
    #[error(
        "no server answers at http://{address}: is it running, is this its console address? ({reason})"
    )]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// The server is there and says no.
    #[error("the server answers {status}: {text}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What it says.
        text: String,
    },
    /// The answer is of another release, or of no server of ours.
    #[error("the answer is not understood")]
    Answer(#[from] serde_json::Error),
}

/// Asks whether the server is ready.
///
/// # Errors
/// When it is not, or is not there.
pub async fn check_ready(console: &Console) -> Result<(), CommandError> {
    let request = Request::get("/-/ready").header("host", console.address.to_string());
    let request = request
        .body(Empty::new())
        .expect("constant parts and an address make a request");
    ask(console, request).await.map(drop)
}

/// Asks for the state of the cluster, signed at the time `now`.
///
/// # Errors
/// When the server is not there, or does not accept the keys.
pub async fn fetch_status(
    console: &Console,
    keys: &Keys,
    now: Timestamp,
) -> Result<ClusterStatus, CommandError> {
    let request = Request::get("/admin/v1/status").header("host", console.address.to_string());
    let (mut parts, ()) = request
        .body(())
        .expect("constant parts and an address make a request")
        .into_parts();
    sign_request(
        &mut parts,
        &keys.access_key,
        &keys.secret_key,
        Purpose {
            service: crate::SERVICE,
            region: &console.region,
        },
        now,
    );
    let answer = ask(console, Request::from_parts(parts, Empty::new())).await?;
    Ok(serde_json::from_slice(&answer)?)
}

async fn ask(console: &Console, request: Request<Empty<Bytes>>) -> Result<Bytes, CommandError> {
    let unreachable = |reason: String| CommandError::Unreachable {
        address: console.address,
        reason,
    };
    let exchange = async {
        let stream = TcpStream::connect(console.address)
            .await
            .map_err(|error| error.to_string())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let answered = async {
            let answer = sender
                .send_request(request)
                .await
                .map_err(|error| error.to_string())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_LIMIT)
                .collect()
                .await
                .map_err(|error| error.to_string())?;
            Ok::<_, String>((status, body.to_bytes()))
        };
        // The connection makes progress only while it is polled; it ends by itself after the answer.
        tokio::select! {
            answered = answered => answered,
            Err(error) = connection => Err(error.to_string()),
        }
    };
    let (status, body) = tokio::time::timeout(PATIENCE, exchange)
        .await
        .map_err(|_| unreachable("no answer in time".to_owned()))?
        .map_err(unreachable)?;
    if status.is_success() {
        return Ok(body);
    }
    Err(CommandError::Refused {
        status,
        text: String::from_utf8_lossy(&body).trim().to_owned(),
    })
}
