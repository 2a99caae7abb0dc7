//! `ObjectLockConfiguration`, `Retention` and `LegalHold`.

use cairn_types::lock::{BucketLock, LegalHold, Retention, RetentionMode, RetentionPeriod};

use crate::code::Code;
use crate::date::{format_iso8601, parse_iso8601};
use crate::error::S3Error;
use crate::xml::reader::{Element, Malformed};
use crate::xml::writer::XmlWriter;

/// More than the seven elements of the longest of these documents.
const ELEMENT_LIMIT: usize = 16;

/// A default retention as a client writes it: the number is unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetentionLine {
    /// How strict.
    pub mode: RetentionMode,
    /// In what `count` counts.
    pub unit: PeriodUnit,
    /// How many.
    pub count: i64,
}

/// In what a retention period is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodUnit {
    /// Days.
    Days,
    /// Years.
    Years,
}

/// As documents and headers name it.
pub const fn mode_name(mode: RetentionMode) -> &'static str {
    match mode {
        RetentionMode::Governance => "GOVERNANCE",
        RetentionMode::Compliance => "COMPLIANCE",
    }
}

/// The mode of this name.
pub fn parse_mode(name: &str) -> Option<RetentionMode> {
    [RetentionMode::Governance, RetentionMode::Compliance]
        .into_iter()
        .find(|mode| mode_name(*mode) == name)
}

/// As documents and headers name it.
pub const fn hold_name(hold: LegalHold) -> &'static str {
    match hold {
        LegalHold::On => "ON",
        LegalHold::Off => "OFF",
    }
}

/// The hold of this name.
pub fn parse_hold(name: &str) -> Option<LegalHold> {
    [LegalHold::On, LegalHold::Off]
        .into_iter()
        .find(|hold| hold_name(*hold) == name)
}

/// Reads `ObjectLockConfiguration`: the retention of new versions, if there is to be one.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`; also for days and years at once.
pub fn parse_object_lock(document: &[u8]) -> Result<Option<DefaultRetentionLine>, S3Error> {
    let root = parse(document, "ObjectLockConfiguration")?;
    root.children(&["ObjectLockEnabled", "Rule"])?;
    if root.required("ObjectLockEnabled")?.trim() != "Enabled" {
        return Err(Malformed.into());
    }
    let Some(rule) = root.optional_child("Rule")? else {
        return Ok(None);
    };
    rule.children(&["DefaultRetention"])?;
    let retention = rule.required_child("DefaultRetention")?;
    Ok(Some(read_default(retention)?))
}

/// The document of a bucket's lock.
pub fn write_object_lock(lock: &BucketLock) -> String {
    let mut xml = XmlWriter::document();
    xml.open_root("ObjectLockConfiguration");
    xml.text("ObjectLockEnabled", "Enabled");
    if let Some(default) = lock.default {
        xml.open("Rule");
        xml.open("DefaultRetention");
        xml.text("Mode", mode_name(default.mode));
        match default.period {
            RetentionPeriod::Days(days) => xml.value("Days", &days),
            RetentionPeriod::Years(years) => xml.value("Years", &years),
        }
        xml.close("DefaultRetention");
        xml.close("Rule");
    }
    xml.close("ObjectLockConfiguration");
    xml.finish()
}

/// Reads `Retention`; one that says nothing takes the retention away.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`.
pub fn parse_retention(document: &[u8]) -> Result<Option<Retention>, S3Error> {
    let root = parse(document, "Retention")?;
    root.children(&["Mode", "RetainUntilDate"])?;
    let mode = root.optional("Mode")?.map(str::trim);
    let until = root.optional("RetainUntilDate")?.map(str::trim);
    match (mode, until) {
        (None, None) => Ok(None),
        (Some(mode), Some(until)) => Ok(Some(Retention {
            mode: parse_mode(mode).ok_or(Malformed)?,
            until: parse_iso8601(until).ok_or(Malformed)?,
        })),
        (Some(_), None) | (None, Some(_)) => Err(Malformed.into()),
    }
}

/// The document of a retention.
pub fn write_retention(retention: Retention) -> String {
    let mut xml = XmlWriter::document();
    xml.open_root("Retention");
    xml.text("Mode", mode_name(retention.mode));
    xml.text("RetainUntilDate", &format_iso8601(retention.until));
    xml.close("Retention");
    xml.finish()
}

/// Reads `LegalHold`.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`.
pub fn parse_legal_hold(document: &[u8]) -> Result<LegalHold, S3Error> {
    let root = parse(document, "LegalHold")?;
    root.children(&["Status"])?;
    Ok(parse_hold(root.required("Status")?.trim()).ok_or(Malformed)?)
}

/// The document of a legal hold.
pub fn write_legal_hold(hold: LegalHold) -> String {
    let mut xml = XmlWriter::document();
    xml.open_root("LegalHold");
    xml.text("Status", hold_name(hold));
    xml.close("LegalHold");
    xml.finish()
}

fn parse(document: &[u8], root: &str) -> Result<Element, S3Error> {
    if document.is_empty() {
        return Err(Code::MissingRequestBodyError.into());
    }
    Ok(Element::parse(document, root, ELEMENT_LIMIT)?)
}

fn read_default(retention: &Element) -> Result<DefaultRetentionLine, Malformed> {
    retention.children(&["Mode", "Days", "Years"])?;
    let mode = retention.required("Mode")?.trim();
    let days = retention.optional("Days")?;
    let years = retention.optional("Years")?;
    let (unit, count) = match (days, years) {
        (Some(days), None) => (PeriodUnit::Days, days),
        (None, Some(years)) => (PeriodUnit::Years, years),
        (Some(_), Some(_)) | (None, None) => return Err(Malformed),
    };
    Ok(DefaultRetentionLine {
        mode: parse_mode(mode).ok_or(Malformed)?,
        unit,
        count: count.trim().parse().map_err(|_| Malformed)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_types::lock::DefaultRetention;
    use cairn_types::time::Timestamp;
    use std::num::NonZeroU32;

    fn lock(inner: &str) -> Result<Option<DefaultRetentionLine>, Code> {
        let document = format!(
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{inner}</ObjectLockConfiguration>"
        );
        parse_object_lock(document.as_bytes()).map_err(|error| error.code())
    }

    fn rule(inner: &str) -> String {
        format!("<Rule><DefaultRetention>{inner}</DefaultRetention></Rule>")
    }

    #[test]
    fn a_bucket_lock_is_read_with_its_default() {
        assert_eq!(lock(""), Ok(None));
        let days = lock(&rule("<Mode>GOVERNANCE</Mode><Days>7</Days>"));
        let expected = DefaultRetentionLine {
            mode: RetentionMode::Governance,
            unit: PeriodUnit::Days,
            count: 7,
        };
        assert_eq!(days, Ok(Some(expected)));
        let years = lock(&rule("<Years>-1</Years><Mode>COMPLIANCE</Mode>"));
        let years = years.unwrap().unwrap();
        assert_eq!((years.unit, years.count), (PeriodUnit::Years, -1));
    }

    #[test]
    fn a_bucket_lock_that_cannot_be_is_malformed() {
        for bad in [
            "<Rule/>".to_owned(),
            rule(""),
            rule("<Mode>GOVERNANCE</Mode>"),
            rule("<Mode>governance</Mode><Days>1</Days>"),
            rule("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"),
            rule("<Mode>GOVERNANCE</Mode><Days>x</Days>"),
            rule("<Days>1</Days>"),
            "<Other/>".to_owned(),
        ] {
            assert_eq!(lock(&bad), Err(Code::MalformedXML), "{bad}");
        }
        for bad in [
            "<ObjectLockConfiguration/>",
            "<ObjectLockConfiguration><ObjectLockEnabled>Disabled</ObjectLockEnabled></ObjectLockConfiguration>",
        ] {
            let error = parse_object_lock(bad.as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::MalformedXML, "{bad}");
        }
        let empty = parse_object_lock(b"").unwrap_err();
        assert_eq!(empty.code(), Code::MissingRequestBodyError);
    }

    #[test]
    fn a_bucket_lock_is_written_as_it_reads() {
        assert!(!write_object_lock(&BucketLock::default()).contains("Rule"));
        for (period, inner) in [
            (RetentionPeriod::Days(NonZeroU32::MIN), "<Days>1</Days>"),
            (RetentionPeriod::Years(NonZeroU32::MIN), "<Years>1</Years>"),
        ] {
            let default = DefaultRetention {
                mode: RetentionMode::Compliance,
                period,
            };
            let text = write_object_lock(&BucketLock {
                default: Some(default),
            });
            let expected = rule(&format!("<Mode>COMPLIANCE</Mode>{inner}"));
            assert!(text.contains(&expected), "{text}");
            assert!(parse_object_lock(text.as_bytes()).unwrap().is_some());
        }
    }

    #[test]
    fn a_retention_has_a_mode_and_a_date_or_neither() {
        let parse = |inner: &str| {
            parse_retention(format!("<Retention>{inner}</Retention>").as_bytes())
                .map_err(|error| error.code())
        };
        let retention = Retention {
            mode: RetentionMode::Governance,
            until: Timestamp::from_millis(1_893_456_000_000),
        };
        let text = write_retention(retention);
        assert!(
            text.contains("<RetainUntilDate>2030-01-01T00:00:00.000Z<"),
            "{text}"
        );
        assert_eq!(parse_retention(text.as_bytes()), Ok(Some(retention)));
        assert_eq!(parse(""), Ok(None));
        for bad in [
            "<Mode>GOVERNANCE</Mode>",
            "<RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>",
            "<Mode>abc</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>",
            "<Mode>GOVERNANCE</Mode><RetainUntilDate>tomorrow</RetainUntilDate>",
        ] {
            assert_eq!(parse(bad), Err(Code::MalformedXML), "{bad}");
        }
    }

    #[test]
    fn a_hold_is_on_or_off() {
        for hold in [LegalHold::On, LegalHold::Off] {
            let text = write_legal_hold(hold);
            assert_eq!(parse_legal_hold(text.as_bytes()), Ok(hold));
        }
        for bad in [
            "<LegalHold/>",
            "<LegalHold><Status>abc</Status></LegalHold>",
        ] {
            let error = parse_legal_hold(bad.as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::MalformedXML, "{bad}");
        }
    }
}
