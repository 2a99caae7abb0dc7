//! The story of a request, on one page.
//!
//! Routed, proven, allowed, refused if it asks for what is not built; only then is anything of its body read. Whatever
//! comes of it is answered here, named, counted and logged.

use std::net::SocketAddr;

use cairn_iam::{Decision, decide};
use cairn_s3::auth::Verified;
use cairn_s3::code::Code;
use cairn_s3::error::{ErrorContext, S3Error};
use cairn_s3::query::Query;
use cairn_s3::unbuilt;
use cairn_types::outcome::Outcome;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tracing::Instrument;
use tracing::field::{Empty, display};

use crate::Gateway;
use crate::body::AnswerBody;
use crate::fault::Fault;
use crate::ops::{self, Call};
use crate::tag::RequestTag;

/// `x-amz-id-2`: S3's second name of a request. It says nothing here, but clients log it.
const HOST_ID: &str = "cairn";

/// The label of requests that were not understood.
const UNKNOWN_OPERATION: &str = "unknown";

impl Gateway {
    /// Answers one request. Errors are answers too.
    pub async fn serve(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<AnswerBody> {
        let started = self.clock.monotonic();
        let tag = RequestTag::new();
        let (mut parts, body) = request.into_parts();
        let span = tracing::info_span!("request", request_id = %tag, operation = Empty, %peer);
        let mut operation = UNKNOWN_OPERATION;
        let done = self
            .accept(&mut parts, body, &mut operation)
            .instrument(span.clone())
            .await;
        let _entered = span.enter();
        let mut answer = match done {
            Ok(answer) => answer,
            Err(fault) => refuse(&fault, &parts, tag),
        };
        name(&mut answer, tag);
        self.count(operation, &answer);
        let elapsed = self.clock.monotonic().saturating_sub(started);
        self.metrics
            .seconds("cairn_http_request_seconds", &[("operation", operation)])
            .observe(elapsed.as_secs_f64());
        tracing::debug!(
            operation,
            method = %parts.method,
            status = answer.status().as_u16(),
            elapsed_ms = elapsed.as_secs_f64() * 1000.0,
            "answered"
        );
        answer
    }

    /// From the head of a request to its operation. Nothing of the body is read here.
    async fn accept(
        &self,
        parts: &mut Parts,
        body: Incoming,
        label: &mut &'static str,
    ) -> Result<Response<AnswerBody>, Fault> {
        let route = match self.addressing.route(parts) {
            Ok(route) => route,
            // Whoever cannot prove who they are is told that, and nothing about what they asked for.
            Err(error) => {
                if let Ok(query) = Query::parse(parts.uri.query()) {
                    self.verify(parts, &query)?;
                }
                return Err(error.into());
            }
        };
        let row = route.operation.row();
        *label = row.name;
        tracing::Span::current().record("operation", display(row.name));
        let verified = self.verify(parts, &route.query)?;
        match decide(verified.identity(), row.action, route.target.resource()) {
            Decision::Allow => {}
            Decision::Deny => return Err(Code::AccessDenied.into()),
        }
        if !row.is_built {
            return Err(not_built(row.name));
        }
        // Only once the signature has been checked over what was sent.
        unbuilt::hoist_headers(parts, &route.query)?;
        unbuilt::refuse(parts, &route.query)?;
        let call = Call {
            gateway: self,
            parts,
            route: &route,
            verified: &verified,
        };
        let done = ops::dispatch(call, body).await;
        done.map_err(|fault| fault.naming(&route))
    }

    fn verify(&self, parts: &Parts, query: &Query) -> Result<Verified, S3Error> {
        let now = self.clock.now();
        self.authenticator
            .verify(parts, query, now, |key| self.credential(key))
    }

    fn count(&self, operation: &'static str, answer: &Response<AnswerBody>) {
        let status = answer.status();
        let labels = [("operation", operation), ("status", status.as_str())];
        self.metrics
            .counter("cairn_http_requests_total", &labels)
            .inc();
        self.sent_bytes.inc_by(answer.body().len());
    }
}

fn not_built(operation: &str) -> Fault {
    let message = format!("The operation {operation} is not implemented");
    S3Error::with_message(Code::NotImplemented, message).into()
}

/// The answer to a request that was not done.
fn refuse(fault: &Fault, parts: &Parts, tag: RequestTag) -> Response<AnswerBody> {
    let code = fault.error.code();
    if code.status().is_server_error() {
        let cause = fault.cause.as_deref().unwrap_or("");
        tracing::warn!(code = code.name(), cause, outcome = ?fault.outcome, "request failed");
    }
    let tag = tag.to_string();
    let context = ErrorContext {
        resource: parts.uri.path(),
        request_id: &tag,
        host_id: HOST_ID,
    };
    let mut answer = fault
        .error
        .to_response(&parts.method, context)
        .map(AnswerBody::whole);
    let is_unavailable = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
    if is_unavailable && fault.outcome == Outcome::Refused {
        answer
            .headers_mut()
            .insert("x-cairn-effect", HeaderValue::from_static("none"));
    }
    answer
}

/// What every answer carries.
fn name(answer: &mut Response<AnswerBody>, tag: RequestTag) {
    let headers = answer.headers_mut();
    let tag = HeaderValue::try_from(tag.to_string()).expect("hexadecimal digits are header text");
    headers.insert("x-amz-request-id", tag);
    headers.insert("x-amz-id-2", HeaderValue::from_static(HOST_ID));
    headers.insert(header::SERVER, HeaderValue::from_static("Cairn"));
}
