//! Tags of buckets and objects.

use std::collections::BTreeSet;

/// The tags of one thing by key, as S3 tells them in whatever order they were given; none for what was never tagged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(Vec<(String, String)>);

/// Why a list of tags is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagsError {
    /// More tags than such a thing may have.
    #[error("there are more than {most} tags")]
    TooMany {
        /// How many there may be.
        most: usize,
    },
    /// A key is empty or longer than 128 characters.
    #[error("the key of a tag has 1 to 128 characters")]
    KeyLength,
    /// A value is longer than 256 characters.
    #[error("the value of a tag has at most 256 characters")]
    ValueLength,
    /// Two tags have the same key.
    #[error("two tags have the same key")]
    DuplicateKey,
}

impl Tags {
    /// The most tags of an object.
    pub const MOST_OF_OBJECT: usize = 10;
    /// The most tags of a bucket.
    pub const MOST_OF_BUCKET: usize = 50;
    /// The longest key in characters.
    pub const KEY_CHARACTERS: usize = 128;
    /// The longest value in characters.
    pub const VALUE_CHARACTERS: usize = 256;

    /// Checks keys and values, of which there may be `most`.
    ///
    /// # Errors
    /// The first rule that is broken.
    ///
    /// Source: AWS, "Categorizing your objects using tags".
    pub fn new(mut tags: Vec<(String, String)>, most: usize) -> Result<Self, TagsError> {
        if tags.len() > most {
            return Err(TagsError::TooMany { most });
        }
        let mut keys = BTreeSet::new();
        for (key, value) in &tags {
            if key.is_empty() || !has_at_most(key, Self::KEY_CHARACTERS) {
                return Err(TagsError::KeyLength);
            }
            if !has_at_most(value, Self::VALUE_CHARACTERS) {
                return Err(TagsError::ValueLength);
            }
            if !keys.insert(key.as_str()) {
                return Err(TagsError::DuplicateKey);
            }
        }
        tags.sort();
        Ok(Self(tags))
    }

    /// Checks the tags of an object.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn of_object(tags: Vec<(String, String)>) -> Result<Self, TagsError> {
        Self::new(tags, Self::MOST_OF_OBJECT)
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the tag with this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .find_map(|(known, value)| (known == key).then_some(value))
    }
}

fn has_at_most(text: &str, characters: usize) -> bool {
    text.chars().nth(characters).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn tags_are_told_by_key() {
        let tags = Tags::of_object(pairs(&[("b", "2"), ("a", ""), ("B", "3")])).unwrap();
        let listed: Vec<_> = tags.iter().collect();
        assert_eq!(listed, [("B", "3"), ("a", ""), ("b", "2")]);
        assert_eq!((tags.get("a"), tags.get("c")), (Some(""), None));
        assert_eq!((tags.len(), tags.is_empty()), (3, false));
    }

    #[test]
    fn every_rule_has_its_error() {
        let numbered = |count: usize| (0..count).map(|n| (n.to_string(), String::new())).collect();
        assert!(Tags::of_object(numbered(10)).is_ok());
        assert_eq!(
            Tags::of_object(numbered(11)),
            Err(TagsError::TooMany { most: 10 })
        );
        assert!(Tags::new(numbered(50), Tags::MOST_OF_BUCKET).is_ok());
        let (key, value) = ("é".repeat(128), "→".repeat(256));
        assert!(Tags::of_object(pairs(&[(&key, &value)])).is_ok());
        for (key, value, error) in [
            ("", "", TagsError::KeyLength),
            (&format!("{key}a")[..], "", TagsError::KeyLength),
            ("a", &format!("{value}a"), TagsError::ValueLength),
        ] {
            assert_eq!(Tags::of_object(pairs(&[(key, value)])), Err(error));
        }
        let twice = pairs(&[("a", "1"), ("a", "2")]);
        assert_eq!(Tags::of_object(twice), Err(TagsError::DuplicateKey));
    }
}
