//! Answers to web pages of other origins, as the rules of buckets say.

use cairn_s3::code::Code;
use cairn_s3::cors::{Rules, actual, preflight};
use cairn_s3::output;
use cairn_s3::route::{Route, Target};
use cairn_s3::xml::cors::parse_cors;
use cairn_types::name::BucketName;
use cairn_types::settings::DocumentKind;
use http::request::Parts;
use http::{HeaderMap, Method, Response, header};

use crate::Gateway;
use crate::body::AnswerBody;
use crate::fault::Fault;

impl Gateway {
    /// Answers a browser that asks whether a page may send a request. Browsers do not sign that.
    ///
    /// # Errors
    /// `BadRequest` for what is no such question, `AccessForbidden`, or the metadata does not answer.
    pub(crate) async fn preflight(
        &self,
        parts: &Parts,
        route: &Route,
    ) -> Result<Response<AnswerBody>, Fault> {
        let (bucket, resource_type) = match &route.target {
            Target::Service => return Err(Code::MethodNotAllowed.into()),
            Target::Bucket(bucket) => (bucket, "BUCKET"),
            Target::Object(bucket, _) => (bucket, "OBJECT"),
        };
        let told = match self.cors_rules(bucket).await {
            Ok(rules) => preflight(rules.as_ref(), &parts.headers, resource_type),
            Err(fault) if fault.error.code() == Code::NoSuchBucket => {
                let told = preflight(None, &parts.headers, resource_type);
                told.map_err(|error| match error.code() {
                    Code::AccessForbidden => error.saying("CORSResponse: Bucket not found"),
                    _ => error,
                })
            }
            Err(fault) => return Err(fault),
        };
        Ok(output::preflight(told?).map(AnswerBody::whole))
    }

    /// Adds to an answer what lets a page read it that has made the request, if the bucket's rules let it; to refusals too.
    pub(crate) async fn let_page_read(&self, parts: &Parts, answer: &mut Response<AnswerBody>) {
        let is_of_page = parts.headers.contains_key(header::ORIGIN);
        if !is_of_page || parts.method == Method::OPTIONS || answer.status().is_server_error() {
            return;
        }
        let Ok(route) = self.addressing.route(parts) else {
            return;
        };
        let Some(bucket) = route.target.bucket() else {
            return;
        };
        // Without an answer of the metadata the page is told what it would be told of a bucket without rules.
        if let Ok(Some(rules)) = self.cors_rules(bucket).await {
            let dialect = self.config.dialect;
            let told: HeaderMap = actual(&rules, &parts.method, &parts.headers, dialect);
            answer.headers_mut().extend(told);
        }
    }

    /// The rules of a bucket, now.
    async fn cors_rules(&self, name: &BucketName) -> Result<Option<Rules>, Fault> {
        let buckets = self.engine.buckets();
        let bucket = buckets.lookup(name).await?;
        let known = buckets.settings(&bucket).await?.value;
        let Some(document) = known.settings.documents.get(&DocumentKind::Cors) else {
            return Ok(None);
        };
        let rules = parse_cors(document.text());
        let rules = rules.map_err(|error| {
            Fault::senseless(format!("the rules for other origins of a bucket: {error}"))
        });
        rules.map(Some)
    }
}
