//! Text inside of a key: `00` as `00 FF`, ended by `00 00`.

/// What ends a text. Smaller than everything that may go on in its place, so that a text comes before those it begins.
const END: [u8; 2] = [0, 0];

/// Writes a text without its end: what all texts begin with that have this prefix.
pub(crate) fn push_prefix(bytes: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xff);
        }
    }
}

/// Writes a text.
pub(crate) fn push(bytes: &mut Vec<u8>, text: &str) {
    push_prefix(bytes, text);
    bytes.extend(END);
}

/// Reads a text and gives what follows it; `None` if it has no end, or is not one.
pub(crate) fn decode(bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut text = Vec::new();
    let mut rest = bytes;
    loop {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        if *byte == 0 {
            let (mark, behind) = rest.split_first()?;
            rest = behind;
            match mark {
                0 => return Some((String::from_utf8(text).ok()?, rest)),
                0xff => {}
                _ => return None,
            }
        }
        text.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::proptest;

    use super::*;

    fn encode(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        push(&mut bytes, text);
        bytes
    }

    #[test]
    fn texts_that_are_not_canonical_are_not_read() {
        for bad in [&b""[..], b"a", b"a\0", b"a\0\x01", b"\xff\0\0", b"a\0\xff"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_reads_back_with_what_follows_it(text in "[\\x00a\u{ff}\u{10ffff}]{0,6}", rest: Vec<u8>) {
            let mut bytes = encode(&text);
            bytes.extend(&rest);
            assert_eq!(decode(&bytes), Some((text, rest.as_slice())));
        }

        #[test]
        fn texts_order_as_their_bytes_do(
            left in "[\\x00\\x01a\u{ff}\u{10ffff}]{0,4}",
            right in "[\\x00\\x01a\u{ff}\u{10ffff}]{0,4}",
        ) {
            assert_eq!(encode(&left).cmp(&encode(&right)), left.as_bytes().cmp(right.as_bytes()));
        }

        #[test]
        fn reading_any_bytes_does_not_panic(bytes in any::<Vec<u8>>()) {
            let _ = decode(&bytes);
        }
    }
}
