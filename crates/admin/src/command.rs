//! The operator's side of the console: asking a running server, or the first of several that answers.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use cairn_iam::SecretKey;
use cairn_runtime::Secret;
use cairn_s3::auth::{Purpose, sign_request};
use cairn_types::time::Timestamp;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use crate::console::{api, users as paths};
use crate::status::ClusterStatus;
use crate::steer::Done;
use crate::users::{User, UserDone, UserEdit, UserSpec};

/// An answer takes this long at the most.
const PATIENCE: Duration = Duration::from_secs(15);

/// A change takes this long at the most: a minute for members, and the questions before it.
const CHANGE_PATIENCE: Duration = Duration::from_secs(90);

/// A process that lives says so within this. One that is held up accepts connections too.
const LIVE_PATIENCE: Duration = Duration::from_secs(2);

/// An answer is this long at the most.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// Consoles of processes of one cluster, at least one. They are asked one after the other until one answers.
    pub consoles: Vec<SocketAddr>,
    /// The cluster's region, for signing.
    pub region: String,
    /// What requests are signed with.
    pub keys: Keys,
}

/// What a request is signed with.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The access key.
    pub access_key: String,
    /// The secret.
    pub secret_key: SecretKey,
}

/// A change of the cluster. Nodes are meant by their names, or by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Makes a metadata node a voter.
    AddNode {
        /// The node.
        node: String,
    },
    /// Takes a node out of the cluster for good.
    RemoveNode {
        /// The node.
        node: String,
    },
    /// Hands the leadership of a group over.
    TransferLeader {
        /// The group.
        group: u16,
        /// To whom; to anybody else who votes when nothing is said.
        node: Option<String>,
    },
}

/// A change of the users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// Makes a user.
    Add(UserSpec),
    /// Makes a user, or brings it up to date.
    Provision(UserSpec),
    /// Changes what is known of a user.
    Edit(UserEdit),
    /// Forgets a user.
    Remove {
        /// The user.
        id: String,
    },
    /// Gives a user another access key.
    AddKey {
        /// The user.
        id: String,
        /// The key; made up when nothing is said.
        access_key: Option<String>,
        /// Its secret; made up when nothing is said.
        secret_key: Option<Secret<String>>,
    },
    /// Takes an access key away.
    RemoveKey {
        /// The key.
        access_key: String,
    },
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
    /// Nobody is at any of the addresses.
    #[error("none of {count} processes answers; the last one, at http://{address}: {reason}")]
    NoneReachable {
        /// How many there are.
        count: usize,
        /// Where the last one is.
        address: SocketAddr,
        /// Why it does not.
        reason: String,
    },
    /// A change was sent, and the connection broke or nothing came back.
    #[error(
        "the server at http://{address} did not answer; what was asked for may happen yet ({reason})"
    )]
    Unknown {
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

/// Asks whether the server with this console is ready.
///
/// # Errors
/// When it is not, or is not there.
pub async fn check_ready(console: SocketAddr) -> Result<(), CommandError> {
    ask(console, plain(console, "/-/ready"), PATIENCE)
        .await
        .map(drop)
}

impl Target {
    /// Asks for the state of the cluster, signed at the time `now`.
    ///
    /// # Errors
    /// When nobody is there, or does not accept the keys.
    pub async fn fetch_status(&self, now: Timestamp) -> Result<ClusterStatus, CommandError> {
        let make = |console| {
            let target = api::STATUS.to_owned();
            self.signed(console, Method::GET, &target, Bytes::new(), now)
        };
        let answer = self.ask_any(make, PATIENCE).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Asks for all users, signed at the time `now`.
    ///
    /// # Errors
    /// When nobody is there, or does not accept the keys.
    pub async fn fetch_users(&self, now: Timestamp) -> Result<Vec<User>, CommandError> {
        let make = |console| self.signed(console, Method::GET, paths::USERS, Bytes::new(), now);
        let answer = self.ask_any(make, PATIENCE).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Asks for a change of the users, signed at the time `now`. As `change`.
    ///
    /// # Errors
    /// As `change`.
    pub async fn change_user(
        &self,
        change: &UserChange,
        now: Timestamp,
    ) -> Result<UserDone, CommandError> {
        let answer = self.post(change.request(), now).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Asks for a change, signed at the time `now`, and waits until it is made.
    ///
    /// # Errors
    /// When nobody is there, or does not accept the keys; when it is refused, or takes too long. `Unknown`: it may happen yet.
    pub async fn change(&self, change: &Change, now: Timestamp) -> Result<Done, CommandError> {
        let answer = self.post(change.request(), now).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    async fn post(
        &self,
        (path, body): (&'static str, Bytes),
        now: Timestamp,
    ) -> Result<Bytes, CommandError> {
        let target = format!("{path}?{}", api::signed_query(&body));
        let make = |console| self.signed(console, Method::POST, &target, body.clone(), now);
        self.ask_any(make, CHANGE_PATIENCE).await
    }

    /// Asks the first that lives. One that cannot say just now, because it is starting or has no way to the others, is passed
    /// over.
    async fn ask_any(
        &self,
        make: impl Fn(SocketAddr) -> Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Bytes, CommandError> {
        let mut last: Option<CommandError> = None;
        for console in &self.consoles {
            let failed = match self.ask_one(*console, &make, patience).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_passed_over = match &failed {
                CommandError::Unreachable { .. } => true,
                CommandError::Refused { status, .. } => *status == StatusCode::SERVICE_UNAVAILABLE,
                CommandError::NoneReachable { .. }
                | CommandError::Unknown { .. }
                | CommandError::Answer(_) => false,
            };
            if !is_passed_over {
                return Err(failed);
            }
            // What somebody says tells more than that others are gone.
            if !matches!(
                (&last, &failed),
                (
                    Some(CommandError::Refused { .. }),
                    CommandError::Unreachable { .. }
                )
            ) {
                last = Some(failed);
            }
        }
        match last.expect("there is at least one console") {
            CommandError::Unreachable { address, reason } if self.consoles.len() > 1 => {
                Err(CommandError::NoneReachable {
                    count: self.consoles.len(),
                    address,
                    reason,
                })
            }
            error => Err(error),
        }
    }

    async fn ask_one(
        &self,
        console: SocketAddr,
        make: impl Fn(SocketAddr) -> Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Bytes, CommandError> {
        ask(console, plain(console, "/-/live"), LIVE_PATIENCE).await?;
        let request = make(console);
        let is_change = request.method() == Method::POST;
        ask(console, request, patience)
            .await
            .map_err(|error| match error {
                // It was there a moment ago, so most likely it got the request.
                CommandError::Unreachable { address, reason } if is_change => {
                    CommandError::Unknown { address, reason }
                }
                error => error,
            })
    }

    fn signed(
        &self,
        console: SocketAddr,
        method: Method,
        target: &str,
        body: Bytes,
        now: Timestamp,
    ) -> Request<Full<Bytes>> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", console.to_string());
        let (mut parts, ()) = request
            .body(())
            .expect("constant parts, digits and an address make a request")
            .into_parts();
        let purpose = Purpose {
            service: crate::SERVICE,
            region: &self.region,
        };
        let Keys {
            access_key,
            secret_key,
        } = &self.keys;
        sign_request(&mut parts, access_key, secret_key, purpose, now);
        Request::from_parts(parts, Full::new(body))
    }
}

impl Change {
    /// The path and the body of the request for it.
    fn request(&self) -> (&'static str, Bytes) {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            group: Option<u16>,
            #[serde(skip_serializing_if = "Option::is_none")]
            node: Option<&'a str>,
        }
        let (path, group, node) = match self {
            Self::AddNode { node } => (api::ADD_NODE, None, Some(node)),
            Self::RemoveNode { node } => (api::REMOVE_NODE, None, Some(node)),
            Self::TransferLeader { group, node } => {
                (api::TRANSFER_LEADER, Some(*group), node.as_ref())
            }
        };
        let node = node.map(String::as_str);
        let body = serde_json::to_vec(&Body { group, node });
        (path, Bytes::from(body.expect("texts and numbers are JSON")))
    }
}

impl UserChange {
    /// The path and the body of the request for it.
    fn request(&self) -> (&'static str, Bytes) {
        match self {
            Self::Add(spec) => (paths::ADD_USER, json(spec)),
            Self::Provision(spec) => (paths::PROVISION_USER, json(spec)),
            Self::Edit(edit) => (paths::EDIT_USER, json(edit)),
            Self::Remove { id } => {
                let body = paths::OfUser { id: id.clone() };
                (paths::REMOVE_USER, json(&body))
            }
            Self::AddKey {
                id,
                access_key,
                secret_key,
            } => {
                let secret = secret_key.as_ref().map(|secret| secret.expose().clone());
                let body = paths::NewKey {
                    id: id.clone(),
                    access_key: access_key.clone(),
                    secret_key: secret,
                };
                (paths::ADD_KEY, json(&body))
            }
            Self::RemoveKey { access_key } => {
                let access_key = access_key.clone();
                (paths::REMOVE_KEY, json(&paths::OfKey { access_key }))
            }
        }
    }
}

fn json(body: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(body).expect("texts and truths are JSON"))
}

/// A request that needs no signature.
fn plain(console: SocketAddr, path: &'static str) -> Request<Full<Bytes>> {
    let request = Request::get(path).header("host", console.to_string());
    request
        .body(Full::default())
        .expect("constant parts and an address make a request")
}

async fn ask(
    console: SocketAddr,
    request: Request<Full<Bytes>>,
    patience: Duration,
) -> Result<Bytes, CommandError> {
    let unreachable = |reason: String| CommandError::Unreachable {
        address: console,
        reason,
    };
    let exchange = async {
        let stream = TcpStream::connect(console)
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
    let (status, body) = tokio::time::timeout(patience, exchange)
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
