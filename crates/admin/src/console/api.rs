//! The admin API: GET for the state, POST for changes, all of it signed.
//!
//! The body of a change is JSON. What signs a request covers no body, so the query, which it does cover, has the body's
//! SHA-256: `POST /admin/v1/add-node?sha256=<64 hexadecimal digits>`.

use std::error::Error;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Admin, text, users, with_type};
use crate::steer::SteerError;

/// Where the state is.
pub(crate) const STATUS: &str = "/admin/v1/status";

pub(crate) const ADD_NODE: &str = "/admin/v1/add-node";
pub(crate) const REMOVE_NODE: &str = "/admin/v1/remove-node";
pub(crate) const TRANSFER_LEADER: &str = "/admin/v1/transfer-leader";

/// Where changes are asked for.
pub(crate) const CHANGES: [&str; 3] = [ADD_NODE, REMOVE_NODE, TRANSFER_LEADER];

/// A body is this long at the most.
const BODY_LIMIT: usize = 4096;

/// Which node a change is about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfNode {
    /// Its name, or its id.
    node: String,
}

/// Who is to lead what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfLeader {
    group: u16,
    /// Nothing: any other voter.
    #[serde(default)]
    node: Option<String>,
}

/// A refusal, with what to say.
pub(super) type Refused = (StatusCode, String);

impl Admin {
    /// Answers a request for one of the paths above.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let answered = match request.uri().path() {
            STATUS | users::USERS => self.state(request).await,
            _ => self.change(request).await,
        };
        match answered {
            Ok(json) => with_type(StatusCode::OK, "application/json", json + "\n"),
            Err((status, reason)) => text(status, reason + "\n"),
        }
    }

    async fn state(&self, request: Request<Incoming>) -> Result<String, Refused> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let reason = "only GET and HEAD".to_owned();
            return Err((StatusCode::METHOD_NOT_ALLOWED, reason));
        }
        let (parts, _) = request.into_parts();
        (self.authenticate)(&parts).map_err(|reason| (StatusCode::FORBIDDEN, reason))?;
        if parts.uri.path() == users::USERS {
            let users = self.users.list().await;
            let users = users.map_err(|error| (status_of(&error), error.to_string()))?;
            return Ok(json_of(&users));
        }
        Ok(json_of(&self.collector.status().await))
    }

    async fn change(&self, request: Request<Incoming>) -> Result<String, Refused> {
        if request.method() != Method::POST {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "only POST".to_owned()));
        }
        let (parts, body) = request.into_parts();
        (self.authenticate)(&parts).map_err(|reason| (StatusCode::FORBIDDEN, reason))?;
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let body = body.map_err(|error| not_read(&*error))?;
        let body = body.to_bytes();
        if parts.uri.query() != Some(signed_query(&body).as_str()) {
            let reason = "the query is not sha256=, with that of the body".to_owned();
            return Err((StatusCode::FORBIDDEN, reason));
        }
        let path = parts.uri.path();
        if users::CHANGES.contains(&path) {
            let done = users::change(&self.users, path, &body).await?;
            // What it says for people may have a secret in it.
            let (id, changed) = (&done.id, done.changed);
            tracing::info!(
                path,
                id,
                changed,
                "an operator asked for a change of a user"
            );
            return Ok(json_of(&done));
        }
        let done = match path {
            ADD_NODE => {
                let OfNode { node } = read(&body)?;
                self.steering.add_node(&node).await
            }
            REMOVE_NODE => {
                let OfNode { node } = read(&body)?;
                self.steering.remove_node(&node).await
            }
            _ => {
                let OfLeader { group, node } = read(&body)?;
                self.steering.transfer_leader(group, node.as_deref()).await
            }
        };
        let done = done.map_err(|error| (status_of(&error), error.to_string()))?;
        tracing::info!(done = done.done, "an operator changed the cluster");
        Ok(json_of(&done))
    }
}

/// Whether a path is one of the admin API's.
pub(super) fn is_known(path: &str) -> bool {
    [STATUS, users::USERS].contains(&path)
        || CHANGES.contains(&path)
        || users::CHANGES.contains(&path)
}

/// The query under which a body is sent.
pub(crate) fn signed_query(body: &[u8]) -> String {
    format!("sha256={}", hex::encode(Sha256::digest(body)))
}

fn not_read(error: &(dyn Error + Send + Sync + 'static)) -> Refused {
    if error.is::<LengthLimitError>() {
        let reason = format!("a body has {BODY_LIMIT} bytes at the most");
        (StatusCode::PAYLOAD_TOO_LARGE, reason)
    } else {
        (StatusCode::BAD_REQUEST, format!("the body: {error}"))
    }
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| {
        let reason = format!("the body is not understood: {error}");
        (StatusCode::BAD_REQUEST, reason)
    })
}

pub(super) fn status_of(error: &SteerError) -> StatusCode {
    match error {
        SteerError::NoSuch(_) => StatusCode::NOT_FOUND,
        SteerError::Refused(_) => StatusCode::CONFLICT,
        SteerError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        SteerError::Late(_) => StatusCode::GATEWAY_TIMEOUT,
    }
}

fn json_of(done: &impl Serialize) -> String {
    serde_json::to_string_pretty(done).expect("a report has only strings for keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_what_is_needed_and_nothing_else() {
        let one = read::<OfNode>(br#"{"node": "meta-4"}"#).unwrap();
        assert_eq!(one.node, "meta-4");
        let any = read::<OfLeader>(br#"{"group": 3}"#).unwrap();
        assert_eq!((any.group, any.node), (3, None));
        for wrong in [
            "",
            "{}",
            r#"{"node": 1}"#,
            r#"{"node": "a", "force": true}"#,
        ] {
            let (status, reason) = read::<OfNode>(wrong.as_bytes()).unwrap_err();
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(!reason.contains('\n'), "{reason}");
        }
        assert!(read::<OfLeader>(br#"{"group": 65536}"#).is_err());
    }

    #[test]
    fn the_query_has_the_hash_of_the_body() {
        assert_eq!(
            signed_query(b""),
            "sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
