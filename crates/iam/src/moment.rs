//! Points in time as policies write them.

use std::fmt;

use cairn_types::time::Timestamp;

/// A point in time, in milliseconds since 1970; also before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Seconds up to the year 9999: more is no date.
const MAX_SECONDS: i64 = 253_402_300_799;

impl Moment {
    /// Reads one of the W3C forms of ISO 8601 (`2026`, `2026-11`, `2026-11-22`, `2026-11-22T14:15Z`, with seconds, with
    /// fractions, with `+01:00` for `Z`), or seconds since 1970.
    ///
    /// Four digits alone are a year: nobody means an hour of 1970.
    /// Source: AWS, "IAM JSON policy elements: Condition operators", date operators; W3C, "Date and Time Formats".
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_number = text
            .strip_prefix('-')
            .unwrap_or(text)
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        if is_number && text.len() != 4 {
            return Self::from_seconds(text.parse().ok()?);
        }
        let (date, clock) = match text.split_once('T') {
            Some((date, clock)) => (date, Some(clock)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year = digits(parts.next()?, 4)?;
        let month = parts.next().map_or(Some(1), |part| digits(part, 2))?;
        let day = parts.next().map_or(Some(1), |part| digits(part, 2))?;
        let is_complete = date.len() == 10;
        if parts.next().is_some() || (clock.is_some() && !is_complete) {
            return None;
        }
        if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
            return None;
        }
        let clock_ms = clock.map_or(Some(0), parse_clock)?;
        Some(Self(days_since_1970(year, month, day) * DAY_MS + clock_ms))
    }

    /// So many seconds after 1970, if that is within the years of four digits.
    pub(crate) fn from_seconds(seconds: i64) -> Option<Self> {
        (-MAX_SECONDS..=MAX_SECONDS)
            .contains(&seconds)
            .then(|| Self(seconds * 1000))
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
    }
}

/// `2026-11-22T14:15:00Z`, with milliseconds where there are any.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(DAY_MS));
        let within = self.0.rem_euclid(DAY_MS);
        let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
        let (second, milli) = (within / 1000 % 60, within % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if milli != 0 {
            write!(f, ".{milli:03}")?;
        }
        f.write_str("Z")
    }
}

/// `14:15Z`, `14:15:16Z`, `14:15:16.789Z`, with `+hh:mm` or `-hh:mm` in place of `Z`, as milliseconds of the day in UTC.
fn parse_clock(text: &str) -> Option<i64> {
    let (clock, offset_ms) = split_offset(text)?;
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map(|part| digits(part, 2));
    if parts.next().is_some() || (fraction.is_some() && second.is_none()) {
        return None;
    }
    let second = second.unwrap_or(Some(0))?;
    let milli = fraction.map_or(Some(0), parse_fraction)?;
    // 60: a leap second, which is taken for the first of the next minute.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1000 + milli - offset_ms)
}

/// The clock without what says how far it is ahead of UTC, and that in milliseconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let (clock, offset) = text.split_at(text.rfind(['+', '-'])?);
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    Some((clock, sign * (hours * 60 + minutes) * 60_000))
}

/// Milliseconds of the digits behind the point; what is finer is cut off.
fn parse_fraction(text: &str) -> Option<i64> {
    let is_fraction =
        (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = is_fraction.then(|| format!("{text:0<3}"))?;
    padded.get(..3)?.parse().ok()
}

/// Exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let matches = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    matches.then(|| text.parse().ok()).flatten()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse: year, month and day. Source: the same, `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn the_forms_of_the_w3c_and_seconds_are_dates() {
        for (text, millis) in [
            ("1970", 0),
            ("1970-02", 31 * DAY_MS),
            ("1970-01-02", DAY_MS),
            ("1970-01-01T00:01Z", 60_000),
            ("1970-01-01T00:00:01Z", 1_000),
            ("1970-01-01T00:00:01.5Z", 1_500),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T23:00:00-01:00", 0),
            ("0", 0),
            ("-1", -1_000),
            ("1795356900", 1_795_356_900_000),
            ("2026-11-22T14:15:00Z", 1_795_356_900_000),
            ("2000-02-29", 951_782_400_000),
        ] {
            assert_eq!(Moment::parse(text), Some(Moment(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in [
            "",
            "-",
            "soon",
            "2026-13-01",
            "2026-02-29",
            "1900-02-29",
            "2026-00-10",
            "2026-1-1",
            "2026-01-01T",
            "2026-01-01T10",
            "2026-01-01T10:00",
            "2026-01-01T24:00Z",
            "2026-01T10:00Z",
            "2026-01-01T10:60Z",
            "2026-01-01T10:00:61Z",
            "2026-01-01T10:00:00.Z",
            "2026-01-01T10:00.5Z",
            "2026-01-01T10:00:00+1",
            "2026-01-01T10:00:00+24:00",
            "2026-01-01-01",
            "99999999999999",
            "2026-01-01T10:00:00é",
            "20é6",
        ] {
            assert_eq!(Moment::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_is_written_so_that_it_is_read_back(
            millis in -62_167_219_200_000_i64..=253_402_300_799_999,
        ) {
            let moment = Moment(millis);
            assert_eq!(Moment::parse(&moment.to_string()), Some(moment), "{moment}");
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9T:.Zé]{0,30}") {
            let _ = Moment::parse(&text);
        }
    }
}
