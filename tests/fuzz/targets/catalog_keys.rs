//! Keys of the catalog's tables: texts read back and order as they should, and any rows are understood or refused.

#![no_main]

use bytes::Bytes;
use cairn_catalog::{BTreeStore, audit};
use libfuzzer_sys::fuzz_target;

#[path = "../../../crates/catalog/src/key/text.rs"]
mod text;

fuzz_target!(|input: &[u8]| {
    if let Some((text, rest)) = text::decode(input) {
        // One text has one form, or a row could be found under one key and not under the other.
        let mut again = encode(&text);
        again.extend(rest);
        assert_eq!(again, input);
    }
    if let Ok(input) = std::str::from_utf8(input) {
        let (left, right) = halves(input);
        order(left, right);
    }
    drop(audit(&store(input)));
});

fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    text::push(&mut bytes, text);
    bytes
}

/// Texts order as their bytes do, also where something follows them, and prefixes stay prefixes.
fn order(left: &str, right: &str) {
    let (one, other) = (encode(left), encode(right));
    let expected = left.as_bytes().cmp(right.as_bytes());
    assert_eq!(one.cmp(&other), expected);
    assert_eq!(text::decode(&one), Some((left.to_owned(), &[][..])));
    if left != right {
        let (last, first) = ([one, vec![0xff; 8]].concat(), [other, vec![0; 8]].concat());
        assert_eq!(
            last.cmp(&first),
            expected,
            "rows of one key lie among another's"
        );
    }
    let mut prefix = Vec::new();
    text::push_prefix(&mut prefix, left);
    assert_eq!(encode(right).starts_with(&prefix), right.starts_with(left));
}

/// The two halves of a text, at the next border of a character.
fn halves(text: &str) -> (&str, &str) {
    let middle = text.ceil_char_boundary(text.len() / 2);
    text.split_at(middle)
}

/// Rows: a length of the key, a length of the value, the key, the value.
fn store(mut input: &[u8]) -> BTreeStore {
    let mut rows = Vec::new();
    while let [key_len, value_len, rest @ ..] = input {
        let (key, rest) = rest.split_at(usize::from(*key_len).min(rest.len()));
        let (value, rest) = rest.split_at(usize::from(*value_len).min(rest.len()));
        rows.push((key.to_vec(), Bytes::copy_from_slice(value)));
        input = rest;
    }
    rows.into_iter().collect()
}
