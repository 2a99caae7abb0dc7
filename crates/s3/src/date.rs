//! Dates as HTTP, signatures and XML write them.

use cairn_types::time::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The last millisecond that jiff knows, in the year 9999: no format here has more than four digits for a year.
const LAST_MILLIS: u64 = 253_402_207_200_000;

/// Reads an HTTP date in any of its three formats, to the second. Dates before 1970 become 1970.
///
/// `Sun, 06 Nov 1994 08:49:37 GMT` (also with `UTC`, `+0000` and `-0000`), `Sunday, 06-Nov-94 08:49:37 GMT` and
/// `Sun Nov  6 08:49:37 1994`. Two-digit years below 70 are in this century. The name of the day is not compared with
/// the date.
/// Source: RFC 9110, 5.6.7.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > 40 {
        return None;
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words.as_slice() {
        [day, date, month, year, time, zone] if day.ends_with(',') && is_utc(zone) => {
            civil(year_of(year)?, month, date, time)
        }
        [day, date, time, zone] if day.ends_with(',') && is_utc(zone) => {
            let mut fields = date.split('-');
            let (date, month, year) = (fields.next()?, fields.next()?, fields.next()?);
            let year = digits(year, 2)?;
            let century = if year < 70 { 2000 } else { 1900 };
            fields.next().is_none().then_some(())?;
            civil(i16::try_from(century + year).ok()?, month, date, time)
        }
        [_, month, date, time, year] => civil(year_of(year)?, month, date, time),
        _ => None,
    }
}

/// Writes `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn format_http_date(time: Timestamp) -> String {
    let at = calendar(time);
    let day = usize::try_from(at.weekday().to_monday_zero_offset()).ok();
    let month = usize::try_from(at.month() - 1).ok();
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        day.and_then(|day| DAYS.get(day)).expect("seven days"),
        at.day(),
        month
            .and_then(|month| MONTHS.get(month))
            .expect("twelve months"),
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// Writes `2009-10-12T17:50:30.000Z`.
pub fn format_iso8601(time: Timestamp) -> String {
    let at = calendar(time);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

/// Reads what ISO 8601 calls an extended date and time: `2030-01-01T00:00:00.123Z`, also with an offset, without seconds'
/// fraction, or with more digits of it than are kept. Dates before 1970 become 1970.
pub fn parse_iso8601(text: &str) -> Option<Timestamp> {
    if text.len() > 40 || !text.contains(['T', 't']) {
        return None;
    }
    let instant: jiff::Timestamp = text.parse().ok()?;
    let millis = u64::try_from(instant.as_millisecond()).unwrap_or(0);
    Some(Timestamp::from_millis(millis))
}

/// Reads `20150830T123600Z`, the date of signatures.
pub fn parse_amz_date(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    let field = |text: &str, from: usize, len: usize| digits(text.get(from..from + len)?, len);
    let at = DateTime::new(
        i16::try_from(field(date, 0, 4)?).ok()?,
        i8::try_from(field(date, 4, 2)?).ok()?,
        i8::try_from(field(date, 6, 2)?).ok()?,
        i8::try_from(field(time, 0, 2)?).ok()?,
        i8::try_from(field(time, 2, 2)?).ok()?,
        i8::try_from(field(time, 4, 2)?).ok()?,
        0,
    );
    timestamp(at.ok()?)
}

/// Writes `20150830T123600Z`.
pub(crate) fn format_amz_date(time: Timestamp) -> String {
    let at = calendar(time);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "GMT" | "UTC" | "+0000" | "-0000")
}

fn year_of(text: &str) -> Option<i16> {
    i16::try_from(digits(text, 4)?).ok()
}

fn civil(year: i16, month: &str, day: &str, time: &str) -> Option<Timestamp> {
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(month))?;
    let day = digits(day, day.len().clamp(1, 2))?;
    let mut fields = time.split(':');
    let mut field = || i8::try_from(digits(fields.next()?, 2)?).ok();
    let (hour, minute, second) = (field()?, field()?, field()?);
    fields.next().is_none().then_some(())?;
    let at = DateTime::new(
        year,
        i8::try_from(month + 1).ok()?,
        i8::try_from(day).ok()?,
        hour,
        minute,
        // A leap second counts as the last of its minute: no calendar here has a sixtieth.
        if second == 60 { 59 } else { second },
        0,
    );
    timestamp(at.ok()?)
}

/// Exactly `len` decimal digits.
fn digits(text: &str, len: usize) -> Option<u16> {
    let all_digits = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

fn timestamp(at: DateTime) -> Option<Timestamp> {
    let zoned = at.to_zoned(TimeZone::UTC).ok()?;
    let millis = zoned.timestamp().as_millisecond();
    Some(Timestamp::from_millis(u64::try_from(millis).unwrap_or(0)))
}

fn calendar(time: Timestamp) -> DateTime {
    let millis = i64::try_from(time.as_millis().min(LAST_MILLIS)).expect("cut above");
    let instant = jiff::Timestamp::from_millisecond(millis).expect("jiff knows the year 9999");
    TimeZone::UTC.to_datetime(instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn the_three_formats_of_http_are_one_date() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 -0000",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            let time = parse_http_date(text).unwrap();
            assert_eq!(time.as_millis(), 784_111_777_000, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_dates() {
        for bad in [
            "",
            "now",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:99 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94-1 08:49:37 GMT",
            "1994-11-06T08:49:37Z",
            &"(".repeat(100_000),
        ] {
            assert_eq!(parse_http_date(bad), None, "{bad:.60}");
        }
        for bad in [
            "",
            "20150830T123600",
            "20150830 123600Z",
            "20151330T123600Z",
            "2015083é123600Z",
        ] {
            assert_eq!(parse_amz_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn iso_8601_is_read_with_offsets_and_fractions() {
        for (text, millis) in [
            ("2009-10-12T17:50:30Z", 1_255_369_830_000),
            ("2009-10-12T17:50:30.007Z", 1_255_369_830_007),
            ("2009-10-12T17:50:30.007999Z", 1_255_369_830_007),
            ("2009-10-12T19:50:30+02:00", 1_255_369_830_000),
            ("1960-01-01T00:00:00Z", 0),
        ] {
            let time = parse_iso8601(text).map(Timestamp::as_millis);
            assert_eq!(time, Some(millis), "{text}");
        }
        let long = "2".repeat(1 << 20);
        for bad in [
            "",
            "2009-10-12",
            "2009-10-12T17:50:30",
            "12 Oct 2009",
            &long,
        ] {
            assert_eq!(parse_iso8601(bad), None, "{bad:.40}");
        }
    }

    #[test]
    fn dates_are_written_as_s3_writes_them() {
        let time = Timestamp::from_millis(1_255_369_830_007);
        assert_eq!(format_http_date(time), "Mon, 12 Oct 2009 17:50:30 GMT");
        assert_eq!(format_iso8601(time), "2009-10-12T17:50:30.007Z");
        assert_eq!(format_amz_date(time), "20091012T175030Z");
        assert_eq!(
            format_iso8601(Timestamp::from_millis(u64::MAX)),
            "9999-12-30T22:00:00.000Z"
        );
    }

    proptest! {
        #[test]
        fn dates_read_back(seconds in 0..LAST_MILLIS / 1000) {
            let time = Timestamp::from_millis(seconds * 1000);
            assert_eq!(parse_http_date(&format_http_date(time)), Some(time));
            assert_eq!(parse_amz_date(&format_amz_date(time)), Some(time));
        }
    }
}
