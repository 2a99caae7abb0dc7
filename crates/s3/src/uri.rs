//! Percent-encoding, exactly as S3 reads and signs it.

/// Text that is not percent-encoded UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not percent-encoded UTF-8")]
pub(crate) struct DecodeError;

/// What a plus sign stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// Itself: in paths.
    Literal,
    /// A blank: in queries, as HTML forms write them.
    Blank,
}

/// What to do with slashes when encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slash {
    /// They stand as they are: in paths.
    Keep,
    /// They are encoded: in queries.
    Encode,
}

/// Decodes once. A `%` must be followed by two hexadecimal digits, and the result must be UTF-8.
pub(crate) fn decode(encoded: &str, plus: Plus) -> Result<String, DecodeError> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = bytes.next().and_then(hex_digit).ok_or(DecodeError)?;
                let low = bytes.next().and_then(hex_digit).ok_or(DecodeError)?;
                high << 4 | low
            }
            b'+' if plus == Plus::Blank => b' ',
            _ => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| DecodeError)
}

/// Encodes every byte but letters, digits, `-`, `.`, `_` and `~`, with upper-case digits.
///
/// Source: AWS, "Create a signed AWS API request", the function `UriEncode`.
pub(crate) fn encode(text: &str, slash: Slash) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || (byte == b'/' && slash == Slash::Keep);
        if is_plain {
            encoded.push(char::from(byte));
        } else {
            let digit = |index: u8| {
                let digit = DIGITS.get(usize::from(index));
                char::from(*digit.expect("four bits index sixteen digits"))
            };
            encoded.push('%');
            encoded.push(digit(byte >> 4));
            encoded.push(digit(byte & 15));
        }
    }
    encoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn decoding_happens_once_and_refuses_what_is_no_utf8() {
        assert_eq!(decode("a%2Bb+c", Plus::Literal).unwrap(), "a+b+c");
        assert_eq!(decode("a%2Bb+c", Plus::Blank).unwrap(), "a+b c");
        assert_eq!(decode("%252e%2e/é", Plus::Literal).unwrap(), "%2e./é");
        for bad in [
            "%",
            "%2",
            "%zz",
            "%+1",
            "%ff",
            "%c3%28",
            "%ed%a0%80",
            "%c0%af",
        ] {
            assert_eq!(decode(bad, Plus::Literal), Err(DecodeError), "{bad}");
        }
    }

    #[test]
    fn encoding_leaves_only_unreserved_characters() {
        assert_eq!(encode("a/b c~é+*", Slash::Keep), "a/b%20c~%C3%A9%2B%2A");
        assert_eq!(encode("a/b", Slash::Encode), "a%2Fb");
    }

    proptest! {
        #[test]
        fn what_was_encoded_decodes_to_itself(text in any::<String>()) {
            assert_eq!(decode(&encode(&text, Slash::Encode), Plus::Literal).unwrap(), text);
            assert_eq!(decode(&encode(&text, Slash::Keep), Plus::Blank).unwrap(), text);
        }
    }
}
