//! What a signed request says of its signature, before any of it is believed.

use cairn_types::time::Timestamp;
use http::header;
use http::request::Parts;

use super::version_two::OldClaim;
use super::{SKEW_LIMIT_MS, Terms};
use crate::code::Code;
use crate::date;
use crate::error::S3Error;
use crate::query::Query;

/// The header that says how the body is protected.
pub(super) const PAYLOAD_HEADER: &str = "x-amz-content-sha256";

/// The signature algorithm of version 4.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const EXPIRES_LIMIT_SECS: u64 = 604_800;
const PRESIGNED_PARAMETERS: [&str; 6] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
];

/// A signature and what it says it is of.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) access_key: String,
    pub(super) scope: Scope,
    pub(super) time: Timestamp,
    /// In the order in which they were named.
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: [u8; 32],
    /// What stands for the body in what was signed.
    pub(super) payload: String,
    pub(super) place: Place,
}

/// Where a signature was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Header,
    Query { expires_secs: u64 },
}

/// What a signing key is good for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    /// Eight digits.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl Scope {
    pub(super) fn text(&self) -> String {
        format!(
            "{}/{}/{}/aws4_request",
            self.date, self.region, self.service
        )
    }
}

/// The signature of a request.
#[derive(Debug)]
pub(super) enum Found {
    /// Of version 4.
    Four(Box<Claim>),
    /// Of version 2.
    Two(OldClaim),
}

impl Found {
    /// The signature of a request, from exactly one place; `None` when there is none at all.
    pub(super) fn in_request(
        parts: &Parts,
        query: &Query,
        terms: &Terms,
    ) -> Result<Option<Self>, S3Error> {
        let headers: Vec<_> = parts
            .headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .collect();
        let in_query = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"]
            .iter()
            .any(|name| query.contains(name));
        let old_in_query = query.contains("AWSAccessKeyId") || query.contains("Signature");
        let places = headers.len() + usize::from(in_query) + usize::from(old_in_query);
        if places > 1 {
            return Err(two_places());
        }
        if query.contains("X-Amz-Security-Token")
            || parts.headers.contains_key("x-amz-security-token")
        {
            // No session was ever given out.
            return Err(S3Error::new(Code::InvalidToken));
        }
        let two = |claim| Some(Self::Two(claim));
        let four = |claim| Some(Self::Four(Box::new(claim)));
        match headers.first() {
            Some(value) => {
                let value = value.to_str().unwrap_or_default().trim();
                match value.split_once(' ').unwrap_or((value, "")) {
                    ("AWS", _) if !terms.takes_version_two() => Err(version_two()),
                    ("AWS", fields) => OldClaim::from_header(fields, parts).map(two),
                    (algorithm, fields) => Claim::from_header(algorithm, fields, parts).map(four),
                }
            }
            None if in_query => Claim::from_query(parts, query, terms.expires_code).map(four),
            None if old_in_query && !terms.takes_version_two() => Err(version_two()),
            None if old_in_query => OldClaim::from_query(query).map(two),
            None => Ok(None),
        }
    }
}

impl Claim {
    /// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
    fn from_header(algorithm: &str, fields: &str, parts: &Parts) -> Result<Self, S3Error> {
        check_algorithm(algorithm)?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let field = field.trim();
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed_header("an unknown component was found")),
            };
            if slot.replace(value).is_some() {
                return Err(malformed_header("a component was found twice"));
            }
        }
        let credential = credential.ok_or_else(|| malformed_header("missing Credential"))?;
        let (access_key, scope) =
            parse_credential(credential).map_err(|message| malformed_header(&message))?;
        let signed_headers =
            signed_headers.ok_or_else(|| malformed_header("missing SignedHeaders"))?;
        let signature = signature.and_then(parse_signature);
        let claim = Self {
            access_key,
            scope,
            time: time_of_header(parts)?,
            signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
            signature: signature.ok_or_else(|| malformed_header("missing Signature"))?,
            payload: payload_header(parts).ok_or_else(|| {
                S3Error::with_message(
                    Code::InvalidRequest,
                    "Missing required header for this request: x-amz-content-sha256",
                )
            })?,
            place: Place::Header,
        };
        claim.check_signed_headers(parts)?;
        Ok(claim)
    }

    fn from_query(parts: &Parts, query: &Query, expires_code: Code) -> Result<Self, S3Error> {
        if PRESIGNED_PARAMETERS
            .iter()
            .any(|name| query.count(name) != 1)
        {
            return Err(malformed_query(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                 X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters, each once.",
            ));
        }
        let value = |name| query.get(name).unwrap_or_default();
        match value("X-Amz-Algorithm") {
            ALGORITHM => {}
            asymmetric if is_asymmetric(asymmetric) => return Err(asymmetric_algorithm()),
            _ => {
                return Err(malformed_query(
                    "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
                ));
            }
        }
        let (access_key, scope) =
            parse_credential(value("X-Amz-Credential")).map_err(|message| {
                malformed_query(&format!(
                    "Error parsing the X-Amz-Credential parameter; {message}"
                ))
            })?;
        let time = date::parse_amz_date(value("X-Amz-Date")).ok_or_else(|| {
            malformed_query(
                "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
            )
        })?;
        let signature = parse_signature(value("X-Amz-Signature"));
        let payload = payload_header(parts)
            .or_else(|| query.get("X-Amz-Content-Sha256").map(str::to_owned))
            .unwrap_or_else(|| "UNSIGNED-PAYLOAD".to_owned());
        let signed_headers = value("X-Amz-SignedHeaders").split(';');
        let claim = Self {
            access_key,
            scope,
            time,
            signed_headers: signed_headers.map(str::to_owned).collect(),
            // A signature of another form is no malformed request: AWS says that it does not match.
            signature: signature.unwrap_or_default(),
            payload,
            place: Place::Query {
                expires_secs: parse_expires(value("X-Amz-Expires"), expires_code)?,
            },
        };
        claim.check_signed_headers(parts)?;
        Ok(claim)
    }

    /// The time as it was signed.
    pub(super) fn amz_date(&self) -> String {
        date::format_amz_date(self.time)
    }

    /// A complaint in the words of the place where the signature was.
    pub(super) fn malformed(&self, message: &str) -> S3Error {
        match self.place {
            Place::Header => malformed_header(message),
            Place::Query { .. } => malformed_query(&format!(
                "Error parsing the X-Amz-Credential parameter; {message}"
            )),
        }
    }

    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), S3Error> {
        let ahead = self.time.millis_since(now);
        match self.place {
            Place::Header if ahead.max(now.millis_since(self.time)) > SKEW_LIMIT_MS => {
                Err(skewed(&self.amz_date(), now))
            }
            Place::Query { .. } if ahead > SKEW_LIMIT_MS => Err(S3Error::with_message(
                Code::AccessDenied,
                "Request is not valid yet",
            )
            .detail("ServerTime", date::format_iso8601(now))),
            Place::Query { expires_secs } => {
                let end = self.time.plus_millis(expires_secs * 1000);
                if now <= end {
                    return Ok(());
                }
                Err(
                    S3Error::with_message(Code::AccessDenied, "Request has expired")
                        .detail("X-Amz-Expires", expires_secs.to_string())
                        .detail("Expires", date::format_iso8601(end))
                        .detail("ServerTime", date::format_iso8601(now)),
                )
            }
            Place::Header => Ok(()),
        }
    }

    /// Headers that change what a request does must be signed, or whoever has a signed request could add them.
    fn check_signed_headers(&self, parts: &Parts) -> Result<(), S3Error> {
        let is_signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        let mut unsigned: Vec<&str> = parts
            .headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(|name| name.starts_with("x-amz-") && !is_signed(name))
            .collect();
        if !is_signed("host") {
            unsigned.push("host");
        }
        if unsigned.is_empty() {
            return Ok(());
        }
        unsigned.sort_unstable();
        Err(S3Error::with_message(
            Code::AccessDenied,
            "There were headers present in the request which were not signed",
        )
        .detail("HeadersNotSigned", unsigned.join(", ")))
    }
}

fn check_algorithm(algorithm: &str) -> Result<(), S3Error> {
    match algorithm {
        ALGORITHM => Ok(()),
        "" => Err(S3Error::new(Code::AccessDenied)),
        asymmetric if is_asymmetric(asymmetric) => Err(asymmetric_algorithm()),
        other => Err(S3Error::invalid_argument(
            "Authorization",
            other,
            "Unsupported Authorization Type",
        )),
    }
}

fn is_asymmetric(algorithm: &str) -> bool {
    algorithm.starts_with("AWS4-ECDSA-")
}

fn asymmetric_algorithm() -> S3Error {
    S3Error::with_message(
        Code::NotImplemented,
        "The signature algorithm AWS4-ECDSA-P256-SHA256 is not implemented",
    )
}

/// A signature of version 2 where none is taken.
pub(super) fn version_two() -> S3Error {
    S3Error::with_message(
        Code::InvalidRequest,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

fn two_places() -> S3Error {
    S3Error::invalid_argument(
        "Authorization",
        "",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter \
         or the Authorization header should be specified",
    )
}

fn malformed_header(message: &str) -> S3Error {
    S3Error::with_message(
        Code::AuthorizationHeaderMalformed,
        format!("The authorization header is malformed; {message}"),
    )
}

pub(super) fn malformed_query(message: &str) -> S3Error {
    S3Error::with_message(Code::AuthorizationQueryParametersError, message.to_owned())
}

/// `<access key>/<date>/<region>/<service>/aws4_request`; an empty region is one that some SDKs sign for.
pub(super) fn parse_credential(text: &str) -> Result<(String, Scope), String> {
    let fields: Vec<&str> = text.split('/').collect();
    let [access_key, date, region, service, "aws4_request"] = fields.as_slice() else {
        return Err(
            "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
                .to_owned(),
        );
    };
    if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "incorrect date format \"{date}\". This date in the credential must be in the format \"yyyyMMdd\"."
        ));
    }
    let scope = Scope {
        date: (*date).to_owned(),
        region: (*region).to_owned(),
        service: (*service).to_owned(),
    };
    Ok(((*access_key).to_owned(), scope))
}

pub(super) fn parse_signature(text: &str) -> Option<[u8; 32]> {
    let mut signature = [0; 32];
    hex::decode_to_slice(text, &mut signature).ok()?;
    Some(signature)
}

fn parse_expires(text: &str, out_of_range: Code) -> Result<u64, S3Error> {
    let refused = |message: &'static str| S3Error::with_message(out_of_range, message);
    let number: i64 = text
        .parse()
        .map_err(|_| malformed_query("X-Amz-Expires should be a number"))?;
    match u64::try_from(number) {
        Err(_) => Err(refused("X-Amz-Expires must be non-negative")),
        // It was never valid.
        Ok(0) => Err(
            S3Error::with_message(Code::AccessDenied, "Request has expired")
                .detail("X-Amz-Expires", text),
        ),
        Ok(secs) if secs > EXPIRES_LIMIT_SECS => Err(refused(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             604800 seconds",
        )),
        Ok(secs) => Ok(secs),
    }
}

fn payload_header(parts: &Parts) -> Option<String> {
    let value = parts.headers.get(PAYLOAD_HEADER)?;
    Some(value.to_str().unwrap_or_default().to_owned())
}

/// When a request says that it was signed.
pub(super) fn time_of_header(parts: &Parts) -> Result<Timestamp, S3Error> {
    let header = parts.headers.get("x-amz-date");
    let header = header.or_else(|| parts.headers.get(header::DATE));
    let text = header.and_then(|value| value.to_str().ok()).unwrap_or("");
    date::parse_amz_date(text)
        .or_else(|| date::parse_http_date(text))
        .ok_or_else(|| {
            S3Error::with_message(
                Code::AccessDenied,
                "AWS authentication requires a valid Date or x-amz-date header",
            )
        })
}

/// A request of another time.
pub(super) fn skewed(request_time: &str, now: Timestamp) -> S3Error {
    S3Error::new(Code::RequestTimeTooSkewed)
        .detail("RequestTime", request_time)
        .detail("ServerTime", date::format_iso8601(now))
        .detail("MaxAllowedSkewMilliseconds", SKEW_LIMIT_MS.to_string())
}

/// Bytes as S3 shows them to whoever looks for a difference.
pub(super) fn spaced_hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}
