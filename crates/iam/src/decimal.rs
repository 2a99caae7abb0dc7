//! Numbers as policies write them, compared exactly.

/// A decimal number with at most nine digits behind the point.
///
/// Kept in billionths, so that comparing is exact, which it would not be in binary fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(i128);

const FRACTION_DIGITS: usize = 9;
const BILLIONTHS: i128 = 1_000_000_000;
/// Enough for every 64-bit number, and far from the end of 128 bits in billionths.
const WHOLE_DIGITS: usize = 20;

impl Decimal {
    /// Reads a sign, up to 20 digits, and up to 9 behind a point. No exponents, blanks or infinities.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (digits, ""),
        };
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        if whole.len() > WHOLE_DIGITS || fraction.len() > FRACTION_DIGITS {
            return None;
        }
        let whole: i128 = whole.parse().ok()?;
        let fraction: i128 = format!("{fraction:0<FRACTION_DIGITS$}").parse().ok()?;
        let magnitude = whole * BILLIONTHS + fraction;
        Some(Self(if is_negative { -magnitude } else { magnitude }))
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self(i128::from(number) * BILLIONTHS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn only_plain_decimals_are_numbers() {
        for good in [
            "0",
            "-0",
            "+1",
            "007",
            "1.5",
            "-1.000000001",
            "18446744073709551615",
        ] {
            assert!(Decimal::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "-",
            ".5",
            "5.",
            "1e3",
            "inf",
            "NaN",
            " 1",
            "0x10",
            "--1",
            "1.0000000001",
            "1_000",
            "100000000000000000000000",
        ] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
        assert_eq!(Decimal::parse("1.50"), Decimal::parse("1.5"));
        assert_eq!(Decimal::parse("-0"), Decimal::parse("0"));
        assert!(Decimal::parse("-1.5") < Decimal::parse("-1.4"));
    }

    proptest! {
        #[test]
        fn numbers_are_ordered_as_integers_are(left in any::<i64>(), right in any::<i64>()) {
            let parsed = |number: i64| Decimal::parse(&number.to_string()).unwrap();
            assert_eq!(parsed(left).cmp(&parsed(right)), left.cmp(&right));
            assert_eq!(parsed(left), Decimal::from(left));
        }
    }
}
