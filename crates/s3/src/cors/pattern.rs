//! Origins and headers with at most one wildcard.

/// A text in which one `*` may stand for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// More than one wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pattern has at most one wildcard")]
pub struct TooManyWildcards;

impl Pattern {
    /// Counts the wildcards.
    ///
    /// # Errors
    /// There is more than one.
    pub fn new(text: String) -> Result<Self, TooManyWildcards> {
        match text.bytes().filter(|byte| *byte == b'*').count() {
            0 | 1 => Ok(Self(text)),
            _ => Err(TooManyWildcards),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches any text.
    pub fn is_everything(&self) -> bool {
        self.0 == "*"
    }

    /// Whether it matches a text, in which case counts.
    pub fn matches(&self, text: &str) -> bool {
        matches(&self.0, text)
    }

    /// Whether it matches a text in lower case, whatever its own case is.
    pub(super) fn matches_lower_case(&self, text: &str) -> bool {
        matches(&self.0.to_ascii_lowercase(), text)
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text
            .strip_prefix(start)
            .is_some_and(|rest| rest.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_anything_once() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "http://a", true),
            ("http://a", "http://a", true),
            ("http://a", "HTTP://a", false),
            ("start*end", "startend", true),
            ("start*end", "start1end", true),
            ("start*end", "0start1end", false),
            ("aba*aba", "ababa", false),
            ("*suffix", "foo.suffix", true),
            ("*suffix", "foo.suffix.get", false),
            ("prefix*", "prefix.x", true),
        ] {
            let pattern = Pattern::new(pattern.to_owned()).unwrap();
            assert_eq!(pattern.matches(text), expected, "{pattern:?} {text}");
        }
        assert_eq!(Pattern::new("*a*".to_owned()), Err(TooManyWildcards));
        let header = Pattern::new("X-Amz-*".to_owned()).unwrap();
        assert!(header.matches_lower_case("x-amz-date"));
    }
}
