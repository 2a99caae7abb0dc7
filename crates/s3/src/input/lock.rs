//! Object lock: what requests say of it in headers and documents.

use std::num::NonZeroU32;

use cairn_types::lock::{BucketLock, DefaultRetention, ObjectLock, Retention, RetentionPeriod};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::time::Timestamp;
use cairn_types::version::NamedVersion;
use http::HeaderMap;

use super::request::Request;
use crate::code::Code;
use crate::date::{format_iso8601, parse_iso8601};
use crate::dialect::Dialect;
use crate::error::S3Error;
use crate::xml::lock::{DefaultRetentionLine, PeriodUnit, parse_hold, parse_mode};

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const HOLD: &str = "x-amz-object-lock-legal-hold";
/// A default retention is a hundred years at most.
const DAYS_LIMIT: i64 = 36_500;
const YEARS_LIMIT: i64 = 100;

/// The input of `PutObjectLockConfiguration`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObjectLockInput {
    /// The bucket.
    pub bucket: BucketName,
    /// What its lock is to be.
    pub lock: BucketLock,
}

/// The input of `PutObjectRetention`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutRetentionInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Which version, if not the newest.
    pub version: Option<NamedVersion>,
    /// What its retention is to be; `None`: it is to have none. That it ends in the future is not checked yet.
    pub retention: Option<Retention>,
    /// Whether a retention of mode governance is to be passed.
    pub bypass_governance: bool,
}

impl PutObjectLockInput {
    /// Reads the input. `default` is what `parse_object_lock` found in the document.
    ///
    /// # Errors
    /// `InvalidArgument`, or what the dialect has for it, for less than a day or a year, `InvalidArgument` for more than a
    /// hundred years.
    pub fn parse(
        request: &Request<'_>,
        default: Option<DefaultRetentionLine>,
    ) -> Result<Self, S3Error> {
        let default = default.map(|line| default_retention(line, request.dialect));
        Ok(Self {
            bucket: request.bucket()?,
            lock: BucketLock {
                default: default.transpose()?,
            },
        })
    }
}

impl PutRetentionInput {
    /// Reads the input. `retention` is what `parse_retention` found in the document.
    ///
    /// # Errors
    /// `InvalidArgument` for a version that cannot be.
    pub fn parse(request: &Request<'_>, retention: Option<Retention>) -> Result<Self, S3Error> {
        let (bucket, key) = request.object()?;
        Ok(Self {
            bucket,
            key,
            version: request.version()?,
            retention,
            bypass_governance: bypasses_governance(request.headers()),
        })
    }
}

/// Whether the request is to pass retentions of mode governance; whether it may is decided elsewhere.
pub fn bypasses_governance(headers: &HeaderMap) -> bool {
    headers
        .get("x-amz-bypass-governance-retention")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// The lock that a new object is to have by the headers of its request. That it ends in the future is not checked yet.
///
/// # Errors
/// `InvalidArgument` for values that S3 does not know, and for a mode without a date or a date without a mode.
pub(super) fn object_lock(request: &Request<'_>) -> Result<ObjectLock, S3Error> {
    let mode = request.header(MODE)?.filter(|text| !text.is_empty());
    let until = request.header(UNTIL)?.filter(|text| !text.is_empty());
    let retention = match (mode, until) {
        (None, None) => None,
        (Some(mode), Some(until)) => Some(Retention {
            mode: parse_mode(&mode).ok_or_else(|| {
                S3Error::invalid_argument(MODE, &mode, "Unknown wormMode directive.")
            })?,
            until: parse_iso8601(&until).ok_or_else(|| {
                S3Error::invalid_argument(
                    UNTIL,
                    &until,
                    "The retain until date must be provided in ISO 8601 format",
                )
            })?,
        }),
        (mode, _) => {
            let (name, missing) = if mode.is_some() {
                (UNTIL, MODE)
            } else {
                (MODE, UNTIL)
            };
            return Err(S3Error::with_message(
                Code::InvalidArgument,
                format!("{UNTIL} and {MODE} must both be supplied"),
            )
            .detail("ArgumentName", name)
            .detail("GivenArgumentName", missing));
        }
    };
    let hold = request.header(HOLD)?.filter(|text| !text.is_empty());
    let hold = hold.map(|text| {
        parse_hold(&text).ok_or_else(|| {
            S3Error::invalid_argument(HOLD, &text, "Legal Hold must be either of 'ON' or 'OFF'")
        })
    });
    Ok(ObjectLock {
        retention,
        legal_hold: hold.transpose()?,
    })
}

/// Checks that a retention that is asked for ends in the future.
///
/// # Errors
/// `InvalidArgument`: it has ended.
pub fn check_retention_is_ahead(retention: Retention, now: Timestamp) -> Result<(), S3Error> {
    if retention.until > now {
        return Ok(());
    }
    Err(S3Error::invalid_argument(
        "RetainUntilDate",
        &format_iso8601(retention.until),
        "The retain until date must be in the future!",
    ))
}

fn default_retention(
    line: DefaultRetentionLine,
    dialect: Dialect,
) -> Result<DefaultRetention, S3Error> {
    let (name, limit) = match line.unit {
        PeriodUnit::Days => ("Days", DAYS_LIMIT),
        PeriodUnit::Years => ("Years", YEARS_LIMIT),
    };
    let refused = |code, message| {
        S3Error::with_message(code, message)
            .detail("ArgumentName", name)
            .detail("ArgumentValue", line.count.to_string())
    };
    if line.count > limit {
        return Err(refused(
            Code::InvalidArgument,
            "Default retention period value is too large",
        ));
    }
    let count = u32::try_from(line.count).ok().and_then(NonZeroU32::new);
    let count = count.ok_or_else(|| {
        refused(
            dialect.retention_below_one(),
            "Default retention period must be a positive integer value.",
        )
    })?;
    Ok(DefaultRetention {
        mode: line.mode,
        period: match line.unit {
            PeriodUnit::Days => RetentionPeriod::Days(count),
            PeriodUnit::Years => RetentionPeriod::Years(count),
        },
    })
}
