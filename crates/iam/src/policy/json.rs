//! JSON as policies need it: a key stands once in an object, and nothing is nested deeply.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::PolicyError;

/// A value. Numbers and truths are the texts that they are written as: policies compare texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Text(String),
    /// `true`, `false` or a number.
    Bare(String),
    List(Vec<Json>),
    /// In the order of the document.
    Object(Vec<(String, Json)>),
}

/// The bytes of a document, without the white space that means nothing.
///
/// Source: AWS, "Bucket policies for Amazon S3": "Bucket policies are limited to 20 KB in size", counted so.
const SIGNIFICANT_BYTES: usize = 20 * 1024;
/// The bytes of a document with all its white space: far more than anybody indents.
const BYTES: usize = 1024 * 1024;
/// A policy is five levels deep.
const DEPTH: usize = 8;

impl Json {
    /// Reads a document.
    pub(super) fn parse(document: &[u8]) -> Result<Self, PolicyError> {
        if document.len() > BYTES || significant_bytes(document) > SIGNIFICANT_BYTES {
            return Err(PolicyError::Size);
        }
        if document.trim_ascii_start().first() != Some(&b'{') {
            return Err(PolicyError::FirstByte);
        }
        let mut reader = serde_json::Deserializer::from_slice(document);
        let value = Level(0)
            .deserialize(&mut reader)
            .map_err(|_| PolicyError::Json)?;
        reader.end().map_err(|_| PolicyError::Json)?;
        Ok(value)
    }
}

/// How many bytes a document has outside of the white space between its elements.
fn significant_bytes(document: &[u8]) -> usize {
    let (mut count, mut in_text, mut is_escaped) = (0, false, false);
    for byte in document {
        if !in_text && byte.is_ascii_whitespace() {
            continue;
        }
        count += 1;
        if is_escaped {
            is_escaped = false;
        } else if in_text && *byte == b'\\' {
            is_escaped = true;
        } else if *byte == b'"' {
            in_text = !in_text;
        }
    }
    count
}

/// Reads a value that stands so many levels deep.
struct Level(usize);

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        if self.0 > DEPTH {
            return Err(D::Error::custom("nested too deeply"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bare(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Bare(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Bare(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Bare(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Level(self.0 + 1))? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let mut fields: Vec<(String, Json)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(name) = object.next_key_seed(Name)? {
            // Two readers of one document that each take another of the two would not agree what it allows.
            if !names.insert(name.clone()) {
                return Err(A::Error::custom("the same key twice"));
            }
            fields.push((name, object.next_value_seed(Level(self.0 + 1))?));
        }
        Ok(Json::Object(fields))
    }
}

/// Reads the name of a field.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn numbers_and_truths_are_kept_as_they_are_written() {
        let text = |text: &str| Json::Text(text.to_owned());
        let bare = |text: &str| Json::Bare(text.to_owned());
        assert_eq!(
            Json::parse(br#" {"a": [1, -2, 1.5, true, null, "x"], "b": {}} "#),
            Ok(Json::Object(vec![
                (
                    "a".to_owned(),
                    Json::List(vec![
                        bare("1"),
                        bare("-2"),
                        bare("1.5"),
                        bare("true"),
                        Json::Null,
                        text("x")
                    ])
                ),
                ("b".to_owned(), Json::Object(vec![])),
            ]))
        );
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for (document, error) in [
            ("", PolicyError::FirstByte),
            ("[]", PolicyError::FirstByte),
            ("\u{feff}{}", PolicyError::FirstByte),
            ("{", PolicyError::Json),
            ("{} {}", PolicyError::Json),
            ("{'a': 1}", PolicyError::Json),
            (r#"{"a": 1, "a": 1}"#, PolicyError::Json),
            (r#"{"a": 1, "\u0061": 1}"#, PolicyError::Json),
            (r#"{"a": {"b": 1, "b": 2}}"#, PolicyError::Json),
            (r#"{"a": 1,}"#, PolicyError::Json),
        ] {
            assert_eq!(Json::parse(document.as_bytes()), Err(error), "{document}");
        }
        assert_eq!(Json::parse(b"{\"a\": \"\xff\"}"), Err(PolicyError::Json));
    }

    #[test]
    fn deep_nesting_is_refused_before_it_is_followed() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(nested(DEPTH).as_bytes()).is_ok());
        assert_eq!(
            Json::parse(nested(DEPTH + 1).as_bytes()),
            Err(PolicyError::Json)
        );
        assert_eq!(
            Json::parse(nested(9_000).as_bytes()),
            Err(PolicyError::Json)
        );
    }

    #[test]
    fn the_size_is_counted_without_white_space_between_elements() {
        let of_size = |count: usize| format!("{{\"a\":\"{}\"}}", " ".repeat(count - 8));
        assert!(Json::parse(of_size(SIGNIFICANT_BYTES).as_bytes()).is_ok());
        assert_eq!(
            Json::parse(of_size(SIGNIFICANT_BYTES + 1).as_bytes()),
            Err(PolicyError::Size)
        );
        let indented = format!("{{{}}}", " \n".repeat(SIGNIFICANT_BYTES));
        assert!(Json::parse(indented.as_bytes()).is_ok());
        let endless = format!("{{{}}}", " ".repeat(BYTES));
        assert_eq!(Json::parse(endless.as_bytes()), Err(PolicyError::Size));
        assert_eq!(
            significant_bytes(br#"{ "a \" b" : 1 }"#),
            r#"{"a \" b":1}"#.len()
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Json::parse(&bytes);
        }
    }
}
