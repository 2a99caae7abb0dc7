//! A small alphabet of which keys, prefixes, delimiters and markers are made, chosen to be mistaken for each other.

use cairn_dev_tests::dice::Dice;

/// Pieces of keys: what delimits, what sorts around the slash, what XML, URLs and line ends do things to, and characters of every
/// length in UTF-8, to the last one there is.
const PIECES: &[&str] = &[
    "a",
    "b",
    "ab",
    "z",
    "A",
    "/",
    "/",
    "/",
    "//",
    "a/",
    "/a",
    ".",
    "..",
    "./",
    "../",
    "-",
    "0",
    "a.",
    "a0",
    "a-",
    "_",
    " ",
    "  ",
    "+",
    "%",
    "%2F",
    "%20",
    "&",
    "&amp;",
    "<",
    ">",
    "]]>",
    "\"",
    "'",
    "\u{e9}",
    "e\u{301}",
    "\u{df}",
    "\u{ff}",
    "→",
    "→/",
    "😀",
    "\u{10ffff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{feff}",
    "\u{200b}",
    "\u{2028}",
    "\u{85}",
    "\u{7f}",
    "\u{80}",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\u{1}",
    "\u{1f}",
    "#",
    "?",
    "=",
    "|",
    "~",
    "*",
    "\\",
    "^",
    "`",
    "{",
    "}",
    "[",
    "]",
    ":",
    ";",
    ",",
    "@",
    "!",
    "$",
    "(",
    ")",
    "null",
    "uploads",
    "?versionId=",
];

const LONGEST_KEY: usize = 1024;

/// A key, of one to four pieces; seldom one of the greatest length.
pub(crate) fn key(dice: &mut Dice) -> String {
    let count = 1 + dice.below(4);
    let mut key: String = (0..count).map(|_| piece(dice)).collect();
    if dice.below(200) == 0 {
        while key.len() < LONGEST_KEY {
            key.push('k');
        }
    }
    key
}

/// A key that is near another: with another end, or cut short.
pub(crate) fn near(dice: &mut Dice, key: &str) -> String {
    let cut: usize = match dice.below(3) {
        0 => key.chars().count(),
        _ => usize::try_from(dice.below(8)).unwrap_or(0),
    };
    let mut near: String = key.chars().take(cut).collect();
    if near.is_empty() || dice.below(2) == 0 {
        near.push_str(piece(dice));
    }
    if near.len() > LONGEST_KEY {
        return piece(dice).to_owned();
    }
    near
}

/// What keys are rolled up by.
pub(crate) fn delimiter(dice: &mut Dice) -> String {
    match dice.below(10) {
        0..4 => "/".to_owned(),
        4..8 => piece(dice).to_owned(),
        _ => format!("{}{}", piece(dice), piece(dice)),
    }
}

fn piece(dice: &mut Dice) -> &'static str {
    let piece: &&str = dice.choose(PIECES);
    piece
}

/// Whether a text can stand in a document of XML 1.0, which knows no control characters but tabs and line ends.
pub(crate) fn is_xml(text: &str) -> bool {
    text.chars()
        .all(|character| character >= ' ' || "\t\n\r".contains(character))
}

/// A text as it stands in an element, with its line ends kept.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What a text of a listing that was asked for in `encoding-type=url` stands for; `None` where it is not encoded.
pub(crate) fn url_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
            }
            plain if plain.is_ascii_graphic() => bytes.push(plain),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_never_empty_nor_too_long() {
        let mut dice = Dice::of_seed(1);
        let mut last = key(&mut dice);
        for _ in 0..10_000 {
            last = if dice.below(2) == 0 {
                key(&mut dice)
            } else {
                near(&mut dice, &last)
            };
            assert!((1..=LONGEST_KEY + 16).contains(&last.len()), "{last:?}");
        }
    }

    #[test]
    fn encoded_texts_are_read_and_others_are_not() {
        assert_eq!(url_decoded("a+b%2B/%E2%86%92").as_deref(), Some("a b+/→"));
        for wrong in ["a b", "→", "%2", "%zz", "%ff"] {
            assert_eq!(url_decoded(wrong), None, "{wrong}");
        }
        assert_eq!(escaped("a<&\r"), "a&lt;&amp;&#13;");
        assert!(is_xml("\u{7f}\t") && !is_xml("\u{1}"));
    }
}
