//! The story of a request, on one page.
//!
//! Routed, proven, allowed, refused if it asks for what is not built; only then is anything of its body read (of a form the
//! fields, which say who sent it). Whatever comes of it is answered here, named, counted and logged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cairn_iam::Credential;
use cairn_s3::auth::Verified;
use cairn_s3::code::Code;
use cairn_s3::error::{ErrorContext, S3Error};
use cairn_s3::form::Fields;
use cairn_s3::operations::Operation;
use cairn_s3::query::Query;
use cairn_s3::route::Route;
use cairn_s3::unbuilt;
use cairn_types::outcome::Outcome;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use crate::Gateway;
use crate::account::Account;
use crate::authorize::Asker;
use crate::authorize::context::Surroundings;
use crate::body::AnswerBody;
use crate::fault::{Fault, Reason, guarded};
use crate::ops::{self, Call, post_object};
use crate::request_body::RequestBody;
use crate::tag::RequestTag;
use crate::tls::Secured;

/// `x-amz-id-2`: S3's second name of a request. It says nothing here, but clients log it.
const HOST_ID: &str = "cairn";

/// What `x-cairn-effect` says where a request certainly did nothing.
const NO_EFFECT: &str = "none";

/// The label of requests that were not understood.
const UNKNOWN_OPERATION: &str = "unknown";

/// What a request brings along.
enum Content {
    /// Bytes that its operation reads.
    Body(RequestBody),
    /// A form, read up to its file.
    Form(post_object::Form),
}

impl Gateway {
    /// Answers one request. Errors are answers too, and so are panics.
    pub(crate) async fn serve(
        &self,
        request: Request<RequestBody>,
        peer: SocketAddr,
    ) -> Response<AnswerBody> {
        let started = self.clock.monotonic();
        let tag = RequestTag::new();
        let (mut parts, body) = request.into_parts();
        let span = tracing::info_span!("request", request_id = %tag, operation = Empty, %peer);
        let mut operation = UNKNOWN_OPERATION;
        // Boxed: it holds what every operation holds, and would be moved about with the connection.
        let accepted = Box::pin(self.accept(&mut parts, body, (tag, peer), &mut operation));
        let done = guarded(accepted).instrument(span.clone()).await;
        let mut answer = match done {
            Ok(answer) => answer,
            Err(fault) => {
                let mut answer = span.in_scope(|| refuse(&fault, &parts, tag));
                self.tell_of_no_marker(&fault, &parts, answer.headers_mut());
                answer
            }
        };
        self.let_page_read(&parts, &mut answer).await;
        name(&mut answer, tag);
        let account = self.account(span, operation, answer.status(), started);
        answer.map(|body| body.accounted(account))
    }

    /// From the head of a request to its operation. Nothing of the body is read here but the fields of a form.
    async fn accept(
        &self,
        parts: &mut Parts,
        body: RequestBody,
        (tag, peer): (RequestTag, SocketAddr),
        label: &mut &'static str,
    ) -> Result<Response<AnswerBody>, Fault> {
        let mut route = match self.addressing.route(parts) {
            Ok(route) => route,
            // Whoever cannot prove who they are is told that, and nothing about what they asked for.
            Err(error) => {
                if let Ok(query) = Query::parse(parts.uri.query()) {
                    self.verify(parts, &query).await?;
                }
                return Err(error.into());
            }
        };
        let row = route.operation.row();
        *label = row.name;
        tracing::Span::current().record("operation", display(row.name));
        if matches!(
            route.operation,
            Operation::OptionsBucket | Operation::OptionsObject
        ) {
            return self.preflight(parts, &route).await;
        }
        let (verified, content) = self.identify(parts, &mut route, body).await?;
        if !row.is_built {
            // What there is not is told to those who say who they are.
            let known = verified.identity().ok_or(Code::AccessDenied);
            return Err(known.map_or_else(Fault::from, |_| not_built(row.name)));
        }
        if let Content::Body(_) = content {
            // Only once the signature has been checked over what was sent. A form's is over its fields alone.
            unbuilt::hoist_headers(parts, &route.query)?;
        }
        let surroundings = Surroundings {
            peer: peer.ip(),
            is_secure: parts.extensions.get::<Secured>().is_some(),
            now: self.clock.now(),
        };
        let asker = Asker::new(&verified, parts, &route, surroundings);
        let admitted = self.authority.admit(asker, parts, &route).await;
        let admitted = admitted.map_err(|fault| fault.naming(&route))?;
        unbuilt::refuse(parts, &route.query)?;
        let call = Call {
            gateway: self,
            parts,
            route: &route,
            verified: &verified,
            admitted: &admitted,
            tag,
        };
        let done = match content {
            Content::Body(body) => Box::pin(ops::dispatch(call, body)).await,
            Content::Form(form) => Box::pin(post_object::serve(call, form)).await,
        };
        done.map_err(|fault| fault.naming(&route))
    }

    /// Proves who sent a request. A form says in its fields who sent it, and what it asks for.
    async fn identify(
        &self,
        parts: &mut Parts,
        route: &mut Route,
        body: RequestBody,
    ) -> Result<(Verified, Content), Fault> {
        if route.operation == Operation::PostObject {
            let (verified, form) = post_object::open(self, parts, route, body).await?;
            return Ok((verified, Content::Form(form)));
        }
        let verified = self.verify(parts, &route.query).await?;
        Ok((verified, Content::Body(body)))
    }

    /// Proves who signed a form.
    pub(crate) async fn verify_form(&self, fields: &Fields) -> Result<Verified, Fault> {
        let prove = |look_up: &dyn Fn(&str) -> Option<Credential>| {
            self.authenticator.verify_form(fields, look_up)
        };
        self.identities.prove(prove).await
    }

    async fn verify(&self, parts: &Parts, query: &Query) -> Result<Verified, Fault> {
        let now = self.clock.now();
        let prove = |look_up: &dyn Fn(&str) -> Option<Credential>| {
            self.authenticator.verify(parts, query, now, look_up)
        };
        self.identities.prove(prove).await
    }

    /// Says of a key that is not there that no delete marker hides it, where Ceph's gateway does.
    fn tell_of_no_marker(&self, fault: &Fault, parts: &Parts, headers: &mut HeaderMap) {
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        let is_absent = fault.error.code() == Code::NoSuchKey && fault.marker.is_none();
        if self.config.dialect.serves_rgw_extensions() && is_read && is_absent {
            headers.insert("x-amz-delete-marker", HeaderValue::from_static("false"));
        }
    }

    /// Counts a request that has an answer now, and opens the account of the answer.
    fn account(
        &self,
        span: Span,
        operation: &'static str,
        status: StatusCode,
        started: Duration,
    ) -> Account {
        let labels = [("operation", operation), ("status", status.as_str())];
        self.metrics
            .counter("cairn_http_requests_total", &labels)
            .inc();
        let labels = [("operation", operation)];
        Account {
            span,
            operation,
            status,
            clock: Arc::clone(&self.clock),
            started,
            seconds: self.metrics.seconds("cairn_http_request_seconds", &labels),
            sent: self.sent_bytes.clone(),
            sent_bytes: 0,
        }
    }
}

fn not_built(operation: &str) -> Fault {
    let message = format!("The operation {operation} is not implemented");
    S3Error::with_message(Code::NotImplemented, message).into()
}

/// The answer to a request that was not done.
fn refuse(fault: &Fault, parts: &Parts, tag: RequestTag) -> Response<AnswerBody> {
    log(fault);
    error_answer(fault, parts, tag)
}

/// The answer of a gateway that has not found its cluster yet.
pub(crate) fn refuse_early(parts: &Parts) -> Response<AnswerBody> {
    let tag = RequestTag::new();
    let fault = Fault::unavailable(Reason::Starting, &"the cluster is not found yet");
    let mut answer = error_answer(&fault, parts, tag);
    name(&mut answer, tag);
    answer
}

fn error_answer(fault: &Fault, parts: &Parts, tag: RequestTag) -> Response<AnswerBody> {
    let tag = tag.to_string();
    let context = context(parts.uri.path(), &tag);
    let mut answer = fault
        .error
        .to_response(&parts.method, context)
        .map(AnswerBody::whole);
    let is_error = answer.status() != StatusCode::NOT_MODIFIED;
    let headers = answer.headers_mut();
    if is_error && fault.outcome == Outcome::Refused {
        headers.insert("x-cairn-effect", HeaderValue::from_static(NO_EFFECT));
    }
    if let Some(marker) = &fault.marker {
        marker.describe(headers);
    }
    if let Some(reason) = fault.reason {
        headers.insert("x-cairn-reason", HeaderValue::from_static(reason.name()));
    }
    answer
}

/// The error element about a request that was answered with a 200 before it failed. It says itself what headers cannot.
pub(crate) fn late_refusal(fault: &Fault, resource: &str, tag: RequestTag) -> String {
    log(fault);
    let mut error = fault.error.clone();
    if fault.outcome == Outcome::Refused {
        error = error.detail("Effect", NO_EFFECT);
    }
    error.to_xml_element(context(resource, &tag.to_string()))
}

fn context<'a>(resource: &'a str, request_id: &'a str) -> ErrorContext<'a> {
    ErrorContext {
        resource,
        request_id,
        host_id: HOST_ID,
    }
}

/// Tells the operator of what is the server's doing. What is not built is a client's mistake.
fn log(fault: &Fault) {
    let code = fault.error.code();
    if code.status().is_server_error() && code != Code::NotImplemented {
        let cause = fault.cause.as_deref().unwrap_or("");
        let reason = fault.reason.map(Reason::name);
        tracing::warn!(
            code = code.name(),
            reason,
            cause,
            outcome = ?fault.outcome,
            "request failed"
        );
    }
}

/// What every answer carries.
fn name(answer: &mut Response<AnswerBody>, tag: RequestTag) {
    let headers = answer.headers_mut();
    let tag = HeaderValue::try_from(tag.to_string()).expect("hexadecimal digits are header text");
    headers.insert("x-amz-request-id", tag);
    headers.insert("x-amz-id-2", HeaderValue::from_static(HOST_ID));
    headers.insert(header::SERVER, HeaderValue::from_static("Cairn"));
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn refused(method: &str, fault: &Fault) -> Response<AnswerBody> {
        let request = Request::builder().method(method).uri("/bucket/key");
        let parts = request.body(()).unwrap().into_parts().0;
        refuse(fault, &parts, RequestTag::new())
    }

    #[test]
    fn every_error_says_whether_the_request_had_no_effect() {
        let effect = |fault: &Fault| {
            let answer = refused("PUT", fault);
            let effect = answer.headers().get("x-cairn-effect");
            effect.map(|effect| effect.to_str().unwrap().to_owned())
        };
        let none = Some("none".to_owned());
        for code in [
            Code::AccessDenied,
            Code::InvalidArgument,
            Code::PreconditionFailed,
            Code::NotImplemented,
        ] {
            assert_eq!(effect(&code.into()), none, "{code:?}");
        }
        assert_eq!(effect(&Fault::slow_down()), none);
        let unavailable = Fault::unavailable(Reason::NoMetadataLeader, &"");
        assert_eq!(effect(&unavailable), none);
        assert_eq!(effect(&Fault::unknown(&"")), None);
        assert_eq!(effect(&Code::NotModified.into()), None);
    }

    #[tokio::test]
    async fn what_cannot_be_done_now_has_a_reason_for_machines() {
        let unavailable = Fault::unavailable(Reason::NoMetadataLeader, &"");
        for method in ["PUT", "HEAD"] {
            let answer = refused(method, &unavailable);
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()["x-cairn-reason"], "no-metadata-leader");
        }
        let body = refused("PUT", &unavailable).into_body();
        let text = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.contains("<Code>ServiceUnavailable</Code>"), "{text}");
        assert!(
            text.contains("<Reason>no-metadata-leader</Reason>"),
            "{text}"
        );
    }

    #[test]
    fn an_error_behind_a_200_says_in_its_element_that_nothing_happened() {
        let refused = late_refusal(&Fault::slow_down(), "/b/k", RequestTag::new());
        assert!(
            refused.starts_with("<Error><Code>SlowDown</Code>"),
            "{refused}"
        );
        assert!(refused.contains("<Effect>none</Effect>"), "{refused}");
        let unknown = late_refusal(&Fault::unknown(&""), "/b/k", RequestTag::new());
        assert!(!unknown.contains("Effect"), "{unknown}");
    }
}
