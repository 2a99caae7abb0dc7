//! What a form may upload: a policy document, signed by whoever made the form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cairn_types::time::Timestamp;
use serde_json::Value;

use super::fields::Fields;
use crate::code::Code;
use crate::error::S3Error;

/// Fields that need no condition: those that sign the policy.
const SIGNING_FIELDS: [&str; 5] = [
    "awsaccesskeyid",
    "file",
    "policy",
    "signature",
    "x-amz-signature",
];

/// The beginnings of fields that need no condition: what nobody reads, and checksums, which only narrow what is accepted.
const FREE_PREFIXES: [&str; 2] = ["x-ignore-", "x-amz-checksum-"];

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostPolicy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

/// How many bytes a file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthRange {
    /// At least.
    pub min: u64,
    /// At most.
    pub max: u64,
}

/// What a field must be. Names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Equals { name: String, value: String },
    StartsWith { name: String, value: String },
    Length(LengthRange),
}

impl Default for LengthRange {
    fn default() -> Self {
        Self {
            min: 0,
            max: u64::MAX,
        }
    }
}

impl PostPolicy {
    /// Reads the field `policy`: JSON in base64.
    ///
    /// # Errors
    /// `InvalidPolicyDocument`, saying what is wrong with it.
    pub fn parse(field: &str) -> Result<Self, S3Error> {
        let packed: String = field.split_ascii_whitespace().collect();
        let document = STANDARD.decode(packed).ok();
        let document = document.and_then(|document| String::from_utf8(document).ok());
        let document = document.ok_or_else(|| invalid("Invalid Base64 Encoding."))?;
        let value: Value = serde_json::from_str(&standard_escapes(&document))
            .map_err(|_| invalid("Invalid JSON."))?;
        let expiration = value
            .get("expiration")
            .ok_or_else(|| invalid("Policy missing expiration."))?;
        let expiration = expiration.as_str().unwrap_or_default();
        let conditions = value
            .get("conditions")
            .ok_or_else(|| invalid("Policy missing conditions."))?;
        let conditions = conditions
            .as_array()
            .ok_or_else(|| invalid("Invalid 'conditions' value: must be a List."))?;
        Ok(Self {
            expiration: parse_expiration(expiration)
                .ok_or_else(|| invalid(&format!("Invalid 'expiration' value: '{expiration}'")))?,
            conditions: conditions
                .iter()
                .map(Condition::parse)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Compares a form with the policy, at the time `now`; gives how long its file may be. `bucket` is where it was sent.
    ///
    /// # Errors
    /// `AccessDenied`, saying what does not hold.
    pub fn check(
        &self,
        fields: &Fields,
        bucket: &str,
        now: Timestamp,
    ) -> Result<LengthRange, S3Error> {
        if now > self.expiration {
            return Err(denied("Policy expired."));
        }
        let mut range = LengthRange::default();
        for condition in &self.conditions {
            if let Condition::Length(own) = condition {
                range.min = range.min.max(own.min);
                range.max = range.max.min(own.max);
            } else if !condition.holds(fields, bucket) {
                let text = condition.text();
                return Err(denied(&format!("Policy Condition failed: {text}")));
            }
        }
        let is_free = |name: &str| {
            let has_condition = |condition: &Condition| condition.name() == Some(name);
            SIGNING_FIELDS.contains(&name)
                || FREE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                || self.conditions.iter().any(has_condition)
        };
        let extra: Vec<&str> = fields
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !is_free(name))
            .collect();
        if extra.is_empty() {
            return Ok(range);
        }
        Err(denied(&format!("Extra input fields: {}", extra.join(", "))))
    }
}

impl Condition {
    /// `{"name": "value"}`, `["eq" | "starts-with", "$name", "value"]` or `["content-length-range", min, max]`.
    fn parse(value: &Value) -> Result<Self, S3Error> {
        match value {
            Value::Object(members) => {
                let mut members = members.iter();
                let (Some((name, value)), None) = (members.next(), members.next()) else {
                    return Err(invalid(
                        "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
                    ));
                };
                let value = value
                    .as_str()
                    .ok_or_else(|| invalid("Invalid Simple-Condition: value must be a string."))?;
                Ok(Self::Equals {
                    name: name.to_ascii_lowercase(),
                    value: value.to_owned(),
                })
            }
            Value::Array(items) => Self::parse_list(items),
            _ => Err(invalid("Invalid Condition: must be a List or an Object.")),
        }
    }

    fn parse_list(items: &[Value]) -> Result<Self, S3Error> {
        let [operator, first, second] = items else {
            return Err(invalid("Invalid Condition: it must have three elements."));
        };
        let operator = operator.as_str().unwrap_or_default().to_ascii_lowercase();
        if operator == "content-length-range" {
            let length = |value| {
                length(value).ok_or_else(|| {
                    invalid("Invalid content-length-range: it needs two non-negative integers.")
                })
            };
            return Ok(Self::Length(LengthRange {
                min: length(first)?,
                max: length(second)?,
            }));
        }
        let name = first.as_str().and_then(|name| name.strip_prefix('$'));
        let (Some(name), Some(value)) = (name, second.as_str()) else {
            return Err(invalid(
                "Invalid Condition: it needs a field that begins with '$', and a string.",
            ));
        };
        let (name, value) = (name.to_ascii_lowercase(), value.to_owned());
        match operator.as_str() {
            "eq" => Ok(Self::Equals { name, value }),
            "starts-with" => Ok(Self::StartsWith { name, value }),
            _ => Err(invalid("Invalid Condition: unknown operator.")),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Equals { name, .. } | Self::StartsWith { name, .. } => Some(name),
            Self::Length(_) => None,
        }
    }

    fn holds(&self, fields: &Fields, bucket: &str) -> bool {
        // The bucket is where the form was sent, whatever a field says.
        let field = |name: &str| match name {
            "bucket" => bucket.to_owned(),
            name => fields.get(name).unwrap_or_default().to_owned(),
        };
        match self {
            Self::Equals { name, value } => field(name) == *value,
            // Several types each have to begin so.
            Self::StartsWith { name, value } if name == "content-type" => field(name)
                .split(',')
                .all(|kind| kind.trim_start().starts_with(value.as_str())),
            Self::StartsWith { name, value } => field(name).starts_with(value.as_str()),
            Self::Length(_) => true,
        }
    }

    /// As refusals repeat it.
    fn text(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        match self {
            Self::Equals { name, value } => {
                format!(
                    "[\"eq\", {}, {}]",
                    quoted(&format!("${name}")),
                    quoted(value)
                )
            }
            Self::StartsWith { name, value } => {
                let name = quoted(&format!("${name}"));
                format!("[\"starts-with\", {name}, {}]", quoted(value))
            }
            Self::Length(range) => {
                format!("[\"content-length-range\", {}, {}]", range.min, range.max)
            }
        }
    }
}

/// A number, also in a string, as forms are made by hand.
fn length(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// `2007-12-01T12:00:00.000Z`, with or without a fraction.
fn parse_expiration(text: &str) -> Option<Timestamp> {
    let is_utc = text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    let time: jiff::Timestamp = is_utc.then(|| text.parse().ok()).flatten()?;
    u64::try_from(time.as_millisecond())
        .ok()
        .map(Timestamp::from_millis)
}

/// A document with the escapes of AWS that JSON has not: `\$` is a dollar sign and `\v` a vertical tab.
fn standard_escapes(document: &str) -> String {
    let mut standard = String::with_capacity(document.len());
    let mut letters = document.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            standard.push(letter);
            continue;
        }
        match letters.next() {
            Some('$') => standard.push('$'),
            Some('v') => standard.push_str("\\u000b"),
            Some(escaped) => standard.extend(['\\', escaped]),
            None => standard.push('\\'),
        }
    }
    standard
}

fn invalid(reason: &str) -> S3Error {
    let message = format!("Invalid Policy: {reason}");
    S3Error::with_message(Code::InvalidPolicyDocument, message)
}

fn denied(reason: &str) -> S3Error {
    let message = format!("Invalid according to Policy: {reason}");
    S3Error::with_message(Code::AccessDenied, message)
}

#[cfg(test)]
mod tests;
