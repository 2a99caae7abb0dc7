//! Which web pages may read answers of a bucket: matching requests with its rules, purely.
//!
//! Source: AWS, "Using cross-origin resource sharing (CORS)" and the answers of S3; Fetch, "CORS protocol".

mod pattern;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::S3Error;

pub use pattern::{Pattern, TooManyWildcards};

const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// The rules of a bucket: 1 to 100, the first that matches counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for people.
    pub id: Option<String>,
    /// The headers that a page may send; case does not count.
    pub allowed_headers: Vec<Pattern>,
    /// The methods it may use, at least one.
    pub allowed_methods: Vec<CorsMethod>,
    /// Where the page may come from, at least one.
    pub allowed_origins: Vec<Pattern>,
    /// The headers that it may read.
    pub expose_headers: Vec<String>,
    /// How many seconds a browser may remember this.
    pub max_age_seconds: Option<u32>,
}

/// A method that rules can allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CorsMethod {
    /// `GET`.
    Get,
    /// `PUT`.
    Put,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `DELETE`.
    Delete,
}

/// Fewer rules than one, or more than a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a bucket has 1 to {} rules for other origins", Rules::MOST)]
pub struct RuleCountError;

impl CorsMethod {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Get, Self::Put, Self::Head, Self::Post, Self::Delete];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    /// The method of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

impl Rules {
    /// The most rules of a bucket.
    pub const MOST: usize = 100;

    /// Counts the rules.
    ///
    /// # Errors
    /// There are none, or more than 100.
    pub fn new(rules: Vec<Rule>) -> Result<Self, RuleCountError> {
        if (1..=Self::MOST).contains(&rules.len()) {
            Ok(Self(rules))
        } else {
            Err(RuleCountError)
        }
    }

    /// The rules, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.0.iter()
    }

    /// What a browser is told that asks whether a page from `origin` may use `method` and send `headers`; `None`: it may not.
    ///
    /// Cost: rules × patterns × headers.
    pub fn preflight(
        &self,
        origin: &str,
        method: CorsMethod,
        headers: &[&str],
    ) -> Option<HeaderMap> {
        let matching = self.0.iter().find_map(|rule| {
            let pattern = rule.match_origin(origin, method)?;
            let allows_headers = headers.iter().all(|header| rule.allows_header(header));
            allows_headers.then_some((rule, pattern))
        });
        let (rule, pattern) = matching?;
        let mut answer = rule.answer(origin, pattern);
        if !headers.is_empty() {
            let list = headers.join(", ").to_ascii_lowercase();
            set(&mut answer, header::ACCESS_CONTROL_ALLOW_HEADERS, &list);
        }
        Some(answer)
    }

    /// What is added to the answer to a request itself that a page from `origin` makes; nothing if no rule is about it.
    pub fn actual(&self, origin: &str, method: CorsMethod) -> HeaderMap {
        let matching = self
            .0
            .iter()
            .find_map(|rule| Some((rule, rule.match_origin(origin, method)?)));
        matching.map_or_else(HeaderMap::new, |(rule, pattern)| {
            rule.answer(origin, pattern)
        })
    }
}

impl Rule {
    /// The pattern by which it is about the request.
    fn match_origin(&self, origin: &str, method: CorsMethod) -> Option<&Pattern> {
        let mut origins = self.allowed_origins.iter();
        origins
            .find(|pattern| pattern.matches(origin))
            .filter(|_| self.allowed_methods.contains(&method))
    }

    fn allows_header(&self, header: &str) -> bool {
        let header = header.to_ascii_lowercase();
        self.allowed_headers
            .iter()
            .any(|pattern| pattern.matches_lower_case(&header))
    }

    fn answer(&self, origin: &str, pattern: &Pattern) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let methods: Vec<&str> = self
            .allowed_methods
            .iter()
            .map(|method| method.as_str())
            .collect();
        if pattern.is_everything() {
            set(&mut headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        } else {
            // Only of an origin that is named may a page send its cookies: browsers refuse it beside `*`.
            set(&mut headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            set(
                &mut headers,
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                "true",
            );
        }
        let methods = methods.join(", ");
        set(&mut headers, header::ACCESS_CONTROL_ALLOW_METHODS, &methods);
        if !self.expose_headers.is_empty() {
            let list = self.expose_headers.join(", ");
            set(&mut headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &list);
        }
        if let Some(seconds) = self.max_age_seconds {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
        headers.insert(header::VARY, HeaderValue::from_static(VARY));
        headers
    }
}

/// The headers of the answer to a preflight request, which is a 200 without a body. `rules` are those of the bucket, if it
/// has any.
///
/// # Errors
/// `BadRequest` for what is no preflight request, `AccessForbidden` when the page may not.
pub fn preflight(
    rules: Option<&Rules>,
    request: &HeaderMap,
    resource_type: &'static str,
) -> Result<HeaderMap, S3Error> {
    let Some(origin) = text(request, &header::ORIGIN) else {
        return Err(S3Error::with_message(
            Code::BadRequest,
            "Insufficient information. Origin request header needed.",
        ));
    };
    let name = text(request, &header::ACCESS_CONTROL_REQUEST_METHOD);
    let Some(method) = name.and_then(CorsMethod::parse) else {
        return Err(S3Error::with_message(
            Code::BadRequest,
            format!(
                "Invalid Access-Control-Request-Method: {}",
                name.unwrap_or("null")
            ),
        ));
    };
    let asked = text(request, &header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let asked: Vec<&str> = asked
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let forbidden = |error: S3Error| {
        error
            .detail("Method", method.as_str())
            .detail("ResourceType", resource_type)
    };
    let Some(rules) = rules else {
        return Err(forbidden(S3Error::with_message(
            Code::AccessForbidden,
            "CORSResponse: CORS is not enabled for this bucket.",
        )));
    };
    rules
        .preflight(origin, method, &asked)
        .ok_or_else(|| forbidden(S3Error::new(Code::AccessForbidden)))
}

/// What is added to the answer to a request, refused or not: nothing unless a page made it that a rule is about.
pub fn actual(rules: &Rules, method: &Method, request: &HeaderMap, dialect: Dialect) -> HeaderMap {
    let Some(origin) = text(request, &header::ORIGIN) else {
        return HeaderMap::new();
    };
    let asked = text(request, &header::ACCESS_CONTROL_REQUEST_METHOD)
        .filter(|_| dialect.lets_request_method_choose_cors_rule());
    CorsMethod::parse(asked.unwrap_or(method.as_str()))
        .map(|method| rules.actual(origin, method))
        .unwrap_or_default()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// What is no header value is left out: names of headers in rules are checked when they are read.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
